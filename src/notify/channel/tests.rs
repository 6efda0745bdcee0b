//! What every kind has in common, and which incident of theirs machines are told of.

use std::collections::BTreeSet;

use serde_json::json;

use super::machine::{Action, action};
use super::text::Tone;
use super::*;
use crate::clock::Timestamp;
use crate::incident::message::{Alert, AlertEvent};
use crate::notify::testing::{down_alert, samples, test_alert};

fn outgoing(alert: &Alert) -> Outgoing<'_> {
    let (key, base_url) = ("msg_7".to_owned(), "https://bell.example/");
    Outgoing { alert, key, sent_at: Timestamp(0), base_url }
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
            let is_plain = |text: &str| !text.contains(['"', '<', '&']);
            assert!(is_plain(field.example) || !field.example.contains('"'), "{kind}");
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
}

#[test]
fn a_machine_has_one_incident_for_each_of_ours_and_others_for_what_has_none() {
    let mut alert = down_alert();
    let incident = alert.incident.clone();
    for (event, has_incident, expected) in [
        (AlertEvent::MonitorDown, true, (Action::Trigger, "watchbell-incident-42")),
        (AlertEvent::MonitorUp, true, (Action::Resolve, "watchbell-incident-42")),
        (AlertEvent::MonitorDegraded, false, (Action::Trigger, "watchbell-degraded-7")),
        (AlertEvent::MonitorUp, false, (Action::Resolve, "watchbell-degraded-7")),
        (
            AlertEvent::ChannelFailed,
            true,
            (Action::Trigger, "watchbell-channel-yourapp.com/health"),
        ),
    ] {
        alert.event = event;
        alert.incident = incident.clone().filter(|_| has_incident);
        let (action, key) = action(&outgoing(&alert));
        assert_eq!((action, key.as_str()), expected, "{event}");
    }
    let test = test_alert();
    assert_eq!(action(&outgoing(&test)), (Action::Trigger, "watchbell-msg_7".to_owned()));
}

#[test]
fn every_event_has_a_tone() {
    for event in AlertEvent::ALL {
        let expected = match event.as_str() {
            "monitor.down" | "incident.reminder" => Tone::Critical,
            "monitor.up" | "probe.back" | "self.back" => Tone::Good,
            "incident.acknowledged" | "summary" | "channel.test" => Tone::Info,
            _ => Tone::Warning,
        };
        assert_eq!(Tone::of(*event), expected, "{event}");
    }
}
