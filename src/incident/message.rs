//! The words of an alert (contract, section 6), and the alert as it waits in the outbox. Pure.

mod certificate;
mod escalation;

use serde::{Deserialize, Serialize};
use url::Url;

use super::{Incident, IncidentId};
use crate::characters::spoils_a_line;
use crate::clock::Timestamp;
use crate::monitor::{Cause, CheckResult, ErrorKind, FailedChecks, Kind, Monitor, MonitorId};

crate::words! {
    /// What an alert is about.
    pub enum AlertEvent {
        /// A monitor is down.
        MonitorDown = "monitor.down",
        /// A monitor is back, or no longer watched.
        MonitorUp = "monitor.up",
        /// A monitor is slow.
        MonitorDegraded = "monitor.degraded",
        /// A certificate ends soon.
        CertificateExpiring = "certificate.expiring",
        /// A probe is silent.
        ProbeLost = "probe.lost",
        /// It is heard of again.
        ProbeBack = "probe.back",
        /// A monitor is still down, and it is the turn of the next step of its escalation policy.
        IncidentReminder = "incident.reminder",
        /// Somebody has taken an incident.
        IncidentAcknowledged = "incident.acknowledged",
        /// Watchbell itself is cut off from the network.
        SelfCutOff = "self.cut_off",
        /// It is back.
        SelfBack = "self.back",
        /// Several alerts in one message.
        Summary = "summary",
        /// A channel cannot be reached; told on the monitor's other channels.
        ChannelFailed = "channel.failed",
        /// Somebody pressed "Send test".
        ChannelTest = "channel.test",
    }
}

/// The sign of a monitor that is not watched any more.
pub const STOPPED: &str = "⚪";

/// The longest reason line, in characters.
pub const REASON_MAX: usize = 300;

/// An alert as it waits in the outbox: all that any channel may want to say, taken when the state changed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Alert {
    /// What it is about.
    pub event: AlertEvent,
    /// The words.
    pub message: Message,
    /// The monitor, if it is about one.
    pub monitor: Option<AlertMonitor>,
    /// The incident, if there is one.
    pub incident: Option<AlertIncident>,
    /// The check that showed it; `None` for heartbeats.
    pub check: Option<AlertCheck>,
}

impl Alert {
    /// A test of the channel called `channel`.
    pub fn channel_test(channel: &str) -> Self {
        Self {
            event: AlertEvent::ChannelTest,
            message: Message::channel_test(channel),
            monitor: None,
            incident: None,
            check: None,
        }
    }

    /// That this alert could not be delivered on the channel called `channel`, for the other channels.
    pub fn channel_failed(&self, channel: &str, error: &str) -> Self {
        Self {
            event: AlertEvent::ChannelFailed,
            message: Message::channel_failed(channel, error),
            monitor: self.monitor.clone(),
            incident: self.incident.clone(),
            check: None,
        }
    }
}

/// The monitor, as an alert shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertMonitor {
    /// Its number.
    pub id: MonitorId,
    /// Its kind.
    #[serde(rename = "type")]
    pub kind: Kind,
    /// What it is called.
    pub name: String,
    /// What is fetched, without user and password; `None` for heartbeats.
    pub url: Option<String>,
    /// Its tags.
    pub tags: Vec<String>,
}

/// The incident, as an alert shows it. Its link is made when the alert is sent.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertIncident {
    /// Its number.
    pub id: IncidentId,
    /// The first failing check, or the deadline.
    pub started_at: Timestamp,
    /// When it ended, if it has.
    pub resolved_at: Option<Timestamp>,
    /// When somebody took it.
    pub acknowledged_at: Option<Timestamp>,
    /// From its start to its end, or to the alert.
    pub duration_seconds: i64,
    /// A word for machines: an error kind, `no_ping`, `still_running`, `reported_failure` or `cut_off`.
    pub cause: String,
    /// The reason line.
    pub summary: String,
}

/// The check, as an alert shows it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AlertCheck {
    /// Where it was made.
    pub region: String,
    /// The status code, if an answer came.
    pub status_code: Option<u16>,
    /// What was wrong.
    pub error: Option<String>,
    /// The whole time, in ms.
    pub response_ms: Option<u32>,
    /// The parts of the health body that are not well.
    pub failed_checks: FailedChecks,
    /// When it ended.
    pub checked_at: Timestamp,
}

impl AlertMonitor {
    /// The monitor as it stands.
    pub fn of(monitor: &Monitor) -> Self {
        Self {
            id: monitor.id,
            kind: monitor.kind(),
            name: monitor.settings.name.clone(),
            url: monitor.settings.target.url().map(|url| without_credentials(url).to_string()),
            tags: monitor.settings.tags.clone(),
        }
    }
}

impl AlertIncident {
    /// The incident as it stands at `now`.
    pub fn of(incident: &Incident, now: Timestamp) -> Self {
        Self {
            id: incident.id,
            started_at: incident.started_at,
            resolved_at: incident.resolved_at,
            acknowledged_at: incident.acknowledged_at,
            duration_seconds: incident.duration_seconds(now),
            cause: cause_word(&incident.cause).to_owned(),
            summary: incident.summary.clone(),
        }
    }
}

impl AlertCheck {
    /// The check as it was found.
    pub fn of(result: &CheckResult) -> Self {
        Self {
            region: result.region.clone(),
            status_code: result.status_code,
            error: result.error.as_ref().map(|e| e.text.clone()),
            response_ms: result.phases.total,
            failed_checks: result.failed_checks.clone(),
            checked_at: result.ended_at(),
        }
    }
}

fn without_credentials(url: &Url) -> Url {
    let mut url = url.clone();
    // Both fail only for URLs that cannot have a user, and those have none to hide.
    let _ = url.set_username("");
    let _ = url.set_password(None);
    url
}

/// The words of an alert: `🔴 *subject* is DOWN`, then the lines.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// The sign before the subject; empty for none.
    pub sign: String,
    /// What it is about: shown bold where the channel can.
    pub subject: String,
    /// What is said of it: `is DOWN`.
    pub predicate: String,
    /// The lines under it.
    pub lines: Vec<String>,
}

impl Message {
    /// The whole text, with `*` around the subject.
    pub fn text(&self) -> String {
        let mut text = self.headline("*");
        for line in &self.lines {
            text.push('\n');
            text.push_str(line);
        }
        text
    }

    /// The first line, with `bold` around the subject (empty for plain).
    pub fn headline(&self, bold: &str) -> String {
        let space = if self.sign.is_empty() { "" } else { " " };
        format!("{}{space}{bold}{}{bold} {}", self.sign, self.subject, self.predicate)
    }

    /// A monitor is down since `started_at`.
    pub fn down(monitor: &Monitor, cause: &Cause, started_at: Timestamp, now: Timestamp) -> Self {
        let duration = format!("Duration: {}", duration(now.since(started_at)));
        Self::new("🔴", monitor, "is DOWN", vec![reason(cause), duration])
    }

    /// A monitor is back after `downtime_ms`; `status_code` is that of the check that showed it.
    pub fn back(monitor: &Monitor, status_code: Option<u16>, downtime_ms: i64) -> Self {
        let mut lines: Vec<String> =
            status_code.map(|code| format!("Status: {code}")).into_iter().collect();
        lines.push(format!("Downtime: {}", duration(downtime_ms)));
        Self::new("🟢", monitor, "is back online", lines)
    }

    /// A monitor that was down is no longer watched: `why` is `paused` or `deleted`.
    pub fn watching_stopped(monitor: &Monitor, why: &str, downtime_ms: i64) -> Self {
        let lines = vec![format!("Downtime so far: {}", duration(downtime_ms))];
        Self::new(STOPPED, monitor, &format!("watching stopped: {why}"), lines)
    }

    /// A monitor answers as expected, but slowly.
    pub fn degraded(monitor: &Monitor, result: &CheckResult) -> Self {
        let took = result.phases.total.unwrap_or_default();
        let mut line = match result.status_code {
            Some(code) => format!("Status: {code} | "),
            None => String::new(),
        };
        line.push_str(&format!("answered in {took} ms"));
        let pace = monitor.settings.target.pace();
        if let Some(limit) = pace.and_then(|pace| pace.degraded_after_ms) {
            line.push_str(&format!(" (limit {limit} ms)"));
        }
        Self::new("🟡", monitor, "is DEGRADED", vec![line])
    }

    /// A monitor that was slow is quick again.
    pub fn no_longer_degraded(monitor: &Monitor, result: &CheckResult, slow_ms: i64) -> Self {
        let mut lines: Vec<String> =
            result.status_code.map(|code| format!("Status: {code}")).into_iter().collect();
        lines.push(format!("Degraded for: {}", duration(slow_ms)));
        Self::new("🟢", monitor, "is no longer degraded", lines)
    }

    /// Alerts cannot be delivered on the channel called `channel`.
    pub fn channel_failed(channel: &str, error: &str) -> Self {
        Self {
            sign: "🟠".to_owned(),
            subject: one_line(channel),
            predicate: "cannot be reached".to_owned(),
            lines: vec![
                one_line(&format!("Error: {error}")),
                "Alerts to this channel are not arriving. Mend it under Channels, then send a test.".to_owned(),
            ],
        }
    }

    /// A test of the channel called `channel`.
    pub fn channel_test(channel: &str) -> Self {
        Self {
            sign: "🔔".to_owned(),
            subject: one_line(channel),
            predicate: "is set up".to_owned(),
            lines: vec![
                "This is a test from Watchbell. Alerts for your monitors will arrive here."
                    .to_owned(),
            ],
        }
    }

    fn new(sign: &str, monitor: &Monitor, predicate: &str, lines: Vec<String>) -> Self {
        Self {
            sign: sign.to_owned(),
            subject: subject(monitor),
            predicate: predicate.to_owned(),
            lines,
        }
    }
}

/// What an alert calls a monitor: its URL without scheme, user, query, fragment and bare slash, or a heartbeat's name.
pub fn subject(monitor: &Monitor) -> String {
    match monitor.settings.target.url() {
        Some(url) => short_url(url),
        None => one_line(&monitor.settings.name),
    }
}

/// A URL without scheme, user, query, fragment and bare slash.
pub fn short_url(url: &Url) -> String {
    let host = url.host_str().unwrap_or_default();
    let port = url.port().map(|p| format!(":{p}")).unwrap_or_default();
    let path = if url.path() == "/" { "" } else { url.path() };
    one_line(&format!("{host}{port}{path}"))
}

/// The reason line: what came or went wrong, then each failed check.
pub fn reason(cause: &Cause) -> String {
    one_line(&match cause {
        Cause::Check { status_code, error, failed_checks } => {
            let head = match (error.kind, status_code) {
                (ErrorKind::Status, Some(code)) => format!("Status: {code}"),
                _ => format!("Error: {}", error.text),
            };
            if failed_checks.is_empty() {
                return one_line(&head);
            }
            let parts: Vec<String> =
                failed_checks.iter().map(|(path, text)| format!("{path}: {text}")).collect();
            format!("{head} | {}", parts.join("; "))
        }
        Cause::NoPing { silent_ms, expected, grace_seconds } => format!(
            "No ping for {} (expected {expected}, grace {})",
            duration(*silent_ms),
            duration(i64::from(*grace_seconds) * 1000),
        ),
        Cause::NoFirstPing { within_seconds } => {
            format!("No first ping within {}", duration(i64::from(*within_seconds) * 1000))
        }
        Cause::StillRunning { max_runtime_seconds } => {
            format!("Still running after {}", duration(i64::from(*max_runtime_seconds) * 1000))
        }
        Cause::ReportedFailure { exit_status: Some(status) } => {
            format!("Reported failure: exit status {status}")
        }
        Cause::ReportedFailure { exit_status: None } => "Reported failure".to_owned(),
        Cause::CutOff { silent, hosts, canaries } => own::cut_off_reason(*silent, *hosts, canaries),
    })
}

/// A cause in one word, for machines.
pub fn cause_word(cause: &Cause) -> &'static str {
    match cause {
        Cause::Check { error, .. } => error.kind.as_str(),
        Cause::NoPing { .. } | Cause::NoFirstPing { .. } => "no_ping",
        Cause::StillRunning { .. } => "still_running",
        Cause::CutOff { .. } => "cut_off",
        Cause::ReportedFailure { .. } => "reported_failure",
    }
}

/// One line of at most [`REASON_MAX`] characters: what would break it or turn it round becomes a space.
pub fn one_line(text: &str) -> String {
    let flat: String = text.chars().map(|c| if spoils_a_line(c) { ' ' } else { c }).collect();
    let flat = flat.split_whitespace().collect::<Vec<_>>().join(" ");
    if flat.chars().count() <= REASON_MAX {
        return flat;
    }
    let mut cut: String = flat.chars().take(REASON_MAX - 1).collect();
    cut.push('…');
    cut
}

/// A time span in words: the two largest units that are not zero, as `1m 12s`, `2h`, `3d 4h`.
pub fn duration(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    let units = [
        (seconds / 86_400, "d"),
        (seconds / 3600 % 24, "h"),
        (seconds / 60 % 60, "m"),
        (seconds % 60, "s"),
    ];
    let Some(first) = units.iter().position(|(n, _)| *n > 0) else { return "0s".to_owned() };
    let words: Vec<String> = units[first..]
        .iter()
        .take(2)
        .filter(|(n, _)| *n > 0)
        .map(|(n, unit)| format!("{n}{unit}"))
        .collect();
    words.join(" ")
}

pub mod own;
pub mod regions;
#[cfg(test)]
mod tests;
