//! Results that came late: what the history would have said, had they come at once. Pure.
//!
//! While a server is away, or a probe is cut off from it, the history has a gap. The results that are handed in afterwards are run
//! through the same rules as all others, each at the time of its check. They alert nobody, and no state follows of them.

use super::quorum::Rule;
use super::state::{Event, Fact, Policy, State, step};
use super::{CheckResult, Pace, Status, StatusChange};
use crate::clock::Timestamp;

/// A span, from its first moment to the first after it.
pub type Span = (Timestamp, Timestamp);

/// From how long before a gap on results are needed, in ms: so long a word counts, and so long a failure is confirmed.
pub fn warm_up_ms(rule: Rule<'_>, pace: &Pace) -> i64 {
    rule.fresh_ms + i64::from(pace.retries) * i64::from(pace.retry_interval_seconds) * 1000
}

/// The part of a gap that results which began within `came` can say something about, if there is one.
pub fn part(gap: Span, came: Span, rule: Rule<'_>) -> Option<Span> {
    // A word counts for a while, and with one more those from before may be enough.
    let from = gap.0.max(came.0.plus_ms(-rule.fresh_ms));
    let until = gap.1.min(came.1.plus_ms(rule.fresh_ms));
    (from < until).then_some((from, until))
}

/// The changes of status within `part` of a gap, by all `results` from [`warm_up_ms`] before it on, oldest first. `before` is what the
/// monitor was before the gap. The first change lies at the beginning, and is `None` as long as too few regions have said something.
pub fn mend(
    part: Span,
    before: Status,
    results: &[CheckResult],
    policy: &Policy<'_>,
) -> Vec<StatusChange> {
    let (from, until) = part;
    let Some(rule) = policy.rule else { return Vec::new() };
    let begin = results.first().map_or(from, |first| first.started_at.min(from));
    let mut state = State { status: before, since: begin, ..State::unknown(begin) };
    let warm = results.iter().take_while(|result| result.started_at < from);
    for result in warm {
        (state, _) = step(&state, &Event::Checked(result), policy, result.started_at);
    }
    // What was before is in the history already; only what the regions hold is needed of it.
    (state.status, state.since, state.unknown_since) = (before, from.plus_ms(-1), None);
    let mut changes = vec![StatusChange { at: from, status: Some(before) }];
    let mut take = |state: &mut State, event: Event<'_>, at: Timestamp| {
        let (next, facts) = step(state, &event, policy, at);
        *state = next;
        for fact in facts {
            let (at, status) = match fact {
                Fact::StatusChanged { status, at } => (at, Some(status)),
                Fact::NotKnown { at } => (at, None),
                _ => continue,
            };
            let at = at.max(from);
            changes.retain(|change| change.at < at);
            if at < until && changes.last().is_none_or(|last| last.status != status) {
                changes.push(StatusChange { at, status });
            }
        }
    };
    take(&mut state, Event::FellSilent, from);
    let mut spoken_at = from;
    for result in results.iter().filter(|r| r.started_at >= from && r.started_at < until) {
        let silent_at = spoken_at.plus_ms(rule.fresh_ms);
        if result.started_at >= silent_at {
            take(&mut state, Event::FellSilent, silent_at);
        }
        take(&mut state, Event::Checked(result), result.started_at);
        spoken_at = result.started_at;
    }
    // The words of each region end by themselves.
    let last_words = state.regions.values().filter_map(|own| own.last_check).map(|last| last.at);
    let mut ends: Vec<Timestamp> = last_words.map(|at| at.plus_ms(rule.fresh_ms)).collect();
    ends.sort_unstable();
    for at in ends.into_iter().filter(|at| *at > from && *at < until) {
        take(&mut state, Event::FellSilent, at);
    }
    changes
}
