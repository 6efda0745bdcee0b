//! A monitor that is checked from several places: each region's own state, after its own retries, and what the quorum makes of
//! them. Pure.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

use super::cause::is_same_trouble;
use super::quorum::{Outcome, Report, Rule, Vote, decide};
use super::state::{Fact, Failing, LastCheck, Policy, State, judge_check};
use super::{Cause, CheckResult, Status, Verdict, certificate, unknown};
use crate::clock::{Timestamp, as_ms};

/// What one region holds of a monitor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RegionState {
    /// Its own verdict as a status; `pending` until it has one.
    pub status: Status,
    /// Since when; of `down`, its first failure.
    #[serde(with = "as_ms")]
    pub since: Timestamp,
    /// The failures that it is re-checking.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failing: Option<Failing>,
    /// Successes in a row while it holds the monitor to be down.
    #[serde(default)]
    pub successes: u32,
    /// Why it fails.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cause: Option<Cause>,
    /// Its last check.
    pub last_check: Option<LastCheck>,
    /// Since when its checks say nothing, for a trouble of its own.
    #[serde(default, with = "as_ms::option", skip_serializing_if = "Option::is_none")]
    pub unknown_since: Option<Timestamp>,
}

impl RegionState {
    /// What a region holds of a monitor that it has not looked at yet.
    pub fn new(now: Timestamp) -> Self {
        Self {
            status: Status::Pending,
            since: now,
            failing: None,
            successes: 0,
            cause: None,
            last_check: None,
            unknown_since: None,
        }
    }

    /// Its vote; that of a region that has no verdict says nothing.
    pub fn vote(&self) -> Vote {
        match self.status {
            _ if self.unknown_since.is_some() => Vote::Unknown,
            Status::Up => Vote::Up,
            Status::Degraded => Vote::Degraded,
            Status::Down => Vote::Down,
            Status::Pending | Status::Paused => Vote::Unknown,
        }
    }

    /// Whether its last check is younger than `fresh_ms` and was made with the settings of `watched_since`.
    pub fn is_fresh(&self, fresh_ms: i64, watched_since: Timestamp, now: Timestamp) -> bool {
        let is_fresh = |last: LastCheck| last.at >= watched_since && now.since(last.at) < fresh_ms;
        self.last_check.is_some_and(is_fresh)
    }

    /// The state of a monitor that is seen from here alone, and watched since then.
    pub fn as_state(&self, watched_since: Timestamp) -> State {
        let mut state = State::unknown(watched_since);
        state.status = self.status;
        state.since = self.since;
        state.failing = self.failing;
        state.successes = self.successes;
        state.cause = self.cause.clone();
        state.last_check = self.last_check;
        state.unknown_since = self.unknown_since;
        state
    }

    /// Takes in a check, by the same rules as a monitor that is seen from one place. One that is not newer than the last changes
    /// nothing; gives whether it was.
    pub fn take(
        &mut self,
        watched_since: Timestamp,
        result: &CheckResult,
        policy: &Policy<'_>,
    ) -> bool {
        if self.last_check.is_some_and(|last| last.at >= result.started_at) {
            return false;
        }
        let mut state = self.as_state(watched_since);
        // What one region finds is no fact of the monitor.
        judge_check(&mut state, result, policy, &mut Vec::new());
        *self = Self {
            status: state.status,
            since: state.since,
            failing: state.failing,
            successes: state.successes,
            cause: state.cause,
            last_check: Some(LastCheck::of(result)),
            unknown_since: state.unknown_since,
        };
        true
    }
}

/// Which regions find a monitor not well, as alerts and pages name them.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tally {
    /// Those that find it failing.
    pub failing: Vec<String>,
    /// Those that find it slow.
    pub slow: Vec<String>,
    /// How many are configured.
    pub of: usize,
}

impl State {
    /// The state as the checks from `region` alone make it: what decides when that region looks next.
    pub fn seen_from(&self, region: &str) -> Cow<'_, Self> {
        match self.regions.get(region) {
            Some(own) => Cow::Owned(own.as_state(self.watched_since)),
            None => Cow::Borrowed(self),
        }
    }

    /// Whether too few regions have said lately how it is: the status stands, but it is that of before.
    pub fn is_stale(&self, policy: &Policy<'_>, now: Timestamp) -> bool {
        let is_watched = self.status != Status::Paused;
        policy.rule.is_some_and(|rule| is_watched && outcome(self, rule, now) == Outcome::Undecided)
    }

    /// Which regions find it not well by fresh checks; `None` of a monitor that is seen from one place.
    pub fn tally(&self, policy: &Policy<'_>, now: Timestamp) -> Option<Tally> {
        let rule = policy.rule.filter(|rule| rule.regions.len() > 1)?;
        let with = |vote: Vote| {
            let votes = |name: &&String| {
                self.regions.get(*name).is_some_and(|region| {
                    region.vote() == vote && region.is_fresh(rule.fresh_ms, self.watched_since, now)
                })
            };
            rule.regions.iter().filter(votes).cloned().collect()
        };
        let (failing, slow) = (with(Vote::Down), with(Vote::Degraded));
        Some(Tally { failing, slow, of: rule.regions.len() })
    }
}

fn outcome(state: &State, rule: Rule<'_>, now: Timestamp) -> Outcome {
    let reports = state.regions.iter().filter_map(|(region, own)| {
        let at = own.last_check.filter(|last| last.at >= state.watched_since)?.at;
        Some(Report { region, at, vote: own.vote() })
    });
    decide(reports, rule, state.status == Status::Down, now)
}

/// A check of one region ended. A repeated one, one that came later than a newer one, and one of a region that is not configured
/// change nothing.
pub(super) fn checked(
    state: &mut State,
    result: &CheckResult,
    policy: &Policy<'_>,
    rule: Rule<'_>,
    now: Timestamp,
    facts: &mut Vec<Fact>,
) {
    if !rule.regions.contains(&result.region) {
        return;
    }
    let known = state.regions.remove(&result.region);
    let mut region = known.unwrap_or_else(|| RegionState::new(state.watched_since));
    let is_new = region.take(state.watched_since, result, policy);
    state.regions.insert(result.region.clone(), region);
    if !is_new {
        return;
    }
    if state.last_check.is_none_or(|last| last.at <= result.started_at) {
        state.last_check = Some(LastCheck::of(result));
    }
    match outcome(state, rule, now) {
        // What was found long ago says nothing of now: it is `mend` that fills the history with it.
        Outcome::Undecided if now.since(result.started_at) >= rule.fresh_ms => {}
        Outcome::Undecided => enter_gap(state, result.started_at, facts),
        Outcome::Down => {
            went_down(state, result, rule, now, facts);
            unknown::leave(state, result, facts);
        }
        Outcome::Degraded { by_quorum } => {
            degraded(state, result, by_quorum, facts);
            unknown::leave(state, result, facts);
        }
        Outcome::Up => {
            well(state, Status::Up, result.started_at, facts);
            unknown::leave(state, result, facts);
        }
    }
    note_confirming(state);
    if result.verdict != Verdict::Unknown {
        certificate::seen(state, result, policy, now, facts);
    }
}

/// Time has passed without a word of some region: with too few left, nothing is known from then on.
pub(super) fn fell_silent(
    state: &mut State,
    rule: Rule<'_>,
    now: Timestamp,
    facts: &mut Vec<Fact>,
) {
    if state.status != Status::Paused && outcome(state, rule, now) == Outcome::Undecided {
        enter_gap(state, now, facts);
    }
}

fn enter_gap(state: &mut State, at: Timestamp, facts: &mut Vec<Fact>) {
    if state.unknown_since.is_none() && state.status != Status::Pending {
        // Not before what is known: a change of status at the same moment would be lost.
        let at = at.max(state.since.plus_ms(1));
        state.unknown_since = Some(at);
        facts.push(Fact::NotKnown { at });
    }
}

fn went_down(
    state: &mut State,
    result: &CheckResult,
    rule: Rule<'_>,
    now: Timestamp,
    facts: &mut Vec<Fact>,
) {
    let own = state.regions.get(&result.region).filter(|own| own.vote() == Vote::Down);
    let cause_here = own.and_then(|own| own.cause.clone()).filter(|_| is_failure(result));
    if state.status == Status::Down {
        if let Some(cause) = cause_here {
            let changed = !state.cause.as_ref().is_some_and(|old| is_same_trouble(old, &cause));
            state.cause = Some(cause.clone());
            facts.push(Fact::StillDown { cause, changed });
        }
        return;
    }
    let failing = state.regions.values().filter(|own| {
        own.vote() == Vote::Down && own.is_fresh(rule.fresh_ms, state.watched_since, now)
    });
    let mut since: Vec<Timestamp> = failing.map(|own| own.since).collect();
    since.sort_unstable();
    // From then on so many of them were failing; not before what is in the history already.
    let needed = rule.quorum.of(rule.regions.len());
    let at = since.get(needed - 1).copied().unwrap_or(result.started_at).max(state.since);
    let Some(cause) = cause_here.or_else(|| worst_cause(state)) else { return };
    state.below_quorum = false;
    state.cause = Some(cause.clone());
    state.enter(Status::Down, at, facts);
    facts.push(Fact::WentDown { started_at: at, cause });
}

fn is_failure(result: &CheckResult) -> bool {
    result.verdict == Verdict::Down
}

/// Why a region fails, if one does: of several the first by name.
fn worst_cause(state: &State) -> Option<Cause> {
    let failing = |own: &&RegionState| own.vote() == Vote::Down;
    state.regions.values().find(failing).and_then(|own| own.cause.clone())
}

fn degraded(state: &mut State, result: &CheckResult, by_quorum: bool, facts: &mut Vec<Fact>) {
    let was_new = state.status != Status::Degraded;
    let must_tell = by_quorum && (was_new || state.below_quorum) && !told_already(state);
    let not_well = |own: &&RegionState| matches!(own.vote(), Vote::Down | Vote::Degraded);
    let since = state.regions.values().filter(not_well).map(|own| own.since).min();
    // What is left of an outage begins where the outage ends: dated before, it would take its place in the history.
    let since = since.filter(|_| state.status != Status::Down);
    well(state, Status::Degraded, since.unwrap_or(result.started_at), facts);
    state.below_quorum = !by_quorum;
    state.cause = worst_cause(state);
    if must_tell {
        facts.push(Fact::Degraded);
    }
}

fn told_already(state: &State) -> bool {
    state.status == Status::Degraded && state.degraded_told
}

/// Enters a status that is no outage, and ends what was before it.
fn well(state: &mut State, status: Status, at: Timestamp, facts: &mut Vec<Fact>) {
    let (before, since) = (state.status, state.since);
    state.cause = None;
    state.below_quorum = false;
    state.enter(status, at.max(since), facts);
    match (before, status) {
        (Status::Down, _) => facts.push(Fact::Recovered { started_at: since }),
        (Status::Degraded, Status::Up) => {
            facts.push(Fact::NoLongerDegraded { since, told: state.degraded_told });
            state.degraded_told = false;
        }
        _ => {}
    }
}

/// The monitor is being re-checked while any of its regions does so.
fn note_confirming(state: &mut State) {
    state.failing = None;
    if state.status == Status::Down {
        return;
    }
    let failing = state.regions.values().filter_map(|own| Some((own.failing?, own.cause.as_ref())));
    if let Some((failing, cause)) = failing.min_by_key(|(failing, _)| failing.first_at) {
        let cause = cause.cloned();
        state.failing = Some(failing);
        state.cause = state.cause.take().or(cause);
    }
}

/// The settings are others: what regions found by the old ones is kept, but what they were re-checking starts anew, and those that
/// are not asked any more are forgotten.
pub(super) fn edited(state: &mut State, policy: &Policy<'_>) {
    let regions = policy.rule.map(|rule| rule.regions).unwrap_or_default();
    state.regions.retain(|name, _| regions.contains(name));
    state.below_quorum &= policy.rule.is_some();
    for own in state.regions.values_mut() {
        own.failing = None;
        own.successes = 0;
    }
}

/// Nobody looked for a while, or the clock was set back.
pub(super) fn was_away(state: &mut State, now: Timestamp) {
    for own in state.regions.values_mut() {
        own.failing = None;
        if let Some(last) = &mut own.last_check {
            last.at = last.at.min(now);
        }
    }
}
