//! `/metrics`: the figures of the server and of each monitor, in the text format of Prometheus (contract, section 8).

use std::fmt::Display;

use actix_web::{HttpRequest, HttpResponse, web};

use super::error::ApiError;
use super::guard;
use super::state::AppState;
use crate::account::Permission;
use crate::checker::meter::Reason;
use crate::clock::Timestamp;
use crate::metrics::{Page, seconds};
use crate::monitor::state::State;
use crate::monitor::{Status, Verdict};
use crate::notify::DeliveryState;
use crate::region::wire::Refusal;
use crate::store;
use crate::store::figures::{self, Brief};

const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";
/// Monitors read at a time, so that a scrape holds nothing up for long.
const AT_ONCE: i64 = 1000;

/// `GET /metrics`, for viewers, or for all when the settings say so.
///
/// # Errors
/// 401 and 403 for those who may not read; 500 when the database does not answer.
pub async fn metrics(
    req: HttpRequest,
    state: web::Data<AppState>,
) -> Result<HttpResponse, ApiError> {
    if !state.metrics_public {
        guard::require(&req, Permission::Read)?;
    }
    let mut page = Page::default();
    of_the_checker(&mut page, &state);
    of_probes(&mut page, &state).await?;
    of_the_outbox(&mut page, &state).await?;
    page.figure("pings_total", "counter", "Pings recorded since the start.")
        .value(state.engine.pings());
    of_monitors(&mut page, &all_monitors(&state).await?, state.clock.now());
    Ok(HttpResponse::Ok().content_type(CONTENT_TYPE).body(page.into_text()))
}

fn of_the_checker(page: &mut Page, state: &AppState) {
    let (meter, load) = (&state.meter, state.meter.load());
    let mut checks = page.figure("checks_total", "counter", "Checks made since the start.");
    for verdict in Verdict::ALL {
        checks.labelled(&[("verdict", verdict.as_str())], meter.checks(*verdict));
    }
    let mut skipped = page.figure("checks_skipped_total", "counter", "Checks that were left out.");
    for reason in Reason::ALL {
        skipped.labelled(&[("reason", reason.as_str())], meter.skipped_for(*reason));
    }
    page.figure("check_lateness_seconds", "histogram", "From when a check was due to its start.")
        .histogram(&meter.lateness);
    page.figure("checks_in_flight", "gauge", "Checks that run now.").value(load.in_flight);
    let mut queues = page.figure("queue_depth", "gauge", "What waits for its turn.");
    queues.labelled(&[("queue", "checks")], load.waiting);
    queues.labelled(&[("queue", "results")], load.unwritten);
}

async fn of_probes(page: &mut Page, state: &AppState) -> store::Result<()> {
    let probes = store::probes::list(&mut state.db.read().await?.conn(), i64::MAX, 0).await?;
    let mut up =
        page.figure("probe_up", "gauge", "1 while a probe is heard of, 0 while it is lost.");
    for probe in probes.iter().filter(|probe| probe.enabled) {
        let labels = [("name", &*probe.name), ("region", &*probe.region)];
        up.labelled(&labels, u8::from(probe.lost_at.is_none()));
    }
    let (new, repeated) = state.hub.results();
    let mut results =
        page.figure("probe_results_total", "counter", "Results that probes handed in.");
    results.labelled(&[("outcome", "new")], new);
    results.labelled(&[("outcome", "repeated")], repeated);
    let mut refused = page.figure("probe_refused_total", "counter", "What was refused of probes.");
    for refusal in Refusal::ALL {
        refused.labelled(&[("reason", refusal.as_str())], state.hub.refused(*refusal));
    }
    Ok(())
}

async fn of_the_outbox(page: &mut Page, state: &AppState) -> store::Result<()> {
    let counts = figures::deliveries(&mut state.db.read().await?.conn()).await?;
    let mut figure = page.figure("deliveries", "gauge", "Deliveries of alerts, by state.");
    for state in DeliveryState::ALL {
        let count = counts.iter().find(|(s, _)| s == state).map_or(0, |(_, count)| *count);
        figure.labelled(&[("state", state.as_str())], count);
    }
    Ok(())
}

async fn all_monitors(state: &AppState) -> store::Result<Vec<Brief>> {
    let mut all: Vec<Brief> = Vec::new();
    loop {
        let after = all.last().map_or(0, |brief| brief.id);
        let some = figures::monitors(&mut state.db.read().await?.conn(), after, AT_ONCE).await?;
        if some.is_empty() {
            return Ok(all);
        }
        all.extend(some);
    }
}

fn of_monitors(page: &mut Page, all: &[Brief], now: Timestamp) {
    gauge(page, all, "monitor_up", "1 while up or degraded, 0 while down.", is_up);
    let help = "How long the last check took.";
    gauge(page, all, "monitor_response_seconds", help, response_seconds);
    let help = "Until the certificate ends; below nought once it has ended.";
    gauge(page, all, "monitor_certificate_expiry_seconds", help, |state| {
        state.certificate.as_ref().map(|certificate| seconds(certificate.not_after.since(now)))
    });
}

/// A gauge of every monitor of which `value` knows one.
fn gauge<T: Display>(
    page: &mut Page,
    all: &[Brief],
    name: &'static str,
    help: &str,
    value: impl Fn(&State) -> Option<T>,
) {
    let mut figure = page.figure(name, "gauge", help);
    for brief in all {
        if let Some(value) = value(&brief.state) {
            let id = brief.id.to_string();
            let labels = [("id", &*id), ("name", &*brief.name), ("type", brief.kind.as_str())];
            figure.labelled(&labels, value);
        }
    }
}

/// Nothing is said of what is not watched, or not yet known.
fn is_up(state: &State) -> Option<u8> {
    match state.status {
        Status::Up | Status::Degraded => Some(1),
        Status::Down => Some(0),
        Status::Pending | Status::Paused => None,
    }
}

fn response_seconds(state: &State) -> Option<f64> {
    let is_watched = state.status != Status::Paused;
    let total_ms = state.last_check.filter(|_| is_watched)?.total_ms?;
    Some(seconds(i64::from(total_ms)))
}
