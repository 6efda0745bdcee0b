//! The state machine of a monitor: what it was, what happened, what it is now, and which facts follow. Pure.
//!
//! [`step`] is the only way in which a state changes. Checks are handled here; pings and deadlines in
//! [`heartbeat`](super::heartbeat).

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::cause::{cause_of, is_same_trouble};
use super::certificate::{self, Certificate, Warned};
pub use super::fact::{Event, Fact};
use super::heartbeat::{self, Beat};
pub use super::policy::Policy;
use super::regions::{self, RegionState};
use super::{Cause, CheckResult, Status, Verdict, unknown};
use crate::clock::{Timestamp, as_ms};

/// What is known of a monitor now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct State {
    /// Its status.
    pub status: Status,
    /// When the status began; of `down`, the first failure.
    #[serde(with = "as_ms")]
    pub since: Timestamp,
    /// When watching began with the present settings: results of checks begun before do not count.
    #[serde(with = "as_ms")]
    pub watched_since: Timestamp,
    /// The failures that are being re-checked; `None` when confirmed or well.
    pub failing: Option<Failing>,
    /// Successes in a row while down.
    pub successes: u32,
    /// Why it is down or being re-checked.
    pub cause: Option<Cause>,
    /// Whether entering `degraded` was told.
    pub degraded_told: bool,
    /// The last check, for the list and the recovery's words.
    pub last_check: Option<LastCheck>,
    /// The certificate that was seen last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<Arc<Certificate>>,
    /// The certificates whose coming end was told.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub warned: Vec<Warned>,
    /// Since when nothing is known of it, as its checks end in `unknown`: a gap in the history.
    #[serde(default, with = "as_ms::option", skip_serializing_if = "Option::is_none")]
    pub unknown_since: Option<Timestamp>,
    /// When somebody looked again after an absence, until a check that began since then has ended.
    #[serde(default, with = "as_ms::option", skip_serializing_if = "Option::is_none")]
    pub back_at: Option<Timestamp>,
    /// What each region holds, of a monitor that is not checked from the server's own region alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub regions: BTreeMap<String, RegionState>,
    /// Whether it is `degraded` although too few regions say so: nobody is alerted.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub below_quorum: bool,
    /// A heartbeat's window.
    pub beat: Beat,
}

/// Failed checks in a row, not yet enough for `down`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Failing {
    /// When the first of them began.
    #[serde(with = "as_ms")]
    pub first_at: Timestamp,
    /// How many.
    pub count: u32,
}

/// What is kept of the last check.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LastCheck {
    /// When it began.
    #[serde(with = "as_ms")]
    pub at: Timestamp,
    /// Its verdict.
    pub verdict: Verdict,
    /// The status code, if an answer came.
    pub status_code: Option<u16>,
    /// The whole time, in ms.
    pub total_ms: Option<u32>,
}

impl LastCheck {
    /// What is kept of `result`.
    pub(super) fn of(result: &CheckResult) -> Self {
        Self {
            at: result.started_at,
            verdict: result.verdict,
            status_code: result.status_code,
            total_ms: result.phases.total,
        }
    }
}

impl State {
    /// The state of a monitor that is watched from `now` on.
    pub fn new(policy: &Policy<'_>, now: Timestamp) -> Self {
        let mut state = Self {
            status: Status::Pending,
            since: now,
            watched_since: now,
            failing: None,
            successes: 0,
            cause: None,
            degraded_told: false,
            last_check: None,
            certificate: None,
            warned: Vec::new(),
            unknown_since: None,
            back_at: None,
            regions: BTreeMap::new(),
            below_quorum: false,
            beat: Beat::default(),
        };
        heartbeat::begin(&mut state.beat, policy, now);
        state
    }

    /// Stands in for the state of a check whose result could not be stored: the next one comes as planned.
    pub fn unknown(now: Timestamp) -> Self {
        Self::new(&Policy::plain(), now)
    }

    /// Whether it failed and is being re-checked.
    pub fn is_confirming(&self) -> bool {
        self.failing.is_some() && !matches!(self.status, Status::Down | Status::Paused)
    }

    /// Whether it is a heartbeat in its grace: due, but not yet past its deadline.
    pub fn is_late(&self, now: Timestamp) -> bool {
        self.status == Status::Up && self.beat.due_at.is_some_and(|due| due <= now)
    }

    /// The deadline that must still be watched.
    pub fn armed_deadline(&self) -> Option<Timestamp> {
        match self.status {
            Status::Pending | Status::Up => self.beat.next_deadline(),
            _ => None,
        }
    }

    /// Moves to `status` from `at` on, and says so.
    pub(super) fn enter(&mut self, status: Status, at: Timestamp, facts: &mut Vec<Fact>) {
        if self.status != status {
            self.status = status;
            self.since = at;
            facts.push(Fact::StatusChanged { status, at });
        }
    }
}

/// The next state and the facts that follow from `event` at `now`.
pub fn step(
    state: &State,
    event: &Event<'_>,
    policy: &Policy<'_>,
    now: Timestamp,
) -> (State, Vec<Fact>) {
    let mut next = state.clone();
    let mut facts = Vec::new();
    match event {
        Event::Checked(result) => checked(&mut next, result, policy, now, &mut facts),
        Event::Signalled(signal) => heartbeat::signalled(&mut next, signal, policy, &mut facts),
        Event::DeadlinePassed => heartbeat::deadline_passed(&mut next, policy, now, &mut facts),
        Event::Paused => stop(&mut next, "paused", now, &mut facts),
        Event::Deleted => stop(&mut next, "deleted", now, &mut facts),
        Event::Resumed => resume(&mut next, policy, now, &mut facts),
        Event::Edited { window_changed } => edit(&mut next, *window_changed, policy, now),
        Event::HoldEnded => {
            if let (Status::Down, Some(cause)) = (next.status, next.cause.clone()) {
                facts.push(Fact::StillDown { cause, changed: false });
            }
        }
        Event::FellSilent => {
            if let Some(rule) = policy.rule {
                regions::fell_silent(&mut next, rule, now, &mut facts);
            }
        }
        Event::WasAway(from) => was_away(&mut next, policy, *from, now, &mut facts),
    }
    (next, facts)
}

fn checked(
    state: &mut State,
    result: &CheckResult,
    policy: &Policy<'_>,
    now: Timestamp,
    facts: &mut Vec<Fact>,
) {
    if state.status == Status::Paused || result.started_at < state.watched_since {
        return;
    }
    if let Some(rule) = policy.rule {
        return regions::checked(state, result, policy, rule, now, facts);
    }
    // A check that an absence fell into failed by that, as like as not; and an outage dated before it would hide in the history behind
    // what is known after it.
    if state.back_at.is_some_and(|back| result.started_at < back) {
        return;
    }
    state.back_at = None;
    state.last_check = Some(LastCheck::of(result));
    judge_check(state, result, policy, facts);
    if result.verdict != Verdict::Unknown {
        certificate::seen(state, result, policy, now, facts);
    }
}

/// What a check does to what is held from one place.
pub(super) fn judge_check(
    state: &mut State,
    result: &CheckResult,
    policy: &Policy<'_>,
    facts: &mut Vec<Fact>,
) {
    match result.verdict {
        Verdict::Unknown => return unknown::enter(state, result, facts),
        Verdict::Down => check_failed(state, result, policy, facts),
        Verdict::Up => check_passed(state, Status::Up, result.started_at, policy, facts),
        Verdict::Degraded => {
            check_passed(state, Status::Degraded, result.started_at, policy, facts);
        }
    }
    unknown::leave(state, result, facts);
}

fn check_failed(
    state: &mut State,
    result: &CheckResult,
    policy: &Policy<'_>,
    facts: &mut Vec<Fact>,
) {
    let cause = cause_of(result);
    state.successes = 0;
    if state.status == Status::Down {
        let changed = !state.cause.as_ref().is_some_and(|old| is_same_trouble(old, &cause));
        state.cause = Some(cause.clone());
        facts.push(Fact::StillDown { cause, changed });
        return;
    }
    let (first_at, before) = match state.failing {
        Some(failing) => (failing.first_at, failing.count),
        None => (result.started_at, 0),
    };
    let count = before.saturating_add(1);
    state.cause = Some(cause.clone());
    if count > policy.retries {
        state.failing = None;
        state.enter(Status::Down, first_at, facts);
        facts.push(Fact::WentDown { started_at: first_at, cause });
    } else {
        state.failing = Some(Failing { first_at, count });
    }
}

fn check_passed(
    state: &mut State,
    status: Status,
    at: Timestamp,
    policy: &Policy<'_>,
    facts: &mut Vec<Fact>,
) {
    state.failing = None;
    let (before, since) = (state.status, state.since);
    if before == Status::Down {
        state.successes = state.successes.saturating_add(1);
        if state.successes < policy.recovery_checks {
            return;
        }
    }
    state.successes = 0;
    state.cause = None;
    state.enter(status, at, facts);
    match (before, status) {
        (Status::Down, _) => {
            facts.push(Fact::Recovered { started_at: since });
            if status == Status::Degraded {
                facts.push(Fact::Degraded);
            }
        }
        (Status::Up | Status::Pending, Status::Degraded) => facts.push(Fact::Degraded),
        (Status::Degraded, Status::Up) => {
            facts.push(Fact::NoLongerDegraded { since, told: state.degraded_told });
            state.degraded_told = false;
        }
        _ => {}
    }
}

fn stop(state: &mut State, why: &'static str, now: Timestamp, facts: &mut Vec<Fact>) {
    if state.status == Status::Down {
        facts.push(Fact::WatchingStopped { why, started_at: state.since });
    }
    state.failing = None;
    state.successes = 0;
    state.cause = None;
    state.degraded_told = false;
    state.unknown_since = None;
    state.regions.clear();
    state.below_quorum = false;
    heartbeat::disarm(&mut state.beat);
    state.enter(Status::Paused, now, facts);
}

fn resume(state: &mut State, policy: &Policy<'_>, now: Timestamp, facts: &mut Vec<Fact>) {
    if state.status != Status::Paused {
        return;
    }
    state.watched_since = now;
    state.enter(Status::Pending, now, facts);
    heartbeat::resumed(&mut state.beat, policy, now);
}

fn edit(state: &mut State, window_changed: bool, policy: &Policy<'_>, now: Timestamp) {
    state.watched_since = now;
    state.failing = None;
    state.successes = 0;
    if state.status != Status::Down {
        state.cause = None;
    }
    regions::edited(state, policy);
    if window_changed {
        // That of another address says nothing of this one.
        state.certificate = None;
        heartbeat::edited(state, policy, now);
    }
}

/// Nobody was looking since `from`: the history shows a gap, and windows move by the time away.
fn was_away(
    state: &mut State,
    policy: &Policy<'_>,
    from: Timestamp,
    now: Timestamp,
    facts: &mut Vec<Fact>,
) {
    if state.status == Status::Paused {
        return;
    }
    // A clock that was set back must not make all checks look as if they had begun before the last edit.
    state.watched_since = state.watched_since.min(now);
    // Of pending monitors too: a heartbeat that was resumed is expected although it is pending.
    heartbeat::was_away(state, policy, from, now);
    // A re-check that was cut off starts anew: half of a confirmation from before proves nothing now.
    if state.failing.take().is_some() {
        state.cause = None;
    }
    if state.unknown_since.take().is_some() {
        facts.push(Fact::StatusChanged { status: state.status, at: now });
    }
    // Checks of other regions go on meanwhile.
    state.back_at = (policy.rule.is_none() && policy.heartbeat.is_none()).then_some(now);
    regions::was_away(state, now);
}
