//! One row of the monitor list: on the page, and again over the live stream when it changes.

use askama::Template;

use super::days::Past;
use super::marked::marked;
use super::status::Shown;
use super::text::{Html, Viewer, short_span, span};
use crate::incident::maintenance::{MaintenanceWindow, active_window};
use crate::incident::message::{self, one_line, short_url};
use crate::monitor::expect::Expected;
use crate::monitor::state::State;
use crate::monitor::{Cause, ErrorKind, Kind, Monitor, MonitorId, Target};
use crate::report::rollup::{DAY_MS, Grain};
use crate::store::monitors::Watched;
use crate::store::{Conn, Result, rollups, windows};

/// What a row shows.
#[derive(Template)]
#[template(path = "parts/row_alone.html")]
pub struct RowPart {
    /// The row.
    pub row: Row,
}

/// What a row shows.
pub struct Row {
    /// The monitor's number.
    pub id: i64,
    /// Its state.
    pub state: Shown,
    /// Whether a job is watched.
    pub is_heartbeat: bool,
    /// Its name.
    pub name: String,
    /// The reason when something is wrong, else what is watched.
    pub note: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// Its last ninety days.
    pub bar: Html,
    /// Its uptime in them.
    pub uptime: String,
    /// How long its checks of the last day took: the 95th percentile.
    pub p95: String,
    /// When it was last heard of.
    pub last: Html,
    /// What was searched for, which is marked in it.
    pub needle: String,
}

impl Row {
    /// A monitor as a row.
    pub fn of(
        watched: &Watched,
        past: &Past,
        windows: &[MaintenanceWindow],
        viewer: Viewer,
    ) -> Self {
        let Watched { monitor, state } = watched;
        let window = active_window(windows, monitor.id, &monitor.settings.tags, viewer.now);
        let last = state.last_check.map(|last| last.at).or(state.beat.last_ping_at);
        let shown = Shown::of(state, window.is_some(), viewer.now);
        let mut note = note(watched, shown, viewer);
        if shown == Shown::Down && window.is_some() {
            note.push_str(" · in maintenance, alerts are held");
        }
        Self {
            id: monitor.id,
            state: shown,
            is_heartbeat: monitor.kind() == Kind::Heartbeat,
            name: one_line(&monitor.settings.name),
            note,
            tags: monitor.settings.tags.clone(),
            bar: past.bar(monitor),
            uptime: past.uptime(monitor),
            p95: past.p95(monitor),
            last: last.map_or_else(|| Html("–".to_owned()), |at| viewer.short_html(at)),
            needle: String::new(),
        }
    }

    /// Its name, with what was searched for marked.
    pub fn name_html(&self) -> Html {
        marked(&self.name, &self.needle)
    }

    /// Its note in the same way.
    pub fn note_html(&self) -> Html {
        marked(&self.note, &self.needle)
    }

    /// Its tags in the same way.
    pub fn tags_html(&self) -> Vec<Html> {
        self.tags.iter().map(|tag| marked(tag, &self.needle)).collect()
    }

    /// Whether the note is a reason to look.
    pub fn is_problem(&self) -> bool {
        self.state.needs_attention()
    }

    /// The colour of the note.
    pub fn tone(&self) -> &'static str {
        match self.state {
            Shown::Down => "bad",
            Shown::Late | Shown::Confirming | Shown::Degraded => "warn",
            _ => "",
        }
    }
}

/// The past of some monitors, and the windows that may be open now, in a few queries however many there are.
///
/// # Errors
/// When the database fails.
pub async fn past(
    conn: &mut Conn<'_>,
    monitors: &[Watched],
    viewer: Viewer,
) -> Result<(Past, Vec<MaintenanceWindow>)> {
    let monitors: Vec<&Monitor> = monitors.iter().map(|watched| &*watched.monitor).collect();
    let ids: Vec<MonitorId> = monitors.iter().map(|monitor| monitor.id).collect();
    let records = rollups::records(conn, &monitors, Past::begin(viewer)).await?;
    let day = (viewer.now.plus_ms(-DAY_MS), viewer.now);
    let latencies = rollups::latencies(conn, Grain::Hour, &ids, day).await?;
    let past = Past::new(viewer, records).with_latencies(latencies);
    Ok((past, windows::ending_after(conn, viewer.now).await?))
}

fn note(watched: &Watched, shown: Shown, viewer: Viewer) -> String {
    let state = &watched.state;
    let ago = |at| span_ago(viewer, at);
    match shown {
        Shown::Down => reason(state, viewer),
        Shown::Confirming => format!("{} · re-checking", reason(state, viewer)),
        Shown::Late => late(state, viewer),
        Shown::Degraded => match state.last_check.and_then(|last| last.total_ms) {
            Some(ms) => format!("slow, answered in {}", super::text::millis(i64::from(ms))),
            None => "slow".to_owned(),
        },
        Shown::Paused => format!("Paused {}", ago(state.since)),
        Shown::Waiting if watched.monitor.kind() == Kind::Heartbeat => {
            "Waiting for the first ping".to_owned()
        }
        Shown::Waiting => "First check is on its way".to_owned(),
        Shown::Up | Shown::Maintenance => subject(&watched.monitor.settings.target),
    }
}

fn span_ago(viewer: Viewer, at: crate::clock::Timestamp) -> String {
    let ms = viewer.now.since(at);
    if ms < 86_400_000 {
        viewer.ago(at)
    } else {
        format!("{} ago", span(ms / 86_400_000 * 86_400_000))
    }
}

/// What is watched, in the fewest words.
pub fn subject(target: &Target) -> String {
    match target {
        Target::Heartbeat(spec) => format!(
            "{} · grace {}",
            expected(&spec.expected),
            span(i64::from(spec.grace_seconds) * 1000)
        ),
        Target::Dns(spec) => format!("{} · {}", spec.name(), spec.record_kind()),
        Target::Icmp(spec) => format!("{} · ping", short_url(&spec.url)),
        other => other.url().map(short_url).unwrap_or_default(),
    }
}

/// When a job is expected: `Every 15 min`, `Cron 5 * * * *`.
pub fn expected(expected: &Expected) -> String {
    match expected {
        Expected::Every { period_seconds } => {
            format!("Every {}", span(i64::from(*period_seconds) * 1000))
        }
        Expected::At(schedule) => format!("Cron {}", schedule.expression()),
    }
}

fn late(state: &State, viewer: Viewer) -> String {
    let late = state.beat.due_at.map_or(0, |due| viewer.now.since(due));
    let left = state.beat.deadline_at.map_or(0, |deadline| deadline.since(viewer.now));
    format!("{} late · down in {}", short_span(late), short_span(left))
}

/// Why it is down, in the fewest words: `503 · checks.database`.
pub fn reason(state: &State, viewer: Viewer) -> String {
    match &state.cause {
        Some(Cause::NoPing { silent_ms, .. }) => {
            let heard = state.beat.last_success_at.map(|at| viewer.now.since(at));
            format!("No ping for {}", span(heard.unwrap_or(*silent_ms)))
        }
        Some(cause) => short_cause(cause),
        None => "failing".to_owned(),
    }
}

/// A cause in the fewest words.
pub fn short_cause(cause: &Cause) -> String {
    match cause {
        Cause::Check { status_code, error, failed_checks } => {
            let head = match (error.kind, status_code) {
                (ErrorKind::Status, Some(code)) => code.to_string(),
                _ => error.text.clone(),
            };
            let parts: Vec<&str> = failed_checks.keys().map(String::as_str).collect();
            if parts.is_empty() {
                one_line(&head)
            } else {
                one_line(&format!("{head} · {}", parts.join(", ")))
            }
        }
        Cause::NoPing { silent_ms, .. } => format!("No ping for {}", span(*silent_ms)),
        Cause::NoFirstPing { .. } | Cause::StillRunning { .. } => message::reason(cause),
        Cause::CutOff { silent, hosts, .. } => format!("{silent} of {hosts} hosts do not answer"),
        Cause::ReportedFailure { exit_status: Some(status) } => {
            format!("Reported failure, exit status {status}")
        }
        Cause::ReportedFailure { exit_status: None } => "Reported failure".to_owned(),
    }
}
