//! Getting in and out: set-up with the one-time link, sign-in, sign-out.

use actix_web::cookie::{Cookie, SameSite, time::Duration};
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;
use serde::Deserialize;
use url::Url;

use super::error::{Page, PageError, show, show_as};
use super::form::{Form, Input};
use super::query::PageQuery;
use super::self_check::{self, SelfCheck};
use super::text::span;
use super::visit::{self, local, see_other};
use crate::account::login::{Entry, LoginError};
use crate::account::session::Origin;
use crate::account::throttle::LOGIN_SPAN_MS;
use crate::account::{self, Principal, session, setup};
use crate::base_url;
use crate::fields::FieldErrors;
use crate::server_settings::Shown;
use crate::store::users;
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
    /// Sealed: whose password was right. Then a code is asked for, not a password.
    ticket: String,
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
    base_url: Shown,
    checks: Vec<SelfCheck>,
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

/// What the form for the code posts.
#[derive(Deserialize)]
pub struct CodeForm {
    ticket: String,
    code: String,
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
    #[serde(default)]
    base_url: String,
}

/// How long a browser keeps its cookie: as long as a session may last.
pub const COOKIE_AGE: Duration = Duration::milliseconds(session::ABSOLUTE_MS);

/// Where and by what somebody signs in.
pub fn origin(req: &HttpRequest, state: &AppState) -> Origin {
    let agent = req.headers().get("user-agent").and_then(|value| value.to_str().ok());
    let address = client::address(req, &state.trusted_proxies);
    Origin {
        remote_addr: address.map(|address| address.to_string()).unwrap_or_default(),
        user_agent: agent.unwrap_or_default().chars().take(300).collect(),
    }
}

/// `GET /`.
pub async fn home() -> HttpResponse {
    see_other("/monitors")
}

/// `GET /login`.
pub async fn login_page(
    req: HttpRequest,
    who: Option<Principal>,
    PageQuery(query): PageQuery<LoginQuery>,
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
        ticket: String::new(),
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
    let (whose, origin) = ((&state.db, &state.sealer), origin(&req, &state));
    let from = (address, &origin);
    let entered = state.logins.enter(whose, from, &form.email, &form.password, now).await;
    let next = local(&form.next);
    let mut view = login_view(&req, &state, &form.email, next);
    match entered {
        Ok(Entry::In(token)) => signed_in_response(&req, &state, token, next),
        Ok(Entry::CodeNeeded { ticket }) => {
            view.ticket = ticket;
            show(&view)
        }
        Err(error) => refused(view, error, "Email or password is wrong."),
    }
}

/// `POST /login/code`: the second step of somebody with a second factor.
pub async fn login_code(req: HttpRequest, form: web::Form<CodeForm>) -> Page {
    let state = visit::state(&req)?;
    let (whose, origin) = ((&state.db, &state.sealer), origin(&req, &state));
    let now = state.clock.now();
    let shown = state.logins.show_code(whose, &origin, &form.ticket, &form.code, now).await;
    let next = local(&form.next);
    let mut view = login_view(&req, &state, "", next);
    match shown {
        Ok(token) => signed_in_response(&req, &state, token, next),
        Err(error) => {
            // Whoever was too slow begins anew.
            if !matches!(error, LoginError::Expired) {
                form.ticket.clone_into(&mut view.ticket);
            }
            refused(view, error, "The code is wrong, or was used before.")
        }
    }
}

/// The form again, with one reason that does not tell which part is wrong, and the tries that are left.
fn refused(mut view: LoginPage, error: LoginError, wrong: &str) -> Page {
    let pause = span(LOGIN_SPAN_MS);
    let (status, wrong, more) = match error {
        LoginError::Wrong { tries_left: 0 } => (
            StatusCode::UNPROCESSABLE_ENTITY,
            wrong,
            format!("That was the last try for now. Try again in {pause}."),
        ),
        LoginError::Wrong { tries_left } => {
            let tries = if tries_left == 1 { "1 try" } else { &format!("{tries_left} tries") };
            let more = format!("{tries} left, then a {pause} pause.");
            (StatusCode::UNPROCESSABLE_ENTITY, wrong, more)
        }
        LoginError::TooMany { retry_after_seconds } => (
            StatusCode::TOO_MANY_REQUESTS,
            "Too many tries.",
            format!("Try again in {}.", span(i64::from(retry_after_seconds) * 1000)),
        ),
        LoginError::Expired => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "That took too long.",
            "Sign in with your password again.".to_owned(),
        ),
        LoginError::Account(error) => return Err(error.into()),
    };
    wrong.clone_into(&mut view.wrong);
    view.wrong_more = more;
    show_as(status, &view)
}

fn signed_in_response(req: &HttpRequest, state: &AppState, token: String, next: &str) -> Page {
    let mut response = see_other(next);
    set_session(&mut response, req, state, token, COOKIE_AGE)?;
    Ok(response)
}

/// Puts the token of a session into the browser.
///
/// # Errors
/// Only for a cookie that cannot be written as a header, which none of these is.
pub fn set_session(
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
        state.access_changed();
    }
    let mut response = see_other("/login");
    set_session(&mut response, &req, &state, String::new(), Duration::ZERO)?;
    Ok(response)
}

/// `GET /setup`.
pub async fn setup_page(req: HttpRequest, PageQuery(query): PageQuery<SetupQuery>) -> Page {
    let state = visit::state(&req)?;
    if setup::is_valid(&state.db, &query.token).await? {
        return show(&setup_view(&req, &state, &query.token).await);
    }
    let has_users = users::any(&mut state.db.read().await?.conn()).await?;
    if has_users && query.token.is_empty() {
        Ok(see_other("/login"))
    } else {
        show_as(StatusCode::NOT_FOUND, &no_setup(&req, &state))
    }
}

/// What whoever has no valid link sees: nothing of this server.
fn no_setup(req: &HttpRequest, state: &AppState) -> SetupPage {
    SetupPage {
        theme: visit::theme(req),
        is_valid: false,
        token: String::new(),
        form: Form::default(),
        base_url: state.settings.base_url_shown(),
        checks: Vec::new(),
    }
}

async fn setup_view(req: &HttpRequest, state: &AppState, token: &str) -> SetupPage {
    // The address that links would start with: the one that brought this person here is the likeliest.
    let reached = client::origin(req, &state.trusted_proxies);
    SetupPage {
        is_valid: true,
        token: token.to_owned(),
        form: Form::default().with("base_url", reached),
        checks: self_check::all(state).await,
        ..no_setup(req, state)
    }
}

/// `POST /setup`: the first account, signed in at once.
pub async fn set_up(req: HttpRequest, form: web::Form<SetupForm>) -> Page {
    let state = visit::state(&req)?;
    let now = state.clock.now();
    let SetupForm { token, email, password, base_url } = form.into_inner();
    let address = read_address(&state, &base_url);
    if let Err(reason) = &address
        && setup::is_valid(&state.db, &token).await?
    {
        let errors = FieldErrors::one("base_url", reason);
        return setup_refused(&req, &state, &token, email, base_url, &errors).await;
    }
    let passwords = state.logins.passwords();
    match setup::claim(&state.db, passwords, &token, &email, &password, now).await {
        Ok(user) => {
            let reached = client::origin(&req, &state.trusted_proxies);
            state.base_url.learn(&state.db, &reached).await?;
            if let Ok(Some(url)) = address
                && url.as_str().trim_end_matches('/') != state.base_url.get()
            {
                state.base_url.set(&state.db, Some(&url)).await?;
            }
            let from = origin(&req, &state);
            let session = session::begin_from(&state.db, user.id, &from, now).await?;
            signed_in_response(&req, &state, session, "/monitors")
        }
        Err(account::Error::Fields(errors)) => {
            setup_refused(&req, &state, &token, email, base_url, &errors).await
        }
        Err(account::Error::Conflict(_)) => show_as(StatusCode::CONFLICT, &no_setup(&req, &state)),
        Err(error) => Err(error.into()),
    }
}

/// The address that was typed; `None` when there was none, or a variable gives it.
fn read_address(state: &AppState, text: &str) -> Result<Option<Url>, String> {
    if text.trim().is_empty() || state.base_url.is_given() {
        return Ok(None);
    }
    let url: Url =
        text.trim().parse().map_err(|_| "must be like https://watch.example.com".to_owned())?;
    base_url::check(&url).map(|()| Some(url))
}

async fn setup_refused(
    req: &HttpRequest,
    state: &AppState,
    token: &str,
    email: String,
    base_url: String,
    errors: &FieldErrors,
) -> Page {
    let mut view = setup_view(req, state, token).await;
    let typed = [("email", email), ("base_url", base_url)];
    let input = Input(typed.map(|(name, value)| (name.to_owned(), value)).into());
    let labels = [
        ("email", "The address"),
        ("password", "The password"),
        ("base_url", "The address of this server"),
    ];
    view.form = Form::refused(&input, errors, &labels);
    show_as(StatusCode::UNPROCESSABLE_ENTITY, &view)
}
