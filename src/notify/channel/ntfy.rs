//! ntfy: a message with title, priority and tags, published as JSON. Pure.

use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;

use super::field::{Field, Shape};
use super::request::host;
use super::text::{self, Markup, Tone};
use super::{About, ChannelType, Kind, Rendered, Request, by_status};
use crate::notify::attempt::Outgoing;

const TITLE: Markup = Markup::plain(250);
/// A longer message, over 4096 bytes, would become an attachment.
const MESSAGE: Markup = Markup { measure: text::bytes, ..Markup::plain(4000) };

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    url: Url,
    topic: String,
    token: Option<String>,
}

impl Kind for Config {
    const ABOUT: About = About {
        name: "ntfy",
        icon: "bell",
        how: "Choose a topic that nobody guesses and subscribe to it in the app; it is made by being used.",
        fields: &[
            Field::required("topic", "Topic", Shape::Topic)
                .secret()
                .example("ops-7f3a9c")
                .help("Who knows it can read and write there, so it is kept as a secret."),
            Field::optional("url", "Server", Shape::Url)
                .default("https://ntfy.sh/")
                .example("https://ntfy.example.com")
                .help("Your own server, or ntfy.sh if empty."),
            Field::optional("token", "Access token", Shape::Token)
                .secret()
                .example("tk_…")
                .help("Only for a topic that is protected: Account, Access tokens."),
        ],
        answer: by_status,
    };

    fn target(&self) -> String {
        format!("topic on {}", host(&self.url))
    }

    fn render(&self, outgoing: &Outgoing<'_>) -> Result<Rendered, String> {
        let words = &outgoing.alert.message;
        let tone = Tone::of(outgoing.alert);
        let mut body = json!({
            "topic": self.topic,
            "title": TITLE.headline(words),
            "message": MESSAGE.lines(words),
            "priority": match tone {
                Tone::Critical => 5,
                Tone::Warning => 4,
                Tone::Good | Tone::Info => 3,
            },
            "tags": ["watchbell", outgoing.alert.event],
        });
        if let Some(url) = text::link(outgoing) {
            body["click"] = json!(url);
        }
        if let Some(url) = text::acknowledge_link(outgoing) {
            body["actions"] = json!([{"action": "view", "label": text::ACKNOWLEDGE, "url": url}]);
        }
        let request = Request::json(ChannelType::Ntfy, self.url.clone(), &body);
        Ok(match &self.token {
            Some(token) => request.bearer(token),
            None => request,
        }
        .into())
    }
}
