//! A request becomes settings, and settings are shown again.

use serde_json::json;

use super::*;
use crate::notify::testing::samples;

fn read(value: Value, current: Option<&ChannelSettings>) -> Result<ChannelSettings, FieldErrors> {
    ChannelSettings::read(value.as_object().unwrap(), current, true)
}

fn reason(value: Value, field: &str) -> String {
    let errors = read(value.clone(), None).unwrap_err();
    errors.0.get(field).unwrap_or_else(|| panic!("{value}: {errors:?}")).clone()
}

#[test]
fn reads_each_type_with_its_defaults() {
    for sample in samples("https://far.example/hook") {
        let kind = sample["type"].as_str().unwrap().to_owned();
        let settings = read(sample, None).unwrap_or_else(|errors| panic!("{kind}: {errors:?}"));
        assert_eq!(settings.config.kind().as_str(), kind);
        assert!(!settings.name.is_empty() && settings.enabled && !settings.is_default, "{kind}");
        assert!(!settings.config.target().is_empty(), "{kind}");
    }
    for (request, name, field, value) in [
        (
            json!({"type": "email", "to": ["a@b.example", " a@b.example "]}),
            "a@b.example",
            "to",
            json!(["a@b.example"]),
        ),
        (
            json!({"type": "webhook", "url": "https://example.com/h", "method": "put"}),
            "example.com",
            "method",
            json!("PUT"),
        ),
        (json!({"type": "ntfy", "topic": "ops"}), "ntfy", "url", json!("https://ntfy.sh/")),
        (
            json!({"type": "telegram", "token": "1:a", "chat_id": -5}),
            "Telegram",
            "chat_id",
            json!("-5"),
        ),
        (
            json!({"type": "telegram", "token": "1:a", "chat_id": "@ops"}),
            "Telegram",
            "url",
            json!("https://api.telegram.org/"),
        ),
        (
            json!({"type": "pagerduty", "routing_key": "k"}),
            "PagerDuty",
            "url",
            json!("https://events.pagerduty.com/v2/enqueue"),
        ),
        (json!({"type": "opsgenie", "api_key": "k"}), "Opsgenie", "region", json!("us")),
        (
            json!({"type": "opsgenie", "api_key": "k", "region": "EU"}),
            "Opsgenie",
            "region",
            json!("eu"),
        ),
    ] {
        let settings = read(request, None).unwrap();
        assert_eq!(settings.name, name);
        assert_eq!(settings.config.shown()[field], value);
    }
}

#[test]
fn each_required_field_that_is_missing_is_named_and_the_others_with_it() {
    for kind in ChannelType::ALL {
        let errors = read(json!({"type": kind, "colour": 1}), None).unwrap_err();
        let required = kind.about().fields.iter().filter(|field| field.required);
        let mut expected: Vec<&str> = required.map(|field| field.name).chain(["colour"]).collect();
        expected.sort_unstable();
        assert_eq!(errors.0.keys().collect::<Vec<_>>(), expected, "{kind}");
    }
}

#[test]
fn names_each_wrong_field_with_its_fix() {
    for (request, field, words) in [
        (json!({}), "type", "give one of email, slack, teams"),
        (json!({"type": "pager"}), "type", "must be one of"),
        (json!({"type": 1}), "type", "must be one of"),
        (json!({"type": "email"}), "to", "is missing"),
        (json!({"type": "email", "to": []}), "to", "at least one"),
        (json!({"type": "email", "to": "a@b.example"}), "to", "must be a list"),
        (
            json!({"type": "email", "to": ["a@b.example\r\nBcc: x@y.example"]}),
            "to",
            "not an address",
        ),
        (json!({"type": "email", "to": ["nobody"]}), "to", "not an address"),
        (json!({"type": "email", "to": ["a@b.example"], "url": "x"}), "url", "not a field here"),
        (json!({"type": "slack", "url": null}), "url", "is missing"),
        (json!({"type": "slack", "url": "***"}), "url", "nothing is stored"),
        (json!({"type": "slack", "url": "hooks.slack.com/services/x"}), "url", "write https://"),
        (json!({"type": "webhook", "url": "ftp://x.example"}), "url", "must start with http"),
        (json!({"type": "discord", "url": ""}), "url", "is missing"),
        (json!({"type": "pagerduty", "routing_key": "***"}), "routing_key", "nothing is stored"),
        (json!({"type": "pagerduty", "routing_key": "a b"}), "routing_key", "paste it again"),
        (json!({"type": "gotify", "url": "x.example", "token": "t"}), "url", "write https://"),
        (
            json!({"type": "gotify", "url": "http://x.example", "token": "a\r\nB: c"}),
            "token",
            "paste it again",
        ),
        (json!({"type": "ntfy", "topic": "https://ntfy.sh/ops"}), "topic", "goes into url"),
        (json!({"type": "telegram", "token": "1:a", "chat_id": "ops"}), "chat_id", "@example"),
        (
            json!({"type": "telegram", "token": "1:a", "chat_id": "1", "thread_id": 0}),
            "thread_id",
            "above 0",
        ),
        (
            json!({"type": "matrix", "url": "http://x.example", "token": "t", "room": "#ops:x.example"}),
            "room",
            "internal id",
        ),
        (json!({"type": "opsgenie", "api_key": "k", "region": "mars"}), "region", "us, eu"),
        (
            json!({"type": "webhook", "url": "http://x.example", "secret": "***"}),
            "secret",
            "nothing is stored",
        ),
        (
            json!({"type": "webhook", "url": "http://x.example", "method": "GET"}),
            "method",
            "POST, PUT, PATCH",
        ),
        (
            json!({"type": "webhook", "url": "http://x.example", "headers": {"Webhook-Id": "1"}}),
            "headers",
            "sets itself",
        ),
        (
            json!({"type": "webhook", "url": "http://x.example", "headers": {"A": "b\r\nC: d"}}),
            "headers",
            "line break",
        ),
        (
            json!({"type": "webhook", "url": "http://x.example", "template": "{{monitor.nam}}"}),
            "template",
            "monitor.nam",
        ),
    ] {
        let reason = reason(request, field);
        assert!(reason.contains(words), "{field}: {reason}");
    }
}

#[test]
fn email_needs_a_mail_server_and_says_how() {
    let request = json!({"type": "email", "to": ["a@b.example"]});
    let map = request.as_object().unwrap();
    let errors = ChannelSettings::read(map, None, false).unwrap_err();
    assert!(errors.0["type"].contains("WATCHBELL_SMTP_URL"));
    let stored = ChannelSettings::read(map, None, true).unwrap();
    let off = json!({"enabled": false});
    assert!(ChannelSettings::read(off.as_object().unwrap(), Some(&stored), false).is_ok());
}

#[test]
fn secrets_read_as_a_mask_that_keeps_them_when_sent_back() {
    let mut all = samples("https://far.example/hook");
    all.push(
        json!({"type": "webhook", "url": "https://u:S3CRET@example.com/h", "secret": "S3CRET",
        "headers": {"Authorization": "Bearer S3CRET", "X-Env": "prod"}}),
    );
    for pasted in [
        "https://hooks.slack.com/services/T/B/S3CRET",
        "https://discord.com/api/webhooks/1/S3CRET",
        "https://x.api.powerplatform.com/powerautomate/workflows/a/triggers/manual/paths/invoke?sig=S3CRET",
    ] {
        all.push(json!({"type": "webhook", "url": pasted}));
    }
    for request in all {
        let settings = read(request, None).unwrap();
        let shown = settings.config.shown();
        let text = Value::Object(shown.clone()).to_string();
        assert!(!text.contains("S3CRET"), "{text}");
        assert!(!settings.name.contains("S3CRET") && !settings.config.target().contains("S3CRET"));
        assert_eq!(read(Value::Object(shown), Some(&settings)).unwrap(), settings);
        assert_eq!(read(json!({}), Some(&settings)).unwrap(), settings);
    }
}

#[test]
fn what_is_secret_is_masked_in_every_kind() {
    for kind in ChannelType::ALL {
        for field in kind.about().fields {
            let names_a_secret =
                ["token", "key", "secret", "topic"].iter().any(|w| field.name.contains(w));
            assert!(field.secret || !names_a_secret, "{kind} {}", field.name);
        }
    }
}

#[test]
fn a_patch_changes_what_it_names_but_not_the_type() {
    let stored = read(json!({"type": "webhook", "url": "http://x.example", "secret": "s", "template": "{{text}}"}), None).unwrap();
    let patched = read(
        json!({"type": "webhook", "secret": null, "is_default": true, "template": ""}),
        Some(&stored),
    )
    .unwrap();
    let shown = patched.config.shown();
    assert!(shown["secret"].is_null() && shown["template"].is_null() && patched.is_default);
    let errors = read(json!({"type": "slack"}), Some(&stored)).unwrap_err();
    assert!(errors.0["type"].contains("cannot be changed"));
}

#[test]
fn a_config_survives_its_stored_form() {
    for sample in samples("https://far.example/hook") {
        let settings = read(sample, None).unwrap();
        let stored = serde_json::to_string(&settings.config).unwrap();
        assert_eq!(serde_json::from_str::<ChannelConfig>(&stored).unwrap(), settings.config);
    }
}

#[test]
fn what_the_first_version_stored_is_still_read() {
    for (stored, request) in [
        (
            r#"{"type":"email","to":["a@b.example"]}"#,
            json!({"type": "email", "to": ["a@b.example"]}),
        ),
        (
            r#"{"type":"slack","url":"https://hooks.slack.com/services/T/B/x"}"#,
            json!({"type": "slack", "url": "https://hooks.slack.com/services/T/B/x"}),
        ),
        (
            r#"{"type":"webhook","url":"http://x.example/","secret":null,"headers":[{"name":"A","value":"b"}],"method":"PUT","template":null}"#,
            json!({"type": "webhook", "url": "http://x.example", "headers": {"A": "b"}, "method": "PUT"}),
        ),
    ] {
        let config: ChannelConfig = serde_json::from_str(stored).unwrap();
        assert_eq!(config, read(request, None).unwrap().config);
        assert_eq!(serde_json::to_string(&config).unwrap(), stored);
    }
}
