//! A URL that is given the alert as JSON, with the headers of Standard Webhooks; a chat's own webhook gets that chat's form. Pure.

use serde::{Deserialize, Serialize};
use url::Url;

use super::field::{Field, Shape};
use super::request::{Method, host};
use super::template::Template;
use super::{About, ChannelType, Kind, Rendered, Request, by_status, discord, slack, teams};
use crate::clock::Timestamp;
use crate::incident::IncidentId;
use crate::incident::message::{AlertCheck, AlertEvent, AlertMonitor};
use crate::monitor::Header;
use crate::monitor::header::refuse;
use crate::notify::attempt::Outgoing;
use crate::seal;

/// A URL that is given JSON, and how.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Config {
    /// Where to. A password in it, and the path of a chat's webhook, are secrets.
    url: Url,
    /// Signs what is sent: `whsec_…`, or any text.
    secret: Option<String>,
    /// Sent along.
    headers: Vec<Header>,
    /// How.
    method: Method,
    /// Replaces the JSON: text with `{{name}}` in it.
    template: Option<String>,
}

/// The form of a chat whose webhook was pasted here.
type NativeForm = fn(&Url, &Outgoing<'_>) -> Request;

/// The form that a URL calls for, if it is a webhook of Slack, Discord or Teams.
pub fn native_form(url: &Url) -> Option<NativeForm> {
    if slack::is_webhook_url(url) {
        Some(slack::request)
    } else if discord::is_webhook_url(url) {
        Some(discord::request)
    } else if teams::is_webhook_url(url) {
        Some(teams::request)
    } else {
        None
    }
}

impl Kind for Config {
    const ABOUT: About = About {
        name: "Webhook",
        icon: "code",
        how: "It is sent the alert as JSON. A URL of Slack, Discord or Teams is recognised and gets its own form.",
        fields: &[
            Field::required("url", "URL", Shape::Url).example("https://example.com/hook"),
            Field::optional("method", "Method", Shape::Method)
                .folded()
                .default("POST")
                .help("POST, PUT or PATCH."),
            Field::optional("secret", "Secret", Shape::SigningSecret)
                .secret()
                .folded()
                .example("whsec_…")
                .help("Signs each message by Standard Webhooks."),
            Field::optional("headers", "Headers", Shape::Headers)
                .folded()
                .help("One a line, such as Authorization: Bearer …. Secrets read back as ***."),
            Field::optional("template", "Template", Shape::Template)
                .folded()
                .help("Replaces the JSON. Names in double braces are filled in: event, text, monitor.name, incident.url."),
        ],
        answer: by_status,
    };

    fn target(&self) -> String {
        let signed = if self.secret.is_some() { ", signed" } else { "" };
        format!("{} {}{signed}", self.method, host(&self.url))
    }

    fn default_name(&self) -> String {
        host(&self.url)
    }

    fn render(&self, outgoing: &Outgoing<'_>) -> Result<Rendered, String> {
        // Who gives a template has chosen the form.
        let native = native_form(&self.url).filter(|_| self.template.is_none());
        let request = match native {
            Some(form) => form(&self.url, outgoing),
            None => self.own_form(outgoing)?,
        };
        Ok(self.with_own_headers(request).into())
    }
}

impl Config {
    fn own_form(&self, outgoing: &Outgoing<'_>) -> Result<Request, String> {
        let unreadable = |error: serde_json::Error| format!("the alert cannot be written: {error}");
        let json = Body::of(outgoing);
        let body = match &self.template {
            None => serde_json::to_vec(&json).map_err(unreadable)?,
            Some(template) => {
                let json = serde_json::to_value(&json).map_err(unreadable)?;
                let template = Template::parse(template)
                    .map_err(|reason| format!("the channel's template {reason}"))?;
                template.fill(&json).into_bytes()
            }
        };
        let timestamp = seal::webhook_timestamp(outgoing.sent_at).to_string();
        let signature = self
            .secret
            .as_deref()
            .map(|secret| seal::webhook_signature(secret, &outgoing.key, outgoing.sent_at, &body));
        let (kind, url) = (ChannelType::Webhook, self.url.clone());
        let request = Request { kind, method: self.method, url, headers: Vec::new(), body }
            .header("content-type", "application/json")
            .header("webhook-id", outgoing.key.as_str())
            .header("webhook-timestamp", timestamp);
        Ok(match signature {
            Some(signature) => request.header("webhook-signature", signature),
            None => request,
        })
    }

    /// With the headers that people gave; theirs takes the place of a `Content-Type` of ours.
    fn with_own_headers(&self, mut request: Request) -> Request {
        let is_given = |name: &str| self.headers.iter().any(|h| h.name.eq_ignore_ascii_case(name));
        request.headers.retain(|(name, _)| !is_given(name));
        let own = self.headers.iter().map(|h| (h.name.clone(), h.value.clone()));
        request.headers.extend(own);
        request
    }
}

/// Refuses headers that would break the request or the signature.
pub fn refuse_own_headers(headers: &[Header]) -> Result<(), String> {
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
    refuse(headers, &OWN)
}

/// The webhook's JSON (contract, section 6): every key is there, null where it does not apply.
#[derive(Serialize)]
struct Body<'a> {
    event: AlertEvent,
    text: String,
    monitor: Option<&'a AlertMonitor>,
    incident: Option<BodyIncident<'a>>,
    check: Option<&'a AlertCheck>,
    sent_at: Timestamp,
}

#[derive(Serialize)]
struct BodyIncident<'a> {
    id: IncidentId,
    started_at: Timestamp,
    resolved_at: Option<Timestamp>,
    acknowledged_at: Option<Timestamp>,
    duration_seconds: i64,
    cause: &'a str,
    summary: &'a str,
    url: Option<String>,
}

impl<'a> Body<'a> {
    fn of(outgoing: &Outgoing<'a>) -> Self {
        let alert = outgoing.alert;
        Self {
            event: alert.event,
            text: alert.message.text(),
            monitor: alert.monitor.as_ref(),
            incident: alert.incident.as_ref().map(|incident| BodyIncident {
                id: incident.id,
                started_at: incident.started_at,
                resolved_at: incident.resolved_at,
                acknowledged_at: incident.acknowledged_at,
                duration_seconds: incident.duration_seconds,
                cause: &incident.cause,
                summary: &incident.summary,
                url: outgoing.incident_url(),
            }),
            check: alert.check.as_ref(),
            sent_at: outgoing.sent_at,
        }
    }
}

#[cfg(test)]
mod tests;
