//! The settings of a channel and how a request becomes them: validated, with every wrong field named at once. Pure.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use url::Url;

use super::ChannelType;
use super::slack;
use super::template::Template;
use crate::fields::{FieldErrors, Fields, parse_text};
use crate::monitor::Header;
use crate::monitor::spec::{SECRET_MASK, parse_headers, parse_url};

const RECIPIENTS_MAX: usize = 50;

/// What people set of a channel.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelSettings {
    /// What it is called.
    pub name: String,
    /// Where alerts go, by its kind.
    pub config: ChannelConfig,
    /// Whether alerts are sent to it.
    pub enabled: bool,
    /// Whether monitors without a choice of their own use it.
    pub is_default: bool,
}

/// Where alerts go. As it holds secrets, it is stored sealed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum ChannelConfig {
    /// Mail.
    Email {
        /// The addresses.
        to: Vec<String>,
    },
    /// Slack.
    Slack {
        /// The incoming webhook: a secret.
        url: Url,
    },
    /// A URL that is given JSON.
    Webhook(WebhookConfig),
}

/// A URL that is given JSON, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WebhookConfig {
    /// Where to. A password in it, and a Slack URL's path, are secrets.
    pub url: Url,
    /// Signs what is sent: `whsec_…`, or any text.
    pub secret: Option<String>,
    /// Sent along.
    pub headers: Vec<Header>,
    /// How.
    pub method: WebhookMethod,
    /// Replaces the JSON: text with `{{name}}` in it.
    pub template: Option<String>,
}

crate::words! {
    /// How a webhook is called.
    pub enum WebhookMethod {
        /// POST.
        Post = "POST",
        /// PUT.
        Put = "PUT",
        /// PATCH.
        Patch = "PATCH",
    }
}

impl ChannelConfig {
    /// Its kind.
    pub fn kind(&self) -> ChannelType {
        match self {
            Self::Email { .. } => ChannelType::Email,
            Self::Slack { .. } => ChannelType::Slack,
            Self::Webhook(_) => ChannelType::Webhook,
        }
    }

    /// Its fields as the API shows them: secrets read as `***`.
    pub fn shown(&self) -> Map<String, Value> {
        let shown = match self {
            Self::Email { to } => json!({ "to": to }),
            Self::Slack { .. } => json!({ "url": SECRET_MASK }),
            Self::Webhook(config) => json!({
                "url": shown_url(&config.url),
                "secret": config.secret.as_ref().map(|_| SECRET_MASK),
                "headers": shown_headers(&config.headers),
                "method": config.method,
                "template": config.template,
            }),
        };
        shown.as_object().cloned().unwrap_or_default()
    }
}

/// A webhook's URL without the secrets that may be in it.
fn shown_url(url: &Url) -> String {
    if slack::is_webhook_url(url) {
        return format!("https://hooks.slack.com/services/{SECRET_MASK}");
    }
    let mut shown = url.clone();
    if shown.password().is_some() {
        // Fails only for URLs that cannot have a password, and this one has.
        let _ = shown.set_password(Some(SECRET_MASK));
    }
    shown.to_string()
}

fn shown_headers(headers: &[Header]) -> Map<String, Value> {
    let shown = |h: &Header| if h.is_secret() { SECRET_MASK.to_owned() } else { h.value.clone() };
    headers.iter().map(|h| (h.name.clone(), Value::String(shown(h)))).collect()
}

impl ChannelSettings {
    /// Reads the settings of a channel from a request; `current` is what a PATCH edits. `has_smtp` tells whether mail can be sent.
    ///
    /// # Errors
    /// Every field that is wrong or not of this type.
    pub fn read(
        map: &Map<String, Value>,
        current: Option<&Self>,
        has_smtp: bool,
    ) -> Result<Self, FieldErrors> {
        let mut fields = Fields::new(map);
        let stored = current.map(|c| &c.config);
        // Which fields there are depends on the type: with a wrong one nothing else can be said.
        let kind = read_type(&mut fields, stored, has_smtp)
            .map_err(|reason| FieldErrors::one("type", reason))?;
        let config = match kind {
            ChannelType::Email => read_email(&mut fields, stored),
            ChannelType::Slack => read_slack(&mut fields, stored),
            ChannelType::Webhook => read_webhook(&mut fields, stored),
        };
        let default_name = config.as_ref().map_or_else(|| kind.to_string(), default_name);
        let name = fields.name("name", Some(default_name), current.map(|c| c.name.clone()));
        let enabled = fields.boolean("enabled", true, current.map(|c| c.enabled));
        let is_default = fields.boolean("is_default", false, current.map(|c| c.is_default));
        fields.finish()?;
        // A part that could not be read has noted why, so that `finish` has already returned.
        let config = config.ok_or_else(|| FieldErrors::one("type", "could not be read"))?;
        Ok(Self { name, config, enabled, is_default })
    }
}

fn read_type(
    fields: &mut Fields<'_>,
    stored: Option<&ChannelConfig>,
    has_smtp: bool,
) -> Result<ChannelType, String> {
    let given = match fields.raw("type") {
        None | Some(Value::Null) => None,
        Some(value) => Some(value.as_str().unwrap_or_default().parse::<ChannelType>()?),
    };
    let kind = match (given, stored.map(ChannelConfig::kind)) {
        (None, None) => {
            let words: Vec<&str> = ChannelType::ALL.iter().map(|t| t.as_str()).collect();
            return Err(format!("is missing: give one of {}", words.join(", ")));
        }
        (Some(given), Some(kind)) if given != kind => {
            return Err(format!("is {kind} and cannot be changed; make a new channel instead"));
        }
        (given, kind) => given.or(kind),
    };
    match kind {
        Some(ChannelType::Email) if !has_smtp && stored.is_none() => Err(
            "cannot be email as no mail server is set: start Watchbell with WATCHBELL_SMTP_URL \
                 (such as smtps://user:password@mail.example.com) and WATCHBELL_SMTP_FROM"
                .to_owned(),
        ),
        Some(kind) => Ok(kind),
        None => Err("is missing".to_owned()),
    }
}

fn default_name(config: &ChannelConfig) -> String {
    match config {
        ChannelConfig::Email { to } => to.join(", "),
        ChannelConfig::Slack { .. } => "Slack".to_owned(),
        ChannelConfig::Webhook(config) => config.url.host_str().unwrap_or("Webhook").to_owned(),
    }
}

/// A field that must be given: absent keeps `current`, and `fix` says what to give when there is none.
fn required<T>(
    fields: &mut Fields<'_>,
    name: &'static str,
    current: Option<T>,
    fix: &str,
    parse: impl FnOnce(&Value) -> Result<T, String>,
) -> Option<T> {
    let value = fields.read(name, None, current.map(Some), |value| parse(value).map(Some));
    if value.is_none() {
        // Does nothing when the value was given and wrong: the first reason stands.
        fields.wrong(name, format!("is missing: {fix}"));
    }
    value
}

fn read_email(fields: &mut Fields<'_>, stored: Option<&ChannelConfig>) -> Option<ChannelConfig> {
    let current = match stored {
        Some(ChannelConfig::Email { to }) => Some(to.clone()),
        _ => None,
    };
    let fix = "give a list of addresses, such as [\"ops@example.com\"]";
    required(fields, "to", current, fix, parse_addresses).map(|to| ChannelConfig::Email { to })
}

fn parse_addresses(value: &Value) -> Result<Vec<String>, String> {
    let fix = "must be a list of addresses, such as [\"ops@example.com\"]";
    let mut to: Vec<String> = Vec::new();
    for item in value.as_array().ok_or(fix)? {
        let address = item.as_str().ok_or(fix)?.trim();
        address.parse::<lettre::Address>().map_err(|_| {
            format!("has {address:?}, which is not an address such as ops@example.com")
        })?;
        if !to.iter().any(|known| known == address) {
            to.push(address.to_owned());
        }
    }
    match to.len() {
        0 => Err("is empty: give at least one address".to_owned()),
        n if n > RECIPIENTS_MAX => Err(format!("must have at most {RECIPIENTS_MAX} addresses")),
        _ => Ok(to),
    }
}

fn read_slack(fields: &mut Fields<'_>, stored: Option<&ChannelConfig>) -> Option<ChannelConfig> {
    let current = match stored {
        Some(ChannelConfig::Slack { url }) => Some(url.clone()),
        _ => None,
    };
    let kept = current.clone();
    let fix = "paste the URL of an incoming webhook, https://hooks.slack.com/services/…";
    let url = required(fields, "url", current, fix, |value| match (value.as_str(), kept) {
        (Some(SECRET_MASK), Some(kept)) => Ok(kept),
        (Some(SECRET_MASK), None) => Err(nothing_stored()),
        _ => parse_url(value),
    });
    url.map(|url| ChannelConfig::Slack { url })
}

fn nothing_stored() -> String {
    format!("is {SECRET_MASK}, but nothing is stored that it could stand for; give the value")
}

fn read_webhook(fields: &mut Fields<'_>, stored: Option<&ChannelConfig>) -> Option<ChannelConfig> {
    let current = match stored {
        Some(ChannelConfig::Webhook(config)) => Some(config),
        _ => None,
    };
    let url = read_webhook_url(fields, current);
    let secret = fields.read("secret", None, current.map(|c| c.secret.clone()), |value| {
        let text = parse_text(value, 1000)?;
        match (text.as_str(), current.and_then(|c| c.secret.clone())) {
            (SECRET_MASK, Some(kept)) => Ok(Some(kept)),
            (SECRET_MASK, None) => Err(nothing_stored()),
            _ => Ok((!text.is_empty()).then_some(text)),
        }
    });
    let stored_headers = current.map(|c| c.headers.clone());
    let headers = fields.read("headers", Vec::new(), stored_headers.clone(), |value| {
        let headers = parse_headers(value, stored_headers.as_deref().unwrap_or_default())?;
        refuse_own_headers(&headers).map(|()| headers)
    });
    let method = fields.read("method", WebhookMethod::Post, current.map(|c| c.method), |value| {
        value.as_str().unwrap_or_default().to_ascii_uppercase().parse()
    });
    let template = fields.read("template", None, current.map(|c| c.template.clone()), |value| {
        let text = parse_text(value, 100_000)?;
        Template::parse(&text)?;
        Ok((!text.trim().is_empty()).then_some(text))
    });
    url.map(|url| ChannelConfig::Webhook(WebhookConfig { url, secret, headers, method, template }))
}

fn read_webhook_url(fields: &mut Fields<'_>, current: Option<&WebhookConfig>) -> Option<Url> {
    let stored = current.map(|c| c.url.clone());
    let kept = stored.clone();
    let fix = "give an address such as https://example.com/hook";
    required(fields, "url", stored, fix, |value| match (value.as_str(), kept) {
        // What was shown, sent back unchanged, must not put the mask in the place of the secret.
        (Some(text), Some(kept)) if text == shown_url(&kept) => Ok(kept),
        _ => parse_url(value),
    })
}

/// Headers that would break the request or the signature.
fn refuse_own_headers(headers: &[Header]) -> Result<(), String> {
    const OWN: [&str; 8] = [
        "host",
        "content-length",
        "transfer-encoding",
        "connection",
        "upgrade",
        "webhook-id",
        "webhook-timestamp",
        "webhook-signature",
    ];
    match headers.iter().find(|h| OWN.iter().any(|own| h.name.eq_ignore_ascii_case(own))) {
        Some(header) => {
            Err(format!("has {}, which Watchbell sets itself; leave it out", header.name))
        }
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests;
