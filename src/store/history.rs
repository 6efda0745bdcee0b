//! The history of monitors: pings, and when the status changed. How pings are stored is in `new_pings` and `ping_sheets`, results of checks are in
//! `results`, what is kept for long in `rollups`.

use std::collections::HashMap;

use sqlx::AssertSqlSafe;
use sqlx::types::Json;
use uuid::Uuid;

use super::{Conn, Result, among, as_one, listed, on, ping_sheets, run};
use crate::clock::Timestamp;
pub use crate::monitor::StatusChange;
use crate::monitor::heartbeat::SignalKind;
use crate::monitor::{MonitorId, Status};

/// A ping as it is stored, without its body.
#[derive(Debug, Clone, PartialEq, sqlx::FromRow)]
pub struct Ping {
    /// Its number within the monitor: 1, 2, 3 … without gaps.
    pub n: i64,
    /// When it came.
    pub at: Timestamp,
    /// What it says.
    pub kind: SignalKind,
    /// The HTTP method.
    pub method: String,
    /// Who sent it.
    pub remote_addr: String,
    /// What sent it.
    pub user_agent: String,
    /// The run it belongs to.
    pub rid: Option<Uuid>,
    /// The exit status it gave.
    pub exit_status: Option<i64>,
    /// How long the run took, in ms.
    pub duration_ms: Option<i64>,
    /// The size of its body as it was sent.
    pub body_bytes: i64,
    /// What was odd about it.
    pub note: Option<String>,
}

/// A ping to store.
#[derive(Debug, Clone, PartialEq)]
pub struct NewPing {
    /// Whose.
    pub monitor_id: MonitorId,
    /// The ping.
    pub ping: Ping,
    /// The kept part of its body.
    pub body: Option<Vec<u8>>,
}

/// What the pings of the monitor `$1` are selected from.
fn pings_of(conn: &Conn<'_>) -> &'static str {
    match conn {
        Conn::Sqlite(_) => ping_sheets::OF_A_MONITOR,
        Conn::Postgres(_) => "(SELECT * FROM pings WHERE monitor_id = $1) p",
    }
}

/// The columns of a [`Ping`].
const PING: &str =
    "n, at, kind, method, remote_addr, user_agent, rid, exit_status, duration_ms, body_bytes, note";

/// A heartbeat's pings, newest first.
pub async fn pings(
    conn: &mut Conn<'_>,
    monitor_id: MonitorId,
    limit: i64,
    offset: i64,
) -> Result<Vec<Ping>> {
    let sql = format!("SELECT {PING} FROM {} ORDER BY n DESC LIMIT $2 OFFSET $3", pings_of(conn));
    on!(conn, c => sqlx::query_as(AssertSqlSafe(sql))
        .bind(monitor_id).bind(limit).bind(offset).fetch_all(c).await)
}

/// A heartbeat's pings of one kind, newest first.
pub async fn pings_of_kind(
    conn: &mut Conn<'_>,
    monitor_id: MonitorId,
    kind: SignalKind,
    limit: i64,
) -> Result<Vec<Ping>> {
    let sql =
        format!("SELECT {PING} FROM {} WHERE kind = $2 ORDER BY n DESC LIMIT $3", pings_of(conn));
    on!(conn, c => sqlx::query_as(AssertSqlSafe(sql))
        .bind(monitor_id).bind(kind).bind(limit).fetch_all(c).await)
}

/// The ends of a heartbeat's latest runs whose duration is known, newest first.
pub async fn timed_runs(
    conn: &mut Conn<'_>,
    monitor_id: MonitorId,
    limit: i64,
) -> Result<Vec<Ping>> {
    let sql = format!(
        "SELECT {PING} FROM {} WHERE duration_ms IS NOT NULL ORDER BY n DESC LIMIT $2",
        pings_of(conn)
    );
    on!(conn, c => sqlx::query_as(AssertSqlSafe(sql))
        .bind(monitor_id).bind(limit).fetch_all(c).await)
}

/// How many pings are kept of a heartbeat.
pub async fn count_pings(conn: &mut Conn<'_>, monitor_id: MonitorId) -> Result<i64> {
    let sql = format!("SELECT COUNT(*) FROM {}", pings_of(conn));
    on!(conn, c => sqlx::query_scalar(AssertSqlSafe(sql)).bind(monitor_id).fetch_one(c).await)
}

/// The kept body of a ping: `None` if there is no such ping, empty if it had none.
pub async fn ping_body(
    conn: &mut Conn<'_>,
    monitor_id: MonitorId,
    n: i64,
) -> Result<Option<Vec<u8>>> {
    let of = pings_of(conn);
    let sql = match conn {
        Conn::Sqlite(_) => format!(
            "SELECT b.body FROM {of} LEFT JOIN ping_bodies b ON b.monitor_id = $1 AND b.n = p.n WHERE p.n = $2"
        ),
        Conn::Postgres(_) => format!("SELECT body FROM {of} WHERE n = $2"),
    };
    let body: Option<Option<Vec<u8>>> = on!(conn, c => sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(monitor_id).bind(n).fetch_optional(c).await)?;
    Ok(body.map(Option::unwrap_or_default))
}

/// Stores changes of status. A second one at the same moment replaces the first.
pub async fn insert_status_changes(
    conn: &mut Conn<'_>,
    changes: &[(MonitorId, StatusChange)],
) -> Result<()> {
    for (monitor_id, change) in changes {
        run!(
            conn,
            sqlx::query(
                "INSERT INTO status_changes (monitor_id, at, status) VALUES ($1, $2, $3)
                 ON CONFLICT (monitor_id, at) DO UPDATE SET status = excluded.status"
            )
            .bind(*monitor_id)
            .bind(change.at)
            .bind(change.status)
        )?;
    }
    Ok(())
}

/// Puts other changes of status in the place of those that a monitor has within a span.
pub async fn replace_status_changes(
    conn: &mut Conn<'_>,
    monitor_id: MonitorId,
    (from, until): (Timestamp, Timestamp),
    changes: &[StatusChange],
) -> Result<()> {
    run!(
        conn,
        sqlx::query("DELETE FROM status_changes WHERE monitor_id = $1 AND at >= $2 AND at < $3")
            .bind(monitor_id)
            .bind(from)
            .bind(until)
    )?;
    let changes: Vec<_> = changes.iter().map(|change| (monitor_id, *change)).collect();
    insert_status_changes(conn, &changes).await
}

/// The changes of status of some monitors from `since` on, each with the last one before it, oldest first. Where nothing was known
/// at `since`, the last that was known is there too.
pub async fn status_changes(
    conn: &mut Conn<'_>,
    monitor_ids: &[MonitorId],
    since: Timestamp,
) -> Result<HashMap<MonitorId, Vec<StatusChange>>> {
    let sql = format!(
        "SELECT {} FROM monitors m JOIN status_changes c
             ON c.monitor_id = m.id AND c.at >= COALESCE(
                 (SELECT MAX(b.at) FROM status_changes b
                  WHERE b.monitor_id = m.id AND b.at < $1 AND b.status IS NOT NULL),
                 (SELECT MAX(b.at) FROM status_changes b WHERE b.monitor_id = m.id AND b.at <= $1), $1)
         WHERE {}",
        as_one(conn, "c.monitor_id, c.at, c.status", "c.monitor_id, c.at"),
        among(conn, "m.id", 2)
    );
    let list = listed(conn, monitor_ids);
    type Row = (MonitorId, i64, Option<Status>);
    let rows: Option<Json<Vec<Row>>> = on!(conn, c =>
        sqlx::query_scalar(AssertSqlSafe(sql)).bind(since).bind(list).fetch_one(c).await)?;
    let mut changes: HashMap<MonitorId, Vec<StatusChange>> = HashMap::new();
    for (monitor_id, at, status) in rows.map(|rows| rows.0).unwrap_or_default() {
        let change = StatusChange { at: Timestamp(at), status };
        changes.entry(monitor_id).or_default().push(change);
    }
    Ok(changes)
}
