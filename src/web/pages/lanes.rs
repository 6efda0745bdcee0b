//! Every check around an incident, a lane for each region: one mark a check, failures taller and crossed. Pure.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::text::{Html, Viewer, plural};
use crate::clock::Timestamp;
use crate::incident::Incident;
use crate::monitor::{CheckResult, Verdict};

/// The longest time that is drawn, in ms: of a longer incident its beginning.
const LONGEST_MS: i64 = 6 * 3_600_000;
/// What is shown before and after it, in ms, at the least.
const MARGIN_MS: i64 = 30_000;
/// Marks of a lane at most; of more, those that are near each other are one, and a failure among them shows.
const MARKS: i64 = 60;
/// A time, in ms, whose quarters need seconds to be told apart.
pub const SHORT_MS: i64 = 600_000;
/// The height of a lane, and of a line of words.
const LANE: usize = 22;
const WORDS: usize = 15;

/// The lanes with the words around them.
pub struct Lanes {
    /// The regions, top first.
    pub regions: Vec<String>,
    /// The marks, the incident, and what happened when.
    pub svg: Html,
    /// The words of the horizontal axis.
    pub x: Vec<String>,
    /// One sentence that says what is drawn.
    pub summary: String,
    /// Each lane in words.
    pub rows: Vec<(String, String)>,
    /// Whether the end of the incident is left out.
    pub is_cut: bool,
}

/// From when to when checks are drawn of an incident.
pub fn span(incident: &Incident, now: Timestamp) -> (Timestamp, Timestamp) {
    let end = incident.resolved_at.unwrap_or(now);
    let margin_ms = (end.since(incident.started_at) / 8).max(MARGIN_MS);
    let from = incident.started_at.plus_ms(-margin_ms);
    (from, end.plus_ms(margin_ms).min(now).min(from.plus_ms(LONGEST_MS)))
}

/// A region as it stands in a map: the server's own first, then by name.
type Lane<'r> = (bool, &'r str);

/// Draws `results`, oldest first; `None` when they are of one region alone. `own` is the server's.
pub fn lanes(
    results: &[CheckResult],
    incident: &Incident,
    own: &str,
    viewer: Viewer,
) -> Option<Lanes> {
    let (from, to) = span(incident, viewer.now);
    let length = to.since(from).max(1);
    let mut by_region: BTreeMap<Lane<'_>, BTreeMap<i64, (Timestamp, bool)>> = BTreeMap::new();
    let mut tallies: BTreeMap<Lane<'_>, (usize, usize)> = BTreeMap::new();
    let known = results.iter().filter(|result| result.verdict != Verdict::Unknown);
    for result in known {
        let failed = result.verdict == Verdict::Down;
        let place = result.started_at.since(from) * MARKS / length;
        let lane = (result.region != own, result.region.as_str());
        let marks = by_region.entry(lane).or_default();
        marks.entry(place).or_insert((result.started_at, failed)).1 |= failed;
        let tally = tallies.entry(lane).or_default();
        *tally = (tally.0 + 1, tally.1 + usize::from(failed));
    }
    if by_region.len() < 2 {
        return None;
    }
    let percent = |at: Timestamp| (at.since(from) as f64 / length as f64 * 100.0).clamp(0.0, 100.0);
    let events = [
        ("bad", "Confirmed", Some(incident.confirmed_at)),
        ("note", "Acknowledged", incident.acknowledged_at),
        ("good", "Resolved", incident.resolved_at),
    ];
    let events: Vec<_> = events
        .into_iter()
        .filter_map(|(class, word, at)| Some((class, word, at.filter(|at| *at <= to)?)))
        .collect();
    let top = events.len() * WORDS;
    let high = top + by_region.len() * LANE;
    let mut svg = format!("<svg height=\"{high}\" aria-hidden=\"true\">");
    let (begin, end) = (percent(incident.started_at), percent(incident.resolved_at.unwrap_or(to)));
    // Writing to a String cannot fail; so below.
    let _ = write!(
        svg,
        "<rect class=\"during\" x=\"{begin:.2}%\" y=\"{top}\" width=\"{:.2}%\" height=\"{}\"/>",
        end - begin,
        high - top
    );
    for (lane, marks) in by_region.values().enumerate() {
        for (at, failed) in marks.values() {
            mark(&mut svg, percent(*at), top + lane * LANE, *failed);
        }
    }
    for (line, (class, word, at)) in events.iter().enumerate() {
        let (x, y) = (percent(*at), line * WORDS + 11);
        // On a phone half of the width holds the longest of them.
        let (anchor, dx) = if x > 45.0 { ("end", -5) } else { ("start", 5) };
        let clock = viewer.clock(*at);
        let _ = write!(
            svg,
            "<line class=\"{class}\" x1=\"{x:.2}%\" x2=\"{x:.2}%\" y1=\"{}\" y2=\"{high}\"/>\
             <text class=\"{class}\" x=\"{x:.2}%\" y=\"{y}\" dx=\"{dx}\" text-anchor=\"{anchor}\">\
             {word} <tspan>{clock}</tspan></text>",
            line * WORDS
        );
    }
    svg.push_str("</svg>");
    let words = |((_, region), (checks, failed)): (&Lane<'_>, &(usize, usize))| {
        ((*region).to_owned(), format!("{failed} of {} failed", plural(*checks, "check")))
    };
    let rows: Vec<_> = tallies.iter().map(words).collect();
    let parts: Vec<_> = rows.iter().map(|(region, words)| format!("{region}: {words}")).collect();
    Some(Lanes {
        regions: by_region.keys().map(|(_, region)| (*region).to_owned()).collect(),
        svg: Html(svg),
        x: (0..=4).map(|n| axis_words(from.plus_ms(length * n / 4), length, viewer)).collect(),
        summary: format!("{}.", parts.join("; ")),
        rows,
        is_cut: incident.resolved_at.unwrap_or(viewer.now) > to,
    })
}

/// A time on the horizontal axis; with seconds when the minutes would be the same.
fn axis_words(at: Timestamp, length: i64, viewer: Viewer) -> String {
    if length < SHORT_MS { viewer.clock(at) } else { viewer.hour(at) }
}

fn mark(svg: &mut String, x: f64, y: usize, failed: bool) {
    let _ = if failed {
        write!(
            svg,
            "<svg class=\"fail\" x=\"{x:.2}%\" y=\"{}\"><rect x=\"-5\" width=\"10\" height=\"14\" rx=\"2\"/>\
             <path d=\"M-2 5l4 4m0-4l-4 4\"/></svg>",
            y + 4
        )
    } else {
        write!(
            svg,
            "<svg class=\"pass\" x=\"{x:.2}%\" y=\"{}\"><rect x=\"-5\" width=\"10\" height=\"7\" rx=\"2\"/></svg>",
            y + 11
        )
    };
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::{Cause, CheckError, ErrorKind, FailedChecks, Phases};

    const START: Timestamp = Timestamp(1_900_000_000_000);

    fn result(region: &str, second: i64, failed: bool) -> CheckResult {
        CheckResult {
            region: region.to_owned(),
            started_at: START.plus_ms(second * 1000),
            phases: Phases::default(),
            status_code: Some(if failed { 503 } else { 200 }),
            error: failed.then(|| CheckError::new(ErrorKind::Status, "status 503")),
            failed_checks: FailedChecks::new(),
            certificate: None,
            answer: None,
            verdict: if failed { Verdict::Down } else { Verdict::Up },
        }
    }

    fn incident(seconds: i64) -> Incident {
        Incident {
            id: 1,
            monitor_id: Some(1),
            monitor_name: "Shop".to_owned(),
            started_at: START,
            confirmed_at: START.plus_ms(10_000),
            acknowledged_at: None,
            acknowledged_by: None,
            resolved_at: Some(START.plus_ms(seconds * 1000)),
            summary: String::new(),
            cause: Cause::NoFirstPing { within_seconds: 60 },
            regions: Vec::new(),
            alerts_held: false,
        }
    }

    #[test]
    fn each_region_has_a_lane_and_failures_show() {
        let viewer = Viewer::new(START.plus_ms(3_600_000), None);
        let all: Vec<_> = (-50..350)
            .step_by(20)
            .flat_map(|second| {
                let is_during = (0..300).contains(&second);
                [result("eu", second, is_during), result("us", second + 5, false)]
            })
            .collect();
        let drawn = lanes(&all, &incident(300), "us", viewer).unwrap();
        assert_eq!(drawn.regions, ["us", "eu"], "the server's own first");
        assert_eq!(drawn.svg.0.matches("class=\"fail\"").count(), 15);
        assert_eq!(drawn.svg.0.matches("class=\"pass\"").count(), 25);
        assert!(drawn.svg.0.contains("Confirmed") && drawn.svg.0.contains("Resolved"));
        assert_eq!(drawn.summary, "us: 0 of 20 checks failed; eu: 15 of 20 checks failed.");
        assert!(!drawn.is_cut);
        assert!(
            lanes(&all[..1], &incident(300), "local", viewer).is_none(),
            "one region needs no lanes"
        );
    }

    #[test]
    fn of_a_long_incident_the_beginning_is_drawn_with_few_marks() {
        let viewer = Viewer::new(START.plus_ms(90_000_000), None);
        let all: Vec<_> = (0..20_000)
            .step_by(5)
            .flat_map(|second| [result("eu", second, second == 7_000), result("us", second, false)])
            .collect();
        let drawn = lanes(&all, &incident(80_000), "local", viewer).unwrap();
        assert!(drawn.is_cut);
        assert!(drawn.svg.0.matches("class=\"pass\"").count() <= 120);
        assert_eq!(drawn.svg.0.matches("class=\"fail\"").count(), 1, "one among many shows");
    }
}
