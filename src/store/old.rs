//! What is kept no longer: rows that are too old or too many, and the history of monitors that were deleted. The callers remove a few
//! rows in a transaction, so that no other write waits long.

use sqlx::AssertSqlSafe;

use super::{Conn, Result, on, ping_sheets, run};
use crate::clock::Timestamp;
use crate::monitor::MonitorId;
use crate::report::rollup::{Grain, HOUR_MS};

/// Rows of monitors that go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Old {
    /// Results from before a moment, with their answers; but not those of hours that wait to be rolled up again.
    Results(Timestamp),
    /// Answers that are older than the newest so many, but for those that began an incident.
    Answers(i64),
    /// Pings that lie more than so many back.
    Pings(i64),
    /// Hourly roll-ups from before a moment.
    Hours(Timestamp),
    /// Changes of status from before a moment, but for the last of them, which says how it was then.
    Changes(Timestamp),
    /// All, of one table.
    All(History),
}

/// The tables that hold so much of a monitor that it cannot go at once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum History {
    /// Results, with their answers.
    Results,
    /// Pings that are filed.
    Pings,
    /// Changes of status.
    Changes,
    /// Hourly roll-ups.
    Hours,
    /// Daily roll-ups.
    Days,
}

impl History {
    /// All of them.
    pub const ALL: [Self; 5] = [Self::Results, Self::Pings, Self::Changes, Self::Hours, Self::Days];

    /// The table, and what its rows are in order of beside the monitor.
    fn table(self, conn: &Conn<'_>) -> (&'static str, &'static str) {
        match self {
            Self::Results => ("results", "id"),
            Self::Pings => (ping_sheets::filed(conn), "n"),
            Self::Changes => ("status_changes", "at"),
            Self::Hours => ("hourly_rollups", "slot"),
            Self::Days => ("daily_rollups", "slot"),
        }
    }
}

impl Old {
    fn table(self, conn: &Conn<'_>) -> (&'static str, &'static str) {
        match self {
            Self::Results(_) => History::Results.table(conn),
            Self::Answers(_) => ("result_answers", "result_id"),
            Self::Pings(_) => History::Pings.table(conn),
            Self::Hours(_) => History::Hours.table(conn),
            Self::Changes(_) => History::Changes.table(conn),
            Self::All(history) => history.table(conn),
        }
    }

    /// What of the rows `t` of the monitor `owner` goes, and the value of `$1` in that.
    fn condition(self, conn: &Conn<'_>, owner: &str) -> (String, i64) {
        let (table, key) = self.table(conn);
        match self {
            // One bound, so that it is found by the key: who waits long has many that stay.
            Self::Results(before) => (
                format!(
                    "t.id < (SELECT COALESCE(MIN(CASE WHEN r.from_at < $1 THEN r.from_at - r.from_at % {HOUR_MS} ELSE $1 END), $1)
                         FROM rollup_redos r WHERE r.monitor_id = {owner})"
                ),
                before.0,
            ),
            Self::Answers(keep) => (
                format!(
                    "t.result_id < (SELECT n.result_id FROM result_answers n WHERE n.monitor_id = {owner}
                         ORDER BY n.result_id DESC LIMIT 1 OFFSET $1)
                     AND NOT EXISTS (SELECT 1 FROM incidents i WHERE i.monitor_id = {owner} AND i.started_at = t.result_id)"
                ),
                keep - 1,
            ),
            Self::Pings(keep) => (
                format!("t.n <= (SELECT MAX(n) FROM {table} WHERE monitor_id = {owner}) - $1"),
                keep,
            ),
            Self::Hours(before) => ("t.slot < $1".to_owned(), Grain::Hour.slot(before)),
            Self::Changes(before) => (
                format!(
                    "t.at < (SELECT MAX(l.at) FROM status_changes l WHERE l.monitor_id = {owner} AND l.at <= $1)"
                ),
                before.0,
            ),
            Self::All(_) => (format!("t.{key} <= $1"), i64::MAX),
        }
    }

    /// The monitors that have any.
    pub async fn owners(self, conn: &mut Conn<'_>) -> Result<Vec<MonitorId>> {
        let (condition, value) = match (self, &conn) {
            (Self::Pings(keep), Conn::Sqlite(_)) => (ping_sheets::ON_OLDEST_SHEET.to_owned(), keep),
            _ => self.condition(conn, "m.id"),
        };
        let sql = format!(
            "SELECT m.id FROM monitors m WHERE EXISTS
                 (SELECT 1 FROM {} t WHERE t.monitor_id = m.id AND {condition}) ORDER BY m.id",
            self.table(conn).0
        );
        on!(conn, c => sqlx::query_scalar(AssertSqlSafe(sql)).bind(value).fetch_all(c).await)
    }

    /// Removes up to `limit` of a monitor's, the oldest first; gives how many rows.
    pub async fn remove(self, conn: &mut Conn<'_>, id: MonitorId, limit: u64) -> Result<u64> {
        let ((table, key), (condition, value)) = (self.table(conn), self.condition(conn, "$2"));
        let pings_up_to = match self {
            Self::Pings(keep) => Some(ping_sheets::last_beyond(conn, id, keep).await?),
            Self::All(History::Pings) => Some(i64::MAX),
            _ => None,
        };
        let most = |removed: u64| i64::try_from(limit.saturating_sub(removed)).unwrap_or(i64::MAX);
        let mut removed = 0;
        // Bodies first: should the rest not be reached, the pings still say that there is something to do.
        if let Some(up_to) = pings_up_to {
            removed += ping_sheets::remove_bodies(conn, id, up_to, most(removed)).await?;
        }
        let sql = format!(
            "DELETE FROM {table} WHERE monitor_id = $2 AND {key} IN
             (SELECT t.{key} FROM {table} t WHERE t.monitor_id = $2 AND {condition} ORDER BY t.{key} LIMIT $3)"
        );
        let most = most(removed);
        removed += run!(conn, sqlx::query(AssertSqlSafe(sql)).bind(value).bind(id).bind(most))?;
        if let Some(up_to) = pings_up_to.filter(|_| removed < limit) {
            removed += ping_sheets::trim(conn, id, up_to).await?;
        }
        Ok(removed)
    }
}
