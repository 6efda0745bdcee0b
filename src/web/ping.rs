//! The ping endpoints (contract, section 3): the UUID is the secret, and the answer comes only once the signal is durable.

use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::StreamExt;
use uuid::Uuid;

use super::client;
use super::state::AppState;
use crate::checker::{EngineError, IncomingPing};
use crate::monitor::heartbeat::SignalKind;

/// How much of a body is kept, in bytes.
const BODY_KEPT: usize = 10_000;
/// How much of a body is read and dropped before the connection is closed instead, in bytes.
const BODY_READ: usize = 10_000_000;
const HEADER_KEPT: usize = 1_000;

/// The ping routes. They need no sign-in and stand before everything that does.
pub fn routes(config: &mut web::ServiceConfig) {
    config
        .service(web::resource("/api/heartbeats/{signal:.*}").to(ping))
        .service(web::resource("/ping/{signal:.*}").to(ping));
}

/// What a ping URL says behind its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SignalPath {
    uuid: Uuid,
    kind: SignalKind,
    exit_status: Option<i64>,
}

impl SignalPath {
    /// Reads `<uuid>`, `<uuid>/ping`, `<uuid>/fail`, `<uuid>/ping/<exit status>` and their like; `None` if it is none of them.
    fn parse(path: &str) -> Option<Self> {
        let path = path.strip_suffix('/').unwrap_or(path);
        let (uuid, rest) = path.split_once('/').unwrap_or((path, ""));
        let uuid = parse_uuid(uuid)?;
        let suffix = match rest.strip_prefix("ping") {
            Some("") => "",
            Some(rest) => rest.strip_prefix('/')?,
            None => rest,
        };
        let (kind, exit_status) = match suffix {
            "" => (SignalKind::Success, None),
            "fail" => (SignalKind::Fail, None),
            status => parse_exit_status(status)?,
        };
        Some(Self { uuid, kind, exit_status })
    }
}

/// A UUID in either case, with or without dashes, but not in braces or as a URN.
fn parse_uuid(text: &str) -> Option<Uuid> {
    matches!(text.len(), 32 | 36).then(|| Uuid::try_parse(text).ok()).flatten()
}

/// 0 is success, any other integer a failure; one beyond 64 bits is a failure without a number.
fn parse_exit_status(text: &str) -> Option<(SignalKind, Option<i64>)> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(match text.parse::<i64>() {
        Ok(0) => (SignalKind::Success, Some(0)),
        Ok(status) => (SignalKind::Fail, Some(status)),
        Err(_) => (SignalKind::Fail, None),
    })
}

async fn ping(
    req: HttpRequest,
    mut body: web::Payload,
    state: web::Data<AppState>,
) -> HttpResponse {
    match *req.method() {
        Method::GET | Method::HEAD | Method::POST => {}
        Method::OPTIONS => return preflight(),
        _ => {
            return HttpResponse::MethodNotAllowed()
                .insert_header((header::ALLOW, "GET, HEAD, POST, OPTIONS"))
                .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
                .content_type(TEXT)
                .body("method not allowed");
        }
    }
    let Some(path) = SignalPath::parse(req.match_info().query("signal")) else {
        return answer(&req, StatusCode::NOT_FOUND, "not found");
    };
    let received = receive(&mut body).await;
    let text = |name| {
        let value = req.headers().get(name).map_or(&b""[..], |v| v.as_bytes());
        String::from_utf8_lossy(value)
            .chars()
            .filter(|c| !c.is_control())
            .take(HEADER_KEPT)
            .collect()
    };
    let incoming = IncomingPing {
        uuid: path.uuid,
        kind: path.kind,
        exit_status: path.exit_status,
        method: req.method().to_string(),
        remote_addr: client::address(&req, &state.trusted_proxies)
            .map(|address| address.to_string())
            .unwrap_or_default(),
        user_agent: text(header::USER_AGENT),
        body: (!received.kept.is_empty()).then_some(received.kept),
        body_bytes: received.bytes,
    };
    let mut response = match state.engine.ping(incoming).await {
        Ok(_) => answer(&req, StatusCode::OK, "OK"),
        Err(EngineError::NotFound) => answer(&req, StatusCode::NOT_FOUND, "not found"),
        // Not recorded: the client must know, so that it tries again.
        Err(_) => answer(&req, StatusCode::SERVICE_UNAVAILABLE, "not recorded, try again"),
    };
    if received.is_cut {
        response.head_mut().set_connection_type(actix_web::http::ConnectionType::Close);
    }
    response
}

const TEXT: &str = "text/plain; charset=utf-8";

fn answer(req: &HttpRequest, status: StatusCode, text: &'static str) -> HttpResponse {
    let mut response = HttpResponse::build(status);
    response
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("Ping-Body-Limit", "10000"))
        .content_type(TEXT);
    if req.method() == Method::HEAD { response.finish() } else { response.body(text) }
}

fn preflight() -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((header::ACCESS_CONTROL_ALLOW_ORIGIN, "*"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_METHODS, "GET, HEAD, POST, OPTIONS"))
        .insert_header((header::ACCESS_CONTROL_ALLOW_HEADERS, "*"))
        .insert_header((header::ACCESS_CONTROL_MAX_AGE, "86400"))
        .finish()
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
    // BODY_READ and one chunk fit an i64.
    Received { kept, bytes: i64::try_from(bytes).unwrap_or(i64::MAX), is_cut: bytes > BODY_READ }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UUID: &str = "a1b2c3d4-e5f6-4711-8899-aabbccddeeff";

    #[test]
    fn reads_every_form() {
        let success = (SignalKind::Success, None);
        for (suffix, expected) in [
            ("", Some(success)),
            ("/", Some(success)),
            ("/ping", Some(success)),
            ("/ping/", Some(success)),
            ("/fail", Some((SignalKind::Fail, None))),
            ("/ping/fail", Some((SignalKind::Fail, None))),
            ("/0", Some((SignalKind::Success, Some(0)))),
            ("/ping/0", Some((SignalKind::Success, Some(0)))),
            ("/ping/2", Some((SignalKind::Fail, Some(2)))),
            ("/-1", Some((SignalKind::Fail, Some(-1)))),
            ("/99999999999999999999", Some((SignalKind::Fail, None))),
            ("/pingfail", None),
            ("/nonsense", None),
            ("/ping/ping", None),
            ("//", Some(success)),
            ("/-", None),
            ("/1.5", None),
        ] {
            let found = SignalPath::parse(&format!("{UUID}{suffix}"));
            assert_eq!(found.map(|p| (p.kind, p.exit_status)), expected, "{suffix}");
        }
    }

    #[test]
    fn reads_uuids_in_either_case_with_or_without_dashes() {
        let uuid: Uuid = UUID.parse().unwrap();
        for text in [UUID.to_owned(), UUID.to_uppercase(), UUID.replace('-', "")] {
            assert_eq!(SignalPath::parse(&text).map(|p| p.uuid), Some(uuid), "{text}");
        }
        for text in ["", "ping", &format!("{{{UUID}}}"), &format!("urn:uuid:{UUID}"), &UUID[1..]] {
            assert_eq!(SignalPath::parse(text), None, "{text}");
        }
    }

    proptest! {
        #[test]
        fn never_panics(path in ".*") {
            let _ = SignalPath::parse(&path);
            let _ = SignalPath::parse(&format!("{UUID}/{path}"));
        }
    }
}
