//! The monitor list: what is open, counts that filter, one row a monitor, worst first.

use actix_web::web;
use askama::Template;
use serde::Deserialize;

use super::error::{Page, show};
use super::escalation_state::EscalationState;
use super::row::{self, Row};
use super::status::Shown;
use super::text::{Html, Viewer, count, plural};
use super::visit::{Shell, Visit};
use crate::account::Permission;
use crate::incident::maintenance::MaintenanceWindow;
use crate::incident::{Incident, IncidentState};
use crate::monitor::{Kind, Status};
use crate::store::monitors::{Filter, Watched};
use crate::store::{self, Conn, incidents, monitors};

/// Rows that are shown at first, and that "Show more" adds.
const PAGE: i64 = 50;
/// Rows that are ever shown at once.
const MOST: i64 = 2000;

/// What the address asks for; all of the list's state is in it.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(default)]
pub struct ListQuery {
    status: String,
    tag: String,
    #[serde(rename = "type")]
    kind: String,
    q: String,
    show: Option<i64>,
}

impl ListQuery {
    fn is_filtered(&self) -> bool {
        !(self.status.is_empty()
            && self.tag.is_empty()
            && self.kind.is_empty()
            && self.q.trim().is_empty())
    }

    fn shown(&self) -> i64 {
        self.show.unwrap_or(PAGE).clamp(PAGE, MOST)
    }

    /// The address of the list with another status, or with more rows.
    fn link(&self, status: &str, show: Option<i64>) -> String {
        let mut query = form_urlencoded::Serializer::new(String::new());
        let given = [("status", status), ("tag", &self.tag), ("type", &self.kind), ("q", &self.q)];
        for (name, value) in given.iter().filter(|(_, value)| !value.is_empty()) {
            query.append_pair(name, value);
        }
        if let Some(show) = show {
            query.append_pair("show", &show.to_string());
        }
        let query = query.finish();
        if query.is_empty() { "/monitors".to_owned() } else { format!("/monitors?{query}") }
    }

    /// Everything but the status, which the chips count.
    fn base(&self) -> Filter {
        let text = |value: &str| (!value.trim().is_empty()).then(|| value.trim().to_owned());
        Filter {
            kind: self.kind.parse::<Kind>().ok(),
            tag: text(&self.tag),
            text: text(&self.q),
            attention_first: true,
            ..Filter::default()
        }
    }

    /// What was asked for in words, for when nothing fits.
    fn words(&self) -> String {
        let named =
            [("", &self.q), ("tag:", &self.tag), ("type:", &self.kind), ("status:", &self.status)];
        let words = named.iter().filter(|(_, value)| !value.is_empty());
        words.map(|(name, value)| format!("{name}{value}")).collect::<Vec<_>>().join(" + ")
    }
}

/// The states that have a chip, in its order.
const CHIPS: [Shown; 8] = [
    Shown::Down,
    Shown::Degraded,
    Shown::Late,
    Shown::Confirming,
    Shown::Maintenance,
    Shown::Waiting,
    Shown::Paused,
    Shown::Up,
];

fn narrowed(base: &Filter, state: Shown, covered: &[i64], viewer: Viewer) -> Filter {
    let mut filter = base.clone();
    match state {
        Shown::Down => filter.status = Some(Status::Down),
        Shown::Degraded => filter.status = Some(Status::Degraded),
        Shown::Waiting => filter.status = Some(Status::Pending),
        Shown::Paused => filter.status = Some(Status::Paused),
        Shown::Up => filter.status = Some(Status::Up),
        Shown::Late => filter.late_at = Some(viewer.now),
        Shown::Confirming => filter.confirming = true,
        Shown::Maintenance => filter.ids = Some(covered.to_vec()),
    }
    filter
}

/// A count that filters.
pub struct Chip {
    /// Its state; `None`: all.
    pub state: Option<Shown>,
    /// How many.
    pub count: String,
    /// Where it leads.
    pub link: String,
    /// Whether it is the present filter.
    pub is_current: bool,
}

impl Chip {
    /// The name of its count on the live stream.
    pub fn key(&self) -> &'static str {
        self.state.map_or("all", |state| state.class())
    }
}

/// An incident of the box above the list.
pub struct OpenIncident {
    /// Its number.
    pub id: i64,
    /// `Checkout API is down`.
    pub headline: String,
    /// The reason line.
    pub summary: String,
    /// How long it has lasted.
    pub lasting: Html,
    /// Who has it; empty for nobody.
    pub taken_by: String,
    /// Where its escalation stands.
    pub escalation: EscalationState,
}

impl OpenIncident {
    fn of(incident: &Incident, escalation: EscalationState, viewer: Viewer) -> Self {
        let taken = incident.state() == IncidentState::Acknowledged;
        let by = incident.acknowledged_by.as_deref().unwrap_or("somebody");
        Self {
            id: incident.id,
            headline: format!("{} is down", incident.monitor_name),
            summary: incident.summary.clone(),
            lasting: viewer.lasting_html(incident.started_at),
            taken_by: if taken { by.to_owned() } else { String::new() },
            escalation,
        }
    }
}

#[derive(Template)]
#[template(path = "pages/monitors.html")]
struct ListPage {
    shell: Shell,
    query: ListQuery,
    open: Vec<OpenIncident>,
    open_count: String,
    chips: Vec<Chip>,
    tags: Vec<String>,
    attention: Vec<Row>,
    rest: Vec<Row>,
    matches: String,
    more: Option<String>,
    may_edit: bool,
    nobody_told: bool,
}

#[derive(Template)]
#[template(path = "pages/empty.html")]
struct EmptyPage {
    shell: Shell,
    url: String,
    error: String,
    has_channel: bool,
}

/// `GET /monitors`.
pub async fn list(visit: Visit, query: web::Query<ListQuery>) -> Page {
    let query = query.into_inner();
    let viewer = visit.viewer;
    let shell = visit.shell("monitors", "Monitors").await?;
    if shell.monitors == "0" {
        return empty(&visit, "", "").await;
    }
    let mut reader = visit.state.db.read().await?;
    let conn = &mut reader.conn();
    let base = query.base();
    let covered = covered(conn, viewer).await?;
    let chosen = CHIPS.into_iter().find(|state| state.class() == query.status);
    let filter =
        chosen.map_or_else(|| base.clone(), |state| narrowed(&base, state, &covered, viewer));
    let chips = chips(conn, &query, &base, &covered, viewer).await?;
    let found = monitors::list(conn, &filter, query.shown(), 0).await?;
    let total = monitors::count(conn, &filter).await?;
    let (past, windows) = row::past(conn, &found, viewer).await?;
    let rows = found.iter().map(|watched| Row::of(watched, &past, &windows, viewer));
    let (attention, rest): (Vec<Row>, Vec<Row>) = rows.partition(Row::is_problem);
    let unresolved = incidents::Filter { unresolved: Some(true), ..Default::default() };
    let mut open = Vec::new();
    for incident in incidents::list(conn, unresolved, 5, 0).await? {
        let escalation = EscalationState::of(conn, &incident, viewer).await?;
        open.push(OpenIncident::of(&incident, escalation, viewer));
    }
    let more = total - query.shown();
    show(&ListPage {
        open,
        open_count: shell.open_incidents.clone(),
        chips,
        tags: monitors::tags(conn).await?,
        attention,
        rest,
        matches: if query.is_filtered() {
            format!("{} of {} match", count_i64(total), shell.monitors)
        } else {
            String::new()
        },
        more: (more > 0).then(|| query.link(&query.status, Some(query.shown() + PAGE))),
        may_edit: visit.who.role.may(Permission::Edit),
        nobody_told: super::channels::nobody_is_told(conn).await?,
        shell,
        query,
    })
}

/// The page of an installation that watches nothing yet; `error` says what is wrong with the `url` that was tried.
///
/// # Errors
/// When the database fails.
pub async fn empty(visit: &Visit, url: &str, error: &str) -> Page {
    let shell = visit.shell("monitors", "What should we watch?").await?;
    let mut reader = visit.state.db.read().await?;
    let has_channel = !super::channels::nobody_is_told(&mut reader.conn()).await?;
    show(&EmptyPage { shell, url: url.to_owned(), error: error.to_owned(), has_channel })
}

async fn chips(
    conn: &mut Conn<'_>,
    query: &ListQuery,
    base: &Filter,
    covered: &[i64],
    viewer: Viewer,
) -> store::Result<Vec<Chip>> {
    let all = monitors::count(conn, base).await?;
    let mut chips = vec![Chip {
        state: None,
        count: count_i64(all),
        link: query.link("", None),
        is_current: query.status.is_empty(),
    }];
    for state in CHIPS {
        let n = monitors::count(conn, &narrowed(base, state, covered, viewer)).await?;
        let is_current = query.status == state.class();
        // A chip for nothing is noise, but the one that is chosen must stay to be seen.
        if n > 0 || is_current {
            chips.push(Chip {
                state: Some(state),
                count: count_i64(n),
                link: query.link(state.class(), None),
                is_current,
            });
        }
    }
    Ok(chips)
}

fn count_i64(n: i64) -> String {
    count(usize::try_from(n).unwrap_or_default())
}

/// The monitors that an open window covers.
async fn covered(conn: &mut Conn<'_>, viewer: Viewer) -> store::Result<Vec<i64>> {
    let open: Vec<MaintenanceWindow> = store::windows::ending_after(conn, viewer.now)
        .await?
        .into_iter()
        .filter(|window| window.is_active(viewer.now))
        .collect();
    let mut ids: Vec<i64> = open.iter().flat_map(|w| w.monitor_ids.iter().copied()).collect();
    for tag in open.iter().flat_map(|w| &w.tags) {
        let filter = Filter { tag: Some(tag.clone()), ..Filter::default() };
        let tagged: Vec<Watched> = monitors::list(conn, &filter, 100_000, 0).await?;
        ids.extend(tagged.iter().map(|watched| watched.monitor.id));
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}

/// The counts of the whole list, for the live stream: name and number, ready to be shown.
///
/// # Errors
/// When the database fails.
pub async fn counts(
    conn: &mut Conn<'_>,
    viewer: Viewer,
) -> store::Result<Vec<(&'static str, i64)>> {
    let base = Filter::default();
    let covered = covered(conn, viewer).await?;
    let mut counts = vec![("all", monitors::count(conn, &base).await?)];
    for state in CHIPS {
        let n = monitors::count(conn, &narrowed(&base, state, &covered, viewer)).await?;
        counts.push((state.class(), n));
    }
    let unresolved = incidents::Filter { unresolved: Some(true), ..Default::default() };
    counts.push(("open", incidents::count(conn, unresolved).await?));
    Ok(counts)
}

impl ListPage {
    fn no_match(&self) -> String {
        format!("No monitor matches {}.", self.query.words())
    }

    fn attention_count(&self) -> String {
        plural(self.attention.len(), "monitor")
    }
}
