//! One probe: what it says of itself, what it checks, and what can be done with it. Giving it another token shows the token once.

use actix_web::web;
use askama::Template;

use super::actions::{confirm, confirm_by_name, is_named};
use super::error::{Page, PageError, show};
use super::form::Input;
use super::probes::{FreshQuery, ProbeRow, clock, results, show_once};
use super::query::PageQuery;
use super::regions::RegionLine;
use super::text::{Html, count, millis, plural};
use super::visit::{Shell, Visit, see_other};
use crate::account::Permission;
use crate::incident::message::one_line;
use crate::monitor::{MonitorId, Status};
use crate::region::Probe;
use crate::store::briefs::{Brief, briefs};
use crate::store::monitors::{self, Filter};
use crate::store::{self, Conn};
use crate::web::api::probes as api;
use crate::web::shown_once::Fresh;

/// How many of its monitors stand on a probe's page.
const MONITORS_SHOWN: usize = 50;

/// A monitor that the probe checks.
struct Checked {
    id: MonitorId,
    name: String,
    /// What is held of it from there.
    there: RegionLine,
}

#[derive(Template)]
#[template(path = "pages/probe.html")]
struct ProbePage {
    shell: Shell,
    probe: ProbeRow,
    made: Html,
    lost: Option<Html>,
    clock: String,
    load: Vec<(&'static str, String)>,
    monitors: Vec<Checked>,
    fresh: Option<Fresh>,
    base_url: String,
    may_change: bool,
}

impl ProbePage {
    /// What it checks, counted.
    fn total(&self) -> String {
        plural(self.probe.monitors, "monitor")
    }

    /// The monitors that do not stand on the page, counted.
    fn others(&self) -> Option<String> {
        let others = self.probe.monitors.saturating_sub(self.monitors.len());
        (others > 0).then(|| plural(others, "other monitor"))
    }

    /// The list of all that it checks.
    fn all(&self) -> String {
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("region", &self.probe.region)
            .finish();
        format!("/monitors?{query}")
    }
}

async fn view(visit: &Visit, probe: Probe, fresh: Option<Fresh>) -> Page {
    let viewer = visit.viewer;
    let mut reader = visit.state.db.read().await?;
    let monitors = checked(visit, &mut reader.conn(), &probe.region).await?;
    drop(reader);
    let made = viewer.fixed_html(probe.created_at, &viewer.date(probe.created_at));
    let lost = probe.lost_at.filter(|_| probe.enabled).map(|at| viewer.ago_html(at));
    let probe = ProbeRow::of(visit, probe);
    show(&ProbePage {
        shell: visit.shell("probes", &format!("{}, {}", probe.name, probe.word)).await?,
        made,
        lost,
        clock: clock_words(&probe),
        load: load_lines(&probe),
        monitors,
        fresh,
        base_url: visit.state.base_url.get(),
        may_change: visit.who.role.may(Permission::Administer),
        probe,
    })
}

/// What is checked from `region`, what is in trouble first.
async fn checked(visit: &Visit, conn: &mut Conn<'_>, region: &str) -> store::Result<Vec<Checked>> {
    let filter = Filter { region: Some((region.to_owned(), false)), ..Filter::default() };
    let mut found = briefs(conn, &filter).await?;
    found.sort_by_key(urgency);
    let ids: Vec<MonitorId> = found.iter().take(MONITORS_SHOWN).map(|brief| brief.id).collect();
    let mut watched = monitors::by_ids(conn, &ids).await?;
    watched.sort_by_key(|watched| ids.iter().position(|id| *id == watched.monitor.id));
    let of = |watched: &monitors::Watched| Checked {
        id: watched.monitor.id,
        name: one_line(&watched.monitor.settings.name),
        there: RegionLine::of_monitor(watched, region, visit.viewer),
    };
    Ok(watched.iter().map(of).collect())
}

/// The less, the sooner somebody should look.
fn urgency(brief: &Brief) -> u8 {
    match brief.status {
        Status::Down => 0,
        _ if brief.is_confirming => 1,
        Status::Degraded => 2,
        Status::Pending => 3,
        Status::Up => 4,
        Status::Paused => 5,
    }
}

fn clock_words(probe: &ProbeRow) -> String {
    if !probe.has_come() {
        return "–".to_owned();
    }
    let (off, side) = clock(probe.seen.clock_ahead_ms);
    format!("{off} {side}")
}

/// What it said of its load, a line each; of one that never came nothing is known.
fn load_lines(probe: &ProbeRow) -> Vec<(&'static str, String)> {
    let load = &probe.seen.load;
    let said = |words: String| if probe.has_come() { words } else { "–".to_owned() };
    vec![
        ("Checks under way", said(count(load.in_flight))),
        ("Checks that wait", said(count(load.waiting))),
        ("Lateness, 99th percentile", said(millis(load.lateness_p99_ms))),
        ("To be sent", said(results(load.spooled))),
        ("Dropped", said(results(load.dropped))),
    ]
}

/// `GET /probes/{id}`.
pub async fn page(
    visit: Visit,
    id: web::Path<i64>,
    PageQuery(query): PageQuery<FreshQuery>,
) -> Page {
    let probe = api::find(&visit.state, *id).await?;
    view(&visit, probe, query.take(&visit)).await
}

/// `POST /probes/{id}/enabled`: disables it, or lets it work again.
pub async fn set_enabled(visit: Visit, id: web::Path<i64>, input: Input) -> Page {
    visit.must_be_allowed(Permission::Administer)?;
    let enabled = input.get("enabled") == "1";
    let probe = api::find(&visit.state, *id).await?;
    api::set(&visit.state, *id, &probe.name, enabled).await?;
    Ok(see_other(&format!("/probes/{id}")))
}

/// `GET /probes/{id}/rotate`: says what stops working.
pub async fn rotate_page(visit: Visit, id: web::Path<i64>) -> Page {
    visit.must_be_allowed(Permission::Administer)?;
    let probe = api::find(&visit.state, *id).await?;
    let words = (
        format!("Give {} a new token?", probe.name),
        "The present token is refused at once, and the probe stops. Start it again with the new one.".to_owned(),
        "Rotate token",
    );
    let (action, back) = (format!("/probes/{id}/rotate"), format!("/probes/{id}"));
    confirm(&visit, "probes", words, action, back).await
}

/// `POST /probes/{id}/rotate`: the page that follows has the token, this once.
pub async fn rotate(visit: Visit, id: web::Path<i64>) -> Page {
    visit.must_be_allowed(Permission::Administer)?;
    let token = api::give_token(&visit.state, *id).await?;
    let probe = api::find(&visit.state, *id).await?;
    Ok(show_once(&visit, &format!("/probes/{id}"), probe.name, token))
}

/// `GET /probes/{id}/delete`: names what would be lost.
pub async fn delete_page(visit: Visit, id: web::Path<i64>) -> Page {
    visit.must_be_allowed(Permission::Administer)?;
    let probe = api::find(&visit.state, *id).await?;
    ask_to_delete(&visit, &probe, None).await
}

async fn ask_to_delete(visit: &Visit, probe: &Probe, typed: Option<&Input>) -> Page {
    let words = (
        format!("Delete the probe {}?", one_line(&probe.name)),
        format!("Its token is refused at once, and there is no region {} any more.", probe.region),
        "Delete probe",
    );
    confirm_by_name(visit, "probes", words, &probe.name, format!("/probes/{}", probe.id), typed)
        .await
}

/// `POST /probes/{id}/delete`, with its name.
pub async fn delete(visit: Visit, id: web::Path<i64>, input: Input) -> Page {
    visit.must_be_allowed(Permission::Administer)?;
    let probe = api::find(&visit.state, *id).await?;
    if !is_named(&input, &probe.name) {
        return ask_to_delete(&visit, &probe, Some(&input)).await;
    }
    api::delete(&visit.state, *id).await.map_err(PageError::from)?;
    Ok(see_other("/probes"))
}
