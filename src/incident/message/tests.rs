//! The texts of section 6 of the contract, to the letter.

use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::monitor::expect::Expected;
use crate::monitor::{Certificate, CheckError, Phases, Settings, Verdict};

const START: Timestamp = Timestamp(1_700_000_000_000);

fn monitor(kind: Kind, request: serde_json::Value) -> Monitor {
    let settings = Settings::read(request.as_object().unwrap(), kind, None).unwrap();
    let (created_at, updated_at) = (START, START);
    Monitor { id: 1, uuid: None, settings, paused: false, created_at, updated_at }
}

fn site(url: &str) -> Monitor {
    monitor(Kind::Http, json!({ "url": url }))
}

fn job() -> Monitor {
    monitor(Kind::Heartbeat, json!({"name": "nightly backup", "period_seconds": 60}))
}

fn failed_check(kind: ErrorKind, text: &str, code: Option<u16>, failed: &[(&str, &str)]) -> Cause {
    let failed = failed.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned()));
    Cause::Check {
        status_code: code,
        error: CheckError::new(kind, text),
        failed_checks: failed.collect(),
    }
}

fn result(code: u16, total_ms: u32) -> CheckResult {
    CheckResult {
        region: "local".to_owned(),
        started_at: START,
        phases: Phases { total: Some(total_ms), ..Phases::default() },
        status_code: Some(code),
        error: None,
        failed_checks: BTreeMap::new(),
        certificate: None,
        answer: None,
        verdict: Verdict::Up,
    }
}

#[test]
fn down_and_back_are_the_texts_of_the_contract() {
    let app = site("https://yourapp.com/health");
    let text = "error: FATAL: remaining connection slots reserved";
    let cause =
        failed_check(ErrorKind::Status, "status 503", Some(503), &[("checks.database", text)]);
    assert_eq!(
        Message::down(&app, &cause, START, START.plus_ms(72_900)).text(),
        "🔴 *yourapp.com/health* is DOWN\n\
         Status: 503 | checks.database: error: FATAL: remaining connection slots reserved\n\
         Duration: 1m 12s"
    );
    assert_eq!(
        Message::back(&app, Some(200), 262_000).text(),
        "🟢 *yourapp.com/health* is back online\nStatus: 200\nDowntime: 4m 22s"
    );
    assert_eq!(
        Message::back(&job(), None, 262_000).text(),
        "🟢 *nightly backup* is back online\nDowntime: 4m 22s"
    );
}

#[test]
fn each_cause_has_its_reason() {
    let no_ping = |silent_ms, period_seconds, grace_seconds| Cause::NoPing {
        silent_ms,
        expected: Expected::Every { period_seconds }.to_string(),
        grace_seconds,
    };
    let two = [("checks.cache", "error: away"), ("checks.database", "error: gone")];
    for (cause, expected, word) in [
        (failed_check(ErrorKind::Status, "status 503", Some(503), &[]), "Status: 503", "status"),
        (
            failed_check(ErrorKind::Status, "status 503", Some(503), &two),
            "Status: 503 | checks.cache: error: away; checks.database: error: gone",
            "status",
        ),
        (
            failed_check(ErrorKind::Timeout, "timeout after 10s", None, &[]),
            "Error: timeout after 10s",
            "timeout",
        ),
        (
            failed_check(ErrorKind::Refused, "connection refused", None, &[]),
            "Error: connection refused",
            "refused",
        ),
        (
            failed_check(ErrorKind::Keyword, "keyword \"ok\" not found", Some(200), &[]),
            "Error: keyword \"ok\" not found",
            "keyword",
        ),
        (no_ping(190_000, 60, 60), "No ping for 3m 10s (expected every 1m, grace 1m)", "no_ping"),
        (no_ping(0, 90, 0), "No ping for 0s (expected every 1m 30s, grace 0s)", "no_ping"),
        (
            Cause::ReportedFailure { exit_status: Some(2) },
            "Reported failure: exit status 2",
            "reported_failure",
        ),
        (Cause::ReportedFailure { exit_status: None }, "Reported failure", "reported_failure"),
    ] {
        assert_eq!(reason(&cause), expected);
        assert_eq!(cause_word(&cause), word);
    }
}

#[test]
fn watching_stopped_is_never_back_online() {
    for why in ["paused", "deleted"] {
        let text = Message::watching_stopped(&job(), why, 60_000).text();
        assert!(text.contains(&format!("watching stopped: {why}")), "{text}");
        assert!(!text.contains("back online"), "{text}");
    }
}

#[test]
fn slow_and_quick_again() {
    let slow = monitor(Kind::Http, json!({"url": "https://a.example", "degraded_after_ms": 500}));
    assert_eq!(
        Message::degraded(&slow, &result(200, 900)).text(),
        "🟡 *a.example* is DEGRADED\nStatus: 200 | answered in 900 ms (limit 500 ms)"
    );
    assert_eq!(
        Message::no_longer_degraded(&slow, &result(200, 90), 61_000).text(),
        "🟢 *a.example* is no longer degraded\nStatus: 200\nDegraded for: 1m 1s"
    );
}

#[test]
fn the_subject_is_the_bare_address_or_the_name() {
    for (url, expected) in [
        ("https://yourapp.com/health", "yourapp.com/health"),
        ("https://yourapp.com/", "yourapp.com"),
        ("http://yourapp.com", "yourapp.com"),
        ("https://user:pw@yourapp.com:8443/a/b/?token=x#y", "yourapp.com:8443/a/b/"),
        ("https://yourapp.com/?q=1", "yourapp.com"),
        ("http://[::1]:8080/x", "[::1]:8080/x"),
        ("http://yourapp.com:80/", "yourapp.com"),
    ] {
        assert_eq!(subject(&site(url)), expected, "{url}");
    }
    assert_eq!(subject(&job()), "nightly backup");
}

#[test]
fn durations_show_two_units() {
    for (ms, expected) in [
        (-5, "0s"),
        (0, "0s"),
        (999, "0s"),
        (59_999, "59s"),
        (60_000, "1m"),
        (72_000, "1m 12s"),
        (3_600_000, "1h"),
        (3_601_000, "1h"),
        (5_400_000, "1h 30m"),
        (86_400_000, "1d"),
        (273_600_000, "3d 4h"),
        (i64::MAX, "106751991167d 7h"),
    ] {
        assert_eq!(duration(ms), expected, "{ms}");
    }
}

#[test]
fn an_alert_shows_no_credentials_and_survives_the_outbox() {
    let app = site("https://user:pw@yourapp.com/health?full=1");
    let alert = Alert {
        event: AlertEvent::MonitorDown,
        message: Message::channel_test("x"),
        monitor: Some(AlertMonitor::of(&app)),
        incident: None,
        check: Some(AlertCheck::of(&result(503, 12))),
    };
    let stored = serde_json::to_string(&alert).unwrap();
    assert!(!stored.contains("pw") && stored.contains("yourapp.com/health?full=1"), "{stored}");
    assert_eq!(serde_json::from_str::<Alert>(&stored).unwrap(), alert);
    let told = alert.channel_failed("Ops", "status 410");
    assert_eq!((told.event, &told.monitor), (AlertEvent::ChannelFailed, &alert.monitor));
    assert!(told.message.text().starts_with("🟠 *Ops* cannot be reached\nError: status 410\n"));
}

proptest! {
    #[test]
    fn a_reason_is_one_line_of_at_most_300_characters(text in any::<String>(), path in any::<String>()) {
        let cause = failed_check(ErrorKind::Reset, &text, None, &[(&path, &text)]);
        let line = reason(&cause);
        prop_assert!(line.chars().count() <= REASON_MAX);
        prop_assert!(!line.contains(spoils_a_line));
    }
}

#[test]
fn the_end_of_a_certificate_is_told_in_days_then_in_hours() {
    let certificate = |issuer: &str| Certificate {
        subject: "*.example.com".to_owned(),
        issuer: issuer.to_owned(),
        names: Vec::new(),
        not_before: START,
        not_after: START.plus_ms(30 * 86_400_000),
        fingerprint: String::new(),
    };
    let told = |days: i64, hours: i64, issuer: &str| {
        let now = certificate("").not_after.plus_ms(-(days * 24 + hours) * 3_600_000);
        Message::certificate_expiring(&site("https://shop.example.com/"), &certificate(issuer), now)
            .text()
    };
    assert_eq!(
        told(13, 20, "R11 (Let's Encrypt)"),
        "🟠 *shop.example.com* certificate expires in 14 days\nExpires: 2023-12-14 22:13 UTC\n\
         Certificate: *.example.com, issued by R11 (Let's Encrypt)"
    );
    let first = |days, hours| told(days, hours, "").lines().next().unwrap().to_owned();
    assert_eq!(first(1, 1), "🟠 *shop.example.com* certificate expires in 2 days");
    assert_eq!(first(1, 0), "🟠 *shop.example.com* certificate expires in 1d");
    assert_eq!(first(0, 5), "🟠 *shop.example.com* certificate expires in 5h");
    assert_eq!(first(0, -1), "🟠 *shop.example.com* certificate has expired");
    assert!(told(1, 0, "").ends_with("\nCertificate: *.example.com"));
}
