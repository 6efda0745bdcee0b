//! The planned windows of a fortnight or a month as a picture: a row for each window, a block for each time it is open. Pure.

use std::fmt::Write;

use chrono::{Datelike, Days, NaiveDate, Weekday};

use super::text::{Html, Viewer, plural};
use crate::clock::Timestamp;
use crate::incident::maintenance::Span;
use crate::incident::message::one_line;

/// Blocks of one window at most: one that opens every minute would be a bar all the same.
pub const BLOCKS_MAX: usize = 120;

/// The days that the picture shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct PlanDays {
    /// The first day.
    pub first: NaiveDate,
    /// How many days.
    pub count: u32,
    /// Whether it is a whole month.
    pub is_month: bool,
}

impl PlanDays {
    /// The two weeks, or the month, that `day` falls into: weeks begin on Monday.
    pub fn around(day: NaiveDate, is_month: bool) -> Self {
        if is_month {
            let first = day.with_day(1).unwrap_or(day);
            let count = day.num_days_in_month().into();
            return Self { first, count, is_month };
        }
        let back = Days::new(day.weekday().num_days_from_monday().into());
        Self { first: day.checked_sub_days(back).unwrap_or(day), count: 14, is_month }
    }

    /// A day of it, or one behind it.
    fn day(&self, n: u32) -> NaiveDate {
        self.first.checked_add_days(Days::new(n.into())).unwrap_or(self.first)
    }

    /// The moments between which it lies.
    pub fn span(&self, viewer: Viewer) -> Span {
        (viewer.midnight(self.first), viewer.midnight(self.day(self.count)))
    }

    /// The day from which the picture after this one is drawn.
    fn after(&self) -> NaiveDate {
        self.day(self.count)
    }

    /// The day from which the picture before this one is drawn.
    fn before(&self) -> NaiveDate {
        let back = if self.is_month { 1 } else { u64::from(self.count) };
        self.first.checked_sub_days(Days::new(back)).unwrap_or(self.first)
    }

    fn title(&self) -> String {
        let last = self.day(self.count.saturating_sub(1));
        if self.is_month {
            self.first.format("%B %Y").to_string()
        } else if self.first.month() == last.month() {
            format!("{} to {}", self.first.day(), last.format("%-d %B"))
        } else {
            format!("{} to {}", self.first.format("%-d %B"), last.format("%-d %B"))
        }
    }

    /// Where `at` stands, in percent of the width; each day is as wide as the others, with a change of the clock too.
    fn place(&self, at: Timestamp, viewer: Viewer) -> f64 {
        let (from, until) = self.span(viewer);
        if at <= from {
            return 0.0;
        }
        if at >= until {
            return 100.0;
        }
        let day = viewer.day(at);
        let n = day.signed_duration_since(self.first).num_days();
        let begin = viewer.midnight(day);
        let next = viewer.midnight(day.checked_add_days(Days::new(1)).unwrap_or(day));
        let share = at.since(begin) as f64 / next.since(begin).max(1) as f64;
        (n as f64 + share) / f64::from(self.count) * 100.0
    }
}

/// One day over the columns.
pub struct DayHead {
    /// `Mon`.
    pub weekday: String,
    /// `16`.
    pub number: u32,
    /// Whether nobody works then.
    pub is_weekend: bool,
    /// Whether it is today.
    pub is_today: bool,
}

/// One window of the picture.
pub struct PlanRow {
    /// What it is called.
    pub name: String,
    /// Whether it opens again.
    pub repeats: bool,
    /// Its blocks.
    pub picture: Html,
}

/// The picture.
pub struct Plan {
    /// `16 to 29 November`.
    pub title: String,
    /// One sentence for those who do not see it.
    pub summary: String,
    /// Whether it is a whole month.
    pub is_month: bool,
    /// What an address asks for the picture before this one.
    pub before: NaiveDate,
    /// And after it.
    pub after: NaiveDate,
    /// The days.
    pub days: Vec<DayHead>,
    /// Lines and weekends behind the rows, used by each of them.
    pub frame: Html,
    /// The windows that are open in these days.
    pub rows: Vec<PlanRow>,
}

/// A window to draw: what it is called, whether it repeats, and when it is open.
pub struct Planned {
    /// What it is called.
    pub name: String,
    /// Whether it opens again.
    pub repeats: bool,
    /// The times, in order.
    pub spans: Vec<Span>,
}

/// Draws windows; those that are not open in these days are left out.
pub fn plan(days: PlanDays, windows: &[Planned], viewer: Viewer) -> Plan {
    let (from, until) = days.span(viewer);
    let in_view = |w: &&Planned| w.spans.iter().any(|span| span.1 > from && span.0 < until);
    let rows: Vec<PlanRow> =
        windows.iter().filter(in_view).map(|window| row(days, window, viewer)).collect();
    let names: Vec<&str> = rows.iter().map(|row| row.name.as_str()).collect();
    let summary = match names.len() {
        0 => format!("Nothing is planned from {}.", days.title()),
        n => format!("{} from {}: {}.", plural(n, "window"), days.title(), names.join(", ")),
    };
    let today = viewer.day(viewer.now);
    let head = |n| {
        let day = days.day(n);
        DayHead {
            weekday: day.format("%a").to_string(),
            number: day.day(),
            is_weekend: is_weekend(day),
            is_today: day == today,
        }
    };
    Plan {
        title: days.title(),
        summary,
        is_month: days.is_month,
        before: days.before(),
        after: days.after(),
        days: (0..days.count).map(head).collect(),
        frame: frame(days, viewer),
        rows,
    }
}

fn is_weekend(day: NaiveDate) -> bool {
    matches!(day.weekday(), Weekday::Sat | Weekday::Sun)
}

fn frame(days: PlanDays, viewer: Viewer) -> Html {
    let wide = 100.0 / f64::from(days.count);
    let mut svg = String::from("<symbol id=\"plan-frame\">");
    for n in 0..days.count {
        let x = wide * f64::from(n);
        // Writing to a String cannot fail; so below.
        if is_weekend(days.day(n)) {
            let _ = write!(
                svg,
                "<rect class=\"w-rest\" x=\"{x:.2}%\" width=\"{wide:.2}%\" height=\"100%\"/>"
            );
        }
        let _ = write!(
            svg,
            "<line class=\"grid\" x1=\"{x:.2}%\" x2=\"{x:.2}%\" y1=\"0\" y2=\"100%\"/>"
        );
    }
    let (from, until) = days.span(viewer);
    if (from..until).contains(&viewer.now) {
        let x = days.place(viewer.now, viewer);
        let _ = write!(
            svg,
            "<line class=\"plan-now\" x1=\"{x:.2}%\" x2=\"{x:.2}%\" y1=\"0\" y2=\"100%\"/>"
        );
    }
    svg.push_str("</symbol>");
    Html(svg)
}

fn row(days: PlanDays, window: &Planned, viewer: Viewer) -> PlanRow {
    let mut svg = String::from(
        "<svg class=\"plan-row\" aria-hidden=\"true\"><use href=\"#plan-frame\" width=\"100%\" height=\"100%\"/>",
    );
    let (from, until) = days.span(viewer);
    let seen: Vec<&Span> =
        window.spans.iter().filter(|span| span.1 > from && span.0 < until).collect();
    for span in &seen {
        let (left, right) = (days.place(span.0, viewer), days.place(span.1, viewer));
        let width = (right - left).max(0.6);
        let class = match () {
            () if span.1 <= viewer.now => "plan-past",
            () if span.0 <= viewer.now => "plan-open",
            () => "plan-next",
        };
        let _ = write!(
            svg,
            "<rect class=\"{class}\" x=\"{left:.2}%\" y=\"8\" width=\"{width:.2}%\" height=\"20\" rx=\"4\"/>"
        );
    }
    if let (&[span], false) = (seen.as_slice(), window.repeats) {
        label(&mut svg, days, *span, viewer);
    }
    svg.push_str("</svg>");
    PlanRow { name: one_line(&window.name), repeats: window.repeats, picture: Html(svg) }
}

/// The hours beside a block, on the side where there is room.
fn label(svg: &mut String, days: PlanDays, span: Span, viewer: Viewer) {
    let (left, right) = (days.place(span.0, viewer), days.place(span.1, viewer));
    let is_long = span.1.since(span.0) >= 24 * 3_600_000;
    let words = if is_long {
        format!("{} to {}", viewer.weekday_hour(span.0), viewer.weekday_hour(span.1))
    } else {
        viewer.hours(span)
    };
    let (x, anchor) =
        if right > 78.0 { (left - 0.6, "end") } else { (right.max(left + 0.6) + 0.6, "start") };
    let _ = write!(svg, "<text x=\"{x:.2}%\" y=\"22\" text-anchor=\"{anchor}\">{words}</text>");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    fn berlin() -> Viewer {
        Viewer::new(at("2026-11-17T13:32:10Z"), Some("Europe/Berlin"))
    }

    #[test]
    fn two_weeks_begin_on_monday_and_a_month_on_its_first() {
        let viewer = berlin();
        let days = PlanDays::around(viewer.day(viewer.now), false);
        assert_eq!(days.title(), "16 to 29 November");
        assert_eq!(days.before().to_string(), "2026-11-02");
        assert_eq!(days.after().to_string(), "2026-11-30");
        let month = PlanDays::around(viewer.day(viewer.now), true);
        assert_eq!((month.title(), month.count), ("November 2026".to_owned(), 30));
        assert_eq!(PlanDays::around(month.before(), true).title(), "October 2026");
        assert_eq!(PlanDays::around(month.after(), true).title(), "December 2026");
    }

    #[test]
    fn a_day_is_as_wide_as_any_other_when_the_clocks_change() {
        let viewer = Viewer::new(at("2026-10-20T12:00:00Z"), Some("Europe/Berlin"));
        let days = PlanDays::around(viewer.day(viewer.now), false);
        assert_eq!(days.first.to_string(), "2026-10-19");
        // Sunday the 25th has 25 hours: its noon stands in its middle but for half an hour.
        let noon = days.place(at("2026-10-25T11:30:00Z"), viewer);
        assert!((noon - (6.0 + 12.5 / 25.0) / 14.0 * 100.0).abs() < 1e-9, "{noon}");
        let monday = days.place(at("2026-10-25T23:00:00Z"), viewer);
        assert!((monday - 50.0).abs() < 1e-9, "{monday}");
    }

    #[test]
    fn what_is_open_over_and_to_come_is_drawn_each_its_own_way() {
        let viewer = berlin();
        let days = PlanDays::around(viewer.day(viewer.now), false);
        let once = |name: &str, from: &str, to: &str| Planned {
            name: name.to_owned(),
            repeats: false,
            spans: vec![(at(from), at(to))],
        };
        let windows = [
            once("Refund", "2026-11-17T13:00:00Z", "2026-11-17T14:00:00Z"),
            once("Move", "2026-11-26T08:00:00Z", "2026-11-27T16:00:00Z"),
            once("Key", "2026-11-16T00:00:00Z", "2026-11-16T01:00:00Z"),
            once("Far", "2027-01-16T00:00:00Z", "2027-01-16T01:00:00Z"),
        ];
        let plan = plan(days, &windows, viewer);
        let rows: Vec<&str> = plan.rows.iter().map(|row| row.picture.0.as_str()).collect();
        assert_eq!(rows.len(), 3, "what lies outside is left out");
        for (row, class, words) in [
            (rows[0], "plan-open", "14:00 to 15:00"),
            (rows[1], "plan-next", "Thu 09:00 to Fri 17:00"),
            (rows[2], "plan-past", "01:00 to 02:00"),
        ] {
            assert!(row.contains(class) && row.contains(words), "{row}");
        }
        assert_eq!(plan.summary, "3 windows from 16 to 29 November: Refund, Move, Key.");
        assert!(plan.frame.0.contains("plan-now"));
        assert_eq!(plan.days.iter().filter(|day| day.is_today).count(), 1);
    }
}
