//! What open pages are told: that something changed, and where.

use crate::monitor::MonitorId;

/// A change that a page may show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LiveEvent {
    /// A monitor has another state, another result or another ping.
    MonitorChanged(MonitorId),
    /// Monitors came or went, or incidents changed.
    CountsChanged,
    /// A probe was heard of, is lost or back, or was changed.
    ProbesChanged,
    /// A session or a token may have been revoked: whoever listens shows theirs again.
    AccessChanged,
}
