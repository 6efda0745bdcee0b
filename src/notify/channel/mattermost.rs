//! Mattermost's incoming webhook: Markdown. Pure.

use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;

use super::field::{Field, Shape};
use super::request::host;
use super::text::{self, Markup};
use super::{About, ChannelType, Kind, Rendered, Request, by_status};
use crate::notify::attempt::Outgoing;

/// A post is at most 16,383 characters (Mattermost's message limit). A line ends hard by two spaces before it.
const TEXT: Markup = Markup {
    bold: ("**", "**"),
    escape: text::markdown,
    line_break: "  \n",
    limit: 16_383,
    measure: text::characters,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    url: Url,
}

impl Kind for Config {
    const ABOUT: About = About {
        name: "Mattermost",
        icon: "chat",
        how: "In Mattermost: Integrations, Incoming Webhooks, Add, choose the channel, copy the URL.",
        fields: &[Field::required("url", "Webhook URL", Shape::Url)
            .secret()
            .example("https://mattermost.example.com/hooks/…")],
        answer: by_status,
    };

    fn target(&self) -> String {
        format!("{}, incoming webhook", host(&self.url))
    }

    fn render(&self, outgoing: &Outgoing<'_>) -> Result<Rendered, String> {
        let links = text::links(outgoing, |url, words| format!("[{words}]({url})"));
        let links = if links.is_empty() { links } else { format!("  \n{links}") };
        let text = TEXT.less(&links).text(&outgoing.alert.message);
        let body = json!({"text": format!("{text}{links}")});
        Ok(Request::json(ChannelType::Mattermost, self.url.clone(), &body).into())
    }
}
