//! Checks at a pace: how late they begin, and what one costs beside a bare GET of the same target at the same pace.

use std::collections::{HashMap, HashSet};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;
use watchbell::clock::Timestamp;
use watchbell::monitor::schedule::next_slot;

use super::ROUNDS;
use super::floor::bare_gets;
use super::program::{Program, connect, make_monitors};
use super::report::{at, median, part, row};
use super::target::Target;

/// Monitors that are every second more than the machine can: about four times as much.
const TOO_MANY: usize = 30_000;
const INTERVAL_SECONDS: u64 = 20;

/// What is measured, and for how long.
struct Plan {
    monitors: usize,
    interval_seconds: u64,
    /// Before the measuring begins.
    settle: Duration,
    /// A round of it.
    round: Duration,
}

/// What a run of Watchbell came to.
struct Run {
    checks: f64,
    seconds: f64,
    /// Processor time of a check in µs, which is that of 1,000 in ms; the median of the rounds.
    check_us: f64,
    rss_mb: f64,
    skipped: f64,
    /// Bytes handed to the disk.
    written: f64,
    /// By how many bytes the database grew for a result.
    growth: f64,
    /// When the checks of the measured time began: monitor and moment.
    starts: Vec<(i64, i64)>,
    incidents: i64,
    /// Results that are not `up`.
    not_up: i64,
    ready: u16,
}

pub async fn measure() {
    let target = Target::start();
    // `CHECKS_BENCH_SECONDS=30` for half as long.
    let seconds = std::env::var("CHECKS_BENCH_SECONDS").ok().and_then(|s| s.parse().ok());
    let seconds: u64 = seconds.unwrap_or(60);
    // The first check that is seen of a monitor says nothing of its lateness.
    assert!(
        seconds > INTERVAL_SECONDS,
        "CHECKS_BENCH_SECONDS must be more than {INTERVAL_SECONDS}"
    );
    part(&format!(
        "checks every {INTERVAL_SECONDS} s: medians of {ROUNDS} rounds in {seconds} s, lateness of all of them; floor: bare reqwest GETs at the same pace"
    ));
    let round = Duration::from_secs(seconds) / ROUNDS as u32;
    let mut least = None;
    for (monitors, settle) in [(100, 5), (1_000, 0), (10_000, 25)] {
        // From a cold start on, all of two intervals is looked at.
        let round = if settle == 0 { round.max(Duration::from_secs(14)) } else { round };
        let settle = Duration::from_secs(settle);
        let plan = Plan { monitors, interval_seconds: INTERVAL_SECONDS, settle, round };
        let a_second = monitors as u64 / INTERVAL_SECONDS;
        let before = bare_gets(&target.port, a_second, round.as_secs() / 2);
        let run = watch(&target.port, &plan).await;
        let after = bare_gets(&target.port, a_second, round.as_secs() / 2);
        show(monitors, &run, (before + after) / 2.0);
        let least = *least.get_or_insert(run.check_us);
        if monitors == 10_000 {
            row("CPU of 1,000 checks of 10,000 monitors, beside that of 100, ms", run.check_us)
                .beside(least)
                .aim("ratio <= 1.2")
                .write();
        }
        if plan.settle.is_zero() {
            show_cold(&run);
        }
    }
    show_too_many(&target.port, round).await;
}

/// The lines of a number of monitors. What is promised of 10,000 is an aim of fewer only where it does not depend on how many share it.
fn show(monitors: usize, run: &Run, floor_us: f64) {
    let row = |what: &str, value: f64| row(format!("{monitors} monitors: {what}"), value);
    let (is_all, late) = (monitors == 10_000, latenesses_ms(&run.starts));
    row("lateness p50, ms", at(&late, 0.5)).write();
    row("lateness p99, ms", at(&late, 0.99)).aim("< 50").write();
    row("lateness max, ms", at(&late, 1.0)).write();
    row("checks that were skipped", run.skipped).aim("= 0").write();
    row("checks that were not up, and incidents", (run.not_up + run.incidents) as f64)
        .aim("= 0")
        .write();
    row("checks a second", run.checks / run.seconds).write();
    let cpu = row("CPU of 1,000 checks, ms", run.check_us).beside(floor_us);
    if is_all { cpu.aim("ratio <= 1.25") } else { cpu }.write();
    let memory = row("memory, MB", run.rss_mb);
    if is_all { memory.aim("< 100") } else { memory }.write();
    row("written a check, bytes", run.written / run.checks).write();
    let growth = row("database growth a result, bytes", run.growth);
    if is_all { growth.aim("<= 50") } else { growth }.write();
}

/// How the first round is spread.
fn show_cold(run: &Run) {
    let first = run.starts.iter().map(|(_, at)| *at).min().unwrap();
    let mut seen = HashMap::new();
    let mut by_second = [0.0; 40];
    for (id, at) in &run.starts {
        let at = at - first;
        seen.entry(*id).and_modify(|old: &mut i64| *old = at.min(*old)).or_insert(at);
        if let Some(second) = by_second.get_mut((at / 1000) as usize) {
            *second += 1.0;
        }
    }
    let last = *seen.values().max().unwrap() as f64 / 1e3;
    row("1000 monitors: from a cold start to the last first check, s", last).aim("<= 20").write();
    row("1000 monitors: monitors checked by then", seen.len() as f64).aim("= 1000").write();
    let fullest = at(&by_second, 1.0);
    row("1000 monitors: checks in the fullest second, beside its share", fullest)
        .beside(1_000.0 / INTERVAL_SECONDS as f64)
        .aim("ratio <= 1.3")
        .write();
}

/// What becomes of more work than the machine can do.
async fn show_too_many(port: &str, round: Duration) {
    let settle = Duration::from_secs(10);
    let round = round / ROUNDS as u32;
    let run = watch(port, &Plan { monitors: TOO_MANY, interval_seconds: 1, settle, round }).await;
    let row = |what: &str, value: f64| row(format!("30000 every second: {what}"), value);
    row("checks a second", run.checks / run.seconds).write();
    row("work, in capacities", TOO_MANY as f64 * run.seconds / run.checks).write();
    row("skipped a second", run.skipped / run.seconds).write();
    row("not up, and incidents", (run.not_up + run.incidents) as f64).aim("= 0").write();
    let mut counts = HashMap::<i64, f64>::new();
    run.starts.iter().for_each(|(id, _)| *counts.entry(*id).or_default() += 1.0);
    let counts: Vec<f64> = counts.into_values().collect();
    row("monitors that were checked", counts.len() as f64).write();
    row("checks of the monitor with the fewest", at(&counts, 0.0)).write();
    row("checks of the monitor with the most", at(&counts, 1.0)).write();
    row("status of /readyz", run.ready.into()).write();
    row("memory, MB", run.rss_mb).write();
}

/// How late each check began after its slot. The first of each monitor after a start has no slot: it comes early.
fn latenesses_ms(starts: &[(i64, i64)]) -> Vec<f64> {
    let interval_ms = INTERVAL_SECONDS as i64 * 1000;
    let mut seen = HashSet::new();
    let routine = starts.iter().filter(|(id, _)| !seen.insert(*id));
    let slot = |id, at: i64| next_slot(id, interval_ms, Timestamp(at - interval_ms));
    routine.map(|(id, at)| (at - slot(*id, *at).0) as f64).collect()
}

/// Makes the monitors, runs the program on them, and looks.
async fn watch(port: &str, plan: &Plan) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let fields = json!({"check_interval_seconds": plan.interval_seconds});
    make_monitors(folder.path(), port, plan.monitors, fields).await;
    let program = Program::start(folder.path());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let skipped = async || program.metric(&client, "watchbell_checks_skipped_total{").await;
    tokio::time::sleep(plan.settle).await;
    let (checks_before, skipped_before) = (program.checks(&client).await, skipped().await);
    let before = Stock::of(folder.path()).await;
    let (begun, from, written) = (Instant::now(), now_ms(), program.process().written());
    let (mut checks, mut check_us) = (checks_before, Vec::new());
    for _ in 0..ROUNDS {
        let cpu = program.process().cpu();
        tokio::time::sleep(plan.round).await;
        let cpu = program.process().cpu().saturating_sub(cpu);
        let checks_before = checks;
        checks = program.checks(&client).await;
        check_us.push(cpu.as_secs_f64() * 1e6 / (checks - checks_before));
    }
    let (seconds, to) = (begun.elapsed().as_secs_f64(), now_ms());
    let written = program.process().written() - written;
    let (checks, skipped) = (checks - checks_before, skipped().await - skipped_before);
    let ready = client.get(format!("{}/readyz", program.base)).send().await.unwrap().status();
    let rss_mb = program.process().rss_mb();
    let after = Stock::of(folder.path()).await;
    program.stop();
    let growth = (after.bytes - before.bytes) as f64 / (after.results - before.results) as f64;
    // From a cold start on, every check counts.
    let from = if plan.settle.is_zero() { 0 } else { from };
    let (starts, not_up, incidents) = read(folder.path(), from, to).await;
    let (check_us, ready) = (median(&check_us), ready.as_u16());
    Run {
        checks,
        seconds,
        check_us,
        rss_mb,
        skipped,
        written,
        growth,
        starts,
        incidents,
        not_up,
        ready,
    }
}

/// What the database holds, the write-ahead log included.
struct Stock {
    bytes: i64,
    results: i64,
}

impl Stock {
    async fn of(folder: &Path) -> Self {
        let mut connection = connect(folder).await;
        let bytes = sqlx::query_scalar(
            "SELECT (page_count - freelist_count) * page_size \
             FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
        );
        let results = sqlx::query_scalar("SELECT COUNT(*) FROM results");
        Self {
            bytes: bytes.fetch_one(&mut connection).await.unwrap(),
            results: results.fetch_one(&mut connection).await.unwrap(),
        }
    }
}

/// The checks that began in this span in order of time, how many were not up, and the incidents.
async fn read(folder: &Path, from: i64, to: i64) -> (Vec<(i64, i64)>, i64, i64) {
    let mut connection = connect(folder).await;
    let starts =
        sqlx::query_as("SELECT monitor_id, id FROM results WHERE id BETWEEN $1 AND $2 ORDER BY id")
            .bind(from)
            .bind(to)
            .fetch_all(&mut connection)
            .await
            .unwrap();
    let not_up = sqlx::query_scalar("SELECT COUNT(*) FROM results WHERE verdict <> 1");
    let incidents = sqlx::query_scalar("SELECT COUNT(*) FROM incidents");
    (
        starts,
        not_up.fetch_one(&mut connection).await.unwrap(),
        incidents.fetch_one(&mut connection).await.unwrap(),
    )
}

fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}
