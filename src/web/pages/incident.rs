//! One incident: its times, its timeline, taking it, and notes.

use actix_web::web;
use askama::Template;
use serde::Deserialize;

use super::error::{Page, PageError, show};
use super::escalation_state::EscalationState;
use super::incidents::lasted;
use super::monitor::Metric;
use super::row::short_cause;
use super::status::Shown;
use super::text::{Html, Viewer, count, plural, span};
use super::visit::{Shell, Visit, local, see_other};
use crate::account::Permission;
use crate::fields::parse_text;
use crate::incident::message::one_line;
use crate::incident::{Incident, IncidentState, TimelineEntry, TimelineKind};
use crate::monitor::Cause;
use crate::notify::DeliveryState;
use crate::store::{deliveries, incidents, timeline};
use crate::web::error::ApiError;

/// The longest note, in characters.
const NOTE_MAX: usize = 10_000;

/// One line of the timeline.
pub struct Line {
    /// When.
    pub at: Html,
    /// The state that it stands for, if one.
    pub state: Option<Shown>,
    /// Else its icon.
    pub icon: &'static str,
    /// The bold sentence.
    pub bold: String,
    /// What there is beside it.
    pub detail: String,
    /// Whether the detail is what a person wrote.
    pub is_note: bool,
}

impl Line {
    fn of(entry: &TimelineEntry, viewer: Viewer) -> Self {
        let (state, icon, bold) = line_words(entry.kind);
        Self {
            at: viewer.fixed_html(entry.at, &viewer.clock(entry.at)),
            state,
            icon,
            bold: bold.to_owned(),
            detail: entry.detail.clone(),
            is_note: entry.kind == TimelineKind::Comment,
        }
    }
}

fn line_words(kind: TimelineKind) -> (Option<Shown>, &'static str, &'static str) {
    match kind {
        TimelineKind::Detected => (Some(Shown::Confirming), "", "First failure"),
        TimelineKind::Confirmed => (Some(Shown::Down), "", "Confirmed, incident opened"),
        TimelineKind::Notified => (None, "bell", "Escalation"),
        TimelineKind::StepSkipped => (Some(Shown::Degraded), "", "Step skipped"),
        TimelineKind::AcknowledgementEnded => (None, "bell", "Acknowledgement ran out"),
        TimelineKind::Held => (None, "wrench", "Alerts are held"),
        TimelineKind::NobodyNotified => (None, "bell", "Nobody was told"),
        TimelineKind::ReasonChanged => (None, "refresh", "The reason changed"),
        TimelineKind::Acknowledged => (None, "user", "Acknowledged"),
        TimelineKind::Comment => (None, "edit", "Note"),
        TimelineKind::Delivered => (None, "check", "Alert delivered"),
        TimelineKind::DeliveryFailed => (Some(Shown::Degraded), "", "Alert could not be delivered"),
        TimelineKind::Resolved => (Some(Shown::Up), "", "Resolved"),
        TimelineKind::WatchingStopped => (Some(Shown::Paused), "", "Watching stopped"),
    }
}

#[derive(Template)]
#[template(path = "pages/incident.html")]
struct IncidentPage {
    shell: Shell,
    id: i64,
    title: String,
    state: Shown,
    pill: Html,
    name: String,
    monitor_id: Option<i64>,
    cause: String,
    summary: String,
    when: Html,
    metrics: Vec<Metric>,
    lines: Vec<Line>,
    failing: Vec<(String, String)>,
    escalation: EscalationState,
    is_open: bool,
    can_take: bool,
    may_edit: bool,
}

/// `GET /incidents/{id}`.
pub async fn page(visit: Visit, id: web::Path<i64>) -> Page {
    let viewer = visit.viewer;
    let mut reader = visit.state.db.read().await?;
    let conn = &mut reader.conn();
    let found = incidents::get(conn, *id).await?;
    let incident = found.ok_or_else(|| PageError::no_such("incident"))?;
    let entries = timeline::list(conn, *id).await?;
    let escalation = EscalationState::of(conn, &incident, viewer).await?;
    let filter = deliveries::Filter { incident_id: Some(*id), ..Default::default() };
    let sent = deliveries::list(conn, &filter, 500, 0).await?;
    let delivered = sent.deliveries.iter().filter(|d| d.state == DeliveryState::Delivered).count();
    let is_open = incident.state() != IncidentState::Resolved;
    let name = one_line(&incident.monitor_name);
    let title = format!("{name} {} {}", if is_open { "is" } else { "was" }, what(&incident));
    let shell = visit.shell("incidents", &format!("{title}, #{id}")).await?;
    let may_edit = visit.who.role.may(Permission::Edit);
    show(&IncidentPage {
        shell,
        id: incident.id,
        title,
        state: if is_open { Shown::Down } else { Shown::Up },
        pill: pill(&incident, viewer),
        name,
        monitor_id: incident.monitor_id,
        cause: short_cause(&incident.cause),
        summary: incident.summary.clone(),
        when: when(&incident, viewer),
        metrics: metrics(&incident, delivered, sent.deliveries.len(), viewer),
        lines: entries.iter().map(|entry| Line::of(entry, viewer)).collect(),
        failing: failing(&incident.cause),
        escalation,
        is_open,
        can_take: may_edit && incident.state() == IncidentState::Open,
        may_edit,
    })
}

/// Whether it is Watchbell's own.
fn is_own(incident: &Incident) -> bool {
    matches!(incident.cause, Cause::CutOff { .. })
}

/// What is the matter: with a monitor, or with Watchbell itself.
fn what(incident: &Incident) -> &'static str {
    if is_own(incident) { "cut off" } else { "down" }
}

fn pill(incident: &Incident, viewer: Viewer) -> Html {
    let lasted = lasted(incident, viewer);
    match incident.resolved_at {
        Some(_) => Html(format!("Resolved after {lasted}")),
        None if is_own(incident) => Html(format!("Cut off for {lasted}")),
        None => Html(format!("Down for {lasted}")),
    }
}

fn when(incident: &Incident, viewer: Viewer) -> Html {
    let from = viewer.fixed_html(incident.started_at, &viewer.day_hour(incident.started_at));
    match incident.resolved_at {
        Some(end) => Html(format!("{from} to {}", viewer.fixed_html(end, &viewer.hour(end)))),
        None => Html(format!("since {from}")),
    }
}

fn metrics(incident: &Incident, delivered: usize, sent: usize, viewer: Viewer) -> Vec<Metric> {
    let metric = |label: &str, value: String, after: String| Metric {
        label: label.to_owned(),
        value,
        after,
    };
    let since = |at: crate::clock::Timestamp| span(at.since(incident.started_at));
    let taken = match incident.acknowledged_at {
        Some(at) => metric(
            "Acknowledged in",
            since(at),
            incident.acknowledged_by.clone().unwrap_or_default(),
        ),
        None => metric("Acknowledged", "–".to_owned(), "by nobody".to_owned()),
    };
    let ended = match incident.resolved_at {
        Some(at) => metric("Resolved in", since(at), viewer.day_hour(at)),
        None => {
            let label = if is_own(incident) { "Cut off for" } else { "Down for" };
            let still = format!("still {}", what(incident));
            metric(label, span(viewer.now.since(incident.started_at)), still)
        }
    };
    let arrived = if delivered == sent {
        "all delivered".to_owned()
    } else {
        format!("{delivered} delivered")
    };
    vec![
        metric("Confirmed in", since(incident.confirmed_at), regions(&incident.regions)),
        taken,
        ended,
        metric(
            "Alerts",
            count(sent),
            if sent == 0 { "nobody was told".to_owned() } else { arrived },
        ),
    ]
}

fn regions(regions: &[String]) -> String {
    match regions {
        [] => String::new(),
        [one] => format!("seen from {one}"),
        many => format!("seen from {}", plural(many.len(), "region")),
    }
}

fn failing(cause: &Cause) -> Vec<(String, String)> {
    match cause {
        Cause::Check { failed_checks, .. } => {
            failed_checks.iter().map(|(path, text)| (path.clone(), one_line(text))).collect()
        }
        _ => Vec::new(),
    }
}

/// What the acknowledge button posts.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Back {
    back: String,
}

/// `POST /incidents/{id}/acknowledge`.
pub async fn acknowledge(visit: Visit, id: web::Path<i64>, form: web::Form<Back>) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let taken = visit.state.engine.acknowledge(*id, &visit.who.name).await;
    taken.map_err(|error| PageError::of_engine(error, "incident"))?;
    let page = format!("/incidents/{id}");
    Ok(see_other(if form.back.is_empty() { &page } else { local(&form.back) }))
}

/// What the note box posts.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct Note {
    text: String,
}

/// `POST /incidents/{id}/comments`.
pub async fn comment(visit: Visit, id: web::Path<i64>, form: web::Form<Note>) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let text = parse_text(&form.text.trim().into(), NOTE_MAX);
    let text = text.map_err(|reason| ApiError::field("text", reason))?;
    if !text.is_empty() {
        let noted = visit.state.engine.comment(*id, &visit.who.name, &text).await;
        noted.map_err(|error| PageError::of_engine(error, "incident"))?;
    }
    Ok(see_other(&format!("/incidents/{id}#timeline")))
}
