//! Writes the story into a database, as the server would have written it.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use watchbell::account::password::Passwords;
use watchbell::account::{Role, user};
use watchbell::clock::Timestamp;
use watchbell::incident::maintenance::MaintenanceWindow;
use watchbell::incident::{Incident, TimelineKind, message};
use watchbell::monitor::expect::Expected;
use watchbell::monitor::heartbeat::SignalKind;
use watchbell::monitor::state::{Failing, LastCheck, State};
use watchbell::monitor::{
    Cause, CheckError, ErrorKind, FailedChecks, Kind, Monitor, MonitorId, Settings, Status,
    StatusChange, Target,
};
use watchbell::report::roller::Roller;
use watchbell::seal::Sealer;
use watchbell::store::history::{self, NewPing, Ping};
use watchbell::store::monitors::Watched;
use watchbell::store::results::{self, NewResult};
use watchbell::store::{Db, incidents, monitors, new_pings, timeline, windows};

use super::past::{self, Chance, DAY, HOUR, MINUTE, Trouble};
use super::story::{self, Now, Told};
use super::{EMAIL, PASSWORD, alerting, targets};

/// The number of the incident that Checkout API has in the pictures.
const CHECKOUT_INCIDENT: usize = 1842;
const REGION: &str = "local";

/// What was written, in words.
///
/// # Errors
/// When the database fails.
pub async fn fill(
    db: &Db,
    sealer: &Sealer,
    count: usize,
    now: Timestamp,
) -> anyhow::Result<String> {
    let passwords = Passwords::default();
    user::create(db, &passwords, EMAIL, PASSWORD, Role::Admin, now.plus_ms(-92 * DAY))
        .await
        .map_err(|e| anyhow::anyhow!("{e}"))?;
    let mut told = story::monitors(count);
    alerting::add(db, sealer, &mut told, now).await?;
    let made = make(db, sealer, &told, now).await?;
    add_windows(db, &told, &made, now).await?;
    let episodes = add_incidents(db, &told, &made, now).await?;
    let rows = add_results(db, &told, &made, now).await?;
    let mut roller = Roller::new(db.clone());
    roller.round(now, &CancellationToken::new()).await?;
    Ok(format!("{count} monitors, {episodes} incidents and {rows} results and pings are written."))
}

/// The monitors with their states and their changes of status.
async fn make(
    db: &Db,
    sealer: &Sealer,
    told: &[Told],
    now: Timestamp,
) -> anyhow::Result<Vec<Watched>> {
    let mut made = Vec::new();
    let mut tx = db.begin().await?;
    for (n, told) in told.iter().enumerate() {
        let settings = Settings::read(&told.fields, told.kind, None)
            .map_err(|e| anyhow::anyhow!("{}: {e:?}", told.name()))?;
        let uuid = matches!(settings.target, Target::Heartbeat(_))
            .then(|| Uuid::from_u128(0x6b65_7374_7265_6c00_4000_8000_0000_0000 | n as u128));
        let born = now.plus_ms(-told.age_days * DAY);
        let mut watched = monitors::insert(&mut tx.conn(), sealer, &settings, uuid, born).await?;
        place(&mut watched, told, now);
        let changes = changes(told, born, now);
        let changes: Vec<_> =
            changes.into_iter().map(|change| (watched.monitor.id, change)).collect();
        history::insert_status_changes(&mut tx.conn(), &changes).await?;
        if watched.state.status == Status::Paused {
            Arc::make_mut(&mut watched.monitor).paused = true;
            monitors::set_paused(&mut tx.conn(), watched.monitor.id, true).await?;
        }
        monitors::save_states(&mut tx.conn(), &[(watched.monitor.id, &watched.state)]).await?;
        made.push(watched);
    }
    tx.commit().await?;
    Ok(made)
}

fn troubles(told: &Told, now: Timestamp) -> Vec<Trouble> {
    match &told.troubles {
        None => past::usual_troubles(told.name(), now),
        Some(troubles) => troubles
            .iter()
            .map(|(status, ago, lasted)| {
                let from = now.plus_ms(-ago);
                Trouble { status: *status, from, to: from.plus_ms(*lasted) }
            })
            .collect(),
    }
}

fn changes(told: &Told, born: Timestamp, now: Timestamp) -> Vec<StatusChange> {
    let mut changes = past::changes(born, &troubles(told, now));
    let last = match told.now {
        Now::Down(ago) => Some((Status::Down, ago)),
        Now::Degraded(ago) => Some((Status::Degraded, ago)),
        Now::Paused(ago) => Some((Status::Paused, ago)),
        _ => None,
    };
    changes.extend(
        last.map(|(status, ago)| StatusChange { at: now.plus_ms(-ago), status: Some(status) }),
    );
    changes
}

/// Puts a monitor where the story has it now.
fn place(watched: &mut Watched, told: &Told, now: Timestamp) {
    let Watched { monitor, state } = watched;
    let settled = troubles(told, now).last().map_or(state.since, |last| last.to);
    (state.status, state.since) = match told.now {
        Now::Down(ago) => (Status::Down, now.plus_ms(-ago)),
        Now::Degraded(ago) => (Status::Degraded, now.plus_ms(-ago)),
        Now::Paused(ago) => (Status::Paused, now.plus_ms(-ago)),
        _ => (Status::Up, settled),
    };
    match &monitor.settings.target {
        Target::Heartbeat(_) => place_beat(monitor, state, told, now),
        target => {
            let interval =
                target.pace().map_or(60, |pace| i64::from(pace.check_interval_seconds)) * 1000;
            let ago = match told.now {
                Now::Paused(ago) => ago,
                _ => Chance::of(told.name()).below(interval),
            };
            let at = now.plus_ms(-ago);
            let result = targets::result(&host(monitor), REGION, at);
            state.last_check = Some(LastCheck {
                at,
                verdict: result.verdict,
                status_code: result.status_code,
                total_ms: result.phases.total,
            });
            if told.now == Now::Confirming {
                state.failing = Some(Failing { first_at: at, count: 1 });
            }
        }
    }
    state.cause = cause(told);
}

fn place_beat(monitor: &Monitor, state: &mut State, told: &Told, now: Timestamp) {
    let Target::Heartbeat(spec) = &monitor.settings.target else { return };
    let gap = i64::from(spec.expected.usual_gap_seconds()) * 1000;
    let last = match told.now {
        Now::Late(ago) => now.plus_ms(-ago - gap),
        Now::Down(ago) => now.plus_ms(-ago - gap - i64::from(spec.grace_seconds) * 1000),
        Now::Paused(ago) => now.plus_ms(-ago - HOUR),
        _ => match &spec.expected {
            // On its time, as good jobs are.
            Expected::At(schedule) => {
                schedule.previous(now).plus_ms(Chance::of(told.name()).below(5_000)).min(now)
            }
            Expected::Every { .. } => {
                now.plus_ms(-Chance::of(told.name()).below(gap.min(2 * HOUR)))
            }
        },
    };
    state.beat.pings = PINGS;
    (state.beat.last_ping_at, state.beat.last_success_at) = (Some(last), Some(last));
    if state.status != Status::Paused {
        let due = match told.now {
            Now::Late(ago) => now.plus_ms(-ago),
            _ => spec.expected.due_after_success(last, spec.grace_seconds),
        };
        (state.beat.due_at, state.beat.deadline_at) =
            (Some(due), Some(due.plus_seconds(spec.grace_seconds)));
    }
}

fn host(monitor: &Monitor) -> String {
    monitor.settings.target.url().and_then(|url| url.host_str()).unwrap_or_default().to_owned()
}

fn cause(told: &Told) -> Option<Cause> {
    let check = |status_code, kind, text: &str, parts: &[(&str, &str)]| Cause::Check {
        status_code,
        error: CheckError::new(kind, text),
        failed_checks: parts
            .iter()
            .map(|(path, text)| ((*path).to_owned(), (*text).to_owned()))
            .collect::<FailedChecks>(),
    };
    match (told.now, told.kind) {
        (Now::Down(ago), Kind::Heartbeat) => Some(Cause::NoPing {
            silent_ms: ago + HOUR,
            expected: "every 1h".to_owned(),
            grace_seconds: 600,
        }),
        (Now::Down(_), _) => Some(check(
            Some(503),
            ErrorKind::Status,
            "status 503",
            &[("checks.database", "error: connection pool exhausted")],
        )),
        (Now::Confirming, _) => Some(check(None, ErrorKind::Timeout, "timeout after 10s", &[])),
        _ => None,
    }
}

/// The window that is open, one to come, and those that are over.
async fn add_windows(
    db: &Db,
    told: &[Told],
    made: &[Watched],
    now: Timestamp,
) -> anyhow::Result<()> {
    let id_of =
        |name: &str| made.iter().find(|w| w.monitor.settings.name == name).map(|w| w.monitor.id);
    let quiet: Vec<MonitorId> = told
        .iter()
        .zip(made)
        .filter(|(t, _)| t.now == Now::Maintenance)
        .map(|(_, w)| w.monitor.id)
        .collect();
    let window = |name: &str, ids: Vec<MonitorId>, from: i64, to: i64| MaintenanceWindow {
        id: 0,
        name: name.to_owned(),
        monitor_ids: ids,
        tags: Vec::new(),
        starts_at: now.plus_ms(from),
        ends_at: now.plus_ms(to),
        repeats: None,
    };
    let card_vault: Vec<MonitorId> = id_of("Card vault").into_iter().collect();
    let refunds: Vec<MonitorId> = id_of("Refund service").into_iter().collect();
    let planned = [
        window("Refund service database upgrade", quiet, -40 * MINUTE, 80 * MINUTE),
        window("Key rotation", card_vault, -22 * DAY, -22 * DAY + 6 * HOUR),
        window("Refund service schema change", refunds, -29 * DAY, -29 * DAY + 3 * HOUR),
        window(
            "Core switch replacement",
            made.iter().take(40).map(|w| w.monitor.id).collect(),
            3 * DAY,
            3 * DAY + 2 * HOUR,
        ),
    ];
    let mut tx = db.begin().await?;
    for window in planned {
        windows::insert(&mut tx.conn(), &window).await?;
    }
    Ok(tx.commit().await?)
}

struct Episode<'a> {
    watched: &'a Watched,
    from: Timestamp,
    to: Option<Timestamp>,
    cause: Cause,
    acknowledged: bool,
}

/// An incident for each outage, oldest first, so that Checkout API's has the number of the pictures.
async fn add_incidents(
    db: &Db,
    told: &[Told],
    made: &[Watched],
    now: Timestamp,
) -> anyhow::Result<usize> {
    let mut episodes: Vec<Episode<'_>> = Vec::new();
    for (told, watched) in told.iter().zip(made) {
        let over = troubles(told, now).into_iter().filter(|t| t.status == Status::Down);
        let usual = || match told.kind {
            Kind::Heartbeat => Cause::ReportedFailure { exit_status: Some(1) },
            _ => Cause::Check {
                status_code: Some(502),
                error: CheckError::new(ErrorKind::Status, "status 502"),
                failed_checks: FailedChecks::new(),
            },
        };
        episodes.extend(over.map(|t| Episode {
            watched,
            from: t.from,
            to: Some(t.to),
            cause: usual(),
            acknowledged: t.from.0 % 3 == 0,
        }));
    }
    episodes.sort_by_key(|episode| episode.from);
    // More or fewer than the pictures have come from before the story; the newest stay.
    let before = CHECKOUT_INCIDENT - 1;
    if episodes.len() > before {
        episodes.drain(..episodes.len() - before);
    } else if let Some(oldest) = made.last() {
        let missing = before - episodes.len();
        let first = now.plus_ms(-91 * DAY);
        let step = DAY / missing.max(1) as i64;
        let long_ago = (0..missing as i64).map(|n| Episode {
            watched: oldest,
            from: first.plus_ms(n * step),
            to: Some(first.plus_ms(n * step + 5 * MINUTE)),
            cause: Cause::ReportedFailure { exit_status: Some(1) },
            acknowledged: false,
        });
        episodes.splice(0..0, long_ago.collect::<Vec<_>>());
    }
    // Checkout API before Ledger export, as the pictures count them.
    for (told, watched) in told.iter().zip(made) {
        if let (Now::Down(ago), Some(cause)) = (told.now, cause(told)) {
            episodes.push(Episode {
                watched,
                from: now.plus_ms(-ago),
                to: None,
                cause,
                acknowledged: told.name() == "Checkout API",
            });
        }
    }
    let mut tx = db.begin().await?;
    for episode in &episodes {
        add_incident(&mut tx.conn(), episode, now).await?;
    }
    tx.commit().await?;
    Ok(episodes.len())
}

async fn add_incident(
    conn: &mut watchbell::store::Conn<'_>,
    episode: &Episode<'_>,
    now: Timestamp,
) -> anyhow::Result<()> {
    let confirmed_at = episode.from.plus_ms(20_000);
    let acknowledged_at = episode.acknowledged.then(|| match episode.to {
        Some(to) => episode.from.plus_ms(to.since(episode.from) / 2),
        None => now.plus_ms(-5 * MINUTE),
    });
    let mut incident = Incident {
        id: 0,
        monitor_id: Some(episode.watched.monitor.id),
        monitor_name: episode.watched.monitor.settings.name.clone(),
        started_at: episode.from,
        confirmed_at,
        acknowledged_at,
        acknowledged_by: acknowledged_at.map(|_| EMAIL.to_owned()),
        resolved_at: episode.to,
        cause: episode.cause.clone(),
        summary: message::reason(&episode.cause),
        regions: vec![REGION.to_owned()],
        alerts_held: false,
    };
    incident.id = incidents::open(conn, &incident).await?;
    incidents::update(conn, &incident).await?;
    let told = "#ops-alerts, On-call list";
    let mut lines = vec![
        (episode.from, TimelineKind::Detected, incident.summary.as_str()),
        (confirmed_at, TimelineKind::Confirmed, ""),
        (confirmed_at, TimelineKind::Notified, told),
        (confirmed_at.plus_ms(1_200), TimelineKind::Delivered, "#ops-alerts"),
    ];
    lines.extend(acknowledged_at.map(|at| (at, TimelineKind::Acknowledged, EMAIL)));
    lines.extend(episode.to.map(|at| (at, TimelineKind::Resolved, "")));
    for (at, kind, detail) in lines {
        timeline::add(conn, incident.id, at, kind, detail).await?;
    }
    Ok(())
}

/// Pings that are kept of each heartbeat.
const PINGS: i64 = 48;

/// The checks of the last day, one in five minutes, and the latest pings.
async fn add_results(
    db: &Db,
    told: &[Told],
    made: &[Watched],
    now: Timestamp,
) -> anyhow::Result<usize> {
    let mut written = 0;
    for chunk in told.iter().zip(made).collect::<Vec<_>>().chunks(50) {
        let (mut results, mut pings) = (Vec::new(), Vec::new());
        for (told, watched) in chunk {
            if matches!(watched.monitor.settings.target, Target::Heartbeat(_)) {
                pings.extend(pings_of(watched));
            } else if !matches!(told.now, Now::Paused(_)) {
                results.extend(results_of(told, watched, now));
            }
        }
        let mut tx = db.begin().await?;
        results::insert(&mut tx.conn(), &results).await?;
        new_pings::insert_pings(&mut tx.conn(), &pings).await?;
        tx.commit().await?;
        written += results.len() + pings.len();
    }
    Ok(written)
}

fn results_of(told: &Told, watched: &Watched, now: Timestamp) -> Vec<NewResult> {
    let last = watched.state.last_check.map_or(now, |last| last.at);
    let host = host(&watched.monitor);
    let (step, well_until) = match told.now {
        Now::Down(ago) => (30_000, now.plus_ms(-ago)),
        Now::Confirming => (MINUTE, now.plus_ms(-MINUTE)),
        Now::Degraded(ago) => (MINUTE, now.plus_ms(-ago)),
        _ => (5 * MINUTE, now),
    };
    let results = (0..DAY / step).map(|back| last.plus_ms(-back * step)).map(|at| {
        let mut result = targets::result(&host, REGION, at);
        if at < well_until {
            result.verdict = watchbell::monitor::Verdict::Up;
            (result.status_code, result.error) = (Some(200), None);
            result.failed_checks.clear();
        }
        NewResult {
            monitor_id: watched.monitor.id,
            result,
            in_maintenance: told.now == Now::Maintenance && now.since(at) < 40 * MINUTE,
        }
    });
    results.collect()
}

fn pings_of(watched: &Watched) -> Vec<NewPing> {
    let Target::Heartbeat(spec) = &watched.monitor.settings.target else { return Vec::new() };
    let gap = i64::from(spec.expected.usual_gap_seconds()) * 1000;
    let last = watched.state.beat.last_success_at.unwrap_or(watched.state.since);
    let mut chance = Chance::of(&watched.monitor.settings.name);
    let pings = (1..=PINGS).map(|n| {
        let at =
            last.plus_ms((n - PINGS) * gap + if n == PINGS { 0 } else { chance.below(20_000) });
        let ping = Ping {
            n,
            at,
            kind: SignalKind::Success,
            method: "POST".to_owned(),
            remote_addr: "10.20.0.14".to_owned(),
            user_agent: "curl/8.5.0".to_owned(),
            rid: None,
            exit_status: Some(0),
            duration_ms: Some(40_000 + chance.below(90_000)),
            body_bytes: 0,
            note: None,
        };
        NewPing { monitor_id: watched.monitor.id, ping, body: None }
    });
    pings.collect()
}
