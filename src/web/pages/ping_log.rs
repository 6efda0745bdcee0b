//! The ping log of a heartbeat: what its job signalled, and between it what did not come.

use super::error::PageError;
use super::status::Shown;
use super::text::{Html, Viewer, bytes, millis};
use crate::clock::Timestamp;
use crate::incident::Incident;
use crate::monitor::heartbeat::SignalKind;
use crate::monitor::{Cause, MonitorId};
use crate::store::history::Ping;
use crate::store::{Conn, history, incidents};

/// Lines at first, and at most.
const FIRST: i64 = 12;
const MOST: i64 = 500;

/// The kinds that a press chooses: the word in the address, the word on the button.
const CHOICES: [(&str, &str); 7] = [
    ("", "All"),
    ("success", "Success"),
    ("fail", "Fail"),
    ("start", "Start"),
    ("log", "Log"),
    ("ignored", "Ignored"),
    (MISSED, "Missed"),
];
const MISSED: &str = "missed";

/// The log as the page shows it.
pub struct PingLog {
    /// The lines, newest first.
    pub lines: Vec<LogLine>,
    /// The kind that is shown; empty for all.
    pub kind: &'static str,
    /// How many lines "Show older pings" asks for, when there are more.
    pub more: Option<i64>,
}

impl PingLog {
    /// The kinds to choose from.
    pub fn choices(&self) -> &'static [(&'static str, &'static str)] {
        &CHOICES
    }

    /// The words where there is no line.
    pub fn nothing(&self) -> String {
        match self.kind {
            "" => "No ping yet. Paste one of the snippets into the job.".to_owned(),
            MISSED => "No ping was missed.".to_owned(),
            kind => format!("No ping of the kind {kind} is kept."),
        }
    }
}

/// One line of the log.
pub struct LogLine {
    /// The ping's number; `None` for what did not come.
    pub n: Option<i64>,
    /// When.
    pub at: Html,
    /// Its icon: the name of a symbol and the class of its colour.
    pub icon: (&'static str, &'static str),
    /// What it says, in a word.
    pub word: &'static str,
    /// How long the run took.
    pub duration: String,
    /// The exit status.
    pub exit: String,
    /// Where it came from.
    pub source: String,
    /// How long its body is; empty when it has none.
    pub body: String,
    /// What was odd about it.
    pub note: String,
    /// The incident that it opened.
    pub incident: Option<i64>,
    moment: Timestamp,
}

impl LogLine {
    /// The class of its words: red for a failure, amber for what is late.
    pub fn tone(&self) -> &'static str {
        match self.icon.1 {
            class if class == Shown::Down.class() => "bad",
            class if class == Shown::Late.class() => "warn",
            _ => "",
        }
    }

    fn of_ping(ping: &Ping, viewer: Viewer) -> Self {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
        let (icon, word) = match ping.kind {
            SignalKind::Success => (("s-up", "up"), "Success"),
            SignalKind::Fail => (("s-down", "down"), "Fail"),
            SignalKind::Start => (("i-play", "t2"), "Start"),
            SignalKind::Log => (("i-chat", "t2"), "Log"),
            SignalKind::Ignored => (("i-x", "t3"), "Ignored"),
        };
        let agent: String = ping.user_agent.chars().take(60).collect();
        let parts = [ping.method.as_str(), &ping.remote_addr, &agent];
        let parts: Vec<&str> = parts.into_iter().filter(|part| !part.is_empty()).collect();
        Self {
            n: Some(ping.n),
            at: viewer.ago_html(ping.at),
            icon,
            word,
            duration: or_dash(ping.duration_ms.map(millis)),
            exit: or_dash(ping.exit_status.map(|status| status.to_string())),
            source: parts.join(" · "),
            body: if ping.body_bytes > 0 { bytes(ping.body_bytes) } else { String::new() },
            note: ping.note.clone().unwrap_or_default(),
            incident: None,
            moment: ping.at,
        }
    }

    /// A time at which a ping was due and did not come.
    fn late(due: Timestamp, viewer: Viewer) -> Self {
        Self {
            n: None,
            at: viewer.ago_html(due),
            icon: ("s-late", "late"),
            word: "Late",
            duration: "–".to_owned(),
            exit: "–".to_owned(),
            source: "Run due, grace started".to_owned(),
            body: String::new(),
            note: String::new(),
            incident: None,
            moment: due,
        }
    }

    /// A deadline that passed; `None` for an outage that the job reported itself, as its ping is in the log.
    fn of_incident(incident: &Incident, viewer: Viewer) -> Option<Self> {
        let source = match &incident.cause {
            Cause::NoPing { .. } => "No ping by then",
            Cause::NoFirstPing { .. } => "No first ping by then",
            Cause::StillRunning { .. } => "A run took too long",
            _ => return None,
        };
        Some(Self {
            n: None,
            at: viewer.ago_html(incident.started_at),
            icon: ("s-down", "down"),
            word: "Missed",
            duration: "–".to_owned(),
            exit: "–".to_owned(),
            source: source.to_owned(),
            body: String::new(),
            note: String::new(),
            incident: Some(incident.id),
            moment: incident.started_at,
        })
    }
}

/// When the ping was due that an incident is about; `None` of another one, and without a grace to be late in.
fn due(incident: &Incident) -> Option<Timestamp> {
    match incident.cause {
        Cause::NoPing { grace_seconds: grace @ 1.., .. } => {
            Some(incident.started_at.plus_ms(-i64::from(grace) * 1000))
        }
        _ => None,
    }
}

/// Reads the log: `kind` and `shown` as the address gives them; `late_since` when the ping that is waited for was due, while the
/// grace lasts.
///
/// # Errors
/// When the database fails.
pub async fn ping_log(
    conn: &mut Conn<'_>,
    id: MonitorId,
    (kind, shown): (&str, Option<i64>),
    late_since: Option<Timestamp>,
    viewer: Viewer,
) -> Result<PingLog, PageError> {
    let kind = CHOICES.iter().map(|(word, _)| *word).find(|word| *word == kind).unwrap_or("");
    let limit = shown.unwrap_or(FIRST).clamp(FIRST, MOST);
    let pings = match kind.parse::<SignalKind>() {
        Ok(kind) => history::pings_of_kind(conn, id, kind, limit).await?,
        Err(_) if kind == MISSED => Vec::new(),
        Err(_) => history::pings(conn, id, limit, 0).await?,
    };
    let has_more = pings.len() as i64 == limit && limit < MOST;
    let mut lines: Vec<LogLine> = pings.iter().map(|ping| LogLine::of_ping(ping, viewer)).collect();
    if kind.is_empty() || kind == MISSED {
        let filter = incidents::Filter { monitor_id: Some(id), ..Default::default() };
        let missed = incidents::list(conn, filter, limit, 0).await?;
        // Older than the oldest ping that is shown there may be pings that are not.
        let from = pings.last().filter(|_| has_more).map_or(Timestamp(i64::MIN), |ping| ping.at);
        let missed = missed.iter().filter(|incident| incident.started_at >= from);
        let dues = missed.clone().filter_map(due).chain(late_since.filter(|_| kind.is_empty()));
        lines.extend(dues.map(|due| LogLine::late(due, viewer)));
        lines.extend(missed.filter_map(|incident| LogLine::of_incident(incident, viewer)));
        lines.sort_by_key(|line| std::cmp::Reverse((line.moment, line.n)));
    }
    Ok(PingLog { lines, kind, more: has_more.then_some(limit + 50) })
}
