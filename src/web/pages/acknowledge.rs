//! The page behind the link in a message: who follows it may take the incident without signing in, by one press more.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use askama::Template;

use super::error::{Page, PageError, show_as};
use super::text::span;
use super::visit::{self, see_other};
use crate::incident::message::one_line;
use crate::incident::{Incident, IncidentState};
use crate::monitor::Cause;
use crate::notify::acknowledge_link::{AcknowledgeLink, LinkError};
use crate::store::{channels, incidents};
use crate::web::state::AppState;

#[derive(Template)]
#[template(path = "pages/acknowledge.html")]
struct AcknowledgePage {
    theme: &'static str,
    title: String,
    lines: Vec<String>,
    /// Where the button posts to; empty for none.
    action: String,
    by: String,
    incident_id: Option<i64>,
}

/// `GET /acknowledge/{token}`: asks. It changes nothing, so that a preview of the link does no harm.
pub async fn page(req: HttpRequest, token: web::Path<String>) -> Page {
    let state = visit::state(&req)?;
    let (link, incident) = match find(&state, &token).await? {
        Ok(found) => found,
        Err(error) => return refused(&req, error),
    };
    let by = by(&state, &link).await?;
    let asks = incident.state() == IncidentState::Open;
    let page = AcknowledgePage {
        theme: visit::theme(&req),
        title: title(&incident),
        lines: lines(&incident, &state),
        action: if asks { format!("/acknowledge/{token}") } else { String::new() },
        by,
        incident_id: Some(incident.id),
    };
    show_as(StatusCode::OK, &page)
}

/// `POST /acknowledge/{token}`: takes the incident, unless somebody has it or it is over.
pub async fn acknowledge(req: HttpRequest, token: web::Path<String>) -> Page {
    let state = visit::state(&req)?;
    let link = match find(&state, &token).await? {
        Ok((link, _)) => link,
        Err(error) => return refused(&req, error),
    };
    let by = by(&state, &link).await?;
    let taken = state.engine.acknowledge(link.incident_id, &by).await;
    taken.map_err(|error| PageError::of_engine(error, "incident"))?;
    // Loading it again then only shows how it stands.
    Ok(see_other(&format!("/acknowledge/{token}")))
}

async fn find(
    state: &AppState,
    token: &str,
) -> Result<Result<(AcknowledgeLink, Incident), LinkError>, PageError> {
    let link = match AcknowledgeLink::read(token, &state.sealer, state.clock.now()) {
        Ok(link) => link,
        Err(error) => return Ok(Err(error)),
    };
    let mut reader = state.db.read().await?;
    let incident = incidents::get(&mut reader.conn(), link.incident_id).await?;
    let incident = incident.ok_or_else(|| PageError::no_such("incident"))?;
    Ok(Ok((link, incident)))
}

/// As whom: the link names its channel, nobody signs in.
async fn by(state: &AppState, link: &AcknowledgeLink) -> Result<String, PageError> {
    let mut reader = state.db.read().await?;
    let name = channels::name(&mut reader.conn(), link.channel_id).await?;
    Ok(one_line(&format!("link in {}", name.as_deref().unwrap_or("a removed channel"))))
}

fn refused(req: &HttpRequest, error: LinkError) -> Page {
    let status = match error {
        LinkError::Forged => StatusCode::FORBIDDEN,
        LinkError::Expired => StatusCode::GONE,
    };
    let page = AcknowledgePage {
        theme: visit::theme(req),
        title: "This link cannot be used".to_owned(),
        lines: vec![
            super::error::sentence(&error.to_string()),
            "Sign in and acknowledge on the incident's own page.".to_owned(),
        ],
        action: String::new(),
        by: String::new(),
        incident_id: None,
    };
    show_as(status, &page)
}

fn title(incident: &Incident) -> String {
    let name = one_line(&incident.monitor_name);
    let what = if matches!(incident.cause, Cause::CutOff { .. }) { "cut off" } else { "down" };
    match incident.state() {
        IncidentState::Open => format!("{name} is {what}"),
        IncidentState::Acknowledged => format!("{name} is acknowledged"),
        IncidentState::Resolved => format!("{name} was {what}"),
    }
}

fn lines(incident: &Incident, state: &AppState) -> Vec<String> {
    let lasted = span(incident.duration_seconds(state.clock.now()).saturating_mul(1000));
    let by = incident.acknowledged_by.as_deref().unwrap_or("somebody");
    let stands = match incident.state() {
        IncidentState::Open => format!("For {lasted}. Nobody has acknowledged yet."),
        IncidentState::Acknowledged => {
            format!("Acknowledged by {}. It has lasted {lasted}.", one_line(by))
        }
        IncidentState::Resolved => format!("It is over, after {lasted}. Nothing is left to do."),
    };
    vec![incident.summary.clone(), stands]
}
