//! The gate: who is asking, what they may, how often, and the headers that every answer carries.

use std::future::{Ready, ready};
use std::sync::{Mutex, PoisonError};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Payload, ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{FromRequest, HttpMessage, HttpRequest, ResponseError, web};

use url::Url;

use super::error::ApiError;
use super::state::AppState;
use crate::account::throttle::Counter;
use crate::account::{Permission, Principal, Via, api_token, session};
use crate::clock::Timestamp;

/// Requests that one token may make in a minute (contract, section 5).
const REQUESTS_A_MINUTE: u32 = 600;

const SECURITY_HEADERS: [(HeaderName, &str); 4] = [
    // No inline script anywhere: what somebody smuggles into a name or an error text never runs.
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'self'; img-src 'self' data:; object-src 'none'; base-uri 'none'; \
         form-action 'self'; frame-ancestors 'none'",
    ),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (header::X_FRAME_OPTIONS, "DENY"),
    // Not `no-referrer`: with it browsers send `Origin: null` with our own forms, which the origin check would refuse.
    (header::REFERRER_POLICY, "same-origin"),
];

/// Middleware: puts the security headers on every answer that does not set its own.
///
/// # Errors
/// Only what the inner service fails with.
pub async fn security_headers(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    let mut response = next.call(req).await?;
    for (name, value) in SECURITY_HEADERS {
        if !response.headers().contains_key(&name) {
            response.headers_mut().insert(name, HeaderValue::from_static(value));
        }
    }
    Ok(response)
}

/// Counts requests by token, in memory.
pub struct TokenLimit(Mutex<Counter<i64>>);

impl Default for TokenLimit {
    fn default() -> Self {
        Self(Mutex::new(Counter::new(REQUESTS_A_MINUTE, 60_000)))
    }
}

impl TokenLimit {
    fn hit(&self, token_id: i64, now: Timestamp) -> Result<(), ApiError> {
        let mut counter = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        counter
            .hit(&token_id, now)
            .map_err(|retry_after_seconds| ApiError::TooMany { retry_after_seconds })
    }
}

/// Middleware: finds out who asks, by bearer token or else by session cookie, and notes it on the request as [`Principal`].
/// Nobody is turned away for showing nothing: [`require`] and the pages decide that. What they then read knows of every ping that was answered.
///
/// # Errors
/// Only what the inner service fails with; its own refusals are answers.
pub async fn authenticate(
    req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    match identify(req.request()).await {
        Ok(principal) => {
            if let Some(principal) = principal {
                req.extensions_mut().insert(principal);
                if let Some(state) = req.app_data::<web::Data<AppState>>().cloned() {
                    state.engine.settle().await;
                }
            }
            Ok(next.call(req).await?.map_into_boxed_body())
        }
        Err(error) => Ok(req.into_response(error.error_response())),
    }
}

async fn identify(req: &HttpRequest) -> Result<Option<Principal>, ApiError> {
    let state = req
        .app_data::<web::Data<AppState>>()
        .ok_or_else(|| ApiError::internal("the application has no state"))?;
    let now = state.clock.now();
    // Other schemes are not for us: a proxy before us may ask for Basic, which browsers then send with every request.
    if let Some(secret) = req.headers().get(header::AUTHORIZATION).and_then(bearer) {
        let principal = api_token::principal(&state.db, secret, now)
            .await?
            .ok_or(ApiError::Unauthorized("this API token is unknown or revoked"))?;
        if let Via::Token { token_id } = principal.via {
            state.token_limit.hit(token_id, now)?;
        }
        return Ok(Some(principal));
    }
    if !req.method().is_safe() && !is_same_origin(req.headers(), &state.base_url.get()) {
        return Err(ApiError::Forbidden(
            "this request comes from another site; open Watchbell itself and try again".to_owned(),
        ));
    }
    let Some(cookie) = req.cookie(session::COOKIE) else { return Ok(None) };
    Ok(session::principal(&state.db, cookie.value(), now).await?)
}

/// What somebody showed, to be looked at again while they are listened to.
pub enum Credential {
    /// The token of a session cookie.
    Session(String),
    /// The secret of an API token.
    Token(String),
}

impl Credential {
    /// What `req` shows; `None` for nothing.
    pub fn of(req: &HttpRequest) -> Option<Self> {
        if let Some(secret) = req.headers().get(header::AUTHORIZATION).and_then(bearer) {
            return Some(Self::Token(secret.to_owned()));
        }
        req.cookie(session::COOKIE).map(|cookie| Self::Session(cookie.value().to_owned()))
    }

    /// Whether it still counts at `now`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn is_alive(&self, state: &AppState, now: Timestamp) -> Result<bool, ApiError> {
        Ok(match self {
            Self::Session(token) => session::is_alive(&state.db, token, now).await?,
            Self::Token(secret) => api_token::principal(&state.db, secret, now).await?.is_some(),
        })
    }
}

fn bearer(value: &HeaderValue) -> Option<&str> {
    let (scheme, secret) = value.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| secret.trim())
}

/// Whether a request that changes something comes from our own pages, or from no page at all.
///
/// `Sec-Fetch-Site` says it plainly, but browsers send it to trustworthy origins only; over plain HTTP the `Origin` must name the
/// host that was asked, or that of `base_url` (behind a proxy that rewrites `Host`). A program sends neither, and has no cookie.
fn is_same_origin(headers: &HeaderMap, base_url: &str) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return matches!(site, "same-origin" | "none");
    }
    let Some(origin) = text("origin") else { return !headers.contains_key("origin") };
    let Some((_, host)) = origin.split_once("://") else { return false };
    let same_host = text("host").is_some_and(|asked| asked.eq_ignore_ascii_case(host));
    // An origin has no path, and the base URL may have one.
    let ours = || Url::parse(base_url).map(|url| url.origin().ascii_serialization());
    same_host || ours().is_ok_and(|ours| ours.eq_ignore_ascii_case(origin))
}

/// Whether whoever made `req` may do what needs `permission`.
///
/// # Errors
/// 401 when nobody showed who they are, 403 when they may not.
pub fn require(req: &HttpRequest, permission: Permission) -> Result<(), ApiError> {
    let extensions = req.extensions();
    let principal = extensions
        .get::<Principal>()
        .ok_or(ApiError::Unauthorized("send an API token as Authorization: Bearer wbt_…"))?;
    if principal.role.may(permission) {
        return Ok(());
    }
    let needed = match permission {
        Permission::Read => "viewer",
        Permission::Edit => "editor",
        Permission::Administer => "admin",
    };
    Err(ApiError::Forbidden(format!(
        "this needs the role {needed}; {} has the role {}",
        principal.name, principal.role
    )))
}

impl FromRequest for Principal {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        let principal = req.extensions().get::<Self>().cloned();
        ready(principal.ok_or(ApiError::Unauthorized("sign in first")))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(pairs: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(HeaderName::from_static(name), HeaderValue::from_static(value));
        }
        is_same_origin(&headers, "https://watch.example.com/bell/")
    }

    #[test]
    fn only_our_own_pages_and_programs_may_change_things() {
        assert!(allowed(&[("host", "watch.example.com")]), "a program");
        assert!(allowed(&[("sec-fetch-site", "same-origin")]));
        assert!(allowed(&[("sec-fetch-site", "none")]), "typed into the address bar");
        assert!(!allowed(&[("sec-fetch-site", "same-site")]), "a sibling host is a stranger");
        assert!(!allowed(&[("sec-fetch-site", "cross-site")]));
        assert!(allowed(&[("origin", "http://10.0.0.5:8080"), ("host", "10.0.0.5:8080")]));
        assert!(allowed(&[("origin", "https://watch.example.com"), ("host", "app:8080")]));
        assert!(!allowed(&[("origin", "https://evil.example"), ("host", "watch.example.com")]));
        assert!(!allowed(&[("origin", "null"), ("host", "watch.example.com")]));
    }
}
