//! Microsoft Teams: an adaptive card for a Workflows webhook. Pure.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::field::{Field, Shape};
use super::request::host;
use super::text::{self, ACKNOWLEDGE, LINK, Markup, Tone};
use super::{About, ChannelType, Kind, Rendered, Request};
use crate::notify::attempt::{Answer, Outgoing};

/// A message of a webhook is at most 28 KB (Microsoft's page on webhooks); JSON may double what it escapes.
const TEXT: Markup = Markup { escape: text::card, measure: text::bytes, ..Markup::plain(9000) };
const HEAD: Markup = Markup { limit: 1000, ..TEXT };
/// Each block costs a hundred bytes: further lines share the last one.
const BLOCKS: usize = 20;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    url: Url,
}

/// Whether a URL is one of a Teams workflow, or of the connectors before them, pasted wherever it was.
pub fn is_webhook_url(url: &Url) -> bool {
    let (host, path) = (url.host_str().unwrap_or_default(), url.path());
    let is_workflow = path.contains("/workflows/") && path.contains("/triggers/");
    is_workflow && (host.ends_with(".logic.azure.com") || host.ends_with(".api.powerplatform.com"))
        || host.ends_with(".webhook.office.com") && path.starts_with("/webhookb2/")
}

/// The text as runs, which Teams does not search for markup: a name can hold anything.
pub fn request(url: &Url, outgoing: &Outgoing<'_>) -> Request {
    let words = &outgoing.alert.message;
    let mut head = vec![run(&HEAD.line(&words.subject)), run(&format!(" {}", words.predicate))];
    head[0]["weight"] = json!("Bolder");
    if !words.sign.is_empty() {
        head.insert(0, run(&format!("{} ", words.sign)));
    }
    for run in &mut head {
        run["size"] = json!("Medium");
        run["color"] = json!(colour(Tone::of(outgoing.alert)));
    }
    let mut body = vec![json!({"type": "RichTextBlock", "inlines": head})];
    let lines = TEXT.lines(words);
    let blocks = lines.splitn(BLOCKS, '\n').filter(|line| !line.is_empty());
    let runs = blocks.map(|line| run(&line.replace('\n', " · ")));
    body.extend(
        runs.map(|run| json!({"type": "RichTextBlock", "spacing": "Small", "inlines": [run]})),
    );
    let open = |title: &str, url| json!({"type": "Action.OpenUrl", "title": title, "url": url});
    let acknowledge = text::acknowledge_link(outgoing).map(|url| open(ACKNOWLEDGE, url));
    let actions: Vec<_> =
        text::link(outgoing).map(|url| open(LINK, url)).into_iter().chain(acknowledge).collect();
    let card = json!({
        "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
        "type": "AdaptiveCard",
        "version": "1.4",
        "fallbackText": HEAD.headline(words),
        "msteams": {"width": "Full"},
        "body": body,
        "actions": actions,
    });
    let attachment = json!({
        "contentType": "application/vnd.microsoft.card.adaptive",
        "contentUrl": null,
        "content": card,
    });
    let message = json!({"type": "message", "attachments": [attachment]});
    Request::json(ChannelType::Teams, url.clone(), &message)
}

fn run(text: &str) -> Value {
    json!({"type": "TextRun", "text": text})
}

fn colour(tone: Tone) -> &'static str {
    match tone {
        Tone::Critical => "Attention",
        Tone::Warning => "Warning",
        Tone::Good => "Good",
        Tone::Info => "Default",
    }
}

impl Kind for Config {
    const ABOUT: About = About {
        name: "Teams",
        icon: "chat",
        how: "In Teams: the channel's menu, Workflows, “Send webhook alerts to a channel”, copy the URL at the end.",
        fields: &[Field::required("url", "Workflow URL", Shape::Url)
            .secret()
            .example("https://….api.powerplatform.com/…/workflows/…")],
        answer,
    };

    fn target(&self) -> String {
        format!("{}, workflow", host(&self.url))
    }

    fn render(&self, outgoing: &Outgoing<'_>) -> Result<Rendered, String> {
        Ok(request(&self.url, outgoing).into())
    }
}

/// A workflow that is gone answers 404. Connectors answer 200 also when Teams itself refused, and say so in words.
fn answer(status: u16, body: &str) -> Option<Answer> {
    match status {
        404 => Some(Answer::RefusedForGood),
        200..=299 if body.contains("Microsoft Teams endpoint returned HTTP error") => {
            Some(Answer::Unavailable)
        }
        _ => None,
    }
}
