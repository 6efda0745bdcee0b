//! One's own account: address, password, second factor, sessions, and how the pages look.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, web};
use askama::Template;

use super::error::{Page, PageError, show_as};
use super::form::{Form, Input};
use super::query::PageQuery;
use super::session::{COOKIE_AGE, origin, set_session};
use super::settings::Done;
use super::text::{Html, span};
use super::visit::{Shell, Visit, see_other};
use crate::account::login::LoginError;
use crate::account::second_factor::{self, Standing};
use crate::account::{self, Via, session, user};
use crate::fields::FieldErrors;
use crate::web::client;
use crate::web::error::ApiError;

const LABELS: [(&str, &str); 6] = [
    ("email", "The address"),
    ("old_password", "The present password"),
    ("password", "The new password"),
    ("confirm_password", "The password"),
    ("email_password", "The password"),
    ("code", "The code"),
];

struct SessionRow {
    id: String,
    what: String,
    from: String,
    began: Html,
    seen: Html,
    is_current: bool,
}

#[derive(Template)]
#[template(path = "pages/profile.html")]
struct ProfilePage {
    shell: Shell,
    tab: &'static str,
    role: account::Role,
    form: Form,
    standing: Standing,
    /// Shown once, right after they were made.
    recovery_codes: Vec<String>,
    sessions: Vec<SessionRow>,
    done: &'static str,
}

fn done_words(done: &str) -> &'static str {
    match done {
        "email" => "Your address was changed. All other sessions have ended.",
        "password" => "Your password was changed. All other sessions have ended.",
        "sessions" => "The session has ended.",
        "others" => "All other sessions have ended.",
        "off" => "Two-factor sign-in is off. All other sessions have ended.",
        "taste" => "Saved for this browser.",
        _ => "",
    }
}

/// The user who is signed in. A program with a token has no profile.
fn user_id(visit: &Visit) -> Result<i64, PageError> {
    match visit.who.via {
        Via::Session { user_id } => Ok(user_id),
        Via::Token { .. } => {
            Err(ApiError::Forbidden("an API token has no profile; sign in".to_owned()).into())
        }
    }
}

fn cookie(req: &HttpRequest) -> String {
    req.cookie(session::COOKIE).map(|cookie| cookie.value().to_owned()).unwrap_or_default()
}

async fn view(
    visit: &Visit,
    token: &str,
    status: StatusCode,
    form: Form,
    done: &str,
    recovery_codes: Vec<String>,
) -> Page {
    let id = user_id(visit)?;
    let state = &visit.state;
    let standing = second_factor::standing(&state.db, &state.sealer, id, &visit.who.name).await?;
    let own = session::list(&state.db, id, token, visit.viewer.now).await?;
    let row = |one: session::Own| SessionRow {
        id: one.id,
        what: browser(&one.origin.user_agent),
        from: one.origin.remote_addr,
        began: visit.viewer.ago_html(one.created_at),
        seen: visit.viewer.ago_html(one.seen_at),
        is_current: one.is_current,
    };
    // Passwords are never sent back.
    let form = ["old_password", "password", "confirm_password", "email_password"]
        .iter()
        .fold(form, |form, name| form.with(name, ""));
    let form = if form.has("email") { form } else { form.with("email", visit.who.name.clone()) };
    let page = ProfilePage {
        shell: visit.shell("settings", "Profile").await?,
        tab: "profile",
        role: visit.who.role,
        form,
        standing,
        recovery_codes,
        sessions: own.into_iter().map(row).collect(),
        done: done_words(done),
    };
    show_as(status, &page)
}

/// `Firefox on Linux`, as far as the browser says; what it says is no proof of anything.
fn browser(user_agent: &str) -> String {
    let named = |words: &[(&'static str, &'static str)]| {
        words.iter().find(|(mark, _)| user_agent.contains(mark)).map(|(_, name)| *name)
    };
    // Those that pretend to be others come first.
    let program = named(&[
        ("Edg/", "Edge"),
        ("OPR/", "Opera"),
        ("Firefox/", "Firefox"),
        ("Chrome/", "Chrome"),
        ("Safari/", "Safari"),
        ("curl/", "curl"),
    ]);
    let system = named(&[
        ("Android", "Android"),
        ("iPhone", "iPhone"),
        ("iPad", "iPad"),
        ("Windows", "Windows"),
        ("Mac OS", "macOS"),
        ("Linux", "Linux"),
    ]);
    match (program, system) {
        (Some(program), Some(system)) => format!("{program} on {system}"),
        (Some(name), None) | (None, Some(name)) => name.to_owned(),
        (None, None) if user_agent.is_empty() => "Unknown browser".to_owned(),
        (None, None) => user_agent.chars().take(60).collect(),
    }
}

/// `GET /settings/profile`.
pub async fn page(req: HttpRequest, visit: Visit, PageQuery(done): PageQuery<Done>) -> Page {
    view(&visit, &cookie(&req), StatusCode::OK, Form::default(), &done.done, Vec::new()).await
}

async fn refused(req: &HttpRequest, visit: &Visit, input: &Input, errors: &FieldErrors) -> Page {
    let form = Form::refused(input, errors, &LABELS);
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    view(visit, &cookie(req), status, form, "", Vec::new()).await
}

/// Whether the password that was typed in `field` is one's own: the reason if not.
async fn password_is_right(
    req: &HttpRequest,
    visit: &Visit,
    input: &Input,
    field: &str,
) -> Result<Result<(), FieldErrors>, PageError> {
    let state = &visit.state;
    let address = client::address(req, &state.trusted_proxies)
        .ok_or_else(|| ApiError::internal("a request without a peer"))?;
    let password = input.all(field).next().unwrap_or_default();
    let (id, now) = (user_id(visit)?, visit.viewer.now);
    match state.logins.confirm_password(&state.db, address, id, password, now).await {
        Ok(()) => Ok(Ok(())),
        Err(LoginError::Wrong { tries_left }) => {
            Ok(Err(FieldErrors::one(field, format!("is wrong; {tries_left} tries left"))))
        }
        Err(LoginError::TooMany { retry_after_seconds }) => {
            let wait = span(i64::from(retry_after_seconds) * 1000);
            Ok(Err(FieldErrors::one(field, format!("was wrong too often; try again in {wait}"))))
        }
        Err(LoginError::Account(error)) => Err(error.into()),
        Err(LoginError::Expired) => Err(ApiError::internal("a password cannot expire").into()),
    }
}

/// Every session has ended, this one too: it begins anew, under another token.
async fn begin_anew(
    req: &HttpRequest,
    visit: &Visit,
    response: &mut HttpResponse,
) -> Result<(), PageError> {
    let state = &visit.state;
    let (id, now) = (user_id(visit)?, visit.viewer.now);
    let token = session::begin_from(&state.db, id, &origin(req, state), now).await?;
    state.access_changed();
    set_session(response, req, state, token, COOKIE_AGE)
}

async fn changed(
    req: &HttpRequest,
    visit: &Visit,
    input: &Input,
    done: account::Result<()>,
    word: &str,
) -> Page {
    match done {
        Ok(()) => {
            let mut response = see_other(&format!("/settings/profile?done={word}"));
            begin_anew(req, visit, &mut response).await?;
            Ok(response)
        }
        Err(account::Error::Fields(errors)) => refused(req, visit, input, &errors).await,
        Err(error) => Err(error.into()),
    }
}

/// `POST /settings/profile/email`.
pub async fn set_email(req: HttpRequest, visit: Visit, input: Input) -> Page {
    let id = user_id(&visit)?;
    if let Err(errors) = password_is_right(&req, &visit, &input, "email_password").await? {
        return refused(&req, &visit, &input, &errors).await;
    }
    let done = user::set_email(&visit.state.db, id, input.get("email")).await;
    changed(&req, &visit, &input, done, "email").await
}

/// `POST /settings/profile/password`.
pub async fn set_password(req: HttpRequest, visit: Visit, input: Input) -> Page {
    let id = user_id(&visit)?;
    if let Err(errors) = password_is_right(&req, &visit, &input, "old_password").await? {
        return refused(&req, &visit, &input, &errors).await;
    }
    let password = input.all("password").next().unwrap_or_default();
    let (db, passwords) = (&visit.state.db, visit.state.logins.passwords());
    let done = user::set_password(db, passwords, id, password).await;
    changed(&req, &visit, &input, done, "password").await
}

/// `POST /settings/profile/second-factor`: shows what the authenticator needs.
pub async fn begin_second_factor(req: HttpRequest, visit: Visit, input: Input) -> Page {
    // Whoever finds an open browser must not lock its owner out.
    if let Err(errors) = password_is_right(&req, &visit, &input, "confirm_password").await? {
        return refused(&req, &visit, &input, &errors).await;
    }
    let state = &visit.state;
    match second_factor::begin(&state.db, &state.sealer, user_id(&visit)?).await {
        Ok(()) | Err(account::Error::Conflict(_)) => {
            Ok(see_other("/settings/profile#second-factor"))
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /settings/profile/second-factor/confirm`: it counts from now on. The answer has the recovery codes, this once.
pub async fn confirm_second_factor(req: HttpRequest, visit: Visit, input: Input) -> Page {
    let (state, now) = (&visit.state, visit.state.clock.now());
    let id = user_id(&visit)?;
    match second_factor::confirm(&state.db, &state.sealer, id, input.get("code"), now).await {
        Ok(codes) => {
            // All sessions have ended; the page must list the one that begins now.
            let token = session::begin_from(&state.db, id, &origin(&req, state), now).await?;
            state.access_changed();
            let mut response =
                view(&visit, &token, StatusCode::OK, Form::default(), "", codes).await?;
            set_session(&mut response, &req, state, token, COOKIE_AGE)?;
            Ok(response)
        }
        Err(account::Error::Fields(errors)) => refused(&req, &visit, &input, &errors).await,
        Err(account::Error::Conflict(_)) => Ok(see_other("/settings/profile#second-factor")),
        Err(error) => Err(error.into()),
    }
}

/// `POST /settings/profile/second-factor/cancel`: gives up one that does not count yet.
pub async fn cancel_second_factor(visit: Visit) -> Page {
    second_factor::give_up(&visit.state.db, user_id(&visit)?).await?;
    Ok(see_other("/settings/profile"))
}

/// `POST /settings/profile/second-factor/remove`.
pub async fn remove_second_factor(req: HttpRequest, visit: Visit, input: Input) -> Page {
    let id = user_id(&visit)?;
    if let Err(errors) = password_is_right(&req, &visit, &input, "confirm_password").await? {
        return refused(&req, &visit, &input, &errors).await;
    }
    let done = second_factor::remove(&visit.state.db, id).await.map(drop);
    changed(&req, &visit, &input, done, "off").await
}

/// `POST /settings/profile/sessions/{id}/end`.
pub async fn end_session(req: HttpRequest, visit: Visit, id: web::Path<String>) -> Page {
    let state = &visit.state;
    session::end_own(&state.db, user_id(&visit)?, &id).await?;
    state.access_changed();
    let is_alive = session::is_alive(&state.db, &cookie(&req), visit.viewer.now).await?;
    Ok(see_other(if is_alive { "/settings/profile?done=sessions" } else { "/login" }))
}

/// `POST /settings/profile/sessions/end-others`.
pub async fn end_others(req: HttpRequest, visit: Visit) -> Page {
    session::end_others(&visit.state.db, user_id(&visit)?, &cookie(&req)).await?;
    visit.state.access_changed();
    Ok(see_other("/settings/profile?done=others"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_browser_is_named_as_it_names_itself() {
        for (said, named) in [
            (
                "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0",
                "Firefox on Linux",
            ),
            (
                "Mozilla/5.0 (Windows NT 10.0) Chrome/120.0 Safari/537.36 Edg/120.0",
                "Edge on Windows",
            ),
            (
                "Mozilla/5.0 (iPhone; CPU iPhone OS 17_0 like Mac OS X) Safari/604.1",
                "Safari on iPhone",
            ),
            ("", "Unknown browser"),
            ("curl/8.5.0", "curl"),
            ("a program", "a program"),
        ] {
            assert_eq!(browser(said), named);
        }
    }
}
