//! Roll-ups: what an hour or a day of a monitor came to, which is kept when its results are gone. Pure.

use super::latency::Histogram;
use super::uptime::{Span, Tally, outages, tally};
use crate::clock::Timestamp;
use crate::monitor::{StatusChange, Verdict};

/// An hour, in ms.
pub const HOUR_MS: i64 = 3_600_000;
/// A day, in ms.
pub const DAY_MS: i64 = 24 * HOUR_MS;
/// How long after its end an hour is settled: checks that began in it have ended, and most outages are confirmed.
const SETTLES_AFTER_MS: i64 = 300_000;

/// How long a roll-up is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Grain {
    /// Hours since the epoch, kept for 400 days.
    Hour,
    /// Days since the epoch in UTC, kept for ever.
    Day,
}

impl Grain {
    /// Its length in ms.
    pub fn ms(self) -> i64 {
        match self {
            Self::Hour => HOUR_MS,
            Self::Day => DAY_MS,
        }
    }

    /// The number of the slot that `at` lies in.
    pub fn slot(self, at: Timestamp) -> i64 {
        at.0.div_euclid(self.ms())
    }

    /// When a slot begins.
    pub fn start(self, slot: i64) -> Timestamp {
        Timestamp(slot.saturating_mul(self.ms()))
    }

    /// The start of the slot that `at` lies in.
    pub fn floor(self, at: Timestamp) -> Timestamp {
        self.start(self.slot(at))
    }

    /// A slot as a span of time.
    pub fn span(self, slot: i64) -> Span {
        (self.start(slot), self.start(slot + 1))
    }
}

/// Up to when hours are settled at `now`, and may be rolled up.
pub fn settled_until(now: Timestamp) -> Timestamp {
    Grain::Hour.floor(now.plus_ms(-SETTLES_AFTER_MS))
}

/// What a roll-up needs of a result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Outcome {
    /// When the check began.
    pub at: Timestamp,
    /// What it said.
    pub verdict: Verdict,
    /// How long it took, in ms.
    pub total_ms: Option<u32>,
}

impl Outcome {
    /// How long it took in ms, if it did not fail: what counts as the target's latency.
    pub fn took(&self) -> Option<u32> {
        self.total_ms.filter(|_| matches!(self.verdict, Verdict::Up | Verdict::Degraded))
    }
}

/// What one hour or day of a monitor came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Rollup {
    /// Its number since the epoch.
    pub slot: i64,
    /// How long the monitor was in what.
    pub tally: Tally,
    /// How often it went down.
    pub outages: i64,
    /// The checks that said something about the target.
    pub checks: i64,
    /// Those of them that failed.
    pub failed: i64,
    /// How long those took that did not fail.
    pub latency: Histogram,
}

impl Rollup {
    fn count(&mut self, outcome: &Outcome) {
        if outcome.verdict == Verdict::Unknown {
            return;
        }
        self.checks += 1;
        self.failed += i64::from(outcome.verdict == Verdict::Down);
        outcome.took().iter().for_each(|ms| self.latency.add(*ms));
    }

    /// All of `hours` as the day `slot`.
    pub fn of_hours<'h>(slot: i64, hours: impl IntoIterator<Item = &'h Self>) -> Self {
        let mut day = Self { slot, ..Self::default() };
        for hour in hours {
            day.tally += hour.tally;
            day.outages += hour.outages;
            day.checks += hour.checks;
            day.failed += hour.failed;
            day.latency.merge(&hour.latency);
        }
        day
    }
}

/// The hours that begin in `span`: times by `changes` (with those before the span since when it was last known) and `quiet`, counts by `outcomes`.
pub fn hours(
    span: Span,
    outcomes: &[Outcome],
    changes: &[StatusChange],
    quiet: &[Span],
) -> Vec<Rollup> {
    let slots: Vec<i64> = (Grain::Hour.slot(span.0)..Grain::Hour.slot(span.1)).collect();
    let spans: Vec<Span> = slots.iter().map(|slot| Grain::Hour.span(*slot)).collect();
    let tallies = tally(changes, quiet, &spans);
    let mut hours: Vec<Rollup> = slots
        .into_iter()
        .zip(tallies)
        .map(|(slot, tally)| Rollup { slot, tally, ..Rollup::default() })
        .collect();
    for at in outages(changes) {
        let slot = Grain::Hour.slot(at);
        hours.iter_mut().filter(|hour| hour.slot == slot).for_each(|hour| hour.outages += 1);
    }
    for outcome in outcomes {
        let slot = Grain::Hour.slot(outcome.at);
        hours.iter_mut().filter(|hour| hour.slot == slot).for_each(|hour| hour.count(outcome));
    }
    hours
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::Status;

    fn outcome(at: i64, verdict: Verdict) -> Outcome {
        Outcome { at: Timestamp(at), verdict, total_ms: Some(100) }
    }

    #[test]
    fn an_hour_holds_what_began_in_it_and_how_long_it_was_in_what() {
        let changes = [
            StatusChange { at: Timestamp(HOUR_MS / 2), status: Some(Status::Up) },
            StatusChange { at: Timestamp(2 * HOUR_MS - 60_000), status: Some(Status::Down) },
        ];
        let outcomes = [
            outcome(HOUR_MS / 2, Verdict::Up),
            outcome(HOUR_MS, Verdict::Degraded),
            outcome(2 * HOUR_MS - 1, Verdict::Down),
            outcome(HOUR_MS + 5, Verdict::Unknown),
            // Not of these hours.
            outcome(2 * HOUR_MS, Verdict::Up),
        ];
        let span = (Timestamp(0), Timestamp(2 * HOUR_MS));
        let quiet = [(Timestamp(HOUR_MS), Timestamp(HOUR_MS + 1000))];
        let hours = hours(span, &outcomes, &changes, &quiet);
        let seen: Vec<_> = hours
            .iter()
            .map(|h| {
                (
                    h.slot,
                    h.tally.up_ms,
                    h.tally.down_ms,
                    h.tally.maintenance_ms,
                    h.checks,
                    h.failed,
                    h.latency.count(),
                )
            })
            .collect();
        let expected =
            [(0, HOUR_MS / 2, 0, 0, 1, 0, 1), (1, HOUR_MS - 61_000, 60_000, 1000, 2, 1, 1)];
        assert_eq!(seen, expected);
        let day = Rollup::of_hours(0, &hours);
        assert_eq!((day.checks, day.failed, day.outages, day.latency.count()), (3, 1, 1, 2));
        assert_eq!(day.tally.up_ms, HOUR_MS / 2 + HOUR_MS - 61_000);
    }

    #[test]
    fn an_hour_is_settled_a_little_after_its_end() {
        let hour = 500_000 * HOUR_MS;
        for (late, settled) in [(0, hour - HOUR_MS), (299_999, hour - HOUR_MS), (300_000, hour)] {
            assert_eq!(
                settled_until(Timestamp(hour + late)),
                Timestamp(settled),
                "{late} ms after"
            );
        }
        assert_eq!(Grain::Day.floor(Timestamp(-1)), Timestamp(-DAY_MS));
    }
}
