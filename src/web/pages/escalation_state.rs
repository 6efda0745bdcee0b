//! Where the escalation of an open incident stands: who hears of it next, and whether nobody has.

use super::text::{Html, Viewer};
use crate::incident::escalation::Ladder;
use crate::incident::message::one_line;
use crate::incident::{Incident, IncidentState};
use crate::monitor::Cause;
use crate::store::{Conn, Result, channels, deliveries, ladders};

/// Where the escalation of an incident stands.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EscalationState {
    /// Whether it is open and not held, and no channel was told of it.
    pub nobody_told: bool,
    /// What comes next, before its time: `Escalates to pager`; empty for nothing.
    pub next: String,
    /// When that is, relative to now.
    pub at: Html,
}

impl EscalationState {
    /// Reads where the escalation of `incident` stands.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn of(conn: &mut Conn<'_>, incident: &Incident, viewer: Viewer) -> Result<Self> {
        if incident.state() == IncidentState::Resolved {
            return Ok(Self::default());
        }
        let is_own = matches!(incident.cause, Cause::CutOff { .. });
        let told = if is_own {
            deliveries::channels_of(conn, incident.id).await?
        } else {
            deliveries::told(conn, incident.id).await?
        };
        let mut state =
            Self { nobody_told: told.is_empty() && !incident.alerts_held, ..Self::default() };
        if let Some(ladder) = ladders::get(conn, incident.id).await? {
            let names = channels::enabled_names(conn).await?;
            (state.next, state.at) = next(&ladder, &names, viewer);
        }
        Ok(state)
    }
}

fn next(ladder: &Ladder, names: &[(i64, String)], viewer: Viewer) -> (String, Html) {
    if let Some(at) = ladder.acknowledgement_ends_at() {
        return ("Escalation goes on".to_owned(), viewer.ago_html(at));
    }
    if ladder.is_held() {
        let words = "Escalation waits for the end of the maintenance window".to_owned();
        return (words, Html::default());
    }
    let Some(step) = ladder.next_step() else { return (String::new(), Html::default()) };
    let ids = ladder.policy.steps.get(step.step).map(|step| step.channel_ids.as_slice());
    let told = names.iter().filter(|(id, _)| ids.is_some_and(|ids| ids.contains(id)));
    let told: Vec<&str> = told.map(|(_, name)| name.as_str()).collect();
    let words = match (told.as_slice(), step.round) {
        ([], _) => format!("Step {} would tell nobody", step.step + 1),
        (told, 0) => format!("Escalates to {}", told.join(", ")),
        (told, _) => format!("Reminds {}", told.join(", ")),
    };
    (one_line(&words), viewer.ago_html(step.at))
}
