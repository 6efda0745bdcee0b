//! What machines that keep their own incidents are told: which of theirs an alert is about, and what becomes of it. Pure.

use super::text::Tone;
use crate::notify::attempt::Outgoing;

/// What becomes of the incident.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// It begins, or goes on.
    Trigger,
    /// Somebody has taken it.
    Acknowledge,
    /// It is over.
    Resolve,
}

/// What an alert does to which incident: the key is the same for all that is told of it, and at most 255 characters.
///
/// An alert without an incident of ours has a key of its own kind, so that what was lost and came back is one there too.
pub fn action(outgoing: &Outgoing<'_>) -> (Action, String) {
    action_of(outgoing.alert.event.as_str(), outgoing)
}

/// The same by the event's word.
pub(super) fn action_of(event: &str, outgoing: &Outgoing<'_>) -> (Action, String) {
    let alert = outgoing.alert;
    if let Some(key) = incident_key(outgoing) {
        match event {
            "monitor.down" | "incident.reminder" | "self.cut_off" => return (Action::Trigger, key),
            "incident.acknowledged" => return (Action::Acknowledge, key),
            "monitor.up" | "self.back" => return (Action::Resolve, key),
            // `channel.failed` names the incident that could not be told, and must not open it again.
            _ => {}
        }
    }
    let subject: String = alert.message.subject.chars().take(200).collect();
    let monitor = alert.monitor.as_ref().map_or(subject.clone(), |monitor| monitor.id.to_string());
    let (action, about) = match event {
        "monitor.degraded" => (Action::Trigger, format!("degraded-{monitor}")),
        "monitor.up" => (Action::Resolve, format!("degraded-{monitor}")),
        "certificate.expiring" => (Action::Trigger, format!("certificate-{monitor}")),
        "channel.failed" => (Action::Trigger, format!("channel-{subject}")),
        "probe.lost" => (Action::Trigger, format!("probe-{subject}")),
        "probe.back" => (Action::Resolve, format!("probe-{subject}")),
        "self.cut_off" => (Action::Trigger, "self".to_owned()),
        "self.back" => (Action::Resolve, "self".to_owned()),
        // Each by itself: nothing that comes later is about the same.
        _ => (Action::Trigger, outgoing.key.clone()),
    };
    (action, format!("watchbell-{about}"))
}

/// The key of the incident (contract, section 6), if there is one.
pub fn incident_key(outgoing: &Outgoing<'_>) -> Option<String> {
    let incident = outgoing.alert.incident.as_ref()?;
    Some(format!("watchbell-incident-{}", incident.id))
}

/// How grave an alert is, in PagerDuty's words and in Opsgenie's.
pub fn severity(outgoing: &Outgoing<'_>) -> (&'static str, &'static str) {
    match Tone::of(outgoing.alert) {
        Tone::Critical => ("critical", "P1"),
        Tone::Warning => ("warning", "P3"),
        Tone::Good | Tone::Info => ("info", "P5"),
    }
}
