//! The list of incidents.

use askama::Template;
use serde::Deserialize;

use super::error::{Page, show};
use super::query::PageQuery;
use super::row::short_cause;
use super::status::Shown;
use super::text::{Html, Viewer, span};
use super::visit::{Shell, Visit};
use crate::account::Permission;
use crate::incident::message::one_line;
use crate::incident::{Incident, IncidentState};
use crate::store::incidents;

/// Incidents in the list at first, and that "Show older" adds.
const INCIDENTS: i64 = 50;
/// An incident in the list.
pub struct IncidentRow {
    /// Its number.
    pub id: i64,
    /// What was down.
    pub name: String,
    /// Why.
    pub cause: String,
    /// Whether it goes on.
    pub state: Shown,
    /// Its state in words.
    pub words: String,
    /// When it began.
    pub at: Html,
    /// How long it lasted.
    pub lasted: Html,
    /// Whether somebody may still take it.
    pub can_take: bool,
}

impl IncidentRow {
    fn of(incident: &Incident, viewer: Viewer) -> Self {
        let by = incident.acknowledged_by.as_deref().map(one_line).unwrap_or_default();
        let (state, words) = match incident.state() {
            IncidentState::Open => (Shown::Down, "Nobody has it yet".to_owned()),
            IncidentState::Acknowledged => (Shown::Down, format!("Acknowledged by {by}")),
            IncidentState::Resolved => (Shown::Up, "Resolved".to_owned()),
        };
        Self {
            id: incident.id,
            name: one_line(&incident.monitor_name),
            cause: short_cause(&incident.cause),
            state,
            words,
            at: viewer.ago_html(incident.started_at),
            lasted: lasted(incident, viewer),
            can_take: incident.state() == IncidentState::Open,
        }
    }
}

/// How long it lasted, or has lasted so far.
pub fn lasted(incident: &Incident, viewer: Viewer) -> Html {
    match incident.resolved_at {
        Some(_) => Html(span(incident.duration_seconds(viewer.now) * 1000)),
        None => viewer.lasting_html(incident.started_at),
    }
}

/// What the address of the list asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct IncidentsQuery {
    state: String,
    monitor: Option<i64>,
    show: Option<i64>,
}

#[derive(Template)]
#[template(path = "pages/incidents.html")]
struct ListPage {
    shell: Shell,
    rows: Vec<IncidentRow>,
    state: &'static str,
    monitor: Option<i64>,
    more: Option<i64>,
    may_edit: bool,
}

impl ListPage {
    fn link(&self, state: &str) -> String {
        let monitor = self.monitor.map_or_else(String::new, |id| format!("&monitor={id}"));
        format!("/incidents?state={state}{monitor}")
    }

    fn nothing(&self) -> &'static str {
        match self.state {
            "open" => "Nothing is down.",
            "resolved" => "No incident was resolved yet.",
            _ => "No incident so far.",
        }
    }
}

/// `GET /incidents`.
pub async fn list(visit: Visit, PageQuery(query): PageQuery<IncidentsQuery>) -> Page {
    let (state, unresolved) = match query.state.as_str() {
        "open" => ("open", Some(true)),
        "resolved" => ("resolved", Some(false)),
        _ => ("", None),
    };
    let filter = incidents::Filter { monitor_id: query.monitor, unresolved, ..Default::default() };
    let limit = query.show.unwrap_or(INCIDENTS).clamp(INCIDENTS, 2000);
    let mut reader = visit.state.db.read().await?;
    let found = incidents::list(&mut reader.conn(), filter, limit, 0).await?;
    let total = incidents::count(&mut reader.conn(), filter).await?;
    show(&ListPage {
        shell: visit.shell("incidents", "Incidents").await?,
        rows: found.iter().map(|incident| IncidentRow::of(incident, visit.viewer)).collect(),
        state,
        monitor: query.monitor,
        more: (total > limit).then_some(limit + INCIDENTS),
        may_edit: visit.who.role.may(Permission::Edit),
    })
}
