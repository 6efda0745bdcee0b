//! PagerDuty: Events API v2, one incident there for each of ours. Pure.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::field::{Field, Shape};
use super::machine::{self, Action};
use super::request::host;
use super::text::{self, LINK, Markup};
use super::{About, ChannelType, Kind, Rendered, Request};
use crate::notify::attempt::{Answer, Outgoing};
use crate::notify::classify::by_error_code;

/// A summary is at most 1024 characters (PagerDuty's page on PD-CEF).
const SUMMARY: Markup = Markup { line_break: " | ", ..Markup::plain(1024) };
const SOURCE: Markup = Markup::plain(1024);
const TEXT: Markup = Markup::plain(10_000);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    routing_key: String,
    url: Url,
}

impl Kind for Config {
    const ABOUT: About = About {
        name: "PagerDuty",
        icon: "phone",
        how: "In PagerDuty: Services, your service, Integrations, Add integration, Events API V2; copy the integration key.",
        fields: &[
            Field::required("routing_key", "Integration key", Shape::Token)
                .secret()
                .example("e93facc04764012d7bfb002500d5d1a6"),
            Field::optional("url", "Events URL", Shape::Url)
                .folded()
                .default("https://events.pagerduty.com/v2/enqueue")
                .help("For an account in Europe https://events.eu.pagerduty.com/v2/enqueue."),
        ],
        answer,
    };

    fn target(&self) -> String {
        format!("{}, Events API v2", host(&self.url))
    }

    fn render(&self, outgoing: &Outgoing<'_>) -> Result<Rendered, String> {
        let (action, key) = machine::action(outgoing);
        let mut body = json!({
            "routing_key": self.routing_key,
            "event_action": match action {
                Action::Trigger => "trigger",
                Action::Acknowledge => "acknowledge",
                Action::Resolve => "resolve",
            },
            "dedup_key": key,
        });
        if action == Action::Trigger {
            body["payload"] = payload(outgoing);
            body["client"] = json!("Watchbell");
            if let Some(url) = text::link(outgoing) {
                body["client_url"] = json!(url);
                body["links"] = json!([{"href": url, "text": LINK}]);
            }
        }
        Ok(Request::json(ChannelType::Pagerduty, self.url.clone(), &body).into())
    }
}

fn payload(outgoing: &Outgoing<'_>) -> Value {
    let alert = outgoing.alert;
    let mut details = json!({"event": alert.event, "text": TEXT.text(&alert.message)});
    if let Some(monitor) = &alert.monitor {
        details["monitor"] = json!(TEXT.line(&monitor.name));
        details["url"] = json!(monitor.url);
        details["tags"] = json!(monitor.tags);
    }
    if let Some(check) = &alert.check {
        details["region"] = json!(check.region);
        details["failed_checks"] = json!(check.failed_checks);
    }
    let mut payload = json!({
        "summary": SUMMARY.text(&alert.message),
        "severity": machine::severity(outgoing).0,
        "source": SOURCE.line(&alert.message.subject),
        "timestamp": outgoing.sent_at,
        "class": alert.event,
        "custom_details": details,
    });
    if let Some(incident) = &alert.incident {
        payload["timestamp"] = json!(incident.started_at);
        payload["class"] = json!(incident.cause);
    }
    payload
}

/// Its `status` is `success` when it took the event.
fn answer(status: u16, body: &str) -> Option<Answer> {
    by_error_code(status, body, |json| {
        json["status"].as_str().filter(|word| *word != "success").map(|_| 400)
    })
}
