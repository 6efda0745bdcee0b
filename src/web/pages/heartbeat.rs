//! The page of a heartbeat: its window, its ping URL, what it said, how long it ran, and how to let a job say it.

use askama::Template;

use super::error::{Page, show};
use super::monitor::{Metric, uptime_metrics};
use super::monitor_head::{Head, head};
use super::ping_log::{PingLog, ping_log};
use super::row;
use super::runs::{Ended, RUNS, RunChart, run_chart};
use super::snippets::{Code, Snippet, snippets};
use super::status::Shown;
use super::text::{Html, Viewer, plural, span};
use super::visit::{Shell, Visit};
use super::window::{Window, window_picture};
use crate::clock::Timestamp;
use crate::monitor::expect::Expected;
use crate::monitor::heartbeat::SignalKind;
use crate::monitor::{Cause, HeartbeatSpec, Status};
use crate::store::history::Ping;
use crate::store::monitors::Watched;
use crate::store::{Conn, history};

/// The oldest open run, and how many there are.
pub struct Running {
    /// Since when.
    pub since: Html,
    /// For how long.
    pub lasting: Html,
    /// How many runs are open besides it: ` and 2 more runs`; empty for none.
    pub others: String,
    /// When it has run too long; empty when nothing limits it.
    pub until: String,
}

#[derive(Template)]
#[template(path = "pages/heartbeat.html")]
struct HeartbeatPage {
    shell: Shell,
    head: Head,
    schedule: String,
    grace: String,
    window: Option<Html>,
    waiting: String,
    running: Option<Running>,
    ping_url: String,
    log: PingLog,
    runs: Option<RunChart>,
    snippets: Vec<Snippet>,
    metrics: Vec<Metric>,
    bar: Html,
    first_day: String,
    rule: String,
}

impl HeartbeatPage {
    /// Both forms of a snippet, with the words for them in the markup.
    fn forms<'a>(&self, snippet: &'a Snippet) -> [(&'static str, &'a Code); 2] {
        [("simple", &snippet.simple), ("full", &snippet.full)]
    }
}

/// The page of a heartbeat; `log` is what the address asks of the ping log: its kind and how many lines.
///
/// # Errors
/// When the database fails.
pub async fn page(
    visit: &Visit,
    conn: &mut Conn<'_>,
    watched: &Watched,
    spec: &HeartbeatSpec,
    log: (&str, Option<i64>),
) -> Page {
    let viewer = visit.viewer;
    let id = watched.monitor.id;
    let (past, windows) = row::past(conn, std::slice::from_ref(watched), viewer).await?;
    let mut head = head(visit, conn, watched, &windows).await?;
    let uuid = watched.monitor.uuid.map_or_else(String::new, |uuid| uuid.to_string());
    let ping_url = format!("{}/api/heartbeats/{uuid}/ping", visit.state.base_url.get());
    let timed = history::timed_runs(conn, id, RUNS).await?;
    let starts = history::pings_of_kind(conn, id, SignalKind::Start, 1).await?;
    let successes = history::pings_of_kind(conn, id, SignalKind::Success, 1).await?;
    let (last_start, last_success) = (starts.first(), successes.first());
    let picture = window(watched, spec, last_success, head.incident.as_ref().map(|i| i.id), viewer);
    if let Some(incident) = &mut head.incident {
        incident.more.push(' ');
        incident.more.push_str(&diagnosis(watched, last_start, last_success));
    }
    let is_late = watched.state.is_late(viewer.now);
    let late_since = watched.state.beat.due_at.filter(|_| is_late);
    let ended: Vec<Ended> = timed.iter().map(ended).collect();
    show(&HeartbeatPage {
        shell: visit.shell("monitors", &format!("{}, {}", head.name, head.state.word())).await?,
        schedule: schedule_words(&spec.expected),
        grace: span(i64::from(spec.grace_seconds) * 1000),
        window: picture.map(|window| window_picture(&window, viewer)),
        waiting: waiting(watched, viewer),
        running: running(watched, viewer),
        snippets: snippets(&ping_url, &spec.expected),
        ping_url,
        log: ping_log(conn, id, log, late_since, viewer).await?,
        runs: run_chart(&ended, spec.max_runtime_seconds, viewer),
        metrics: uptime_metrics(&past, watched),
        bar: past.wide_bar(&watched.monitor),
        first_day: past.first_day(),
        rule: rule(spec),
        head,
    })
}

fn ended(ping: &Ping) -> Ended {
    Ended {
        at: ping.at,
        ms: ping.duration_ms.unwrap_or_default(),
        failed: ping.kind == SignalKind::Fail,
        exit_status: ping.exit_status,
    }
}

/// When it is expected, in one line: `every 1 h`, `5 * * * * Europe/Berlin`.
fn schedule_words(expected: &Expected) -> String {
    match expected {
        Expected::Every { period_seconds } => {
            format!("every {}", span(i64::from(*period_seconds) * 1000))
        }
        Expected::At(schedule) => {
            format!("{} {}", schedule.expression(), schedule.timezone())
        }
    }
}

/// What the picture shows; `None` while no ping is expected.
fn window(
    watched: &Watched,
    spec: &HeartbeatSpec,
    last_success: Option<&Ping>,
    incident: Option<i64>,
    viewer: Viewer,
) -> Option<Window> {
    let beat = &watched.state.beat;
    if watched.state.status == Status::Paused {
        return None;
    }
    let due = beat.due_at?;
    let next = match &spec.expected {
        Expected::At(schedule) => Some(schedule.next(due.max(viewer.now))),
        Expected::Every { .. } => None,
    };
    // The log may have lost the ping that the state remembers.
    let last_run_ms = last_success
        .filter(|ping| Some(ping.at) == beat.last_success_at)
        .and_then(|ping| ping.duration_ms);
    Some(Window {
        last_ping: beat.last_success_at,
        last_run_ms,
        due,
        deadline: beat.deadline_at?,
        running_since: beat.runs.first().map(|run| run.started_at),
        next,
        schedule: match &spec.expected {
            Expected::At(schedule) => schedule.expression().to_owned(),
            Expected::Every { .. } => schedule_words(&spec.expected),
        },
        ended: incident.map_or_else(String::new, |id| format!("incident #{id} opened")),
    })
}

/// What happens while nothing was heard.
fn waiting(watched: &Watched, viewer: Viewer) -> String {
    match watched.state.beat.deadline_at {
        Some(deadline) if watched.state.status == Status::Pending => {
            format!("Without one it is down at {}.", viewer.day_hour(deadline))
        }
        _ => "This page updates itself when it lands.".to_owned(),
    }
}

fn running(watched: &Watched, viewer: Viewer) -> Option<Running> {
    let runs = &watched.state.beat.runs;
    let first = runs.first()?;
    let others = match runs.len() - 1 {
        0 => String::new(),
        n => format!(" and {}", plural(n, "more run")),
    };
    Some(Running {
        since: viewer.fixed_html(first.started_at, &viewer.clock(first.started_at)),
        lasting: viewer.lasting_html(first.started_at),
        others,
        until: first.deadline_at.map_or_else(String::new, |at| viewer.clock(at)),
    })
}

/// What the signals of a job that fell silent tell.
#[derive(Debug, Clone, Default)]
struct Trace {
    last_success: Option<Timestamp>,
    last_start: Option<Timestamp>,
    host: String,
}

/// Why a job that is down fell silent; empty when its signals tell nothing, or that is not why it is down.
fn diagnosis(watched: &Watched, last_start: Option<&Ping>, last_success: Option<&Ping>) -> String {
    match (watched.state.status, &watched.state.cause) {
        (Status::Down, Some(Cause::NoPing { .. })) => why_silent(&Trace {
            last_success: watched.state.beat.last_success_at,
            last_start: last_start.map(|ping| ping.at),
            host: last_success.map(|ping| ping.remote_addr.clone()).unwrap_or_default(),
        }),
        _ => String::new(),
    }
}

fn why_silent(trace: &Trace) -> String {
    let on_host = match trace.host.as_str() {
        "" => String::new(),
        host => format!(" on {host}, the last host to ping"),
    };
    match trace.last_start {
        Some(_) if trace.last_start > trace.last_success => format!(
            "The job reported a start and no end, so it probably hangs or was killed. Look at it{on_host}."
        ),
        Some(_) => format!(
            "The job did not report a start either, so it probably never ran. Check its scheduler{on_host}."
        ),
        // A job that never reports starts says nothing by not doing so.
        None if trace.host.is_empty() => String::new(),
        None => format!("Check the job and its scheduler{on_host}."),
    }
}

/// When it alerts, in plain words.
fn rule(spec: &HeartbeatSpec) -> String {
    let long = |seconds: u32| span(i64::from(seconds) * 1000);
    let mut rule =
        "Opens an incident when the grace ends without a success, or the job reports a failure"
            .to_owned();
    if let Some(seconds) = spec.max_runtime_seconds {
        rule.push_str(&format!(", or a run takes longer than {}", long(seconds)));
    }
    if let Some(seconds) = spec.first_ping_within_seconds {
        rule.push_str(&format!(", or the first ping does not come within {}", long(seconds)));
    }
    rule.push('.');
    rule
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_silent_job_is_diagnosed_by_its_starts() {
        let trace = |start: Option<i64>, host: &str| Trace {
            last_success: Some(Timestamp(100)),
            last_start: start.map(Timestamp),
            host: host.to_owned(),
        };
        assert!(why_silent(&trace(Some(50), "")).ends_with("Check its scheduler."));
        assert!(why_silent(&trace(Some(50), "10.0.0.1")).contains("on 10.0.0.1, the last host"));
        assert!(why_silent(&trace(Some(150), "")).contains("a start and no end"));
        assert_eq!(why_silent(&trace(None, "")), "");
        assert!(!why_silent(&trace(None, "10.0.0.1")).contains("start"));
    }
}
