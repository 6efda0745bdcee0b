//! The history bar: one day, one bar; the longer down, the taller the red (guide, section 4). Pure.

use std::fmt::Write;

use super::text::{Html, plural};

/// What is known of one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DayCell {
    /// Nothing: not yet watched, paused, or nobody was looking.
    NoData,
    /// No downtime.
    Up,
    /// Slow for a while, never down.
    Slow {
        /// For so many minutes.
        minutes: u32,
    },
    /// Down for a while.
    Down {
        /// For so many minutes.
        minutes: u32,
    },
    /// All that is known was planned work.
    Maintenance,
}

const PITCH: usize = 3;
const BAR: f64 = 15.0;
const STUB: f64 = 4.0;

/// The share of a bar that is coloured for `minutes` of trouble: an honest size that is still seen.
fn share(minutes: u32) -> f64 {
    (0.27 + 0.73 * (f64::from(minutes) / 720.0).sqrt()).min(1.0)
}

/// The words that stand for the bar where it cannot be seen.
pub fn label(uptime: &str, days: usize, incidents: usize) -> String {
    format!("{uptime} up in {days} days, {}", plural(incidents, "incident"))
}

/// The bar of a table row, `PITCH` px a day. Runs of like days are one rectangle with a pattern of the page, so that a
/// good monitor's bar is about 300 bytes. `label` must be free of markup, as that of [`label`] is.
pub fn history_bar(days: &[DayCell], label: &str) -> Html {
    let width = (days.len() * PITCH).saturating_sub(1);
    let mut svg = format!(
        "<svg width=\"{width}\" height=\"20\" viewBox=\"0 0 {width} 20\" role=\"img\" aria-label=\"{label}\">"
    );
    let mut start = 0;
    for run in days.chunk_by(|a, b| same_run(*a, *b)) {
        draw_run(&mut svg, start * PITCH, run);
        start += run.len();
    }
    svg.push_str("</svg>");
    Html(svg)
}

/// Days that are drawn alike and so together; troubled days are each drawn alone.
fn same_run(a: DayCell, b: DayCell) -> bool {
    a == b && matches!(a, DayCell::NoData | DayCell::Up)
}

fn draw_run(svg: &mut String, x: usize, run: &[DayCell]) {
    let width = run.len() * PITCH - 1;
    // Writing to a String cannot fail.
    let _ = match run.first() {
        Some(DayCell::Up) => {
            write!(svg, "<rect class=\"b-run\" x=\"{x}\" width=\"{width}\" height=\"15\"/>")
        }
        Some(DayCell::NoData) => {
            write!(
                svg,
                "<rect class=\"b-none-run\" x=\"{x}\" y=\"11\" width=\"{width}\" height=\"4\"/>"
            )
        }
        Some(DayCell::Maintenance) => {
            write!(svg, "<rect class=\"b-maint\" x=\"{x}\" width=\"2\" height=\"15\"/>")
        }
        Some(DayCell::Down { minutes }) => troubled(svg, x, *minutes, "b-down", true),
        Some(DayCell::Slow { minutes }) => troubled(svg, x, *minutes, "b-slow", false),
        None => Ok(()),
    };
}

fn troubled(
    svg: &mut String,
    x: usize,
    minutes: u32,
    class: &str,
    round: bool,
) -> std::fmt::Result {
    let tall = (BAR * share(minutes)).round();
    let good = BAR - tall - 1.0;
    if good > 0.0 {
        write!(svg, "<rect class=\"b-up\" x=\"{x}\" width=\"2\" height=\"{good}\"/>")?;
    }
    let top = BAR - tall;
    write!(svg, "<rect class=\"{class}\" x=\"{x}\" y=\"{top}\" width=\"2\" height=\"{tall}\"/>")?;
    let radius = if round { " rx=\"1.2\"" } else { "" };
    let left = x as f64 - 0.2;
    write!(
        svg,
        "<rect class=\"{class}\" x=\"{left:.1}\" y=\"17.2\" width=\"2.4\" height=\"2.4\"{radius}/>"
    )
}

/// The wide bar of a detail page: it fills its box, each day has its tooltip. `titles` are the days' words, free of markup.
pub fn wide_bar(days: &[DayCell], titles: &[String], label: &str) -> Html {
    const TALL: f64 = 32.0;
    let mut svg = format!(
        "<svg class=\"wide-bar\" width=\"100%\" height=\"40\" role=\"img\" aria-label=\"{label}\">"
    );
    let pitch = 100.0 / days.len().max(1) as f64;
    for (i, (day, title)) in days.iter().zip(titles).enumerate() {
        let x = pitch * i as f64;
        let width = pitch * 0.8;
        let middle = x + width / 2.0;
        let bar = |class: &str, y: f64, h: f64| {
            format!(
                "<rect class=\"{class}\" x=\"{x:.2}%\" y=\"{y:.0}\" width=\"{width:.2}%\" height=\"{h:.0}\" rx=\"1\"/>"
            )
        };
        let drawn = match *day {
            DayCell::NoData => bar("b-none", TALL - STUB, STUB),
            DayCell::Up => bar("b-up", 0.0, TALL),
            DayCell::Maintenance => bar("b-maint", 0.0, TALL),
            DayCell::Down { minutes } => {
                let tall = (TALL * share(minutes)).round();
                bar("b-up", 0.0, (TALL - tall - 1.0).max(0.0))
                    + &bar("b-down", TALL - tall, tall)
                    + &format!("<circle class=\"b-down\" cx=\"{middle:.2}%\" cy=\"37\" r=\"1.5\"/>")
            }
            DayCell::Slow { minutes } => {
                let tall = (TALL * share(minutes)).round();
                bar("b-up", 0.0, (TALL - tall - 1.0).max(0.0))
                    + &bar("b-slow", TALL - tall, tall)
                    + &format!(
                        "<rect class=\"b-slow\" x=\"{middle:.2}%\" y=\"36\" width=\"3\" height=\"3\"/>"
                    )
            }
        };
        // Writing to a String cannot fail.
        let _ = write!(svg, "<g><title>{title}</title>{drawn}</g>");
    }
    svg.push_str("</svg>");
    Html(svg)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_height_follows_the_length_of_the_outage() {
        for (minutes, tall) in [(0, 4.0), (5, 5.0), (60, 7.0), (720, 15.0), (1440, 15.0)] {
            assert_eq!((BAR * share(minutes)).round(), tall, "{minutes} min");
        }
    }

    #[test]
    fn a_good_row_is_about_300_bytes() {
        let svg = history_bar(&[DayCell::Up; 90], &label("100%", 90, 0)).0;
        assert!(svg.len() < 300, "{} bytes: {svg}", svg.len());
        assert_eq!(svg.matches("<rect").count(), 1);
        assert!(svg.contains("aria-label=\"100% up in 90 days, 0 incidents\""));
    }

    #[test]
    fn each_kind_of_day_is_drawn_its_own_way() {
        for (day, has, rects) in [
            (DayCell::Up, "b-run", 1),
            (DayCell::NoData, "b-none-run", 1),
            (DayCell::Maintenance, "b-maint", 1),
            (DayCell::Down { minutes: 5 }, "b-down", 3),
            (DayCell::Down { minutes: 1440 }, "b-down", 2),
            (DayCell::Slow { minutes: 60 }, "b-slow", 3),
        ] {
            let svg = history_bar(&[day], "x").0;
            assert!(svg.contains(has), "{day:?}: {svg}");
            assert_eq!(svg.matches("<rect").count(), rects, "{day:?}: {svg}");
        }
    }

    #[test]
    fn runs_lie_side_by_side_and_fill_the_width() {
        let mut days = vec![DayCell::NoData; 30];
        days.extend([DayCell::Up; 59]);
        days.push(DayCell::Down { minutes: 12 });
        let svg = history_bar(&days, "x").0;
        for part in ["x=\"0\" y=\"11\" width=\"89\"", "x=\"90\" width=\"176\"", "x=\"267\" y="] {
            assert!(svg.contains(part), "{part} in {svg}");
        }
    }

    #[test]
    fn no_days_is_an_empty_picture() {
        assert!(!history_bar(&[], "nothing").0.contains("<rect"));
    }
}
