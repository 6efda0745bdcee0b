//! Contract section 3, cell by cell.

use uuid::Uuid;

mod random_lives;

use super::expect::Expected;
use super::heartbeat::{Signal, SignalKind};
use super::state::{Event, Fact, Policy, State, step};
use super::{Cause, HeartbeatSpec, Status};
use crate::clock::Timestamp;

fn spec() -> HeartbeatSpec {
    HeartbeatSpec {
        expected: Expected::Every { period_seconds: 60 },
        grace_seconds: 30,
        max_runtime_seconds: None,
        first_ping_within_seconds: None,
        allowed_methods: Vec::new(),
    }
}

/// A job and its history; times are in seconds.
struct Job {
    spec: HeartbeatSpec,
    state: State,
    facts: Vec<Fact>,
}

impl Job {
    fn new(spec: HeartbeatSpec) -> Self {
        let state = State::new(&policy(&spec), Timestamp(0));
        Self { spec, state, facts: Vec::new() }
    }

    fn event(&mut self, event: &Event<'_>, at: i64) -> &mut Self {
        let (next, facts) = step(&self.state, event, &policy(&self.spec), Timestamp(at * 1000));
        self.state = next;
        self.facts = facts;
        self
    }

    fn signal(&mut self, kind: SignalKind, at: i64) -> &mut Self {
        self.signal_of(kind, None, at)
    }

    fn signal_of(&mut self, kind: SignalKind, rid: Option<Uuid>, at: i64) -> &mut Self {
        let signal = Signal { kind, rid, exit_status: None, at: Timestamp(at * 1000) };
        self.event(&Event::Signalled(&signal), at)
    }

    fn look(&mut self, at: i64) -> &mut Self {
        self.event(&Event::DeadlinePassed, at)
    }

    /// What the last event told: `down`, `up`, `stopped`, or nothing.
    fn told(&self) -> Vec<&'static str> {
        let word = |fact: &Fact| match fact {
            Fact::WentDown { .. } => Some("down"),
            Fact::Recovered { .. } => Some("up"),
            Fact::WatchingStopped { .. } => Some("stopped"),
            _ => None,
        };
        self.facts.iter().filter_map(word).collect()
    }

    fn expect(&self, status: Status, told: &[&str]) {
        assert_eq!((self.state.status, self.told()), (status, told.to_vec()));
    }

    fn deadline(&self) -> Option<i64> {
        self.state.armed_deadline().map(|at| at.0 / 1000)
    }
}

fn policy(spec: &HeartbeatSpec) -> Policy<'_> {
    Policy {
        retries: 0,
        recovery_checks: 1,
        heartbeat: Some(spec),
        tls_expiry_days: &[],
        rule: None,
    }
}

fn with_runtime() -> HeartbeatSpec {
    HeartbeatSpec { max_runtime_seconds: Some(10), ..spec() }
}

fn pending() -> Job {
    Job::new(with_runtime())
}

fn up() -> Job {
    let mut job = pending();
    job.signal(SignalKind::Success, 0);
    job
}

fn down() -> Job {
    let mut job = up();
    job.signal(SignalKind::Fail, 5);
    job
}

fn paused() -> Job {
    let mut job = up();
    job.event(&Event::Paused, 5);
    job
}

mod the_table {
    use super::SignalKind::{Fail, Log, Start, Success};
    use super::*;

    #[test]
    fn pending_success_is_up_without_alert() {
        pending().signal(Success, 9).expect(Status::Up, &[]);
    }

    #[test]
    fn pending_fail_is_down_with_alert() {
        pending().signal(Fail, 9).expect(Status::Down, &["down"]);
    }

    #[test]
    fn pending_start_begins_a_run() {
        let mut job = pending();
        job.signal(Start, 9).expect(Status::Pending, &[]);
        assert_eq!((job.state.beat.runs.len(), job.deadline()), (1, Some(19)));
    }

    #[test]
    fn pending_log_changes_nothing() {
        let mut job = pending();
        let before = job.state.clone();
        job.signal(Log, 9).expect(Status::Pending, &[]);
        assert_eq!(job.state, before);
    }

    #[test]
    fn pending_deadline_is_down_if_a_run_is_open() {
        pending().look(1 << 30).expect(Status::Pending, &[]);
        let mut job = pending();
        job.signal(Start, 9).look(19).expect(Status::Down, &["down"]);
        assert_eq!(job.state.cause, Some(Cause::StillRunning { max_runtime_seconds: 10 }));
    }

    #[test]
    fn pending_deadline_is_down_if_a_first_ping_limit_is_set() {
        let mut job = Job::new(HeartbeatSpec { first_ping_within_seconds: Some(20), ..spec() });
        job.look(19).expect(Status::Pending, &[]);
        job.look(20).expect(Status::Down, &["down"]);
        assert_eq!(job.state.cause, Some(Cause::NoFirstPing { within_seconds: 20 }));
    }

    #[test]
    fn up_success_is_up_with_a_new_deadline() {
        let mut job = up();
        job.signal(Success, 50).expect(Status::Up, &[]);
        assert_eq!(job.deadline(), Some(50 + 90));
    }

    #[test]
    fn up_fail_is_down_with_alert() {
        up().signal(Fail, 9).expect(Status::Down, &["down"]);
    }

    #[test]
    fn up_start_begins_a_run() {
        let mut job = up();
        job.signal(Start, 9).expect(Status::Up, &[]);
        assert_eq!(job.deadline(), Some(19));
    }

    #[test]
    fn up_log_changes_nothing() {
        let mut job = up();
        let before = job.state.clone();
        job.signal(Log, 9).expect(Status::Up, &[]);
        assert_eq!(job.state, before);
    }

    #[test]
    fn up_deadline_is_down_with_alert_dated_at_the_deadline() {
        let mut job = up();
        job.look(89).expect(Status::Up, &[]);
        job.look(95).expect(Status::Down, &["down"]);
        assert_eq!(job.state.since, Timestamp(90_000));
        let expected = "every 1m".to_owned();
        let cause = Cause::NoPing { silent_ms: 95_000, expected, grace_seconds: 30 };
        assert_eq!(job.state.cause, Some(cause));
    }

    #[test]
    fn down_success_is_up_with_alert() {
        down().signal(Success, 9).expect(Status::Up, &["up"]);
    }

    #[test]
    fn down_fail_stays_with_the_reason_updated_and_no_second_alert() {
        let mut job = down();
        let signal = Signal { kind: Fail, rid: None, exit_status: Some(3), at: Timestamp(9000) };
        job.event(&Event::Signalled(&signal), 9).expect(Status::Down, &[]);
        let cause = Cause::ReportedFailure { exit_status: Some(3) };
        assert_eq!(job.state.cause, Some(cause.clone()));
        assert_eq!(job.facts, [Fact::StillDown { cause, changed: true }]);
    }

    #[test]
    fn down_start_begins_a_run() {
        let mut job = down();
        job.signal(Start, 9).expect(Status::Down, &[]);
        assert_eq!(job.state.beat.runs.len(), 1);
    }

    #[test]
    fn down_log_changes_nothing() {
        let mut job = down();
        let before = job.state.clone();
        job.signal(Log, 9).expect(Status::Down, &[]);
        assert_eq!(job.state, before);
    }

    #[test]
    fn down_deadline_changes_nothing() {
        let mut job = down();
        job.signal(Start, 9);
        let before = job.state.clone();
        job.look(1 << 30).expect(Status::Down, &[]);
        assert_eq!(job.state, before);
    }

    #[test]
    fn paused_signals_are_recorded_only() {
        for kind in [Success, Fail, Start, Log] {
            let mut job = paused();
            job.signal(kind, 9).expect(Status::Paused, &[]);
            assert_eq!((job.deadline(), job.state.beat.runs.len()), (None, 0), "{kind}");
            let is_ping = matches!(kind, Success | Fail);
            let last = Timestamp(if is_ping { 9000 } else { 0 });
            assert_eq!(job.state.beat.last_ping_at, Some(last), "{kind}");
        }
    }

    #[test]
    fn paused_deadline_changes_nothing() {
        paused().look(1 << 30).expect(Status::Paused, &[]);
    }
}

mod runs {
    use super::SignalKind::{Fail, Start, Success};
    use super::*;

    fn rid(n: u128) -> Option<Uuid> {
        Some(Uuid::from_u128(n))
    }

    #[test]
    fn each_is_timed_on_its_own_rid() {
        let mut job = up();
        job.signal_of(Start, rid(1), 1).signal_of(Start, rid(2), 5);
        job.signal_of(Success, rid(1), 8);
        assert_eq!(job.deadline(), Some(15));
        job.look(15).expect(Status::Down, &["down"]);
        assert!(job.state.beat.runs.is_empty(), "an overdue run is closed");
    }

    #[test]
    fn a_success_without_a_rid_ends_a_start_without_one_only() {
        let mut job = up();
        job.signal(Start, 1).signal_of(Start, rid(1), 2).signal(Success, 3);
        assert_eq!(job.state.beat.runs.iter().map(|r| r.rid).collect::<Vec<_>>(), [rid(1)]);
        job.signal(Success, 4);
        assert_eq!(job.state.beat.runs.len(), 1);
    }

    #[test]
    fn a_success_with_an_unknown_rid_ends_the_run_without_one() {
        let mut job = up();
        job.signal(Start, 1).signal_of(Success, rid(9), 3);
        assert!(job.state.beat.runs.is_empty());
    }

    #[test]
    fn a_failure_ends_its_run_too() {
        let mut job = up();
        job.signal_of(Start, rid(1), 1).signal_of(Fail, rid(1), 3);
        assert!(job.state.beat.runs.is_empty());
    }

    #[test]
    fn a_second_start_begins_anew() {
        let mut job = up();
        job.signal(Start, 1).signal(Start, 7);
        assert_eq!((job.state.beat.runs.len(), job.deadline()), (1, Some(17)));
    }

    #[test]
    fn one_without_a_max_runtime_has_no_deadline() {
        let mut job = Job::new(spec());
        job.signal(Success, 0).signal(Start, 1);
        assert_eq!(job.deadline(), Some(90));
    }

    #[test]
    fn one_that_went_over_while_down_is_no_second_alert() {
        let mut job = down();
        job.signal(Start, 9).signal_of(Success, rid(1), 60).expect(Status::Up, &["up"]);
        let mut job = down();
        job.signal_of(Start, rid(1), 9).signal(Success, 60).expect(Status::Up, &["up"]);
        assert_eq!(job.deadline(), Some(150));
    }

    #[test]
    fn starts_without_end_do_not_grow_the_state() {
        let mut job = up();
        for n in 0..1000 {
            job.signal_of(Start, rid(n), 1);
        }
        assert_eq!(job.state.beat.runs.len(), super::super::heartbeat::RUNS_MAX);
    }
}

mod changes {
    use super::SignalKind::Success;
    use super::*;

    #[test]
    fn resuming_a_job_that_pinged_before_waits_a_whole_window() {
        let mut job = paused();
        job.event(&Event::Resumed, 500).expect(Status::Pending, &[]);
        job.look(589).expect(Status::Pending, &[]);
        job.look(590).expect(Status::Down, &["down"]);
    }

    #[test]
    fn resuming_a_job_that_never_pinged_waits_for_ever() {
        let mut job = pending();
        job.event(&Event::Paused, 5).event(&Event::Resumed, 9);
        job.look(1 << 30).expect(Status::Pending, &[]);
    }

    #[test]
    fn pausing_a_job_that_is_down_ends_its_outage() {
        down().event(&Event::Paused, 9).expect(Status::Paused, &["stopped"]);
    }

    #[test]
    fn a_new_period_counts_from_the_last_success() {
        let mut job = up();
        job.spec.expected = Expected::Every { period_seconds: 600 };
        job.event(&Event::Edited { window_changed: true }, 10);
        assert_eq!(job.deadline(), Some(630));
    }

    #[test]
    fn a_new_period_that_is_missed_already_counts_from_now() {
        let mut job = up();
        job.spec.expected = Expected::Every { period_seconds: 10 };
        job.event(&Event::Edited { window_changed: true }, 80);
        assert_eq!(job.deadline(), Some(80 + 40));
    }

    #[test]
    fn our_own_absence_raises_no_alarm_and_a_dead_job_alerts_one_window_later() {
        let mut job = up();
        job.event(&Event::WasAway(Timestamp(50_000)), 200);
        assert_eq!(job.deadline(), Some(290));
        job.look(289).expect(Status::Up, &[]);
        job.look(290).expect(Status::Down, &["down"]);
    }

    #[test]
    fn an_absence_before_the_due_time_moves_nothing() {
        let mut job = up();
        job.event(&Event::WasAway(Timestamp(10_000)), 50);
        assert_eq!(job.deadline(), Some(90));
    }

    #[test]
    fn an_open_run_gets_its_max_runtime_anew_after_an_absence() {
        let mut job = up();
        job.signal(SignalKind::Start, 1).event(&Event::WasAway(Timestamp(5_000)), 30);
        assert_eq!(job.deadline(), Some(40));
    }

    #[test]
    fn a_clock_that_was_set_back_makes_nobody_wait_longer_than_a_window() {
        let mut job = Job::new(spec());
        job.signal(Success, 10_000).event(&Event::WasAway(Timestamp(10_001_000)), 2_800);
        assert_eq!(job.deadline(), Some(2_890));
    }
}
