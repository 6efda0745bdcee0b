//! Maintenance windows: while one is open, its monitors' alerts are held and the time does not count. Pure.

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;
use crate::monitor::MonitorId;

/// A planned quiet time, once, from `starts_at` up to but not including `ends_at`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MaintenanceWindow {
    /// Its number.
    pub id: i64,
    /// What it is called.
    pub name: String,
    /// The monitors it covers.
    pub monitor_ids: Vec<MonitorId>,
    /// It covers every monitor with one of these tags too.
    pub tags: Vec<String>,
    /// When it opens.
    pub starts_at: Timestamp,
    /// When it closes.
    pub ends_at: Timestamp,
}

impl MaintenanceWindow {
    /// Whether it is open at `now`.
    pub fn is_active(&self, now: Timestamp) -> bool {
        self.starts_at <= now && now < self.ends_at
    }

    /// Whether it covers a monitor.
    pub fn covers(&self, monitor_id: MonitorId, tags: &[String]) -> bool {
        self.monitor_ids.contains(&monitor_id) || self.tags.iter().any(|tag| tags.contains(tag))
    }
}

/// The open window that covers a monitor at `now`; of several, the one that closes last.
pub fn active_window<'a>(
    windows: &'a [MaintenanceWindow],
    monitor_id: MonitorId,
    tags: &[String],
    now: Timestamp,
) -> Option<&'a MaintenanceWindow> {
    windows
        .iter()
        .filter(|w| w.is_active(now) && w.covers(monitor_id, tags))
        .max_by_key(|w| w.ends_at)
}
