//! The form of a maintenance window, beside the list: wall times and their zone, repetition, targets, and what all of it means.

use actix_web::http::StatusCode;
use actix_web::web;

use super::error::{Page, PageError, sentence, show};
use super::form::{Form, Input};
use super::maintenance::{find, with_panel};
use super::visit::{Visit, see_other};
use super::window_form::{LABELS, edit_form, fields, new_form};
use super::window_preview::Preview;
use crate::account::Permission;
use crate::checker::EngineError;
use crate::clock::Timestamp;
use crate::fields::FieldErrors;
use crate::incident::maintenance::MaintenanceWindow;
use crate::incident::message::one_line;
use crate::store::monitors::Filter;
use crate::store::{Conn, monitors};

/// Monitors that are listed to be ticked; beyond, tags choose better.
const LISTED: i64 = 200;

/// A monitor to tick.
pub struct Choice {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Whether it is ticked.
    pub is_on: bool,
}

/// The form beside the list.
pub struct Panel {
    /// Of the window that is changed; `None` for a new one.
    pub id: Option<i64>,
    /// Its fields.
    pub form: Form,
    /// The monitors to choose from.
    pub monitors: Vec<Choice>,
    /// The tags to choose from.
    pub tags: Vec<String>,
    /// What it means as it stands.
    pub preview: Preview,
    /// Where the form goes.
    pub action: String,
}

impl Panel {
    /// What it is for.
    pub fn title(&self) -> &'static str {
        if self.id.is_some() { "Change maintenance" } else { "Schedule maintenance" }
    }

    /// How many monitors are ticked.
    pub fn ticked(&self) -> usize {
        self.monitors.iter().filter(|choice| choice.is_on).count()
    }

    /// The zones that a wall time can be of.
    pub fn zones(&self) -> impl Iterator<Item = &'static str> {
        chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name())
    }

    async fn read(
        visit: &Visit,
        conn: &mut Conn<'_>,
        id: Option<i64>,
        form: Form,
        chosen: &[i64],
    ) -> Result<Self, PageError> {
        let filter = Filter { attention_first: true, ..Filter::default() };
        let mut listed = monitors::list(conn, &filter, LISTED, 0).await?;
        let is_listed = |id: &i64| listed.iter().any(|w| w.monitor.id == *id);
        let missing: Vec<i64> = chosen.iter().copied().filter(|id| !is_listed(id)).collect();
        listed.extend(monitors::by_ids(conn, &missing).await?);
        let choice = |w: monitors::Watched| Choice {
            id: w.monitor.id,
            name: one_line(&w.monitor.settings.name),
            is_on: chosen.contains(&w.monitor.id),
        };
        let mut input = form.to_input();
        input.0.retain(|(name, _)| name != "monitor_ids");
        input.0.extend(chosen.iter().map(|id| ("monitor_ids".to_owned(), id.to_string())));
        let current = match id {
            Some(id) => Some(find(conn, id).await?),
            None => None,
        };
        Ok(Self {
            id,
            monitors: listed.into_iter().map(choice).collect(),
            tags: monitors::tags(conn).await?,
            preview: preview(visit, conn, &input, current.as_ref()).await?,
            action: id.map_or_else(|| "/maintenance".to_owned(), |id| format!("/maintenance/{id}")),
            form,
        })
    }
}

/// `GET /maintenance/new`.
pub async fn new_page(visit: Visit) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let start = Timestamp(visit.viewer.now.0 / 300_000 * 300_000 + 300_000);
    let form = new_form(start, visit.viewer);
    let mut reader = visit.state.db.read().await?;
    let panel = Panel::read(&visit, &mut reader.conn(), None, form, &[]).await?;
    drop(reader);
    with_panel(&visit, StatusCode::OK, panel).await
}

/// `GET /maintenance/{id}`.
pub async fn edit_page(visit: Visit, id: web::Path<i64>) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let mut reader = visit.state.db.read().await?;
    let conn = &mut reader.conn();
    let window = find(conn, *id).await?;
    let form = edit_form(&window, visit.viewer);
    let panel = Panel::read(&visit, conn, Some(*id), form, &window.monitor_ids).await?;
    drop(reader);
    with_panel(&visit, StatusCode::OK, panel).await
}

/// `POST /maintenance`.
pub async fn create(visit: Visit, input: Input) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    save(&visit, None, &input).await
}

/// `POST /maintenance/{id}`.
pub async fn update(visit: Visit, id: web::Path<i64>, input: Input) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    save(&visit, Some(*id), &input).await
}

async fn save(visit: &Visit, id: Option<i64>, input: &Input) -> Page {
    let current = current(visit, id).await?;
    let saved = match read(visit, input, current.as_ref()) {
        Ok(window) if id.is_some() => visit.state.engine.update_window(window).await,
        Ok(window) => visit.state.engine.create_window(window).await,
        Err(errors) => Err(EngineError::Invalid(errors)),
    };
    match saved {
        Ok(_) => Ok(see_other("/maintenance")),
        Err(EngineError::Invalid(errors)) => {
            answer(visit, id, input, &errors, StatusCode::UNPROCESSABLE_ENTITY).await
        }
        Err(error) => Err(PageError::of_engine(error, "maintenance window")),
    }
}

/// `POST /maintenance/preview`, `POST /maintenance/{id}/preview`: what the form means as it stands; nothing is saved.
pub async fn preview_new(visit: Visit, input: Input) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    preview_page(&visit, None, &input).await
}

/// `POST /maintenance/{id}/preview`.
pub async fn preview_edit(visit: Visit, id: web::Path<i64>, input: Input) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    preview_page(&visit, Some(*id), &input).await
}

async fn preview_page(visit: &Visit, id: Option<i64>, input: &Input) -> Page {
    if !visit.wants_part {
        return answer(visit, id, input, &FieldErrors::default(), StatusCode::OK).await;
    }
    let current = current(visit, id).await?;
    let mut reader = visit.state.db.read().await?;
    show(&preview(visit, &mut reader.conn(), input, current.as_ref()).await?)
}

async fn current(visit: &Visit, id: Option<i64>) -> Result<Option<MaintenanceWindow>, PageError> {
    let Some(id) = id else { return Ok(None) };
    let mut reader = visit.state.db.read().await?;
    Ok(Some(find(&mut reader.conn(), id).await?))
}

/// The form again, as it was posted, with what is wrong with it.
async fn answer(
    visit: &Visit,
    id: Option<i64>,
    input: &Input,
    errors: &FieldErrors,
    status: StatusCode,
) -> Page {
    let chosen: Vec<i64> = input.all("monitor_ids").filter_map(|id| id.parse().ok()).collect();
    let form = Form::refused(input, errors, &LABELS);
    let mut reader = visit.state.db.read().await?;
    let panel = Panel::read(visit, &mut reader.conn(), id, form, &chosen).await?;
    drop(reader);
    with_panel(visit, status, panel).await
}

fn read(
    visit: &Visit,
    input: &Input,
    current: Option<&MaintenanceWindow>,
) -> Result<MaintenanceWindow, FieldErrors> {
    let map = fields(input, visit.viewer, current)?;
    MaintenanceWindow::read(&map, current, visit.viewer.now)
}

async fn preview(
    visit: &Visit,
    conn: &mut Conn<'_>,
    input: &Input,
    current: Option<&MaintenanceWindow>,
) -> Result<Preview, PageError> {
    let viewer = visit.viewer;
    let zone = input.get("timezone").parse().unwrap_or(viewer.zone);
    match read(visit, input, current) {
        Ok(window) => Ok(Preview::of(conn, &window, zone, viewer).await?),
        // Nothing chosen yet is no mistake while the form is being filled in: its times are told all the same.
        Err(errors) if errors.0.keys().all(|field| field == "monitor_ids") => {
            let mut input = input.clone();
            input.0.retain(|(name, _)| name != "tags");
            input.0.push(("tags".to_owned(), UNCHOSEN.to_owned()));
            match read(visit, &input, current) {
                Ok(window) => {
                    let window = MaintenanceWindow { tags: Vec::new(), ..window };
                    let preview = Preview::of(conn, &window, zone, viewer).await?;
                    Ok(Preview { covers: String::new(), ..preview })
                }
                Err(_) => Ok(Preview::unread(Vec::new(), current.is_none())),
            }
        }
        Err(errors) => {
            let wrong = errors.0.iter().filter(|(field, _)| *field != "monitor_ids");
            let words = wrong.map(|(field, reason)| {
                let label = LABELS.iter().find(|(name, _)| name == field).map_or("It", |l| l.1);
                sentence(&format!("{label} {reason}"))
            });
            Ok(Preview::unread(words.collect(), current.is_none()))
        }
    }
}

/// Stands for the targets that are yet to be chosen.
const UNCHOSEN: &str = "-";
