//! Opsgenie: an alert is created, acknowledged and closed under the alias of its incident. Pure.

use serde::{Deserialize, Serialize};
use serde_json::json;
use url::Url;

use super::field::{Field, Shape};
use super::machine::{self, Action};
use super::request::{at, host};
use super::text::{self, Markup};
use super::{About, ChannelType, Kind, Rendered, Request, by_status};
use crate::notify::attempt::Outgoing;

/// The limits of Opsgenie's page on its alert API, in characters.
const MESSAGE: Markup = Markup::plain(130);
const DESCRIPTION: Markup = Markup::plain(15_000);
const ENTITY: Markup = Markup::plain(512);
const TAG: Markup = Markup::plain(50);
const TAGS: usize = 20;
const DETAIL: Markup = Markup::plain(1000);

#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    api_key: String,
    region: String,
    url: Option<Url>,
}

impl Config {
    fn server(&self) -> Result<Url, String> {
        let default = match self.region.as_str() {
            "eu" => "https://api.eu.opsgenie.com/",
            _ => "https://api.opsgenie.com/",
        };
        match &self.url {
            Some(url) => Ok(url.clone()),
            None => default.parse().map_err(|_| "Opsgenie's address cannot be read".to_owned()),
        }
    }
}

impl Kind for Config {
    const ABOUT: About = About {
        name: "Opsgenie",
        icon: "phone",
        how: "In Opsgenie: Teams, your team, Integrations, Add integration, API; copy the API key.",
        fields: &[
            Field::required("api_key", "API key", Shape::Token)
                .secret()
                .example("eb243592-faa2-4ba2-a551q-1afdf565c889"),
            Field::optional("region", "Region", Shape::Word(&["us", "eu"]))
                .default("us")
                .help("Where your account is."),
            Field::optional("url", "Server", Shape::Url)
                .folded()
                .help("Instead of the region, for a gateway of your own."),
        ],
        answer: by_status,
    };

    fn target(&self) -> String {
        match &self.url {
            Some(url) => host(url),
            None => format!("alerts, {}", self.region.to_uppercase()),
        }
    }

    fn render(&self, outgoing: &Outgoing<'_>) -> Result<Rendered, String> {
        let (action, key) = machine::action(outgoing);
        let message = &outgoing.alert.message;
        let server = self.server()?;
        let (url, body) = match action {
            Action::Trigger => (at(&server, ["v2", "alerts"]), created(outgoing, &key)),
            Action::Acknowledge | Action::Resolve => {
                let verb = if action == Action::Resolve { "close" } else { "acknowledge" };
                let mut url = at(&server, ["v2", "alerts", &key, verb]);
                url.query_pairs_mut().append_pair("identifierType", "alias");
                (url, json!({"source": "Watchbell", "note": DESCRIPTION.text(message)}))
            }
        };
        let request = Request::json(ChannelType::Opsgenie, url, &body);
        Ok(request.header("authorization", format!("GenieKey {}", self.api_key)).into())
    }
}

fn created(outgoing: &Outgoing<'_>, key: &str) -> serde_json::Value {
    let alert = outgoing.alert;
    let link = text::link(outgoing);
    let below = link.as_ref().map(|url| format!("\n{url}")).unwrap_or_default();
    let text = DESCRIPTION.less(&below).text(&alert.message);
    let mut details = json!({"event": alert.event});
    if let Some(url) = &link {
        details["incident"] = json!(DETAIL.line(url));
    }
    let mut tags = Vec::new();
    if let Some(monitor) = &alert.monitor {
        details["monitor"] = json!(DETAIL.line(&monitor.name));
        if let Some(url) = &monitor.url {
            details["url"] = json!(DETAIL.line(url));
        }
        tags = monitor.tags.iter().take(TAGS).map(|tag| TAG.line(tag)).collect();
    }
    json!({
        "message": MESSAGE.headline(&alert.message),
        "alias": key,
        "description": format!("{text}{below}"),
        "entity": ENTITY.line(&alert.message.subject),
        "source": "Watchbell",
        "priority": machine::severity(outgoing).1,
        "tags": tags,
        "details": details,
    })
}
