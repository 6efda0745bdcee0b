//! Matrix: a message in a room, as text and HTML, under a transaction id that makes a repeat harmless. Pure.

use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;

use super::field::{Field, Shape};
use super::request::{at, host};
use super::text::{self, ACKNOWLEDGE, LINK, Markup};
use super::{About, ChannelType, Kind, Method, Rendered, Request};
use crate::notify::attempt::{Answer, Outgoing};
use crate::notify::classify::by_error_code;

/// An event is at most 65,536 bytes (the client-server API, size limits), both forms together.
const HTML: Markup = Markup {
    bold: ("<strong>", "</strong>"),
    escape: text::html,
    line_break: "<br>",
    limit: 16_000,
    measure: text::bytes,
};
const PLAIN: Markup = Markup { escape: text::calm, measure: text::bytes, ..Markup::plain(16_000) };

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    url: Url,
    room: String,
    token: String,
}

impl Kind for Config {
    const ABOUT: About = About {
        name: "Matrix",
        icon: "chat",
        how: "Make an account for the bot, invite it to the room and accept; in Element its token is under Settings, Help & About.",
        fields: &[
            Field::required("url", "Homeserver", Shape::Url).example("https://matrix.example.com"),
            Field::required("room", "Room", Shape::Room).example("!abc:example.com").help(
                "The internal room id: Room settings, Advanced. The room must not be encrypted.",
            ),
            Field::required("token", "Access token", Shape::Token).secret().example("syt_…"),
        ],
        answer,
    };

    fn target(&self) -> String {
        format!("{} on {}", self.room, host(&self.url))
    }

    fn render(&self, outgoing: &Outgoing<'_>) -> Result<Rendered, String> {
        let words = &outgoing.alert.message;
        let (mut plain, mut html) = (PLAIN.text(words), HTML.text(words));
        if let Some(url) = text::link(outgoing) {
            plain.push_str(&format!("\n{url}"));
            let url = url.replace('&', "&amp;").replace('"', "&quot;");
            html.push_str(&format!("<br><a href=\"{url}\">{LINK}</a>"));
        }
        if let Some(url) = text::acknowledge_link(outgoing) {
            let url = url.replace('&', "&amp;").replace('"', "&quot;");
            html.push_str(&format!(" · <a href=\"{url}\">{ACKNOWLEDGE}</a>"));
        }
        let body = json!({
            "msgtype": "m.text",
            "body": plain,
            "format": "org.matrix.custom.html",
            "formatted_body": html,
            // There, and empty: that this message mentions nobody, whatever its words are.
            "m.mentions": {},
        });
        let path = ["_matrix", "client", "v3", "rooms", &self.room, "send", "m.room.message"];
        let url = at(&self.url, path.into_iter().chain([outgoing.key.as_str()]));
        let request = Request::json(ChannelType::Matrix, url, &body);
        Ok(request.method(Method::Put).bearer(&self.token).into())
    }
}

/// An `errcode` in an answer that calls itself a success.
fn answer(status: u16, body: &str) -> Option<Answer> {
    by_error_code(status, body, |json| match json["errcode"].as_str()? {
        "M_LIMIT_EXCEEDED" => Some(429),
        "M_TOO_LARGE" => Some(413),
        "M_BAD_JSON" | "M_NOT_JSON" => Some(400),
        _ => Some(403),
    })
}
