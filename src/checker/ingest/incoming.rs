//! A signal of a job, as the web hands it in.

use uuid::Uuid;

use crate::monitor::heartbeat::SignalKind;
use crate::monitor::{Monitor, Target};

/// A signal as it came in.
#[derive(Debug, Clone)]
pub struct IncomingPing {
    /// The secret of the ping URL.
    pub uuid: Uuid,
    /// What it says.
    pub kind: SignalKind,
    /// The exit status it gave.
    pub exit_status: Option<i64>,
    /// The run it belongs to.
    pub rid: Option<Uuid>,
    /// How long the run took, in ms, if the caller says so.
    pub duration_ms: Option<i64>,
    /// What was odd about it.
    pub note: Option<&'static str>,
    /// The HTTP method.
    pub method: String,
    /// Who sent it.
    pub remote_addr: String,
    /// What sent it.
    pub user_agent: String,
    /// The kept part of its body.
    pub body: Option<Vec<u8>>,
    /// The size of its body as it was sent.
    pub body_bytes: i64,
}

/// A method that the monitor does not take makes the signal one that is logged and changes nothing.
pub(super) fn counted_kind(monitor: &Monitor, incoming: &IncomingPing) -> SignalKind {
    match &monitor.settings.target {
        Target::Heartbeat(spec)
            if !spec.allowed_methods.is_empty()
                && !spec.allowed_methods.contains(&incoming.method) =>
        {
            SignalKind::Ignored
        }
        _ => incoming.kind,
    }
}
