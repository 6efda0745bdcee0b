//! Getting in and out: set-up with the one-time link, sign-in, sign-out.

use actix_web::cookie::{Cookie, SameSite, time::Duration};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;

use super::error::{Page, PageError, show, show_as};
use super::form::{Form, Input};
use super::visit::{self, local, see_other};
use crate::account::login::LoginError;
use crate::account::{self, Principal, session, setup};
use crate::store::{Db, users};
use crate::web::client;
use crate::web::error::ApiError;
use crate::web::state::AppState;

#[derive(Template)]
#[template(path = "pages/login.html")]
struct LoginPage {
    theme: &'static str,
    host: String,
    email: String,
    next: String,
    wrong: String,
    wrong_more: String,
}

#[derive(Template)]
#[template(path = "pages/setup.html")]
struct SetupPage {
    theme: &'static str,
    is_valid: bool,
    token: String,
    form: Form,
    database: &'static str,
    address: String,
    has_mail: bool,
    region: String,
}

/// What the address of the sign-in page says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct LoginQuery {
    next: String,
}

/// What the sign-in form posts.
#[derive(Deserialize)]
pub struct LoginForm {
    email: String,
    password: String,
    #[serde(default)]
    next: String,
}

/// What the set-up link says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct SetupQuery {
    token: String,
}

/// What the set-up form posts.
#[derive(Deserialize)]
pub struct SetupForm {
    token: String,
    email: String,
    password: String,
}

/// `GET /`.
pub async fn home() -> HttpResponse {
    see_other("/monitors")
}

/// `GET /login`.
pub async fn login_page(
    req: HttpRequest,
    who: Option<Principal>,
    query: web::Query<LoginQuery>,
) -> Page {
    if who.is_some() {
        return Ok(see_other(local(&query.next)));
    }
    let state = visit::state(&req)?;
    show(&login_view(&req, &state, "", local(&query.next)))
}

fn login_view(req: &HttpRequest, state: &AppState, email: &str, next: &str) -> LoginPage {
    LoginPage {
        theme: visit::theme(req),
        host: client::host(req, &state.trusted_proxies),
        email: email.to_owned(),
        next: next.to_owned(),
        wrong: String::new(),
        wrong_more: String::new(),
    }
}

/// `POST /login`.
pub async fn login(req: HttpRequest, form: web::Form<LoginForm>) -> Page {
    let state = visit::state(&req)?;
    let address = client::address(&req, &state.trusted_proxies)
        .ok_or_else(|| ApiError::internal("a request without a peer"))?;
    let now = state.clock.now();
    let signed_in = state.logins.login(&state.db, address, &form.email, &form.password, now).await;
    let next = local(&form.next);
    let (status, wrong, more) = match signed_in {
        Ok(token) => return signed_in_response(&req, &state, token, next),
        Err(LoginError::Wrong) => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "Email or password is wrong.",
            "Check both, and that Caps Lock is off.".to_owned(),
        ),
        Err(LoginError::TooMany { retry_after_seconds }) => (
            StatusCode::TOO_MANY_REQUESTS,
            "Too many tries.",
            format!("Try again in {}.", super::text::span(i64::from(retry_after_seconds) * 1000)),
        ),
        Err(LoginError::Account(error)) => return Err(error.into()),
    };
    let mut view = login_view(&req, &state, &form.email, next);
    view.wrong = wrong.to_owned();
    view.wrong_more = more;
    show_as(status, &view)
}

fn signed_in_response(req: &HttpRequest, state: &AppState, token: String, next: &str) -> Page {
    let mut response = see_other(next);
    let days = session::ABSOLUTE_MS / 86_400_000;
    set_session(&mut response, req, state, token, Duration::days(days))?;
    Ok(response)
}

fn set_session(
    response: &mut HttpResponse,
    req: &HttpRequest,
    state: &AppState,
    token: String,
    age: Duration,
) -> Result<(), PageError> {
    let cookie = Cookie::build(session::COOKIE, token)
        .path("/")
        .http_only(true)
        // Lax, not Strict: a link in an alert must find its reader signed in.
        .same_site(SameSite::Lax)
        .secure(client::is_https(req, &state.trusted_proxies))
        .max_age(age)
        .finish();
    Ok(response.add_cookie(&cookie).map_err(ApiError::internal)?)
}

/// `POST /logout`.
pub async fn logout(req: HttpRequest) -> Page {
    let state = visit::state(&req)?;
    if let Some(cookie) = req.cookie(session::COOKIE) {
        session::end(&state.db, cookie.value()).await?;
    }
    let mut response = see_other("/login");
    set_session(&mut response, &req, &state, String::new(), Duration::ZERO)?;
    Ok(response)
}

/// `GET /setup`.
pub async fn setup_page(req: HttpRequest, query: web::Query<SetupQuery>) -> Page {
    let state = visit::state(&req)?;
    let mut view = setup_view(&req, &state, &query.token);
    view.is_valid = setup::is_valid(&state.db, &query.token).await?;
    if view.is_valid {
        return show(&view);
    }
    let has_users = users::any(&mut state.db.read().await?.conn()).await?;
    if has_users && query.token.is_empty() {
        Ok(see_other("/login"))
    } else {
        show_as(StatusCode::NOT_FOUND, &view)
    }
}

fn setup_view(req: &HttpRequest, state: &AppState, token: &str) -> SetupPage {
    SetupPage {
        theme: visit::theme(req),
        is_valid: false,
        token: token.to_owned(),
        form: Form::default(),
        database: match state.db {
            Db::Sqlite { .. } => "SQLite",
            Db::Postgres { .. } => "PostgreSQL",
        },
        address: client::origin(req, &state.trusted_proxies),
        has_mail: state.smtp.is_some(),
        region: state.region.clone(),
    }
}

/// `POST /setup`: the first account, signed in at once.
pub async fn set_up(req: HttpRequest, form: web::Form<SetupForm>) -> Page {
    let state = visit::state(&req)?;
    let now = state.clock.now();
    let SetupForm { token, email, password } = form.into_inner();
    let passwords = state.logins.passwords();
    let made = setup::claim(&state.db, passwords, &token, &email, &password, now).await;
    let mut view = setup_view(&req, &state, &token);
    match made {
        Ok(user) => {
            state.base_url.learn(&state.db, &view.address).await?;
            let session = session::begin(&state.db, user.id, now).await?;
            signed_in_response(&req, &state, session, "/monitors")
        }
        Err(account::Error::Fields(errors)) => {
            view.is_valid = true;
            let input = Input(vec![("email".to_owned(), email)]);
            let labels = [("email", "The address"), ("password", "The password")];
            view.form = Form::refused(&input, &errors, &labels);
            show_as(StatusCode::UNPROCESSABLE_ENTITY, &view)
        }
        Err(account::Error::Conflict(_)) => show_as(StatusCode::CONFLICT, &view),
        Err(error) => Err(error.into()),
    }
}
