//! Alerts that are told together: what the sender decides by, and the summaries that stand for them.

use sqlx::AssertSqlSafe;
use sqlx::types::Json;

use super::{Conn, Result, among, deliveries, listed, on, placeholders, run};
use crate::clock::Timestamp;
use crate::incident::IncidentId;
use crate::incident::message::{Alert, AlertEvent};
use crate::monitor::MonitorId;
use crate::notify::group::{Queued, Waiting};
use crate::notify::{ChannelId, ChannelType, NewDelivery};

/// An alert that waits, where it goes, and when it is due.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Candidate {
    /// The alert.
    pub waiting: Waiting,
    /// Where it goes.
    pub channel_id: ChannelId,
    /// What kind of place that is.
    pub kind: ChannelType,
    /// When it is due as things stand.
    pub next_attempt_at: Timestamp,
}

/// The alerts about monitors that wait on enabled channels that people read and may still be told together with others, oldest
/// first: nobody has tried them, nor has somebody tried an older one of the same monitor and channel that is still on its way by itself.
pub async fn candidates(conn: &mut Conn<'_>) -> Result<Vec<Candidate>> {
    type Row = (i64, MonitorId, Timestamp, ChannelId, ChannelType, Timestamp);
    let machines: Vec<ChannelType> =
        ChannelType::ALL.iter().copied().filter(|kind| kind.room().is_none()).collect();
    // The text holds placeholders only; all values are bound.
    let text = format!(
        "SELECT d.id, d.monitor_id, d.created_at, d.channel_id, c.type, d.next_attempt_at
         FROM deliveries d JOIN channels c ON c.id = d.channel_id
         WHERE d.state = 'pending' AND d.first_attempt_at IS NULL AND d.summary_id IS NULL
            AND d.monitor_id IS NOT NULL AND c.enabled AND c.type NOT IN ({})
            AND NOT EXISTS (
                SELECT 1 FROM deliveries older
                WHERE older.state = 'pending' AND older.channel_id = d.channel_id
                    AND COALESCE(older.monitor_id, 0) = COALESCE(d.monitor_id, 0)
                    AND older.id < d.id AND older.first_attempt_at IS NOT NULL)
         ORDER BY d.id",
        placeholders(1, machines.len())
    );
    let rows: Vec<Row> = on!(conn, c => {
        let mut query = sqlx::query_as(AssertSqlSafe(text));
        for machine in machines {
            query = query.bind(machine);
        }
        query.fetch_all(c).await
    })?;
    let candidate = |row: Row| {
        let (id, monitor_id, created_at, channel_id, kind, next_attempt_at) = row;
        let waiting = Waiting { id, monitor_id, created_at };
        Candidate { waiting, channel_id, kind, next_attempt_at }
    };
    Ok(rows.into_iter().map(candidate).collect())
}

/// The alerts to a channel that were queued from `since` on, in the order of their queueing.
pub async fn queued(
    conn: &mut Conn<'_>,
    channel_id: ChannelId,
    since: Timestamp,
) -> Result<Vec<Queued>> {
    let rows: Vec<(Option<MonitorId>, AlertEvent, Timestamp)> = on!(conn, c => sqlx::query_as(
        "SELECT monitor_id, event, created_at FROM deliveries
         WHERE channel_id = $1 AND created_at >= $2 ORDER BY id")
        .bind(channel_id).bind(since).fetch_all(c).await)?;
    let queued = |(monitor_id, event, created_at)| Queued { monitor_id, event, created_at };
    Ok(rows.into_iter().map(queued).collect())
}

/// What is sent by these deliveries, by number. One that cannot be read (of a newer version, say) is left out.
pub async fn alerts(conn: &mut Conn<'_>, ids: &[i64]) -> Result<Vec<(i64, Alert)>> {
    let sql =
        format!("SELECT id, alert FROM deliveries WHERE {} ORDER BY id", among(conn, "id", 1));
    let list = listed(conn, ids);
    let rows: Vec<(i64, Json<serde_json::Value>)> =
        on!(conn, c => sqlx::query_as(AssertSqlSafe(sql)).bind(list).fetch_all(c).await)?;
    let readable = |(id, alert): (i64, Json<serde_json::Value>)| {
        Some((id, serde_json::from_value(alert.0).ok()?))
    };
    Ok(rows.into_iter().filter_map(readable).collect())
}

/// The condition of a delivery that was neither tried nor told together with others.
const IS_FREE: &str = "state = 'pending' AND first_attempt_at IS NULL AND summary_id IS NULL";

/// Lets alerts wait until `until`. What was tried or told together meanwhile stays as it is.
pub async fn hold(conn: &mut Conn<'_>, ids: &[i64], until: Timestamp) -> Result<()> {
    let sql = format!(
        "UPDATE deliveries SET next_attempt_at = $1 WHERE {IS_FREE} AND {}",
        among(conn, "id", 2)
    );
    let list = listed(conn, ids);
    run!(conn, sqlx::query(AssertSqlSafe(sql)).bind(until).bind(list)).map(drop)
}

/// Queues a summary in the place of the deliveries `ids`. Whether all of them were still free for it; if not, the transaction
/// must not be committed.
pub async fn put_together(conn: &mut Conn<'_>, summary: NewDelivery, ids: &[i64]) -> Result<bool> {
    let key = summary.idempotency_key.clone();
    deliveries::insert(conn, &[summary]).await?;
    let summary_id: i64 = on!(conn, c => sqlx::query_scalar(
        "SELECT id FROM deliveries WHERE idempotency_key = $1").bind(&key).fetch_one(c).await)?;
    let sql = format!(
        "UPDATE deliveries SET summary_id = $1 WHERE {IS_FREE} AND {}",
        among(conn, "id", 2)
    );
    let list = listed(conn, ids);
    let joined = run!(conn, sqlx::query(AssertSqlSafe(sql)).bind(summary_id).bind(list))?;
    Ok(usize::try_from(joined).is_ok_and(|joined| joined == ids.len()))
}

/// What a summary came to is true of all that it stands for. Gives their incidents.
pub async fn share_fate(conn: &mut Conn<'_>, summary_id: i64) -> Result<Vec<IncidentId>> {
    let incidents: Vec<(Option<IncidentId>,)> = on!(conn, c => sqlx::query_as(
        "UPDATE deliveries SET state = s.state, attempts = s.attempts, delivered_at = s.delivered_at,
            first_attempt_at = s.first_attempt_at, latency_ms = s.latency_ms,
            last_status = s.last_status, last_error = s.last_error, next_attempt_at = NULL
         FROM (SELECT state, attempts, delivered_at, first_attempt_at, latency_ms, last_status, last_error
               FROM deliveries WHERE id = $1) AS s
         WHERE deliveries.summary_id = $1 AND deliveries.state <> 'delivered'
         RETURNING incident_id").bind(summary_id).fetch_all(c).await)?;
    Ok(incidents.into_iter().filter_map(|(id,)| id).collect())
}
