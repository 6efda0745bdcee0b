//! Three regions tell their story, check by check: what the monitor is, and which facts follow.

use super::quorum::{Quorum, Rule};
use super::state::{Event, Fact, Policy, State, step};
use super::{CheckError, CheckResult, ErrorKind, FailedChecks, Phases, Status, Verdict};
use crate::clock::Timestamp;

use Verdict::{Degraded, Down, Unknown, Up};

const FRESH_MS: i64 = 160_000;

/// A check in `region` that began at `at`.
pub(super) fn result(region: &str, at: Timestamp, verdict: Verdict) -> CheckResult {
    let is_down = verdict == Down;
    CheckResult {
        region: region.to_owned(),
        started_at: at,
        phases: Phases { total: Some(1), ..Phases::default() },
        status_code: Some(if is_down { 503 } else { 200 }),
        error: is_down.then(|| CheckError::new(ErrorKind::Status, "status 503")),
        failed_checks: FailedChecks::new(),
        certificate: None,
        answer: None,
        verdict,
    }
}

struct World {
    regions: Vec<String>,
    quorum: Quorum,
    retries: u32,
    state: State,
    now: Timestamp,
    facts: Vec<Fact>,
}

impl World {
    fn new(regions: &[&str], retries: u32) -> Self {
        Self {
            regions: regions.iter().map(|name| (*name).to_owned()).collect(),
            quorum: Quorum::Majority,
            retries,
            state: State::unknown(Timestamp(0)),
            now: Timestamp(1000),
            facts: Vec::new(),
        }
    }

    /// A second later `region` has made a check that began just then.
    fn check(&mut self, region: &str, verdict: Verdict) -> &mut Self {
        self.now = self.now.plus_ms(1000);
        self.report(region, self.now, verdict)
    }

    fn report(&mut self, region: &str, at: Timestamp, verdict: Verdict) -> &mut Self {
        self.event(&Event::Checked(&result(region, at, verdict)))
    }

    fn event(&mut self, event: &Event<'_>) -> &mut Self {
        let rule = Rule { regions: &self.regions, quorum: self.quorum, fresh_ms: FRESH_MS };
        let policy = Policy {
            retries: self.retries,
            recovery_checks: 1,
            heartbeat: None,
            tls_expiry_days: &[],
            rule: Some(rule),
        };
        let (next, facts) = step(&self.state, event, &policy, self.now);
        self.state = next;
        self.facts.extend(facts);
        self
    }

    /// The facts since the last call that are no history, in a word each.
    fn told(&mut self) -> Vec<&'static str> {
        let word = |fact| match fact {
            Fact::WentDown { .. } => Some("went down"),
            Fact::StillDown { .. } => Some("still down"),
            Fact::Recovered { .. } => Some("recovered"),
            Fact::Degraded => Some("degraded"),
            Fact::NoLongerDegraded { .. } => Some("no longer degraded"),
            Fact::NotKnown { .. } => Some("not known"),
            _ => None,
        };
        std::mem::take(&mut self.facts).into_iter().filter_map(word).collect()
    }

    fn is_stale(&self) -> bool {
        let rule = Rule { regions: &self.regions, quorum: self.quorum, fresh_ms: FRESH_MS };
        let policy = Policy {
            retries: self.retries,
            recovery_checks: 1,
            heartbeat: None,
            tls_expiry_days: &[],
            rule: Some(rule),
        };
        self.state.is_stale(&policy, self.now)
    }
}

/// Three regions, all up.
fn three() -> World {
    let mut world = World::new(&["a", "b", "c"], 0);
    world.check("a", Up);
    assert_eq!(world.state.status, Status::Pending, "one of three is too few to say");
    world.check("b", Up).check("c", Up);
    assert_eq!((world.state.status, world.told()), (Status::Up, vec![]));
    world
}

#[test]
fn one_failing_region_of_three_alerts_nobody_and_two_do() {
    let mut world = three();
    world.check("a", Down);
    assert_eq!(world.state.status, Status::Degraded);
    assert!(world.state.below_quorum && world.state.cause.is_some());
    assert_eq!(world.told(), Vec::<&str>::new());
    let first_of_b = world.now.plus_ms(1000);
    world.check("b", Down);
    assert_eq!((world.state.status, world.told()), (Status::Down, vec!["went down"]));
    assert_eq!(world.state.since, first_of_b, "from then on two were failing");
    world.check("c", Up).check("a", Down);
    assert_eq!(world.told(), ["still down"], "the success of one ends nothing");
    world.check("a", Up);
    assert_eq!((world.state.status, world.told()), (Status::Degraded, vec!["recovered"]));
    assert!(world.state.below_quorum);
    world.check("b", Up);
    assert_eq!((world.state.status, world.told()), (Status::Up, vec!["no longer degraded"]));
    assert!(world.state.cause.is_none() && !world.state.below_quorum);
}

#[test]
fn each_region_has_its_own_retries() {
    let mut world = three();
    world.retries = 1;
    world.check("a", Down).check("b", Down).check("c", Down);
    assert_eq!(world.state.status, Status::Up, "three first failures are no confirmed one");
    assert!(world.state.is_confirming());
    assert!(world.state.seen_from("a").is_confirming());
    world.check("a", Down);
    assert_eq!(world.state.status, Status::Degraded);
    assert!(!world.state.seen_from("a").is_confirming());
    world.check("c", Up).check("b", Down);
    assert_eq!((world.state.status, world.told()), (Status::Down, vec!["went down"]));
}

#[test]
fn an_error_and_a_slow_one_of_three_are_degraded_by_quorum() {
    let mut world = three();
    world.check("a", Down).check("b", Degraded);
    assert_eq!((world.state.status, world.told()), (Status::Degraded, vec!["degraded"]));
    assert!(!world.state.below_quorum);
    world.state.degraded_told = true;
    world.check("b", Up).check("b", Degraded);
    assert_eq!(world.told(), Vec::<&str>::new(), "told once");
    world.check("a", Up).check("b", Up);
    assert_eq!((world.state.status, world.told()), (Status::Up, vec!["no longer degraded"]));
}

#[test]
fn repeated_late_and_foreign_reports_change_nothing() {
    let mut world = three();
    world.check("a", Down);
    let (before, at) = (world.state.clone(), world.now);
    world.report("a", at, Down).report("a", at, Up).report("a", at.plus_ms(-500), Up);
    world.report("elsewhere", at, Down);
    assert_eq!(world.state, before);
}

#[test]
fn silence_neither_makes_nor_ends_an_outage() {
    let mut world = three();
    world.now = world.now.plus_ms(FRESH_MS);
    assert!(world.is_stale());
    world.event(&Event::FellSilent);
    assert_eq!((world.state.status, world.told()), (Status::Up, vec!["not known"]));
    world.event(&Event::FellSilent);
    assert_eq!(world.told(), Vec::<&str>::new());
    world.check("a", Down);
    assert_eq!(
        (world.state.status, world.told()),
        (Status::Up, vec![]),
        "alone it decides nothing"
    );
    world.check("b", Down);
    assert_eq!((world.state.status, world.told()), (Status::Down, vec!["went down"]));
    assert!(!world.is_stale());
    // Only a, which is up again, speaks: the outage stands.
    world.now = world.now.plus_ms(FRESH_MS);
    world.check("a", Up);
    assert_eq!((world.state.status, world.told()), (Status::Down, vec!["not known"]));
    world.check("b", Up);
    assert_eq!((world.state.status, world.told()), (Status::Up, vec!["recovered"]));
}

#[test]
fn a_trouble_of_a_region_is_its_own() {
    let mut world = three();
    world.check("a", Unknown).check("b", Down);
    assert_eq!(world.state.status, Status::Degraded);
    world.check("c", Unknown);
    assert_eq!(world.state.status, Status::Degraded, "the state stands");
    assert!(world.is_stale());
    world.check("c", Up);
    assert!(!world.is_stale());
}

#[test]
fn a_region_alone_decides_for_itself() {
    let mut world = World::new(&["a"], 1);
    world.check("a", Up).check("a", Down);
    assert_eq!((world.state.status, world.told()), (Status::Up, vec![]));
    // The same again, as a probe sends what it does not know to have arrived.
    let at = world.now;
    world.report("a", at, Down);
    assert_eq!(world.state.status, Status::Up);
    world.check("a", Down);
    assert_eq!((world.state.status, world.told()), (Status::Down, vec!["went down"]));
    assert_eq!(world.state.since, at);
}

#[test]
fn what_was_found_with_other_settings_is_no_vote() {
    let mut world = three();
    world.check("a", Down);
    world.now = world.now.plus_ms(1000);
    world.event(&Event::Edited { window_changed: true });
    world.check("b", Down);
    assert_eq!(world.state.status, Status::Degraded, "the old word of a does not count");
    world.check("a", Down);
    assert_eq!(world.state.status, Status::Down);
    world.regions.pop();
    world.event(&Event::Edited { window_changed: true });
    assert!(!world.state.regions.contains_key("c"), "it is not asked any more");
}

#[test]
fn an_outage_that_ends_in_degraded_keeps_its_time() {
    let mut world = three();
    world.check("a", Down).check("b", Down);
    let down_at = world.state.since;
    assert_eq!(world.state.status, Status::Down);
    world.facts.clear();
    world.check("a", Up);
    let (at, status) = (world.now, Status::Degraded);
    assert_eq!((world.state.status, world.state.since), (status, at), "b still fails");
    assert!(world.facts.contains(&Fact::StatusChanged { status, at }) && at > down_at);
}

/// Regions that were cut off hand in what they found in any order: the older check may come later.
#[test]
fn a_gap_does_not_end_before_it_begins() {
    let mut world = three();
    let began = world.now.plus_ms(2 * FRESH_MS);
    world.now = began.plus_ms(10_000);
    world.facts.clear();
    world.report("a", began, Up);
    assert_eq!(world.facts, [Fact::NotKnown { at: began }]);
    world.report("b", began.plus_ms(-332), Up);
    let last = world.facts.last().unwrap();
    assert_eq!(*last, Fact::StatusChanged { status: Status::Up, at: began });
    assert_eq!(world.state.unknown_since, None);
}
