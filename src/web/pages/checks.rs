//! The checks of a monitor: their lines, and the list with what each one found.

use std::collections::BTreeMap;

use actix_web::web;
use askama::Template;
use serde::Deserialize;

use super::charts::{phase_bar, phase_parts};
use super::error::{Page, PageError, show};
use super::query::PageQuery;
use super::raw::Raw;
use super::regions::in_order;
use super::row::short_cause;
use super::status::Shown;
use super::text::{Html, Viewer, millis};
use super::visit::{Shell, Visit};
use crate::clock::Timestamp;
use crate::incident::message::one_line;
use crate::monitor::{Cause, CheckResult, MonitorId, Phases, Target};
use crate::store::results::StoredResult;
use crate::store::{answers, monitors, results};

/// Checks on one page of the list.
const PAGE: i64 = 50;

/// One line of a table of checks.
pub struct CheckLine {
    /// Its number: the moment at which it began.
    pub id: i64,
    /// What it showed.
    pub state: Shown,
    /// When.
    pub at: Html,
    /// From where.
    pub region: String,
    /// What came.
    pub result: String,
    /// Where the time went.
    pub phases: Html,
    /// How long it took.
    pub total: String,
    /// All that is known of it, when the line is open.
    pub detail: Option<CheckDetail>,
}

/// All that is known of one check.
pub struct CheckDetail {
    /// When it began, in full.
    pub at: Html,
    /// What it showed, in a word.
    pub verdict: &'static str,
    /// The status of the answer, and what was wrong with it.
    pub answer: String,
    /// Whether something was.
    pub is_bad: bool,
    /// The parts of the health body that were not well.
    pub failed: Vec<(String, String)>,
    /// The phases, each with its time.
    pub phases: Vec<(&'static str, String)>,
    /// Whether planned work covered it.
    pub in_maintenance: bool,
    /// The answer as it came, if it is kept.
    pub raw: Option<Raw>,
}

impl CheckLine {
    /// A check as a line; the whole of a phase bar is `scale` ms wide.
    pub fn of(stored: &StoredResult, scale: u32, viewer: Viewer) -> Self {
        let result = &stored.result;
        Self {
            id: stored.id,
            state: Shown::of_verdict(result.verdict),
            at: viewer.ago_html(result.started_at),
            region: result.region.clone(),
            result: found(result),
            phases: phase_bar(&result.phases, result.error.is_some(), scale),
            total: result.phases.total.map_or_else(|| "–".to_owned(), |ms| millis(i64::from(ms))),
            detail: None,
        }
    }
}

impl CheckDetail {
    fn of(stored: &StoredResult, raw: Option<Raw>, viewer: Viewer) -> Self {
        let result = &stored.result;
        let status = result.status_code.map(|code| format!("HTTP {code}"));
        let error = result.error.as_ref().map(|error| format!("{}: {}", error.kind, error.text));
        let parts: Vec<String> = status.into_iter().chain(error).collect();
        Self {
            at: viewer.fixed_html(result.started_at, &viewer.full(result.started_at)),
            verdict: Shown::of_verdict(result.verdict).word(),
            answer: if parts.is_empty() {
                "Answered as expected".to_owned()
            } else {
                parts.join("\n")
            },
            is_bad: result.error.is_some(),
            failed: result.failed_checks.iter().map(|(k, v)| (k.clone(), v.clone())).collect(),
            phases: phase_parts(&result.phases, result.error.is_some())
                .into_iter()
                .map(|(name, ms, _)| (name, millis(i64::from(ms))))
                .collect(),
            in_maintenance: stored.in_maintenance,
            raw,
        }
    }
}

/// What a check found, in the fewest words.
pub fn found(result: &CheckResult) -> String {
    match (&result.error, result.status_code) {
        (Some(error), status_code) => short_cause(&Cause::Check {
            status_code,
            error: error.clone(),
            failed_checks: result.failed_checks.clone(),
        }),
        (None, Some(code)) => code.to_string(),
        (None, None) => "answered".to_owned(),
    }
}

/// The longest whole time of some checks: what their phase bars are drawn against.
pub fn scale(results: &[StoredResult]) -> u32 {
    results.iter().filter_map(|stored| stored.result.phases.total).max().unwrap_or(1)
}

/// Where the time of a region's checks goes.
pub struct PhaseRow {
    /// The region.
    pub region: String,
    /// The median of each phase, as one bar.
    pub bar: Html,
    /// The median of the whole.
    pub total: String,
}

/// The median phases of the checks that succeeded, a row for each region; `own` is the server's.
pub fn phase_rows(results: &[StoredResult], own: &str) -> Vec<PhaseRow> {
    let mut by_region: BTreeMap<&str, Vec<&Phases>> = BTreeMap::new();
    for result in results.iter().map(|stored| &stored.result).filter(|r| r.error.is_none()) {
        by_region.entry(&result.region).or_default().push(&result.phases);
    }
    let mut rows: Vec<(&str, Phases)> =
        by_region.into_iter().map(|(region, phases)| (region, medians(&phases))).collect();
    rows.sort_by(|a, b| in_order(own, a.0, b.0));
    let scale = rows.iter().filter_map(|(_, phases)| phases.total).max().unwrap_or(1);
    let row = |(region, phases): &(&str, Phases)| PhaseRow {
        region: (*region).to_owned(),
        bar: phase_bar(phases, false, scale),
        total: phases.total.map_or_else(|| "–".to_owned(), |ms| millis(i64::from(ms))),
    };
    rows.iter().map(row).collect()
}

fn medians(all: &[&Phases]) -> Phases {
    let median = |pick: fn(&Phases) -> Option<u32>| {
        let mut times: Vec<u32> = all.iter().filter_map(|phases| pick(phases)).collect();
        times.sort_unstable();
        times.get(times.len() / 2).copied()
    };
    Phases {
        dns: median(|p| p.dns),
        connect: median(|p| p.connect),
        tls: median(|p| p.tls),
        first_byte: median(|p| p.first_byte),
        total: median(|p| p.total),
    }
}

/// What the address of the list asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct ChecksQuery {
    state: String,
    before: Option<i64>,
    open: Option<i64>,
}

#[derive(Template)]
#[template(path = "pages/checks.html")]
struct ChecksPage {
    shell: Shell,
    id: MonitorId,
    name: String,
    failed_only: bool,
    before: Option<i64>,
    /// Whether there are newer ones than those that are listed.
    is_older: bool,
    checks: Vec<CheckLine>,
    older: Option<i64>,
    curl: String,
}

impl ChecksPage {
    /// The list with the line of a check open, or with none.
    fn link(&self, check: &CheckLine) -> String {
        let state = if self.failed_only { "failed" } else { "" };
        let before = self.before.map_or_else(String::new, |before| format!("&before={before}"));
        match check.detail {
            Some(_) => format!("?state={state}{before}"),
            None => format!("?state={state}{before}&open={id}#c-{id}", id = check.id),
        }
    }
}

/// `GET /monitors/{id}/checks`.
pub async fn page(
    visit: Visit,
    id: web::Path<i64>,
    PageQuery(query): PageQuery<ChecksQuery>,
) -> Page {
    let viewer = visit.viewer;
    let failed_only = query.state == "failed";
    let mut reader = visit.state.db.read().await?;
    let conn = &mut reader.conn();
    let found = monitors::by_ids(conn, &[*id]).await?.into_iter().next();
    let watched = found.ok_or_else(|| PageError::no_such("monitor"))?;
    // A link to one check shows it with those before it.
    let before = query.before.or(query.open.map(|open| open.saturating_add(1)));
    let results = results::before(conn, *id, before, failed_only, PAGE).await?;
    let newest = watched.state.last_check.map(|last| last.at);
    let scale = scale(&results);
    let mut lines = Vec::with_capacity(results.len());
    for stored in &results {
        let mut line = CheckLine::of(stored, scale, viewer);
        if query.open == Some(stored.id) {
            let raw = answers::get(conn, *id, stored.id, &stored.result.region).await?;
            line.detail = Some(CheckDetail::of(stored, raw.map(Raw::of), viewer));
        }
        lines.push(line);
    }
    let name = one_line(&watched.monitor.settings.name);
    show(&ChecksPage {
        shell: visit.shell("monitors", &format!("Checks of {name}")).await?,
        id: *id,
        name,
        failed_only,
        before,
        is_older: before.is_some()
            && results.first().is_some_and(|first| Some(Timestamp(first.id)) < newest),
        checks: lines,
        older: results.last().filter(|_| results.len() as i64 == PAGE).map(|last| last.id),
        curl: curl(&watched.monitor.settings.target),
    })
}

/// The command that asks as the monitor does, without its headers, which may be secret; empty where there is none.
fn curl(target: &Target) -> String {
    let Target::Http(spec) = target else { return String::new() };
    let mut url = spec.url.clone();
    // Fails only for URLs that cannot have a password, and those have none to hide.
    let _ = url.set_password(None);
    let method = if spec.method == "GET" { String::new() } else { format!("-X {} ", spec.method) };
    let follow = if spec.follow_redirects { "L" } else { "" };
    let url = url.as_str().replace('\'', "%27");
    format!("curl -sS{follow}i -m {} {method}'{url}'", spec.pace.timeout_seconds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::{CheckError, ErrorKind, Verdict};

    fn stored(region: &str, total: u32, error: Option<&str>) -> StoredResult {
        StoredResult {
            id: 0,
            in_maintenance: false,
            result: CheckResult {
                region: region.to_owned(),
                started_at: Timestamp(0),
                phases: Phases {
                    connect: Some(total / 2),
                    total: Some(total),
                    ..Phases::default()
                },
                status_code: None,
                error: error.map(|text| CheckError::new(ErrorKind::Reset, text)),
                failed_checks: BTreeMap::new(),
                certificate: None,
                answer: None,
                verdict: if error.is_some() { Verdict::Down } else { Verdict::Up },
            },
        }
    }

    #[test]
    fn phases_are_medians_of_what_succeeded_by_region() {
        let results = [
            stored("b", 100, None),
            stored("a", 10, None),
            stored("a", 30, None),
            stored("a", 20, None),
            stored("a", 9_000, Some("reset")),
        ];
        let rows = phase_rows(&results, "b");
        let told: Vec<(&str, &str)> =
            rows.iter().map(|row| (row.region.as_str(), row.total.as_str())).collect();
        assert_eq!(told, [("b", "100 ms"), ("a", "20 ms")], "the server's own first");
    }
}
