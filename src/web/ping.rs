//! The ping endpoints (contract, section 3): the UUID is the secret, and the answer comes only once the signal is durable.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::http::header::{self, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse, web};
use bytes::Bytes;
use futures_util::StreamExt;
use serde_json::json;

use super::client;
use super::ping_batcher::PingBatcher;
use super::state::AppState;
use crate::checker::{EngineError, IncomingPing};
use crate::monitor::signal_path::SignalPath;

/// How much of a body is kept, in bytes.
const BODY_KEPT: usize = 10_000;
/// How much of a body is read and dropped before the connection is closed instead, in bytes.
const BODY_READ: usize = 10_000_000;
/// How much of a user agent is kept, in characters.
const USER_AGENT_KEPT: usize = 1_000;

/// The ping routes. They need no sign-in and stand before everything that does. Scopes compare text, where a pattern for the rest
/// of the path would be the slowest part of the request.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::scope("/api/heartbeats").default_service(web::to(ping)))
        .service(web::scope("/ping").default_service(web::to(ping)))
        .service(web::scope("/api/push").default_service(web::to(push)));
}

/// What stands behind the route's own part of the path.
fn signal(req: &HttpRequest) -> &str {
    let rest = req.match_info().unprocessed();
    rest.strip_prefix('/').unwrap_or(rest)
}

/// How a route words its answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Dialect {
    /// Healthchecks' and our own: plain text.
    Plain,
    /// Uptime Kuma's: JSON.
    Push,
}

/// What a ping is taken with.
type Taking = (web::Payload, web::Data<AppState>, web::Data<PingBatcher>);

async fn ping(req: HttpRequest, with: Taking) -> HttpResponse {
    let path = SignalPath::parse(signal(&req), req.query_string());
    take(&req, with, path, Dialect::Plain).await
}

async fn push(req: HttpRequest, with: Taking) -> HttpResponse {
    let path = SignalPath::parse_push(signal(&req), req.query_string());
    take(&req, with, path, Dialect::Push).await
}

async fn take(
    req: &HttpRequest,
    (mut body, state, batcher): Taking,
    path: Option<SignalPath>,
    dialect: Dialect,
) -> HttpResponse {
    match *req.method() {
        Method::GET | Method::HEAD | Method::POST => {}
        Method::OPTIONS => return preflight(),
        _ => return method_not_allowed(req, dialect),
    }
    let Some(path) = path else { return not_found(req, dialect) };
    let received = receive(&mut body).await;
    let is_cut = received.is_cut;
    let incoming = incoming(req, &state, path, received);
    let mut response = match batcher.ping(incoming).await {
        Ok(_) => answer(req, dialect, StatusCode::OK, "OK"),
        Err(EngineError::NotFound) => not_found(req, dialect),
        // Not recorded: the client must know, so that it tries again.
        Err(_) => answer(req, dialect, StatusCode::SERVICE_UNAVAILABLE, "not recorded, try again"),
    };
    if is_cut {
        response.head_mut().set_connection_type(ConnectionType::Close);
        return response.map_body(|_, answer| BoxBody::new(LeftUnread { answer, _request: body }));
    }
    response
}

fn incoming(
    req: &HttpRequest,
    state: &AppState,
    path: SignalPath,
    received: Received,
) -> IncomingPing {
    let user_agent = req.headers().get(header::USER_AGENT).map_or(&b""[..], |v| v.as_bytes());
    let message = path.message.map(String::into_bytes).filter(|_| received.bytes == 0);
    let body_bytes = message.as_ref().map_or(received.bytes, |message| length(message.len()));
    let mut kept = message.unwrap_or(received.kept);
    kept.truncate(BODY_KEPT);
    IncomingPing {
        uuid: path.uuid,
        kind: path.kind,
        exit_status: path.exit_status,
        rid: path.rid,
        duration_ms: path.duration_ms,
        note: path.note,
        method: req.method().to_string(),
        remote_addr: client::address(req, &state.trusted_proxies)
            .map(|address| address.to_string())
            .unwrap_or_default(),
        user_agent: String::from_utf8_lossy(user_agent)
            .chars()
            .filter(|c| !c.is_control())
            .take(USER_AGENT_KEPT)
            .collect(),
        body: (!kept.is_empty()).then_some(kept),
        body_bytes,
    }
}

const TEXT: &str = "text/plain; charset=utf-8";

const HEADERS: [(HeaderName, &str); 3] = [
    (header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"),
    (header::CACHE_CONTROL, "no-store"),
    (HeaderName::from_static("ping-body-limit"), "10000"),
];

fn answer(
    req: &HttpRequest,
    dialect: Dialect,
    status: StatusCode,
    text: &'static str,
) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    for (name, value) in HEADERS {
        response.insert_header((name, HeaderValue::from_static(value)));
    }
    match (req.method(), dialect) {
        (&Method::HEAD, _) => response.content_type(TEXT).finish(),
        (_, Dialect::Plain) => response.content_type(TEXT).body(text),
        (_, Dialect::Push) if status == StatusCode::OK => response.json(json!({ "ok": true })),
        (_, Dialect::Push) => response.json(json!({ "ok": false, "msg": text })),
    }
}

fn not_found(req: &HttpRequest, dialect: Dialect) -> HttpResponse {
    answer(req, dialect, StatusCode::NOT_FOUND, "not found")
}

fn method_not_allowed(req: &HttpRequest, dialect: Dialect) -> HttpResponse {
    let mut response = answer(req, dialect, StatusCode::METHOD_NOT_ALLOWED, "method not allowed");
    let allow = HeaderValue::from_static("GET, HEAD, POST, OPTIONS");
    response.headers_mut().insert(header::ALLOW, allow);
    response
}

fn preflight() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST, OPTIONS"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, "*"))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, "86400"))
        .finish()
}

/// An answer that holds on to the body of its request: what is still to come of it counts as unread, and the connection is closed
/// behind the answer. A chunked body that is dropped would be read to an end that may never come.
struct LeftUnread {
    answer: BoxBody,
    _request: web::Payload,
}

impl MessageBody for LeftUnread {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.answer.size()
    }

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Pin::new(&mut self.get_mut().answer).poll_next(context)
    }
}

struct Received {
    kept: Vec<u8>,
    bytes: i64,
    is_cut: bool,
}

/// Reads a body: the first part is kept, the rest dropped. A body that breaks off still is a ping.
async fn receive(body: &mut web::Payload) -> Received {
    let mut kept = Vec::new();
    let mut bytes = 0_usize;
    while let Some(Ok(chunk)) = body.next().await {
        let room = BODY_KEPT.saturating_sub(kept.len());
        kept.extend_from_slice(&chunk[..chunk.len().min(room)]);
        bytes += chunk.len();
        if bytes > BODY_READ {
            break;
        }
    }
    Received { kept, bytes: length(bytes), is_cut: bytes > BODY_READ }
}

/// A length as the database takes it. Ours are far below the end of either type.
fn length(bytes: usize) -> i64 {
    i64::try_from(bytes).unwrap_or(i64::MAX)
}
