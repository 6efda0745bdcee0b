//! Maintenance windows: while one is open, its monitors' alerts are held and the time does not count. Pure.

use crate::clock::Timestamp;
use crate::monitor::MonitorId;
use crate::monitor::expect::CronSchedule;

/// A planned quiet time: once, or again and again.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MaintenanceWindow {
    /// Its number.
    pub id: i64,
    /// What it is called.
    pub name: String,
    /// The monitors it covers.
    pub monitor_ids: Vec<MonitorId>,
    /// It covers every monitor with one of these tags too.
    pub tags: Vec<String>,
    /// When it opens; of one that repeats, the time that is open now or comes next.
    pub starts_at: Timestamp,
    /// When it closes: from then on it is open no more.
    pub ends_at: Timestamp,
    /// How it repeats; `None` for once.
    pub repeats: Option<Repeats>,
}

/// When a window opens again, and for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Repeats {
    /// When it opens, on the wall clock of a zone.
    pub schedule: CronSchedule,
    /// How long it stays open, in minutes of time that passes, whatever the clocks show meanwhile.
    pub duration_minutes: u32,
}

/// A time in which a window was open: its start, and its end that does not belong to it.
pub type Span = (Timestamp, Timestamp);

/// The most spans that are made up for after a long stop.
const MADE_UP_MAX: usize = 1_000;

impl Repeats {
    fn span_from(&self, starts_at: Timestamp) -> Span {
        (starts_at, starts_at.plus_ms(i64::from(self.duration_minutes) * 60_000))
    }

    /// The span that is open at `now`, cut to begin no sooner, or the next one.
    pub fn span_at(&self, now: Timestamp) -> Span {
        let (_, ends_at) = self.span_from(self.schedule.previous(now.plus_ms(1)));
        if ends_at > now { (now, ends_at) } else { self.span_after(now) }
    }

    /// The first span that begins after `at`.
    pub fn span_after(&self, at: Timestamp) -> Span {
        self.span_from(self.schedule.next(at))
    }
}

impl MaintenanceWindow {
    /// Whether it is open at `now`.
    pub fn is_active(&self, now: Timestamp) -> bool {
        match &self.repeats {
            // It has not moved on yet.
            Some(repeats) if self.ends_at <= now => repeats.span_at(now).0 <= now,
            _ => self.starts_at <= now && now < self.ends_at,
        }
    }

    /// Whether it covers a monitor.
    pub fn covers(&self, monitor_id: MonitorId, tags: &[String]) -> bool {
        self.monitor_ids.contains(&monitor_id) || self.tags.iter().any(|tag| tags.contains(tag))
    }

    /// When it opens next after `now`, if it does.
    pub fn next_starts_at(&self, now: Timestamp) -> Option<Timestamp> {
        match &self.repeats {
            _ if self.starts_at > now => Some(self.starts_at),
            Some(repeats) => Some(repeats.schedule.next(now)),
            None => None,
        }
    }

    /// The spans in which it is open that end after `from` and begin before `until`, at most `max` of them: the one that it stands
    /// at, and those that follow.
    pub fn spans(&self, from: Timestamp, until: Timestamp, max: usize) -> Vec<Span> {
        let mut spans = Vec::new();
        let mut next = Some((self.starts_at, self.ends_at));
        while let Some(span) = next.filter(|span| span.0 < until && spans.len() < max) {
            if span.1 > from {
                spans.push(span);
            }
            next = self.repeats.as_ref().map(|repeats| repeats.span_after(span.0.max(from)));
        }
        spans
    }

    /// The window as it stands at `now`: one that repeats moves on to the span that is open or comes next. Gives the spans that are
    /// over.
    pub fn move_on(&mut self, now: Timestamp) -> Vec<Span> {
        let mut over = Vec::new();
        let Some(repeats) = &self.repeats else { return over };
        while self.ends_at <= now {
            over.push((self.starts_at, self.ends_at));
            (self.starts_at, self.ends_at) = match over.len() {
                ..MADE_UP_MAX => repeats.span_after(self.starts_at),
                _ => repeats.span_at(now),
            };
        }
        over
    }

    /// Ends it at `now`. One that is over stays as it is; of one that repeats the open span ends, and the next comes as planned; one
    /// that was still to come, once, never opens. Gives the spans that are over.
    pub fn end(&mut self, now: Timestamp) -> Vec<Span> {
        let mut over = self.move_on(now);
        match &self.repeats {
            None if self.ends_at > now => {
                self.ends_at = now;
                self.starts_at = self.starts_at.min(now);
            }
            Some(repeats) if self.is_active(now) => {
                over.push((self.starts_at, now));
                (self.starts_at, self.ends_at) = repeats.span_after(now);
            }
            _ => {}
        }
        over
    }
}

/// The open window that covers a monitor at `now`; of several, the one that closes last.
pub fn active_window<'a>(
    windows: &'a [MaintenanceWindow],
    monitor_id: MonitorId,
    tags: &[String],
    now: Timestamp,
) -> Option<&'a MaintenanceWindow> {
    windows
        .iter()
        .filter(|w| w.is_active(now) && w.covers(monitor_id, tags))
        .max_by_key(|w| w.ends_at)
}

/// How long at least one of `windows` was open from `from` until `to`, in ms.
pub fn covered_ms(windows: &[MaintenanceWindow], from: Timestamp, to: Timestamp) -> i64 {
    let mut spans: Vec<Span> = windows
        .iter()
        .map(|window| (window.starts_at.max(from), window.ends_at.min(to)))
        .filter(|(start, end)| start < end)
        .collect();
    spans.sort_unstable();
    let mut counted_until = from;
    let mut covered = 0;
    for (start, end) in spans {
        covered += end.since(start.max(counted_until)).max(0);
        counted_until = counted_until.max(end);
    }
    covered
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp::parse_rfc3339(text).unwrap()
    }

    fn window(cron: &str, zone: &str, minutes: u32, now: Timestamp) -> MaintenanceWindow {
        let schedule = CronSchedule::parse(cron, zone.parse().unwrap()).unwrap();
        let repeats = Repeats { schedule, duration_minutes: minutes };
        let (starts_at, ends_at) = repeats.span_at(now);
        MaintenanceWindow {
            id: 1,
            name: "backup".to_owned(),
            monitor_ids: vec![1],
            tags: vec![],
            starts_at,
            ends_at,
            repeats: Some(repeats),
        }
    }

    /// The spans that follow from `from` on, as the watcher makes them.
    fn spans(cron: &str, zone: &str, minutes: u32, from: &str, count: usize) -> Vec<String> {
        let mut window = window(cron, zone, minutes, at(from));
        let mut spans = Vec::new();
        while spans.len() < count {
            spans.push((window.starts_at, window.ends_at));
            let ends_at = window.ends_at;
            assert_eq!(window.move_on(ends_at.plus_ms(-1)), []);
            assert_eq!(window.move_on(ends_at), [spans[spans.len() - 1]]);
        }
        let shown = |at: Timestamp| at.to_rfc3339()[..16].to_owned();
        spans.into_iter().map(|(start, end)| format!("{}/{}", shown(start), shown(end))).collect()
    }

    #[test]
    fn a_day_that_begins_before_midnight_is_open_the_next_day() {
        let mut window = window("30 23 * * *", "UTC", 24 * 60, at("2026-03-01T12:00:00Z"));
        assert!(window.is_active(at("2026-03-01T12:00:00Z")), "since yesterday");
        assert!(window.is_active(at("2026-03-01T23:30:00Z")), "though nobody has moved it on");
        window.move_on(at("2026-03-01T23:30:00Z"));
        assert!(window.is_active(at("2026-03-02T23:10:00Z")));
        assert_eq!(
            window.next_starts_at(at("2026-03-02T23:10:00Z")),
            Some(at("2026-03-02T23:30:00Z"))
        );
    }

    #[test]
    fn four_in_the_morning_stays_so_over_both_changes() {
        assert_eq!(
            spans("0 4 * * *", "Europe/Amsterdam", 60, "2026-03-28T00:00:00Z", 3),
            [
                "2026-03-28T03:00/2026-03-28T04:00",
                "2026-03-29T02:00/2026-03-29T03:00",
                "2026-03-30T02:00/2026-03-30T03:00"
            ]
        );
        assert_eq!(
            spans("0 4 * * *", "Europe/Amsterdam", 60, "2026-10-24T00:00:00Z", 3),
            [
                "2026-10-24T02:00/2026-10-24T03:00",
                "2026-10-25T03:00/2026-10-25T04:00",
                "2026-10-26T03:00/2026-10-26T04:00"
            ]
        );
    }

    #[test]
    fn times_that_the_clocks_skip_or_repeat_open_once() {
        // 02:30 does not exist: open right after the gap.
        assert_eq!(
            spans("30 2 * * *", "Europe/Berlin", 60, "2026-03-28T12:00:00Z", 2),
            ["2026-03-29T01:00/2026-03-29T02:00", "2026-03-30T00:30/2026-03-30T01:30"]
        );
        // 02:30 comes twice: the first of them.
        assert_eq!(
            spans("30 2 * * *", "Europe/Berlin", 60, "2026-10-24T12:00:00Z", 2),
            ["2026-10-25T00:30/2026-10-25T01:30", "2026-10-26T01:30/2026-10-26T02:30"]
        );
    }

    #[test]
    fn over_midnight_and_on_the_31st() {
        assert_eq!(
            spans("0 23 * * 5", "UTC", 180, "2026-11-18T00:00:00Z", 2),
            ["2026-11-20T23:00/2026-11-21T02:00", "2026-11-27T23:00/2026-11-28T02:00"]
        );
        assert_eq!(
            spans("0 1 31 * *", "UTC", 60, "2026-02-01T00:00:00Z", 3),
            [
                "2026-03-31T01:00/2026-03-31T02:00",
                "2026-05-31T01:00/2026-05-31T02:00",
                "2026-07-31T01:00/2026-07-31T02:00"
            ]
        );
    }

    #[test]
    fn a_made_window_begins_now_when_its_time_has_begun() {
        let now = at("2026-11-20T23:40:00Z");
        let window = window("0 23 * * *", "UTC", 60, now);
        assert_eq!((window.starts_at, window.ends_at), (now, at("2026-11-21T00:00:00Z")));
    }

    #[test]
    fn what_was_missed_is_made_up_for() {
        let mut daily = window("0 3 * * *", "UTC", 60, at("2026-01-01T00:00:00Z"));
        let over = daily.move_on(at("2026-01-11T03:30:00Z"));
        assert_eq!(over.len(), 10);
        assert!(daily.is_active(at("2026-01-11T03:30:00Z")));
        let mut often = window("* * * * *", "UTC", 1, at("2026-01-01T00:00:00Z"));
        assert_eq!(often.move_on(at("2027-01-01T00:00:30Z")).len(), MADE_UP_MAX);
        assert!(often.is_active(at("2027-01-01T00:00:30Z")));
    }

    #[test]
    fn time_that_several_windows_cover_counts_once() {
        let from = at("2026-01-01T00:00:00Z");
        let span = |start: i64, end: i64| MaintenanceWindow {
            starts_at: from.plus_ms(start),
            ends_at: from.plus_ms(end),
            repeats: None,
            ..window("0 3 * * *", "UTC", 60, from)
        };
        let until = from.plus_ms(100);
        for (windows, expected) in [
            (vec![], 0),
            (vec![span(10, 20)], 10),
            (vec![span(-50, 20), span(90, 500)], 30),
            (vec![span(10, 40), span(20, 30), span(35, 60)], 50),
            (vec![span(-20, -10), span(100, 120)], 0),
        ] {
            assert_eq!(covered_ms(&windows, from, until), expected, "{windows:?}");
        }
    }

    #[test]
    fn the_spans_of_a_fortnight_follow_the_schedule() {
        let (from, until) = (at("2026-11-16T00:00:00Z"), at("2026-11-30T00:00:00Z"));
        let weekly = window("0 4 * * 0", "Europe/Berlin", 90, at("2026-11-17T13:32:00Z"));
        let starts: Vec<String> =
            weekly.spans(from, until, 100).iter().map(|span| span.0.to_rfc3339()).collect();
        assert_eq!(starts, ["2026-11-22T03:00:00.000+00:00", "2026-11-29T03:00:00.000+00:00"]);
        assert_eq!(weekly.spans(from, until, 1).len(), 1);
        let later = weekly.spans(at("2027-01-01T00:00:00Z"), at("2027-01-08T00:00:00Z"), 9);
        assert_eq!(later.len(), 1, "far from where it stands");
        let once = MaintenanceWindow { repeats: None, ..weekly };
        assert_eq!(once.spans(from, until, 9), [(once.starts_at, once.ends_at)]);
        assert_eq!(once.spans(once.ends_at, until, 9), [], "over by then");
        assert_eq!(once.spans(from, once.starts_at, 9), [], "not yet");
    }

    #[test]
    fn ending_one_that_repeats_leaves_the_next() {
        let mut window = window("0 3 * * *", "UTC", 60, at("2026-01-01T00:00:00Z"));
        assert_eq!(window.end(at("2026-01-01T02:00:00Z")), [], "not open yet");
        let now = at("2026-01-01T03:10:00Z");
        assert_eq!(window.end(now), [(at("2026-01-01T03:00:00Z"), now)]);
        assert!(!window.is_active(now));
        assert_eq!(window.next_starts_at(now), Some(at("2026-01-02T03:00:00Z")));
        assert_eq!(window.end(now), []);
    }
}
