//! What stands at the head of a monitor's page, of either kind: its state, its incidents, who is told.

use super::error::{PageError, sentence};
use super::row::short_cause;
use super::status::Shown;
use super::text::{Html, Viewer, span};
use super::visit::Visit;
use crate::account::Permission;
use crate::incident::maintenance::{MaintenanceWindow, active_window};
use crate::incident::message::{one_line, reason};
use crate::incident::{Incident, IncidentState};
use crate::monitor::{Cause, Settings};
use crate::store::monitors::Watched;
use crate::store::{Conn, channels, escalation_policies, incidents};

/// What stands at the head of a monitor's page, of either kind.
pub struct Head {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its state.
    pub state: Shown,
    /// The words on the pill: `Down for 12 min 28 s`.
    pub pill: Html,
    /// Its tags.
    pub tags: Vec<String>,
    /// Whether it is paused.
    pub is_paused: bool,
    /// Whether the viewer may change it.
    pub may_edit: bool,
    /// The open incident, if there is one.
    pub incident: Option<OpenIncident>,
    /// Until when it is in maintenance; empty when it is not.
    pub maintenance: String,
    /// Who is told.
    pub told: Vec<String>,
    /// Its latest incidents.
    pub incidents: Vec<PastIncident>,
}

/// The open incident, as the box at the top of a page tells it.
pub struct OpenIncident {
    /// Its number.
    pub id: i64,
    /// What is wrong, in bold.
    pub headline: String,
    /// What else is known.
    pub more: String,
    /// Since when.
    pub since: Html,
    /// Who has it; empty for nobody.
    pub taken_by: String,
}

/// An incident in a monitor's list.
pub struct PastIncident {
    /// Its number.
    pub id: i64,
    /// Whether it is over.
    pub is_over: bool,
    /// Why.
    pub cause: String,
    /// When it began.
    pub at: Html,
    /// How long it lasted.
    pub lasted: String,
}

impl PastIncident {
    fn of(incident: &Incident, viewer: Viewer) -> Self {
        let is_over = incident.state() == IncidentState::Resolved;
        let length = span(incident.duration_seconds(viewer.now) * 1000);
        Self {
            id: incident.id,
            is_over,
            cause: short_cause(&incident.cause),
            at: viewer.ago_html(incident.started_at),
            lasted: if is_over {
                format!("Resolved after {length}")
            } else {
                format!("Open · {length}")
            },
        }
    }
}

impl OpenIncident {
    fn of(incident: &Incident, watched: &Watched, viewer: Viewer) -> Self {
        let heard = watched.state.beat.last_success_at;
        let heard = heard.map(|at| format!("{}, {}", viewer.clock(at), viewer.ago(at)));
        let (headline, more) = headline(&incident.cause, heard);
        Self {
            id: incident.id,
            headline,
            more,
            since: viewer.fixed_html(incident.started_at, &viewer.clock(incident.started_at)),
            taken_by: incident.acknowledged_by.clone().unwrap_or_default(),
        }
    }
}

/// What is wrong in one bold sentence, and what else there is to say. `heard` is when a job was last heard of.
fn headline(cause: &Cause, heard: Option<String>) -> (String, String) {
    match cause {
        Cause::Check { status_code, failed_checks, .. } if !failed_checks.is_empty() => {
            let names: Vec<&str> = failed_checks.keys().map(String::as_str).collect();
            let texts: Vec<&str> = failed_checks.values().map(String::as_str).collect();
            let verb = if names.len() == 1 { "fails" } else { "fail" };
            let code = status_code.map_or_else(String::new, |code| format!("HTTP {code}. "));
            let more = format!("{code}{}", sentence(&one_line(&texts.join("; "))));
            (format!("{} {verb}", names.join(", ")), more)
        }
        Cause::Check { status_code: Some(code), error, .. }
            if !error.text.contains(&code.to_string()) =>
        {
            (sentence(&error.text), format!("HTTP {code}."))
        }
        Cause::NoPing { expected, grace_seconds, .. } => (
            format!("No ping since {}", heard.unwrap_or_else(|| "it is watched".to_owned())),
            format!("Expected {expected}, grace {}.", span(i64::from(*grace_seconds) * 1000)),
        ),
        other => (sentence(&reason(other)), String::new()),
    }
}

/// Reads what stands at the head of a monitor's page.
///
/// # Errors
/// When the database fails.
pub async fn head(
    visit: &Visit,
    conn: &mut Conn<'_>,
    watched: &Watched,
    past_windows: &[MaintenanceWindow],
) -> Result<Head, PageError> {
    let viewer = visit.viewer;
    let Watched { monitor, state } = watched;
    let settings = &monitor.settings;
    let window = active_window(past_windows, monitor.id, &settings.tags, viewer.now);
    let shown = Shown::of(state, window.is_some(), viewer.now);
    let filter = incidents::Filter { monitor_id: Some(monitor.id), ..Default::default() };
    let latest = incidents::list(conn, filter, 5, 0).await?;
    let open = latest.iter().find(|incident| incident.resolved_at.is_none());
    Ok(Head {
        id: monitor.id,
        name: one_line(&settings.name),
        state: shown,
        pill: pill(shown, watched, viewer),
        tags: settings.tags.clone(),
        is_paused: monitor.paused,
        may_edit: visit.who.role.may(Permission::Edit),
        incident: open.map(|incident| OpenIncident::of(incident, watched, viewer)),
        maintenance: window.map_or_else(String::new, |w| {
            format!("{} until {}", w.name, viewer.day_hour(w.ends_at))
        }),
        told: told(conn, settings).await?,
        incidents: latest.iter().map(|incident| PastIncident::of(incident, viewer)).collect(),
    })
}

fn pill(shown: Shown, watched: &Watched, viewer: Viewer) -> Html {
    let state = &watched.state;
    match shown {
        Shown::Down | Shown::Degraded | Shown::Paused => {
            Html(format!("{} for {}", shown.word(), viewer.lasting_html(state.since)))
        }
        _ => Html(shown.word().to_owned()),
    }
}

/// The names of the channels that are told, or of the escalation policy that says so.
async fn told(conn: &mut Conn<'_>, settings: &Settings) -> Result<Vec<String>, PageError> {
    if let Some(id) = settings.escalation_policy_id {
        let policy = escalation_policies::get(conn, id).await?;
        return Ok(policy
            .into_iter()
            .map(|p| one_line(&format!("{} (escalation policy)", p.name)))
            .collect());
    }
    let defaults;
    let ids = match settings.channel_ids.as_deref() {
        Some(ids) => ids,
        None => {
            defaults = channels::defaults(conn).await?;
            &defaults
        }
    };
    let names = channels::enabled_names(conn).await?;
    Ok(names.into_iter().filter(|(id, _)| ids.contains(id)).map(|(_, name)| name).collect())
}
