//! Google Chat's incoming webhook: text, one thread an incident. Pure.

use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;

use super::field::{Field, Shape};
use super::machine::incident_key;
use super::request::host;
use super::text::{self, Markup};
use super::{About, ChannelType, Kind, Rendered, Request};
use crate::notify::attempt::{Answer, Outgoing};
use crate::notify::classify::by_error_code;

/// A message is at most 32,000 bytes (Google's page on `spaces.messages.create`), all of its JSON.
const TEXT: Markup = Markup {
    bold: ("*", "*"),
    escape: text::google,
    line_break: "\n",
    limit: 15_000,
    measure: text::bytes,
};

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    url: Url,
}

impl Kind for Config {
    const ABOUT: About = About {
        name: "Google Chat",
        icon: "chat",
        how: "In Google Chat: the space's menu, Apps & integrations, Webhooks, Add webhook, copy the link.",
        fields: &[Field::required("url", "Webhook URL", Shape::Url)
            .secret()
            .example("https://chat.googleapis.com/v1/spaces/…/messages?key=…&token=…")],
        answer,
    };

    fn target(&self) -> String {
        format!("{}, webhook", host(&self.url))
    }

    fn render(&self, outgoing: &Outgoing<'_>) -> Result<Rendered, String> {
        let links = text::links(outgoing, |url, words| format!("<{url}|{words}>"));
        let links = if links.is_empty() { links } else { format!("\n{links}") };
        let text = TEXT.less(&links).text(&outgoing.alert.message);
        let mut body = json!({"text": format!("{text}{links}")});
        let mut url = self.url.clone();
        if let Some(key) = incident_key(outgoing) {
            body["thread"] = json!({"threadKey": key});
            url.query_pairs_mut()
                .append_pair("messageReplyOption", "REPLY_MESSAGE_FALLBACK_TO_NEW_THREAD");
        }
        Ok(Request::json(ChannelType::Googlechat, url, &body).into())
    }
}

fn answer(status: u16, body: &str) -> Option<Answer> {
    by_error_code(status, body, |json| json["error"]["code"].as_u64())
}
