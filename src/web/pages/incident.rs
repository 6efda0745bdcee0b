//! One incident: its times, its timeline, what failed, whether that was seen before, taking it, and notes.

use actix_web::web;
use askama::Template;
use serde::Deserialize;

use super::checks::found;
use super::days::shown;
use super::error::{Page, PageError, show};
use super::escalation_state::EscalationState;
use super::incident_story::{ChannelName, Line, is_same_cause, lines, metrics};
use super::incidents::lasted;
use super::lanes::{self, Lanes};
use super::monitor::Metric;
use super::query::PageQuery;
use super::raw::Raw;
use super::row::{self, short_cause};
use super::status::Shown;
use super::text::{Html, Viewer, millis, span};
use super::visit::{Shell, Visit, local, see_other};
use crate::account::Permission;
use crate::fields::parse_text;
use crate::incident::message::one_line;
use crate::incident::{Incident, IncidentState, TimelineKind};
use crate::monitor::Cause;
use crate::store::{
    Conn, Result, answers, channels, deliveries, incidents, monitors, results, timeline,
};
use crate::web::error::ApiError;

/// The longest note, in characters.
const NOTE_MAX: usize = 10_000;
/// Deliveries of one incident that are listed.
const DELIVERIES: i64 = 500;
/// Earlier incidents that are looked through for the same cause.
const LOOKED_THROUGH: i64 = 200;
/// How many of them are shown.
const SEEN_BEFORE: usize = 3;

/// The check that failed first.
pub struct Evidence {
    /// `503 · checks.database`.
    pub result: String,
    /// From where.
    pub region: String,
    /// When.
    pub at: Html,
    /// How long it took.
    pub total: String,
    /// The answer as it came, if it is kept.
    pub raw: Option<Raw>,
}

/// An earlier incident of the same cause.
pub struct Before {
    /// Its number.
    pub id: i64,
    /// Why.
    pub cause: String,
    /// How long it lasted.
    pub lasted: Html,
    /// When it began.
    pub at: Html,
    /// The last note on it.
    pub note: String,
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
    tags: Vec<String>,
    cause: String,
    summary: String,
    when: Html,
    metrics: Vec<Metric>,
    lines: Vec<Line>,
    people_only: bool,
    lanes: Option<Lanes>,
    evidence: Option<Evidence>,
    failing: Vec<(String, String)>,
    escalation: EscalationState,
    before: Vec<Before>,
    impact: Vec<(&'static str, String)>,
    report: String,
    is_open: bool,
    can_take: bool,
    may_edit: bool,
}

/// What the address asks for.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct IncidentQuery {
    lines: String,
}

/// `GET /incidents/{id}`.
pub async fn page(
    visit: Visit,
    id: web::Path<i64>,
    PageQuery(query): PageQuery<IncidentQuery>,
) -> Page {
    let viewer = visit.viewer;
    let mut reader = visit.state.db.read().await?;
    let conn = &mut reader.conn();
    let found = incidents::get(conn, *id).await?;
    let incident = found.ok_or_else(|| PageError::no_such("incident"))?;
    let mut entries = timeline::list(conn, *id).await?;
    let escalation = EscalationState::of(conn, &incident, viewer).await?;
    let filter = deliveries::Filter { incident_id: Some(*id), ..Default::default() };
    let mut sent = deliveries::list(conn, &filter, DELIVERIES, 0).await?.deliveries;
    let names = channel_names(&visit, conn).await?;
    let metrics = metrics(&incident, &sent, &names, viewer);
    let everything = lines(incident.started_at, &entries, &sent, &names, viewer);
    let report = report(&incident, &metrics, &everything, viewer);
    let people_only = query.lines == "people";
    let lines = if people_only {
        let by_people = [TimelineKind::Acknowledged, TimelineKind::Comment];
        entries.retain(|entry| by_people.contains(&entry.kind));
        sent.clear();
        lines(incident.started_at, &entries, &sent, &names, viewer)
    } else {
        everything
    };
    let (tags, impact) = impact(conn, &incident, viewer).await?;
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
        tags,
        cause: short_cause(&incident.cause),
        summary: incident.summary.clone(),
        when: when(&incident, viewer),
        metrics,
        lines,
        people_only,
        lanes: every_check(conn, &incident, &visit.state.region, viewer).await?,
        evidence: evidence(conn, &incident, viewer).await?,
        failing: failing(&incident.cause),
        escalation,
        before: before(conn, &incident, viewer).await?,
        impact,
        report,
        is_open,
        can_take: may_edit && incident.state() == IncidentState::Open,
        may_edit,
    })
}

async fn channel_names(visit: &Visit, conn: &mut Conn<'_>) -> Result<Vec<ChannelName>> {
    let found = channels::list(conn, &visit.state.sealer, DELIVERIES, 0).await?.channels;
    let name = |channel: &crate::notify::Channel| ChannelName {
        id: channel.id,
        name: one_line(&channel.settings.name),
        kind: channel.kind().about().name,
    };
    Ok(found.iter().map(name).collect())
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
        Some(end) => {
            let to = viewer.end((incident.started_at, end));
            Html(format!("{from} to {}", viewer.fixed_html(end, &to)))
        }
        None => Html(format!("since {from}")),
    }
}

/// The checks around it by region, when it is checked from several.
async fn every_check(
    conn: &mut Conn<'_>,
    incident: &Incident,
    own: &str,
    viewer: Viewer,
) -> Result<Option<Lanes>> {
    let Some(monitor_id) = incident.monitor_id else { return Ok(None) };
    let Some(watched) = monitors::by_ids(conn, &[monitor_id]).await?.into_iter().next() else {
        return Ok(None);
    };
    if watched.monitor.settings.target.pace().is_none_or(|pace| pace.regions.len() < 2) {
        return Ok(None);
    }
    let span = lanes::span(incident, viewer.now);
    let stored = results::between(conn, monitor_id, span).await?;
    let found: Vec<_> = stored.into_iter().map(|stored| stored.result).collect();
    Ok(lanes::lanes(&found, incident, own, viewer))
}

/// The first check that failed, if it is still kept.
async fn evidence(
    conn: &mut Conn<'_>,
    incident: &Incident,
    viewer: Viewer,
) -> Result<Option<Evidence>> {
    let Some(monitor_id) = incident.monitor_id else { return Ok(None) };
    let until = incident.resolved_at.unwrap_or(viewer.now);
    let stored = results::first_failed(conn, monitor_id, incident.started_at, until).await?;
    let Some(stored) = stored else { return Ok(None) };
    let raw = answers::get(conn, monitor_id, stored.id, &stored.result.region).await?;
    Ok(Some(Evidence {
        raw: raw.map(Raw::of),
        result: found(&stored.result),
        region: stored.result.region.clone(),
        at: viewer.fixed_html(stored.result.started_at, &viewer.clock(stored.result.started_at)),
        total: stored
            .result
            .phases
            .total
            .map_or_else(|| "no answer".to_owned(), |ms| millis(i64::from(ms))),
    }))
}

fn failing(cause: &Cause) -> Vec<(String, String)> {
    match cause {
        Cause::Check { failed_checks, .. } => {
            failed_checks.iter().map(|(path, text)| (path.clone(), one_line(text))).collect()
        }
        _ => Vec::new(),
    }
}

/// Earlier incidents of the same monitor and cause, each with the last note that somebody left on it.
async fn before(conn: &mut Conn<'_>, incident: &Incident, viewer: Viewer) -> Result<Vec<Before>> {
    if incident.monitor_id.is_none() {
        return Ok(Vec::new());
    }
    let filter = incidents::Filter {
        monitor_id: incident.monitor_id,
        unresolved: Some(false),
        ..Default::default()
    };
    let past = incidents::list(conn, filter, LOOKED_THROUGH, 0).await?;
    let alike = past
        .iter()
        .filter(|past| past.id < incident.id && is_same_cause(&past.cause, &incident.cause));
    let mut seen = Vec::new();
    for past in alike.take(SEEN_BEFORE) {
        let entries = timeline::list(conn, past.id).await?;
        let note = entries.into_iter().rfind(|entry| entry.kind == TimelineKind::Comment);
        seen.push(Before {
            id: past.id,
            cause: short_cause(&past.cause),
            lasted: lasted(past, viewer),
            at: viewer.ago_html(past.started_at),
            note: note.map(|entry| entry.detail).unwrap_or_default(),
        });
    }
    Ok(seen)
}

/// The monitor's tags, and what the outage came to for it.
async fn impact(
    conn: &mut Conn<'_>,
    incident: &Incident,
    viewer: Viewer,
) -> Result<(Vec<String>, Vec<(&'static str, String)>)> {
    let Some(id) = incident.monitor_id else { return Ok(Default::default()) };
    let Some(watched) = monitors::by_ids(conn, &[id]).await?.into_iter().next() else {
        return Ok(Default::default());
    };
    let (past, windows) = row::past(conn, std::slice::from_ref(&watched), viewer).await?;
    let tags = watched.monitor.settings.tags.clone();
    let end = incident.resolved_at.unwrap_or(viewer.now);
    let planned: Vec<String> = windows
        .iter()
        .filter(|w| w.covers(id, &tags) && w.starts_at < end && w.ends_at > incident.started_at)
        .map(|w| one_line(&w.name))
        .collect();
    let planned =
        if planned.is_empty() { "None planned at the time".to_owned() } else { planned.join(", ") };
    let uptime = past.last(&watched.monitor, 30 * 86_400_000);
    let regions = match &incident.regions[..] {
        [] => "Not known".to_owned(),
        names => names.join(", "),
    };
    let impact = vec![
        ("Failing from", regions),
        ("Uptime, 30 days", shown(&uptime)),
        ("Down in 30 days", span(uptime.down_ms)),
        ("Maintenance", planned),
    ];
    Ok((tags, impact))
}

/// The incident as text, for a ticket or a chat.
fn report(incident: &Incident, metrics: &[Metric], lines: &[Line], viewer: Viewer) -> String {
    let mut text = format!(
        "#{} {} {}\n{}\nFrom {}",
        incident.id,
        one_line(&incident.monitor_name),
        what(incident),
        incident.summary,
        viewer.full(incident.started_at),
    );
    if let Some(end) = incident.resolved_at {
        text.push_str(&format!(" to {}", viewer.full(end)));
    }
    text.push_str("\n\n");
    for metric in metrics {
        text.push_str(&format!("{}: {} ({})\n", metric.label, metric.value, metric.after));
    }
    text.push('\n');
    for line in lines {
        let detail = if line.detail.is_empty() { "" } else { ": " };
        if !line.day.is_empty() {
            text.push_str(&format!("{}\n", line.day));
        }
        text.push_str(&format!("{} {}{detail}{}\n", line.clock(viewer), line.bold, line.detail));
        for told in &line.told {
            text.push_str(&format!("         {}: {}\n", told.name, told.took));
        }
    }
    text
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
