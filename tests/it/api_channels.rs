//! Channels and deliveries by the API.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::{Value, json};

use crate::support::api::{Api, answering};

#[tokio::test(flavor = "multi_thread")]
async fn a_channel_is_made_changed_and_removed_and_keeps_its_secrets() {
    let api = Api::start().await;
    let fields = json!({"type": "webhook", "name": "Ops", "url": "https://example.com/hook",
        "secret": "whsec_c2VjcmV0", "headers": {"X-Api-Key": "s3cret"}, "is_default": true});
    let answer = api.send(&api.editor, "POST", "/api/v1/channels", Some(fields)).await;
    let made = answer.data(201);
    for hidden in ["c2VjcmV0", "s3cret"] {
        assert!(!answer.text.contains(hidden), "{}", answer.text);
    }
    assert_eq!((made["secret"].as_str(), made["is_default"].as_bool()), (Some("***"), Some(true)));
    let path = format!("/api/v1/channels/{}", made["id"]);
    let patch = json!({"name": "On call", "secret": "***", "headers": made["headers"]});
    let changed = api.admin("PATCH", &path, Some(patch)).await.data(200);
    assert_eq!(
        (changed["name"].as_str(), changed["secret"].as_str()),
        (Some("On call"), Some("***"))
    );
    assert_eq!(changed, api.admin("GET", &path, None).await.data(200));
    let list = api.admin("GET", "/api/v1/channels", None).await.data(200);
    assert_eq!(list, json!([changed]));
    assert_eq!(api.admin("DELETE", &path, None).await.status, 204);
    for method in ["GET", "DELETE"] {
        api.admin(method, &path, None).await.problem(404);
    }
    api.admin("POST", &format!("{path}/test"), None).await.problem(404);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_is_named_and_email_needs_a_mail_server() {
    let api = Api::start().await;
    for (fields, wrong) in [
        (json!({}), "type"),
        (json!({"type": "fax"}), "type"),
        (json!({"type": "slack"}), "url"),
        (json!({"type": "webhook", "url": "https://example.com", "colour": 1}), "colour"),
        (json!({"type": "email", "to": ["a@example.com"]}), "type"),
    ] {
        let answer = api.admin("POST", "/api/v1/channels", Some(fields.clone())).await;
        assert_eq!(answer.wrong_fields(), [wrong], "{fields}");
    }
    let email = json!({"type": "email", "to": ["a@example.com"]});
    let problem = api.admin("POST", "/api/v1/channels", Some(email)).await.problem(422);
    assert!(problem["errors"]["type"].as_str().unwrap().contains("WATCHBELL_SMTP_URL"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_test_says_what_the_far_end_said() {
    let api = Api::start().await;
    for (status, ok) in [(200, true), (500, false)] {
        let fields = json!({"type": "webhook", "url": answering(status, "far words")});
        let made = api.admin("POST", "/api/v1/channels", Some(fields)).await.data(201);
        let path = format!("/api/v1/channels/{}", made["id"]);
        let outcome = api.admin("POST", &format!("{path}/test"), None).await.data(200);
        assert_eq!(
            (outcome["ok"].as_bool(), outcome["status"].as_u64()),
            (Some(ok), Some(status.into()))
        );
        assert!(outcome["latency_ms"].is_i64());
        if !ok {
            assert!(outcome["response"].as_str().unwrap().contains("far words"), "{outcome}");
        }
        let read = api.admin("GET", &path, None).await.data(200);
        assert_eq!(read["last_delivery_at"].is_string(), ok);
        assert_eq!(read["last_error"].is_string(), !ok);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn monitors_name_channels_that_exist() {
    let api = Api::start().await;
    let channel = |is_default: bool| {
        let fields =
            json!({"type": "webhook", "url": "https://example.com", "is_default": is_default});
        let api = &api;
        async move { api.admin("POST", "/api/v1/channels", Some(fields)).await.data(201)["id"].clone() }
    };
    let (one, other) = (channel(true).await, channel(false).await);
    let wrong = json!({"url": api.silent, "channel_ids": [one, 77, 78]});
    let problem = api.admin("POST", "/api/v1/monitors", Some(wrong)).await.problem(422);
    let reason = problem["errors"]["channel_ids"].as_str().unwrap();
    assert!(reason.contains("77, 78"), "{reason}");
    let read = async |id: i64| {
        let read = api.admin("GET", &format!("/api/v1/monitors/{id}"), None).await;
        read.data(200)["channel_ids"].clone()
    };
    let by_default = api.monitor(json!({})).await;
    assert_eq!(read(by_default).await, json!([one]));
    let nobody = api.monitor(json!({"channel_ids": []})).await;
    assert_eq!(read(nobody).await, json!([]));
    let both = api.monitor(json!({"channel_ids": [other, one]})).await;
    assert_eq!(read(both).await, json!([other, one]));
    api.admin("DELETE", &format!("/api/v1/channels/{one}"), None).await;
    assert_eq!(read(both).await, json!([other]), "what is read can be sent back");
    assert_eq!(read(by_default).await, json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn deliveries_are_listed_and_a_failed_one_is_retried() {
    let api = Api::start().await;
    let fields = json!({"type": "webhook", "url": answering(410, "gone"), "is_default": true});
    let channel = api.admin("POST", "/api/v1/channels", Some(fields)).await.data(201);
    let fields = json!({"name": "job", "period_seconds": 60});
    let beat = api.admin("POST", "/api/v1/heartbeats", Some(fields)).await.data(201);
    let ping = beat["ping_url"].as_str().unwrap().replace("http://watch.example.com", "");
    Api::answer(api.request("GET", &format!("{ping}/fail"))).await;
    let path = format!("/api/v1/deliveries?state=failed&channel_id={}", channel["id"]);
    let failed = wait_for(&api, &path).await;
    assert_eq!(failed["event"], "monitor.down");
    assert_eq!(failed["last_status"], 410);
    assert_eq!(failed["monitor_id"], beat["id"]);
    let none = api.admin("GET", "/api/v1/deliveries?incident_id=99", None).await.json();
    assert_eq!(none["meta"]["total"], 0);
    let wrong = api.admin("GET", "/api/v1/deliveries?state=lost&channel_id=x", None).await;
    assert_eq!(wrong.wrong_fields(), ["channel_id", "state"]);
    let retry = format!("/api/v1/deliveries/{}/retry", failed["id"]);
    let again = api.admin("POST", &retry, None).await.data(200);
    assert_eq!((again["state"].as_str(), again["attempts"].as_i64()), (Some("pending"), Some(0)));
    api.admin("POST", "/api/v1/deliveries/99/retry", None).await.problem(404);
}

/// The first row of a list, once there is one. The sender works on its own.
async fn wait_for(api: &Api, path: &str) -> Value {
    for _ in 0..500 {
        let rows = api.admin("GET", path, None).await.data(200);
        if let Some(row) = rows.get(0) {
            return row.clone();
        }
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    panic!("nothing came of {path}");
}
