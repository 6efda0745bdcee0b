//! The history of monitors: results of checks, pings, and when the status changed.

use std::collections::HashMap;

use sqlx::AssertSqlSafe;
use sqlx::types::Json;
use uuid::Uuid;

use super::{Conn, Result, batches, on, placeholders, rows_of, run};
use crate::clock::Timestamp;
pub use crate::monitor::StatusChange;
use crate::monitor::heartbeat::SignalKind;
use crate::monitor::{
    CheckError, CheckResult, ErrorKind, FailedChecks, MonitorId, Phases, Status, Verdict,
};

/// SQLite takes at most 32,766 binds a statement; this keeps far below with any of our rows.
const ROWS_A_STATEMENT: usize = 500;

/// A result as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredResult {
    /// Its number within the monitor: the start of the check in epoch milliseconds.
    pub id: i64,
    /// What was found.
    pub result: CheckResult,
    /// Whether a maintenance window covered it.
    pub in_maintenance: bool,
}

/// A result to store.
#[derive(Debug, Clone, PartialEq)]
pub struct NewResult {
    /// Whose.
    pub monitor_id: MonitorId,
    /// What was found.
    pub result: CheckResult,
    /// Whether a maintenance window covers it.
    pub in_maintenance: bool,
}

#[derive(sqlx::FromRow)]
struct ResultRow {
    id: i64,
    region: String,
    verdict: Verdict,
    dns_ms: Option<i64>,
    connect_ms: Option<i64>,
    tls_ms: Option<i64>,
    first_byte_ms: Option<i64>,
    total_ms: Option<i64>,
    status_code: Option<i64>,
    error_kind: Option<ErrorKind>,
    error_text: Option<String>,
    failed_checks: Option<Json<FailedChecks>>,
    in_maintenance: bool,
}

impl From<ResultRow> for StoredResult {
    fn from(row: ResultRow) -> Self {
        let ms = |value: Option<i64>| value.and_then(|v| u32::try_from(v).ok());
        Self {
            id: row.id,
            in_maintenance: row.in_maintenance,
            result: CheckResult {
                region: row.region,
                started_at: Timestamp(row.id),
                phases: Phases {
                    dns: ms(row.dns_ms),
                    connect: ms(row.connect_ms),
                    tls: ms(row.tls_ms),
                    first_byte: ms(row.first_byte_ms),
                    total: ms(row.total_ms),
                },
                status_code: row.status_code.and_then(|v| u16::try_from(v).ok()),
                error: row
                    .error_kind
                    .map(|kind| CheckError::new(kind, row.error_text.unwrap_or_default())),
                failed_checks: row.failed_checks.map(|json| json.0).unwrap_or_default(),
                certificate: None,
                verdict: row.verdict,
            },
        }
    }
}

/// Stores results. One that is there already stays as it is.
pub async fn insert_results(conn: &mut Conn<'_>, results: &[NewResult]) -> Result<()> {
    for chunk in batches(conn, results) {
        let sql = format!(
            "INSERT INTO results (monitor_id, id, region, verdict, dns_ms, connect_ms, tls_ms, first_byte_ms,
                 total_ms, status_code, error_kind, error_text, failed_checks, in_maintenance)
             {} ON CONFLICT (monitor_id, id, region) DO NOTHING",
            rows_of(conn, chunk.len(), 14)
        );
        run!(conn, {
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for NewResult { monitor_id, result, in_maintenance } in chunk {
                let phases = &result.phases;
                let failed =
                    (!result.failed_checks.is_empty()).then_some(Json(&result.failed_checks));
                query = query
                    .bind(*monitor_id)
                    .bind(result.started_at)
                    .bind(&result.region)
                    .bind(result.verdict)
                    .bind(phases.dns.map(i64::from))
                    .bind(phases.connect.map(i64::from))
                    .bind(phases.tls.map(i64::from))
                    .bind(phases.first_byte.map(i64::from))
                    .bind(phases.total.map(i64::from))
                    .bind(result.status_code.map(i64::from))
                    .bind(result.error.as_ref().map(|e| e.kind))
                    .bind(result.error.as_ref().map(|e| e.text.clone()))
                    .bind(failed)
                    .bind(*in_maintenance);
            }
            query
        })?;
    }
    Ok(())
}

/// A monitor's results, newest first.
pub async fn results(
    conn: &mut Conn<'_>,
    monitor_id: MonitorId,
    limit: i64,
    offset: i64,
) -> Result<Vec<StoredResult>> {
    let rows: Vec<ResultRow> = on!(conn, c => sqlx::query_as(
        "SELECT * FROM results WHERE monitor_id = $1 ORDER BY id DESC, region LIMIT $2 OFFSET $3")
        .bind(monitor_id).bind(limit).bind(offset).fetch_all(c).await)?;
    Ok(rows.into_iter().map(StoredResult::from).collect())
}

/// A monitor's results that began at or after `since`, oldest first, at most `limit` of the newest.
pub async fn results_since(
    conn: &mut Conn<'_>,
    monitor_id: MonitorId,
    since: Timestamp,
    limit: i64,
) -> Result<Vec<StoredResult>> {
    let rows: Vec<ResultRow> = on!(conn, c => sqlx::query_as(
        "SELECT * FROM results WHERE monitor_id = $1 AND id >= $2 ORDER BY id DESC LIMIT $3")
        .bind(monitor_id).bind(since).bind(limit).fetch_all(c).await)?;
    Ok(rows.into_iter().rev().map(StoredResult::from).collect())
}

/// A monitor's results from before `before` (all of them when it is `None`), newest first; with `failed_only` those that failed.
pub async fn results_before(
    conn: &mut Conn<'_>,
    monitor_id: MonitorId,
    before: Option<i64>,
    failed_only: bool,
    limit: i64,
) -> Result<Vec<StoredResult>> {
    let rows: Vec<ResultRow> = on!(conn, c => sqlx::query_as(
        "SELECT * FROM results WHERE monitor_id = $1 AND id < $2 AND (NOT $3 OR error_kind IS NOT NULL)
         ORDER BY id DESC LIMIT $4")
        .bind(monitor_id).bind(before.unwrap_or(i64::MAX)).bind(failed_only).bind(limit)
        .fetch_all(c).await)?;
    Ok(rows.into_iter().map(StoredResult::from).collect())
}

/// The first of a monitor's results that is `down`, of those that began from `from` to `until`.
pub async fn first_failed(
    conn: &mut Conn<'_>,
    monitor_id: MonitorId,
    from: Timestamp,
    until: Timestamp,
) -> Result<Option<StoredResult>> {
    let row: Option<ResultRow> = on!(conn, c => sqlx::query_as(
        "SELECT * FROM results WHERE monitor_id = $1 AND id >= $2 AND id <= $3 AND verdict = $4
         ORDER BY id LIMIT 1")
        .bind(monitor_id).bind(from).bind(until).bind(Verdict::Down).fetch_optional(c).await)?;
    Ok(row.map(StoredResult::from))
}

/// How many results a monitor has.
pub async fn count_results(conn: &mut Conn<'_>, monitor_id: MonitorId) -> Result<i64> {
    on!(conn, c => sqlx::query_scalar("SELECT COUNT(*) FROM results WHERE monitor_id = $1")
        .bind(monitor_id).fetch_one(c).await)
}

/// Removes up to `limit` results of a monitor from before `before`; gives how many.
pub async fn prune_results(
    conn: &mut Conn<'_>,
    monitor_id: MonitorId,
    before: Timestamp,
    limit: i64,
) -> Result<u64> {
    run!(
        conn,
        sqlx::query(
            "DELETE FROM results WHERE monitor_id = $1 AND id IN
             (SELECT id FROM results WHERE monitor_id = $1 AND id < $2 ORDER BY id LIMIT $3)"
        )
        .bind(monitor_id)
        .bind(before)
        .bind(limit)
    )
}

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

/// Stores pings.
pub async fn insert_pings(conn: &mut Conn<'_>, pings: &[NewPing]) -> Result<()> {
    for chunk in batches(conn, pings) {
        let sql = format!(
            "INSERT INTO pings (monitor_id, n, at, kind, method, remote_addr, user_agent, rid, exit_status,
                 duration_ms, body, body_bytes, note) {}",
            rows_of(conn, chunk.len(), 13)
        );
        run!(conn, {
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for NewPing { monitor_id, ping, body } in chunk {
                query = query
                    .bind(*monitor_id)
                    .bind(ping.n)
                    .bind(ping.at)
                    .bind(ping.kind)
                    .bind(&ping.method)
                    .bind(&ping.remote_addr)
                    .bind(&ping.user_agent)
                    .bind(ping.rid)
                    .bind(ping.exit_status)
                    .bind(ping.duration_ms)
                    .bind(body)
                    .bind(ping.body_bytes)
                    .bind(&ping.note);
            }
            query
        })?;
    }
    Ok(())
}

/// A heartbeat's pings, newest first.
pub async fn pings(
    conn: &mut Conn<'_>,
    monitor_id: MonitorId,
    limit: i64,
    offset: i64,
) -> Result<Vec<Ping>> {
    on!(conn, c => sqlx::query_as(
        "SELECT n, at, kind, method, remote_addr, user_agent, rid, exit_status, duration_ms, body_bytes, note
         FROM pings WHERE monitor_id = $1 ORDER BY n DESC LIMIT $2 OFFSET $3")
        .bind(monitor_id).bind(limit).bind(offset).fetch_all(c).await)
}

/// A heartbeat's pings of one kind, newest first.
pub async fn pings_of_kind(
    conn: &mut Conn<'_>,
    monitor_id: MonitorId,
    kind: SignalKind,
    limit: i64,
) -> Result<Vec<Ping>> {
    on!(conn, c => sqlx::query_as(
        "SELECT n, at, kind, method, remote_addr, user_agent, rid, exit_status, duration_ms, body_bytes, note
         FROM pings WHERE monitor_id = $1 AND kind = $2 ORDER BY n DESC LIMIT $3")
        .bind(monitor_id).bind(kind).bind(limit).fetch_all(c).await)
}

/// The ends of a heartbeat's latest runs whose duration is known, newest first.
pub async fn timed_runs(
    conn: &mut Conn<'_>,
    monitor_id: MonitorId,
    limit: i64,
) -> Result<Vec<Ping>> {
    on!(conn, c => sqlx::query_as(
        "SELECT n, at, kind, method, remote_addr, user_agent, rid, exit_status, duration_ms, body_bytes, note
         FROM pings WHERE monitor_id = $1 AND duration_ms IS NOT NULL ORDER BY n DESC LIMIT $2")
        .bind(monitor_id).bind(limit).fetch_all(c).await)
}

/// How many pings are kept of a heartbeat.
pub async fn count_pings(conn: &mut Conn<'_>, monitor_id: MonitorId) -> Result<i64> {
    on!(conn, c => sqlx::query_scalar("SELECT COUNT(*) FROM pings WHERE monitor_id = $1")
        .bind(monitor_id).fetch_one(c).await)
}

/// The kept body of a ping: `None` if there is no such ping, empty if it had none.
pub async fn ping_body(
    conn: &mut Conn<'_>,
    monitor_id: MonitorId,
    n: i64,
) -> Result<Option<Vec<u8>>> {
    let body: Option<Option<Vec<u8>>> = on!(conn, c => sqlx::query_scalar(
        "SELECT body FROM pings WHERE monitor_id = $1 AND n = $2")
        .bind(monitor_id).bind(n).fetch_optional(c).await)?;
    Ok(body.map(Option::unwrap_or_default))
}

/// Removes up to `limit` of a heartbeat's pings that lie more than `keep` back; gives how many.
pub async fn prune_pings(
    conn: &mut Conn<'_>,
    monitor_id: MonitorId,
    keep: i64,
    limit: i64,
) -> Result<u64> {
    run!(
        conn,
        sqlx::query(
            "DELETE FROM pings WHERE monitor_id = $1 AND n IN
             (SELECT n FROM pings WHERE monitor_id = $1
              AND n <= (SELECT MAX(n) FROM pings WHERE monitor_id = $1) - $2 ORDER BY n LIMIT $3)"
        )
        .bind(monitor_id)
        .bind(keep)
        .bind(limit)
    )
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

/// The changes of status of some monitors from `since` on, each with the last one before it, oldest first.
pub async fn status_changes(
    conn: &mut Conn<'_>,
    monitor_ids: &[MonitorId],
    since: Timestamp,
) -> Result<HashMap<MonitorId, Vec<StatusChange>>> {
    let mut changes: HashMap<MonitorId, Vec<StatusChange>> = HashMap::new();
    for chunk in monitor_ids.chunks(ROWS_A_STATEMENT) {
        let sql = format!(
            "SELECT monitor_id, at, status FROM status_changes c WHERE monitor_id IN ({}) AND at >= COALESCE(
                 (SELECT MAX(at) FROM status_changes b WHERE b.monitor_id = c.monitor_id AND b.at <= $1), $1)
             ORDER BY monitor_id, at",
            placeholders(2, chunk.len())
        );
        let rows: Vec<(MonitorId, Timestamp, Option<Status>)> = on!(conn, c => {
            let mut query = sqlx::query_as(AssertSqlSafe(sql)).bind(since);
            for id in chunk {
                query = query.bind(*id);
            }
            query.fetch_all(c).await
        })?;
        for (monitor_id, at, status) in rows {
            changes.entry(monitor_id).or_default().push(StatusChange { at, status });
        }
    }
    Ok(changes)
}
