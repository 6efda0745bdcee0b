//! Heartbeats: due time, grace, deadline, and what each signal does (contract, section 3). Pure.

use serde::{Deserialize, Serialize};

use super::state::{Fact, Policy, State};
use super::{Cause, HeartbeatSpec, Status};
use crate::clock::Timestamp;

crate::words! {
    /// What a ping says.
    pub enum SignalKind {
        /// The job is done and well.
        Success = "success",
        /// The job failed.
        Fail = "fail",
    }
}

/// One signal of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal {
    /// What it says.
    pub kind: SignalKind,
    /// The exit status that it gave.
    pub exit_status: Option<i64>,
    /// When it came.
    pub at: Timestamp,
}

/// The window of a heartbeat. All fields are empty for other kinds.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Beat {
    /// How many pings were recorded: the number of the last one.
    pub pings: i64,
    /// The last success or failure.
    pub last_ping_at: Option<Timestamp>,
    /// The last success.
    pub last_success_at: Option<Timestamp>,
    /// When the next success is expected.
    pub due_at: Option<Timestamp>,
    /// When it is down without one: due + grace.
    pub deadline_at: Option<Timestamp>,
}

impl Beat {
    /// Expects the next success one period after `from`.
    fn expect(&mut self, spec: HeartbeatSpec, from: Timestamp) {
        let due = from.plus_seconds(spec.period_seconds);
        self.due_at = Some(due);
        self.deadline_at = Some(due.plus_seconds(spec.grace_seconds));
    }
}

/// A job signalled.
pub(super) fn signalled(
    state: &mut State,
    signal: &Signal,
    policy: &Policy,
    facts: &mut Vec<Fact>,
) {
    state.beat.last_ping_at = Some(signal.at);
    let Some(spec) = policy.heartbeat else { return };
    if state.status == Status::Paused {
        return;
    }
    match signal.kind {
        SignalKind::Success => succeeded(state, spec, signal.at, facts),
        SignalKind::Fail => failed(state, signal, facts),
    }
}

fn succeeded(state: &mut State, spec: HeartbeatSpec, at: Timestamp, facts: &mut Vec<Fact>) {
    state.beat.last_success_at = Some(at);
    state.beat.expect(spec, at);
    state.cause = None;
    let (before, since) = (state.status, state.since);
    state.enter(Status::Up, at, facts);
    if before == Status::Down {
        facts.push(Fact::Recovered { started_at: since });
    }
}

fn failed(state: &mut State, signal: &Signal, facts: &mut Vec<Fact>) {
    let cause = Cause::ReportedFailure { exit_status: signal.exit_status };
    go_down(state, cause, signal.at, facts);
}

fn go_down(state: &mut State, cause: Cause, at: Timestamp, facts: &mut Vec<Fact>) {
    let was_down = state.status == Status::Down;
    let changed = state.cause.as_ref() != Some(&cause);
    state.cause = Some(cause.clone());
    if was_down {
        facts.push(Fact::StillDown { cause, changed });
    } else {
        state.enter(Status::Down, at, facts);
        facts.push(Fact::WentDown { started_at: at, cause });
    }
}

/// Looks at the deadline: a success that was recorded first has moved it, and wins.
pub(super) fn deadline_passed(
    state: &mut State,
    policy: &Policy,
    now: Timestamp,
    facts: &mut Vec<Fact>,
) {
    let (Some(spec), Some(deadline)) = (policy.heartbeat, state.armed_deadline()) else { return };
    if now < deadline {
        return;
    }
    let silent_since = state.beat.last_success_at.unwrap_or(state.watched_since);
    let cause = Cause::NoPing {
        silent_ms: now.since(silent_since),
        period_seconds: spec.period_seconds,
        grace_seconds: spec.grace_seconds,
    };
    go_down(state, cause, deadline, facts);
}

/// Nothing is expected while paused.
pub(super) fn disarm(beat: &mut Beat) {
    beat.due_at = None;
    beat.deadline_at = None;
}

/// After a resume, a job that has pinged before is expected within a whole window.
pub(super) fn resumed(beat: &mut Beat, policy: &Policy, now: Timestamp) {
    if let (Some(spec), Some(_)) = (policy.heartbeat, beat.last_ping_at) {
        beat.expect(spec, now);
    }
}

/// A new period or grace counts from where the old one was counted: the last success, or the return from our own absence.
/// Any other change leaves the window as it is.
pub(super) fn edited(state: &mut State, before: &Policy, policy: &Policy, now: Timestamp) {
    let (Some(old), Some(spec)) = (before.heartbeat, policy.heartbeat) else { return };
    let (Some(due), true) = (state.beat.due_at, old != spec) else { return };
    let from = match state.status {
        Status::Pending => now,
        _ => due.plus_ms(-i64::from(old.period_seconds) * 1000),
    };
    state.beat.expect(spec, from);
}

/// A window whose due time or deadline fell into our own absence begins anew at the return, so that it never raises an alarm
/// by itself, and a dead job alerts one window later.
pub(super) fn was_away(beat: &mut Beat, policy: &Policy, from: Timestamp, now: Timestamp) {
    let (Some(spec), Some(due), Some(deadline)) = (policy.heartbeat, beat.due_at, beat.deadline_at)
    else {
        return;
    };
    let fell_inside = |at: Timestamp| from <= at && at <= now;
    if fell_inside(due) || fell_inside(deadline) {
        beat.expect(spec, now);
        beat.deadline_at = beat.deadline_at.max(Some(deadline));
    }
}
