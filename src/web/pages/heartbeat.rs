//! The page of a heartbeat: its window, its ping URL, what it said, and how to let a job say it.

use askama::Template;

use super::error::{Page, show};
use super::monitor::{Metric, uptime_metrics};
use super::monitor_head::{Head, head};
use super::row;
use super::status::Shown;
use super::text::{Html, Viewer, bytes, millis, span};
use super::visit::{Shell, Visit};
use super::window::{Window, window_picture};
use crate::monitor::heartbeat::SignalKind;
use crate::monitor::{HeartbeatSpec, Status};
use crate::store::history::Ping;
use crate::store::monitors::Watched;
use crate::store::{Conn, history};

/// Pings in the log at first, and that "Show older pings" adds.
const PINGS: i64 = 20;

/// One line of the ping log.
pub struct PingLine {
    /// Its number.
    pub n: i64,
    /// When.
    pub at: Html,
    /// What it says.
    pub state: Shown,
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
}

impl PingLine {
    fn of(ping: &Ping, viewer: Viewer) -> Self {
        let or_dash = |text: Option<String>| text.unwrap_or_else(|| "–".to_owned());
        let (state, word) = match ping.kind {
            SignalKind::Success => (Shown::Up, "Success"),
            SignalKind::Fail => (Shown::Down, "Fail"),
        };
        let agent: String = ping.user_agent.chars().take(60).collect();
        Self {
            n: ping.n,
            at: viewer.ago_html(ping.at),
            state,
            word,
            duration: or_dash(ping.duration_ms.map(millis)),
            exit: or_dash(ping.exit_status.map(|status| status.to_string())),
            source: [ping.method.as_str(), &ping.remote_addr, &agent].join(" · "),
            body: if ping.body_bytes > 0 { bytes(ping.body_bytes) } else { String::new() },
            note: ping.note.clone().unwrap_or_default(),
        }
    }
}

/// A way to send the ping.
pub struct Snippet {
    /// Its name in the address and in the markup.
    pub key: &'static str,
    /// Its name for people.
    pub name: &'static str,
    /// The code, ready to be pasted.
    pub code: String,
    /// What to know about it.
    pub note: &'static str,
}

fn snippets(url: &str) -> Vec<Snippet> {
    vec![
        Snippet {
            key: "curl",
            name: "curl",
            code: format!("curl -fsS -m 10 --retry 5 -o /dev/null {url}"),
            note: "Put it at the end of a script. --retry 5 rides out short network trouble.",
        },
        Snippet {
            key: "cron",
            name: "cron",
            code: format!(
                "# crontab -e\n5 * * * *  /path/to/job.sh && curl -fsS -m 10 --retry 5 -o /dev/null {url}"
            ),
            note: "The ping is sent only when the job exits 0.",
        },
        Snippet {
            key: "exit",
            name: "cron with exit status",
            code: format!(
                "# crontab -e\n5 * * * *  /path/to/job.sh; curl -fsS -m 10 --retry 5 -o /dev/null {url}/$?"
            ),
            note: "0 is success, anything else alerts at once and shows the status.",
        },
        Snippet {
            key: "python",
            name: "Python",
            code: format!(
                "import requests\n\ntry:\n    requests.get(\n        \"{url}\",\n        timeout=10,\n    )\nexcept requests.RequestException as error:\n    print(\"ping failed:\", error)"
            ),
            note: "Catching the exception keeps the job going when the ping cannot be sent.",
        },
        Snippet {
            key: "celery",
            name: "Celery",
            code: format!(
                "import requests\nfrom celery.signals import task_success\n\n@task_success.connect(sender=my_task)\ndef ping(**_):\n    requests.get(\n        \"{url}\",\n        timeout=10,\n    )"
            ),
            note: "Sent by the worker after each success of the task.",
        },
    ]
}

#[derive(Template)]
#[template(path = "pages/heartbeat.html")]
struct HeartbeatPage {
    shell: Shell,
    head: Head,
    every: String,
    grace: String,
    window: Option<Html>,
    ping_url: String,
    pings: Vec<PingLine>,
    more: Option<i64>,
    snippets: Vec<Snippet>,
    metrics: Vec<Metric>,
    bar: Html,
    first_day: String,
    rule: String,
}

/// The page of a heartbeat.
///
/// # Errors
/// When the database fails.
pub async fn page(
    visit: &Visit,
    conn: &mut Conn<'_>,
    watched: &Watched,
    spec: HeartbeatSpec,
    shown: Option<i64>,
) -> Page {
    let viewer = visit.viewer;
    let (past, windows) = row::past(conn, std::slice::from_ref(watched), viewer).await?;
    let head = head(visit, conn, watched, &windows).await?;
    let limit = shown.unwrap_or(PINGS).clamp(PINGS, 500);
    let pings = history::pings(conn, watched.monitor.id, limit, 0).await?;
    let uuid = watched.monitor.uuid.map_or_else(String::new, |uuid| uuid.to_string());
    let ping_url = format!("{}/api/heartbeats/{uuid}/ping", visit.state.base_url.get());
    show(&HeartbeatPage {
        shell: visit.shell("monitors", &format!("{}, {}", head.name, head.state.word())).await?,
        head,
        every: span(i64::from(spec.period_seconds) * 1000),
        grace: span(i64::from(spec.grace_seconds) * 1000),
        window: window(watched).map(|window| window_picture(&window, viewer)),
        snippets: snippets(&ping_url),
        ping_url,
        more: (pings.len() as i64 == limit).then_some(limit + 50),
        pings: pings.iter().map(|ping| PingLine::of(ping, viewer)).collect(),
        metrics: uptime_metrics(&past, watched),
        bar: past.wide_bar(&watched.monitor),
        first_day: past.first_day(),
        rule:
            "Opens an incident when the grace ends without a success, or the job reports a failure."
                .to_owned(),
    })
}

/// What the picture shows; `None` while no ping is expected.
fn window(watched: &Watched) -> Option<Window> {
    let beat = &watched.state.beat;
    if matches!(watched.state.status, Status::Paused) {
        return None;
    }
    Some(Window { last_ping: beat.last_success_at, due: beat.due_at?, deadline: beat.deadline_at? })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_snippet_has_the_url() {
        let snippets = snippets("https://up.example/api/heartbeats/x/ping");
        assert!(
            snippets.iter().all(|s| s.code.contains("https://up.example/api/heartbeats/x/ping"))
        );
    }
}
