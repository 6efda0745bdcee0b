//! Probes: the remote checkers. Making one, and giving it another token, shows the token once.

use actix_web::http::StatusCode;
use actix_web::web;
use askama::Template;

use super::actions::confirm;
use super::error::{Page, PageError, show_as};
use super::form::{Form, Input, Shape};
use super::status::Shown;
use super::text::{Html, millis, plural};
use super::visit::{Shell, Visit, see_other};
use crate::account::Permission;
use crate::region::Probe;
use crate::store::probes;
use crate::web::api::probes::{self as api, ProbeStatus};
use crate::web::error::ApiError;

/// The words that people know the fields by.
const LABELS: [(&str, &str); 2] = [("region", "The region"), ("name", "The name")];
const SHAPES: [(&str, Shape); 2] = [("region", Shape::Text), ("name", Shape::Text)];

/// A probe in the list.
pub struct ProbeRow {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// Where it stands.
    pub state: Shown,
    /// That in a word.
    pub word: &'static str,
    /// Whether it may work.
    pub enabled: bool,
    /// When it was last heard of.
    pub contact: Html,
    /// The version of its program.
    pub version: String,
    /// How long its requests take.
    pub latency: String,
    /// What it has to do.
    pub load: String,
    /// What is odd about it.
    pub odd: String,
}

impl ProbeRow {
    fn of(visit: &Visit, mut probe: Probe) -> Self {
        api::freshen(&visit.state, &mut probe);
        let (state, word) = match api::status(&probe) {
            ProbeStatus::New => (Shown::Waiting, "Never came"),
            ProbeStatus::Online => (Shown::Up, "Online"),
            ProbeStatus::Lost => (Shown::Down, "Lost"),
            ProbeStatus::Disabled => (Shown::Paused, "Disabled"),
        };
        let never = || Html("never".to_owned());
        let monitors = visit.state.hub.monitors_of(&probe.region).len();
        let seen = probe.seen.unwrap_or_default();
        let mut load = vec![plural(monitors, "monitor")];
        if seen.load.waiting > 0 {
            load.push(format!("{} checks waiting", seen.load.waiting));
        }
        if seen.load.spooled > 0 {
            load.push(format!("{} results to send", seen.load.spooled));
        }
        let mut odd = Vec::new();
        if seen.load.dropped > 0 {
            odd.push(format!("{} results were dropped: its spool was full", seen.load.dropped));
        }
        if seen.clock_ahead_ms.abs() > 30_000 {
            let side = if seen.clock_ahead_ms > 0 { "ahead" } else { "behind" };
            let off = crate::incident::message::duration(seen.clock_ahead_ms.abs());
            odd.push(format!("Its clock is {off} {side}; times are corrected"));
        }
        Self {
            id: probe.id,
            name: probe.name,
            region: probe.region,
            state,
            word,
            enabled: probe.enabled,
            contact: probe.last_contact_at.map_or_else(never, |at| visit.viewer.ago_html(at)),
            version: if seen.version.is_empty() { "–".to_owned() } else { seen.version },
            latency: seen.latency_ms.map_or_else(|| "–".to_owned(), millis),
            load: load.join(", "),
            odd: odd.join(". "),
        }
    }
}

/// The token that was just made.
struct Fresh {
    name: String,
    token: String,
}

#[derive(Template)]
#[template(path = "pages/probes.html")]
struct ProbesPage {
    shell: Shell,
    own_region: String,
    probes: Vec<ProbeRow>,
    form: Form,
    fresh: Option<Fresh>,
    base_url: String,
    may_change: bool,
}

async fn view(visit: &Visit, status: StatusCode, form: Form, fresh: Option<Fresh>) -> Page {
    let found = probes::list(&mut visit.state.db.read().await?.conn(), i64::MAX, 0).await?;
    let page = ProbesPage {
        shell: visit.shell("probes", "Probes").await?,
        own_region: visit.state.region.clone(),
        probes: found.into_iter().map(|probe| ProbeRow::of(visit, probe)).collect(),
        form,
        fresh,
        base_url: visit.state.base_url.get(),
        may_change: visit.who.role.may(Permission::Administer),
    };
    show_as(status, &page)
}

/// `GET /probes`.
pub async fn page(visit: Visit) -> Page {
    view(&visit, StatusCode::OK, Form::default(), None).await
}

/// `POST /probes`: the answer has the token, this once.
pub async fn create(visit: Visit, input: web::Form<Vec<(String, String)>>) -> Page {
    visit.must_be_allowed(Permission::Administer)?;
    let input = Input(input.into_inner());
    let mut map = input.to_json(&SHAPES);
    map.retain(|_, value| !value.is_null() && value.as_str() != Some(""));
    match api::make(&visit.state, &map).await {
        Ok((probe, token)) => {
            let fresh = Some(Fresh { name: probe.name, token });
            view(&visit, StatusCode::CREATED, Form::default(), fresh).await
        }
        Err(ApiError::Fields(errors)) => {
            let form = Form::refused(&input, &errors, &LABELS);
            view(&visit, StatusCode::UNPROCESSABLE_ENTITY, form, None).await
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /probes/{id}/enabled`: disables it, or lets it work again.
pub async fn set_enabled(
    visit: Visit,
    id: web::Path<i64>,
    input: web::Form<Vec<(String, String)>>,
) -> Page {
    visit.must_be_allowed(Permission::Administer)?;
    let enabled = Input(input.into_inner()).get("enabled") == "1";
    let probe = api::find(&visit.state, *id).await?;
    api::set(&visit.state, *id, &probe.name, enabled).await?;
    Ok(see_other("/probes"))
}

/// `GET /probes/{id}/rotate`: says what stops working.
pub async fn rotate_page(visit: Visit, id: web::Path<i64>) -> Page {
    visit.must_be_allowed(Permission::Administer)?;
    let probe = api::find(&visit.state, *id).await?;
    let words = (
        format!("Give {} a new token?", probe.name),
        "The present token is refused at once, and the probe stops. Start it again with the new one.".to_owned(),
        "Rotate token",
    );
    confirm(&visit, "probes", words, format!("/probes/{id}/rotate"), "/probes".to_owned()).await
}

/// `POST /probes/{id}/rotate`: the answer has the token, this once.
pub async fn rotate(visit: Visit, id: web::Path<i64>) -> Page {
    visit.must_be_allowed(Permission::Administer)?;
    let probe = api::find(&visit.state, *id).await?;
    let token = api::give_token(&visit.state, *id).await?;
    let fresh = Some(Fresh { name: probe.name, token });
    view(&visit, StatusCode::OK, Form::default(), fresh).await
}

/// `GET /probes/{id}/delete`: names what would be lost.
pub async fn delete_page(visit: Visit, id: web::Path<i64>) -> Page {
    visit.must_be_allowed(Permission::Administer)?;
    let probe = api::find(&visit.state, *id).await?;
    let words = (
        format!("Delete the probe {}?", probe.name),
        format!("Its token is refused at once, and there is no region {} any more.", probe.region),
        "Delete probe",
    );
    confirm(&visit, "probes", words, format!("/probes/{id}/delete"), "/probes".to_owned()).await
}

/// `POST /probes/{id}/delete`.
pub async fn delete(visit: Visit, id: web::Path<i64>) -> Page {
    visit.must_be_allowed(Permission::Administer)?;
    api::delete(&visit.state, *id).await.map_err(PageError::from)?;
    Ok(see_other("/probes"))
}
