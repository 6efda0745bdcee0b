//! Gotify: a message with title and priority. Pure.

use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;

use super::field::{Field, Shape};
use super::request::{at, host};
use super::text::{self, Markup, Tone};
use super::{About, ChannelType, Kind, Rendered, Request, by_status};
use crate::notify::attempt::Outgoing;

const TITLE: Markup = Markup::plain(250);
/// Gotify names no limit; a phone has one.
const MESSAGE: Markup = Markup::plain(10_000);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    url: Url,
    token: String,
}

impl Kind for Config {
    const ABOUT: About = About {
        name: "Gotify",
        icon: "bell",
        how: "In Gotify: Apps, Create application, copy its token.",
        fields: &[
            Field::required("url", "Server", Shape::Url).example("https://gotify.example.com"),
            Field::required("token", "Application token", Shape::Token)
                .secret()
                .example("A7kQ2mZx9Rt4wPe"),
        ],
        answer: by_status,
    };

    fn target(&self) -> String {
        host(&self.url)
    }

    fn render(&self, outgoing: &Outgoing<'_>) -> Result<Rendered, String> {
        let words = &outgoing.alert.message;
        let mut extras = json!({"client::display": {"contentType": "text/plain"}});
        if let Some(url) = text::link(outgoing) {
            extras["client::notification"] = json!({"click": {"url": url}});
        }
        let body = json!({
            "title": TITLE.headline(words),
            "message": MESSAGE.lines(words),
            // From 4 on it sounds, from 8 on it also pops up.
            "priority": match Tone::of(outgoing.alert) {
                Tone::Critical => 8,
                Tone::Warning => 6,
                Tone::Good | Tone::Info => 4,
            },
            "extras": extras,
        });
        let request = Request::json(ChannelType::Gotify, at(&self.url, ["message"]), &body);
        Ok(request.header("x-gotify-key", &self.token).into())
    }
}
