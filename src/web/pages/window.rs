//! The window of a heartbeat as SVG: last ping, due, end of grace, now. Pure.

use std::fmt::Write;

use super::text::{Html, Viewer, span};
use crate::clock::Timestamp;

/// What the window picture of a heartbeat shows.
#[derive(Debug, Clone, Copy)]
pub struct Window {
    /// The last success, if any.
    pub last_ping: Option<Timestamp>,
    /// When the next ping is due.
    pub due: Timestamp,
    /// When it is down without one.
    pub deadline: Timestamp,
}

// Where the marks stand, in percent. A scheme, not a scale: a minute's period and a week's silence stay readable together.
const LAST: f64 = 8.0;
const DUE: f64 = 46.0;
const DEADLINE: f64 = 66.0;
const END: f64 = 88.0;

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
}

/// The window of a heartbeat: last ping, due, end of grace, now.
pub fn window_picture(window: &Window, viewer: Viewer) -> Html {
    let now = window.place(viewer.now);
    let mut svg = format!(
        "<svg class=\"window\" role=\"img\" aria-label=\"{}\"><rect class=\"w-rest\" y=\"56\" width=\"100%\" height=\"28\" rx=\"6\"/>",
        window_words(window, viewer)
    );
    let mut block = |class: &str, from: f64, to: f64| {
        let width = (to - from).max(0.0);
        let _ = write!(
            svg,
            "<rect class=\"{class}\" x=\"{from:.2}%\" y=\"56\" width=\"{width:.2}%\" height=\"28\"/>"
        );
    };
    block("w-ok", 0.0, DUE);
    block("w-grace", DUE, DEADLINE);
    block("w-miss", DEADLINE, now);
    svg.push_str(
        "<rect class=\"w-frame\" x=\"0.5\" y=\"56\" width=\"99.9%\" height=\"28\" rx=\"6\"/>",
    );
    if let Some(last) = window.last_ping {
        let words = format!("Last ping {}", viewer.clock(last));
        mark(&mut svg, LAST, "good", &words, &viewer.ago(last), "start");
    }
    let ended = if viewer.now >= window.deadline { "Grace ended" } else { "Grace ends" };
    mark(
        &mut svg,
        DUE,
        "warn",
        &format!("Due {}", viewer.hour(window.due)),
        &viewer.ago(window.due),
        "end",
    );
    let grace = window.deadline.since(window.due);
    mark(
        &mut svg,
        DEADLINE,
        "bad",
        &format!("{ended} {}", viewer.hour(window.deadline)),
        &format!("grace {}", span(grace)),
        "start",
    );
    now_mark(&mut svg, now, viewer);
    svg.push_str("</svg>");
    Html(svg)
}

fn mark(svg: &mut String, x: f64, tone: &str, bold: &str, small: &str, anchor: &str) {
    let shift = if anchor == "end" { -6 } else { 6 };
    let _ = write!(
        svg,
        "<g class=\"m-{tone}\"><line class=\"l-{tone}\" x1=\"{x:.2}%\" x2=\"{x:.2}%\" y1=\"4\" y2=\"84\"/>\
         <text class=\"strong t-{tone}\" x=\"{x:.2}%\" dx=\"{shift}\" y=\"16\" text-anchor=\"{anchor}\">{bold}</text>\
         <text x=\"{x:.2}%\" dx=\"{shift}\" y=\"33\" text-anchor=\"{anchor}\">{small}</text></g>"
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

fn window_words(window: &Window, viewer: Viewer) -> String {
    let last = match window.last_ping {
        Some(at) => format!("Last ping {}", viewer.clock(at)),
        None => "No ping yet".to_owned(),
    };
    format!(
        "{last}, due {}, grace until {}, now {}",
        viewer.clock(window.due),
        viewer.clock(window.deadline),
        viewer.clock(viewer.now)
    )
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
        };
        let svg = window_picture(&window, viewer(180_000)).0;
        for part in ["Last ping 00:00:00", "Due 00:01", "Grace ended 00:02", "now 00:03"] {
            assert!(svg.contains(part), "{part}");
        }
        assert!(window_picture(&window, viewer(90_000)).0.contains("Grace ends 00:02"));
    }
}
