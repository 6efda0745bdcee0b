//! What the checker keeps of one monitor.

use std::sync::Arc;

use tokio::sync::oneshot;
use tokio::task::AbortHandle;

use super::attempt::address;
use crate::clock::Timestamp;
use crate::monitor::state::State;
use crate::monitor::{CheckResult, Monitor, Status, Verdict};

/// A check that takes longer than this, in ms, is likely to do so again, and may not use the last permits.
const SLOW_MS: u32 = 1000;

/// One monitor.
pub(super) struct Slot {
    pub(super) monitor: Arc<Monitor>,
    /// The host and port that it contacts.
    pub(super) address: Arc<str>,
    pub(super) phase: Phase,
    pub(super) waiters: Vec<oneshot::Sender<CheckResult>>,
    /// Whether a check that begins after the running one is asked for.
    pub(super) again: bool,
    /// Counts the times that this monitor was replaced, to know ended checks of before.
    pub(super) generation: u64,
    /// Whether it is up with nothing to confirm: a success then says nothing new.
    pub(super) is_calm: bool,
    /// Whether its last check took long.
    pub(super) is_slow: bool,
    /// When the last check was due, and whether its address was full then.
    pub(super) due: Timestamp,
    pub(super) address_was_full: bool,
}

/// What goes on with a monitor.
pub(super) enum Phase {
    /// It waits for its due time and a permit.
    Planned,
    /// It is being checked.
    Checking(AbortHandle),
    /// Its result is being written.
    Recording,
}

impl Slot {
    /// A monitor that is to be checked for the first time at `due`; `state` is what is known of it, if anything.
    pub(super) fn new(
        monitor: Arc<Monitor>,
        state: Option<&State>,
        generation: u64,
        due: Timestamp,
    ) -> Self {
        let last_ms = state.and_then(|state| state.last_check?.total_ms);
        Self {
            address: address(&monitor.settings.target).into(),
            monitor,
            phase: Phase::Planned,
            waiters: Vec::new(),
            again: false,
            generation,
            is_calm: state.is_some_and(is_calm),
            is_slow: is_slow(last_ms),
            due,
            address_was_full: false,
        }
    }

    /// A check has ended with `result`, which is to be recorded now. Whether that may wait for company: it says nothing new, and
    /// nobody waits for it.
    pub(super) fn ended(&mut self, result: &CheckResult) -> bool {
        self.phase = Phase::Recording;
        self.is_slow = is_slow(result.phases.total);
        let is_awaited = self.again || !self.waiters.is_empty();
        self.is_calm && result.verdict == Verdict::Up && !is_awaited
    }

    /// The result was recorded and led to `state`; who waits for it gets it.
    pub(super) fn recorded(&mut self, result: &CheckResult, state: &State) {
        self.is_calm = is_calm(state);
        for waiter in self.waiters.drain(..) {
            // Whoever asked may have gone.
            let _ = waiter.send(result.clone());
        }
    }
}

fn is_slow(total_ms: Option<u32>) -> bool {
    total_ms.is_some_and(|ms| ms >= SLOW_MS)
}

/// Whether another success would say nothing new.
fn is_calm(state: &State) -> bool {
    state.status == Status::Up && state.failing.is_none()
}
