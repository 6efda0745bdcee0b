//! What follows when a monitor fails: incidents, windows, who is told, and the words. Pure.

pub mod dependency;
pub mod escalation;
pub mod escalation_fields;
pub mod maintenance;
pub mod message;
pub mod plan;
#[cfg(test)]
mod plan_tests;
pub mod window_fields;

use serde::Serialize;

use crate::clock::Timestamp;
use crate::monitor::{Cause, MonitorId};

crate::words! {
    /// The state of an incident.
    pub enum IncidentState {
        /// Nobody has taken it.
        Open = "open",
        /// Somebody has it.
        Acknowledged = "acknowledged",
        /// It is over.
        Resolved = "resolved",
    }
}

crate::words! {
    /// What a line of an incident's timeline says.
    pub enum TimelineKind {
        /// The first failing check or missed deadline.
        Detected = "detected",
        /// The retries failed too: the monitor is down.
        Confirmed = "confirmed",
        /// Alerts were queued for the channels named in the detail.
        Notified = "notified",
        /// Alerts are held; the detail says why.
        Held = "held",
        /// Nobody was told, as no channel is set.
        NobodyNotified = "nobody_notified",
        /// The reason changed while it was down.
        ReasonChanged = "reason_changed",
        /// A step of the escalation policy could tell nobody: its channels are gone or disabled.
        StepSkipped = "step_skipped",
        /// Somebody took it.
        Acknowledged = "acknowledged",
        /// An acknowledgement ran out: the escalation goes on.
        AcknowledgementEnded = "acknowledgement_ended",
        /// A note of a person.
        Comment = "comment",
        /// An alert reached a channel.
        Delivered = "delivered",
        /// An alert could not be delivered.
        DeliveryFailed = "delivery_failed",
        /// The monitor is well again.
        Resolved = "resolved",
        /// The monitor was paused or deleted.
        WatchingStopped = "watching_stopped",
    }
}

/// The number of an incident.
pub type IncidentId = i64;

/// One outage of one monitor, from confirmed to recovered.
#[derive(Debug, Clone, PartialEq)]
pub struct Incident {
    /// Its number.
    pub id: IncidentId,
    /// The monitor; `None` for Watchbell's own, or when the monitor was deleted.
    pub monitor_id: Option<MonitorId>,
    /// What the monitor was called, kept for when it is deleted.
    pub monitor_name: String,
    /// The first failing check, or the deadline.
    pub started_at: Timestamp,
    /// When the monitor was found to be down.
    pub confirmed_at: Timestamp,
    /// When somebody took it.
    pub acknowledged_at: Option<Timestamp>,
    /// Who took it: an e-mail address or a token's name.
    pub acknowledged_by: Option<String>,
    /// When it ended.
    pub resolved_at: Option<Timestamp>,
    /// What it is put down to, as last seen.
    pub cause: Cause,
    /// The reason line of its alerts, as last seen.
    pub summary: String,
    /// The regions that saw it.
    pub regions: Vec<String>,
    /// Whether its alerts are held (maintenance window, dependency) and must go out after a fresh failing check.
    pub alerts_held: bool,
}

impl Incident {
    /// Where it stands.
    pub fn state(&self) -> IncidentState {
        match (self.resolved_at, self.acknowledged_at) {
            (Some(_), _) => IncidentState::Resolved,
            (None, Some(_)) => IncidentState::Acknowledged,
            (None, None) => IncidentState::Open,
        }
    }

    /// How long it has lasted until its end, or until `now`, in whole seconds.
    pub fn duration_seconds(&self, now: Timestamp) -> i64 {
        self.resolved_at.unwrap_or(now).since(self.started_at).max(0) / 1000
    }
}

/// One line of an incident's timeline.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TimelineEntry {
    /// When.
    pub at: Timestamp,
    /// What happened.
    pub kind: TimelineKind,
    /// One line for people.
    pub detail: String,
}
