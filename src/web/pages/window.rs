//! The window of a heartbeat as SVG: its last run, due, end of grace, now, next. Pure.

use std::fmt::Write;

use super::text::{Html, Viewer, millis, span};
use crate::clock::Timestamp;

/// What the window picture of a heartbeat shows.
#[derive(Debug, Clone, Default)]
pub struct Window {
    /// The last success, if any.
    pub last_ping: Option<Timestamp>,
    /// How long the run took that it ended, if that is known.
    pub last_run_ms: Option<i64>,
    /// When the next ping is due.
    pub due: Timestamp,
    /// When it is down without one.
    pub deadline: Timestamp,
    /// Since when a run is open.
    pub running_since: Option<Timestamp>,
    /// The time after the due one, where it is known before the ping comes: with a cron schedule.
    pub next: Option<Timestamp>,
    /// What stands under the due time: the schedule.
    pub schedule: String,
    /// What stands under the end of the grace, once that is over: the incident.
    pub ended: String,
}

// Where the marks stand, in percent. A scheme, not a scale: a minute's period and a week's silence stay readable together.
const LAST: f64 = 12.0;
const DUE: f64 = 50.0;
const DEADLINE: f64 = 64.0;
const END: f64 = 84.0;
const NEXT: f64 = 93.0;

impl Window {
    /// Where `at` stands between the marks.
    fn place(&self, at: Timestamp) -> f64 {
        let between = |from: Timestamp, to: Timestamp, left: f64, right: f64| {
            let share = at.since(from) as f64 / to.since(from).max(1) as f64;
            left + share.clamp(0.0, 1.0) * (right - left)
        };
        if at < self.due {
            between(self.last_ping.unwrap_or(at), self.due, LAST, DUE)
        } else if at < self.deadline {
            between(self.due, self.deadline, DUE, DEADLINE)
        } else {
            END
        }
    }

    /// How wide the last run is drawn: true to the way from its end to the due time, but always to be seen.
    fn run_width(&self) -> Option<f64> {
        let way = self.due.since(self.last_ping?).max(1) as f64;
        Some((self.last_run_ms? as f64 / way * (DUE - LAST)).clamp(0.8, LAST - 1.0))
    }
}

/// The window of a heartbeat: last run, due, end of grace, now, next.
pub fn window_picture(window: &Window, viewer: Viewer) -> Html {
    let now = window.place(viewer.now);
    let mut svg = format!(
        "<svg class=\"window\" role=\"img\" aria-label=\"{}\"><rect class=\"w-rest\" y=\"56\" width=\"100%\" height=\"28\" rx=\"6\"/>",
        escape(&words(window, viewer))
    );
    blocks(&mut svg, window, now);
    marks(&mut svg, window, viewer);
    now_mark(&mut svg, now, viewer);
    svg.push_str("</svg>");
    Html(svg)
}

fn blocks(svg: &mut String, window: &Window, now: f64) {
    let mut block = |class: &str, from: f64, to: f64| {
        let width = (to - from).max(0.0);
        // Writing to a String cannot fail; so below.
        let _ = write!(
            svg,
            "<rect class=\"{class}\" x=\"{from:.2}%\" y=\"56\" width=\"{width:.2}%\" height=\"28\"/>"
        );
    };
    block("w-ok", 0.0, DUE);
    block("w-grace", DUE, DEADLINE);
    block("w-miss", DEADLINE, now);
    if let Some(width) = window.run_width() {
        block("w-run", LAST - width, LAST);
    }
    if let Some(since) = window.running_since {
        block("w-open", window.place(since).min(now - 0.8), now);
    }
    svg.push_str(
        "<rect class=\"w-frame\" x=\"0.5\" y=\"56\" width=\"99.9%\" height=\"28\" rx=\"6\"/>",
    );
}

fn marks(svg: &mut String, window: &Window, viewer: Viewer) {
    if let Some(last) = window.last_ping {
        let ran = window.last_run_ms.map(|ms| format!("ran {}", millis(ms)));
        let small = ran.unwrap_or_else(|| viewer.ago(last));
        mark(svg, LAST, "good", &format!("Last ping {}", moment(last, viewer)), &small, "start");
    }
    let due = format!("Due {}", moment(window.due, viewer));
    mark(svg, DUE, "warn", &due, &window.schedule, "end");
    let is_over = viewer.now >= window.deadline;
    let ended = if is_over { "Grace ended" } else { "Grace ends" };
    let grace = format!("grace {}", span(window.deadline.since(window.due)));
    let small = if is_over && !window.ended.is_empty() { &window.ended } else { &grace };
    let bold = format!("{ended} {}", moment(window.deadline, viewer));
    mark(svg, DEADLINE, "bad", &bold, small, "start");
    if let Some(next) = window.next {
        let bold = format!("Next {}", moment(next, viewer));
        mark(svg, NEXT, "next", &bold, &viewer.ago(next), "middle");
    }
    if is_over {
        below(svg, DUE, DEADLINE, "warn", &grace);
        let down = format!("down {}", span(viewer.now.since(window.deadline)));
        below(svg, DEADLINE, END - 6.0, "bad", &down);
    }
}

fn below(svg: &mut String, from: f64, to: f64, tone: &str, text: &str) {
    let middle = f64::midpoint(from, to);
    let _ = write!(
        svg,
        "<text class=\"t-{tone} m-below\" x=\"{middle:.2}%\" y=\"104\" text-anchor=\"middle\">{text}</text>"
    );
}

/// A wall time that says which one is meant: with its seconds when it is near, with its day when it is not today.
fn moment(at: Timestamp, viewer: Viewer) -> String {
    const NEAR: i64 = 10 * 60_000;
    const THIS_WEEK: i64 = 5 * 86_400_000;
    let away = viewer.now.since(at).abs();
    if away < NEAR {
        viewer.clock(at)
    } else if viewer.date(at) == viewer.date(viewer.now) {
        viewer.hour(at)
    } else if away < THIS_WEEK {
        viewer.weekday_hour(at)
    } else {
        viewer.date(at)
    }
}

fn mark(svg: &mut String, x: f64, tone: &str, bold: &str, small: &str, anchor: &str) {
    // A mark with its words above it must not be crossed out by its line.
    let (shift, top) = match anchor {
        "end" => (-6, 4),
        "start" => (6, 4),
        _ => (0, 40),
    };
    let _ = write!(
        svg,
        "<g class=\"m-{tone}\"><line class=\"l-{tone}\" x1=\"{x:.2}%\" x2=\"{x:.2}%\" y1=\"{top}\" y2=\"84\"/>\
         <text class=\"strong t-{tone}\" x=\"{x:.2}%\" dx=\"{shift}\" y=\"16\" text-anchor=\"{anchor}\">{bold}</text>\
         <text x=\"{x:.2}%\" dx=\"{shift}\" y=\"33\" text-anchor=\"{anchor}\">{}</text></g>",
        escape(small)
    );
}

fn now_mark(svg: &mut String, x: f64, viewer: Viewer) {
    // Near the end there is more room before the line.
    let left = if x > DEADLINE { -75 } else { -1 };
    let middle = left + 38;
    let _ = write!(
        svg,
        "<line class=\"l-now\" x1=\"{x:.2}%\" x2=\"{x:.2}%\" y1=\"50\" y2=\"112\"/>\
         <svg x=\"{x:.2}%\" y=\"96\" width=\"76\" height=\"22\" overflow=\"visible\"><rect class=\"w-now\" x=\"{left}\" width=\"76\" height=\"20\" rx=\"4\"/>\
         <text class=\"on-now\" x=\"{middle}\" y=\"14\" text-anchor=\"middle\">now {}</text></svg>",
        viewer.hour(viewer.now)
    );
}

fn words(window: &Window, viewer: Viewer) -> String {
    let mut words = vec![match (window.last_ping, window.last_run_ms) {
        (Some(at), Some(ms)) => {
            format!("Last ping {} after a run of {}", moment(at, viewer), millis(ms))
        }
        (Some(at), None) => format!("Last ping {}", moment(at, viewer)),
        (None, _) => "No ping yet".to_owned(),
    }];
    words.push(format!("due {}", moment(window.due, viewer)));
    words.push(format!("grace until {}", moment(window.deadline, viewer)));
    if let Some(since) = window.running_since {
        words.push(format!("running since {}", moment(since, viewer)));
    }
    words.push(format!("now {}", viewer.clock(viewer.now)));
    if let Some(next) = window.next {
        words.push(format!("next {}", moment(next, viewer)));
    }
    words.join(", ")
}

/// Text of people between our markup.
fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn viewer(now: i64) -> Viewer {
        Viewer::new(Timestamp(now), None)
    }

    #[test]
    fn a_missed_window_shows_the_time_since_its_end() {
        let window = Window {
            last_ping: Some(Timestamp(0)),
            due: Timestamp(60_000),
            deadline: Timestamp(120_000),
            ended: "incident #7 opened".to_owned(),
            ..Window::default()
        };
        let svg = window_picture(&window, viewer(180_000)).0;
        for part in [
            "Last ping 00:00:00",
            "Due 00:01:00",
            "Grace ended 00:02:00",
            "incident #7 opened",
            "down 1 min",
            "now 00:03",
        ] {
            assert!(svg.contains(part), "{part}");
        }
        assert!(window_picture(&window, viewer(90_000)).0.contains("Grace ends 00:02:00"));
    }

    #[test]
    fn runs_and_the_next_time_are_drawn_when_they_are_known() {
        let window = Window {
            last_ping: Some(Timestamp(0)),
            last_run_ms: Some(159_000),
            due: Timestamp(3_600_000),
            deadline: Timestamp(4_800_000),
            running_since: Some(Timestamp(3_000_000)),
            next: Some(Timestamp(7_200_000)),
            schedule: "5 * * * * <".to_owned(),
            ..Window::default()
        };
        let svg = window_picture(&window, viewer(3_700_000)).0;
        for part in
            ["ran 2 min 39 s", "w-run", "w-open", "Next 02:00", "&lt;", "running since 00:50"]
        {
            assert!(svg.contains(part), "{part}");
        }
        assert!(!svg.contains("down "));
        let bare = Window { last_run_ms: None, running_since: None, next: None, ..window };
        let svg = window_picture(&bare, viewer(3_700_000)).0;
        assert!(!svg.contains("w-run") && !svg.contains("w-open") && !svg.contains("Next"));
    }

    #[test]
    fn a_moment_says_which_day_is_meant() {
        const HOUR: i64 = 3_600_000;
        let noon = viewer(1_763_380_800_000); // Mon 17 Nov 2025, 12:00
        for (hours, text) in [
            (0, "12:00:00"),
            (-2, "10:00"),
            (-20, "Sun 16:00"),
            (72, "Thu 12:00"),
            (-720, "18 Oct"),
        ] {
            assert_eq!(moment(noon.now.plus_ms(hours * HOUR), noon), text);
        }
    }
}
