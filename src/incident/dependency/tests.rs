use proptest::prelude::*;

use super::*;
use crate::monitor::state::{Failing, LastCheck};
use crate::monitor::{Settings, Verdict};

const NOW: Timestamp = Timestamp(1_000_000);

fn monitor(id: MonitorId, kind: &str) -> Monitor {
    let fields = match kind {
        "heartbeat" => serde_json::json!({"name": format!("m{id}"), "period_seconds": 60}),
        _ => serde_json::json!({"name": format!("m{id}"), "url": "https://a.example"}),
    };
    let settings =
        Settings::read(fields.as_object().unwrap(), kind.parse().unwrap(), None).unwrap();
    Monitor { id, uuid: None, settings, paused: false, created_at: NOW, updated_at: NOW }
}

fn state(status: Status, since: i64, last_check: Option<i64>) -> State {
    let mut state = State::unknown(NOW.plus_ms(since));
    state.status = status;
    let check = |at| LastCheck {
        at: NOW.plus_ms(at),
        verdict: Verdict::Up,
        status_code: None,
        total_ms: None,
    };
    state.last_check = last_check.map(check);
    state
}

/// Seconds before [`NOW`] are negative; the dependant fails since -10,000 ms.
fn why_of(monitor: &Monitor, state: &State, looked_at: Option<i64>) -> Option<Why> {
    let looked_at = looked_at.map(|at| NOW.plus_ms(at));
    held_by([(monitor, state)], NOW.plus_ms(-10_000), looked_at).map(|by| by.why)
}

#[test]
fn each_state_of_a_parent_holds_or_not() {
    let (http, job) = (monitor(1, "http"), monitor(2, "heartbeat"));
    let paused = Monitor { paused: true, ..monitor(1, "http") };
    let confirming = |status| State {
        failing: Some(Failing { first_at: NOW, count: 1 }),
        ..state(status, -99_000, Some(-5_000))
    };
    let well = |since, last| state(Status::Up, since, Some(last));
    for (parent, state, looked_at, expected) in [
        (&http, state(Status::Down, -5_000, Some(-1_000)), Some(-1_000), Some(Why::Down)),
        (&http, state(Status::Down, -99_000, Some(-50_000)), None, Some(Why::Down)),
        (&job, state(Status::Down, -5_000, None), None, Some(Why::Down)),
        (&http, confirming(Status::Up), Some(-1_000), Some(Why::Confirming)),
        (&http, confirming(Status::Pending), None, Some(Why::Confirming)),
        // Looked at before the dependant failed, or never: nobody knows.
        (&http, well(-99_000, -10_001), Some(-1_000), Some(Why::NotLookedAt)),
        (&http, state(Status::Pending, -99_000, None), None, Some(Why::NotLookedAt)),
        (&http, well(-99_000, -10_000), Some(-10_000), None),
        (&http, well(-99_000, -2_000), None, None),
        (&http, state(Status::Degraded, -99_000, Some(-2_000)), Some(-1_000), None),
        // Back since then: what was looked at before shows what came of its outage.
        (&http, well(-3_000, -2_000), Some(-3_001), Some(Why::JustBack)),
        (&http, well(-3_000, -2_000), Some(-3_000), None),
        (&http, well(-3_000, -2_000), None, None),
        // Jobs and paused monitors cannot be looked at.
        (&job, state(Status::Up, -99_000, None), None, None),
        (&job, state(Status::Pending, -99_000, None), None, None),
        (&paused, state(Status::Paused, -99_000, None), None, None),
        (&paused, state(Status::Down, -99_000, None), None, None),
    ] {
        assert_eq!(why_of(parent, &state, looked_at), expected, "{state:?} {looked_at:?}");
    }
}

#[test]
fn a_parent_in_trouble_goes_before_one_that_was_not_looked_at() {
    let (one, two) = (monitor(1, "http"), monitor(2, "http"));
    let (unknown, down) = (state(Status::Up, -99_000, None), state(Status::Down, -1, None));
    let by = held_by([(&one, &unknown), (&two, &down)], NOW, None).unwrap();
    assert_eq!((by.id, by.detail().as_str()), (2, "Held: depends on m2, which is down"));
    let by = held_by([(&one, &unknown)], NOW, None).unwrap();
    assert_eq!(by.detail(), "Held: depends on m1, which is looked at first");
    assert_eq!(held_by([], NOW, None), None);
}

#[test]
fn the_message_names_dependants_within_one_line() {
    assert_eq!(holds_line(&[]), None);
    let two = [("shop".to_owned(), true), ("a\nb".to_owned(), false)];
    assert_eq!(holds_line(&two).unwrap(), "Holds the alerts of: shop (failing), a b");
    let many: Vec<_> = (0..500).map(|n| (format!("shop {n}"), false)).collect();
    let line = holds_line(&many).unwrap();
    assert!(line.chars().count() <= 300 && line.ends_with(" more"), "{line}");
    let long = holds_line(&[("x".repeat(1000), false)]).unwrap();
    assert_eq!(long.chars().count(), 300);
}

/// Whether `from` depends on `to`, looked up step by step.
fn leads(pairs: &BTreeSet<(i64, i64)>, from: i64, to: i64) -> bool {
    let (mut seen, mut ahead) = (BTreeSet::new(), vec![from]);
    while let Some(at) = ahead.pop() {
        for (_, parent) in pairs.iter().filter(|(child, _)| *child == at) {
            if *parent == to {
                return true;
            }
            if seen.insert(*parent) {
                ahead.push(*parent);
            }
        }
    }
    false
}

proptest! {
    /// Changes that are refused when they are circular leave a graph without a circle, the same as one that is read anew.
    #[test]
    fn no_circle_ever_comes_about(
        steps in prop::collection::vec((0_i64..7, prop::collection::btree_set(0_i64..7, 0..4), any::<bool>()), 1..40),
    ) {
        let (mut all, mut pairs) = (Dependencies::default(), BTreeSet::new());
        for (id, parents, removed) in steps {
            if removed {
                let mut expected: Vec<i64> =
                    pairs.iter().filter(|(_, parent)| *parent == id).map(|(child, _)| *child).collect();
                expected.sort_unstable();
                prop_assert_eq!(all.remove(id), expected);
                pairs.retain(|(child, parent)| *child != id && *parent != id);
                continue;
            }
            let parents: Vec<i64> = parents.into_iter().filter(|parent| *parent != id).collect();
            let circular = all.circular(id, &parents);
            for parent in &parents {
                prop_assert_eq!(circular.contains(parent), leads(&pairs, *parent, id));
            }
            if circular.is_empty() {
                all.set(id, &parents);
                pairs.retain(|(child, _)| *child != id);
                pairs.extend(parents.iter().map(|parent| (id, *parent)));
            }
            prop_assert!((0..7).all(|one| !leads(&pairs, one, one)));
            for one in 0..7 {
                let below: BTreeSet<i64> = (0..7).filter(|other| leads(&pairs, *other, one)).collect();
                prop_assert_eq!(all.below(one), below);
            }
        }
    }
}
