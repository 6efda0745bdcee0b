//! The state machine against a simple oracle, and its cells by name.

use proptest::prelude::*;

use super::heartbeat::{Signal, SignalKind};
use super::state::{Event, Fact, Policy, State, step};
use super::{
    Cause, CheckError, CheckResult, ErrorKind, FailedChecks, HeartbeatSpec, Phases, Status, Verdict,
};
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
        verdict,
    }
}

fn http(retries: u32, recovery_checks: u32) -> Policy {
    Policy { retries, recovery_checks, heartbeat: None }
}

/// Runs verdicts one second apart and gives the last state and all facts but the changes of status.
fn run(policy: &Policy, verdicts: &[Verdict]) -> (State, Vec<Fact>) {
    let mut state = State::new(Timestamp(0));
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
    let state = State::new(Timestamp(0));
    let (state, _) = step(&state, &Event::Edited(policy), &policy, Timestamp(5000));
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
fn expected_status(policy: &Policy, verdicts: &[Verdict]) -> Status {
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

const SPEC: HeartbeatSpec = HeartbeatSpec { period_seconds: 60, grace_seconds: 30 };

fn job() -> Policy {
    Policy { retries: 0, recovery_checks: 1, heartbeat: Some(SPEC) }
}

fn signal(at: i64, kind: SignalKind) -> Signal {
    Signal { kind, exit_status: None, at: Timestamp(at) }
}

/// What happens to a job in the property test.
#[derive(Debug, Clone, Copy)]
enum Act {
    Success,
    Fail,
    Look,
    Pause,
    Resume,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => Just(Act::Success),
        2 => Just(Act::Fail),
        4 => Just(Act::Look),
        1 => Just(Act::Pause),
        1 => Just(Act::Resume),
    ]
}

/// The oracle of a job: the contract's table, written out.
#[derive(Debug, Clone, Copy)]
struct Job {
    status: Status,
    deadline: Option<i64>,
    was_pinged: bool,
    alerts: i32,
}

impl Job {
    fn act(&mut self, act: Act, now: i64) {
        const WINDOW_MS: i64 = 90_000;
        match (act, self.status) {
            (Act::Success | Act::Fail, Status::Paused) => self.was_pinged = true,
            (Act::Success, _) => {
                self.alerts += i32::from(self.status == Status::Down);
                self.status = Status::Up;
                self.deadline = Some(now + WINDOW_MS);
                self.was_pinged = true;
            }
            (Act::Fail, _) => {
                self.alerts += i32::from(self.status != Status::Down);
                self.status = Status::Down;
                self.was_pinged = true;
            }
            (Act::Look, Status::Up | Status::Pending) => {
                if self.deadline.is_some_and(|d| d <= now) {
                    self.alerts += 1;
                    self.status = Status::Down;
                }
            }
            (Act::Pause, _) => {
                self.alerts += i32::from(self.status == Status::Down);
                self.status = Status::Paused;
                self.deadline = None;
            }
            (Act::Resume, Status::Paused) => {
                self.status = Status::Pending;
                self.deadline = self.was_pinged.then_some(now + WINDOW_MS);
            }
            (Act::Look | Act::Resume, _) => {}
        }
    }
}

proptest! {
    #[test]
    fn heartbeats_agree_with_the_table(
        acts in prop::collection::vec((act(), 1..100_000i64), 0..40)
    ) {
        let mut now = 0;
        let mut state = State::new(Timestamp(0));
        let mut oracle =
            Job { status: Status::Pending, deadline: None, was_pinged: false, alerts: 0 };
        let mut alerts = 0;
        for (act, wait) in acts {
            now += wait;
            let ok = signal(now, SignalKind::Success);
            let failed = signal(now, SignalKind::Fail);
            let event = match act {
                Act::Success => Event::Signalled(&ok),
                Act::Fail => Event::Signalled(&failed),
                Act::Look => Event::DeadlinePassed,
                Act::Pause => Event::Paused,
                Act::Resume => Event::Resumed,
            };
            let (next, facts) = step(&state, &event, &job(), Timestamp(now));
            state = next;
            oracle.act(act, now);
            alerts += facts.iter().filter(|f| matches!(
                f,
                Fact::WentDown { .. } | Fact::Recovered { .. } | Fact::WatchingStopped { .. }
            )).count();
            prop_assert_eq!(state.status, oracle.status);
            prop_assert_eq!(i32::try_from(alerts).unwrap(), oracle.alerts);
        }
    }
}

#[test]
fn a_missed_window_is_dated_at_the_deadline() {
    let (state, _) = step(
        &State::new(Timestamp(0)),
        &signalled(&signal(1000, SignalKind::Success)),
        &job(),
        Timestamp(1000),
    );
    assert_eq!(state.beat.due_at, Some(Timestamp(61_000)));
    assert!(!state.is_late(Timestamp(60_999)));
    assert!(state.is_late(Timestamp(61_000)));
    let (early, facts) = step(&state, &Event::DeadlinePassed, &job(), Timestamp(90_999));
    assert_eq!((early, facts), (state.clone(), vec![]));
    let (down, facts) = step(&state, &Event::DeadlinePassed, &job(), Timestamp(91_500));
    assert_eq!((down.status, down.since), (Status::Down, Timestamp(91_000)));
    let cause = Cause::NoPing { silent_ms: 90_500, period_seconds: 60, grace_seconds: 30 };
    assert!(facts.contains(&Fact::WentDown { started_at: Timestamp(91_000), cause }));
}

fn signalled(signal: &Signal) -> Event<'_> {
    Event::Signalled(signal)
}

#[test]
fn a_pending_job_that_never_pinged_raises_no_alarm() {
    let state = State::new(Timestamp(0));
    let (next, facts) = step(&state, &Event::DeadlinePassed, &job(), Timestamp(1 << 40));
    assert_eq!((next, facts), (state, vec![]));
}

#[test]
fn our_own_absence_raises_no_alarm_and_a_dead_job_alerts_one_window_later() {
    let ok = signal(0, SignalKind::Success);
    let (state, _) = step(&State::new(Timestamp(0)), &signalled(&ok), &job(), Timestamp(0));
    // Away from 50 s to 200 s: due (60 s) and deadline (90 s) fell inside.
    let (state, _) = step(&state, &Event::WasAway(Timestamp(50_000)), &job(), Timestamp(200_000));
    assert_eq!(state.armed_deadline(), Some(Timestamp(290_000)));
    let (state, facts) = step(&state, &Event::DeadlinePassed, &job(), Timestamp(289_999));
    assert_eq!((state.status, facts), (Status::Up, vec![]));
    let (state, _) = step(&state, &Event::DeadlinePassed, &job(), Timestamp(290_000));
    assert_eq!(state.status, Status::Down);
}

#[test]
fn an_absence_before_the_due_time_moves_nothing() {
    let ok = signal(0, SignalKind::Success);
    let (state, _) = step(&State::new(Timestamp(0)), &signalled(&ok), &job(), Timestamp(0));
    let (next, _) = step(&state, &Event::WasAway(Timestamp(10_000)), &job(), Timestamp(50_000));
    assert_eq!(next.armed_deadline(), state.armed_deadline());
}

/// An edit after our own absence must not bring back the window that the absence had moved, as that would raise an alarm.
#[test]
fn an_edit_after_our_own_absence_raises_no_alarm() {
    let ok = signal(0, SignalKind::Success);
    let (state, _) = step(&State::new(Timestamp(0)), &signalled(&ok), &job(), Timestamp(0));
    let (state, _) = step(&state, &Event::WasAway(Timestamp(50_000)), &job(), Timestamp(200_000));
    let (renamed, _) = step(&state, &Event::Edited(job()), &job(), Timestamp(201_000));
    assert_eq!(renamed.armed_deadline(), state.armed_deadline());
    let spec = HeartbeatSpec { period_seconds: 40, grace_seconds: 30 };
    let shorter = Policy { heartbeat: Some(spec), ..job() };
    let (edited, _) = step(&state, &Event::Edited(job()), &shorter, Timestamp(201_000));
    assert_eq!(edited.armed_deadline(), Some(Timestamp(270_000)));
}
