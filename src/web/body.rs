//! Reading request bodies: one JSON object, of bounded length, with an error that says what is wrong.

use std::fmt::Display;
use std::future::Future;
use std::pin::Pin;

use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::web::Bytes;
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse};
use futures_util::{Stream, StreamExt};
use serde::Serialize;
use serde_json::{Map, Value};

use super::error::ApiError;

/// The most bytes of a request body.
pub const BODY_MAX: usize = 1 << 20;

type Reading<T> = Pin<Box<dyn Future<Output = Result<T, ApiError>>>>;

/// A body that must be a JSON object.
pub struct Object(pub Map<String, Value>);

impl FromRequest for Object {
    type Error = ApiError;
    type Future = Reading<Self>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (Expected::of(req), payload.take());
        Box::pin(async move {
            let bytes = request.read(payload).await?;
            request.check_type()?;
            parse(&bytes).map(Self)
        })
    }
}

/// A body that may be empty, then without a Content-Type too: for POSTs that act.
pub struct MaybeObject(pub Map<String, Value>);

impl FromRequest for MaybeObject {
    type Error = ApiError;
    type Future = Reading<Self>;

    fn from_request(req: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let (request, payload) = (Expected::of(req), payload.take());
        Box::pin(async move {
            let bytes = request.read(payload).await?;
            if bytes.is_empty() {
                return Ok(Self(Map::new()));
            }
            request.check_type()?;
            parse(&bytes).map(Self)
        })
    }
}

impl MaybeObject {
    /// For actions that take nothing: refuses every field.
    ///
    /// # Errors
    /// 422 that names what was given.
    pub fn nothing(self) -> Result<(), ApiError> {
        Ok(crate::fields::Fields::new(&self.0).finish()?)
    }
}

/// What the request's head says of its body.
struct Expected {
    is_json: bool,
    length: Option<usize>,
}

impl Expected {
    fn of(req: &HttpRequest) -> Self {
        let essence = req.content_type().trim().to_ascii_lowercase();
        let length = req.headers().get(header::CONTENT_LENGTH);
        Self {
            is_json: essence == "application/json"
                || (essence.starts_with("application/") && essence.ends_with("+json")),
            length: length.and_then(|value| value.to_str().ok()?.parse().ok()),
        }
    }

    fn check_type(&self) -> Result<(), ApiError> {
        if self.is_json { Ok(()) } else { Err(ApiError::UnsupportedMediaType) }
    }

    async fn read(&self, payload: Payload) -> Result<Vec<u8>, ApiError> {
        if self.length.is_some_and(|length| length > BODY_MAX) {
            return Err(ApiError::TooLarge { limit: BODY_MAX });
        }
        read_all(payload, BODY_MAX).await
    }
}

/// Reads a body of at most `limit` bytes.
///
/// # Errors
/// When there are more, or the connection breaks.
pub async fn read_all<E: Display>(
    mut payload: impl Stream<Item = Result<Bytes, E>> + Unpin,
    limit: usize,
) -> Result<Vec<u8>, ApiError> {
    let mut bytes = Vec::new();
    while let Some(chunk) = payload.next().await {
        let chunk = chunk.map_err(|error| ApiError::NotJson(error.to_string()))?;
        if bytes.len() + chunk.len() > limit {
            return Err(ApiError::TooLarge { limit });
        }
        bytes.extend_from_slice(&chunk);
    }
    Ok(bytes)
}

fn parse(bytes: &[u8]) -> Result<Map<String, Value>, ApiError> {
    let value: Value =
        serde_json::from_slice(bytes).map_err(|error| ApiError::NotJson(error.to_string()))?;
    match value {
        Value::Object(map) => Ok(map),
        _ => Err(ApiError::field("body", "must be a JSON object, such as {\"name\": \"shop\"}")),
    }
}

/// `{"data": …}` with status 200.
pub fn data(value: impl Serialize) -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({ "data": value }))
}

/// `{"data": …}` with status 201 and where the new thing is.
pub fn created(location: String, value: impl Serialize) -> HttpResponse {
    HttpResponse::Created()
        .insert_header((header::LOCATION, location))
        .json(serde_json::json!({ "data": value }))
}
