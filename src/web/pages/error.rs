//! What people see when a page cannot be shown.

use actix_web::error::InternalError;
use actix_web::http::StatusCode;
use actix_web::web::{FormConfig, PathConfig, QueryConfig, ServiceConfig};
use actix_web::{HttpRequest, HttpResponse, ResponseError};
use askama::Template;

use super::visit;
use crate::checker::EngineError;
use crate::web::error::ApiError;
use crate::{account, store};

/// The most bytes of a posted form: a request body of 1 MiB, and room for how forms write it.
const FORM_MAX: usize = 4 << 20;
const NOTHING_HERE: &str = "The address may be mistyped, or what was here has been deleted.";

/// The answer to a request for a page.
pub type Page = Result<HttpResponse, PageError>;

/// Why a page is not shown.
#[derive(Debug, thiserror::Error)]
pub enum PageError {
    /// Nobody is signed in.
    #[error("sign in first")]
    SignIn {
        /// Where to go on after that.
        back: String,
    },
    /// What the API would say too.
    #[error(transparent)]
    Api(#[from] ApiError),
}

impl From<store::Error> for PageError {
    fn from(error: store::Error) -> Self {
        Self::Api(error.into())
    }
}

impl From<account::Error> for PageError {
    fn from(error: account::Error) -> Self {
        Self::Api(error.into())
    }
}

impl From<askama::Error> for PageError {
    fn from(error: askama::Error) -> Self {
        Self::Api(ApiError::internal(error))
    }
}

impl PageError {
    /// There is no such thing.
    pub fn no_such(what: &str) -> Self {
        Self::Api(ApiError::no_such(what))
    }

    /// What the engine says of a request about a `what`.
    pub fn of_engine(error: EngineError, what: &str) -> Self {
        Self::Api(ApiError::of_engine(error, what))
    }
}

#[derive(Template)]
#[template(path = "pages/error.html")]
struct ErrorPage {
    theme: &'static str,
    status: u16,
    title: &'static str,
    detail: String,
}

fn headline(status: StatusCode) -> &'static str {
    match status.as_u16() {
        403 => "You may not do this",
        404 => "There is nothing here",
        409 => "That does not fit what it is doing now",
        422 => "Something in this request is wrong",
        429 => "Too many requests",
        500.. => "Something went wrong on the server",
        _ => "This cannot be shown",
    }
}

fn page(status: StatusCode, detail: String, theme: &'static str) -> HttpResponse {
    let view = ErrorPage { theme, status: status.as_u16(), title: headline(status), detail };
    match view.render() {
        Ok(html) => HttpResponse::build(status).content_type("text/html; charset=utf-8").body(html),
        Err(_) => HttpResponse::build(status).body(headline(status)),
    }
}

impl ResponseError for PageError {
    fn status_code(&self) -> StatusCode {
        match self {
            Self::SignIn { .. } => StatusCode::SEE_OTHER,
            Self::Api(error) => error.status_code(),
        }
    }

    fn error_response(&self) -> HttpResponse {
        match self {
            Self::SignIn { back } if back == "/" => visit::see_other("/login"),
            Self::SignIn { back } => {
                let back: String = form_urlencoded::byte_serialize(back.as_bytes()).collect();
                visit::see_other(&format!("/login?next={back}"))
            }
            Self::Api(error) => page(error.status_code(), detail(error), "auto"),
        }
    }
}

/// What is wrong, as people read it: of fields, each with its reason.
fn detail(error: &ApiError) -> String {
    match error {
        ApiError::Fields(errors) => {
            let each =
                errors.0.iter().map(|(field, reason)| sentence(&format!("{field} {reason}")));
            each.collect::<Vec<_>>().join(" ")
        }
        other => sentence(&other.to_string()),
    }
}

/// A reason as a sentence of its own: capital first, full stop last.
pub fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return String::new() };
    let stop = if text.ends_with(['.', '?', '!', '…']) { "" } else { "." };
    format!("{}{}{stop}", first.to_uppercase(), chars.as_str())
}

/// Any address that no page has.
pub async fn not_found(req: HttpRequest) -> HttpResponse {
    page(StatusCode::NOT_FOUND, NOTHING_HERE.to_owned(), visit::theme(&req))
}

/// What a form, an address or the query of a stream that cannot be read is answered with: a page, as people see it.
pub fn extractors(config: &mut ServiceConfig) {
    let unread = |status: StatusCode, detail: &str| {
        let detail = detail.to_owned();
        InternalError::from_response("unreadable", page(status, detail, "auto")).into()
    };
    config
        .app_data(FormConfig::default().limit(FORM_MAX).error_handler(move |error, _| {
            let status = ResponseError::status_code(&error);
            unread(
                status,
                "The form came in a shape that cannot be read. Go back and send it again.",
            )
        }))
        .app_data(
            PathConfig::default()
                .error_handler(move |_, _| unread(StatusCode::NOT_FOUND, NOTHING_HERE)),
        )
        .app_data(QueryConfig::default().error_handler(move |_, _| {
            unread(StatusCode::BAD_REQUEST, "The address has a part that cannot be read.")
        }));
}

/// Answers with a rendered template.
///
/// # Errors
/// When it cannot be rendered.
pub fn show(template: &impl Template) -> Page {
    show_as(StatusCode::OK, template)
}

/// Answers with a rendered template and a status of its own: 422 for a form that must be mended.
///
/// # Errors
/// When it cannot be rendered.
pub fn show_as(status: StatusCode, template: &impl Template) -> Page {
    let html = template.render()?;
    Ok(HttpResponse::build(status)
        .content_type("text/html; charset=utf-8")
        // A page is a person's own and is old at once; the back button must not show a signed-out one.
        .insert_header(("cache-control", "no-store"))
        .body(html))
}
