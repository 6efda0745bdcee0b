//! When the next check is due: a phase of its own for each monitor, at a fixed rate. Pure.
//!
//! A monitor's checks fall on `phase + k × interval`, counted from the epoch, with a phase drawn from its number. So
//! many monitors spread over the interval by themselves, nothing drifts, and a restart changes nothing.

use std::collections::BTreeMap;

use super::pace::Pace;
use super::state::{LastCheck, State};
use super::{MonitorId, Status, Verdict};
use crate::clock::Timestamp;

/// After a start, checks that were missed meanwhile come within this time, in ms, or within their interval if that is shorter.
const CATCH_UP_MS: i64 = 20_000;
/// They follow each other at most this far apart, in ms: few of them need not wait.
const CATCH_UP_STEP_MS: i64 = 200;
/// A slot that comes within this part of the interval after the start of a routine check, which then was a late one, is passed
/// over: one look is enough.
const TOO_SOON: i64 = 4;

/// Whose checks are planned: a monitor, seen from one of its regions. Each region has its own share of the interval, so that they do
/// not all ask at the same moment, and an outage is seen the sooner.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seat {
    id: MonitorId,
    /// The place of the region among the monitor's, from 0.
    place: i64,
    /// How many there are.
    of: i64,
}

impl Seat {
    /// The seat of a monitor at `pace` in `region`.
    pub fn new(id: MonitorId, pace: &Pace, region: &str) -> Self {
        let place = pace.regions.iter().position(|name| name == region).unwrap_or(0);
        let count = |n: usize| i64::try_from(n).unwrap_or(0);
        Self { id, place: count(place), of: count(pace.regions.len()).max(1) }
    }
}

impl From<MonitorId> for Seat {
    fn from(id: MonitorId) -> Self {
        Self { id, place: 0, of: 1 }
    }
}

/// When the first check after creating, resuming or editing a monitor is due.
pub fn first_due(now: Timestamp) -> Timestamp {
    now
}

/// When the next check of each of `monitors` is due at the start of the server, in the same order.
///
/// Those that were missed while nobody looked are caught up in the order of their slots, evenly spaced, and done in nine tenths of
/// the time that they may take, so that the last is not too late. From then on each keeps its own slots.
pub fn due_at_start<S: Into<Seat> + Copy>(
    monitors: &[(S, &Pace, &State)],
    now: Timestamp,
) -> Vec<Timestamp> {
    let mut missed: BTreeMap<i64, Vec<(Timestamp, usize)>> = BTreeMap::new();
    let mut due: Vec<Timestamp> = Vec::with_capacity(monitors.len());
    for (index, (seat, pace, state)) in monitors.iter().enumerate() {
        let interval_ms = interval_ms(pace);
        // A clock that was set back leaves checks in the future.
        let last = state.last_check.filter(|last| is_settled(state, last));
        let last = last.map(|last| last.at.min(now));
        match last.filter(|last| now.since(*last) < interval_ms) {
            Some(_) => due.push(next_slot(*seat, interval_ms, now)),
            None => {
                let within_ms = interval_ms.min(CATCH_UP_MS);
                let place = (next_slot(*seat, within_ms, now), index);
                missed.entry(within_ms).or_default().push(place);
                due.push(now);
            }
        }
    }
    for (within_ms, mut places) in missed {
        places.sort_unstable();
        let count = i64::try_from(places.len()).unwrap_or(i64::MAX);
        let spread_ms = (within_ms / 10 * 9).min(count.saturating_mul(CATCH_UP_STEP_MS));
        for (nth, (_, index)) in (0..).zip(places) {
            due[index] = now.plus_ms(spread_ms * nth / count);
        }
    }
    due
}

/// Whether the last check says how things stand: it was made with the present settings, it said something of the target, and a
/// failure was confirmed. What was still being confirmed at a stop is looked at again soon after the start.
fn is_settled(state: &State, last: &LastCheck) -> bool {
    let says_enough = match last.verdict {
        Verdict::Up | Verdict::Degraded => true,
        Verdict::Down => state.status == Status::Down,
        Verdict::Unknown => false,
    };
    says_enough && last.at >= state.watched_since
}

/// When the next check is due after one that ended at `ended` and led to `state`. `routine_began` is when that one began, unless it
/// was out of turn: after an extra look, the next slot is kept however soon it comes.
pub fn next_due(
    seat: impl Into<Seat>,
    pace: &Pace,
    state: &State,
    routine_began: Option<Timestamp>,
    ended: Timestamp,
) -> Timestamp {
    if state.is_confirming() {
        return ended.plus_seconds(pace.retry_interval_seconds);
    }
    let interval_ms = interval_ms(pace);
    // The clock may have been set back while it ran.
    let not_before = routine_began.map(|began| began.min(ended).plus_ms(interval_ms / TOO_SOON));
    next_slot(seat, interval_ms, ended.max(not_before.unwrap_or(ended)))
}

/// When the next check is due if nothing is known of those before: at the next slot.
pub fn next_planned(seat: impl Into<Seat>, pace: &Pace, now: Timestamp) -> Timestamp {
    next_slot(seat, interval_ms(pace), now)
}

/// Slots of a monitor in which no check began.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Skipped {
    /// Because a check waited for a permit.
    pub waiting: u64,
    /// Because the check before still ran: one monitor is never checked twice at once.
    pub running: u64,
}

/// The slots that were skipped when a check that was due at `due` ran from `started` to `ended` and the next one is due at `next`.
pub fn skipped(
    seat: impl Into<Seat>,
    pace: &Pace,
    (due, started, ended): (Timestamp, Timestamp, Timestamp),
    next: Timestamp,
) -> Skipped {
    let (seat, interval_ms) = (seat.into(), interval_ms(pace));
    let all = slots_between(seat, interval_ms, due, next.plus_ms(-1));
    let running = slots_between(seat, interval_ms, started, ended).min(all);
    // A check that began in time has waited for nothing: what is missing then was passed over as too soon.
    let was_late = started.since(due) >= interval_ms / TOO_SOON;
    Skipped { waiting: if was_late { all - running } else { 0 }, running }
}

/// Over how long the checks of `monitors` monitors are spread when all are wanted soon, in ms: a few hundred a second.
pub fn spread_ms(monitors: usize) -> i64 {
    i64::try_from(monitors).unwrap_or(i64::MAX).saturating_mul(3).clamp(1_000, CATCH_UP_MS)
}

/// When a check that is wanted soon is due: at its slot, or within `spread_ms` if that is earlier.
pub fn soon(seat: impl Into<Seat>, pace: &Pace, spread_ms: i64, now: Timestamp) -> Timestamp {
    let seat = seat.into();
    next_slot(seat, interval_ms(pace), now).min(now.plus_ms(phase_ms(seat, spread_ms)))
}

/// The first slot of a monitor after `now`. Slots that passed meanwhile are skipped.
pub fn next_slot(seat: impl Into<Seat>, interval_ms: i64, now: Timestamp) -> Timestamp {
    let into_slot = (now.0 - phase_ms(seat.into(), interval_ms)).rem_euclid(interval_ms);
    now.plus_ms(interval_ms - into_slot)
}

/// How many slots lie after `from` and not after `to`.
fn slots_between(seat: Seat, interval_ms: i64, from: Timestamp, to: Timestamp) -> u64 {
    let phase_ms = phase_ms(seat, interval_ms);
    let until = |at: Timestamp| (at.0 - phase_ms).div_euclid(interval_ms);
    u64::try_from(until(to) - until(from)).unwrap_or(0)
}

fn interval_ms(pace: &Pace) -> i64 {
    i64::from(pace.check_interval_seconds.max(1)) * 1000
}

/// A monitor's own place within the interval, in ms, moved on by the share of its region: its number hashed by Fibonacci's method, a multiplication by 2⁶⁴ over the
/// golden ratio. Of numbers that follow each other, as ours do, each falls into the largest gap that those before have left; a
/// hash that scatters at random would put half as many again into some seconds.
fn phase_ms(Seat { id, place, of }: Seat, interval_ms: i64) -> i64 {
    let hash = id.cast_unsigned().wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let scaled = (u128::from(hash) * u128::from(interval_ms.unsigned_abs())) >> 64;
    // Below the interval, which is an i64.
    let own_ms = i64::try_from(scaled).unwrap_or(0);
    (own_ms + interval_ms / of * place).rem_euclid(interval_ms)
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
            let phase = phase_ms(id.into(), interval_ms);
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

    /// How many of `moments` fall into each second from `from` on.
    fn by_second(moments: impl IntoIterator<Item = Timestamp>, from: Timestamp) -> Vec<usize> {
        let mut seconds = vec![0; 1000];
        for at in moments {
            seconds[usize::try_from(at.since(from) / 1000).unwrap()] += 1;
        }
        seconds
    }

    #[test]
    fn many_monitors_spread_evenly_over_the_interval() {
        // Whatever is between their numbers: other kinds of monitors, deleted ones.
        for stride in 1..=9 {
            let start = Timestamp(1_900_000_000_123);
            let slots = (1..=1000).map(|n| next_slot(n * stride, 20_000, start));
            let seconds = by_second(slots.map(|at| at.plus_ms(-1)), start);
            assert!(seconds[..20].iter().all(|n| (45..=55).contains(n)), "{stride}: {seconds:?}");
        }
    }

    /// 1,000 monitors at 20 s from a cold start, as they come one after the other for three rounds.
    #[test]
    fn a_cold_start_is_even_and_done_within_an_interval() {
        let (now, pace) = (Timestamp(1_900_000_000_777), Pace::every(20));
        let unknown = State::unknown(now);
        // Numbers without any order.
        let ids: Vec<i64> = (1..=1000).map(|n: i64| n * n % 100_003).collect();
        let monitors: Vec<_> = ids.iter().map(|id| (*id, &pace, &unknown)).collect();
        let first = due_at_start(&monitors, now);
        assert!(first.iter().all(|at| (0..18_000).contains(&at.since(now))));
        let all = ids.iter().zip(&first).flat_map(|(id, first)| {
            let next = |at: &Timestamp| next_due(*id, &pace, &unknown, Some(*at), at.plus_ms(30));
            std::iter::successors(Some(*first), move |at| Some(next(at))).take(3)
        });
        let all: Vec<_> = all.collect();
        let seconds = by_second(all.iter().copied(), now);
        assert!(seconds[..20].iter().all(|n| *n <= 65), "1.3 times 50: {seconds:?}");
        let gaps =
            all.chunks(3).flat_map(|three| [three[1].since(three[0]), three[2].since(three[1])]);
        assert!(gaps.clone().all(|gap| (5_000..30_000).contains(&gap)), "{:?}", gaps.max());
    }

    #[test]
    fn few_are_caught_up_at_once_and_what_was_checked_lately_waits_for_its_slot() {
        let (now, pace) = (Timestamp(1_900_000_000_000), Pace::every(60));
        let fresh = seen(Verdict::Up, Status::Up, now);
        let unknown = State::unknown(now);
        let due =
            due_at_start(&[(1, &pace, &unknown), (2, &pace, &fresh), (3, &pace, &unknown)], now);
        let caught_up = [due[0], due[2]].map(|at| at.since(now));
        assert!(caught_up.iter().all(|wait| [0, 200].contains(wait)), "{caught_up:?}");
        assert_eq!(due[1], next_slot(2, 60_000, now));
    }

    /// A state whose last check was made half a minute ago, and in the past.
    fn seen(verdict: Verdict, status: Status, now: Timestamp) -> State {
        let last_check = Some(LastCheck {
            at: now.plus_ms(-30_000),
            verdict,
            status_code: None,
            total_ms: None,
        });
        let watched_since = now.plus_ms(-90_000);
        State { status, last_check, watched_since, ..State::unknown(now) }
    }

    #[test]
    fn what_a_stop_left_open_is_looked_at_soon_after_the_start() {
        let (now, pace) = (Timestamp(1_900_000_000_000), Pace::every(86_400));
        let edited = State { watched_since: now.plus_ms(-1), ..seen(Verdict::Up, Status::Up, now) };
        for (state, is_soon) in [
            (seen(Verdict::Up, Status::Up, now), false),
            (seen(Verdict::Degraded, Status::Degraded, now), false),
            (seen(Verdict::Down, Status::Down, now), false),
            (seen(Verdict::Up, Status::Down, now), false),
            // It was being confirmed.
            (seen(Verdict::Down, Status::Up, now), true),
            (seen(Verdict::Down, Status::Pending, now), true),
            (seen(Verdict::Unknown, Status::Up, now), true),
            // The first check after an edit was cut off.
            (edited, true),
        ] {
            let due = due_at_start(&[(7, &pace, &state)], now)[0];
            assert_eq!(due == now, is_soon, "{state:?}");
        }
    }

    #[test]
    fn an_extra_look_takes_no_slot_away() {
        let (pace, slot) = (Pace::every(60), next_slot(7, 60_000, Timestamp(0)));
        let just_before = slot.plus_ms(-500);
        let state = State::unknown(just_before);
        assert_eq!(next_due(7, &pace, &state, None, just_before), slot);
        let late = Some(just_before.plus_ms(-10));
        assert_eq!(next_due(7, &pace, &state, late, just_before), slot.plus_ms(60_000));
    }

    #[test]
    fn skipped_slots_are_put_down_to_what_took_them() {
        let pace = Pace::every(10);
        let due = next_slot(7, 10_000, Timestamp(0));
        let of = |late: i64, took: i64| {
            let started = due.plus_ms(late);
            let ended = started.plus_ms(took);
            let next = next_due(7, &pace, &State::unknown(ended), Some(started), ended);
            skipped(7, &pace, (due, started, ended), next)
        };
        assert_eq!(of(0, 30), Skipped::default());
        assert_eq!(of(2_000, 3_000), Skipped::default());
        assert_eq!(of(0, 25_000), Skipped { waiting: 0, running: 2 });
        assert_eq!(of(35_000, 30), Skipped { waiting: 3, running: 0 });
        assert_eq!(of(35_000, 10_000), Skipped { waiting: 3, running: 1 });
        // So late that the next slot is too soon.
        assert_eq!(of(9_000, 30), Skipped { waiting: 1, running: 0 });
    }

    #[test]
    fn regions_share_the_interval_and_each_keeps_its_slots() {
        let names = ["local", "eu-west", "us-east"].map(str::to_owned).to_vec();
        let pace = Pace { regions: names.clone(), ..Pace::every(60) };
        let start = Timestamp(1_900_000_000_000);
        for id in 1..50 {
            let next =
                |region: &String, now| next_planned(Seat::new(id, &pace, region), &pace, now);
            let mut slots: Vec<_> = names.iter().map(|name| next(name, start)).collect();
            assert!(names.iter().all(|n| next(n, next(n, start)).since(next(n, start)) == 60_000));
            slots.sort_unstable();
            assert_eq!([slots[1].since(slots[0]), slots[2].since(slots[1])], [20_000; 2], "{id}");
        }
        // The only region, and the server's own where none is chosen, stay where they were.
        let alone = Pace { regions: vec!["eu-west".to_owned()], ..pace.clone() };
        let (of_alone, of_none) = (Seat::new(7, &alone, "eu-west"), Seat::from(7));
        assert_eq!(next_slot(of_alone, 60_000, start), next_slot(of_none, 60_000, start));
    }
}
