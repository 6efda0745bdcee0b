//! Channels that are called over HTTP: the webhook's JSON with its Standard Webhooks headers, and Slack's form.

use std::error::Error as _;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Response};
use serde::Serialize;
use url::Url;

use super::ChannelType;
use super::attempt::{Attempt, Outgoing, timeout_words};
use super::classify::{http_answer, retry_after_ms};
use super::config::{WebhookConfig, WebhookMethod};
use super::egress::EgressClient;
use super::slack;
use super::template::Template;
use crate::clock::Timestamp;
use crate::incident::IncidentId;
use crate::incident::message::{AlertCheck, AlertEvent, AlertMonitor, one_line};
use crate::monitor::Header;
use crate::seal;

/// What is read of an answer; the rest is left on the line.
const ANSWER_MAX: usize = 4096;

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

/// One request, ready to be sent.
struct Call {
    kind: ChannelType,
    method: Method,
    url: Url,
    headers: HeaderMap,
    body: Vec<u8>,
}

/// Sends an alert to an incoming webhook of Slack.
pub async fn send_slack(client: &EgressClient, url: &Url, outgoing: &Outgoing<'_>) -> Attempt {
    let call = slack_call(url, HeaderMap::new(), outgoing);
    send(client, call, outgoing.sent_at).await
}

/// Sends an alert to a webhook, in Slack's form if the URL is one of Slack's.
pub async fn send_webhook(
    client: &EgressClient,
    config: &WebhookConfig,
    outgoing: &Outgoing<'_>,
) -> Attempt {
    let headers = match own_headers(&config.headers) {
        Ok(headers) => headers,
        Err(reason) => return Attempt::hopeless(&reason),
    };
    if slack::is_webhook_url(&config.url) {
        let call = slack_call(&config.url, headers, outgoing);
        return send(client, call, outgoing.sent_at).await;
    }
    match webhook_call(config, headers, outgoing) {
        Ok(call) => send(client, call, outgoing.sent_at).await,
        Err(reason) => Attempt::hopeless(&reason),
    }
}

fn slack_call(url: &Url, mut headers: HeaderMap, outgoing: &Outgoing<'_>) -> Call {
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    Call {
        kind: ChannelType::Slack,
        method: Method::POST,
        url: url.clone(),
        headers,
        body: slack::body(outgoing).to_string().into_bytes(),
    }
}

fn webhook_call(
    config: &WebhookConfig,
    mut headers: HeaderMap,
    outgoing: &Outgoing<'_>,
) -> Result<Call, String> {
    let unreadable = |error: serde_json::Error| format!("the alert cannot be written: {error}");
    let json = Body::of(outgoing);
    let body = match &config.template {
        None => serde_json::to_vec(&json).map_err(unreadable)?,
        Some(template) => {
            let json = serde_json::to_value(&json).map_err(unreadable)?;
            let template = Template::parse(template)
                .map_err(|reason| format!("the channel's template {reason}"))?;
            template.fill(&json).into_bytes()
        }
    };
    if !headers.contains_key(CONTENT_TYPE) {
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    sign(&mut headers, config.secret.as_deref(), outgoing, &body)?;
    Ok(Call {
        kind: ChannelType::Webhook,
        method: match config.method {
            WebhookMethod::Post => Method::POST,
            WebhookMethod::Put => Method::PUT,
            WebhookMethod::Patch => Method::PATCH,
        },
        url: config.url.clone(),
        headers,
        body,
    })
}

fn own_headers(headers: &[Header]) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::new();
    for header in headers {
        let name = HeaderName::try_from(&header.name);
        let value = HeaderValue::try_from(&header.value);
        match (name, value) {
            (Ok(name), Ok(value)) => map.append(name, value),
            _ => return Err(format!("the channel's header {} cannot be sent", header.name)),
        };
    }
    Ok(map)
}

/// The headers of Standard Webhooks.
fn sign(
    headers: &mut HeaderMap,
    secret: Option<&str>,
    outgoing: &Outgoing<'_>,
    body: &[u8],
) -> Result<(), String> {
    let mut put = |name: &'static str, value: String| {
        let value = HeaderValue::try_from(value).map_err(|_| format!("{name} cannot be sent"))?;
        headers.insert(HeaderName::from_static(name), value);
        Ok::<(), String>(())
    };
    put("webhook-id", outgoing.key.clone())?;
    put("webhook-timestamp", seal::webhook_timestamp(outgoing.sent_at).to_string())?;
    if let Some(secret) = secret {
        let signature = seal::webhook_signature(secret, &outgoing.key, outgoing.sent_at, body);
        put("webhook-signature", signature)?;
    }
    Ok(())
}

async fn send(client: &EgressClient, call: Call, now: Timestamp) -> Attempt {
    let request = match client.request(call.method, &call.url) {
        Ok(request) => request.headers(call.headers).body(call.body),
        Err(blocked) => return Attempt::unanswered(&blocked.to_string()),
    };
    match request.send().await {
        Ok(response) => read_answer(call.kind, response, now).await,
        Err(error) => Attempt::unanswered(&reason(error, client.limit())),
    }
}

async fn read_answer(kind: ChannelType, mut response: Response, now: Timestamp) -> Attempt {
    let status = response.status().as_u16();
    let asked = response.headers().get(RETRY_AFTER).and_then(|h| h.to_str().ok());
    let retry_after = asked.and_then(|header| retry_after_ms(header, now));
    let mut body = Vec::new();
    // The status has been given: an answer that breaks off or hangs after it changes nothing.
    while let Ok(Some(chunk)) = response.chunk().await {
        body.extend_from_slice(&chunk[..chunk.len().min(ANSWER_MAX - body.len())]);
        if body.len() == ANSWER_MAX {
            break;
        }
    }
    let words = String::from_utf8_lossy(&body);
    Attempt {
        answer: http_answer(kind, status, &words),
        status: Some(status),
        response: one_line(&words),
        retry_after_ms: retry_after,
        note: None,
    }
}

/// Why no answer came, without the URL: it may be a secret.
fn reason(error: reqwest::Error, limit: Duration) -> String {
    let error = error.without_url();
    if error.is_timeout() {
        return timeout_words(limit);
    }
    let mut words = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        // The innermost cause says what happened, those around it only where.
        words = cause.to_string();
        source = cause.source();
    }
    // The system's number says nothing that its words have not said.
    words.split(" (os error").next().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests;
