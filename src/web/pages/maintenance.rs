//! Maintenance: planned work as a picture and as a list (now, to come, past), ending it, and making it longer. Its form is in
//! `maintenance_form`.

use std::collections::{BTreeMap, BTreeSet};

use actix_web::web;
use askama::Template;
use chrono::NaiveDate;
use chrono_tz::Tz;
use serde::Deserialize;

use super::actions::confirm;
use super::error::{Page, PageError, show};
use super::maintenance_form::Panel;
use super::query::PageQuery;
use super::text::{Html, Viewer, plural, span};
use super::visit::{Shell, Visit, see_other};
use super::window_plan::{BLOCKS_MAX, Plan, PlanDays, Planned, plan};
use crate::account::Permission;
use crate::incident::maintenance::{MaintenanceWindow, Repeats};
use crate::incident::message::one_line;
use crate::monitor::MonitorId;
use crate::store::{Conn, Result, monitors, windows};

/// Past windows in the list at first, and that "Show older" adds.
const WINDOWS: i64 = 100;

/// By how much "Extend" moves the end of an open window, in ms.
const EXTENSION_MS: i64 = 30 * 60_000;

/// A window in the list.
pub struct WindowRow {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// What there is to say of it.
    pub note: String,
    /// When, in the viewer's zone.
    pub when: String,
    /// How that lies to now.
    pub relative: Html,
    /// How many monitors it covers now.
    pub covers: String,
    /// How they were chosen.
    pub chosen: String,
    /// Whether it repeats.
    pub repeats: bool,
}

impl WindowRow {
    fn of(window: &MaintenanceWindow, covered: usize, viewer: Viewer) -> Self {
        let now = viewer.now;
        let times = (window.starts_at, window.ends_at);
        let relative = if window.is_active(now) {
            Html(format!("ends {}", viewer.ago_html(window.ends_at)))
        } else if window.starts_at > now {
            upcoming(window, viewer)
        } else {
            Html(format!("{} · {}", viewer.ago_html(window.ends_at), span(times.1.since(times.0))))
        };
        Self {
            id: window.id,
            name: one_line(&window.name),
            note: match &window.repeats {
                Some(repeats) => repeats_words(repeats),
                None if window.is_active(now) => "Checks run, alerts are held".to_owned(),
                None => String::new(),
            },
            when: viewer.day_hours(times),
            relative,
            covers: plural(covered, "monitor"),
            chosen: match (window.tags.as_slice(), window.monitor_ids.is_empty()) {
                ([], _) => "chosen by hand".to_owned(),
                (tags, true) => format!("tag {}", tags.join(", ")),
                (tags, false) => format!("tag {} and by hand", tags.join(", ")),
            },
            repeats: window.repeats.is_some(),
        }
    }
}

/// `in 1 day 12 h · 02:00 to 04:00 UTC`, or for one that repeats `then 29 Nov, 6 Dec`.
fn upcoming(window: &MaintenanceWindow, viewer: Viewer) -> Html {
    let times = (window.starts_at, window.ends_at);
    let ahead = format!("in {}", span(times.0.since(viewer.now)));
    let ahead = viewer.fixed_html(times.0, &ahead);
    let year = viewer.now.plus_ms(366 * 86_400_000);
    let later: Vec<String> =
        window.spans(times.1, year, 2).iter().map(|next| viewer.date(next.0)).collect();
    if !later.is_empty() {
        return Html(format!("{ahead} · then {}", later.join(", ")));
    }
    let utc = Viewer { zone: Tz::UTC, ..viewer };
    match viewer.zone {
        Tz::UTC => Html(format!("{ahead} · {}", span(times.1.since(times.0)))),
        _ => Html(format!("{ahead} · {} UTC", utc.hours(times))),
    }
}

/// How a window repeats, in words: `At 04:00, Europe/Berlin`.
fn repeats_words(repeats: &Repeats) -> String {
    let schedule = &repeats.schedule;
    format!("{}, {}", schedule.describe().trim_end_matches('.'), schedule.timezone())
}

/// The whole of planned work, as both pages show it.
pub struct Board {
    plan: Plan,
    now: Vec<WindowRow>,
    upcoming: Vec<WindowRow>,
    past: Vec<WindowRow>,
    more: Option<i64>,
    may_edit: bool,
}

#[derive(Template)]
#[template(path = "pages/maintenance.html")]
struct MaintenancePage {
    shell: Shell,
    board: Board,
    panel: Option<Panel>,
}

/// What the address of the page asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct WindowsQuery {
    show: Option<i64>,
    from: String,
    view: String,
}

/// `GET /maintenance`.
pub async fn list(visit: Visit, PageQuery(query): PageQuery<WindowsQuery>) -> Page {
    let page = MaintenancePage {
        shell: visit.shell("maintenance", "Maintenance").await?,
        board: Board::read(&visit, &query).await?,
        panel: None,
    };
    show(&page)
}

/// The page with the form beside the list.
///
/// # Errors
/// When the database fails.
pub async fn with_panel(visit: &Visit, status: actix_web::http::StatusCode, panel: Panel) -> Page {
    let page = MaintenancePage {
        shell: visit.shell("maintenance", panel.title()).await?,
        board: Board::read(visit, &WindowsQuery::default()).await?,
        panel: Some(panel),
    };
    super::error::show_as(status, &page)
}

impl Board {
    async fn read(visit: &Visit, query: &WindowsQuery) -> std::result::Result<Self, PageError> {
        let viewer = visit.viewer;
        let limit = query.show.unwrap_or(WINDOWS).clamp(WINDOWS, 5000);
        let mut reader = visit.state.db.read().await?;
        let conn = &mut reader.conn();
        let found = windows::list(conn, limit, 0).await?;
        let total = windows::count(conn).await?;
        let covered = Covered::read(conn, &found).await?;
        let rows = |keep: &dyn Fn(&MaintenanceWindow) -> bool| -> Vec<WindowRow> {
            let kept = found.iter().filter(|w| keep(w));
            kept.map(|w| WindowRow::of(w, covered.count(w), viewer)).collect()
        };
        let mut upcoming = rows(&|w| w.starts_at > viewer.now);
        // The list has the latest first; what comes next belongs on top.
        upcoming.reverse();
        Ok(Self {
            plan: drawn(conn, query, viewer).await?,
            now: rows(&|w| w.is_active(viewer.now)),
            upcoming,
            past: rows(&|w| w.ends_at <= viewer.now && !w.is_active(viewer.now)),
            more: (total > limit).then_some(limit + WINDOWS),
            may_edit: visit.who.role.may(Permission::Edit),
        })
    }
}

/// The picture that the address asks for.
async fn drawn(conn: &mut Conn<'_>, query: &WindowsQuery, viewer: Viewer) -> Result<Plan> {
    let day = NaiveDate::parse_from_str(&query.from, "%Y-%m-%d");
    let day = day.unwrap_or_else(|_| viewer.day(viewer.now));
    let days = PlanDays::around(day, query.view == "month");
    let (from, until) = days.span(viewer);
    // The past times of one that repeats are windows of their own here: they belong into its row.
    let mut rows: Vec<(i64, Planned)> = Vec::new();
    for window in windows::ending_after(conn, from).await? {
        let spans = window.spans(from, until, BLOCKS_MAX);
        match rows.iter_mut().find(|(id, _)| *id == window.id) {
            Some((_, row)) => {
                row.repeats |= window.repeats.is_some();
                row.spans.extend(spans);
            }
            None => {
                let repeats = window.repeats.is_some();
                rows.push((window.id, Planned { name: window.name, repeats, spans }));
            }
        }
    }
    let planned: Vec<Planned> = rows.into_iter().map(|(_, row)| row).collect();
    Ok(plan(days, &planned, viewer))
}

/// Which monitors windows cover now, read at once for all of them.
struct Covered(BTreeMap<String, BTreeSet<MonitorId>>);

impl Covered {
    async fn read(conn: &mut Conn<'_>, windows: &[MaintenanceWindow]) -> Result<Self> {
        let tags: BTreeSet<String> = windows.iter().flat_map(|w| w.tags.clone()).collect();
        let tags: Vec<String> = tags.into_iter().collect();
        let mut by_tag: BTreeMap<String, BTreeSet<MonitorId>> = BTreeMap::new();
        for (tag, id) in monitors::tagged(conn, &tags).await? {
            by_tag.entry(tag).or_default().insert(id);
        }
        Ok(Self(by_tag))
    }

    fn count(&self, window: &MaintenanceWindow) -> usize {
        let tagged = window.tags.iter().filter_map(|tag| self.0.get(tag)).flatten();
        tagged.chain(&window.monitor_ids).collect::<BTreeSet<_>>().len()
    }
}

/// The window with a number.
///
/// # Errors
/// 404 when there is none.
pub async fn find(
    conn: &mut Conn<'_>,
    id: i64,
) -> std::result::Result<MaintenanceWindow, PageError> {
    windows::get(conn, id).await?.ok_or_else(|| PageError::no_such("maintenance window"))
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
