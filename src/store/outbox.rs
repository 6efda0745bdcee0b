//! The sender's side of deliveries: claimed with a lease, then settled.

use sqlx::AssertSqlSafe;
use sqlx::types::Json;

use super::{Conn, Result, among, listed, on, run};
use crate::clock::Timestamp;
use crate::incident::IncidentId;
use crate::incident::message::Alert;
use crate::monitor::MonitorId;
use crate::notify::ChannelId;

/// A delivery that the sender holds until its lease ends.
#[derive(Debug, Clone, PartialEq)]
pub struct Claimed {
    /// Its number.
    pub id: i64,
    /// The incident, as of the claim.
    pub incident_id: Option<IncidentId>,
    /// The monitor.
    pub monitor_id: Option<MonitorId>,
    /// Where it goes.
    pub channel_id: ChannelId,
    /// What is sent, or why it cannot be read.
    pub alert: std::result::Result<Alert, String>,
    /// How often it was tried before.
    pub attempts: i64,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When it was first tried.
    pub first_attempt_at: Timestamp,
}

/// What a settled delivery belongs to, as it stands now: the incident may have been deleted meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settled {
    /// The incident, if it is still kept.
    pub incident_id: Option<IncidentId>,
}

/// Lets go of all leases: for the start of the only server, when nobody else can be sending.
pub async fn release_leases(conn: &mut Conn<'_>) -> Result<u64> {
    run!(
        conn,
        sqlx::query(
            "UPDATE deliveries SET leased_until = NULL
             WHERE state = 'pending' AND leased_until IS NOT NULL"
        )
    )
}

/// The deliveries that may be claimed now, oldest first, at most `per_channel` for each channel: due, not leased, not told by a
/// summary, and with no older pending one to the same channel about the same monitor.
pub async fn claimable(
    conn: &mut Conn<'_>,
    now: Timestamp,
    per_channel: i64,
) -> Result<Vec<(i64, ChannelId)>> {
    on!(conn, c => sqlx::query_as(
        // Materialized, so that the index of what is pending is used and not one of all that ever was.
        "WITH heads AS MATERIALIZED (
            SELECT d.id, d.channel_id FROM deliveries d
            WHERE d.state = 'pending' AND d.next_attempt_at <= $1 AND d.summary_id IS NULL
                AND (d.leased_until IS NULL OR d.leased_until <= $1)
                AND NOT EXISTS (
                    SELECT 1 FROM deliveries older
                    WHERE older.state = 'pending' AND older.channel_id = d.channel_id
                        AND COALESCE(older.monitor_id, 0) = COALESCE(d.monitor_id, 0)
                        AND older.id < d.id))
         SELECT id, channel_id FROM (
            SELECT id, channel_id, row_number() OVER (PARTITION BY channel_id ORDER BY id) AS place
            FROM heads) placed
         WHERE place <= $2 ORDER BY id").bind(now).bind(per_channel).fetch_all(c).await)
}

type Row = (
    i64,
    Option<IncidentId>,
    Option<MonitorId>,
    ChannelId,
    Json<serde_json::Value>,
    i64,
    Timestamp,
    Timestamp,
);

/// Claims deliveries until `until`; those that somebody else took meanwhile are left out.
pub async fn claim(
    conn: &mut Conn<'_>,
    ids: &[i64],
    now: Timestamp,
    until: Timestamp,
) -> Result<Vec<Claimed>> {
    let sql = format!(
        "UPDATE deliveries SET leased_until = $2, first_attempt_at = COALESCE(first_attempt_at, $1)
         WHERE state = 'pending' AND summary_id IS NULL
            AND (leased_until IS NULL OR leased_until <= $1) AND {}
         RETURNING id, incident_id, monitor_id, channel_id, alert, attempts, created_at, first_attempt_at",
        among(conn, "id", 3)
    );
    let list = listed(conn, ids);
    let rows: Vec<Row> = on!(conn, c => sqlx::query_as(AssertSqlSafe(sql))
        .bind(now).bind(until).bind(list).fetch_all(c).await)?;
    let mut claimed: Vec<Claimed> = rows.into_iter().map(read_claimed).collect();
    claimed.sort_by_key(|claimed| claimed.id);
    Ok(claimed)
}

fn read_claimed(row: Row) -> Claimed {
    let (id, incident_id, monitor_id, channel_id, alert, attempts, created_at, first_attempt_at) =
        row;
    // One alert that cannot be read (of a newer version, say) must not stop the claiming of all others.
    let alert = serde_json::from_value(alert.0).map_err(|error| error.to_string());
    Claimed {
        id,
        incident_id,
        monitor_id,
        channel_id,
        alert,
        attempts,
        created_at,
        first_attempt_at,
    }
}

/// When the next delivery that is not yet due will be.
pub async fn next_due(conn: &mut Conn<'_>, now: Timestamp) -> Result<Option<Timestamp>> {
    on!(conn, c => sqlx::query_scalar(
        "SELECT MIN(next_attempt_at) FROM deliveries
         WHERE state = 'pending' AND next_attempt_at > $1 AND summary_id IS NULL")
        .bind(now).fetch_one(c).await)
}

/// When the oldest delivery that is due and waits for no older one became due: how late the sender is. For `/readyz`.
pub async fn oldest_due(conn: &mut Conn<'_>, now: Timestamp) -> Result<Option<Timestamp>> {
    on!(conn, c => sqlx::query_scalar(
        "SELECT MIN(d.next_attempt_at) FROM deliveries d
         WHERE d.state = 'pending' AND d.next_attempt_at <= $1 AND d.summary_id IS NULL
            AND NOT EXISTS (
                SELECT 1 FROM deliveries older
                WHERE older.state = 'pending' AND older.channel_id = d.channel_id
                    AND COALESCE(older.monitor_id, 0) = COALESCE(d.monitor_id, 0)
                    AND older.id < d.id)").bind(now).fetch_one(c).await)
}

/// Makes deliveries that were tried and got no answer due now: the network is back, and their next turn may be half an hour away.
pub async fn hurry_unanswered(conn: &mut Conn<'_>, now: Timestamp) -> Result<u64> {
    run!(
        conn,
        sqlx::query(
            "UPDATE deliveries SET next_attempt_at = $1
             WHERE state = 'pending' AND next_attempt_at > $1 AND attempts > 0 AND last_status IS NULL"
        )
        .bind(now)
    )
}

/// Settles a delivery as delivered. `None` when it is no longer pending, or gone with its channel.
pub async fn delivered(
    conn: &mut Conn<'_>,
    id: i64,
    at: Timestamp,
    latency_ms: i64,
    status: Option<u16>,
) -> Result<Option<Settled>> {
    let row: Option<(Option<IncidentId>,)> = on!(conn, c => sqlx::query_as(
        "UPDATE deliveries SET state = 'delivered', attempts = attempts + 1, delivered_at = $2,
            latency_ms = $3, last_status = $4, last_error = NULL, next_attempt_at = NULL,
            leased_until = NULL
         WHERE id = $1 AND state = 'pending' RETURNING incident_id")
        .bind(id).bind(at).bind(latency_ms).bind(status.map(i64::from)).fetch_optional(c).await)?;
    Ok(row.map(|(incident_id,)| Settled { incident_id }))
}

/// Settles an attempt that failed: the delivery is tried again at `next`, or is given up when that is `None`.
/// `None` when it is no longer pending, or gone with its channel.
pub async fn not_delivered(
    conn: &mut Conn<'_>,
    id: i64,
    next: Option<Timestamp>,
    error: &str,
    status: Option<u16>,
) -> Result<Option<Settled>> {
    let row: Option<(Option<IncidentId>,)> = on!(conn, c => sqlx::query_as(
        "UPDATE deliveries SET state = CASE WHEN $2 IS NULL THEN 'failed' ELSE 'pending' END,
            attempts = attempts + 1, next_attempt_at = $2, last_error = $3, last_status = $4,
            leased_until = NULL
         WHERE id = $1 AND state = 'pending' RETURNING incident_id")
        .bind(id).bind(next).bind(error).bind(status.map(i64::from)).fetch_optional(c).await)?;
    Ok(row.map(|(incident_id,)| Settled { incident_id }))
}

#[cfg(test)]
mod tests;
