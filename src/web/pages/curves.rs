//! The curves of a chart of several: one for each region, or for each phase of a check, with what stands at their ends. Pure.

use std::fmt::Write;

use super::buckets::{BUCKETS_MAX, spans};
use super::charts::{HIGH, Point, phase_parts};
use super::regions::in_order;
use super::text::{Html, millis};
use crate::clock::Timestamp;
use crate::monitor::{CheckResult, ErrorKind};

/// Words at the ends of curves are at least so far apart, in the units of the picture: the height of a line.
const APART: f64 = 15.0;
/// Characters of a name at the end of its curve; it is whole in the legend.
const NAME_MAX: usize = 12;

/// One of several curves.
#[derive(Debug, Clone)]
pub struct Curve {
    /// What it is of.
    pub name: String,
    /// The name of its colour, without the dashes in front.
    pub ink: String,
    /// Whether its colour was used before.
    pub is_dashed: bool,
    /// Its last value, or why there is none.
    pub end: String,
    /// Whether the last check failed.
    pub has_failed: bool,
    /// What it goes through, oldest first.
    pub points: Vec<Point>,
}

impl Curve {
    /// Its class in a picture.
    pub fn class(&self) -> String {
        format!("curve {}{}", self.ink, if self.is_dashed { " dashed" } else { "" })
    }

    /// How high its end is, in ms.
    fn last_ms(&self) -> Option<u32> {
        self.points.iter().rev().find(|point| !point.failed).and_then(|point| point.ms)
    }
}

/// What is drawn of checks.
pub fn points(results: &[&CheckResult]) -> Vec<Point> {
    let names = names(results);
    let number = |result: &CheckResult| names.iter().position(|name| *name == result.region);
    results.iter().map(|result| point(result, number(result).unwrap_or_default())).collect()
}

fn point(result: &CheckResult, region: usize) -> Point {
    let (at, ms) = (result.started_at, result.phases.total);
    Point { at, ms, failed: result.error.is_some(), region }
}

/// The regions that `results` are of.
fn names<'a>(results: &[&'a CheckResult]) -> Vec<&'a str> {
    let mut names: Vec<&str> = Vec::new();
    for result in results {
        if !names.contains(&result.region.as_str()) {
            names.push(&result.region);
        }
    }
    names
}

/// A curve for each region that `results` (oldest first) are of, the server's `own` first; none when there is only one. The colours
/// repeat after four, dashed.
pub fn of_regions(results: &[&CheckResult], own: &str) -> Vec<Curve> {
    let mut seen = names(results);
    seen.sort_by(|a, b| in_order(own, a, b));
    if seen.len() < 2 {
        return Vec::new();
    }
    let curve = |(n, name): (usize, &&str)| {
        let own: Vec<&CheckResult> =
            results.iter().copied().filter(|result| result.region == **name).collect();
        let last = own.last();
        Curve {
            name: (*name).to_owned(),
            ink: format!("series-{}", n % 4 + 1),
            is_dashed: n >= 4,
            end: last.map(|result| end_words(result)).unwrap_or_default(),
            has_failed: last.is_some_and(|result| result.error.is_some()),
            points: own.into_iter().map(|result| point(result, n)).collect(),
        }
    };
    seen.iter().enumerate().map(curve).collect()
}

/// How the last check of a region came out, in the fewest words.
fn end_words(result: &CheckResult) -> String {
    match (&result.error, result.status_code, result.phases.total) {
        (Some(error), Some(code), _) if error.kind == ErrorKind::Status => format!("× {code}"),
        (Some(error), ..) => format!("× {}", error.kind.as_str().replace('_', " ")),
        (None, _, Some(ms)) => millis(i64::from(ms)),
        (None, ..) => String::new(),
    }
}

/// A curve for each phase that is known of the checks that succeeded, whatever their region, through the middle of spans; a span
/// without one breaks all of them. None when a check has only one phase.
pub fn of_phases(results: &[&CheckResult]) -> Vec<Curve> {
    let mut curves: Vec<Curve> = Vec::new();
    for result in results.iter().filter(|result| result.error.is_none()) {
        for (name, ms, ink) in phase_parts(&result.phases, false) {
            let at = result.started_at;
            let point = Point { at, ms: Some(ms), failed: false, region: 0 };
            match curves.iter_mut().find(|curve| curve.name == name) {
                Some(curve) => curve.points.push(point),
                None => curves.push(Curve {
                    name: name.to_owned(),
                    ink: ink.to_owned(),
                    // It is the palest beside one that is almost as pale.
                    is_dashed: ink == "phase-1",
                    end: String::new(),
                    has_failed: false,
                    points: vec![point],
                }),
            }
        }
    }
    if curves.len() < 2 {
        return Vec::new();
    }
    let failed: Vec<Point> = points(results).into_iter().filter(|point| point.failed).collect();
    let first = results.first().map_or(Timestamp(0), |result| result.started_at);
    for curve in &mut curves {
        curve.points.extend(&failed);
        curve.points.sort_by_key(|point| point.at);
        // Regions that look by turns and are not equally far would make a saw of it.
        curve.points = medians(&curve.points, first, BUCKETS_MAX);
        curve.end = curve.last_ms().map(|ms| millis(i64::from(ms))).unwrap_or_default();
    }
    curves.sort_by(|a, b| a.ink.cmp(&b.ink));
    curves
}

/// The name and the last value of each curve, beside its end, none over another; nothing when there is no room for all.
pub fn ends(curves: &[Curve], top: u32) -> Html {
    if curves.is_empty() || curves.len() as f64 * APART > HIGH {
        return Html::default();
    }
    // Where a check failed there is no value: on top, as the band is there too.
    let y_of = |curve: &Curve| match curve.last_ms().filter(|_| !curve.has_failed) {
        Some(ms) => HIGH - (f64::from(ms) / f64::from(top.max(1))).min(1.0) * HIGH,
        None => 0.0,
    };
    let mut places: Vec<(f64, &Curve)> = curves.iter().map(|curve| (y_of(curve), curve)).collect();
    places.sort_by(|a, b| a.0.total_cmp(&b.0));
    let rows = places.len();
    let mut above = f64::NEG_INFINITY;
    let mut svg = String::from("<svg class=\"line-ends\" aria-hidden=\"true\">");
    for (n, (y, curve)) in places.into_iter().enumerate() {
        let room_below = HIGH - (rows - n - 1) as f64 * APART;
        let y = y.max(above + APART).min(room_below).max(APART * 0.7);
        above = y;
        // Writing to a String cannot fail.
        let _ = write!(
            svg,
            "<text class=\"{ink}\" y=\"{y:.0}\">{name} <tspan{bad}>{end}</tspan></text>",
            ink = curve.ink,
            name = Html::escaped(&short(&curve.name)),
            bad = if curve.has_failed { " class=\"bad\"" } else { "" },
            end = Html::escaped(&curve.end),
        );
    }
    svg.push_str("</svg>");
    Html(svg)
}

fn short(name: &str) -> String {
    match name.chars().nth(NAME_MAX) {
        None => name.to_owned(),
        Some(_) => name.chars().take(NAME_MAX - 1).chain(['…']).collect(),
    }
}

/// The points of all curves together, oldest first.
pub fn together(curves: &[Curve]) -> Vec<Point> {
    let mut all: Vec<Point> = curves.iter().flat_map(|curve| &curve.points).copied().collect();
    all.sort_by_key(|point| point.at);
    all
}

/// The middle times of `most` spans as points; one that has none breaks the curve.
pub fn medians(points: &[Point], first: Timestamp, most: i64) -> Vec<Point> {
    let point = |row: &super::buckets::Bucket| Point {
        at: row.at.max(first),
        ms: row.median,
        failed: row.median.is_none(),
        region: 0,
    };
    spans(points, &[], most).iter().map(point).collect()
}

#[cfg(test)]
mod tests {
    use super::super::charts::response_chart;
    use super::super::text::Viewer;
    use super::*;
    use crate::monitor::{CheckError, FailedChecks, Phases, Verdict};

    fn result(region: &str, second: i64, total: u32, failed: bool) -> CheckResult {
        let phases = Phases {
            connect: Some(total / 4),
            first_byte: Some(total / 2),
            total: Some(total),
            ..Phases::default()
        };
        CheckResult {
            region: region.to_owned(),
            started_at: Timestamp(second * 1000),
            verdict: if failed { Verdict::Down } else { Verdict::Up },
            phases,
            status_code: Some(if failed { 503 } else { 200 }),
            error: failed.then(|| CheckError::new(ErrorKind::Status, "status 503")),
            failed_checks: FailedChecks::new(),
            certificate: None,
            answer: None,
        }
    }

    /// Five regions by turns; what r2 found at 7 s is a failure.
    fn five() -> Vec<CheckResult> {
        let of = |n: i64| result(&format!("r{}", n % 5), n, n as u32 * 10, n == 7);
        (0..20).map(of).collect()
    }

    #[test]
    fn each_region_has_a_curve_that_only_its_own_failures_break() {
        let results = five();
        let results: Vec<&CheckResult> = results.iter().collect();
        let points = points(&results);
        let curves = of_regions(&results, "r4");
        assert_eq!(curves.iter().map(|c| c.name.as_str()).collect::<String>(), "r4r0r1r2r3");
        assert_eq!(curves[4].class(), "curve series-1 dashed");
        let viewer = Viewer::new(Timestamp(20_000), None);
        let chart = response_chart(&points, &curves, viewer).unwrap();
        let drawn: Vec<&str> = chart.svg.0.split("<path class=\"curve ").skip(1).collect();
        let strokes: Vec<_> = drawn.iter().map(|curve| curve.matches('M').count()).collect();
        assert_eq!(strokes, [1, 1, 1, 2, 1]);
        assert_eq!(chart.rows[7].each, [None, None, None, None, None], "that one has failed");
        assert_eq!(chart.rows[9].each, [Some(90), None, None, None, None]);
        assert_eq!(chart.svg.0.matches("class=\"band\"").count(), 1);
        assert!(
            chart.svg.0.contains("x=\"368.4\" width=\"263.2\""),
            "until r2 is well: {}",
            chart.svg
        );
        assert!(of_regions(&results[..1], "local").is_empty(), "one region has no name");
    }

    #[test]
    fn phases_are_those_of_what_succeeded_and_their_checks_count_once() {
        let results = five();
        let results: Vec<&CheckResult> = results.iter().collect();
        let points = points(&results);
        let curves = of_phases(&results);
        let told: Vec<_> = curves.iter().map(|c| (&*c.name, &*c.ink, &*c.end)).collect();
        let wanted = [
            ("Connect", "phase-2", "47 ms"),
            ("Waiting", "phase-4", "95 ms"),
            ("Download", "phase-5", "48 ms"),
        ];
        assert_eq!(told, wanted);
        let viewer = Viewer::new(Timestamp(20_000), None);
        let chart = response_chart(&points, &curves, viewer).unwrap();
        let (checks, failed): (usize, usize) =
            chart.rows.iter().fold((0, 0), |sum, row| (sum.0 + row.checks, sum.1 + row.failed));
        assert_eq!((checks, failed), (20, 1));
        assert_eq!(chart.rows[19].each, [Some(47), Some(95), Some(48)]);
        assert_eq!(chart.y[0], "120 ms", "the axis fits the phases, not the whole");
    }

    #[test]
    fn words_at_the_ends_stand_apart_and_say_what_failed() {
        let mut results = five();
        results.push(result("r<1>-of-a-long-name", 20, 195, false));
        results.push(result("r2", 21, 5, true));
        let results: Vec<&CheckResult> = results.iter().collect();
        let svg = ends(&of_regions(&results, "local"), 200).0;
        assert!(svg.contains("r2 <tspan class=\"bad\">× 503</tspan>"), "{svg}");
        assert!(svg.contains("r&#60;1&#62;-of-a-l… <tspan>195 ms</tspan>"), "{svg}");
        let mut places: Vec<f64> = svg
            .split(" y=\"")
            .skip(1)
            .map(|rest| rest.split('"').next().unwrap().parse().unwrap())
            .collect();
        assert_eq!(places.len(), 6);
        places.sort_by(f64::total_cmp);
        assert!(places.windows(2).all(|pair| pair[1] - pair[0] >= APART - 1.0), "{places:?}");
        assert!(places[0] > 0.0 && places[5] <= HIGH);
        let many: Vec<_> = (0..13).map(|n| result(&format!("r{n}"), n, 50, false)).collect();
        assert_eq!(
            ends(&of_regions(&many.iter().collect::<Vec<_>>(), "local"), 200).0,
            "",
            "no room for all"
        );
    }
}
