//! What can happen to a monitor, and what follows from it. Pure.

use std::sync::Arc;

use super::certificate::Certificate;
use super::heartbeat::Signal;
use super::{Cause, CheckResult, Status};
use crate::clock::Timestamp;

/// What happened.
#[derive(Debug, Clone)]
pub enum Event<'a> {
    /// A check ended.
    Checked(&'a CheckResult),
    /// A job signalled.
    Signalled(&'a Signal),
    /// Time has come to look at the deadline.
    DeadlinePassed,
    /// Somebody paused it.
    Paused,
    /// Somebody resumed it.
    Resumed,
    /// Somebody changed its settings.
    Edited {
        /// Whether the window of a heartbeat is another one now.
        window_changed: bool,
    },
    /// Somebody deleted it.
    Deleted,
    /// Held alerts may go out now, if the outage is still there (heartbeats only: others wait for a failing check).
    HoldEnded,
    /// A region has said nothing for so long that it has no vote any more.
    FellSilent,
    /// Watchbell itself was away from this moment until now.
    WasAway(Timestamp),
}

/// What follows from an event. `plan` turns facts into incidents and alerts.
#[derive(Debug, Clone, PartialEq)]
pub enum Fact {
    /// The status is another one from `at` on (which may lie before the last check).
    StatusChanged {
        /// The new status.
        status: Status,
        /// Since when.
        at: Timestamp,
    },
    /// Nothing is known of it from `at` on: the history has a gap there.
    NotKnown {
        /// Since when.
        at: Timestamp,
    },
    /// It is confirmed to be down.
    WentDown {
        /// The first failure, or the deadline.
        started_at: Timestamp,
        /// Why.
        cause: Cause,
    },
    /// It was down and failed again.
    StillDown {
        /// Why, now.
        cause: Cause,
        /// Whether that is another trouble than before.
        changed: bool,
    },
    /// It is well again after an outage.
    Recovered {
        /// When the outage had begun.
        started_at: Timestamp,
    },
    /// It is right, but slow.
    Degraded,
    /// It was slow since then, and is not any more.
    NoLongerDegraded {
        /// Since when it was slow.
        since: Timestamp,
        /// Whether that was told.
        told: bool,
    },
    /// Its certificate ends soon, or has ended, and that was not told yet.
    CertificateExpiring {
        /// Which.
        certificate: Arc<Certificate>,
        /// The days until then, rounded up.
        days_left: i64,
        /// The nearest threshold that has passed, in days.
        threshold: u32,
    },
    /// It was down and is not watched any more.
    WatchingStopped {
        /// `paused` or `deleted`.
        why: &'static str,
        /// When the outage had begun.
        started_at: Timestamp,
    },
}
