//! When heartbeats are due and pass their deadlines.

use super::{Conn, Result, on};
use crate::clock::Timestamp;
use crate::monitor::MonitorId;

/// The heartbeats whose deadline is at or before `now`, oldest first, at most `limit`.
pub async fn past_deadline(
    conn: &mut Conn<'_>,
    now: Timestamp,
    limit: i64,
) -> Result<Vec<MonitorId>> {
    on!(conn, c => sqlx::query_scalar(
        "SELECT monitor_id FROM monitor_states WHERE deadline_at <= $1 ORDER BY deadline_at LIMIT $2")
        .bind(now).bind(limit).fetch_all(c).await)
}

/// The next moment after `now` at which a heartbeat is due or passes its deadline.
pub async fn next_edge(conn: &mut Conn<'_>, now: Timestamp) -> Result<Option<Timestamp>> {
    on!(conn, c => sqlx::query_scalar(
        "SELECT MIN(at) FROM (
            SELECT MIN(deadline_at) AS at FROM monitor_states WHERE deadline_at IS NOT NULL
            UNION ALL
            SELECT MIN(due_at) AS at FROM monitor_states WHERE due_at > $1 AND status = 'up') edges")
        .bind(now).fetch_one(c).await)
}

/// The heartbeats that came due after `from`, up to `to`: they are late now.
pub async fn due_between(
    conn: &mut Conn<'_>,
    from: Timestamp,
    to: Timestamp,
) -> Result<Vec<MonitorId>> {
    on!(conn, c => sqlx::query_scalar(
        "SELECT monitor_id FROM monitor_states WHERE due_at > $1 AND due_at <= $2 AND status = 'up'")
        .bind(from).bind(to).fetch_all(c).await)
}
