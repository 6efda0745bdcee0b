//! What the watcher of deadlines looks for: whether anything is due, and when the next thing is.

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

/// What a look into all that has a time shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Outlook {
    /// Whether there may be anything to do: a window to move on, a heartbeat past its deadline or newly late, a ladder to climb, or alerts that
    /// are held.
    pub is_due: bool,
    /// The next moment at which a heartbeat is due or passes its deadline, a window opens or closes, or a ladder is to be climbed.
    pub next_edge: Option<Timestamp>,
}

/// All of it in one statement, as mostly there is nothing to do: heartbeats that came due are those after `looked_at`.
pub async fn outlook(conn: &mut Conn<'_>, looked_at: Timestamp, now: Timestamp) -> Result<Outlook> {
    on!(conn, c => sqlx::query_as(
        "SELECT EXISTS (SELECT 1 FROM maintenance_windows WHERE ends_at <= $2 AND cron IS NOT NULL)
             OR EXISTS (SELECT 1 FROM monitor_states WHERE deadline_at <= $2)
             OR EXISTS (SELECT 1 FROM monitor_states WHERE due_at > $1 AND due_at <= $2 AND status = 'up')
             OR EXISTS (SELECT 1 FROM incident_ladders WHERE next_at <= $2)
             OR EXISTS (SELECT 1 FROM incidents WHERE resolved_at IS NULL AND alerts_held AND monitor_id IS NOT NULL) AS is_due,
            (SELECT MIN(at) FROM (
                SELECT MIN(deadline_at) AS at FROM monitor_states WHERE deadline_at IS NOT NULL
                UNION ALL SELECT MIN(due_at) FROM monitor_states WHERE due_at > $2 AND status = 'up'
                UNION ALL SELECT MIN(starts_at) FROM maintenance_windows WHERE starts_at > $2
                UNION ALL SELECT MIN(ends_at) FROM maintenance_windows WHERE ends_at > $2
                UNION ALL SELECT MIN(next_at) FROM incident_ladders WHERE next_at IS NOT NULL) edges) AS next_edge")
        .bind(looked_at).bind(now).fetch_one(c).await)
}
