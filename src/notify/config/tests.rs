//! A request becomes settings, and settings are shown again.

use super::*;

fn read(value: Value, current: Option<&ChannelSettings>) -> Result<ChannelSettings, FieldErrors> {
    ChannelSettings::read(value.as_object().unwrap(), current, true)
}

fn reason(value: Value, field: &str) -> String {
    let errors = read(value.clone(), None).unwrap_err();
    errors.0.get(field).unwrap_or_else(|| panic!("{value}: {errors:?}")).clone()
}

#[test]
fn reads_each_type_with_its_defaults() {
    let email =
        read(json!({"type": "email", "to": ["a@b.example", " a@b.example "]}), None).unwrap();
    assert_eq!(email.config, ChannelConfig::Email { to: vec!["a@b.example".to_owned()] });
    assert!((email.name == "a@b.example") && email.enabled && !email.is_default);
    let slack = read(
        json!({"type": "slack", "url": "https://hooks.slack.com/services/T/B/x", "name": "Ops"}),
        None,
    );
    assert_eq!(slack.unwrap().name, "Ops");
    let hook =
        read(json!({"type": "webhook", "url": "https://example.com/h", "method": "put"}), None)
            .unwrap();
    assert_eq!(hook.name, "example.com");
    let ChannelConfig::Webhook(config) = hook.config else { panic!("a webhook") };
    assert_eq!(config.method, WebhookMethod::Put);
}

#[test]
fn names_each_wrong_field_with_its_fix() {
    for (request, field, words) in [
        (json!({}), "type", "give one of email, slack, webhook"),
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
    let hook = read(
        json!({"type": "webhook", "url": "https://u:pw@example.com/h", "secret": "s3cret",
               "headers": {"Authorization": "Bearer t0ken", "X-Env": "prod"}}),
        None,
    )
    .unwrap();
    let slack =
        read(json!({"type": "slack", "url": "https://hooks.slack.com/services/T/B/s3cret"}), None)
            .unwrap();
    let pasted = read(
        json!({"type": "webhook", "url": "https://hooks.slack.com/services/T/B/s3cret"}),
        None,
    )
    .unwrap();
    for settings in [hook, slack, pasted] {
        let shown = settings.config.shown();
        let text = Value::Object(shown.clone()).to_string();
        for secret in ["s3cret", "t0ken", "pw@"] {
            assert!(!text.contains(secret), "{text}");
        }
        assert_eq!(read(Value::Object(shown), Some(&settings)).unwrap(), settings);
        assert_eq!(read(json!({}), Some(&settings)).unwrap(), settings);
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
    let ChannelConfig::Webhook(config) = &patched.config else { panic!("a webhook") };
    assert!(config.secret.is_none() && config.template.is_none() && patched.is_default);
    let errors = read(json!({"type": "slack"}), Some(&stored)).unwrap_err();
    assert!(errors.0["type"].contains("cannot be changed"));
}

#[test]
fn a_config_survives_its_stored_form() {
    let settings =
        read(json!({"type": "webhook", "url": "http://x.example", "headers": {"A": "b"}}), None)
            .unwrap();
    let stored = serde_json::to_string(&settings.config).unwrap();
    assert_eq!(serde_json::from_str::<ChannelConfig>(&stored).unwrap(), settings.config);
}
