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
        error: (verdict == Verdict::Down).then(|| CheckError::new(ErrorKind::Status, "status 503")),
        failed_checks: FailedChecks::new(),
        certificate: None,
        answer: None,
        verdict,
    }
}

fn http(retries: u32, recovery_checks: u32) -> Policy<'static> {
    Policy { retries, recovery_checks, heartbeat: None, tls_expiry_days: &[], rule: None }
}

/// Runs verdicts one second apart and gives the last state and all facts but those of the history.
fn run(policy: &Policy<'_>, verdicts: &[Verdict]) -> (State, Vec<Fact>) {
    let mut state = State::unknown(Timestamp(0));
    let mut all = Vec::new();
    for (i, verdict) in (1..).zip(verdicts) {
        let result = result(i * 1000, *verdict);
        let (next, facts) = step(&state, &Event::Checked(&result), policy, result.ended_at());
        state = next;
        let is_history =
            |fact: &Fact| matches!(fact, Fact::StatusChanged { .. } | Fact::NotKnown { .. });
        all.extend(facts.into_iter().filter(|fact| !is_history(fact)));
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

/// All facts but those that alerts are made of.
fn history(policy: &Policy<'_>, results: &[CheckResult]) -> (State, Vec<(i64, Option<Status>)>) {
    let mut state = State::unknown(Timestamp(0));
    let mut changes = Vec::new();
    for result in results {
        let (next, facts) = step(&state, &Event::Checked(result), policy, result.ended_at());
        state = next;
        changes.extend(facts.iter().filter_map(|fact| match fact {
            Fact::StatusChanged { status, at } => Some((at.0, Some(*status))),
            Fact::NotKnown { at } => Some((at.0, None)),
            _ => None,
        }));
    }
    (state, changes)
}

#[test]
fn what_is_unknown_is_a_gap_in_the_history_and_no_change_of_status() {
    use Verdict::{Down, Unknown, Up};
    let of = |verdicts: &[Verdict]| {
        let results = (1..).zip(verdicts).map(|(n, verdict)| result(n * 1000, *verdict));
        history(&http(0, 1), &results.collect::<Vec<_>>())
    };
    let (up, down) = (Some(Status::Up), Some(Status::Down));
    let (state, changes) = of(&[Up, Unknown, Unknown, Up, Up]);
    assert_eq!((state.status, state.unknown_since), (Status::Up, None));
    assert_eq!(changes, [(1000, up), (2000, None), (4000, up)]);
    let (state, changes) = of(&[Up, Unknown, Down, Unknown]);
    assert_eq!((state.status, state.unknown_since), (Status::Down, Some(Timestamp(4000))));
    assert_eq!(changes, [(1000, up), (2000, None), (3000, down), (4000, None)]);
    let (state, changes) = of(&[Unknown, Up]);
    assert_eq!((state.status, changes), (Status::Up, vec![(2000, up)]), "pending is no gap");
}

#[test]
fn a_held_verdict_ends_a_confirmation_and_our_own_trouble_does_not() {
    let (down, mut held, mut own) = (
        |at| result(at, Verdict::Down),
        result(2000, Verdict::Unknown),
        result(2000, Verdict::Unknown),
    );
    held.error = Some(CheckError::new(ErrorKind::Timeout, "timeout after 10s"));
    own.error = Some(CheckError::new(ErrorKind::Internal, "cannot check from here"));
    for (between, status) in [(held, Status::Pending), (own, Status::Down)] {
        let (state, _) = history(&http(1, 1), &[down(1000), between, down(3000)]);
        assert_eq!(state.status, status);
    }
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
fn a_check_that_an_absence_fell_into_says_nothing() {
    let policy = http(1, 1);
    let (state, _) = run(&policy, &[Verdict::Up]);
    let away = Event::WasAway(Timestamp(4000));
    let (state, _) = step(&state, &away, &policy, Timestamp(60_000));
    let check = |state: &State, at: i64, verdict: Verdict| {
        step(state, &Event::Checked(&result(at, verdict)), &policy, Timestamp(70_000))
    };
    let (same, facts) = check(&state, 3900, Verdict::Down);
    assert_eq!((&same, facts), (&state, vec![]));
    let (state, _) = check(&state, 61_000, Verdict::Down);
    let (state, _) = check(&state, 66_000, Verdict::Down);
    assert_eq!((state.status, state.since), (Status::Down, Timestamp(61_000)));
    assert_eq!(state.back_at, None);
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

#[test]
fn a_state_is_written_small_and_read_in_its_older_form_too() {
    let older = r#"{"status":"up","since":"2026-01-02T03:04:05.678+00:00","watched_since":"2026-01-02T03:00:00.000+00:00",
        "failing":{"first_at":"2026-01-02T03:04:06.000+00:00","count":1},"successes":0,"cause":null,"degraded_told":false,
        "last_check":null,"beat":{"pings":3,"last_ping_at":"2026-01-02T03:04:05.678+00:00","last_success_at":null,
        "due_at":null,"deadline_at":null,"runs":[{"rid":null,"started_at":"2026-01-02T03:04:05.000+00:00","deadline_at":null}]}}"#;
    let state: State = serde_json::from_str(older).unwrap();
    assert_eq!(state.since, Timestamp(1_767_323_045_678));
    assert_eq!(state.beat.last_ping_at, Some(state.since));
    let text = serde_json::to_string(&state).unwrap();
    assert!(text.contains(r#""beat":{"pings":3,"last_ping_at":1767323045678,"runs":"#), "{text}");
    assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state);
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
