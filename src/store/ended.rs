//! What ended so long ago that it is kept no longer: incidents with their timelines and alerts, alerts without an incident, past times of
//! windows. Whatever is open or still being tried stays, however old. The callers remove a few rows in a transaction, so that no
//! other write waits long.

use super::{Conn, Result, on, run};
use crate::clock::Timestamp;
use crate::report::uptime::Span;

/// Rows that go when they ended long ago. What belongs to incidents goes some incidents at a time, which are those that ended after the
/// first moment of a span, and at the second at the latest: from the first incident on, each batch would read all that are empty already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Alerts of incidents that ended, when they were delivered or given up.
    AlertsOfIncidents(Span),
    /// Timelines of incidents that ended, of which no alert is left.
    Timelines(Span),
    /// Incidents that ended, of which nothing else is left but their ladder, which goes with them.
    Incidents(Span),
    /// Alerts without an incident, when they were delivered or given up. A summary goes after the alerts that it tells.
    OtherAlerts,
    /// The times that repeating windows were open.
    PastWindows,
}

impl Ended {
    /// All that goes of some incidents, each before what it refers to.
    pub fn of_incidents(ended: Span) -> [Self; 3] {
        [Self::AlertsOfIncidents(ended), Self::Timelines(ended), Self::Incidents(ended)]
    }

    /// All that goes without an incident, once the alerts of incidents are gone.
    pub const OF_NO_INCIDENT: [Self; 2] = [Self::OtherAlerts, Self::PastWindows];

    /// The statement that removes some of them: of those of incidents, up to $3 of those of ($1, $2], with alerts from before $4;
    /// of the others, up to $2 from before $1.
    ///
    /// Of an alert that was given up no end is known: it was tried for a day after it was queued. That it is not pending is asked twice, as on
    /// PostgreSQL somebody may have it sent again while this runs, which only the outer condition sees.
    fn sql(self) -> &'static str {
        match self {
            Self::AlertsOfIncidents(_) => {
                "DELETE FROM deliveries WHERE state <> 'pending' AND id IN (
                     SELECT d.id FROM incidents i JOIN deliveries d ON d.incident_id = i.id
                     WHERE i.resolved_at > $1 AND i.resolved_at <= $2 AND d.state <> 'pending'
                         AND d.created_at < $4 AND (d.delivered_at IS NULL OR d.delivered_at < $4) LIMIT $3)"
            }
            Self::Timelines(_) => {
                "DELETE FROM incident_timeline WHERE id IN (
                     SELECT t.id FROM incidents i JOIN incident_timeline t ON t.incident_id = i.id
                     WHERE i.resolved_at > $1 AND i.resolved_at <= $2
                         AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.incident_id = i.id) LIMIT $3)"
            }
            Self::Incidents(_) => {
                "DELETE FROM incidents WHERE id IN (
                     SELECT i.id FROM incidents i WHERE i.resolved_at > $1 AND i.resolved_at <= $2
                         AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.incident_id = i.id)
                         AND NOT EXISTS (SELECT 1 FROM incident_timeline t WHERE t.incident_id = i.id) LIMIT $3)"
            }
            Self::OtherAlerts => {
                "DELETE FROM deliveries WHERE state <> 'pending' AND id IN (
                     SELECT d.id FROM deliveries d
                     WHERE d.incident_id IS NULL AND d.created_at < $1 AND d.state <> 'pending'
                         AND (d.delivered_at IS NULL OR d.delivered_at < $1)
                         AND NOT EXISTS (SELECT 1 FROM deliveries told WHERE told.summary_id = d.id) LIMIT $2)"
            }
            // As pairs, as neither database has one number for a row of it.
            Self::PastWindows => {
                "DELETE FROM past_windows WHERE (window_id, starts_at) IN (
                     SELECT p.window_id, p.starts_at FROM past_windows p WHERE p.ends_at < $1 LIMIT $2)"
            }
        }
    }

    /// Removes up to `limit` of those that ended before `before`; gives how many rows.
    pub async fn remove(self, conn: &mut Conn<'_>, before: Timestamp, limit: u64) -> Result<u64> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        run!(conn, {
            let query = sqlx::query(self.sql());
            match self {
                Self::AlertsOfIncidents((after, until)) => {
                    query.bind(after).bind(until).bind(limit).bind(before)
                }
                Self::Timelines((after, until)) | Self::Incidents((after, until)) => {
                    query.bind(after).bind(until).bind(limit)
                }
                Self::OtherAlerts | Self::PastWindows => query.bind(before).bind(limit),
            }
        })
    }
}

/// When the last of the next `count` incidents that ended in `(after, before)` did; `None` if there is none.
pub async fn next_incidents(
    conn: &mut Conn<'_>,
    (after, before): Span,
    count: i64,
) -> Result<Option<Timestamp>> {
    on!(conn, c => sqlx::query_scalar(
        "SELECT MAX(next.resolved_at) FROM (
             SELECT resolved_at FROM incidents WHERE resolved_at > $1 AND resolved_at < $2 ORDER BY resolved_at LIMIT $3) next")
        .bind(after).bind(before).bind(count).fetch_one(c).await)
}
