//! The state machine against a simple oracle, and its cells by name.

use proptest::prelude::*;

use super::state::{Event, Fact, Policy, State, step};
use super::{CheckError, CheckResult, ErrorKind, FailedChecks, Phases, Status, Verdict};
use crate::clock::Timestamp;

fn result(at: i64, verdict: Verdict) -> CheckResult {
    CheckResult {
        region: "local".to_owned(),
        started_at: Timestamp(at),
        phases: Phases { total: Some(1), ..Phases::default() },
        status_code: Some(if verdict == Verdict::Down { 503 } else { 200 }),
        error: (verdict == Verdict::Down)
            .then(|| CheckError { kind: ErrorKind::Status, text: "status 503".to_owned() }),
        failed_checks: FailedChecks::new(),
        certificate: None,
        verdict,
    }
}

fn http(retries: u32, recovery_checks: u32) -> Policy<'static> {
    Policy { retries, recovery_checks, heartbeat: None, tls_expiry_days: &[] }
}

/// Runs verdicts one second apart and gives the last state and all facts but the changes of status.
fn run(policy: &Policy<'_>, verdicts: &[Verdict]) -> (State, Vec<Fact>) {
    let mut state = State::unknown(Timestamp(0));
    let mut all = Vec::new();
    for (i, verdict) in (1..).zip(verdicts) {
        let result = result(i * 1000, *verdict);
        let (next, facts) = step(&state, &Event::Checked(&result), policy, result.ended_at());
        state = next;
        all.extend(facts.into_iter().filter(|f| !matches!(f, Fact::StatusChanged { .. })));
    }
    (state, all)
}

#[test]
fn the_first_success_is_not_told_and_the_first_failure_is() {
    let (state, facts) = run(&http(1, 1), &[Verdict::Up]);
    assert_eq!((state.status, facts), (Status::Up, vec![]));
    let (state, facts) = run(&http(0, 1), &[Verdict::Down]);
    assert_eq!(state.status, Status::Down);
    assert!(matches!(facts[..], [Fact::WentDown { started_at: Timestamp(1000), .. }]));
}

#[test]
fn a_blip_shorter_than_the_retries_says_nothing() {
    use Verdict::{Down, Up};
    let (state, facts) = run(&http(2, 1), &[Up, Down, Down, Up, Down, Down, Up]);
    assert_eq!((state.status, facts), (Status::Up, vec![]));
}

#[test]
fn an_outage_is_dated_at_its_first_failure() {
    use Verdict::{Down, Up};
    let (state, facts) = run(&http(1, 1), &[Up, Down, Down]);
    assert_eq!((state.status, state.since), (Status::Down, Timestamp(2000)));
    assert!(matches!(facts[..], [Fact::WentDown { started_at: Timestamp(2000), .. }]));
}

#[test]
fn a_trouble_of_our_own_changes_nothing() {
    use Verdict::{Down, Unknown, Up};
    let (state, facts) = run(&http(1, 1), &[Up, Down, Unknown, Unknown]);
    assert_eq!((state.status, state.is_confirming(), facts), (Status::Up, true, vec![]));
    let (_, facts) = run(&http(1, 1), &[Up, Down, Unknown, Down]);
    assert!(matches!(facts[..], [Fact::WentDown { started_at: Timestamp(2000), .. }]));
}

#[test]
fn results_of_checks_begun_before_an_edit_do_not_count() {
    let policy = http(0, 1);
    let state = State::unknown(Timestamp(0));
    let (state, _) =
        step(&state, &Event::Edited { window_changed: true }, &policy, Timestamp(5000));
    let old = result(4000, Verdict::Down);
    let (next, facts) = step(&state, &Event::Checked(&old), &policy, Timestamp(6000));
    assert_eq!((next, facts), (state, vec![]));
}

#[test]
fn degraded_is_entered_and_left() {
    use Verdict::{Degraded, Up};
    let (state, facts) = run(&http(1, 1), &[Up, Degraded, Degraded, Up]);
    assert_eq!(state.status, Status::Up);
    assert_eq!(
        facts,
        [Fact::Degraded, Fact::NoLongerDegraded { since: Timestamp(2000), told: false }]
    );
}

#[test]
fn pausing_a_monitor_that_is_down_ends_its_outage() {
    let policy = http(0, 1);
    let (state, _) = run(&policy, &[Verdict::Down]);
    let (state, facts) = step(&state, &Event::Paused, &policy, Timestamp(9000));
    assert_eq!(state.status, Status::Paused);
    assert!(facts.contains(&Fact::WatchingStopped { why: "paused", started_at: Timestamp(1000) }));
    let (state, facts) = step(&state, &Event::Resumed, &policy, Timestamp(9500));
    assert_eq!(state.status, Status::Pending);
    assert_eq!(facts, [Fact::StatusChanged { status: Status::Pending, at: Timestamp(9500) }]);
}

/// The oracle: it looks at the whole list of verdicts each time instead of keeping a state.
fn expected_status(policy: &Policy<'_>, verdicts: &[Verdict]) -> Status {
    let known: Vec<_> = verdicts.iter().filter(|v| **v != Verdict::Unknown).collect();
    let mut status = Status::Pending;
    for end in 1..=known.len() {
        let run_of =
            |is: fn(&Verdict) -> bool| known[..end].iter().rev().take_while(|v| is(v)).count();
        let failures = run_of(|v| *v == Verdict::Down);
        let successes = run_of(|v| *v != Verdict::Down);
        let good = if *known[end - 1] == Verdict::Up { Status::Up } else { Status::Degraded };
        if failures > policy.retries as usize {
            status = Status::Down;
        } else if successes > 0
            && (status != Status::Down || successes >= policy.recovery_checks as usize)
        {
            status = good;
        }
    }
    status
}

proptest! {
    #[test]
    fn agrees_with_the_oracle(
        retries in 0..4u32,
        recovery_checks in 1..4u32,
        verdicts in prop::collection::vec(prop::sample::select(Verdict::ALL), 0..40),
    ) {
        let policy = http(retries, recovery_checks);
        let (state, facts) = run(&policy, &verdicts);
        prop_assert_eq!(state.status, expected_status(&policy, &verdicts));
        // Down and recovery strictly alternate, and begin with down.
        let mut is_down = false;
        for fact in &facts {
            match fact {
                Fact::WentDown { .. } => { prop_assert!(!is_down); is_down = true; }
                Fact::Recovered { .. } => { prop_assert!(is_down); is_down = false; }
                Fact::StillDown { .. } => prop_assert!(is_down),
                _ => {}
            }
        }
        prop_assert_eq!(is_down, state.status == Status::Down);
    }
}
