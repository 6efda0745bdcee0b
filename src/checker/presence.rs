//! Whether somebody was looking all the time: who works notes the time at moments that were promised before. Pure.

use crate::clock::Timestamp;

/// A clock that goes back by less than this is being trimmed, not set, in ms.
const SET_BACK_MS: i64 = 1_000;

/// The last moment that was seen, and the one by which the next was promised.
#[derive(Debug)]
pub struct Presence {
    seen: Timestamp,
    promised: Timestamp,
    away_since: Option<Timestamp>,
}

impl Presence {
    /// Present from `now` on.
    pub fn new(now: Timestamp) -> Self {
        Self { seen: now, promised: now, away_since: None }
    }

    /// Says that the time will be noted again at `at`, or sooner.
    pub fn promise(&mut self, at: Timestamp) {
        self.promised = at.max(self.seen);
    }

    /// Notes the time. More than `limit_ms` after the moment promised, the process was stopped, the machine was suspended or the
    /// clock was set on; before the last moment seen, it was set back.
    pub fn note(&mut self, now: Timestamp, limit_ms: i64) {
        if now.since(self.promised) > limit_ms || now.since(self.seen) < -SET_BACK_MS {
            self.away_since.get_or_insert(self.seen);
        }
        self.seen = now;
        self.promised = now;
    }

    /// The last moment seen.
    pub fn seen(&self) -> Timestamp {
        self.seen
    }

    /// Whether an absence was noted that nobody has accounted for.
    pub fn was_away(&self) -> bool {
        self.away_since.is_some()
    }

    /// Takes the absence that was noted: the last moment before it.
    pub fn take_absence(&mut self) -> Option<Timestamp> {
        self.away_since.take()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The absence that follows from noting each `(promised, noted)` in turn, from 100,000 ms on.
    fn absence(notes: &[(i64, i64)]) -> Option<i64> {
        let mut presence = Presence::new(Timestamp(100_000));
        for (promised, noted) in notes {
            presence.promise(Timestamp(*promised));
            presence.note(Timestamp(*noted), 5_000);
        }
        presence.take_absence().map(|since| since.0)
    }

    #[test]
    fn only_time_that_nobody_saw_is_an_absence() {
        for (notes, expected) in [
            (&[(101_000, 101_000)][..], None),
            // Woken earlier than planned, or a little late.
            (&[(110_000, 102_000)], None),
            (&[(101_000, 106_000)], None),
            (&[(101_000, 106_001)], Some(100_000)),
            // A long sleep that was planned.
            (&[(200_000, 205_000)], None),
            // Slow work with a look at the clock every second.
            (&[(101_000, 101_000), (102_000, 102_500), (103_500, 108_000)], None),
            // The clock set on while asleep, set back, trimmed.
            (&[(101_000, 3_700_000)], Some(100_000)),
            (&[(101_000, 90_000)], Some(100_000)),
            (&[(101_000, 99_001)], None),
            // The first of two counts.
            (&[(101_000, 120_000), (121_000, 140_000)], Some(100_000)),
            (&[(101_000, 101_000), (102_000, 140_000)], Some(101_000)),
        ] {
            assert_eq!(absence(notes), expected, "{notes:?}");
        }
    }

    #[test]
    fn an_absence_is_taken_once() {
        let mut presence = Presence::new(Timestamp(0));
        presence.note(Timestamp(60_000), 5_000);
        assert!(presence.was_away());
        assert_eq!(presence.take_absence(), Some(Timestamp(0)));
        assert!(!presence.was_away());
        assert_eq!(presence.seen(), Timestamp(60_000));
    }
}
