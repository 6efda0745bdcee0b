//! Telegram: a message of a bot, as HTML. Pure.

use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;

use super::field::{Field, Shape};
use super::request::at;
use super::text::{self, Markup};
use super::{About, ChannelType, Kind, Rendered, Request};
use crate::notify::attempt::{Answer, Outgoing};
use crate::notify::classify::by_error_code;

/// A text is at most 4096 characters once its markup is read (`sendMessage`); counted here with the markup.
const TEXT: Markup = Markup {
    bold: ("<b>", "</b>"),
    escape: text::html,
    line_break: "\n",
    limit: 4096,
    measure: text::utf16,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    token: String,
    chat_id: String,
    thread_id: Option<i64>,
    url: Url,
}

impl Kind for Config {
    const ABOUT: About = About {
        name: "Telegram",
        icon: "send",
        how: "In Telegram: ask @BotFather for /newbot and copy its token, then add the bot to the chat.",
        fields: &[
            Field::required("token", "Bot token", Shape::Token)
                .secret()
                .example("110201543:AAHdqTcvCH1vGWJxfSeofSAs0K5PALDsaw"),
            Field::required("chat_id", "Chat", Shape::Chat)
                .example("-1001234567890")
                .help("The chat's number, or the @name of a public channel."),
            Field::optional("thread_id", "Topic", Shape::Number)
                .folded()
                .help("The number of a topic in a forum group."),
            Field::optional("url", "Server", Shape::Url)
                .folded()
                .default("https://api.telegram.org/")
                .help("Only for a Bot API server of your own."),
        ],
        answer,
    };

    fn target(&self) -> String {
        format!("chat {}", self.chat_id)
    }

    fn render(&self, outgoing: &Outgoing<'_>) -> Result<Rendered, String> {
        let link = |url: &str, words: &str| format!("<a href=\"{}\">{words}</a>", attribute(url));
        let links = text::links(outgoing, link);
        let links = if links.is_empty() { links } else { format!("\n{links}") };
        let text = TEXT.less(&links).text(&outgoing.alert.message);
        let mut body = json!({
            "chat_id": self.chat_id,
            "text": format!("{text}{links}"),
            "parse_mode": "HTML",
            "link_preview_options": {"is_disabled": true},
        });
        if let Some(thread) = self.thread_id {
            body["message_thread_id"] = json!(thread);
        }
        let url = at(&self.url, [format!("bot{}", self.token).as_str(), "sendMessage"]);
        Ok(Request::json(ChannelType::Telegram, url, &body).into())
    }
}

/// An address inside a quoted attribute.
fn attribute(url: &str) -> String {
    url.replace('&', "&amp;").replace('"', "&quot;").replace('<', "&lt;")
}

/// Every answer says `ok`; when it is false, `error_code` says why.
fn answer(status: u16, body: &str) -> Option<Answer> {
    by_error_code(status, body, |json| {
        (json["ok"] == false).then(|| json["error_code"].as_u64().unwrap_or(400))
    })
}
