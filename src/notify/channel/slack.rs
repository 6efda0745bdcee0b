//! Slack's incoming webhook: text and blocks. Pure.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::field::{Field, Shape};
use super::request::host;
use super::text::{self, ACKNOWLEDGE, LINK, Markup};
use super::{About, ChannelType, Kind, Rendered, Request};
use crate::notify::attempt::{Answer, Outgoing};

/// The longest text of a section block is 3000 characters (Slack's reference of block kit).
const TEXT: Markup = Markup {
    bold: ("*", "*"),
    escape: text::slack,
    line_break: "\n",
    limit: 3000,
    measure: text::characters,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    url: Url,
}

/// Whether a URL is one of Slack's incoming webhooks, pasted wherever it was.
pub fn is_webhook_url(url: &Url) -> bool {
    url.host_str() == Some("hooks.slack.com") && url.path().starts_with("/services/")
}

/// The alert's text, shown as a section, and a link to the incident.
pub fn request(url: &Url, outgoing: &Outgoing<'_>) -> Request {
    let text = TEXT.text(&outgoing.alert.message);
    let mut blocks = vec![json!({"type": "section", "text": {"type": "mrkdwn", "text": text}})];
    if let Some(url) = text::link(outgoing) {
        let mut links = vec![format!("<{url}|{LINK} in Watchbell>")];
        links.extend(text::acknowledge_link(outgoing).map(|url| format!("<{url}|{ACKNOWLEDGE}>")));
        let elements: Vec<_> =
            links.iter().map(|link| json!({"type": "mrkdwn", "text": link})).collect();
        blocks.push(json!({"type": "context", "elements": elements}));
    }
    let body = json!({"text": text, "blocks": blocks});
    Request::json(ChannelType::Slack, url.clone(), &body)
}

impl Kind for Config {
    const ABOUT: About = About {
        name: "Slack",
        icon: "chat",
        how: "In Slack: Apps, Incoming Webhooks, Add to Slack, choose the channel, copy the webhook URL.",
        fields: &[Field::required("url", "Webhook URL", Shape::Url)
            .secret()
            .example("https://hooks.slack.com/services/…")],
        answer,
    };

    fn target(&self) -> String {
        format!("{}, incoming webhook", host(&self.url))
    }

    fn render(&self, outgoing: &Outgoing<'_>) -> Result<Rendered, String> {
        Ok(request(&self.url, outgoing).into())
    }
}

/// What Slack's page on incoming webhooks lists as errors that a repeat cannot mend; it says them in plain text, or as
/// JSON with `ok`.
fn answer(status: u16, body: &str) -> Option<Answer> {
    const FOR_GOOD: [&str; 14] = [
        "action_prohibited",
        "channel_is_archived",
        "channel_not_found",
        "invalid_blocks",
        "invalid_payload",
        "invalid_token",
        "no_active_hooks",
        "no_service",
        "no_team",
        "no_text",
        "posting_to_general_channel_denied",
        "team_disabled",
        "too_many_attachments",
        "user_not_found",
    ];
    let json: Option<Value> = serde_json::from_str(body).ok();
    let error = json.as_ref().filter(|json| json["ok"] == false).map(|json| &json["error"]);
    let word = error.map_or(body, |error| error.as_str().unwrap_or_default()).trim_start();
    let is_for_good = FOR_GOOD.iter().any(|known| word.starts_with(known));
    match status {
        404 => Some(Answer::RefusedForGood),
        200..=299 | 400..=499 if is_for_good => Some(Answer::RefusedForGood),
        200..=299 if error.is_some() => Some(Answer::Refused),
        _ => None,
    }
}
