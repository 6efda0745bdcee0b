//! Checks that end in `unknown`: they change no status, but leave a gap in the history. Pure.

use super::state::{Fact, State};
use super::{CheckResult, ErrorKind, Status};

/// A check ended in a trouble of our own, or its verdict is held because it may be: it says nothing about the target.
pub(super) fn enter(state: &mut State, result: &CheckResult, facts: &mut Vec<Fact>) {
    let is_held = result.error.as_ref().is_some_and(|error| error.kind != ErrorKind::Internal);
    // What had failed before the verdicts were held may have been the same trouble.
    if is_held && state.failing.take().is_some() && state.status != Status::Down {
        state.cause = None;
    }
    if state.unknown_since.is_none() && state.status != Status::Pending {
        // Not before what is known: a change of status at the same moment would be lost.
        let at = result.started_at.max(state.since.plus_ms(1));
        state.unknown_since = Some(at);
        facts.push(Fact::NotKnown { at });
    }
}

/// A check said something about the target: the gap, if there was one, ends with its beginning. Never before its own beginning, as of
/// several regions the one whose check is older may speak later: a gap would be the last that the history has.
pub(super) fn leave(state: &mut State, result: &CheckResult, facts: &mut Vec<Fact>) {
    if let Some(since) = state.unknown_since.take() {
        let at = result.started_at.max(since);
        let known = Fact::StatusChanged { status: state.status, at };
        if !facts.contains(&known) {
            facts.push(known);
        }
    }
}
