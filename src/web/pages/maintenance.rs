//! Maintenance: planned work, now, to come and past; the form; and ending one now.

use actix_web::http::StatusCode;
use actix_web::web;
use askama::Template;
use serde::Deserialize;

use super::actions::confirm;
use super::error::{Page, PageError, show, show_as};
use super::form::{Form, Input};
use super::text::{Html, Viewer, plural, span};
use super::visit::{Shell, Visit, see_other};
use super::window_form::{LABELS, edit_form, fields, new_form};
use crate::account::Permission;
use crate::checker::EngineError;
use crate::clock::Timestamp;
use crate::incident::maintenance::{MaintenanceWindow, Repeats};
use crate::incident::message::one_line;
use crate::store::monitors::Filter;
use crate::store::{Conn, monitors, windows};

/// Past windows in the list at first, and that "Show older" adds.
const WINDOWS: i64 = 100;
/// Monitors that are listed to be ticked; beyond, tags choose better.
const LISTED: i64 = 200;

/// By how much "Extend" moves the end of an open window, in ms.
const EXTENSION_MS: i64 = 30 * 60_000;

/// A window in the list.
pub struct WindowRow {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// When, in the viewer's zone.
    pub when: String,
    /// How that lies to now.
    pub relative: Html,
    /// What it covers.
    pub covers: String,
    /// How it repeats; empty for once.
    pub repeats: String,
}

impl WindowRow {
    fn of(window: &MaintenanceWindow, viewer: Viewer) -> Self {
        let (start, end) = (window.starts_at, window.ends_at);
        let same_day = viewer.date(start) == viewer.date(end);
        let end_words = if same_day { viewer.hour(end) } else { viewer.day_hour(end) };
        let length = span(end.since(start));
        let relative = if window.is_active(viewer.now) {
            Html(format!("ends {}", viewer.ago_html(end)))
        } else if start > viewer.now {
            Html(format!("{} · {length}", viewer.ago_html(start)))
        } else {
            Html(length)
        };
        let mut covers = Vec::new();
        if !window.monitor_ids.is_empty() {
            covers.push(plural(window.monitor_ids.len(), "monitor"));
        }
        if !window.tags.is_empty() {
            covers.push(format!("tag {}", window.tags.join(", ")));
        }
        Self {
            id: window.id,
            name: one_line(&window.name),
            when: format!("{} to {end_words}", viewer.day_hour(start)),
            relative,
            covers: covers.join(" and "),
            repeats: window.repeats.as_ref().map(repeats).unwrap_or_default(),
        }
    }
}

/// How a window repeats, in words: `At 04:00 in Europe/Berlin`.
fn repeats(repeats: &Repeats) -> String {
    let schedule = &repeats.schedule;
    format!("{} in {}", schedule.describe().trim_end_matches('.'), schedule.timezone())
}

#[derive(Template)]
#[template(path = "pages/maintenance.html")]
struct ListPage {
    shell: Shell,
    now: Vec<WindowRow>,
    upcoming: Vec<WindowRow>,
    past: Vec<WindowRow>,
    more: Option<i64>,
    may_edit: bool,
}

/// What the address of the list asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct WindowsQuery {
    show: Option<i64>,
}

/// `GET /maintenance`.
pub async fn list(visit: Visit, query: web::Query<WindowsQuery>) -> Page {
    let viewer = visit.viewer;
    let limit = query.show.unwrap_or(WINDOWS).clamp(WINDOWS, 5000);
    let mut reader = visit.state.db.read().await?;
    let found = windows::list(&mut reader.conn(), limit, 0).await?;
    let total = windows::count(&mut reader.conn()).await?;
    let rows = |keep: &dyn Fn(&MaintenanceWindow) -> bool| -> Vec<WindowRow> {
        found.iter().filter(|w| keep(w)).map(|w| WindowRow::of(w, viewer)).collect()
    };
    let mut upcoming = rows(&|w| w.starts_at > viewer.now);
    // The list has the latest first; what comes next belongs on top.
    upcoming.reverse();
    show(&ListPage {
        shell: visit.shell("maintenance", "Maintenance").await?,
        now: rows(&|w| w.is_active(viewer.now)),
        upcoming,
        past: rows(&|w| w.ends_at <= viewer.now),
        more: (total > limit).then_some(limit + WINDOWS),
        may_edit: visit.who.role.may(Permission::Edit),
    })
}

/// A monitor to tick.
pub struct Choice {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Whether it is ticked.
    pub is_on: bool,
}

#[derive(Template)]
#[template(path = "pages/maintenance_form.html")]
struct FormPage {
    shell: Shell,
    id: Option<i64>,
    form: Form,
    monitors: Vec<Choice>,
    tags: Vec<String>,
}

async fn show_form(
    visit: &Visit,
    conn: &mut Conn<'_>,
    status: StatusCode,
    id: Option<i64>,
    form: Form,
    chosen: &[i64],
) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let filter = Filter { attention_first: true, ..Filter::default() };
    let mut listed = monitors::list(conn, &filter, LISTED, 0).await?;
    let missing: Vec<i64> =
        chosen.iter().copied().filter(|id| !listed.iter().any(|w| w.monitor.id == *id)).collect();
    listed.extend(monitors::by_ids(conn, &missing).await?);
    let choice = |w: crate::store::monitors::Watched| Choice {
        id: w.monitor.id,
        name: one_line(&w.monitor.settings.name),
        is_on: chosen.contains(&w.monitor.id),
    };
    let title = if id.is_some() { "Change maintenance" } else { "Schedule maintenance" };
    let page = FormPage {
        shell: visit.shell("maintenance", title).await?,
        id,
        form,
        monitors: listed.into_iter().map(choice).collect(),
        tags: monitors::tags(conn).await?,
    };
    show_as(status, &page)
}

/// `GET /maintenance/new`.
pub async fn new_page(visit: Visit) -> Page {
    let start = Timestamp(visit.viewer.now.0 / 300_000 * 300_000 + 300_000);
    let form = new_form(start, visit.viewer);
    let mut reader = visit.state.db.read().await?;
    show_form(&visit, &mut reader.conn(), StatusCode::OK, None, form, &[]).await
}

/// `GET /maintenance/{id}`.
pub async fn edit_page(visit: Visit, id: web::Path<i64>) -> Page {
    let mut reader = visit.state.db.read().await?;
    let conn = &mut reader.conn();
    let window = find(conn, *id).await?;
    let form = edit_form(&window, visit.viewer);
    show_form(&visit, conn, StatusCode::OK, Some(*id), form, &window.monitor_ids).await
}

async fn find(conn: &mut Conn<'_>, id: i64) -> Result<MaintenanceWindow, PageError> {
    windows::get(conn, id).await?.ok_or_else(|| PageError::no_such("maintenance window"))
}

/// `POST /maintenance`.
pub async fn create(visit: Visit, input: web::Form<Vec<(String, String)>>) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    save(&visit, None, &Input(input.into_inner())).await
}

/// `POST /maintenance/{id}`.
pub async fn update(
    visit: Visit,
    id: web::Path<i64>,
    input: web::Form<Vec<(String, String)>>,
) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    save(&visit, Some(*id), &Input(input.into_inner())).await
}

async fn save(visit: &Visit, id: Option<i64>, input: &Input) -> Page {
    let mut reader = visit.state.db.read().await?;
    let current = match id {
        Some(id) => Some(find(&mut reader.conn(), id).await?),
        None => None,
    };
    drop(reader);
    let map = fields(input, visit.viewer, current.as_ref());
    let saved = match MaintenanceWindow::read(&map, current.as_ref(), visit.viewer.now) {
        Ok(window) if id.is_some() => visit.state.engine.update_window(window).await,
        Ok(window) => visit.state.engine.create_window(window).await,
        Err(errors) => Err(EngineError::Invalid(errors)),
    };
    match saved {
        Ok(_) => Ok(see_other("/maintenance")),
        Err(EngineError::Invalid(errors)) => {
            let chosen: Vec<i64> =
                input.all("monitor_ids").filter_map(|id| id.parse().ok()).collect();
            let form = Form::refused(input, &errors, &LABELS);
            let mut reader = visit.state.db.read().await?;
            let status = StatusCode::UNPROCESSABLE_ENTITY;
            show_form(visit, &mut reader.conn(), status, id, form, &chosen).await
        }
        Err(error) => Err(PageError::of_engine(error, "maintenance window")),
    }
}

/// `POST /maintenance/{id}/end`: it ends now.
pub async fn end(visit: Visit, id: web::Path<i64>) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let ended = visit.state.engine.end_window(*id).await;
    ended.map_err(|error| PageError::of_engine(error, "maintenance window"))?;
    Ok(see_other("/maintenance"))
}

/// `POST /maintenance/{id}/extend`: an open one ends half an hour later.
pub async fn extend(visit: Visit, id: web::Path<i64>) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let mut reader = visit.state.db.read().await?;
    let mut window = find(&mut reader.conn(), *id).await?;
    drop(reader);
    if window.is_active(visit.viewer.now) {
        window.ends_at = window.ends_at.plus_ms(EXTENSION_MS);
        let extended = visit.state.engine.update_window(window).await;
        extended.map_err(|error| PageError::of_engine(error, "maintenance window"))?;
    }
    Ok(see_other("/maintenance"))
}

/// `GET /maintenance/{id}/delete`.
pub async fn delete_page(visit: Visit, id: web::Path<i64>) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let mut reader = visit.state.db.read().await?;
    let window = find(&mut reader.conn(), *id).await?;
    let words = (
        format!("Delete {}?", one_line(&window.name)),
        "Its time counts towards uptime again, as if nothing had been planned.".to_owned(),
        "Delete window",
    );
    confirm(
        &visit,
        "maintenance",
        words,
        format!("/maintenance/{id}/delete"),
        "/maintenance".to_owned(),
    )
    .await
}

/// `POST /maintenance/{id}/delete`.
pub async fn delete(visit: Visit, id: web::Path<i64>) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let deleted = visit.state.engine.delete_window(*id).await;
    deleted.map_err(|error| PageError::of_engine(error, "maintenance window"))?;
    Ok(see_other("/maintenance"))
}
