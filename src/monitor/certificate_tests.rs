//! Warnings of the end of certificates: cells by name, and random lives against an oracle that looks at all that was.

use std::sync::Arc;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::certificate::Certificate;
use super::state::{Event, Fact, Policy, State, step};
use super::{
    CheckError, CheckResult, ErrorKind, FailedChecks, Kind, Phases, Settings, Target, Verdict,
};
use crate::clock::Timestamp;

const DAY: i64 = 86_400_000;
const START: Timestamp = Timestamp(1_800_000_000_000);

fn certificate(fingerprint: &str, not_after: Timestamp) -> Arc<Certificate> {
    Arc::new(Certificate {
        subject: "a.example".to_owned(),
        issuer: "R11 (Let's Encrypt)".to_owned(),
        names: vec!["a.example".to_owned()],
        not_before: START,
        not_after,
        fingerprint: fingerprint.to_owned(),
    })
}

fn saw(
    at: Timestamp,
    certificate: Option<Arc<Certificate>>,
    error: Option<ErrorKind>,
) -> CheckResult {
    CheckResult {
        region: "local".to_owned(),
        started_at: at,
        phases: Phases::default(),
        status_code: None,
        error: error.map(|kind| CheckError::new(kind, "wrong")),
        failed_checks: FailedChecks::new(),
        certificate,
        answer: None,
        verdict: if error.is_some() { Verdict::Down } else { Verdict::Up },
    }
}

fn policy(tls_expiry_days: &[u32]) -> Policy<'_> {
    Policy { retries: 0, recovery_checks: 1, heartbeat: None, tls_expiry_days, rule: None }
}

/// The warning that a check leads to: which certificate, days left, threshold.
fn warned(facts: &[Fact]) -> Option<(String, i64, u32)> {
    let mut found = facts.iter().filter_map(|fact| match fact {
        Fact::CertificateExpiring { certificate, days_left, threshold } => {
            Some((certificate.fingerprint.clone(), *days_left, *threshold))
        }
        _ => None,
    });
    let first = found.next();
    assert!(found.next().is_none(), "one warning a check");
    first
}

fn check(
    state: &mut State,
    seen: &Arc<Certificate>,
    days: &[u32],
    at: Timestamp,
) -> Option<(i64, u32)> {
    let result = saw(at, Some(Arc::clone(seen)), None);
    // As it is read back after a restart.
    *state = serde_json::from_value(json!(state)).unwrap();
    let (next, facts) = step(state, &Event::Checked(&result), &policy(days), at);
    *state = next;
    warned(&facts).map(|(_, days_left, threshold)| (days_left, threshold))
}

#[test]
fn each_threshold_is_told_once_and_of_several_only_the_nearest() {
    let days = [30, 14, 7, 1];
    let seen = certificate("a", START.plus_ms(40 * DAY));
    let mut state = State::unknown(START);
    // Days gone by, and what is told then.
    for (gone, told) in [
        (0, None),
        (9, None),
        (10, Some((30, 30))),
        (11, None),
        (25, None),
        (34, Some((6, 7))),
        (35, None),
        (39, Some((1, 1))),
        (40, None),
        (41, None),
    ] {
        let at = START.plus_ms(gone * DAY);
        assert_eq!(check(&mut state, &seen, &days, at), told, "after {gone} days");
    }
    // A new one starts afresh, and the old one, when it is seen again, stays told.
    let at = START.plus_ms(41 * DAY);
    let renewed = certificate("b", at.plus_ms(6 * DAY));
    assert_eq!(check(&mut state, &renewed, &days, at), Some((6, 7)));
    assert_eq!(check(&mut state, &seen, &days, at), None);
    assert_eq!(check(&mut state, &renewed, &days, at), None);
    assert_eq!(state.certificate, Some(renewed));
}

#[test]
fn what_a_threshold_of_none_and_of_nothing_mean() {
    let seen = certificate("a", START);
    let later = START.plus_ms(1);
    assert_eq!(check(&mut State::unknown(START), &seen, &[], later), None, "no thresholds");
    assert_eq!(check(&mut State::unknown(START), &seen, &[0], START), Some((0, 0)), "the very end");
    assert_eq!(check(&mut State::unknown(START), &seen, &[7, 1], later), Some((0, 1)), "ended");
}

#[test]
fn a_certificate_that_is_refused_is_kept_but_not_warned_of() {
    let seen = certificate("a", START.plus_ms(DAY));
    for (error, told) in [
        (None, true),
        (Some(ErrorKind::Tls), false),
        (Some(ErrorKind::Status), true),
        (Some(ErrorKind::Timeout), true),
    ] {
        let result = saw(START, Some(Arc::clone(&seen)), error);
        let days = [7];
        let (state, facts) =
            step(&State::unknown(START), &Event::Checked(&result), &policy(&days), START);
        assert_eq!(warned(&facts).is_some(), told, "{error:?}");
        assert_eq!(state.certificate.as_ref(), Some(&seen), "{error:?}");
    }
}

#[test]
fn the_last_one_seen_stays_until_the_target_is_another() {
    let days = [7];
    let seen = certificate("a", START.plus_ms(90 * DAY));
    let result = saw(START, Some(Arc::clone(&seen)), None);
    let (state, _) = step(&State::unknown(START), &Event::Checked(&result), &policy(&days), START);
    let refused = saw(START, None, Some(ErrorKind::Refused));
    let (state, _) = step(&state, &Event::Checked(&refused), &policy(&days), START);
    assert_eq!(state.certificate, Some(seen));
    let edited = Event::Edited { window_changed: true };
    assert_eq!(step(&state, &edited, &policy(&days), START).0.certificate, None);
}

#[test]
fn days_are_rounded_up_and_the_end_is_the_end() {
    let seen = certificate("a", START);
    for (ms_before, days, ended) in [
        (6 * DAY, 6, false),
        (6 * DAY - 1, 6, false),
        (6 * DAY + 1, 7, false),
        (1, 1, false),
        (0, 0, false),
        (-1, 0, true),
        (-DAY, -1, true),
    ] {
        let now = START.plus_ms(-ms_before);
        assert_eq!((seen.days_left(now), seen.has_ended(now)), (days, ended), "{ms_before}");
    }
    let shown = seen.shown(START.plus_ms(-DAY));
    assert_eq!((&shown["days_left"], &shown["fingerprint"]), (&json!(1), &json!("a")));
}

#[test]
fn thresholds_are_read_from_the_most_to_the_fewest() {
    let read = |value: Value| {
        let map = json!({"url": "https://a.example", "tls_expiry_days": value});
        Settings::read(map.as_object().unwrap(), Kind::Http, None)
            .map(|settings| settings.target.tls_expiry_days().to_vec())
            .map_err(|errors| errors.0.keys().cloned().collect::<Vec<_>>())
    };
    for (given, kept) in [
        (Value::Null, vec![30, 14, 7, 1]),
        (json!([1, 7, 7, 60]), vec![60, 7, 1]),
        (json!([]), vec![]),
        (json!([0, 1000]), vec![1000, 0]),
    ] {
        assert_eq!(read(given.clone()), Ok(kept), "{given}");
    }
    for wrong in
        [json!(7), json!("7"), json!([1001]), json!([-1]), json!([1.5]), json!(["7"]), json!([[7]])]
    {
        assert_eq!(read(wrong.clone()), Err(vec!["tls_expiry_days".to_owned()]), "{wrong}");
    }
    assert!(read(json!((0..11).collect::<Vec<_>>())).is_err(), "too many");
    // Stored before there were any.
    let mut old = json!(
        Settings::read(json!({"url": "https://a.example"}).as_object().unwrap(), Kind::Http, None)
            .unwrap()
    );
    old["target"].as_object_mut().unwrap().remove("tls_expiry_days");
    let target: Target = serde_json::from_value(old["target"].clone()).unwrap();
    assert_eq!(target.tls_expiry_days(), [30, 14, 7, 1]);
}

/// Something that happens in a random life.
#[derive(Debug, Clone)]
enum Act {
    /// Time goes by, in hours.
    Wait(i64),
    /// A check sees the certificate of this number.
    See(usize),
    /// A check finds nobody, or the certificate of this number that it refuses.
    Fail(Option<usize>),
    /// The thresholds are others from now on.
    Thresholds(Vec<u32>),
    /// The server is restarted.
    Restart,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (1..200_i64).prop_map(Act::Wait),
        8 => (0..4_usize).prop_map(Act::See),
        2 => prop::option::of(0..4_usize).prop_map(Act::Fail),
        1 => prop::collection::vec(0..40_u32, 0..5).prop_map(Act::Thresholds),
        1 => Just(Act::Restart),
    ]
}

proptest! {
    /// The oracle keeps all that was ever told, and asks: which thresholds are passed, and is the nearest of them nearer than
    /// every one that was told of this certificate?
    #[test]
    fn one_warning_a_threshold_a_certificate(
        ends in prop::collection::vec(0..2_000_i64, 4),
        acts in prop::collection::vec(act(), 0..80),
    ) {
        const HOUR: i64 = 3_600_000;
        let certificates: Vec<_> = ends
            .iter()
            .enumerate()
            .map(|(n, hours)| certificate(&n.to_string(), START.plus_ms(hours * HOUR)))
            .collect();
        let mut days = vec![30, 14, 7, 1];
        let (mut state, mut now) = (State::unknown(START), START);
        let mut history: Vec<(usize, u32)> = Vec::new();
        for act in &acts {
            let (seen, error) = match act {
                Act::Wait(hours) => { now = now.plus_ms(hours * HOUR); continue }
                Act::Thresholds(others) => { days.clone_from(others); continue }
                Act::Restart => {
                    state = serde_json::from_value(json!(state)).unwrap();
                    continue;
                }
                Act::See(n) => (Some(*n), None),
                Act::Fail(None) => (None, Some(ErrorKind::Refused)),
                Act::Fail(Some(n)) => (Some(*n), Some(ErrorKind::Tls)),
            };
            let result = saw(now, seen.map(|n| Arc::clone(&certificates[n])), error);
            let (next, facts) = step(&state, &Event::Checked(&result), &policy(&days), now);
            state = next;
            let expected = seen.filter(|_| error.is_none()).and_then(|n| {
                let left = certificates[n].not_after.since(now);
                let passed = days.iter().filter(|d| left <= i64::from(**d) * DAY);
                let nearest = *passed.min()?;
                let mut told = history.iter().filter(|(who, _)| *who == n);
                told.all(|(_, threshold)| nearest < *threshold).then_some((n, nearest))
            });
            let got = warned(&facts).map(|(who, _, threshold)| (who.parse().unwrap(), threshold));
            prop_assert_eq!(got, expected, "at {} of {:?}", now, acts);
            history.extend(expected);
        }
        // Nothing was told twice.
        let mut all = history.clone();
        all.sort_unstable();
        all.dedup();
        prop_assert_eq!(all.len(), history.len());
    }
}
