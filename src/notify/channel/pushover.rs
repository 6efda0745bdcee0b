//! Pushover: a message with title and priority. Pure.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;

use super::field::{Field, Shape};
use super::request::at;
use super::text::{self, LINK, Markup, Tone};
use super::{About, ChannelType, Kind, Rendered, Request};
use crate::notify::attempt::{Answer, Outgoing};

/// The limits of Pushover's page on its message API, in characters.
const TITLE: Markup = Markup::plain(250);
const MESSAGE: Markup = Markup::plain(1024);
const URL_MAX: usize = 512;

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    user: String,
    token: String,
    url: Url,
}

impl Kind for Config {
    const ABOUT: About = About {
        name: "Pushover",
        icon: "bell",
        how: "On pushover.net: your user key is on the first page; Create an Application gives the token.",
        fields: &[
            Field::required("user", "User key", Shape::Token)
                .secret()
                .example("uQiRzpo4DXghDmr9QzzfQu27cmVRsG")
                .help("Of a user, or of a group."),
            Field::required("token", "Application token", Shape::Token)
                .secret()
                .example("azGDORePK8gMaC0QOYAMyEEuzJnyUi"),
            Field::optional("url", "Server", Shape::Url)
                .folded()
                .default("https://api.pushover.net/")
                .help("Only for a gateway of your own."),
        ],
        answer,
    };

    fn target(&self) -> String {
        "push to phones".to_owned()
    }

    fn render(&self, outgoing: &Outgoing<'_>) -> Result<Rendered, String> {
        let words = &outgoing.alert.message;
        let mut body = json!({
            "token": self.token,
            "user": self.user,
            "title": TITLE.headline(words),
            // A message must not be empty.
            "message": match MESSAGE.lines(words) {
                lines if lines.is_empty() => MESSAGE.headline(words),
                lines => lines,
            },
            // High priority goes past quiet hours; only emergencies would have to be acknowledged there.
            "priority": if Tone::of(outgoing.alert) == Tone::Critical { 1 } else { 0 },
        });
        if let Some(url) = text::link(outgoing).filter(|url| url.len() <= URL_MAX) {
            body["url"] = json!(url);
            body["url_title"] = json!(LINK);
        }
        let url = at(&self.url, ["1", "messages.json"]);
        Ok(Request::json(ChannelType::Pushover, url, &body).into())
    }
}

/// Pushover's page: whatever was answered with 4xx must not be sent again as it is; over the month's quota is 429.
fn answer(status: u16, body: &str) -> Option<Answer> {
    let json: Option<Value> = serde_json::from_str(body).ok();
    let is_refused = json.is_some_and(|json| json["status"].as_i64().is_some_and(|s| s != 1));
    match status {
        429 => None,
        400..=499 => Some(Answer::RefusedForGood),
        200..=299 if is_refused => Some(Answer::RefusedForGood),
        _ => None,
    }
}
