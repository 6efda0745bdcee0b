//! What each kind of channel sends, as the far end reads it: held against the vendors' descriptions in `tests/channels`,
//! with names that try to get out of their place.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod api;
mod hostile;
mod reading;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use watchbell::clock::{ManualClock, Timestamp};
use watchbell::incident::message::{
    Alert, AlertCheck, AlertEvent, AlertIncident, AlertMonitor, Message,
};
use watchbell::monitor::Kind;
use watchbell::notify::attempt::{Answer, Attempt};
use watchbell::notify::carrier::Carrier;
use watchbell::notify::smtp::SmtpSettings;
use watchbell::notify::{ChannelSettings, ChannelType};
use watchbell::probe::GuardedResolver;
use watchbell::seal::Sealer;

use crate::support::stub::{Request, Stub, Told};

/// Settings of each kind that is called over HTTP, all of which lead to `url`.
pub fn settings(url: &str) -> Vec<(ChannelType, Value)> {
    use ChannelType::*;
    let all = [
        (Slack, json!({})),
        (Teams, json!({})),
        (Discord, json!({})),
        (Telegram, json!({"token": "7:s3cret", "chat_id": -100, "thread_id": 3})),
        (Mattermost, json!({})),
        (Googlechat, json!({})),
        (Matrix, json!({"room": "!a:b.example", "token": "s3cret"})),
        (Ntfy, json!({"topic": "s3cret", "token": "s3cret"})),
        (Gotify, json!({"token": "s3cret"})),
        (Pushover, json!({"user": "s3cret", "token": "s3cret"})),
        (Pagerduty, json!({"routing_key": "s3cret"})),
        (Opsgenie, json!({"api_key": "s3cret"})),
        (Webhook, json!({"secret": "s3cret"})),
    ];
    let full = all.into_iter().map(|(kind, mut fields)| {
        fields["type"] = json!(kind);
        fields["url"] = json!(url);
        (kind, fields)
    });
    full.collect()
}

/// An alert of an event, in which every word that people choose is `name`.
pub fn alert(event: AlertEvent, name: &str) -> Alert {
    let at = Timestamp::parse_rfc3339("2025-11-22T10:00:00Z").unwrap();
    let has_incident = matches!(
        event,
        AlertEvent::MonitorDown
            | AlertEvent::MonitorUp
            | AlertEvent::IncidentReminder
            | AlertEvent::IncidentAcknowledged
    );
    Alert {
        event,
        message: Message {
            sign: "🔴".to_owned(),
            subject: name.to_owned(),
            predicate: "is DOWN".to_owned(),
            lines: vec![format!("Status: 503 | checks.db: {name}"), "Duration: 1m 12s".to_owned()],
        },
        monitor: (event != AlertEvent::ChannelTest).then(|| AlertMonitor {
            id: 7,
            kind: Kind::Http,
            name: name.to_owned(),
            url: Some("https://yourapp.com/health?full=1".to_owned()),
            tags: vec![name.to_owned(), "tier-1".to_owned()],
        }),
        incident: has_incident.then(|| AlertIncident {
            id: 42,
            started_at: at,
            resolved_at: None,
            acknowledged_at: None,
            duration_seconds: 72,
            cause: "status".to_owned(),
            summary: name.to_owned(),
        }),
        check: has_incident.then(|| AlertCheck {
            region: "local".to_owned(),
            status_code: Some(503),
            error: Some(name.to_owned()),
            response_ms: Some(120),
            failed_checks: BTreeMap::from([("checks.db".to_owned(), name.to_owned())]),
            checked_at: at,
        }),
    }
}

/// Sends alerts as the running server does.
pub struct Sending(Carrier);

impl Sending {
    pub fn new(smtp: Option<SmtpSettings>) -> Self {
        let clock = ManualClock::new(Timestamp::parse_rfc3339("2025-11-22T10:02:00Z").unwrap());
        let (limit, base) = (Duration::from_secs(20), "https://bell.example/at(home)".to_owned());
        let base = Arc::new(move || base.clone());
        let smtp = Arc::new(move || smtp.clone());
        Self(
            Carrier::new(
                GuardedResolver::new(Arc::default()),
                limit,
                clock,
                base,
                smtp,
                Sealer::from_text("key"),
            )
            .unwrap(),
        )
    }

    pub async fn send(&self, fields: &Value, alert: &Alert) -> Attempt {
        let settings = ChannelSettings::read(fields.as_object().unwrap(), None, true).unwrap();
        self.0.carry(Some(1), &settings.config, alert, "msg_7/1".to_owned()).await.0
    }

    /// Sends, and gives what came.
    pub async fn sent(&self, stub: &Stub, fields: &Value, alert: &Alert) -> Request {
        let attempt = self.send(fields, alert).await;
        assert_eq!(attempt.answer, Answer::Accepted, "{fields}: {attempt:?}");
        stub.requests().pop().unwrap()
    }
}

#[tokio::test]
async fn each_kind_calls_where_and_as_its_vendor_says() {
    use ChannelType::*;
    let (stub, sending) = (Stub::start().await, Sending::new(None));
    let down = alert(AlertEvent::MonitorDown, "Shop");
    for (kind, fields) in settings(&stub.url("/a/")) {
        let request = sending.sent(&stub, &fields, &down).await;
        let (path, header) = match kind {
            Discord => ("/a/?wait=true", ("content-type", "application/json")),
            Telegram => ("/a/bot7:s3cret/sendMessage", ("content-type", "application/json")),
            Googlechat => (
                "/a/?messageReplyOption=REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD",
                ("content-type", "application/json"),
            ),
            Matrix => (
                "/a/_matrix/client/v3/rooms/!a:b.example/send/m.room.message/msg_7%2F1",
                ("authorization", "Bearer s3cret"),
            ),
            Ntfy => ("/a/", ("authorization", "Bearer s3cret")),
            Gotify => ("/a/message", ("x-gotify-key", "s3cret")),
            Pushover => ("/a/1/messages.json", ("content-type", "application/json")),
            Opsgenie => ("/a/v2/alerts", ("authorization", "GenieKey s3cret")),
            Webhook => ("/a/", ("webhook-id", "msg_7/1")),
            _ => ("/a/", ("content-type", "application/json")),
        };
        let method = if kind == Matrix { "PUT" } else { "POST" };
        assert_eq!((request.method.as_str(), request.path.as_str()), (method, path), "{kind}");
        assert_eq!(request.header(header.0), header.1, "{kind}");
        assert_eq!(request.header("content-type"), "application/json", "{kind}");
    }
}

#[tokio::test]
async fn machines_open_and_close_one_incident_of_theirs() {
    let (stub, sending) = (Stub::start().await, Sending::new(None));
    let all = settings(&stub.url(""));
    let of = |kind| &all.iter().find(|(k, _)| *k == kind).unwrap().1;
    let (pagerduty, opsgenie) = (of(ChannelType::Pagerduty), of(ChannelType::Opsgenie));
    for (event, action, path) in [
        (AlertEvent::MonitorDown, "trigger", "/v2/alerts"),
        (AlertEvent::IncidentReminder, "trigger", "/v2/alerts"),
        (
            AlertEvent::IncidentAcknowledged,
            "acknowledge",
            "/v2/alerts/watchbell-incident-42/acknowledge?identifierType=alias",
        ),
        (
            AlertEvent::MonitorUp,
            "resolve",
            "/v2/alerts/watchbell-incident-42/close?identifierType=alias",
        ),
    ] {
        let alert = alert(event, "Shop");
        let json = sending.sent(&stub, pagerduty, &alert).await.json();
        assert_eq!(json["event_action"], action);
        assert_eq!(json["dedup_key"], "watchbell-incident-42");
        assert_eq!(json["routing_key"], "s3cret");
        let request = sending.sent(&stub, opsgenie, &alert).await;
        assert_eq!(request.path, path);
        if action == "trigger" {
            assert_eq!(json["payload"]["severity"], "critical");
            assert_eq!(json["payload"]["timestamp"], "2025-11-22T10:00:00.000+00:00");
            assert_eq!(request.json()["alias"], "watchbell-incident-42");
            assert_eq!(request.json()["priority"], "P1");
        }
    }
}

#[tokio::test]
async fn a_wait_that_is_asked_for_and_an_error_within_a_success_are_understood() {
    let (stub, sending) = (Stub::start().await, Sending::new(None));
    let test = Alert::channel_test("Ops");
    let retry_after = || vec![("retry-after", "2".to_owned())];
    for (kind, status, headers, body, expected) in [
        (
            "discord",
            429,
            retry_after(),
            r#"{"retry_after":2.5}"#,
            (Answer::Unavailable, Some(2500)),
        ),
        ("discord", 429, retry_after(), "", (Answer::Unavailable, Some(2000))),
        (
            "telegram",
            429,
            vec![],
            r#"{"ok":false,"error_code":429,"parameters":{"retry_after":31}}"#,
            (Answer::Unavailable, Some(31_000)),
        ),
        (
            "matrix",
            429,
            vec![],
            r#"{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":1500}"#,
            (Answer::Unavailable, Some(1500)),
        ),
        ("slack", 429, retry_after(), "", (Answer::Unavailable, Some(2000))),
        (
            "telegram",
            200,
            vec![],
            r#"{"ok":false,"error_code":400,"description":"Bad Request: chat not found"}"#,
            (Answer::RefusedForGood, None),
        ),
        ("pushover", 200, vec![], r#"{"status":0,"errors":["x"]}"#, (Answer::RefusedForGood, None)),
        ("discord", 404, vec![], r#"{"code":10015}"#, (Answer::RefusedForGood, None)),
    ] {
        let all = settings(&stub.url(""));
        let fields = &all.iter().find(|(k, _)| k.as_str() == kind).unwrap().1;
        stub.tell(Told::Answer(status, headers, body.to_owned()));
        let attempt = sending.send(fields, &test).await;
        assert_eq!((attempt.answer, attempt.retry_after_ms), expected, "{kind} {body}");
        assert!(!attempt.error().contains("s3cret"), "{attempt:?}");
    }
}
