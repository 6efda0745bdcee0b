//! The page of one monitor: what fails, how it was, what was found, who is told. Heartbeats have their own in `heartbeat`.

use actix_web::{HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::certificate::{CertificateCard, certificate_metric};
use super::checks::{CheckLine, PhaseRow, scale};
use super::days::{self, Past};
use super::error::{Page, PageError, show};
use super::heartbeat;
use super::kinds::what_and_how;
use super::monitor_head::{Head, head};
use super::query::PageQuery;
use super::regions::RegionList;
use super::response::{self, Chart, Choice, RANGES, Series};
use super::row;
use super::status::Shown;
use super::text::{Html, millis, plural, span};
use super::visit::{Shell, Visit};
use crate::incident::message::one_line;
use crate::monitor::{Cause, DnsSpec, HttpSpec, IcmpSpec, Pace, Target, TcpSpec, TlsSpec};
use crate::report::latency::Histogram;
use crate::report::uptime::Tally;
use crate::store::monitors::Watched;
use crate::store::{Conn, history, monitors, results, rollups};

const DAY_MS: i64 = 86_400_000;
/// Checks in the table; the others are on a page of their own.
const CHECKS: i64 = 12;

/// What the address asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct DetailQuery {
    range: String,
    show: Option<i64>,
    kind: String,
    checks: String,
    series: String,
}

/// One value of the strip: what, how much, what that means.
pub struct Metric {
    /// What.
    pub label: String,
    /// How much.
    pub value: String,
    /// What that means.
    pub after: String,
}

/// Uptime over the spans that everybody asks for.
pub fn uptime_metrics(past: &Past, watched: &Watched) -> Vec<Metric> {
    let spans = [("Uptime 24 h", 1), ("7 days", 7), ("30 days", 30), ("90 days", 90)];
    spans
        .iter()
        .map(|(label, days)| {
            let tally = past.last(&watched.monitor, days * DAY_MS);
            Metric {
                label: (*label).to_owned(),
                value: days::shown(&tally),
                after: downtime(&tally),
            }
        })
        .collect()
}

fn downtime(tally: &Tally) -> String {
    match (tally.down_ms, tally.well_ms()) {
        (0, 0) => "nothing known yet".to_owned(),
        (0, _) => "no downtime".to_owned(),
        (down, _) => format!("{} down", span(down)),
    }
}

#[derive(Template)]
#[template(path = "pages/monitor.html")]
struct MonitorPage {
    shell: Shell,
    head: Head,
    /// What is watched.
    what: String,
    /// Whether a browser can open that.
    is_link: bool,
    /// By what means.
    how: String,
    every: String,
    metrics: Vec<Metric>,
    bar: Html,
    first_day: String,
    chart: Chart,
    phases: Vec<PhaseRow>,
    checks: Vec<CheckLine>,
    failed_only: bool,
    failing: Vec<(String, String)>,
    regions: RegionList,
    certificate: Option<CertificateCard>,
    rule: String,
}

impl MonitorPage {
    fn ranges(&self) -> &'static [(&'static str, i64, &'static str)] {
        &RANGES
    }
}

/// `GET /monitors/{id}`.
pub async fn page(
    visit: Visit,
    id: web::Path<i64>,
    PageQuery(query): PageQuery<DetailQuery>,
) -> Page {
    let mut reader = visit.state.db.read().await?;
    let conn = &mut reader.conn();
    let found = monitors::get(conn, &visit.state.sealer, *id).await?;
    let watched = found.ok_or_else(|| PageError::no_such("monitor"))?;
    match &watched.monitor.settings.target {
        Target::Heartbeat(spec) => {
            heartbeat::page(&visit, conn, &watched, spec, (&query.kind, query.show)).await
        }
        Target::Http(HttpSpec { pace, .. })
        | Target::Tcp(TcpSpec { pace, .. })
        | Target::Dns(DnsSpec { pace, .. })
        | Target::Tls(TlsSpec { pace, .. })
        | Target::Icmp(IcmpSpec { pace, .. }) => {
            checked_page(&visit, conn, &watched, pace, &query).await
        }
    }
}

async fn checked_page(
    visit: &Visit,
    conn: &mut Conn<'_>,
    watched: &Watched,
    pace: &Pace,
    query: &DetailQuery,
) -> Page {
    let viewer = visit.viewer;
    let id = watched.monitor.id;
    let target = &watched.monitor.settings.target;
    let (what, how) = what_and_how(target);
    let (past, windows) = row::past(conn, std::slice::from_ref(watched), viewer).await?;
    let head = head(visit, conn, watched, &windows).await?;
    let day = viewer.now.plus_ms(-DAY_MS);
    let own = &visit.state.region;
    let choice = Choice::of(&query.range, &query.series, &query.checks);
    let (chart, phases) = response::chart(conn, id, (pace, own), choice, viewer).await?;
    let latency = rollups::latency_since(conn, id, day, viewer.now).await?;
    let failed_only = choice.failed_only();
    let latest = results::before(conn, id, None, failed_only, CHECKS).await?;
    let mut metrics = uptime_metrics(&past, watched);
    metrics.push(response_metric(&latency));
    metrics.extend(certificate_metric(watched, viewer));
    let scale = scale(&latest);
    show(&MonitorPage {
        shell: visit.shell("monitors", &format!("{}, {}", head.name, head.state.word())).await?,
        is_link: matches!(target, Target::Http(_)),
        what,
        how,
        every: span(i64::from(pace.check_interval_seconds) * 1000),
        metrics,
        bar: past.wide_bar(&watched.monitor),
        first_day: past.first_day(),
        chart,
        phases,
        checks: latest.iter().map(|stored| CheckLine::of(stored, scale, viewer)).collect(),
        failed_only,
        failing: failing(watched),
        regions: RegionList::of(watched, own, viewer),
        certificate: CertificateCard::of(watched, viewer),
        rule: match target {
            Target::Http(spec) => format!("{} {}", passes(spec), rule(pace)),
            _ => rule(pace),
        },
        head,
    })
}

fn response_metric(latency: &Histogram) -> Metric {
    let at = |share: f64| {
        let ms = latency.percentile(share);
        ms.map_or_else(|| "–".to_owned(), |ms| millis(i64::from(ms)))
    };
    Metric {
        label: "Response p95, 24 h".to_owned(),
        value: at(0.95),
        after: format!("median {} · max {}", at(0.5), at(1.0)),
    }
}

fn failing(watched: &Watched) -> Vec<(String, String)> {
    match &watched.state.cause {
        Some(Cause::Check { failed_checks, .. }) => {
            failed_checks.iter().map(|(path, text)| (path.clone(), one_line(text))).collect()
        }
        _ => Vec::new(),
    }
}

/// What a right answer is, in plain words.
fn passes(spec: &HttpSpec) -> String {
    let mut parts = vec![format!("the status is {}", spec.expected_status)];
    parts.extend(spec.keyword.iter().map(|word| format!("\"{}\" is in the body", one_line(word))));
    let absent = spec.keyword_absent.iter();
    parts.extend(absent.map(|word| format!("\"{}\" is not in the body", one_line(word))));
    parts.extend(spec.assertions.iter().map(ToString::to_string));
    format!("A check passes when {}.", in_a_row(&parts))
}

/// `a`, `a and b`, `a, b and c`.
fn in_a_row(parts: &[String]) -> String {
    match parts {
        [before @ .., last] if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        _ => parts.concat(),
    }
}

/// When it alerts, in plain words.
pub fn rule(pace: &Pace) -> String {
    match pace.retries {
        0 => "Opens an incident at the first failed check.".to_owned(),
        n => format!(
            "Opens an incident when a check fails and {} after {} fail too.",
            plural(n as usize, "re-check"),
            span(i64::from(pace.retry_interval_seconds) * 1000)
        ),
    }
}

/// `GET /monitors/{id}/pings/{n}`: what a job sent along, as plain text or as a file.
pub async fn ping_body(visit: Visit, path: web::Path<(i64, i64)>) -> Page {
    let (id, n) = path.into_inner();
    let mut reader = visit.state.db.read().await?;
    let conn = &mut reader.conn();
    let is_there = !monitors::existing(conn, &[id]).await?.is_empty();
    let body = history::ping_body(conn, id, n).await?.filter(|_| is_there);
    let body = body.ok_or_else(|| PageError::no_such("ping"))?;
    let kind = if std::str::from_utf8(&body).is_ok() {
        "text/plain; charset=utf-8"
    } else {
        "application/octet-stream"
    };
    Ok(HttpResponse::Ok()
        .content_type(kind)
        .insert_header(("x-content-type-options", "nosniff"))
        // It is somebody else's text: a browser must not take any of it for a page of ours.
        .insert_header(("content-security-policy", "sandbox; default-src 'none'"))
        .body(body))
}
