//! What goes over the line, byte for byte.

use serde_json::{Value, json};

use super::*;
use crate::notify::testing;

fn config(value: Value) -> Config {
    let mut full = json!({"url": "https://example.com/h", "secret": null, "headers": [], "method": "POST", "template": null});
    full.as_object_mut().unwrap().extend(value.as_object().unwrap().clone());
    serde_json::from_value(full).unwrap()
}

fn call(config: &Config, alert: &crate::incident::message::Alert) -> Request {
    let outgoing = Outgoing {
        alert,
        key: "msg_7".to_owned(),
        sent_at: Timestamp(1_614_265_330_999),
        base_url: "https://bell.example",
        acknowledge_url: None,
    };
    match config.render(&outgoing).unwrap() {
        Rendered::Http(request) => request,
        Rendered::Mail(_) => panic!("a request"),
    }
}

fn header<'a>(request: &'a Request, name: &str) -> Option<&'a str> {
    let found: Vec<_> =
        request.headers.iter().filter(|(key, _)| key.eq_ignore_ascii_case(name)).collect();
    assert!(found.len() < 2, "{found:?}");
    found.first().map(|(_, value)| value.as_str())
}

#[test]
fn the_json_is_that_of_the_contract() {
    let body = call(&config(json!({})), &testing::down_alert()).body;
    let expected = concat!(
        r#"{"event":"monitor.down","text":"🔴 *yourapp.com/health* is DOWN\nStatus: 503 | checks.database: error: <no> & none\nDuration: 1m 12s","#,
        r#""monitor":{"id":7,"type":"http","name":"Your app","url":"https://yourapp.com/health?full=1","tags":["tier-1"]},"#,
        r#""incident":{"id":42,"started_at":"2025-11-22T10:00:00.000+00:00","resolved_at":null,"acknowledged_at":null,"#,
        r#""duration_seconds":72,"cause":"status","summary":"Status: 503 | checks.database: error: <no> & none","url":"https://bell.example/incidents/42"},"#,
        r#""check":{"region":"local","status_code":503,"error":"status 503","response_ms":120,"failed_checks":{"checks.database":"error: <no> & none"},"#,
        r#""checked_at":"2025-11-22T10:01:12.120+00:00"},"sent_at":"2021-02-25T15:02:10.999+00:00"}"#,
    );
    assert_eq!(String::from_utf8(body).unwrap(), expected);
}

#[test]
fn what_does_not_apply_is_null() {
    let body = call(&config(json!({})), &testing::test_alert()).body;
    let json: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!(json["event"], "channel.test");
    for key in ["monitor", "incident", "check"] {
        assert_eq!(json.get(key), Some(&Value::Null), "{key}");
    }
}

#[test]
fn is_signed_when_there_is_a_secret() {
    let signed = config(
        json!({"secret": "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "headers": [{"name": "X-Env", "value": "prod"}]}),
    );
    let call = call(&signed, &testing::down_alert());
    assert_eq!(header(&call, "webhook-id"), Some("msg_7"));
    assert_eq!(header(&call, "webhook-timestamp"), Some("1614265330"));
    assert_eq!(header(&call, "x-env"), Some("prod"));
    assert_eq!(header(&call, "content-type"), Some("application/json"));
    let secret = signed.secret.as_deref().unwrap();
    let expected =
        seal::webhook_signature(secret, "msg_7", Timestamp(1_614_265_330_999), &call.body);
    assert_eq!(header(&call, "webhook-signature"), Some(expected.as_str()));
    let plain = self::call(&config(json!({})), &testing::down_alert());
    assert_eq!(header(&plain, "webhook-signature"), None);
}

#[test]
fn a_content_type_that_people_give_takes_the_place_of_ours() {
    let typed = config(json!({"headers": [{"name": "Content-Type", "value": "text/plain"}]}));
    let call = call(&typed, &testing::down_alert());
    assert_eq!(header(&call, "content-type"), Some("text/plain"));
}

#[test]
fn a_chats_webhook_gets_that_chats_form_unless_a_template_says_otherwise() {
    const SLACK: &str = "https://hooks.slack.com/services/T0/B0/x";
    for (url, expected) in [
        (SLACK, ChannelType::Slack),
        ("https://HOOKS.slack.com/services/T0/B0/x", ChannelType::Slack),
        ("https://hooks.slack.com/workflows/x", ChannelType::Webhook),
        ("https://hooks.slack.com.example/services/T0/B0/x", ChannelType::Webhook),
        ("https://example.com/services/T0", ChannelType::Webhook),
        ("https://discord.com/api/webhooks/1/x", ChannelType::Discord),
        ("https://canary.discord.com/api/v10/webhooks/1/x?thread_id=5", ChannelType::Discord),
        ("https://discordapp.com/api/webhooks/1/x", ChannelType::Discord),
        ("https://discord.com.example/api/webhooks/1/x", ChannelType::Webhook),
        ("https://discord.com/channels/1", ChannelType::Webhook),
        (
            "https://prod-1.westeurope.logic.azure.com:443/workflows/a/triggers/manual/paths/invoke?sig=x",
            ChannelType::Teams,
        ),
        (
            "https://default1.2.environment.api.powerplatform.com:443/powerautomate/automations/direct/workflows/a/triggers/manual/paths/invoke?sig=x",
            ChannelType::Teams,
        ),
        ("https://acme.webhook.office.com/webhookb2/a@b/IncomingWebhook/c/d", ChannelType::Teams),
        (
            "https://prod-1.westeurope.logic.azure.com.example/workflows/a/triggers/b",
            ChannelType::Webhook,
        ),
    ] {
        let pasted = config(json!({"url": url, "headers": [{"name": "X-Env", "value": "prod"}]}));
        let call = call(&pasted, &testing::down_alert());
        assert_eq!(call.kind, expected, "{url}");
        assert_eq!(header(&call, "x-env"), Some("prod"), "{url}");
    }
    let own = config(json!({"url": SLACK, "template": r#"{"text":"{{monitor.name}}"}"#}));
    let call = call(&own, &testing::down_alert());
    assert_eq!(call.body, br#"{"text":"Your app"}"#);
}

#[test]
fn every_name_a_template_may_use_is_in_the_json() {
    let body = call(&config(json!({})), &testing::down_alert()).body;
    let json: Value = serde_json::from_slice(&body).unwrap();
    let leaves = leaf_names("", &json);
    let mut names: Vec<&str> = super::super::template::NAMES.to_vec();
    names.sort_unstable();
    assert_eq!(leaves, names);
}

fn leaf_names(path: &str, value: &Value) -> Vec<String> {
    let Some(object) = value.as_object().filter(|_| path != "check.failed_checks") else {
        return vec![path.to_owned()];
    };
    let dot = if path.is_empty() { "" } else { "." };
    let mut names: Vec<String> =
        object.iter().flat_map(|(key, v)| leaf_names(&format!("{path}{dot}{key}"), v)).collect();
    names.sort_unstable();
    names
}

#[test]
fn a_template_replaces_the_json() {
    let config = config(
        json!({"method": "PUT", "template": r#"{"content":"{{text}}","n":{{incident.id}}}"#}),
    );
    let call = call(&config, &testing::down_alert());
    let json: Value = serde_json::from_slice(&call.body).unwrap();
    assert_eq!(json["n"], 42);
    assert!(json["content"].as_str().unwrap().contains("is DOWN\nStatus"));
    assert_eq!(call.method, Method::Put);
}
