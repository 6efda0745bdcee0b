//! What ended so long ago that it is kept no longer: incidents with their timelines and alerts, alerts without an incident, past times of
//! windows. Whatever is open or still being tried stays, however old. The callers remove a few rows in a transaction, so that no
//! other write waits long.

use super::{Conn, Result, run};
use crate::clock::Timestamp;

/// Rows that go when they ended long ago.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ended {
    /// Alerts of incidents that ended, when they were delivered or given up.
    AlertsOfIncidents,
    /// Timelines of incidents that ended, of which no alert is left.
    Timelines,
    /// Incidents that ended, of which nothing else is left but their ladder, which goes with them.
    Incidents,
    /// Alerts without an incident, when they were delivered or given up. A summary goes after the alerts that it tells.
    OtherAlerts,
    /// The times that repeating windows were open.
    PastWindows,
}

impl Ended {
    /// All of them, each before what it refers to.
    pub const ALL: [Self; 5] = [
        Self::AlertsOfIncidents,
        Self::Timelines,
        Self::Incidents,
        Self::OtherAlerts,
        Self::PastWindows,
    ];

    /// The statement that removes up to $2 of those that ended before $1.
    ///
    /// Of an alert that was given up no end is known: it was tried for a day after it was queued. That it is not pending is asked twice, as on
    /// PostgreSQL somebody may have it sent again while this runs, which only the outer condition sees.
    fn sql(self) -> &'static str {
        match self {
            Self::AlertsOfIncidents => {
                "DELETE FROM deliveries WHERE state <> 'pending' AND id IN (
                     SELECT d.id FROM incidents i JOIN deliveries d ON d.incident_id = i.id
                     WHERE i.resolved_at < $1 AND d.state <> 'pending'
                         AND d.created_at < $1 AND (d.delivered_at IS NULL OR d.delivered_at < $1) LIMIT $2)"
            }
            Self::Timelines => {
                "DELETE FROM incident_timeline WHERE id IN (
                     SELECT t.id FROM incidents i JOIN incident_timeline t ON t.incident_id = i.id
                     WHERE i.resolved_at < $1
                         AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.incident_id = i.id) LIMIT $2)"
            }
            Self::Incidents => {
                "DELETE FROM incidents WHERE id IN (
                     SELECT i.id FROM incidents i WHERE i.resolved_at < $1
                         AND NOT EXISTS (SELECT 1 FROM deliveries d WHERE d.incident_id = i.id)
                         AND NOT EXISTS (SELECT 1 FROM incident_timeline t WHERE t.incident_id = i.id) LIMIT $2)"
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
        run!(conn, sqlx::query(self.sql()).bind(before).bind(limit))
    }
}
