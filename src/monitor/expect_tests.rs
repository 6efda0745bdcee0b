//! Cron times around changes of the clock, against `dst.tsv`, which `dst.py` writes from the contract and Python's time zones.

use super::expect::{CronSchedule, Expected};
use crate::clock::Timestamp;

/// One case: an expression in a zone, and the times at which it is due, one after the other.
struct Case {
    name: String,
    schedule: CronSchedule,
    due: Vec<Timestamp>,
}

fn cases() -> Vec<Case> {
    let rows = include_str!("expect_tests/dst.tsv").lines().filter(|row| !row.starts_with('#'));
    rows.map(|row| {
        let columns: Vec<&str> = row.split('\t').collect();
        let [zone, expression, due] = columns[..] else { panic!("{row}") };
        Case {
            name: format!("{expression} in {zone}"),
            schedule: CronSchedule::parse(expression, zone.parse().unwrap()).unwrap(),
            due: due.split(' ').map(time).collect(),
        }
    })
    .collect()
}

fn time(text: &str) -> Timestamp {
    Timestamp::parse_rfc3339(&text.replace('Z', ":00Z")).unwrap()
}

#[test]
fn the_table_has_both_edges_of_six_zones() {
    assert!(cases().len() >= 64);
    let zones: std::collections::BTreeSet<_> =
        cases().iter().map(|case| case.schedule.timezone().name()).collect();
    assert_eq!(zones.len(), 6, "{zones:?}");
}

#[test]
fn next_goes_through_the_table() {
    for Case { name, schedule, due } in cases() {
        assert_eq!(schedule.next(due[0].plus_ms(-1)), due[0], "{name}: the first");
        for pair in due.windows(2) {
            let middle = Timestamp(pair[0].0.midpoint(pair[1].0));
            for at in [pair[0], pair[0].plus_ms(1), middle, pair[1].plus_ms(-1)] {
                assert_eq!(schedule.next(at), pair[1], "{name}: after {at}");
            }
        }
    }
}

#[test]
fn previous_goes_back_through_the_table() {
    for Case { name, schedule, due } in cases() {
        let last = due[due.len() - 1];
        assert_eq!(schedule.previous(last.plus_ms(1)), last, "{name}: the last");
        for pair in due.windows(2) {
            let middle = Timestamp(pair[0].0.midpoint(pair[1].0));
            for at in [pair[1], pair[1].plus_ms(-1), middle, pair[0].plus_ms(1)] {
                assert_eq!(schedule.previous(at), pair[0], "{name}: before {at}");
            }
        }
    }
}

/// A success counts for a time that it comes shortly before: by at most the smaller of the grace and a quarter of the gap.
#[test]
fn a_success_shortly_before_its_time_counts_for_it() {
    const GRACE: u32 = 600;
    for Case { name, schedule, due } in cases() {
        let expected = Expected::At(schedule);
        for triple in due.windows(3) {
            let [before, next, after] = triple else { panic!() };
            let tolerance_ms = (next.since(*before) / 4).min(i64::from(GRACE) * 1000);
            let at = |ms: i64| expected.due_after_success(next.plus_ms(-ms), GRACE);
            assert_eq!(at(tolerance_ms), *after, "{name}: just early enough for {next}");
            assert_eq!(at(tolerance_ms + 1), *next, "{name}: too early for {next}");
            assert_eq!(at(0), *after, "{name}: at {next}");
            assert_eq!(expected.due_after_success(next.plus_ms(-1), 0), *next, "{name}: no grace");
            assert_eq!(expected.due_from(*before), *next, "{name}: no tolerance for a wait");
        }
    }
}
