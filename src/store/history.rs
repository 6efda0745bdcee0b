//! The history of monitors: pings, and when the status changed. Results of checks are in `results`, what is kept for long in `rollups`.

use std::collections::HashMap;

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::{
    Conn, Error, Held, Result, batches, filled_up, monitors, on, placeholders, rows_of, run,
};
use crate::clock::Timestamp;
pub use crate::monitor::StatusChange;
use crate::monitor::heartbeat::{Signal, SignalKind};
use crate::monitor::state::State;
use crate::monitor::{MonitorId, Status};

/// SQLite takes at most 32,766 binds a statement; this keeps far below with any of our rows.
pub(super) const ROWS_A_STATEMENT: usize = 500;

/// How many pings one statement takes.
const PINGS_AT_ONCE: usize = 256;

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

/// The columns of a ping, in the order that [`bind_pings`] binds them.
const PING_COLUMNS: &str = "monitor_id, n, at, kind, method, remote_addr, user_agent, rid, exit_status, duration_ms, body, body_bytes, note";

/// The statement that stores so many pings.
fn insert_pings_sql(conn: &Conn<'_>, count: usize) -> String {
    let table = match conn {
        Conn::Sqlite(_) => "new_pings",
        Conn::Postgres(_) => "pings",
    };
    format!("INSERT INTO {table} ({PING_COLUMNS}) {}", rows_of(conn, count, 13))
}

/// Binds pings to a statement of [`insert_pings_sql`].
macro_rules! bind_pings {
    ($query:expr, $pings:expr) => {{
        let mut query = $query;
        for NewPing { monitor_id, ping, body } in $pings {
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
    }};
}

/// Stores pings.
pub async fn insert_pings(conn: &mut Conn<'_>, pings: &[NewPing]) -> Result<()> {
    for chunk in batches(conn, pings) {
        let sql = insert_pings_sql(conn, chunk.len());
        run!(conn, bind_pings!(sqlx::query(AssertSqlSafe(sql)), chunk))?;
    }
    Ok(())
}

/// Writes pings, and the states that they led to unless those may rest, as a transaction of their own. On SQLite this is one trip to the
/// connection's thread, where each statement, the beginning and the end are one.
///
/// # Errors
/// When nothing was written.
pub async fn write_pings(
    held: &mut Held,
    states: &[(MonitorId, State)],
    pings: &[NewPing],
) -> Result<()> {
    let states: Vec<(MonitorId, &State)> = states.iter().map(|(id, state)| (*id, state)).collect();
    if let (Held::Sqlite(connection), true) = (&mut *held, pings.len() <= PINGS_AT_ONCE) {
        let conn = Conn::Sqlite(connection);
        let insert = insert_pings_sql(&conn, pings.len());
        if states.is_empty() {
            // By itself it is a transaction.
            let query = bind_pings!(sqlx::query(AssertSqlSafe(insert)), pings);
            return query.execute(&mut **connection).await.map(drop).map_err(Error::from);
        }
        let sql = format!(
            "BEGIN IMMEDIATE; {}; {insert}; COMMIT",
            monitors::save_states_sql(&conn, states.len()),
        );
        let mut query = monitors::bind_states!(sqlx::query(AssertSqlSafe(sql)), &states);
        // The rows that fill up the first statement must not take the binds of the second.
        for _ in 0..filled_up(states.len()) * monitors::STATE_COLUMNS {
            query = query.bind(None::<i64>);
        }
        let written = bind_pings!(query, pings).execute(&mut **connection).await;
        // Whether it had begun is not known. A connection that may still be in the middle of it is not used again.
        if written.is_err() && sqlx::query("ROLLBACK").execute(&mut **connection).await.is_err() {
            connection.close_on_drop();
        }
        return written.map(drop).map_err(Error::from);
    }
    let mut tx = held.begin().await?;
    monitors::save_states(&mut tx.conn(), &states).await?;
    insert_pings(&mut tx.conn(), pings).await?;
    tx.commit().await
}

/// The signals of the new pings that the states do not know of, in order of their coming: of which monitor, the ping's number, and what it
/// said. Only SQLite has any.
pub async fn unseen_signals(conn: &mut Conn<'_>) -> Result<Vec<(MonitorId, i64, Signal)>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        monitor_id: MonitorId,
        n: i64,
        at: Timestamp,
        kind: SignalKind,
        rid: Option<Uuid>,
        exit_status: Option<i64>,
    }
    let Conn::Sqlite(_) = conn else { return Ok(Vec::new()) };
    let rows: Vec<Row> = on!(conn, c => sqlx::query_as(
        "SELECT p.monitor_id, p.n, p.at, p.kind, p.rid, p.exit_status
         FROM new_pings p JOIN monitor_states s ON s.monitor_id = p.monitor_id
         WHERE p.n > s.state ->> '$.beat.pings' ORDER BY p.id")
        .fetch_all(c).await)?;
    let signal = |row: Row| {
        let Row { monitor_id, n, at, kind, rid, exit_status } = row;
        (monitor_id, n, Signal { kind, rid, exit_status, at })
    };
    Ok(rows.into_iter().map(signal).collect())
}

/// Files the new pings among those of their monitors.
///
/// One of a number that is there already would be a fault of ours; it must not keep the others from their place for ever.
pub async fn file_pings(conn: &mut Conn<'_>) -> Result<()> {
    let Conn::Sqlite(_) = conn else { return Ok(()) };
    let file = format!(
        "INSERT INTO pings ({PING_COLUMNS}) SELECT {PING_COLUMNS} FROM new_pings
         WHERE true ORDER BY monitor_id, n ON CONFLICT DO NOTHING"
    );
    let filed = run!(conn, sqlx::query(AssertSqlSafe(file)))?;
    let new = run!(conn, sqlx::query("DELETE FROM new_pings"))?;
    if filed < new {
        tracing::error!(lost = new - filed, "pings had numbers that were given before");
    }
    Ok(())
}

/// Removes the new pings of some monitors. To delete one looks through all of them, as they have no index.
pub async fn remove_new_pings(conn: &mut Conn<'_>, ids: &[MonitorId]) -> Result<()> {
    let Conn::Sqlite(c) = conn else { return Ok(()) };
    let sql = format!("DELETE FROM new_pings WHERE monitor_id IN ({})", placeholders(1, ids.len()));
    let query = ids.iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, id| query.bind(*id));
    query.execute(&mut **c).await?;
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
         FROM all_pings WHERE monitor_id = $1 ORDER BY n DESC LIMIT $2 OFFSET $3")
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
         FROM all_pings WHERE monitor_id = $1 AND kind = $2 ORDER BY n DESC LIMIT $3")
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
         FROM all_pings WHERE monitor_id = $1 AND duration_ms IS NOT NULL ORDER BY n DESC LIMIT $2")
        .bind(monitor_id).bind(limit).fetch_all(c).await)
}

/// How many pings are kept of a heartbeat.
pub async fn count_pings(conn: &mut Conn<'_>, monitor_id: MonitorId) -> Result<i64> {
    on!(conn, c => sqlx::query_scalar("SELECT COUNT(*) FROM all_pings WHERE monitor_id = $1")
        .bind(monitor_id).fetch_one(c).await)
}

/// The kept body of a ping: `None` if there is no such ping, empty if it had none.
pub async fn ping_body(
    conn: &mut Conn<'_>,
    monitor_id: MonitorId,
    n: i64,
) -> Result<Option<Vec<u8>>> {
    let body: Option<Option<Vec<u8>>> = on!(conn, c => sqlx::query_scalar(
        "SELECT body FROM all_pings WHERE monitor_id = $1 AND n = $2")
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

/// The changes of status of some monitors from `since` on, each with the last one before it, oldest first.
pub async fn status_changes(
    conn: &mut Conn<'_>,
    monitor_ids: &[MonitorId],
    since: Timestamp,
) -> Result<HashMap<MonitorId, Vec<StatusChange>>> {
    let mut changes: HashMap<MonitorId, Vec<StatusChange>> = HashMap::new();
    for chunk in monitor_ids.chunks(ROWS_A_STATEMENT) {
        let sql = format!(
            "SELECT c.monitor_id, c.at, c.status FROM monitors m JOIN status_changes c
                 ON c.monitor_id = m.id AND c.at >= COALESCE(
                     (SELECT MAX(b.at) FROM status_changes b WHERE b.monitor_id = m.id AND b.at <= $1), $1)
             WHERE m.id IN ({}) ORDER BY c.monitor_id, c.at",
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
