//! The last ninety days of a monitor, day by day in the viewer's zone. Pure.

use std::collections::HashMap;

use chrono::Days;

use super::history_bar::{DayCell, history_bar, label, wide_bar};
use super::text::{Html, Viewer, millis, percent, span};
use crate::clock::Timestamp;
use crate::monitor::{Monitor, MonitorId};
use crate::report::latency::Histogram;
use crate::report::record::Record;
use crate::report::rollup::DAY_MS;
use crate::report::uptime::{Span, Tally};

/// How many days a bar has.
pub const DAYS: u64 = 90;

/// What happened to some monitors: enough for their bars and their uptime.
pub struct Past {
    viewer: Viewer,
    days: Vec<Span>,
    records: HashMap<MonitorId, Record>,
    latencies: HashMap<MonitorId, Histogram>,
}

impl Past {
    /// The records since [`Past::begin`].
    pub fn new(viewer: Viewer, records: HashMap<MonitorId, Record>) -> Self {
        Self { viewer, days: days(viewer), records, latencies: HashMap::new() }
    }

    /// The same, with how long the checks of the last day took.
    pub fn with_latencies(self, latencies: HashMap<MonitorId, Histogram>) -> Self {
        Self { latencies, ..self }
    }

    /// What 95 of 100 checks of the last day did not take longer than; `–` when there was none.
    pub fn p95(&self, monitor: &Monitor) -> String {
        let latency = self.latencies.get(&monitor.id);
        let ms = latency.and_then(|latency| latency.percentile(0.95));
        ms.map_or_else(|| "–".to_owned(), |ms| millis(i64::from(ms)))
    }

    /// From when on records are needed.
    pub fn begin(viewer: Viewer) -> Timestamp {
        let first = days(viewer).first().map_or(viewer.now, |day| day.0);
        first.min(viewer.now.plus_ms(-DAY_MS * DAYS as i64))
    }

    fn tallies(&self, monitor: &Monitor, spans: &[Span]) -> Vec<Tally> {
        let record = self.records.get(&monitor.id);
        record.map_or_else(|| vec![Tally::default(); spans.len()], |record| record.tallies(spans))
    }

    /// What is known of the last `ms`.
    pub fn last(&self, monitor: &Monitor, ms: i64) -> Tally {
        let span = (self.viewer.now.plus_ms(-ms), self.viewer.now);
        self.tallies(monitor, &[span]).first().copied().unwrap_or_default()
    }

    /// Uptime in all the days, as it is shown.
    pub fn uptime(&self, monitor: &Monitor) -> String {
        shown(&self.last(monitor, DAY_MS * DAYS as i64))
    }

    fn label(&self, monitor: &Monitor) -> String {
        let from = self.viewer.now.plus_ms(-DAY_MS * DAYS as i64);
        let outages = self.records.get(&monitor.id).map_or(0, |record| record.outages(from));
        label(&self.uptime(monitor), DAYS as usize, outages)
    }

    /// The bar of a table row.
    pub fn bar(&self, monitor: &Monitor) -> Html {
        let cells: Vec<DayCell> = self.tallies(monitor, &self.days).iter().map(cell).collect();
        history_bar(&cells, &self.label(monitor))
    }

    /// The bar of a detail page.
    pub fn wide_bar(&self, monitor: &Monitor) -> Html {
        let tallies = self.tallies(monitor, &self.days);
        let cells: Vec<DayCell> = tallies.iter().map(cell).collect();
        let titles: Vec<String> = self
            .days
            .iter()
            .zip(&tallies)
            .map(|(day, tally)| format!("{}: {}", self.viewer.date(day.0), words(tally)))
            .collect();
        wide_bar(&cells, &titles, &self.label(monitor))
    }

    /// The date that the bar begins with.
    pub fn first_day(&self) -> String {
        self.days.first().map_or_else(String::new, |day| self.viewer.date(day.0))
    }
}

/// The uptime of a tally: rounded down, `–` when nothing is known.
pub fn shown(tally: &Tally) -> String {
    percent(tally.well_ms(), tally.well_ms() + tally.down_ms)
}

fn words(tally: &Tally) -> String {
    let mut words = vec![match shown(tally).as_str() {
        "–" => "no data".to_owned(),
        uptime => uptime.to_owned(),
    }];
    for (ms, what) in [
        (tally.down_ms, "down"),
        (tally.degraded_ms, "degraded"),
        (tally.maintenance_ms, "in maintenance"),
    ] {
        if ms > 0 {
            words.push(format!("{} {what}", span(ms)));
        }
    }
    words.join(", ")
}

fn cell(tally: &Tally) -> DayCell {
    let minutes = |ms: i64| u32::try_from((ms + 59_999) / 60_000).unwrap_or(u32::MAX);
    if tally.down_ms > 0 {
        DayCell::Down { minutes: minutes(tally.down_ms) }
    } else if tally.maintenance_ms > 0 {
        DayCell::Maintenance
    } else if tally.degraded_ms > 0 {
        DayCell::Slow { minutes: minutes(tally.degraded_ms) }
    } else if tally.up_ms > 0 {
        DayCell::Up
    } else {
        DayCell::NoData
    }
}

/// The last days in the viewer's zone, oldest first; the last one ends now.
fn days(viewer: Viewer) -> Vec<Span> {
    let today = viewer.day(viewer.now);
    let midnight =
        |back: u64| viewer.midnight(today.checked_sub_days(Days::new(back)).unwrap_or(today));
    (0..DAYS)
        .rev()
        .map(|back| {
            let end = if back == 0 { viewer.now } else { midnight(back - 1) };
            (midnight(back), end)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ninety_days_follow_each_other_through_a_change_of_the_clock() {
        let now = Timestamp::parse_rfc3339("2026-11-17T13:32:10Z").unwrap();
        let days = days(Viewer::new(now, Some("Europe/Berlin")));
        assert_eq!(days.len(), 90);
        assert!(days.windows(2).all(|pair| pair[0].1 == pair[1].0));
        let hours: Vec<i64> = days.iter().map(|d| d.1.since(d.0) / 3_600_000).collect();
        assert_eq!(hours.iter().filter(|h| **h == 25).count(), 1, "the end of summer time");
        assert_eq!(days[89].1, now);
    }

    #[test]
    fn the_worst_of_a_day_is_what_shows() {
        let tally = |up, slow, down, quiet| Tally {
            up_ms: up,
            degraded_ms: slow,
            down_ms: down,
            maintenance_ms: quiet,
        };
        assert_eq!(cell(&tally(1, 1, 1, 1)), DayCell::Down { minutes: 1 });
        assert_eq!(cell(&tally(1, 60_001, 0, 0)), DayCell::Slow { minutes: 2 });
        assert_eq!(cell(&tally(1, 0, 0, 1)), DayCell::Maintenance);
        assert_eq!(cell(&tally(1, 0, 0, 0)), DayCell::Up);
        assert_eq!(cell(&tally(0, 0, 0, 0)), DayCell::NoData);
        assert_eq!(words(&tally(0, 0, 0, 0)), "no data");
        assert_eq!(words(&tally(99_000, 0, 1_000, 0)), "99.00%, 1 s down");
    }
}
