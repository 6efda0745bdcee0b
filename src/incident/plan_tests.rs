//! `plan` on the table; the stories behind `step` are in [`story`].

mod story;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::dependency::{HeldBy, Why};
use super::maintenance::MaintenanceWindow;
use super::message::{AlertEvent, reason};
use super::plan::{IncidentChange, Plan, Routing, plan};
use super::{Incident, TimelineKind};
use crate::clock::Timestamp;
use crate::monitor::state::Fact;
use crate::monitor::{
    Cause, Certificate, CheckError, CheckResult, ErrorKind, Kind, Monitor, Phases, Settings,
    Verdict,
};

const NOW: Timestamp = Timestamp(1_800_000_000_000);

fn monitor(kind: Kind, fields: Value) -> Monitor {
    let settings = Settings::read(fields.as_object().unwrap(), kind, None).unwrap();
    Monitor { id: 7, uuid: None, settings, paused: false, created_at: NOW, updated_at: NOW }
}

fn site(fields: Value) -> Monitor {
    let mut all = json!({"url": "https://shop.example.com/health?x=1"});
    all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    monitor(Kind::Http, all)
}

fn check(at: Timestamp, verdict: Verdict) -> CheckResult {
    let error =
        (verdict == Verdict::Down).then(|| CheckError::new(ErrorKind::Status, "status 500"));
    CheckResult {
        region: "local".to_owned(),
        started_at: at,
        phases: Phases::default(),
        status_code: Some(if error.is_some() { 500 } else { 200 }),
        error,
        failed_checks: BTreeMap::new(),
        certificate: None,
        answer: None,
        verdict,
    }
}

fn status_500() -> Cause {
    Cause::Check {
        status_code: Some(500),
        error: CheckError::new(ErrorKind::Status, "status 500"),
        failed_checks: BTreeMap::new(),
    }
}

fn window(monitor_id: i64) -> MaintenanceWindow {
    MaintenanceWindow {
        id: 1,
        name: "Deploy".to_owned(),
        monitor_ids: vec![monitor_id],
        tags: Vec::new(),
        starts_at: NOW,
        ends_at: Timestamp(i64::MAX),
        repeats: None,
    }
}

fn incident(started_at: Timestamp, cause: Cause, alerts_held: bool) -> Incident {
    Incident {
        id: 1,
        monitor_id: Some(7),
        monitor_name: String::new(),
        started_at,
        confirmed_at: started_at,
        acknowledged_at: None,
        acknowledged_by: None,
        resolved_at: None,
        summary: reason(&cause),
        cause,
        regions: Vec::new(),
        alerts_held,
    }
}

fn kinds(plan: &Plan) -> Vec<TimelineKind> {
    plan.timeline.iter().map(|(kind, ..)| *kind).collect()
}

fn went_down() -> Fact {
    Fact::WentDown { started_at: NOW.plus_ms(-5_000), cause: status_500() }
}

/// Who is told of what in a plan.
fn told(plan: &Plan) -> Vec<(AlertEvent, Vec<i64>)> {
    plan.notices.iter().map(|notice| (notice.event, notice.channel_ids.clone())).collect()
}

#[test]
fn going_down_tells_the_channels_unless_there_is_a_reason_not_to() {
    use TimelineKind::{Confirmed, Detected, Held, NobodyNotified};
    let open_window = window(7);
    let nobody = Vec::new();
    let everybody = vec![(AlertEvent::MonitorDown, vec![1, 2])];
    for (fields, channel_ids, window, expected, last_line) in [
        (json!({}), vec![1, 2], None, &everybody, Confirmed),
        (json!({}), vec![], None, &nobody, NobodyNotified),
        (json!({"notify_on": ["up"]}), vec![1, 2], None, &nobody, NobodyNotified),
        (json!({}), vec![1, 2], Some(&open_window), &nobody, Held),
    ] {
        let routing = Routing { channel_ids, window, ..Routing::default() };
        let plan = plan(&site(fields), &[went_down()], None, &routing, NOW);
        assert_eq!(&told(&plan), expected);
        assert_eq!(kinds(&plan)[..2], [Detected, Confirmed]);
        assert_eq!(kinds(&plan).last(), Some(&last_line));
        assert_eq!(plan.timeline[0].1, NOW.plus_ms(-5_000), "detected at the first failure");
        let alerts_held = window.is_some();
        let started_at = NOW.plus_ms(-5_000);
        let opened = IncidentChange::Open { started_at, cause: status_500(), alerts_held };
        assert_eq!(plan.incident, Some(opened));
    }
}

#[test]
fn the_end_is_told_to_whoever_was_told_and_to_nobody_else() {
    let open = incident(NOW.plus_ms(-262_000), status_500(), false);
    let started_at = open.started_at;
    for (fact, fields, words) in [
        (
            Fact::Recovered { started_at },
            json!({}),
            Some("🟢 *shop.example.com/health* is back online\nStatus: 200\nDowntime: 4m 22s"),
        ),
        (
            Fact::WatchingStopped { why: "paused", started_at },
            json!({}),
            Some("⚪ *shop.example.com/health* watching stopped: paused\nDowntime so far: 4m 22s"),
        ),
        (Fact::Recovered { started_at }, json!({"notify_on": ["down"]}), None),
    ] {
        let routing = Routing {
            channel_ids: vec![1, 2, 3],
            told: vec![2, 9],
            incident: Some(&open),
            ..Routing::default()
        };
        let result = check(NOW, Verdict::Up);
        let plan = plan(&site(fields), &[fact], Some(&result), &routing, NOW);
        assert_eq!(plan.incident, Some(IncidentChange::Resolve));
        match words {
            Some(words) => {
                assert_eq!(told(&plan), [(AlertEvent::MonitorUp, vec![2, 9])]);
                assert_eq!(plan.notices[0].message.text(), words);
            }
            None => assert!(plan.notices.is_empty()),
        }
    }
}

#[test]
fn another_reason_is_noted_and_not_told() {
    let open = incident(NOW, Cause::ReportedFailure { exit_status: Some(1) }, false);
    let routing = Routing { channel_ids: vec![1], incident: Some(&open), ..Routing::default() };
    for (changed, lines) in [(true, vec![TimelineKind::ReasonChanged]), (false, vec![])] {
        let fact = Fact::StillDown { cause: status_500(), changed };
        let plan = plan(&site(json!({})), &[fact], None, &routing, NOW);
        assert!(plan.notices.is_empty());
        assert_eq!(kinds(&plan), lines);
        let update = IncidentChange::Update { cause: status_500(), alerts_held: false };
        assert_eq!(plan.incident, Some(update), "the summary is the last one");
    }
}

#[test]
fn slowness_is_told_on_its_own_and_only_outside_a_window() {
    let monitor = site(json!({"degraded_after_ms": 500}));
    let result = check(NOW, Verdict::Degraded);
    let open_window = window(7);
    for window in [None, Some(&open_window)] {
        let routing = Routing { channel_ids: vec![1], window, ..Routing::default() };
        let plan = plan(&monitor, &[Fact::Degraded], Some(&result), &routing, NOW);
        assert_eq!(plan.degraded_told, Some(window.is_none()));
        assert_eq!(plan.notices.len(), usize::from(window.is_none()));
        assert_eq!(plan.incident, None);
        assert!(plan.notices.iter().all(|notice| !notice.of_incident));
    }
    let routing = Routing { channel_ids: vec![1], ..Routing::default() };
    for told in [true, false] {
        let fact = Fact::NoLongerDegraded { since: NOW.plus_ms(-60_000), told };
        let plan = plan(&monitor, &[fact], Some(&result), &routing, NOW);
        assert_eq!(plan.notices.len(), usize::from(told));
    }
}

#[test]
fn a_certificate_that_ends_is_told_on_its_own_and_in_a_window_too() {
    let certificate = Arc::new(Certificate {
        subject: "shop.example.com".to_owned(),
        issuer: "R11 (Let's Encrypt)".to_owned(),
        names: Vec::new(),
        not_before: NOW,
        not_after: NOW.plus_ms(6 * 86_400_000),
        fingerprint: String::new(),
    });
    let open_window = window(7);
    let open = incident(NOW, status_500(), true);
    let ends = Fact::CertificateExpiring { certificate, days_left: 6, threshold: 7 };
    let result = check(NOW, Verdict::Up);
    let everybody = vec![(AlertEvent::CertificateExpiring, vec![1, 2])];
    for (fields, window, incident, expected) in [
        (json!({}), None, None, everybody.clone()),
        (json!({}), Some(&open_window), Some(&open), everybody),
        (json!({"notify_on": ["down", "up", "degraded"]}), None, None, vec![]),
    ] {
        let channel_ids = vec![1, 2];
        let routing = Routing { channel_ids, window, incident, ..Routing::default() };
        let plan = plan(&site(fields), std::slice::from_ref(&ends), Some(&result), &routing, NOW);
        assert_eq!(told(&plan), expected);
        assert_eq!((plan.incident, plan.timeline), (None, vec![]));
        assert!(plan.notices.iter().all(|notice| !notice.of_incident));
    }
}

#[test]
fn what_a_monitor_depends_on_holds_its_alerts_and_names_them() {
    let by = HeldBy { id: 9, name: "router".to_owned(), why: Why::Down };
    let monitor = site(json!({}));
    let routing = |held_by| Routing { channel_ids: vec![1], held_by, ..Routing::default() };
    let went = plan(&monitor, &[went_down()], None, &routing(Some(&by)), NOW);
    assert!(went.notices.is_empty());
    assert!(matches!(went.incident, Some(IncidentChange::Open { alerts_held: true, .. })));
    assert_eq!(went.timeline.last().unwrap().2, "Held: depends on router, which is down");
    let result = check(NOW, Verdict::Degraded);
    let slow = plan(&monitor, &[Fact::Degraded], Some(&result), &routing(Some(&by)), NOW);
    assert_eq!((slow.degraded_told, slow.notices.len()), (Some(false), 0));
    // Held still, and then not any more.
    let open = incident(NOW.plus_ms(-60_000), status_500(), true);
    for held_by in [Some(&by), None] {
        let fact = Fact::StillDown { cause: status_500(), changed: false };
        let routing = Routing { incident: Some(&open), ..routing(held_by) };
        let still = plan(&monitor, &[fact], None, &routing, NOW);
        assert_eq!(still.notices.len(), usize::from(held_by.is_none()));
    }
    let dependants = vec![("shop".to_owned(), true), ("blog".to_owned(), false)];
    let routing = Routing { dependants, ..routing(None) };
    let parent = plan(&monitor, &[went_down()], None, &routing, NOW);
    let line = parent.notices[0].message.lines.last().unwrap();
    assert_eq!(line, "Holds the alerts of: shop (failing), blog");
}
