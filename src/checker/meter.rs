//! What the checker shows of itself: how much, how late, and what it left out.

use std::sync::atomic::{AtomicI64, AtomicU64, AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use crate::clock::Timestamp;
use crate::metrics::Histogram;
use crate::monitor::Verdict;
use crate::monitor::schedule::Skipped;

/// The span in which recent starts and skips are counted, in ms; the one before counts too.
const SPAN_MS: i64 = 30_000;
/// More skipped than one in so many is no chance but too much work.
const TOLERATED: u64 = 100;

/// Figures of the checker, written by it and read by whoever wants to know.
#[derive(Debug)]
pub struct Meter {
    /// How late checks began, from their due time.
    pub lateness: Histogram,
    verdicts: [AtomicU64; Verdict::ALL.len()],
    skipped: [AtomicU64; Reason::ALL.len()],
    earliest_due: AtomicI64,
    in_flight: AtomicUsize,
    waiting: AtomicUsize,
    unwritten: AtomicUsize,
    // A std Mutex, because nothing is awaited while it is held.
    recent: Mutex<Recent>,
}

crate::words! {
    /// Why a check was left out.
    pub enum Reason {
        /// All permits were in use: more work than capacity.
        Overload = "overload",
        /// Eight checks of its address were in flight.
        Address = "address",
        /// The check before still ran.
        Running = "running",
    }
}

/// What the checker has to do now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Load {
    /// When the next check is due, or was while it waits for a permit; `None`: nothing is planned.
    pub earliest_due: Option<Timestamp>,
    /// Checks in flight.
    pub in_flight: usize,
    /// Checks that are due and wait for a permit.
    pub waiting: usize,
    /// Results that are not yet durable.
    pub unwritten: usize,
}

impl Default for Meter {
    fn default() -> Self {
        Self {
            lateness: Histogram::default(),
            verdicts: Default::default(),
            skipped: Default::default(),
            earliest_due: AtomicI64::new(i64::MAX),
            in_flight: AtomicUsize::default(),
            waiting: AtomicUsize::default(),
            unwritten: AtomicUsize::default(),
            recent: Mutex::default(),
        }
    }
}

impl Meter {
    /// A check that was due at `due` began at `now`.
    pub fn began(&self, due: Timestamp, now: Timestamp) {
        self.lateness.record(now.since(due));
        self.recent(|recent| recent.add(now, 1, 0));
    }

    /// A check ended.
    pub fn ended(&self, verdict: Verdict) {
        self.verdicts[verdict as usize].fetch_add(1, Ordering::Relaxed);
    }

    /// Slots of a monitor were left out; `address_was_full` says that it waited for its address.
    pub fn skipped(&self, skipped: Skipped, address_was_full: bool, now: Timestamp) {
        let waited = if address_was_full { Reason::Address } else { Reason::Overload };
        self.left_out(waited).fetch_add(skipped.waiting, Ordering::Relaxed);
        self.left_out(Reason::Running).fetch_add(skipped.running, Ordering::Relaxed);
        if !address_was_full && skipped.waiting > 0 {
            self.recent(|recent| recent.add(now, 0, skipped.waiting));
        }
    }

    /// Notes what there is to do now.
    pub fn set_load(&self, load: Load) {
        let due = load.earliest_due.map_or(i64::MAX, |due| due.0);
        self.earliest_due.store(due, Ordering::Relaxed);
        self.in_flight.store(load.in_flight, Ordering::Relaxed);
        self.waiting.store(load.waiting, Ordering::Relaxed);
        self.unwritten.store(load.unwritten, Ordering::Relaxed);
    }

    /// What there is to do now.
    pub fn load(&self) -> Load {
        let due = self.earliest_due.load(Ordering::Relaxed);
        Load {
            earliest_due: (due != i64::MAX).then_some(Timestamp(due)),
            in_flight: self.in_flight.load(Ordering::Relaxed),
            waiting: self.waiting.load(Ordering::Relaxed),
            unwritten: self.unwritten.load(Ordering::Relaxed),
        }
    }

    /// Checks that ended so.
    pub fn checks(&self, verdict: Verdict) -> u64 {
        self.verdicts[verdict as usize].load(Ordering::Relaxed)
    }

    /// Checks that were left out for this reason.
    pub fn skipped_for(&self, reason: Reason) -> u64 {
        self.left_out(reason).load(Ordering::Relaxed)
    }

    /// How many checks were left out for want of permits in the last minute, if that is more than one in a hundred.
    pub fn overload(&self, now: Timestamp) -> Option<u64> {
        self.recent(|recent| recent.overload(now))
    }

    fn left_out(&self, reason: Reason) -> &AtomicU64 {
        &self.skipped[reason as usize]
    }

    fn recent<T>(&self, f: impl FnOnce(&mut Recent) -> T) -> T {
        // Counts are never half done.
        f(&mut self.recent.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What began and what was skipped in this span and the one before.
#[derive(Debug, Default)]
struct Recent {
    span: i64,
    began: [u64; 2],
    skipped: [u64; 2],
}

impl Recent {
    fn add(&mut self, now: Timestamp, began: u64, skipped: u64) {
        self.turn(now);
        self.began[1] += began;
        self.skipped[1] += skipped;
    }

    fn turn(&mut self, now: Timestamp) {
        let span = now.0.div_euclid(SPAN_MS);
        if span == self.span {
            return;
        }
        let follows = span == self.span + 1;
        for counts in [&mut self.began, &mut self.skipped] {
            *counts = [if follows { counts[1] } else { 0 }, 0];
        }
        self.span = span;
    }

    fn overload(&mut self, now: Timestamp) -> Option<u64> {
        self.turn(now);
        let (began, skipped) = (self.began.iter().sum::<u64>(), self.skipped.iter().sum::<u64>());
        (skipped * TOLERATED > began).then_some(skipped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_900_000_020_000);

    #[test]
    fn too_much_work_shows_until_it_is_over() {
        let meter = Meter::default();
        for _ in 0..200 {
            meter.began(NOW, NOW.plus_ms(5));
        }
        assert_eq!(meter.overload(NOW), None);
        meter.skipped(Skipped { waiting: 2, running: 9 }, false, NOW);
        assert_eq!(meter.overload(NOW), None, "one in a hundred is no trouble");
        meter.skipped(Skipped { waiting: 50, running: 0 }, true, NOW);
        assert_eq!(meter.overload(NOW), None, "a full address is not ours");
        meter.skipped(Skipped { waiting: 1, running: 0 }, false, NOW);
        assert_eq!(meter.overload(NOW), Some(3));
        assert_eq!(meter.overload(NOW.plus_ms(SPAN_MS)), Some(3));
        assert_eq!(meter.overload(NOW.plus_ms(2 * SPAN_MS)), None);
        assert_eq!(meter.skipped_for(Reason::Overload), 3);
        assert_eq!(meter.skipped_for(Reason::Address), 50);
        assert_eq!(meter.skipped_for(Reason::Running), 9);
        assert_eq!(meter.lateness.max_ms(), 5);
    }

    #[test]
    fn checks_are_counted_by_verdict() {
        let meter = Meter::default();
        meter.ended(Verdict::Up);
        meter.ended(Verdict::Up);
        meter.ended(Verdict::Unknown);
        let counts: Vec<_> = Verdict::ALL.iter().map(|verdict| meter.checks(*verdict)).collect();
        assert_eq!(counts, [2, 0, 0, 1]);
    }
}
