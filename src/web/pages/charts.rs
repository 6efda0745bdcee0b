//! Charts as SVG: response times, phases of a check. They need no script, and no inline style:
//! what must fit any width is placed by percent. Pure.

use std::borrow::Cow;
use std::fmt::Write;

use super::buckets::{BUCKETS_MAX, Bucket, buckets, merged, of_rollups};
use super::curves::{Curve, ends, medians, together};
use super::lanes::SHORT_MS;
use super::text::{Html, Viewer, count, millis, span};
use crate::clock::Timestamp;
use crate::monitor::Phases;
use crate::report::rollup::{Grain, Rollup};

/// One check on the response chart.
#[derive(Debug, Clone, Copy)]
pub struct Point {
    /// When it began.
    pub at: Timestamp,
    /// The whole time in ms; `None` when no answer came.
    pub ms: Option<u32>,
    /// Whether it failed.
    pub failed: bool,
    /// Of which region it is, by a number.
    pub region: usize,
}

/// A chart of response times with the words around it.
#[derive(Debug, Clone)]
pub struct ResponseChart {
    /// The curve and the bands of failure.
    pub svg: Html,
    /// The words of the vertical axis, top first.
    pub y: Vec<String>,
    /// The words of the horizontal axis.
    pub x: Vec<String>,
    /// One sentence that says what is drawn.
    pub summary: String,
    /// Words over the curve: the values that it cuts off.
    pub over: Html,
    /// The same as a table.
    pub rows: Vec<Bucket>,
    /// The curves, where there are several.
    pub curves: Vec<Curve>,
    /// What stands at their ends.
    pub ends: Html,
}

const WIDE: f64 = 1000.0;
/// The height of the picture, in its units and on the page.
pub const HIGH: f64 = 190.0;
const LINES: u32 = 4;
const TWO_DAYS_MS: i64 = 2 * 86_400_000;
/// Points that the curve is drawn by at most; of more, the middle of each span.
const CURVE_MAX: usize = 600;
/// The same of each of several curves, which would be a tangle; of more, the middle of as many spans.
const CURVES_MAX: usize = 48;

/// Draws checks (oldest first) as one curve, or as `curves` if there are any; `None` when there are fewer than two checks.
pub fn response_chart(points: &[Point], curves: &[Curve], viewer: Viewer) -> Option<ResponseChart> {
    let (first, last) = (points.first()?.at, points.last()?.at);
    let length = last.since(first);
    if length <= 0 {
        return None;
    }
    let shown = match curves {
        [] => Cow::Borrowed(points),
        many => Cow::Owned(together(many)),
    };
    let top = nice_top(clip(&times_of(&shown))).max(20);
    let x_of = |at: Timestamp| at.since(first) as f64 / length as f64 * WIDE;
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDE} {HIGH}\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
    );
    for line in 0..=LINES {
        let y = HIGH * f64::from(line) / f64::from(LINES);
        // Writing to a String cannot fail; so below.
        let _ = write!(svg, "<path class=\"grid\" d=\"M0 {y:.1}H{WIDE}\"/>");
    }
    bands(&mut svg, points, x_of);
    for each in curves {
        curve(&mut svg, &drawn(&each.points, first, CURVES_MAX), top, x_of, &each.class());
    }
    if curves.is_empty() {
        curve(&mut svg, &drawn(points, first, CURVE_MAX), top, x_of, "curve");
    }
    svg.push_str("</svg>");
    Some(ResponseChart {
        svg: Html(svg),
        y: (0..=LINES).rev().map(|n| millis(i64::from(top / LINES * n))).collect(),
        x: (0..=4).map(|n| axis_words(first.plus_ms(length * n / 4), length, viewer)).collect(),
        summary: summary(&times_of(points), points, length),
        over: over(&shown, top, x_of),
        rows: buckets(points, curves),
        curves: curves.to_vec(),
        ends: ends(curves, top),
    })
}

/// How long those took that succeeded, in order of size.
fn times_of(points: &[Point]) -> Vec<u32> {
    let mut times: Vec<u32> = points.iter().filter(|p| !p.failed).filter_map(|p| p.ms).collect();
    times.sort_unstable();
    times
}

/// A time on the horizontal axis: a date when the axis is of days, with seconds when its quarters need them to be told apart.
fn axis_words(at: Timestamp, length: i64, viewer: Viewer) -> String {
    match length {
        ..SHORT_MS => viewer.clock(at),
        SHORT_MS..=TWO_DAYS_MS => viewer.hour(at),
        _ => viewer.date(at),
    }
}

/// What a curve of `most` points at most goes through.
fn drawn(points: &[Point], first: Timestamp, most: usize) -> Cow<'_, [Point]> {
    if points.len() <= most {
        return Cow::Borrowed(points);
    }
    let spans = i64::try_from(most).unwrap_or(BUCKETS_MAX).min(BUCKETS_MAX);
    Cow::Owned(medians(points, first, spans))
}

/// Draws roll-ups (oldest first), `per` of them a point; `None` when there are fewer than two points.
pub fn long_chart(
    rollups: &[Rollup],
    grain: Grain,
    per: i64,
    viewer: Viewer,
) -> Option<ResponseChart> {
    let rows = of_rollups(rollups, grain, per);
    // A span counts as an outage when most of it was: shorter ones are in the table.
    let point = |row: &Bucket| Point {
        at: row.at,
        ms: row.median,
        failed: row.failed * 2 > row.checks,
        region: 0,
    };
    let points: Vec<Point> = rows.iter().map(point).collect();
    let chart = response_chart(&points, &[], viewer)?;
    let latency = merged(rollups);
    let failed: usize = rows.iter().map(|row| row.failed).sum();
    let checks: usize = rows.iter().map(|row| row.checks).sum();
    let words = |share| {
        latency.percentile(share).map_or_else(|| "–".to_owned(), |ms| millis(i64::from(ms)))
    };
    let summary = format!(
        "In {}: median {}, slowest {}, {} of {} checks failed.",
        span(viewer.now.since(rows.first()?.at)),
        words(0.5),
        words(1.0),
        count(failed),
        count(checks),
    );
    Some(ResponseChart { summary, rows, ..chart })
}

/// An arrow and the true value wherever the curve is cut off: one for neighbours, the longest of them.
fn over(points: &[Point], top: u32, x_of: impl Fn(Timestamp) -> f64) -> Html {
    /// How near two arrows may stand, in the units of the picture.
    const APART: f64 = 90.0;
    let mut marks: Vec<(f64, u32)> = Vec::new();
    for point in points.iter().filter(|p| !p.failed) {
        let Some(ms) = point.ms.filter(|ms| *ms > top) else { continue };
        let x = x_of(point.at);
        match marks.last_mut().filter(|last| x - last.0 < APART) {
            Some(last) if last.1 < ms => *last = (x, ms),
            Some(_) => {}
            None => marks.push((x, ms)),
        }
    }
    if marks.is_empty() {
        return Html::default();
    }
    let mut svg = String::from("<svg class=\"over\" aria-hidden=\"true\">");
    for (x, ms) in marks {
        let percent = x / WIDE * 100.0;
        let anchor = if percent > 85.0 { "end" } else { "start" };
        let _ = write!(
            svg,
            "<text x=\"{percent:.2}%\" y=\"10\" text-anchor=\"{anchor}\">↑ {}</text>",
            millis(i64::from(ms))
        );
    }
    svg.push_str("</svg>");
    Html(svg)
}

/// The value that the axis must show: one spike must not flatten the rest.
fn clip(sorted: &[u32]) -> u32 {
    let index = (sorted.len() * 995 / 1000).min(sorted.len().saturating_sub(1));
    sorted.get(index).copied().unwrap_or(0)
}

/// The least round number above `ms` that four lines divide well.
fn nice_top(ms: u32) -> u32 {
    let mut unit = 1u32;
    loop {
        for step in [4, 8, 12, 20, 32] {
            if unit.saturating_mul(step) > ms {
                return unit.saturating_mul(step);
            }
        }
        if unit >= 1_000_000 {
            return u32::MAX;
        }
        unit *= 10;
    }
}

/// Wherever the last check of some region failed.
fn bands(svg: &mut String, points: &[Point], x_of: impl Fn(Timestamp) -> f64) {
    let mut failing: Vec<usize> = Vec::new();
    let mut from = 0.0;
    for point in points {
        let was_well = failing.is_empty();
        failing.retain(|region| *region != point.region);
        if point.failed {
            failing.push(point.region);
        }
        match (was_well, failing.is_empty()) {
            (true, false) => from = x_of(point.at),
            (false, true) => band(svg, from, x_of(point.at)),
            _ => {}
        }
    }
    if !failing.is_empty() {
        band(svg, from, WIDE);
    }
}

fn band(svg: &mut String, from: f64, to: f64) {
    let width = (to - from).max(2.0);
    let _ = write!(
        svg,
        "<rect class=\"band\" x=\"{from:.1}\" width=\"{width:.1}\" height=\"{HIGH}\"/><path class=\"band-edge\" d=\"M{from:.1} 0V{HIGH}\"/>"
    );
}

fn curve(
    svg: &mut String,
    points: &[Point],
    top: u32,
    x_of: impl Fn(Timestamp) -> f64,
    class: &str,
) {
    let mut path = String::new();
    let mut pen_down = false;
    for point in points {
        let Some(ms) = point.ms.filter(|_| !point.failed) else {
            pen_down = false;
            continue;
        };
        let y = HIGH - (f64::from(ms) / f64::from(top.max(1))).min(1.0) * HIGH;
        let verb = if pen_down { 'L' } else { 'M' };
        let _ = write!(path, "{verb}{:.1} {y:.1}", x_of(point.at));
        pen_down = true;
    }
    let _ = write!(svg, "<path class=\"{class}\" d=\"{path}\"/>");
}

fn summary(sorted: &[u32], points: &[Point], length: i64) -> String {
    let failed = points.iter().filter(|p| p.failed).count();
    let Some(median) = sorted.get(sorted.len() / 2) else {
        return format!("No check succeeded in the last {}.", span(length));
    };
    let slowest = sorted.last().copied().unwrap_or(*median);
    format!(
        "In the last {}: median {}, slowest {}, {} of {} checks failed.",
        span(length),
        millis(i64::from(*median)),
        millis(i64::from(slowest)),
        count(failed),
        count(points.len()),
    )
}

/// The phases of one check as one bar; the whole bar is `scale_ms` wide.
pub fn phase_bar(phases: &Phases, failed: bool, scale_ms: u32) -> Html {
    let parts = phase_parts(phases, failed);
    let words: Vec<String> =
        parts.iter().map(|(name, ms, _)| format!("{name} {}", millis(i64::from(*ms)))).collect();
    let mut svg = format!(
        "<svg class=\"phases\" viewBox=\"0 0 110 7\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{0}\"><title>{0}</title>",
        words.join(", ")
    );
    let mut x = 0.0;
    for (_, ms, class) in parts {
        let width = f64::from(ms) / f64::from(scale_ms.max(1)) * 110.0;
        let seen = (width - 0.6).max(0.4);
        let _ =
            write!(svg, "<rect class=\"{class}\" x=\"{x:.1}\" width=\"{seen:.1}\" height=\"7\"/>");
        x += width;
    }
    svg.push_str("</svg>");
    Html(svg)
}

/// The phases that are known, with what is left of the total: the download, or the phase that `failed`.
pub fn phase_parts(phases: &Phases, failed: bool) -> Vec<(&'static str, u32, &'static str)> {
    let known = [
        ("DNS", phases.dns, "phase-1"),
        ("Connect", phases.connect, "phase-2"),
        ("TLS", phases.tls, "phase-3"),
        ("Waiting", phases.first_byte, "phase-4"),
    ];
    let mut parts: Vec<_> =
        known.iter().filter_map(|(name, ms, class)| Some((*name, (*ms)?, *class))).collect();
    let spent: u32 = parts.iter().map(|(_, ms, _)| *ms).sum();
    if let Some(rest) = phases.total.and_then(|total| total.checked_sub(spent)) {
        match (phases.first_byte, failed) {
            (Some(_), _) => parts.push(("Download", rest, "phase-5")),
            (None, true) => parts.push(("Until it failed", rest, "phase-5")),
            // A kind of check that has no answer to wait for.
            (None, false) => {}
        }
    }
    parts
}

#[cfg(test)]
mod tests;
