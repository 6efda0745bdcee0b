//! The words of reminders and of acknowledgements. Pure.

use super::{Message, duration, one_line, reason, subject};
use crate::clock::Timestamp;
use crate::incident::Incident;
use crate::monitor::Monitor;

impl Message {
    /// A monitor is still down: the next step of its escalation policy, for who was told before.
    pub fn reminder(monitor: &Monitor, incident: &Incident, now: Timestamp) -> Self {
        Self::of_outage("🔴", subject(monitor), "is still DOWN".to_owned(), incident, now)
    }

    /// Somebody has taken an incident; `monitor` is `None` for Watchbell's own.
    pub fn acknowledged(
        monitor: Option<&Monitor>,
        incident: &Incident,
        by: &str,
        now: Timestamp,
    ) -> Self {
        let subject = monitor.map_or_else(|| one_line(&incident.monitor_name), subject);
        let predicate = one_line(&format!("is acknowledged by {by}"));
        Self::of_outage("🔵", subject, predicate, incident, now)
    }

    fn of_outage(
        sign: &str,
        subject: String,
        predicate: String,
        incident: &Incident,
        now: Timestamp,
    ) -> Self {
        let lasting = format!("Duration: {}", duration(now.since(incident.started_at)));
        let lines = vec![reason(&incident.cause), lasting];
        Self { sign: sign.to_owned(), subject, predicate, lines }
    }
}
