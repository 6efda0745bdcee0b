//! Probes, the remote checkers: the list of them. Making one shows its token once.

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use askama::Template;
use serde::Deserialize;

use super::error::{Page, show_as};
use super::form::{Form, Input, Shape};
use super::query::PageQuery;
use super::status::Shown;
use super::text::{Html, millis, plural};
use super::visit::{Shell, Visit, see_other};
use crate::account::Permission;
use crate::region::{Probe, Seen};
use crate::store::monitors::{self, Filter};
use crate::store::probes;
use crate::web::api::probes::{self as api, ProbeStatus};
use crate::web::error::ApiError;
use crate::web::shown_once::Fresh;

/// The words that people know the fields by.
const LABELS: [(&str, &str); 2] = [("region", "The region"), ("name", "The name")];
/// A clock that is off by more than this, in ms, is told of.
const CLOCK_ODD_MS: i64 = 30_000;
const SHAPES: [(&str, Shape); 2] = [("region", Shape::Text), ("name", Shape::Text)];

/// A probe as the pages show it.
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
    /// What it said of itself then; all of it empty while it never came.
    pub seen: Seen,
    /// How many monitors it has to check.
    pub monitors: usize,
    /// What is odd about it.
    pub odd: Vec<String>,
}

impl ProbeRow {
    /// `probe` with what was heard of it since it was last stored.
    pub fn of(visit: &Visit, mut probe: Probe) -> Self {
        api::freshen(&visit.state, &mut probe);
        let (state, word) = match api::status(&probe) {
            ProbeStatus::New => (Shown::Waiting, "Never came"),
            ProbeStatus::Online => (Shown::Up, "Online"),
            ProbeStatus::Lost => (Shown::Down, "Lost"),
            ProbeStatus::Disabled => (Shown::Paused, "Disabled"),
        };
        let never = || Html("never".to_owned());
        let seen = probe.seen.unwrap_or_default();
        Self {
            id: probe.id,
            monitors: visit.state.hub.monitors_of(&probe.region).len(),
            name: probe.name,
            region: probe.region,
            state,
            word,
            enabled: probe.enabled,
            contact: probe.last_contact_at.map_or_else(never, |at| visit.viewer.ago_html(at)),
            odd: odd(&seen),
            seen,
        }
    }

    /// The version of its program.
    pub fn version(&self) -> &str {
        if self.seen.version.is_empty() { "–" } else { &self.seen.version }
    }

    /// How long its requests take.
    pub fn latency(&self) -> String {
        self.seen.latency_ms.map_or_else(|| "–".to_owned(), millis)
    }

    /// Whether it was ever heard of.
    pub fn has_come(&self) -> bool {
        !self.seen.version.is_empty()
    }

    /// What it has to do.
    pub fn load(&self) -> String {
        let load = &self.seen.load;
        if self.monitors == 0 && !self.has_come() {
            return "–".to_owned();
        }
        let mut words = vec![plural(self.monitors, "monitor")];
        if load.waiting > 0 {
            words.push(format!("{} waiting", plural(load.waiting, "check")));
        }
        if load.spooled > 0 {
            words.push(format!("{} to send", results(load.spooled)));
        }
        words.join(", ")
    }
}

/// A count of results.
pub fn results(n: u64) -> String {
    plural(usize::try_from(n).unwrap_or(usize::MAX), "result")
}

/// What is odd about a probe that says `seen` of itself, a sentence each.
fn odd(seen: &Seen) -> Vec<String> {
    let mut odd = Vec::new();
    if seen.load.dropped > 0 {
        odd.push(format!("{} dropped: its spool was full", results(seen.load.dropped)));
    }
    if seen.clock_ahead_ms.abs() > CLOCK_ODD_MS {
        let (off, side) = clock(seen.clock_ahead_ms);
        odd.push(format!("Its clock is {off} {side}; times are corrected"));
    }
    odd
}

/// How far a clock is off, and to which side of the server's.
pub fn clock(ahead_ms: i64) -> (String, &'static str) {
    let side = if ahead_ms >= 0 { "ahead" } else { "behind" };
    (millis(ahead_ms.saturating_abs()), side)
}

/// What the address of a page with secrets asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct FreshQuery {
    /// What stands for the secret that was just made.
    shown: String,
}

impl FreshQuery {
    /// The secret that was just made, if it was not shown yet.
    pub fn take(&self, visit: &Visit) -> Option<Fresh> {
        visit.state.shown_once.take(&self.shown, &visit.who.name, visit.viewer.now)
    }
}

/// Leads to `path`, which shows a secret that was just made, once.
pub fn show_once(visit: &Visit, path: &str, name: String, secret: String) -> HttpResponse {
    let kept = &visit.state.shown_once;
    let ticket = kept.keep(&visit.who.name, visit.viewer.now, name, secret);
    see_other(&format!("{path}?shown={ticket}"))
}

#[derive(Template)]
#[template(path = "pages/probes.html")]
struct ProbesPage {
    shell: Shell,
    own_region: String,
    own_load: String,
    probes: Vec<ProbeRow>,
    form: Form,
    fresh: Option<Fresh>,
    base_url: String,
    may_change: bool,
}

async fn view(visit: &Visit, status: StatusCode, form: Form, fresh: Option<Fresh>) -> Page {
    let mut reader = visit.state.db.read().await?;
    let conn = &mut reader.conn();
    let mut found = probes::list(conn, i64::MAX, 0).await?;
    found.sort_by(|a, b| a.region.cmp(&b.region));
    let filter = Filter { region: Some((visit.state.region.clone(), true)), ..Filter::default() };
    let own = monitors::count(conn, &filter).await?;
    drop(reader);
    let page = ProbesPage {
        shell: visit.shell("probes", "Probes").await?,
        own_region: visit.state.region.clone(),
        own_load: plural(usize::try_from(own).unwrap_or_default(), "monitor"),
        probes: found.into_iter().map(|probe| ProbeRow::of(visit, probe)).collect(),
        form,
        fresh,
        base_url: visit.state.base_url.get(),
        may_change: visit.who.role.may(Permission::Administer),
    };
    show_as(status, &page)
}

/// `GET /probes`.
pub async fn page(visit: Visit, PageQuery(query): PageQuery<FreshQuery>) -> Page {
    view(&visit, StatusCode::OK, Form::default(), query.take(&visit)).await
}

/// `POST /probes`: the page that follows has the token, this once.
pub async fn create(visit: Visit, input: Input) -> Page {
    visit.must_be_allowed(Permission::Administer)?;
    let mut map = input.to_json(&SHAPES);
    map.retain(|_, value| !value.is_null() && value.as_str() != Some(""));
    match api::make(&visit.state, &map).await {
        Ok((probe, token)) => Ok(show_once(&visit, "/probes", probe.name, token)),
        Err(ApiError::Fields(errors)) => {
            let form = Form::refused(&input, &errors, &LABELS);
            view(&visit, StatusCode::UNPROCESSABLE_ENTITY, form, None).await
        }
        Err(error) => Err(error.into()),
    }
}
