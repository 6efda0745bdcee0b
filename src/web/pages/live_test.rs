//! The panel beside a monitor's form: what a check of it finds before it is saved.

use actix_web::http::StatusCode;
use askama::Template;

use super::assertion_rows::Row;
use super::charts::phase_parts;
use super::form::Form;
use super::pretty::in_lines;
use super::status::Shown;
use super::text::{Html, bytes, millis, plural, span};
use crate::checker::trial::NoTrial;
use crate::clock::Timestamp;
use crate::monitor::assess::Observation;
use crate::monitor::rules::{Part, Rule, rules};
use crate::monitor::{CheckResult, Settings, Target, Verdict};
use crate::probe::Look;

/// How much of a body is shown, in characters.
const BODY_SHOWN: usize = 4_000;
/// The most headers that are shown.
const HEADERS_SHOWN: usize = 60;

/// One phase of the check.
pub struct PhaseLine {
    name: &'static str,
    bar: Html,
    took: String,
}

/// One rule, and how the answer stands to it.
pub struct RuleLine {
    state: Shown,
    words: String,
    note: String,
}

/// The answer.
pub struct Answered {
    about: String,
    text: String,
    is_cut: bool,
    headers: Vec<(String, String)>,
}

/// What a live test found.
#[derive(Template)]
#[template(path = "parts/live_test.html")]
pub struct LiveTest {
    state: Shown,
    verdict: &'static str,
    summary: String,
    phases: Vec<PhaseLine>,
    rules: Vec<RuleLine>,
    failed_checks: Vec<(String, String)>,
    answered: Option<Answered>,
    /// What stands under the address: it is there, or why not.
    reach: Option<(Shown, String)>,
    /// What to mend, by rule.
    found: Vec<Rule>,
}

impl LiveTest {
    /// Why there was no test.
    pub fn none(reason: &str) -> Self {
        Self {
            state: Shown::Waiting,
            verdict: "Not tested",
            summary: reason.to_owned(),
            phases: Vec::new(),
            rules: Vec::new(),
            failed_checks: Vec::new(),
            answered: None,
            reach: None,
            found: Vec::new(),
        }
    }

    /// What is said of a test that was not made.
    pub fn refused(why: NoTrial) -> Self {
        match why {
            NoTrial::TooMany { retry_after_seconds } => Self::none(&format!(
                "Too many tests at once. Try again in {}.",
                span(i64::from(retry_after_seconds) * 1000)
            )),
            NoTrial::NotChecked => Self::none("A heartbeat is not checked: it waits for pings."),
        }
    }

    /// What `look` found of `settings`.
    pub fn of(settings: &Settings, look: &Look, now: Timestamp) -> Self {
        let result = &look.result;
        let found = match (&settings.target, &look.answer) {
            (Target::Http(spec), Some(answer)) => rules(
                spec,
                &Observation {
                    status: answer.status,
                    headers: &answer.headers,
                    body: &answer.body,
                    total_ms: result.phases.total.unwrap_or_default(),
                },
            ),
            _ => Vec::new(),
        };
        let took = took(result);
        Self {
            state: Shown::of_verdict(result.verdict),
            verdict: verdict(result.verdict),
            summary: summary(result, &found),
            phases: phases(result),
            rules: found.iter().map(|rule| line(rule, &took)).collect(),
            failed_checks: result.failed_checks.clone().into_iter().collect(),
            answered: look.answer.as_ref().map(answered),
            reach: Some(reach(result, now)),
            found,
        }
    }

    /// What stands under the address.
    pub fn reach(&self) -> Option<&(Shown, String)> {
        self.reach.as_ref()
    }

    /// Puts what does not hold to its fields: each with the value that was probably meant.
    pub fn mark(&self, mut form: Form, rows: &mut [Row]) -> Form {
        for rule in self.found.iter().filter(|rule| !rule.holds) {
            form = match rule.part {
                Part::Status => form
                    .with_error("expected_status", &format!("{}.", rule.words))
                    .with_fix("expected_status", rule.fix.as_ref().map(|fix| fix.value.clone())),
                Part::Keyword => form.with_error("keyword", &format!("{}.", rule.words)),
                Part::KeywordAbsent => {
                    form.with_error("keyword_absent", &format!("{}.", rule.words))
                }
                Part::Assertion(n) => {
                    if let Some(row) = rows.get_mut(n) {
                        row.note_failure(rule);
                    }
                    form.with_error("assertions", "An assertion does not hold.")
                }
                Part::Time => form,
            };
        }
        form
    }
}

fn verdict(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Up => "Would be Up",
        Verdict::Degraded => "Would be Degraded",
        Verdict::Down => "Would be Down",
        Verdict::Unknown => "Unknown",
    }
}

fn took(result: &CheckResult) -> String {
    result.phases.total.map(|ms| millis(i64::from(ms))).unwrap_or_default()
}

/// `200 OK`, as far as the code has a name.
fn status_words(code: u16) -> String {
    let name = StatusCode::from_u16(code).ok().and_then(|status| status.canonical_reason());
    name.map_or_else(|| code.to_string(), |name| format!("{code} {name}"))
}

fn summary(result: &CheckResult, found: &[Rule]) -> String {
    let came = match (result.status_code, &result.error) {
        (Some(code), _) => status_words(code),
        (None, Some(error)) => error.text.clone(),
        (None, None) => "Answered".to_owned(),
    };
    let failing = found.iter().filter(|rule| !rule.holds).count();
    let rules = match (failing, found.len()) {
        // What ended the check is told above by itself.
        (0, 0) => String::new(),
        (0, n) => format!(", {} hold", plural(n, "rule")).replace("1 rule hold", "1 rule holds"),
        (1, n) => format!(", but 1 of {} fails", plural(n, "rule")),
        (failing, n) => format!(", but {failing} of {} fail", plural(n, "rule")),
    };
    let body = match (&result.error, found.is_empty(), result.status_code) {
        (Some(error), true, Some(_)) => format!(", then {}", error.text),
        _ => String::new(),
    };
    format!("{came} in {}{rules}{body}", took(result))
}

fn reach(result: &CheckResult, now: Timestamp) -> (Shown, String) {
    let took = took(result);
    match (result.status_code, &result.error) {
        (Some(code), _) => {
            let certificate = result.certificate.as_ref().filter(|c| !c.has_ended(now));
            let certificate = certificate.map(|c| {
                let days = usize::try_from(c.days_left(now)).unwrap_or_default();
                format!(" Certificate valid for {}.", plural(days, "day"))
            });
            let words = format!(
                "Reachable: {} in {took} from {}.{}",
                status_words(code),
                result.region,
                certificate.unwrap_or_default()
            );
            (Shown::Up, words)
        }
        (None, Some(error)) => {
            let state = Shown::of_verdict(result.verdict);
            (state, format!("Not reachable from {}: {}.", result.region, error.text))
        }
        (None, None) => (Shown::Up, format!("Reachable in {took} from {}.", result.region)),
    }
}

fn phases(result: &CheckResult) -> Vec<PhaseLine> {
    let parts = phase_parts(&result.phases, result.error.is_some());
    let total: u32 = parts.iter().map(|(_, ms, _)| *ms).sum();
    let mut before = 0.0;
    let line = |(name, ms, class): (&'static str, u32, &'static str)| {
        let width = f64::from(ms) / f64::from(total.max(1)) * 100.0;
        let bar = format!(
            "<svg class=\"phase\" viewBox=\"0 0 100 8\" preserveAspectRatio=\"none\" aria-hidden=\"true\">\
             <rect class=\"{class}\" x=\"{before:.1}\" width=\"{:.1}\" height=\"8\"/></svg>",
            width.max(0.6)
        );
        before += width;
        PhaseLine { name, bar: Html(bar), took: millis(i64::from(ms)) }
    };
    parts.into_iter().map(line).collect()
}

fn line(rule: &Rule, took: &str) -> RuleLine {
    let state = match (rule.holds, rule.part) {
        (true, _) => Shown::Up,
        (false, Part::Time) => Shown::Degraded,
        (false, _) => Shown::Down,
    };
    let note = if rule.part == Part::Time { took.to_owned() } else { String::new() };
    RuleLine { state, words: rule.words.clone(), note }
}

fn answered(answer: &crate::probe::Answer) -> Answered {
    let kind = answer.headers.iter().find(|h| h.name == "content-type").map(|h| h.value.clone());
    let size = bytes(i64::try_from(answer.body.len()).unwrap_or(i64::MAX));
    let text = String::from_utf8_lossy(&answer.body);
    let pretty = in_lines(&text);
    let whole = pretty.as_deref().unwrap_or(&text);
    let shown: String = whole.chars().take(BODY_SHOWN).collect();
    let headers = answer.headers.iter().take(HEADERS_SHOWN);
    Answered {
        about: kind.map_or_else(|| size.clone(), |kind| format!("{size}, {kind}")),
        is_cut: shown.len() < whole.len(),
        // NUL and the like draw nothing, and some viewers stop at them.
        text: shown.replace(|c: char| c.is_control() && c != '\n' && c != '\t', "\u{fffd}"),
        headers: headers.map(|h| (h.name.clone(), h.value.clone())).collect(),
    }
}
