//! How long the latest runs of a job took, as bars: server-rendered SVG with a table beside it. Pure.

use std::fmt::Write;

use super::text::{Html, Viewer, millis, plural};
use crate::clock::Timestamp;

/// The bars that are drawn at most.
pub const RUNS: i64 = 50;

/// A run that has ended.
#[derive(Debug, Clone, Copy)]
pub struct Ended {
    /// When it ended.
    pub at: Timestamp,
    /// How long it took.
    pub ms: i64,
    /// Whether it failed.
    pub failed: bool,
    /// The exit status, if one came.
    pub exit_status: Option<i64>,
}

/// The chart of a job's runs with the words around it.
pub struct RunChart {
    /// The bars.
    pub svg: Html,
    /// The words of the vertical axis, top first.
    pub y: Vec<String>,
    /// When the first and the last run that are drawn ended.
    pub x: [Html; 2],
    /// How many there are: `last 48 runs`.
    pub title: String,
    /// The middle duration.
    pub median: String,
    /// One sentence that says what is drawn.
    pub summary: String,
    /// The runs, newest first, for the table.
    pub rows: Vec<RunRow>,
}

/// One run in the table.
pub struct RunRow {
    /// When it ended.
    pub at: Html,
    /// How long it took.
    pub duration: String,
    /// Whether it failed.
    pub failed: bool,
    /// The exit status; empty when none came.
    pub exit: String,
}

const WIDE: f64 = 1000.0;
const HIGH: f64 = 96.0;

/// Draws `runs` (newest first); `None` when there is none.
pub fn run_chart(
    runs: &[Ended],
    max_runtime_seconds: Option<u32>,
    viewer: Viewer,
) -> Option<RunChart> {
    let durations: Vec<i64> = runs.iter().map(|run| run.ms.max(0)).collect();
    let (newest, oldest) = (runs.first()?, runs.last()?);
    let limit = max_runtime_seconds.map(|seconds| i64::from(seconds) * 1000);
    let longest = durations.iter().copied().max().unwrap_or_default();
    // A limit far above what runs take would make flat bars of them; it is told in words then.
    let shown_limit = limit.filter(|limit| *limit <= longest.saturating_mul(3));
    let top = nice_top(longest.max(shown_limit.unwrap_or_default()));
    let y_of = |ms: i64| HIGH - ms as f64 / top as f64 * HIGH;
    let slot = WIDE / runs.len().max(12) as f64;
    let mut svg = format!(
        "<svg class=\"runs\" viewBox=\"0 0 {WIDE} {HIGH}\" preserveAspectRatio=\"none\" aria-hidden=\"true\">"
    );
    for share in [0.0, 0.5, 1.0] {
        // Writing to a String cannot fail; so below.
        let _ = write!(svg, "<path class=\"grid\" d=\"M0 {:.1}H{WIDE}\"/>", HIGH * share);
    }
    for (i, (run, ms)) in runs.iter().zip(&durations).rev().enumerate() {
        let is_over = limit.is_some_and(|limit| *ms > limit);
        let class = match (run.failed, is_over) {
            (true, _) => "run-bad",
            (_, true) => "run-long",
            _ => "run-ok",
        };
        let (x, y) = (slot * i as f64, y_of(*ms).min(HIGH - 2.0));
        let (width, height) = (slot * 0.74, HIGH - y);
        let _ = write!(
            svg,
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"/>"
        );
    }
    if let Some(limit) = shown_limit {
        let _ = write!(svg, "<path class=\"run-max\" d=\"M0 {:.1}H{WIDE}\"/>", y_of(limit));
    }
    svg.push_str("</svg>");
    let mut sorted = durations.clone();
    sorted.sort_unstable();
    let median = sorted.get(sorted.len() / 2).copied().unwrap_or_default();
    let failed = runs.iter().filter(|run| run.failed).count();
    let limit_words =
        limit.map_or_else(String::new, |limit| format!(" At most {} is allowed.", millis(limit)));
    Some(RunChart {
        svg: Html(svg),
        y: [top, top / 2, 0]
            .iter()
            .map(|ms| if *ms == 0 { "0".to_owned() } else { millis(*ms) })
            .collect(),
        x: [viewer.ago_html(oldest.at), viewer.ago_html(newest.at)],
        title: format!("last {}", plural(runs.len(), "run")),
        median: millis(median),
        summary: format!(
            "{}: median {}, longest {}, {failed} failed.{limit_words}",
            plural(runs.len(), "run"),
            millis(median),
            millis(longest),
        ),
        rows: runs.iter().map(|run| row(run, viewer)).collect(),
    })
}

fn row(run: &Ended, viewer: Viewer) -> RunRow {
    RunRow {
        at: viewer.ago_html(run.at),
        duration: millis(run.ms),
        failed: run.failed,
        exit: run.exit_status.map_or_else(String::new, |status| status.to_string()),
    }
}

/// The least round duration that is not below `ms` and whose half is round too.
fn nice_top(ms: i64) -> i64 {
    const SECOND: i64 = 1000;
    const MINUTE: i64 = 60 * SECOND;
    const HOUR: i64 = 60 * MINUTE;
    const STEPS: [i64; 36] = [
        10,
        20,
        60,
        100,
        200,
        400,
        600,
        SECOND,
        2 * SECOND,
        4 * SECOND,
        6 * SECOND,
        10 * SECOND,
        20 * SECOND,
        30 * SECOND,
        40 * SECOND,
        MINUTE,
        2 * MINUTE,
        4 * MINUTE,
        6 * MINUTE,
        8 * MINUTE,
        10 * MINUTE,
        20 * MINUTE,
        30 * MINUTE,
        40 * MINUTE,
        HOUR,
        2 * HOUR,
        4 * HOUR,
        6 * HOUR,
        8 * HOUR,
        12 * HOUR,
        16 * HOUR,
        24 * HOUR,
        48 * HOUR,
        96 * HOUR,
        192 * HOUR,
        384 * HOUR,
    ];
    STEPS.into_iter().find(|step| *step >= ms).unwrap_or(ms)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(n: i64, failed: bool, ms: i64) -> Ended {
        Ended { at: Timestamp(n * 60_000), ms, failed, exit_status: None }
    }

    #[test]
    fn bars_show_failures_overlong_runs_and_the_limit() {
        let runs = [run(3, false, 130_000), run(2, true, 60_000), run(1, false, 90_000)];
        let viewer = Viewer::new(Timestamp(600_000), None);
        let chart = run_chart(&runs, Some(120), viewer).unwrap();
        let count = |class: &str| chart.svg.0.matches(class).count();
        assert_eq!(
            (count("run-ok"), count("run-bad"), count("run-long"), count("run-max")),
            (1, 1, 1, 1)
        );
        assert_eq!(chart.y, ["4 min", "2 min", "0"]);
        assert_eq!(chart.median, "1 min 30 s");
        assert!(
            chart.summary.starts_with("3 runs: median 1 min 30 s, longest 2 min 10 s, 1 failed.")
        );
        assert_eq!(chart.rows[1].duration, "1 min");
        assert!(run_chart(&[], None, viewer).is_none());
    }

    #[test]
    fn a_limit_far_above_does_not_flatten_the_bars() {
        let viewer = Viewer::new(Timestamp(600_000), None);
        let chart = run_chart(&[run(1, false, 900)], Some(3600), viewer).unwrap();
        assert_eq!(chart.y[0], "1.0 s");
        assert!(!chart.svg.0.contains("run-max") && chart.summary.contains("At most 1 h"));
    }
}
