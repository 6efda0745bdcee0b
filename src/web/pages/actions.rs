//! What can be done with a monitor: check now, pause, resume, delete.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use askama::Template;

use super::checks::found;
use super::error::{Page, PageError, sentence, show, show_as};
use super::form::{Form, Input};
use super::status::Shown;
use super::text::{millis, plural};
use super::visit::{Shell, Visit, see_other};
use crate::account::Permission;
use crate::checker::{EngineError, IncomingPing};
use crate::fields::FieldErrors;
use crate::incident::message::one_line;
use crate::monitor::heartbeat::SignalKind;
use crate::monitor::{CheckResult, Monitor};
use crate::store::monitors;
use crate::web::client;

/// The answer that appears beside a button.
#[derive(Template)]
#[template(path = "parts/checked.html")]
pub struct InlineResult {
    /// How it went.
    pub state: Shown,
    /// The fact.
    pub bold: String,
    /// What is known beside it.
    pub more: String,
}

impl InlineResult {
    /// Something that did not work.
    pub fn failed(reason: &str) -> Self {
        Self { state: Shown::Down, bold: sentence(reason), more: String::new() }
    }

    fn of(result: &CheckResult) -> Self {
        let took = result
            .phases
            .total
            .map_or_else(String::new, |ms| format!(" in {}", millis(i64::from(ms))));
        Self {
            state: Shown::of_verdict(result.verdict),
            bold: format!("{}{took}.", found(result)),
            more: format!("Checked just now from {}.", result.region),
        }
    }
}

async fn monitor(visit: &Visit, id: i64) -> Result<Arc<Monitor>, PageError> {
    let mut reader = visit.state.db.read().await?;
    let found = monitors::by_ids(&mut reader.conn(), &[id]).await?;
    let watched = found.into_iter().next().ok_or_else(|| PageError::no_such("monitor"))?;
    Ok(watched.monitor)
}

/// `POST /monitors/{id}/check`: a check now, or for a heartbeat a ping as its job would send it.
pub async fn check(visit: Visit, req: HttpRequest, id: web::Path<i64>) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let monitor = monitor(&visit, *id).await?;
    let done = match monitor.uuid {
        Some(uuid) => test_ping(&visit, &req, uuid).await,
        None => visit.state.engine.check_now(*id).await.map(|result| InlineResult::of(&result)),
    };
    let answer = match done {
        Ok(answer) => answer,
        Err(EngineError::Conflict(reason)) => InlineResult::failed(&reason),
        Err(error) => return Err(PageError::of_engine(error, "monitor")),
    };
    // Without script the result is the first line of the page's table.
    if visit.wants_part { show(&answer) } else { Ok(see_other(&format!("/monitors/{id}#checks"))) }
}

async fn test_ping(
    visit: &Visit,
    req: &HttpRequest,
    uuid: uuid::Uuid,
) -> Result<InlineResult, EngineError> {
    let from = client::address(req, &visit.state.trusted_proxies);
    let ping = IncomingPing {
        uuid,
        kind: SignalKind::Success,
        exit_status: None,
        rid: None,
        duration_ms: None,
        note: None,
        method: "POST".to_owned(),
        remote_addr: from.map_or_else(String::new, |ip| ip.to_string()),
        user_agent: format!("test ping by {}", visit.who.name),
        body: None,
        body_bytes: 0,
    };
    let n = visit.state.engine.ping(ping).await?;
    Ok(InlineResult {
        state: Shown::Up,
        bold: format!("Ping {n} is recorded."),
        more: "It counts like one of the job's own.".to_owned(),
    })
}

/// `POST /monitors/{id}/pause`.
pub async fn pause(visit: Visit, id: web::Path<i64>) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let paused = visit.state.engine.pause(*id).await;
    paused.map_err(|error| PageError::of_engine(error, "monitor"))?;
    Ok(see_other(&format!("/monitors/{id}")))
}

/// `POST /monitors/{id}/resume`.
pub async fn resume(visit: Visit, id: web::Path<i64>) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let resumed = visit.state.engine.resume(*id).await;
    resumed.map_err(|error| PageError::of_engine(error, "monitor"))?;
    Ok(see_other(&format!("/monitors/{id}")))
}

#[derive(Template)]
#[template(path = "pages/confirm.html")]
struct ConfirmPage {
    shell: Shell,
    question: String,
    loss: String,
    action: String,
    button: &'static str,
    back: String,
    /// The name that must be typed, if one must.
    name: Option<String>,
    form: Form,
}

/// A page that asks before something is lost for good.
///
/// # Errors
/// When the database fails.
pub async fn confirm(
    visit: &Visit,
    nav: &'static str,
    words: (String, String, &'static str),
    action: String,
    back: String,
) -> Page {
    let (question, loss, button) = words;
    let shell = visit.shell(nav, &question).await?;
    let (name, form) = (None, Form::default());
    show(&ConfirmPage { shell, question, loss, action, button, back, name, form })
}

/// A page that asks for the name of what is lost for good, the thing at `path`; again, when something else was `typed`.
///
/// # Errors
/// When the database fails.
pub async fn confirm_by_name(
    visit: &Visit,
    nav: &'static str,
    words: (String, String, &'static str),
    name: &str,
    path: String,
    typed: Option<&Input>,
) -> Page {
    let (question, loss, button) = words;
    let shell = visit.shell(nav, &question).await?;
    let wrong = FieldErrors::one("name", "is another one: type it as it stands above");
    let form = typed.map(|input| Form::refused(input, &wrong, &[("name", "The name")]));
    let status = if form.is_some() { StatusCode::UNPROCESSABLE_ENTITY } else { StatusCode::OK };
    let page = ConfirmPage {
        shell,
        question,
        loss,
        action: format!("{path}/delete"),
        button,
        back: path,
        name: Some(one_line(name)),
        form: form.unwrap_or_default(),
    };
    show_as(status, &page)
}

/// Whether `name` was typed, as a page shows it.
pub fn is_named(input: &Input, name: &str) -> bool {
    one_line(input.get("name")) == one_line(name)
}

/// `GET /monitors/{id}/rotate`: says what stops working.
pub async fn rotate_page(visit: Visit, id: web::Path<i64>) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let monitor = monitor(&visit, *id).await?;
    if monitor.uuid.is_none() {
        return Err(PageError::no_such("heartbeat"));
    }
    let words = (
        format!("Make a new ping URL for {}?", monitor.settings.name),
        "The present URL answers 404 at once. Until the job has the new one, its pings are lost and it goes down when its grace ends.".to_owned(),
        "Rotate URL",
    );
    confirm(&visit, "monitors", words, format!("/monitors/{id}/rotate"), format!("/monitors/{id}"))
        .await
}

/// `POST /monitors/{id}/rotate`.
pub async fn rotate(visit: Visit, id: web::Path<i64>) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let rotated = visit.state.engine.rotate_uuid(*id).await;
    rotated.map_err(|error| PageError::of_engine(error, "heartbeat"))?;
    Ok(see_other(&format!("/monitors/{id}#url")))
}

/// `GET /monitors/{id}/delete`: names what would be lost.
pub async fn delete_page(visit: Visit, id: web::Path<i64>) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let monitor = monitor(&visit, *id).await?;
    ask_to_delete(&visit, &monitor, None).await
}

async fn ask_to_delete(visit: &Visit, monitor: &Monitor, typed: Option<&Input>) -> Page {
    let name = &monitor.settings.name;
    let days = visit.viewer.now.since(monitor.created_at) / 86_400_000 + 1;
    let history = plural(usize::try_from(days).unwrap_or_default(), "day");
    let words = (
        format!("Delete {} and {history} of history?", one_line(name)),
        "Its checks or pings, its bar and its uptime are lost. Incidents stay. An open one ends, and who was told of it hears so.".to_owned(),
        "Delete monitor",
    );
    confirm_by_name(visit, "monitors", words, name, format!("/monitors/{}", monitor.id), typed)
        .await
}

/// `POST /monitors/{id}/delete`, with its name.
pub async fn delete(visit: Visit, id: web::Path<i64>, input: Input) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let monitor = monitor(&visit, *id).await?;
    if !is_named(&input, &monitor.settings.name) {
        return ask_to_delete(&visit, &monitor, Some(&input)).await;
    }
    let deleted = visit.state.engine.delete_monitor(*id).await;
    deleted.map_err(|error| PageError::of_engine(error, "monitor"))?;
    Ok(see_other("/monitors"))
}
