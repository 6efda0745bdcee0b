//! The box above the monitor list: what is down now, since when, and who has it.

use super::escalation_state::EscalationState;
use super::regions::in_order;
use super::status::Shown;
use super::text::{Html, Viewer};
use crate::incident::{Incident, IncidentState};
use crate::monitor::Cause;
use crate::store::{Conn, Result, incidents};

/// How many are shown; the rest is counted.
const MOST: i64 = 5;

/// An incident of the box.
pub struct OpenIncident {
    /// Its number.
    pub id: i64,
    /// Its monitor; 0 without one.
    pub monitor_id: i64,
    /// `Checkout API is down`.
    pub headline: String,
    /// The reason line.
    pub summary: String,
    /// Whether a job is watched.
    pub is_heartbeat: bool,
    /// The regions that saw it, when there are several.
    pub regions: Vec<String>,
    /// How long it has lasted.
    pub lasting: Html,
    /// Who has it; empty for nobody.
    pub taken_by: String,
    /// The same in the fewest words: of an e-mail address what is before the `@`.
    pub taken_by_short: String,
    /// Since when.
    pub taken: Html,
    /// Where its escalation stands.
    pub escalation: EscalationState,
}

impl OpenIncident {
    fn of(incident: &Incident, own: &str, escalation: EscalationState, viewer: Viewer) -> Self {
        let mut regions = incident.regions.clone();
        regions.sort_by(|a, b| in_order(own, a, b));
        let taken = incident.state() == IncidentState::Acknowledged;
        let by = incident.acknowledged_by.as_deref().unwrap_or("somebody");
        let is_missed = matches!(incident.cause, Cause::NoPing { .. } | Cause::NoFirstPing { .. });
        let is_heartbeat = is_missed
            || matches!(incident.cause, Cause::StillRunning { .. } | Cause::ReportedFailure { .. });
        let what = if is_missed { "missed its run" } else { "is down" };
        Self {
            id: incident.id,
            monitor_id: incident.monitor_id.unwrap_or_default(),
            headline: format!("{} {what}", incident.monitor_name),
            summary: incident.summary.clone(),
            is_heartbeat,
            regions: if regions.len() > 1 { regions } else { Vec::new() },
            lasting: viewer.lasting_html(incident.started_at),
            taken_by_short: by.split_once('@').map_or(by, |(name, _)| name).to_owned(),
            taken_by: if taken { by.to_owned() } else { String::new() },
            taken: incident.acknowledged_at.map(|at| viewer.ago_html(at)).unwrap_or_default(),
            escalation,
        }
    }

    /// The icon before it.
    pub fn icon(&self) -> Html {
        Shown::Down.icon()
    }
}

/// The newest of what is open; `own` is the server's region.
///
/// # Errors
/// When the database fails.
pub async fn open_incidents(
    conn: &mut Conn<'_>,
    own: &str,
    viewer: Viewer,
) -> Result<Vec<OpenIncident>> {
    let unresolved = incidents::Filter { unresolved: Some(true), ..Default::default() };
    let mut open = Vec::new();
    for incident in incidents::list(conn, unresolved, MOST, 0).await? {
        let escalation = EscalationState::of(conn, &incident, viewer).await?;
        open.push(OpenIncident::of(&incident, own, escalation, viewer));
    }
    Ok(open)
}
