//! Discord's webhook: the headline as content, the lines in an embed with the colour of the state. Pure.

use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;

use super::field::{Field, Shape};
use super::request::host;
use super::text::{self, Markup, Tone};
use super::{About, ChannelType, Kind, Rendered, Request};
use crate::notify::attempt::{Answer, Outgoing};

/// Content is at most 2000 characters (Discord's page on webhooks).
const CONTENT: Markup = Markup {
    bold: ("**", "**"),
    escape: text::markdown,
    line_break: "\n",
    limit: 2000,
    measure: text::utf16,
};
/// An embed's description is at most 4096 characters.
const DESCRIPTION: Markup = Markup { limit: 4096, ..CONTENT };

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    url: Url,
}

/// Whether a URL is one of Discord's webhooks, pasted wherever it was.
pub fn is_webhook_url(url: &Url) -> bool {
    const HOSTS: [&str; 4] =
        ["discord.com", "discordapp.com", "ptb.discord.com", "canary.discord.com"];
    url.host_str().is_some_and(|host| HOSTS.contains(&host))
        && url.path().starts_with("/api/")
        && url.path().contains("/webhooks/")
}

/// The request. Mentions are switched off for the whole message.
pub fn request(url: &Url, outgoing: &Outgoing<'_>) -> Request {
    let words = &outgoing.alert.message;
    let links = text::links(outgoing, |url, words| format!("[{words}]({url})"));
    let links = if links.is_empty() { links } else { format!("\n{links}") };
    let lines = DESCRIPTION.less(&links).lines(words);
    let body = json!({
        "content": CONTENT.headline(words),
        "embeds": [{
            "description": format!("{lines}{links}"),
            "color": Tone::of(outgoing.alert).colour(),
        }],
        "allowed_mentions": {"parse": []},
    });
    let mut url = url.clone();
    if !url.query_pairs().any(|(name, _)| name == "wait") {
        // Without it Discord answers before it knows whether the message is kept.
        url.query_pairs_mut().append_pair("wait", "true");
    }
    Request::json(ChannelType::Discord, url, &body)
}

impl Kind for Config {
    const ABOUT: About = About {
        name: "Discord",
        icon: "chat",
        how: "In Discord: the channel's settings, Integrations, Webhooks, New Webhook, Copy Webhook URL.",
        fields: &[Field::required("url", "Webhook URL", Shape::Url)
            .secret()
            .example("https://discord.com/api/webhooks/…")],
        answer,
    };

    fn target(&self) -> String {
        format!("{}, webhook", host(&self.url))
    }

    fn render(&self, outgoing: &Outgoing<'_>) -> Result<Rendered, String> {
        Ok(request(&self.url, outgoing).into())
    }
}

/// Discord's page on rate limits: a webhook that answers 404 must not be used again.
fn answer(status: u16, _: &str) -> Option<Answer> {
    (status == 404).then_some(Answer::RefusedForGood)
}
