//! When the next check is due: a phase of its own for each monitor, at a fixed rate. Pure.
//!
//! A monitor's checks fall on `phase + k × interval`, counted from the epoch, with a phase drawn from its number. So
//! many monitors spread over the interval by themselves, nothing drifts, and a restart changes nothing.

use super::MonitorId;
use super::pace::Pace;
use super::state::State;
use crate::clock::Timestamp;

/// After a start, a check that was missed meanwhile comes within this time.
const CATCH_UP_MS: i64 = 20_000;

/// When the first check after creating, resuming or editing a monitor is due.
pub fn first_due(now: Timestamp) -> Timestamp {
    now
}

/// When the next check is due at the start of the server.
pub fn due_at_start(id: MonitorId, pace: &Pace, state: &State, now: Timestamp) -> Timestamp {
    let interval_ms = interval_ms(pace);
    let slot = next_slot(id, interval_ms, now);
    let is_overdue = state.last_check.is_none_or(|last| now.since(last.at) >= interval_ms);
    if is_overdue {
        slot.min(now.plus_ms(phase_ms(id, interval_ms.min(CATCH_UP_MS))))
    } else {
        slot
    }
}

/// When the next check is due after one that ended at `now` and led to `state`.
pub fn next_due(id: MonitorId, pace: &Pace, state: &State, now: Timestamp) -> Timestamp {
    if state.is_confirming() {
        now.plus_seconds(pace.retry_interval_seconds)
    } else {
        next_slot(id, interval_ms(pace), now)
    }
}

/// Over how long the checks of `monitors` monitors are spread when all are wanted soon, in ms: a few hundred a second.
pub fn spread_ms(monitors: usize) -> i64 {
    i64::try_from(monitors).unwrap_or(i64::MAX).saturating_mul(3).clamp(1_000, CATCH_UP_MS)
}

/// When a check that is wanted soon is due: at its slot, or within `spread_ms` if that is earlier.
pub fn soon(id: MonitorId, pace: &Pace, spread_ms: i64, now: Timestamp) -> Timestamp {
    next_slot(id, interval_ms(pace), now).min(now.plus_ms(phase_ms(id, spread_ms)))
}

/// The first slot of a monitor after `now`. Slots that passed meanwhile are skipped.
pub fn next_slot(id: MonitorId, interval_ms: i64, now: Timestamp) -> Timestamp {
    let into_slot = (now.0 - phase_ms(id, interval_ms)).rem_euclid(interval_ms);
    now.plus_ms(interval_ms - into_slot)
}

fn interval_ms(pace: &Pace) -> i64 {
    i64::from(pace.check_interval_seconds.max(1)) * 1000
}

/// A monitor's own place within the interval, in ms: its number through the finalizer of splitmix64, so that neighbours lie far apart.
fn phase_ms(id: MonitorId, interval_ms: i64) -> i64 {
    let mut z = id.cast_unsigned().wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^= z >> 31;
    // The remainder is below the interval, which is a positive i64.
    (z % interval_ms.cast_unsigned()).cast_signed()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        /// The oracle tries every millisecond.
        #[test]
        fn the_next_slot_is_the_first_with_the_phase(
            id in 1..10_000i64,
            interval_ms in 1..3_000i64,
            now in 0..10_000i64,
        ) {
            let phase = phase_ms(id, interval_ms);
            let expected = (now + 1..).find(|ms| (ms - phase).rem_euclid(interval_ms) == 0);
            prop_assert_eq!(Some(next_slot(id, interval_ms, Timestamp(now)).0), expected);
        }

        /// However late each check ends, the next falls on a slot, and the rate does not drift.
        #[test]
        fn slots_never_drift(id in 1..10_000i64, delays in prop::collection::vec(0..25_000i64, 1..50)) {
            let interval_ms = 10_000;
            let mut due = next_slot(id, interval_ms, Timestamp(0));
            for delay in delays {
                let next = next_slot(id, interval_ms, due.plus_ms(delay));
                prop_assert!(next > due);
                prop_assert_eq!((next.0 - due.0) % interval_ms, 0);
                prop_assert!(next.since(due.plus_ms(delay)) <= interval_ms);
                due = next;
            }
        }
    }

    #[test]
    fn many_monitors_spread_over_the_interval() {
        let interval_ms = 20_000;
        let mut seconds = [0; 20];
        for id in 1..=1000 {
            let at = next_slot(id, interval_ms, Timestamp(0)).0 - 1;
            seconds[usize::try_from(at / 1000).unwrap()] += 1;
        }
        // 50 each; a fair draw stays well within these.
        assert!(seconds.iter().all(|n| (25..=80).contains(n)), "{seconds:?}");
    }
}
