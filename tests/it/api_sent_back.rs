//! An object that was read may be sent back as it is: what is only shown is left out, and nothing changes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::{Value, json};

use crate::support::api::Api;

/// What changes by itself (the first check comes soon) or by every edit.
const MOVES: [&str; 9] = [
    "updated_at",
    "uptime",
    "last_used_at",
    "certificate",
    "confirming",
    "current_status",
    "status_since",
    "last_checked_at",
    "last_result",
];

fn still(mut shown: Value) -> Value {
    for name in MOVES {
        shown.as_object_mut().unwrap().remove(name);
    }
    shown
}

#[tokio::test(flavor = "multi_thread")]
async fn whole_objects_are_taken_back() {
    let api = Api::start().await;
    let silent = api.silent.as_str();
    let hook = json!({"type": "webhook", "url": "http://127.0.0.1:9/hook", "secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
        "headers": {"Authorization": "Bearer x", "X-Team": "ops"}, "is_default": true});
    for (path, fields) in [
        ("/api/v1/channels", hook),
        (
            "/api/v1/channels",
            json!({"type": "slack", "url": "https://hooks.slack.com/services/T/B/x"}),
        ),
        (
            "/api/v1/monitors",
            json!({"url": silent, "headers": {"X-Api-Key": "s3", "Accept": "*/*"}, "tags": ["a"]}),
        ),
        ("/api/v1/monitors", json!({"type": "tcp", "url": "tcp://127.0.0.1:9"})),
        (
            "/api/v1/monitors",
            json!({"type": "dns", "url": "dns://shop.example?type=MX", "resolver": "127.0.0.1:9"}),
        ),
        ("/api/v1/monitors", json!({"type": "tls", "url": "tls://127.0.0.1:9"})),
        ("/api/v1/monitors", json!({"type": "icmp", "url": "icmp://127.0.0.1"})),
        ("/api/v1/heartbeats", json!({"name": "job", "period_seconds": 60})),
        (
            "/api/v1/heartbeats",
            json!({"name": "job", "cron": "5 4 * * *", "timezone": "Europe/Riga"}),
        ),
        ("/api/v1/maintenance-windows", json!({"tags": ["a"], "duration_minutes": 10})),
        (
            "/api/v1/maintenance-windows",
            json!({"tags": ["a"], "cron": "5 4 * * *", "duration_minutes": 10}),
        ),
        (
            "/api/v1/escalation-policies",
            json!({"name": "on call", "steps": [{"after_minutes": 0, "channel_ids": [1]}]}),
        ),
        ("/api/v1/tokens", json!({"name": "ci"})),
        ("/api/v1/probes", json!({"region": "eu-west"})),
        ("/api/v1/users", json!({"email": "a@example.com", "password": "correct horse"})),
    ] {
        let made = api.admin("POST", path, Some(fields)).await.data(201);
        let path = format!("{path}/{}", made["id"]);
        let read = api.admin("GET", &path, None).await.data(200);
        let answer = api.admin("PATCH", &path, Some(read.clone())).await.data(200);
        assert_eq!(still(answer), still(read), "{path}");
    }
    // The secrets are still the stored ones.
    let made = api.admin("GET", "/api/v1/monitors/1", None).await.data(200);
    assert_eq!(made["headers"], json!({"X-Api-Key": "***", "Accept": "*/*"}));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_only_shown_cannot_be_set() {
    let api = Api::start().await;
    let id = api.monitor(json!({})).await;
    let path = format!("/api/v1/monitors/{id}");
    for (change, wrong) in [
        (json!({"current_status": "paused"}), vec!["current_status"]),
        (
            json!({"id": id + 1, "name": "x", "created_at": "2020-01-01T00:00:00.000+00:00"}),
            vec!["created_at", "id"],
        ),
        (json!({"id": id, "uuid": "x", "nam": "y"}), vec!["nam", "uuid"]),
    ] {
        let answer = api.admin("PATCH", &path, Some(change)).await;
        assert_eq!(answer.wrong_fields(), wrong);
    }
    let made = json!({"url": api.silent, "id": 7});
    assert_eq!(api.admin("POST", "/api/v1/monitors", Some(made)).await.wrong_fields(), ["id"]);
    let user = json!({"email": "a@example.com", "password": "correct horse"});
    api.admin("POST", "/api/v1/users", Some(user)).await.data(201);
    let other = json!({"email": "b@example.com"});
    assert_eq!(api.admin("PATCH", "/api/v1/users/1", Some(other)).await.wrong_fields(), ["email"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn headers_that_could_not_be_sent_are_refused() {
    let api = Api::start().await;
    for headers in [json!({"Content-Length": "3"}), json!({"Authorization": "***"})] {
        let fields = json!({"url": api.silent, "headers": headers});
        let answer = api.admin("POST", "/api/v1/monitors", Some(fields)).await;
        assert_eq!(answer.wrong_fields(), ["headers"], "{}", answer.text);
    }
}
