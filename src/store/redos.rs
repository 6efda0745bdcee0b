//! Hours that are rolled up already and must be again, as something that belongs to them became known later, or could not be read.

use sqlx::AssertSqlSafe;

use super::{Conn, Result, batches, on, rows_of, run};
use crate::clock::Timestamp;
use crate::monitor::MonitorId;
use crate::report::uptime::Span;

/// Notes that the hours of some monitors, each named once, in `[from, to)` must be rolled up again. Every time changes the row, as they
/// may be read already when more becomes known of them: then [`done`] must leave it.
///
/// A window may cover ten thousand monitors, and other writes wait meanwhile: hence many rows a statement.
pub async fn add(conn: &mut Conn<'_>, monitor_ids: &[MonitorId], (from, to): Span) -> Result<()> {
    for chunk in batches(conn, monitor_ids) {
        // The text holds placeholders only; all values are bound.
        let sql = format!(
            "INSERT INTO rollup_redos (monitor_id, from_at, to_at) {}
             ON CONFLICT (monitor_id) DO UPDATE SET
                 from_at = CASE WHEN excluded.from_at < rollup_redos.from_at THEN excluded.from_at ELSE rollup_redos.from_at END,
                 to_at = CASE WHEN excluded.to_at > rollup_redos.to_at THEN excluded.to_at ELSE rollup_redos.to_at + 1 END",
            rows_of(conn, chunk.len(), 3)
        );
        run!(conn, {
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for id in chunk {
                query = query.bind(*id).bind(from).bind(to);
            }
            query
        })?;
    }
    Ok(())
}

/// What must be rolled up again: whose, and from when to when; of monitors with greater numbers than `after`, at most `limit`.
pub async fn list(
    conn: &mut Conn<'_>,
    after: MonitorId,
    limit: i64,
) -> Result<Vec<(MonitorId, Span)>> {
    let rows: Vec<(MonitorId, Timestamp, Timestamp)> = on!(conn, c => sqlx::query_as(
        "SELECT monitor_id, from_at, to_at FROM rollup_redos WHERE monitor_id > $1 ORDER BY monitor_id LIMIT $2")
        .bind(after).bind(limit).fetch_all(c).await)?;
    Ok(rows.into_iter().map(|(id, from, to)| (id, (from, to))).collect())
}

/// Notes that it is done; if more was asked for meanwhile, it stays.
pub async fn done(conn: &mut Conn<'_>, monitor_id: MonitorId, (from, to): Span) -> Result<()> {
    run!(
        conn,
        sqlx::query(
            "DELETE FROM rollup_redos WHERE monitor_id = $1 AND from_at = $2 AND to_at = $3"
        )
        .bind(monitor_id)
        .bind(from)
        .bind(to)
    )?;
    Ok(())
}
