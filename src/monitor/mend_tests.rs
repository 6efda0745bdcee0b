//! A server was away from 1,000 s to 1,300 s; what three regions hand in afterwards fills the gap.

use super::mend::{mend, part};
use super::quorum::{Quorum, Rule};
use super::state::Policy;
use super::{CheckError, CheckResult, ErrorKind, FailedChecks, Phases, Status, Verdict};
use crate::clock::Timestamp;

use Verdict::{Down, Up};

const AWAY: (Timestamp, Timestamp) = (Timestamp(1_000_000), Timestamp(1_300_000));

fn result(region: &str, second: i64, verdict: Verdict) -> CheckResult {
    let is_down = verdict == Down;
    CheckResult {
        region: region.to_owned(),
        started_at: Timestamp(second * 1000),
        phases: Phases { total: Some(1), ..Phases::default() },
        status_code: Some(if is_down { 503 } else { 200 }),
        error: is_down.then(|| CheckError::new(ErrorKind::Status, "status 503")),
        failed_checks: FailedChecks::new(),
        certificate: None,
        answer: None,
        verdict,
    }
}

/// Checks of these regions every 10 s within a span, and the changes of status that they make of the gap, in seconds.
fn story(told: &[(&str, i64, i64, Verdict)], before: Status) -> Vec<(i64, Option<Status>)> {
    let regions = ["a", "b", "c"].map(str::to_owned);
    let rule = Rule { regions: &regions, quorum: Quorum::Majority, fresh_ms: 50_000 };
    let policy = Policy {
        retries: 0,
        recovery_checks: 1,
        heartbeat: None,
        tls_expiry_days: &[],
        rule: Some(rule),
    };
    let each = told.iter().flat_map(|&(region, from, until, verdict)| {
        (from..until).step_by(10).map(move |second| result(region, second, verdict))
    });
    let mut results: Vec<CheckResult> = each.collect();
    results.sort_by_key(|result| result.started_at);
    let changes = mend(AWAY, before, &results, &policy);
    changes.iter().map(|change| (change.at.0 / 1000, change.status)).collect()
}

#[test]
fn results_of_two_regions_leave_no_gap() {
    let all = [("a", 900, 1300, Up), ("b", 901, 1300, Up)];
    assert_eq!(story(&all, Status::Up), [(1000, Some(Status::Up))]);
}

#[test]
fn one_region_is_too_few_once_the_others_have_been_silent_for_long() {
    let one = [("a", 900, 1300, Up), ("b", 900, 1000, Up)];
    assert_eq!(story(&one, Status::Up), [(1000, Some(Status::Up)), (1040, None)]);
}

#[test]
fn without_a_word_it_stays_a_gap() {
    assert_eq!(story(&[], Status::Up), [(1000, None)]);
    let silent = [("a", 900, 1000, Up), ("b", 900, 1000, Up), ("c", 900, 1000, Up)];
    assert_eq!(story(&silent, Status::Up), [(1000, Some(Status::Up)), (1040, None)]);
}

#[test]
fn an_outage_that_came_and_went_is_in_it() {
    let all = [
        ("a", 900, 1100, Up),
        ("b", 900, 1100, Up),
        ("a", 1100, 1200, Down),
        ("b", 1105, 1200, Down),
        ("a", 1200, 1300, Up),
        ("b", 1200, 1300, Up),
    ];
    let expected = [
        (1000, Some(Status::Up)),
        (1100, Some(Status::Degraded)),
        (1105, Some(Status::Down)),
        (1200, Some(Status::Degraded)),
        (1200, Some(Status::Up)),
    ];
    let found = story(&all, Status::Up);
    assert_eq!(found.first(), expected.first());
    assert!(found.contains(&expected[2]), "{found:?}");
    assert_eq!(found.last(), expected.last(), "{found:?}");
}

#[test]
fn only_the_part_that_results_speak_of_is_looked_at() {
    let regions = ["a".to_owned()];
    let rule = Rule { regions: &regions, quorum: Quorum::Majority, fresh_ms: 50_000 };
    let part = |from: i64, until: i64| {
        part(AWAY, (Timestamp(from * 1000), Timestamp(until * 1000)), rule)
            .map(|(from, until)| (from.0 / 1000, until.0 / 1000))
    };
    assert_eq!(part(900, 1100), Some((1000, 1150)));
    assert_eq!(part(1200, 1290), Some((1150, 1300)));
    assert_eq!(part(800, 940), None);
    assert_eq!(part(1350, 1400), None);
}
