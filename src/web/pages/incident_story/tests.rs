use super::*;
use crate::monitor::{CheckError, ErrorKind};

const START: Timestamp = Timestamp(1_900_000_000_000);

fn delivery(id: i64, channel_id: i64, event: AlertEvent, at: i64) -> Delivery {
    Delivery {
        id,
        event,
        incident_id: Some(7),
        monitor_id: Some(1),
        channel_id,
        state: DeliveryState::Delivered,
        attempts: 1,
        created_at: START.plus_seconds(30),
        next_attempt_at: None,
        delivered_at: Some(START.plus_ms(at)),
        last_error: None,
        last_status: Some(200),
        latency_ms: Some(284),
    }
}

fn names() -> Vec<ChannelName> {
    let name = |id, name: &str| ChannelName { id, name: name.to_owned(), kind: "Slack" };
    vec![name(1, "#ops-alerts"), name(2, "On-call list")]
}

fn cause(code: u16, part: &str) -> Cause {
    Cause::Check {
        status_code: Some(code),
        error: CheckError::new(ErrorKind::Status, format!("status {code}")),
        failed_checks: [(part.to_owned(), "error: full".to_owned())].into(),
    }
}

fn incident() -> Incident {
    Incident {
        id: 7,
        monitor_id: Some(1),
        monitor_name: "Checkout".to_owned(),
        started_at: START,
        confirmed_at: START.plus_seconds(30),
        acknowledged_at: None,
        acknowledged_by: None,
        resolved_at: None,
        cause: cause(503, "checks.database"),
        summary: "Status: 503".to_owned(),
        regions: vec!["local".to_owned()],
        alerts_held: false,
    }
}

fn entry(kind: TimelineKind, seconds: u32, detail: &str) -> TimelineEntry {
    TimelineEntry { at: START.plus_seconds(seconds), kind, detail: detail.to_owned() }
}

#[test]
fn a_line_of_another_day_says_so() {
    let day = 86_400;
    let entries = [
        entry(TimelineKind::Detected, 0, ""),
        entry(TimelineKind::Confirmed, 30, ""),
        entry(TimelineKind::Comment, 8 * day, "still"),
        entry(TimelineKind::Comment, 8 * day + 60, "still"),
        entry(TimelineKind::Resolved, 300 * day, ""),
    ];
    let days = |entries: &[TimelineEntry]| -> Vec<String> {
        let viewer = Viewer::new(START.plus_seconds(900 * day), None);
        lines(START, entries, &[], &[], viewer).into_iter().map(|line| line.day).collect()
    };
    assert_eq!(days(&entries), ["", "", "25 Mar", "", "11 Jan 2031"]);
    // What people wrote alone.
    assert_eq!(days(&entries[2..]), ["25 Mar", "", "11 Jan 2031"]);
}

#[test]
fn alerts_of_one_moment_stand_under_one_line() {
    let entries = [
        entry(TimelineKind::Detected, 0, "Status: 503"),
        entry(TimelineKind::Confirmed, 30, "The monitor is down"),
        entry(TimelineKind::Delivered, 31, "#ops-alerts, 284 ms"),
        entry(TimelineKind::Delivered, 33, "Deleted since, 12 ms"),
        entry(TimelineKind::Comment, 60, "on it"),
    ];
    let mut slow = delivery(2, 2, AlertEvent::MonitorDown, 36_200);
    (slow.attempts, slow.latency_ms) = (2, Some(6_200));
    let sent = [slow, delivery(1, 1, AlertEvent::MonitorDown, 30_284)];
    let lines = lines(START, &entries, &sent, &names(), Viewer::new(START, None));
    let bold: Vec<&str> = lines.iter().map(|line| line.bold.as_str()).collect();
    assert_eq!(
        bold,
        [
            "First failure",
            "Confirmed, incident opened",
            "Told 2 channels",
            "Alert delivered",
            "Note"
        ]
    );
    let took: Vec<(&str, &str)> =
        lines[2].told.iter().map(|t| (t.name.as_str(), t.took.as_str())).collect();
    assert_eq!(took, [("#ops-alerts", "284 ms"), ("On-call list", "6.2 s, 2nd try")]);
}

#[test]
fn five_times_tell_the_whole() {
    let sent = [
        delivery(1, 1, AlertEvent::MonitorDown, 33_000),
        delivery(2, 2, AlertEvent::MonitorDown, 34_000),
        delivery(3, 1, AlertEvent::MonitorUp, 100_000),
    ];
    let mut incident = incident();
    incident.resolved_at = Some(START.plus_seconds(100));
    let viewer = Viewer::new(START.plus_seconds(200), None);
    let told: Vec<(String, String)> = metrics(&incident, &sent, &names(), viewer)
        .into_iter()
        .map(|m| (format!("{} {}", m.label, m.value), m.after))
        .collect();
    let told: Vec<(&str, &str)> = told.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
    assert_eq!(told[0], ("Confirmed in 30 s", "seen from local"));
    assert_eq!(told[1], ("First alert in 33 s", "#ops-alerts, 284 ms to deliver"));
    assert_eq!(told[2], ("Acknowledged –", "by nobody"));
    assert_eq!(told[3].0, "Resolved in 1 min 40 s");
    assert_eq!(told[4], ("Alerts sent 3", "to 2 channels, none failed"));
    let nobody = metrics(&incident, &[], &[], viewer);
    assert_eq!((nobody[1].value.as_str(), nobody[4].after.as_str()), ("–", "nobody was told"));
}

#[test]
fn causes_are_the_same_when_a_person_would_say_so() {
    let here = cause(503, "checks.database");
    assert!(is_same_cause(&here, &cause(503, "checks.database")));
    assert!(!is_same_cause(&here, &cause(500, "checks.database")));
    assert!(!is_same_cause(&here, &cause(503, "checks.redis")));
    assert!(!is_same_cause(&here, &Cause::NoFirstPing { within_seconds: 5 }));
}
