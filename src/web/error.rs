//! What went wrong with a request, as RFC 9457 `application/problem+json` (contract, section 5).

use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::{HttpResponse, ResponseError};
use serde_json::{Map, Value, json};

use crate::checker::EngineError;
use crate::fields::FieldErrors;
use crate::{account, store};

/// Why a request of the API is not answered as asked.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// 400: the body is not JSON.
    #[error("the body is not JSON: {0}")]
    NotJson(String),
    /// 401: nobody showed who they are, or what they showed does not count.
    #[error("{0}")]
    Unauthorized(&'static str),
    /// 403: whoever asks may not do this.
    #[error("{0}")]
    Forbidden(String),
    /// 404: there is no such thing.
    #[error("{0}")]
    NotFound(String),
    /// 405: the thing is there, but not for this method.
    #[error("this address answers to {allow} only")]
    MethodNotAllowed {
        /// The methods that it has, as the `Allow` header lists them.
        allow: String,
    },
    /// 409: it does not fit the present state.
    #[error("{0}")]
    Conflict(String),
    /// 413: the body is too long.
    #[error("the body is longer than {limit} bytes")]
    TooLarge {
        /// The most bytes that are read.
        limit: usize,
    },
    /// 415: the body is of a type that is not read here.
    #[error("send the body as application/json")]
    UnsupportedMediaType,
    /// 422: fields are wrong; each is named.
    #[error("{}", named(.0))]
    Fields(FieldErrors),
    /// 426: the other end speaks another version.
    #[error("{0}")]
    UpgradeRequired(String),
    /// 429: too many requests.
    #[error("too many requests; try again in {retry_after_seconds} seconds")]
    TooMany {
        /// How long to wait.
        retry_after_seconds: u32,
    },
    /// 503: not for now.
    #[error("{0}")]
    Unavailable(String),
    /// 500: a trouble of our own. The cause goes to the log, not to the caller.
    #[error("something went wrong on the server; its log has the cause")]
    Internal,
}

impl ApiError {
    /// A trouble of our own; `cause` is logged.
    pub fn internal(cause: impl std::fmt::Display) -> Self {
        tracing::error!(%cause, "a request failed");
        Self::Internal
    }

    /// One wrong field.
    pub fn field(name: &str, reason: impl Into<String>) -> Self {
        Self::Fields(FieldErrors::one(name, reason))
    }

    /// There is no `what` with this number.
    pub fn no_such(what: &str) -> Self {
        Self::NotFound(format!("there is no such {what}"))
    }

    /// What the engine says of a request about a `what`.
    pub fn of_engine(error: EngineError, what: &str) -> Self {
        match error {
            EngineError::NotFound => Self::no_such(what),
            EngineError::Invalid(errors) => Self::Fields(errors),
            EngineError::Conflict(detail) => Self::Conflict(detail),
            EngineError::Unavailable(cause) => {
                tracing::error!(%cause, "a change could not be made");
                Self::Unavailable("this could not be done now; try again in a moment".to_owned())
            }
        }
    }

    fn title(&self) -> &'static str {
        self.status_code().canonical_reason().unwrap_or("Error")
    }

    fn body(&self) -> Value {
        let mut body = Map::new();
        // RFC 9457, section 4.2.1: with about:blank the title is the status's own.
        body.insert("type".to_owned(), json!("about:blank"));
        body.insert("title".to_owned(), json!(self.title()));
        body.insert("status".to_owned(), json!(self.status_code().as_u16()));
        body.insert("detail".to_owned(), json!(self.to_string()));
        if let Self::Fields(errors) = self {
            body.insert("errors".to_owned(), json!(errors.0));
        }
        Value::Object(body)
    }

    fn extra_header(&self) -> Option<(header::HeaderName, HeaderValue)> {
        match self {
            Self::Unauthorized(_) => Some((
                header::WWW_AUTHENTICATE,
                HeaderValue::from_static("Bearer realm=\"watchbell\""),
            )),
            Self::MethodNotAllowed { allow } => {
                HeaderValue::from_str(allow).ok().map(|value| (header::ALLOW, value))
            }
            Self::TooMany { retry_after_seconds } => {
                Some((header::RETRY_AFTER, HeaderValue::from(*retry_after_seconds)))
            }
            _ => None,
        }
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::NotJson(_) => StatusCode::BAD_REQUEST,
            Self::Unauthorized(_) => StatusCode::UNAUTHORIZED,
            Self::Forbidden(_) => StatusCode::FORBIDDEN,
            Self::NotFound(_) => StatusCode::NOT_FOUND,
            Self::MethodNotAllowed { .. } => StatusCode::METHOD_NOT_ALLOWED,
            Self::Conflict(_) => StatusCode::CONFLICT,
            Self::TooLarge { .. } => StatusCode::PAYLOAD_TOO_LARGE,
            Self::UnsupportedMediaType => StatusCode::UNSUPPORTED_MEDIA_TYPE,
            Self::Fields(_) => StatusCode::UNPROCESSABLE_ENTITY,
            Self::UpgradeRequired(_) => StatusCode::UPGRADE_REQUIRED,
            Self::TooMany { .. } => StatusCode::TOO_MANY_REQUESTS,
            Self::Unavailable(_) => StatusCode::SERVICE_UNAVAILABLE,
            Self::Internal => StatusCode::INTERNAL_SERVER_ERROR,
        }
    }

    fn error_response(&self) -> HttpResponse {
        let mut response = HttpResponse::build(self.status_code());
        response.content_type("application/problem+json");
        if let Some(pair) = self.extra_header() {
            response.insert_header(pair);
        }
        response.body(self.body().to_string())
    }
}

fn named(errors: &FieldErrors) -> String {
    let names: Vec<&str> = errors.0.keys().map(String::as_str).collect();
    match names.as_slice() {
        [one] => format!("the field {one} is wrong"),
        many => format!("{} fields are wrong: {}", many.len(), many.join(", ")),
    }
}

impl From<FieldErrors> for ApiError {
    fn from(errors: FieldErrors) -> Self {
        Self::Fields(errors)
    }
}

impl From<store::Error> for ApiError {
    fn from(error: store::Error) -> Self {
        match error {
            store::Error::Unique | store::Error::Reference => Self::Conflict(error.to_string()),
            other => Self::internal(other),
        }
    }
}

impl From<account::Error> for ApiError {
    fn from(error: account::Error) -> Self {
        match error {
            account::Error::Fields(errors) => Self::Fields(errors),
            account::Error::NotFound(detail) => Self::NotFound(detail),
            account::Error::Conflict(detail) => Self::Conflict(detail),
            account::Error::Store(error) => error.into(),
            hash @ account::Error::Hash(_) => Self::internal(hash),
        }
    }
}
