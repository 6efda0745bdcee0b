//! When the next check is due: a phase of its own for each monitor, at a fixed rate. Pure.
//!
//! A monitor's checks fall on `phase + k × interval`, counted from the epoch, with a phase drawn from its number. So
//! many monitors spread over the interval by themselves, nothing drifts, and a restart changes nothing.

use super::MonitorId;
use super::spec::HttpSpec;
use super::state::State;
use crate::clock::Timestamp;

/// After a start, a check that was missed meanwhile comes within this time.
const CATCH_UP_MS: i64 = 20_000;

/// When the first check after creating, resuming or editing a monitor is due.
pub fn first_due(now: Timestamp) -> Timestamp {
    now
}

/// When the next check is due at the start of the server.
pub fn due_at_start(id: MonitorId, spec: &HttpSpec, state: &State, now: Timestamp) -> Timestamp {
    let interval_ms = interval_ms(spec);
    let slot = next_slot(id, interval_ms, now);
    let is_overdue = state.last_check.is_none_or(|last| now.since(last.at) >= interval_ms);
    if is_overdue {
        slot.min(now.plus_ms(phase_ms(id, interval_ms.min(CATCH_UP_MS))))
    } else {
        slot
    }
}

/// When the next check is due after one that ended at `now` and led to `state`.
pub fn next_due(id: MonitorId, spec: &HttpSpec, state: &State, now: Timestamp) -> Timestamp {
    if state.is_confirming() {
        now.plus_seconds(spec.retry_interval_seconds)
    } else {
        next_slot(id, interval_ms(spec), now)
    }
}

/// The first slot of a monitor after `now`. Slots that passed meanwhile are skipped.
pub fn next_slot(id: MonitorId, interval_ms: i64, now: Timestamp) -> Timestamp {
    let into_slot = (now.0 - phase_ms(id, interval_ms)).rem_euclid(interval_ms);
    now.plus_ms(interval_ms - into_slot)
}

fn interval_ms(spec: &HttpSpec) -> i64 {
    i64::from(spec.check_interval_seconds.max(1)) * 1000
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
