//! The settings of the server: mail with a test, base URL, retention, canaries. A variable that is given wins and is read-only.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use serde::Deserialize;
use serde_json::{Map, json};

use super::actions::InlineResult;
use super::error::{Page, PageError, show_as};
use super::form::{Form, Input};
use super::query::PageQuery;
use super::status::Shown as State;
use super::text::millis;
use super::visit::{Shell, Visit, see_other};
use crate::account::Permission;
use crate::fields::FieldErrors;
use crate::notify::ChannelSettings;
use crate::server_settings::{SettingsError, Shown};
use crate::web::error::ApiError;

const MAIL_LABELS: [(&str, &str); 3] =
    [("smtp_url", "The mail server"), ("smtp_from", "The sender"), ("to", "The address")];
const SERVER_LABELS: [(&str, &str); 3] = [
    ("base_url", "The address"),
    ("retention_days", "The number of days"),
    ("canaries", "The list of canaries"),
];

/// What is said after something was done.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Done {
    /// A word for it.
    pub done: String,
}

#[derive(Template)]
#[template(path = "pages/settings_mail.html")]
struct MailPage {
    shell: Shell,
    tab: &'static str,
    form: Form,
    url: Shown,
    from: Shown,
    has_mail: bool,
    is_done: bool,
    tested: Option<InlineResult>,
}

#[derive(Template)]
#[template(path = "pages/settings_server.html")]
struct ServerPage {
    shell: Shell,
    tab: &'static str,
    form: Form,
    base_url: Shown,
    retention: Shown,
    canaries: Shown,
    is_done: bool,
    facts: Vec<(&'static str, String)>,
}

/// `GET /settings`: the first page of it that one may see.
pub async fn index(visit: Visit) -> HttpResponse {
    let is_admin = visit.who.role.may(Permission::Administer);
    see_other(if is_admin { "/settings/server" } else { "/settings/profile" })
}

async fn mail_view(
    visit: &Visit,
    status: StatusCode,
    form: Option<Form>,
    is_done: bool,
    tested: Option<InlineResult>,
) -> Page {
    let settings = &visit.state.settings;
    let (url, from) = (settings.smtp_url_shown(), settings.smtp_from_shown());
    let form = form.unwrap_or_default();
    // What was typed stays; what was not asked for in this form is as it is set.
    let filled = |form: Form, name: &str, value: &str| match form.has(name) {
        true => form,
        false => form.with(name, value),
    };
    let form = if form.problems().is_empty() {
        filled(filled(form, "smtp_url", &url.value), "smtp_from", &from.value)
    } else {
        form
    };
    let form = filled(form, "to", &visit.who.name);
    let shell = visit.shell("settings", "Mail").await?;
    let has_mail = visit.state.has_mail();
    show_as(status, &MailPage { shell, tab: "mail", form, url, from, has_mail, is_done, tested })
}

/// `GET /settings/mail`.
pub async fn mail(visit: Visit, PageQuery(done): PageQuery<Done>) -> Page {
    visit.must_be_allowed(Permission::Administer)?;
    mail_view(&visit, StatusCode::OK, None, !done.done.is_empty(), None).await
}

/// `POST /settings/mail`.
pub async fn set_mail(visit: Visit, input: Input) -> Page {
    visit.must_be_allowed(Permission::Administer)?;
    let state = &visit.state;
    let (url, from) = (input.get("smtp_url"), input.get("smtp_from"));
    match state.settings.set_mail(&state.db, &state.sealer, url, from).await {
        Ok(()) => Ok(see_other("/settings/mail?done=1")),
        Err(SettingsError::Fields(errors)) => {
            let form = Form::refused(&input, &errors, &MAIL_LABELS);
            mail_view(&visit, StatusCode::UNPROCESSABLE_ENTITY, Some(form), false, None).await
        }
        Err(SettingsError::Store(error)) => Err(error.into()),
    }
}

/// `POST /settings/mail/test`: sends a mail for real, by the settings as they are.
pub async fn test_mail(visit: Visit, input: Input) -> Page {
    visit.must_be_allowed(Permission::Administer)?;
    let map = Map::from_iter([
        ("type".to_owned(), json!("email")),
        ("to".to_owned(), json!([input.get("to")])),
    ]);
    let read = ChannelSettings::read(&map, None, visit.state.has_mail());
    let settings = match read {
        Ok(settings) => settings,
        Err(errors) => return refused_test(&visit, &input, &errors).await,
    };
    let outcome = visit.state.outbox.try_out(&settings).await;
    let took = millis(outcome.latency_ms);
    let (state, bold) = match outcome.ok {
        true => (State::Up, format!("The mail server took the mail in {took}.")),
        false => (State::Down, "The mail could not be sent.".to_owned()),
    };
    let result = InlineResult { state, bold, more: outcome.response };
    if visit.wants_part {
        return super::error::show(&result);
    }
    let form = Form::of([("to", input.get("to").to_owned())]);
    mail_view(&visit, StatusCode::OK, Some(form), false, Some(result)).await
}

async fn refused_test(visit: &Visit, input: &Input, errors: &FieldErrors) -> Page {
    let reason = errors.0.iter().next().map_or_else(String::new, |(name, reason)| {
        let label = if name == "to" { "the address" } else { "the mail" };
        format!("{label} {reason}")
    });
    let result = InlineResult::failed(&reason);
    if visit.wants_part {
        return super::error::show(&result);
    }
    let form = Form::of([("to", input.get("to").to_owned())]);
    mail_view(visit, StatusCode::UNPROCESSABLE_ENTITY, Some(form), false, Some(result)).await
}

async fn server_view(visit: &Visit, status: StatusCode, form: Option<Form>, is_done: bool) -> Page {
    let settings = &visit.state.settings;
    let (base_url, retention) = (settings.base_url_shown(), settings.retention_shown());
    let canaries = settings.canaries_shown();
    let form = form.unwrap_or_else(|| {
        Form::of([
            ("base_url", base_url.value.clone()),
            ("retention_days", retention.value.clone()),
            ("canaries", canaries.value.clone()),
        ])
    });
    let facts = vec![
        ("Version", env!("CARGO_PKG_VERSION").to_owned()),
        ("Database", visit.state.db.kind_name().to_owned()),
        ("Region", visit.state.region.clone()),
    ];
    let shell = visit.shell("settings", "Server").await?;
    let page =
        ServerPage { shell, tab: "server", form, base_url, retention, canaries, is_done, facts };
    show_as(status, &page)
}

/// `GET /settings/server`.
pub async fn server(visit: Visit, PageQuery(done): PageQuery<Done>) -> Page {
    visit.must_be_allowed(Permission::Administer)?;
    server_view(&visit, StatusCode::OK, None, !done.done.is_empty()).await
}

/// `POST /settings/server`.
pub async fn set_server(visit: Visit, input: Input) -> Page {
    visit.must_be_allowed(Permission::Administer)?;
    let [base_url, days, canaries] =
        ["base_url", "retention_days", "canaries"].map(|name| input.get(name));
    let settings = &visit.state.settings;
    match settings.set_server(&visit.state.db, base_url, days, canaries).await {
        Ok(()) => Ok(see_other("/settings/server?done=1")),
        Err(SettingsError::Fields(errors)) => {
            let form = Form::refused(&input, &errors, &SERVER_LABELS);
            server_view(&visit, StatusCode::UNPROCESSABLE_ENTITY, Some(form), false).await
        }
        Err(SettingsError::Store(error)) => Err(PageError::Api(ApiError::from(error))),
    }
}
