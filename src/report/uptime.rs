//! Uptime: seconds up or degraded over seconds known; maintenance and unknown time left out. Pure.

use crate::clock::Timestamp;
use crate::monitor::{Status, StatusChange};

/// How many of so many `parts` of `whole` are `part`; `None` of nothing. Cut, not rounded: a second of outage in a year must not read as none.
/// Counted in whole numbers, as 0.29 times 100,000 is less than 29,000 otherwise.
pub fn cut_share(part: i64, whole: i64, parts: i64) -> Option<i64> {
    let share = || i128::from(part) * i128::from(parts) / i128::from(whole);
    (whole > 0).then(share).and_then(|share| i64::try_from(share).ok())
}

/// How long a monitor was in what, in ms, within one span of time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Up, outside maintenance.
    pub up_ms: i64,
    /// Degraded, outside maintenance.
    pub degraded_ms: i64,
    /// Down, outside maintenance.
    pub down_ms: i64,
    /// In maintenance, while it was watched.
    pub maintenance_ms: i64,
}

impl Tally {
    /// How long it was up or degraded.
    pub fn well_ms(&self) -> i64 {
        self.up_ms + self.degraded_ms
    }

    /// The share of known time in which it was up or degraded, as [`cut_share`] has it.
    pub fn uptime(&self, parts: i64) -> Option<i64> {
        cut_share(self.well_ms(), self.well_ms() + self.down_ms, parts)
    }

    /// The part of it that falls to `within` of `whole` ms.
    pub fn share(self, within: i64, whole: i64) -> Self {
        if within == whole {
            return self;
        }
        let part = |ms: i64| (ms * within).checked_div(whole).unwrap_or_default();
        Self {
            up_ms: part(self.up_ms),
            degraded_ms: part(self.degraded_ms),
            down_ms: part(self.down_ms),
            maintenance_ms: part(self.maintenance_ms),
        }
    }

    fn add(&mut self, status: Status, known_ms: i64, maintenance_ms: i64) {
        let field = match status {
            Status::Up => &mut self.up_ms,
            Status::Degraded => &mut self.degraded_ms,
            Status::Down => &mut self.down_ms,
            Status::Pending | Status::Paused => return,
        };
        *field += known_ms;
        self.maintenance_ms += maintenance_ms;
    }
}

impl std::ops::AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.up_ms += other.up_ms;
        self.degraded_ms += other.degraded_ms;
        self.down_ms += other.down_ms;
        self.maintenance_ms += other.maintenance_ms;
    }
}

/// A span of time, from its start up to but not including its end.
pub type Span = (Timestamp, Timestamp);

/// Adds up what happened in each of `spans`, which are in order and do not overlap.
///
/// `changes` are in order and begin with the last one before the spans or earlier, if there was one. `quiet` are the spans of
/// maintenance; they may overlap and be in any order.
pub fn tally(changes: &[StatusChange], quiet: &[Span], spans: &[Span]) -> Vec<Tally> {
    let quiet = merged(quiet);
    spans.iter().map(|span| tally_one(changes, &quiet, *span)).collect()
}

/// When it went down, by `changes` in their order: not when it was found still down after a time of which nothing is known.
pub fn outages(changes: &[StatusChange]) -> impl Iterator<Item = Timestamp> {
    let mut known = None;
    changes.iter().filter_map(move |change| {
        let before = known.replace(change.status?);
        (known == Some(Status::Down) && before != known).then_some(change.at)
    })
}

fn tally_one(changes: &[StatusChange], quiet: &[Span], span: Span) -> Tally {
    let mut tally = Tally::default();
    // The first change whose time reaches into the span is the last one at or before its start.
    let first = changes.partition_point(|c| c.at <= span.0).saturating_sub(1);
    for (i, change) in changes.iter().enumerate().skip(first) {
        if change.at >= span.1 {
            break;
        }
        let until = changes.get(i + 1).map_or(span.1, |next| next.at);
        let within = (change.at.max(span.0), until.min(span.1));
        let whole_ms = within.1.since(within.0);
        if let Some(status) = change.status
            && whole_ms > 0
        {
            let maintenance_ms = overlap_ms(quiet, within);
            tally.add(status, whole_ms - maintenance_ms, maintenance_ms);
        }
    }
    tally
}

fn overlap_ms(quiet: &[Span], within: Span) -> i64 {
    quiet.iter().map(|q| q.1.min(within.1).since(q.0.max(within.0)).max(0)).sum()
}

fn merged(spans: &[Span]) -> Vec<Span> {
    let mut sorted: Vec<Span> = spans.iter().copied().filter(|s| s.0 < s.1).collect();
    sorted.sort_unstable();
    let mut merged: Vec<Span> = Vec::new();
    for span in sorted {
        match merged.last_mut() {
            Some(last) if span.0 <= last.1 => last.1 = last.1.max(span.1),
            _ => merged.push(span),
        }
    }
    merged
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn change(at: i64, status: Option<Status>) -> StatusChange {
        StatusChange { at: Timestamp(at), status }
    }

    fn span(from: i64, to: i64) -> Span {
        (Timestamp(from), Timestamp(to))
    }

    #[test]
    fn unknown_and_maintenance_do_not_count() {
        let changes = [
            change(0, Some(Status::Up)),
            change(100, Some(Status::Down)),
            change(200, None),
            change(300, Some(Status::Degraded)),
        ];
        let tallies = tally(&changes, &[span(150, 350)], &[span(50, 400)]);
        let expected = Tally { up_ms: 50, degraded_ms: 50, down_ms: 50, maintenance_ms: 100 };
        assert_eq!(tallies, [expected]);
        assert_eq!(Tally::default().uptime(1), None);
    }

    #[test]
    fn still_down_after_an_absence_is_the_same_outage() {
        use Status::{Degraded, Down, Pending, Up};
        for (statuses, expected) in [
            (&[Some(Up), Some(Down), None, Some(Down), Some(Down), Some(Up)][..], &[1][..]),
            (&[None, Some(Down), None, Some(Up), None, Some(Down)], &[1, 5]),
            (&[Some(Down), Some(Degraded), Some(Down)], &[0, 2]),
            // Paused and resumed: another incident.
            (&[Some(Down), Some(Pending), Some(Down)], &[0, 2]),
            (&[], &[]),
        ] {
            let changes: Vec<_> = (0..).zip(statuses).map(|(at, s)| change(at, *s)).collect();
            let found: Vec<i64> = outages(&changes).map(|at| at.0).collect();
            assert_eq!(found, expected, "{statuses:?}");
        }
    }

    fn status() -> impl Strategy<Value = Option<Status>> {
        prop_oneof![Just(None), prop::sample::select(Status::ALL).prop_map(Some),]
    }

    proptest! {
        /// The oracle looks at every single millisecond.
        #[test]
        fn agrees_with_counting_milliseconds(
            mut changes in prop::collection::vec((0..200i64, status()), 0..12),
            quiet in prop::collection::vec((0..200i64, 0..60i64), 0..4),
            from in 0..150i64,
            length in 1..60i64,
        ) {
            changes.sort_by_key(|c| c.0);
            changes.dedup_by_key(|c| c.0);
            let changes: Vec<_> = changes.into_iter().map(|(at, s)| change(at, s)).collect();
            let quiet: Vec<_> = quiet.into_iter().map(|(at, len)| span(at, at + len)).collect();
            let mut expected = Tally::default();
            for ms in from..from + length {
                let current = changes.iter().rev().find(|c| c.at.0 <= ms).and_then(|c| c.status);
                let is_quiet = quiet.iter().any(|q| q.0.0 <= ms && ms < q.1.0);
                if let Some(status) = current {
                    expected.add(status, i64::from(!is_quiet), i64::from(is_quiet));
                }
            }
            prop_assert_eq!(tally(&changes, &quiet, &[span(from, from + length)]), vec![expected]);
        }
    }
}
