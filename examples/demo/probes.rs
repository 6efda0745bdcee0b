//! Probes that nobody runs, for pictures.

use std::sync::Arc;

use watchbell::clock::Timestamp;
use watchbell::monitor::state::{LastCheck, State};
use watchbell::monitor::{CheckResult, Kind, Monitor, RegionState};
use watchbell::region::Seen;
use watchbell::region::wire::Load;
use watchbell::seal::Sealer;
use watchbell::store::monitors::{self, Filter, Watched};
use watchbell::store::results::{self, NewResult, StoredResult};
use watchbell::store::{Conn, Db, incidents, probes};

use super::past::{DAY, MINUTE};
use super::{alerting, targets};

/// From where else what matters most is looked at: the region, how long the way there is in ms, how much later it looks in ms, and how
/// long it has been silent in ms.
const ELSEWHERE: [(&str, u32, i64, i64); 3] = [
    ("eu-west", 12, 7_000, 0),
    ("us-east", 84, 15_000, 0),
    ("ap-southeast", 168, 22_000, 4 * MINUTE),
];
const OWN: &str = "local";

/// Probes as pictures show them: while the demonstration runs nobody speaks for them, and they would be lost.
///
/// # Errors
/// When the database fails.
pub async fn add(db: &Db, sealer: &Sealer, now: Timestamp) -> anyhow::Result<()> {
    let told = [
        ("fra-1", "eu-west", Some((1_000, 14)), true),
        ("nyc-1", "us-east", Some((2_000, 92)), true),
        ("sin-1", "ap-southeast", Some((4 * MINUTE, 178)), true),
        ("gru-1", "sa-east", None, false),
    ];
    let mut tx = db.begin().await?;
    for (name, region, heard, enabled) in told {
        let born = now.plus_ms(-80 * DAY);
        let hash = watchbell::seal::hash_token(name);
        let id = probes::insert(&mut tx.conn(), name, region, &hash, born).await?;
        probes::update(&mut tx.conn(), id, name, enabled).await?;
        let Some((silent_ms, latency)) = heard else { continue };
        let at = now.plus_ms(-silent_ms);
        let version = env!("CARGO_PKG_VERSION").to_owned();
        let load = Load { monitors: 4, lateness_p99_ms: latency / 8, ..Load::default() };
        let clock_ahead_ms = latency - 60;
        let seen = Seen { version, latency_ms: Some(latency), clock_ahead_ms, load };
        probes::set_seen(&mut tx.conn(), id, at, &seen).await?;
        if silent_ms > MINUTE {
            probes::set_lost(&mut tx.conn(), id, Some((at.plus_ms(90_000), &[]))).await?;
        }
    }
    let filter =
        Filter { kind: Some(Kind::Http), tag: Some(alerting::TAG.to_owned()), ..Filter::default() };
    for watched in monitors::list(&mut tx.conn(), &filter, 100, 0).await? {
        look_from_elsewhere(&mut tx.conn(), sealer, watched, now).await?;
    }
    Ok(tx.commit().await?)
}

/// Has a monitor looked at from all regions, which find what the server finds.
async fn look_from_elsewhere(
    conn: &mut Conn<'_>,
    sealer: &Sealer,
    Watched { mut monitor, mut state }: Watched,
    now: Timestamp,
) -> anyhow::Result<()> {
    let regions: Vec<String> = std::iter::once(OWN)
        .chain(ELSEWHERE.map(|(region, ..)| region))
        .map(str::to_owned)
        .collect();
    if let Some(pace) = Arc::make_mut(&mut monitor).settings.target.pace_mut() {
        pace.regions = regions.clone();
    }
    monitors::update(conn, sealer, &monitor).await?;
    let found = results::since(conn, monitor.id, now.plus_ms(-DAY), 10_000).await?;
    let own = found.last().map(|stored| held(&state, &stored.result));
    state.regions.extend(own.map(|own| (OWN.to_owned(), own)));
    for (region, way_ms, later_ms, silent_ms) in ELSEWHERE {
        let until = now.plus_ms(-silent_ms);
        let there =
            found.iter().map(|stored| seen_from(region, &monitor, stored, way_ms, later_ms));
        let there: Vec<_> = there.filter(|new| new.result.started_at < until).collect();
        results::insert(conn, &there).await?;
        let last = there.last().map(|new| held(&state, &new.result));
        state.regions.extend(last.map(|last| (region.to_owned(), last)));
    }
    monitors::save_states(conn, &[(monitor.id, &state)]).await?;
    let filter = incidents::Filter {
        monitor_id: Some(monitor.id),
        unresolved: Some(true),
        ..Default::default()
    };
    for mut incident in incidents::list(conn, filter, 1, 0).await? {
        incident.regions = regions.clone();
        incidents::update(conn, &incident).await?;
    }
    Ok(())
}

fn seen_from(
    region: &str,
    monitor: &Monitor,
    stored: &StoredResult,
    way_ms: u32,
    later_ms: i64,
) -> NewResult {
    let at = stored.result.started_at.plus_ms(later_ms);
    let host = monitor.settings.target.url().and_then(|url| url.host_str()).unwrap_or_default();
    let made_up = targets::result(host, region, at);
    let mut result = CheckResult {
        region: region.to_owned(),
        started_at: at,
        phases: made_up.phases,
        answer: made_up.answer,
        ..stored.result.clone()
    };
    for phase in [&mut result.phases.connect, &mut result.phases.total] {
        *phase = phase.map(|ms| ms + way_ms);
    }
    NewResult { monitor_id: monitor.id, result, in_maintenance: stored.in_maintenance }
}

/// What a region holds of a monitor whose last check from there found `result`.
fn held(whole: &State, result: &CheckResult) -> RegionState {
    RegionState {
        status: whole.status,
        since: whole.since,
        failing: None,
        successes: 0,
        cause: whole.cause.clone(),
        last_check: Some(LastCheck {
            at: result.started_at,
            verdict: result.verdict,
            status_code: result.status_code,
            total_ms: result.phases.total,
        }),
        unknown_since: None,
    }
}
