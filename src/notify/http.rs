//! Sends the requests of channels, and reads what comes back.

use std::error::Error as _;
use std::time::Duration;

use reqwest::header::{HeaderMap, HeaderName, HeaderValue, RETRY_AFTER};
use reqwest::{Method, Response};

use super::ChannelType;
use super::attempt::{Attempt, timeout_words};
use super::channel::{self, Request};
use super::classify::{http_answer, retry_after_in, retry_after_ms};
use super::egress::EgressClient;
use crate::clock::Timestamp;
use crate::incident::message::one_line;

/// What is read of an answer; the rest is left on the line.
const ANSWER_MAX: usize = 4096;

/// Makes one attempt; `now` is what a date in `Retry-After` is counted from.
pub async fn send(client: &EgressClient, request: Request, now: Timestamp) -> Attempt {
    let headers = match headers_of(&request.headers) {
        Ok(headers) => headers,
        Err(reason) => return Attempt::hopeless(&reason),
    };
    let method = match request.method {
        channel::Method::Post => Method::POST,
        channel::Method::Put => Method::PUT,
        channel::Method::Patch => Method::PATCH,
    };
    let kind = request.kind;
    let request = match client.request(method, &request.url) {
        Ok(builder) => builder.headers(headers).body(request.body),
        Err(blocked) => return Attempt::unanswered(&blocked.to_string()),
    };
    match request.send().await {
        Ok(response) => read_answer(kind, response, now).await,
        Err(error) => Attempt::unanswered(&reason(error, client.limit())),
    }
}

fn headers_of(headers: &[(String, String)]) -> Result<HeaderMap, String> {
    let mut map = HeaderMap::new();
    for (name, value) in headers {
        let (Ok(key), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value))
        else {
            return Err(format!("the channel's header {name} cannot be sent"));
        };
        map.append(key, value);
    }
    Ok(map)
}

async fn read_answer(kind: ChannelType, mut response: Response, now: Timestamp) -> Attempt {
    let status = response.status().as_u16();
    let asked = response.headers().get(RETRY_AFTER).and_then(|h| h.to_str().ok());
    let in_header = asked.and_then(|header| retry_after_ms(header, now));
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
        // Whoever says it twice means the longer.
        retry_after_ms: in_header.max(retry_after_in(kind, &words)),
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
