//! What every kind has in common, and which incident of theirs machines are told of.

use std::collections::BTreeSet;

use serde_json::json;

use super::machine::{Action, action_of};
use super::text::Tone;
use super::*;
use crate::clock::Timestamp;
use crate::incident::message::Alert;
use crate::notify::testing::{down_alert, samples, test_alert};

fn outgoing(alert: &Alert) -> Outgoing<'_> {
    let (key, base_url) = ("msg_7".to_owned(), "https://bell.example/");
    let acknowledge_url = Some("https://bell.example/acknowledge/7.1.9.a-b_c".to_owned());
    Outgoing { alert, key, sent_at: Timestamp(0), base_url, acknowledge_url }
}

fn body(settings: Value, alert: &Alert) -> Value {
    let config: ChannelConfig = serde_json::from_value(settings).unwrap();
    match config.render(&outgoing(alert)).unwrap() {
        Rendered::Http(request) => serde_json::from_slice(&request.body).unwrap(),
        Rendered::Mail(_) => Value::Null,
    }
}

#[test]
fn there_is_a_sample_of_every_kind_and_every_kind_says_what_it_needs() {
    let samples = samples("https://far.example");
    let kinds: Vec<_> = samples.iter().map(|sample| sample["type"].clone()).collect();
    assert_eq!(json!(kinds), json!(ChannelType::ALL));
    let mut names = BTreeSet::new();
    for kind in ChannelType::ALL {
        let about = kind.about();
        assert!(names.insert(about.name) && about.how.ends_with('.'), "{kind}");
        for field in about.fields {
            assert!(!field.required || !field.example.is_empty(), "{kind} {}", field.name);
            // It stands between quotes in the form.
            assert!(!field.example.contains('"'), "{kind} {}", field.name);
        }
    }
}

#[test]
fn slack_says_the_text_of_the_contract_and_links_the_incident() {
    let body = body(json!({"type": "slack", "url": "https://far.example"}), &down_alert());
    let text = "🔴 *yourapp.com/health* is DOWN\nStatus: 503 | checks.database: error: &lt;no&gt; &amp; none\nDuration: 1m 12s";
    assert_eq!(body["text"], text);
    assert_eq!(body["blocks"][0]["text"]["text"], text);
    assert_eq!(
        body["blocks"][1]["elements"][0]["text"],
        "<https://bell.example/incidents/42|Open the incident in Watchbell>"
    );
    assert_eq!(
        body["blocks"][1]["elements"][1]["text"],
        "<https://bell.example/acknowledge/7.1.9.a-b_c|Acknowledge>"
    );
}

#[test]
fn a_machine_has_one_incident_for_each_of_ours_and_others_for_what_has_none() {
    use Action::{Acknowledge, Resolve, Trigger};
    let with = down_alert();
    let without = Alert { incident: None, ..down_alert() };
    for (event, alert, expected) in [
        ("monitor.down", &with, (Trigger, "watchbell-incident-42")),
        ("incident.reminder", &with, (Trigger, "watchbell-incident-42")),
        ("incident.acknowledged", &with, (Acknowledge, "watchbell-incident-42")),
        ("monitor.up", &with, (Resolve, "watchbell-incident-42")),
        ("self.cut_off", &with, (Trigger, "watchbell-incident-42")),
        ("self.back", &with, (Resolve, "watchbell-incident-42")),
        // Names the incident that could not be told, and must not open it again.
        ("channel.failed", &with, (Trigger, "watchbell-channel-yourapp.com/health")),
        ("monitor.degraded", &without, (Trigger, "watchbell-degraded-7")),
        ("monitor.up", &without, (Resolve, "watchbell-degraded-7")),
        ("certificate.expiring", &without, (Trigger, "watchbell-certificate-7")),
        ("probe.lost", &without, (Trigger, "watchbell-probe-yourapp.com/health")),
        ("probe.back", &without, (Resolve, "watchbell-probe-yourapp.com/health")),
        ("self.cut_off", &without, (Trigger, "watchbell-self")),
        ("self.back", &without, (Resolve, "watchbell-self")),
        ("summary", &without, (Trigger, "watchbell-msg_7")),
        ("channel.test", &test_alert(), (Trigger, "watchbell-msg_7")),
    ] {
        let (action, key) = action_of(event, &outgoing(alert));
        assert_eq!((action, key.as_str()), expected, "{event}");
    }
}

#[test]
fn every_event_of_the_contract_has_its_tone() {
    for (event, expected) in [
        ("monitor.down", Tone::Critical),
        ("incident.reminder", Tone::Critical),
        ("monitor.degraded", Tone::Warning),
        ("certificate.expiring", Tone::Warning),
        ("channel.failed", Tone::Warning),
        ("probe.lost", Tone::Warning),
        ("self.cut_off", Tone::Warning),
        ("monitor.up", Tone::Good),
        ("probe.back", Tone::Good),
        ("self.back", Tone::Good),
        ("incident.acknowledged", Tone::Info),
        ("summary", Tone::Info),
        ("channel.test", Tone::Info),
    ] {
        assert_eq!(Tone::of_word(event), expected, "{event}");
    }
}
