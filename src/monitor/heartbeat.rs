//! Heartbeats: due time, grace, deadline, runs, and what each signal does (contract, section 3). Pure.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::state::{Fact, Policy, State};
use super::{Cause, HeartbeatSpec, Status};
use crate::clock::{Timestamp, as_ms};

crate::words! {
    /// What a ping says.
    pub enum SignalKind {
        /// The job is done and well.
        Success = "success",
        /// The job failed.
        Fail = "fail",
        /// A run of the job begins.
        Start = "start",
        /// Something to remember; it changes nothing.
        Log = "log",
        /// A method that the monitor does not take; it changes nothing.
        Ignored = "ignored",
    }
}

/// One signal of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Signal {
    /// What it says.
    pub kind: SignalKind,
    /// The run it belongs to.
    pub rid: Option<Uuid>,
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
    #[serde(default, with = "as_ms::option", skip_serializing_if = "Option::is_none")]
    pub last_ping_at: Option<Timestamp>,
    /// The last success.
    #[serde(default, with = "as_ms::option", skip_serializing_if = "Option::is_none")]
    pub last_success_at: Option<Timestamp>,
    /// When the next success is expected.
    #[serde(default, with = "as_ms::option", skip_serializing_if = "Option::is_none")]
    pub due_at: Option<Timestamp>,
    /// When it is down without one: due + grace, or the first-ping limit.
    #[serde(default, with = "as_ms::option", skip_serializing_if = "Option::is_none")]
    pub deadline_at: Option<Timestamp>,
    /// The runs that have begun and not ended, oldest first; at most [`RUNS_MAX`].
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub runs: Vec<Run>,
}

/// One run of a job that has begun.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// What ties its start to its end; `None` for a start without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub rid: Option<Uuid>,
    /// When it began.
    #[serde(with = "as_ms")]
    pub started_at: Timestamp,
    /// When it has run too long: start + max runtime, if there is one.
    #[serde(default, with = "as_ms::option", skip_serializing_if = "Option::is_none")]
    pub deadline_at: Option<Timestamp>,
}

/// A job that only ever starts must not grow the state without end: the oldest run is forgotten first.
pub const RUNS_MAX: usize = 100;

impl Beat {
    /// The run that a success or failure with `rid` ends: its own, or the one without a rid.
    pub fn run_ended_by(&self, rid: Option<Uuid>) -> Option<Run> {
        self.index_ended_by(rid).map(|i| self.runs[i])
    }

    fn index_ended_by(&self, rid: Option<Uuid>) -> Option<usize> {
        let of = |rid: Option<Uuid>| self.runs.iter().position(|run| run.rid == rid);
        of(rid).or_else(|| of(None))
    }

    fn end_run(&mut self, rid: Option<Uuid>) {
        if let Some(i) = self.index_ended_by(rid) {
            self.runs.remove(i);
        }
    }

    fn start_run(&mut self, rid: Option<Uuid>, at: Timestamp, spec: &HeartbeatSpec) {
        self.runs.retain(|run| run.rid != rid);
        if self.runs.len() >= RUNS_MAX {
            self.runs.remove(0);
        }
        self.runs.push(Run { rid, started_at: at, deadline_at: run_deadline(spec, at) });
    }

    /// Expects a success at `due`.
    fn expect(&mut self, spec: &HeartbeatSpec, due: Timestamp) {
        self.due_at = Some(due);
        self.deadline_at = Some(due.plus_seconds(spec.grace_seconds));
    }

    /// The earliest moment at which it is down without a signal.
    pub(super) fn next_deadline(&self) -> Option<Timestamp> {
        self.runs.iter().filter_map(|run| run.deadline_at).chain(self.deadline_at).min()
    }
}

fn run_deadline(spec: &HeartbeatSpec, started_at: Timestamp) -> Option<Timestamp> {
    spec.max_runtime_seconds.map(|seconds| started_at.plus_seconds(seconds))
}

/// A monitor that was just made, or resumed without ever having been pinged, may have a limit for its first ping.
fn first_deadline(spec: &HeartbeatSpec, from: Timestamp) -> Option<Timestamp> {
    spec.first_ping_within_seconds.map(|seconds| from.plus_seconds(seconds))
}

/// Watching begins.
pub(super) fn begin(beat: &mut Beat, policy: &Policy<'_>, now: Timestamp) {
    if let Some(spec) = policy.heartbeat {
        beat.deadline_at = first_deadline(spec, now);
    }
}

/// A job signalled.
pub(super) fn signalled(
    state: &mut State,
    signal: &Signal,
    policy: &Policy<'_>,
    facts: &mut Vec<Fact>,
) {
    if matches!(signal.kind, SignalKind::Success | SignalKind::Fail) {
        state.beat.last_ping_at = Some(signal.at);
    }
    let Some(spec) = policy.heartbeat else { return };
    if state.status == Status::Paused {
        return;
    }
    match signal.kind {
        SignalKind::Success => succeeded(state, spec, signal, facts),
        SignalKind::Fail => failed(state, signal, facts),
        SignalKind::Start => state.beat.start_run(signal.rid, signal.at, spec),
        SignalKind::Log | SignalKind::Ignored => {}
    }
}

fn succeeded(state: &mut State, spec: &HeartbeatSpec, signal: &Signal, facts: &mut Vec<Fact>) {
    let at = signal.at;
    let beat = &mut state.beat;
    beat.end_run(signal.rid);
    beat.last_success_at = Some(at);
    let due = spec.expected.due_after_success(at, spec.grace_seconds);
    beat.expect(spec, due);
    state.cause = None;
    let (before, since) = (state.status, state.since);
    state.enter(Status::Up, at, facts);
    if before == Status::Down {
        // A run that passed its limit while the job was down anyway is no news any more.
        state.beat.runs.retain(|run| run.deadline_at.is_none_or(|deadline| deadline > at));
        facts.push(Fact::Recovered { started_at: since });
    }
}

fn failed(state: &mut State, signal: &Signal, facts: &mut Vec<Fact>) {
    state.beat.end_run(signal.rid);
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

/// Looks at the deadlines: a success that was recorded first has moved them, and wins.
pub(super) fn deadline_passed(
    state: &mut State,
    policy: &Policy<'_>,
    now: Timestamp,
    facts: &mut Vec<Fact>,
) {
    let (Some(spec), Some(deadline)) = (policy.heartbeat, state.armed_deadline()) else { return };
    if now < deadline {
        return;
    }
    let cause = if state.beat.deadline_at == Some(deadline) {
        window_missed(state, spec, now)
    } else {
        Cause::StillRunning { max_runtime_seconds: spec.max_runtime_seconds.unwrap_or_default() }
    };
    // An overdue run alerts once and is closed.
    state.beat.runs.retain(|run| run.deadline_at.is_none_or(|deadline| deadline > now));
    go_down(state, cause, deadline, facts);
}

fn window_missed(state: &State, spec: &HeartbeatSpec, now: Timestamp) -> Cause {
    match (state.beat.last_ping_at, spec.first_ping_within_seconds) {
        (None, Some(within_seconds)) => Cause::NoFirstPing { within_seconds },
        _ => {
            let silent_since = state.beat.last_success_at.unwrap_or(state.watched_since);
            Cause::NoPing {
                silent_ms: now.since(silent_since),
                expected: spec.expected.to_string(),
                grace_seconds: spec.grace_seconds,
            }
        }
    }
}

/// Nothing is expected while paused.
pub(super) fn disarm(beat: &mut Beat) {
    beat.due_at = None;
    beat.deadline_at = None;
    beat.runs.clear();
}

/// After a resume, a job that has pinged before is expected within a whole window.
pub(super) fn resumed(beat: &mut Beat, policy: &Policy<'_>, now: Timestamp) {
    let Some(spec) = policy.heartbeat else { return };
    match beat.last_ping_at {
        Some(_) => beat.expect(spec, spec.expected.due_from(now)),
        None => beat.deadline_at = first_deadline(spec, now),
    }
}

/// A new schedule counts from the last success, or from now where that would already be missed. An edit of anything else leaves
/// the window as it is, wherever our own absence has moved it.
pub(super) fn edited(state: &mut State, policy: &Policy<'_>, now: Timestamp) {
    let Some(spec) = policy.heartbeat else { return };
    if state.status == Status::Paused {
        return;
    }
    let beat = &mut state.beat;
    for run in &mut beat.runs {
        run.deadline_at = run_deadline(spec, run.started_at);
    }
    match (beat.last_ping_at, beat.last_success_at) {
        (None, _) => beat.deadline_at = first_deadline(spec, now),
        (_, Some(success)) if state.status != Status::Pending => {
            let due = spec.expected.due_after_success(success, spec.grace_seconds);
            let is_missed = due.plus_seconds(spec.grace_seconds) <= now;
            beat.expect(spec, if is_missed { spec.expected.due_from(now) } else { due });
        }
        // Resumed and not heard of since, or never a success: the window runs from now.
        _ if beat.deadline_at.is_some() => beat.expect(spec, spec.expected.due_from(now)),
        _ => {}
    }
}

/// A window whose due time or deadline fell into our own absence begins anew at the return, so that it never raises an alarm
/// by itself, and a dead job alerts one window later. With a clock that was set back (`from` is later than `now`), a window
/// that would end later than a whole one from now does so too.
pub(super) fn was_away(state: &mut State, policy: &Policy<'_>, from: Timestamp, now: Timestamp) {
    let Some(spec) = policy.heartbeat else { return };
    let fell_inside = |at: Timestamp| from <= at && at <= now;
    let set_back = from > now;
    let beat = &mut state.beat;
    for run in &mut beat.runs {
        let renewed = run_deadline(spec, now);
        if run.deadline_at.is_some_and(fell_inside) || (set_back && run.deadline_at > renewed) {
            run.deadline_at = renewed;
        }
    }
    let Some(deadline) = beat.deadline_at else { return };
    let Some(due) = beat.due_at else {
        let renewed = first_deadline(spec, now);
        if fell_inside(deadline) || (set_back && Some(deadline) > renewed) {
            beat.deadline_at = renewed;
        }
        return;
    };
    let renewed = spec.expected.due_from(now);
    if fell_inside(due) || fell_inside(deadline) {
        beat.expect(spec, renewed);
        beat.deadline_at = beat.deadline_at.max(Some(deadline));
    } else if set_back && due > renewed {
        beat.expect(spec, renewed);
    }
}
