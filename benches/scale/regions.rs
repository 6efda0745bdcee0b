//! A probe with 5,000 monitors at 20 s, and a server that takes what three of them find while it checks a thousand by itself.

use std::collections::HashMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use watchbell::clock::Timestamp;
use watchbell::monitor::pace::Pace;
use watchbell::monitor::schedule::{Seat, next_slot};

use super::process::Process;
use super::program::{self, Program, connect, make_monitors, token};
use super::report::{at, part, row};
use super::target::Target;

const MONITORS: usize = 5_000;
const REGIONS: [&str; 3] = ["eu", "us", "ap"];
/// Monitors of the server's own region, which show how late it is itself.
const OWN: usize = 1_000;
const INTERVAL_MS: i64 = 20_000;
/// From the first round, which is spread otherwise, to the measuring.
const SETTLE: Duration = Duration::from_secs(25);
/// Three rounds of checks.
const MEASURED: Duration = Duration::from_secs(60);
const NEW: &str = "watchbell_probe_results_total{outcome=\"new\"}";

/// A probe's process; killed when dropped.
struct Probe(Child);

impl Probe {
    fn start(folder: &Path, server: &str, token: &str, region: &str) -> Self {
        let mut command = Command::new(program::file());
        command
            .args(["probe", "--server", server])
            .env("WATCHBELL_PROBE_TOKEN", token)
            .env("WATCHBELL_PROBE_SPOOL", folder.join(region));
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn process(&self) -> Process {
        Process(self.0.id())
    }

    /// Asks it to stop; it hands in what it has.
    fn stop(mut self) {
        self.process().ask_to_stop();
        self.0.wait().unwrap();
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        // Ended already, if it was stopped or refused.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

pub async fn measure() {
    part("regions: probes with 5,000 monitors every 20 s, each span of 60 s once");
    let (folder, target) = (tempfile::tempdir().unwrap(), Target::start());
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let tokens = make_probes(folder.path(), &client).await;
    let fields = json!({"check_interval_seconds": 20, "regions": REGIONS});
    make_monitors(folder.path(), &target.port, MONITORS, fields).await;
    let fields = json!({"check_interval_seconds": 20});
    make_monitors(folder.path(), &target.port, OWN, fields).await;
    let program = Program::start(folder.path());
    let start = |n: usize| Probe::start(folder.path(), &program.base, &tokens[n], REGIONS[n]);
    let mut probes = vec![start(0)];
    until_taken(&program, &client, MONITORS).await;
    tokio::time::sleep(SETTLE).await;
    let cpu = probes[0].process().cpu_percent(MEASURED).await;
    row("one probe: CPU, % of a core", cpu).aim("< 100").write();
    row("one probe: memory, MB", probes[0].process().rss_mb()).write();
    row("one probe: memory at most, MB", probes[0].process().rss_max_mb()).aim("< 40").write();
    probes.extend([start(1), start(2)]);
    until_taken(&program, &client, 7 * MONITORS).await;
    tokio::time::sleep(SETTLE).await;
    let (from, begun, taken) = (now(), Instant::now(), program.metric(&client, NEW).await);
    let cpu = program.process().cpu_percent(MEASURED).await;
    let rate = (program.metric(&client, NEW).await - taken) / begun.elapsed().as_secs_f64();
    let to = now();
    row("three probes: results taken a second", rate).write();
    row("the server: CPU, % of a core", cpu).aim("< 100").write();
    row("the server: memory, MB", program.process().rss_mb()).write();
    for (region, probe) in REGIONS.iter().zip(&probes) {
        let memory = probe.process().rss_max_mb();
        row(format!("{region}: memory of its probe at most, MB"), memory).aim("< 40").write();
    }
    let refused = program.metric(&client, "watchbell_probe_refused_total{").await;
    row("results that were refused", refused).aim("= 0").write();
    let repeated = program.metric(&client, "watchbell_probe_results_total{outcome=\"rep").await;
    row("results that came twice", repeated).aim("= 0").write();
    probes.into_iter().for_each(Probe::stop);
    program.stop();
    show_checks(folder.path(), from, to).await;
}

/// Makes the probes; gives their tokens.
async fn make_probes(folder: &Path, client: &reqwest::Client) -> Vec<String> {
    let program = Program::start(folder);
    let admin = token(folder);
    let mut tokens = Vec::new();
    for region in REGIONS {
        let request = client.post(format!("{}/api/v1/probes", program.base)).bearer_auth(&admin);
        let answer = request.json(&json!({"region": region})).send().await.unwrap();
        let made: Value = answer.json().await.unwrap();
        tokens.push(made["data"]["token"].as_str().unwrap().to_owned());
    }
    program.stop();
    tokens
}

async fn until_taken(program: &Program, client: &reqwest::Client, results: usize) {
    while program.metric(client, NEW).await < results as f64 {
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

fn now() -> i64 {
    chrono::Utc::now().timestamp_millis()
}

/// How late the checks of this span began in each region, and how many of them are not there, as they were skipped or lost.
async fn show_checks(folder: &Path, from: i64, to: i64) {
    let query = "SELECT g.name, r.monitor_id, r.id FROM results r JOIN result_regions g \
                 ON g.id = r.region WHERE r.id BETWEEN $1 AND $2 ORDER BY r.monitor_id, r.id";
    let query = sqlx::query_as(query).bind(from).bind(to);
    let mut connection = connect(folder).await;
    let starts: Vec<(String, i64, i64)> = query.fetch_all(&mut connection).await.unwrap();
    let not_up = sqlx::query_scalar("SELECT COUNT(*) FROM results WHERE verdict <> 1");
    let not_up: i64 = not_up.fetch_one(&mut connection).await.unwrap();
    for region in ["local"].iter().chain(&REGIONS) {
        let mut late = Vec::new();
        let mut by_monitor = HashMap::<i64, Vec<i64>>::new();
        for (_, id, at) in starts.iter().filter(|(name, ..)| name == region) {
            let slot = next_slot(seat(*id, region), INTERVAL_MS, Timestamp(at - INTERVAL_MS));
            late.push((at - slot.0) as f64);
            by_monitor.entry(*id).or_default().push(*at);
        }
        let rounds = (to - from) / INTERVAL_MS;
        let there: i64 = by_monitor.values().map(|starts| rounds.min(starts.len() as i64)).sum();
        let all = if *region == "local" { OWN } else { MONITORS } as i64 * rounds;
        row(format!("{region}: lateness p50, ms"), at(&late, 0.5)).write();
        row(format!("{region}: lateness p99, ms"), at(&late, 0.99)).aim("< 50").write();
        row(format!("{region}: lateness max, ms"), at(&late, 1.0)).write();
        row(format!("{region}: checks that are missing of {all}"), (all - there) as f64)
            .aim("= 0")
            .write();
    }
    row("checks that were not up", not_up as f64).aim("= 0").write();
}

/// The seat of a monitor in a region, as the program has it.
fn seat(id: i64, region: &str) -> Seat {
    let regions: &[&str] = if region == "local" { &[] } else { &REGIONS };
    let pace = json!({
        "check_interval_seconds": 20, "timeout_seconds": 10, "degraded_after_ms": null, "retries": 1,
        "retry_interval_seconds": 5, "recovery_checks": 1, "regions": regions,
    });
    Seat::new(id, &serde_json::from_value::<Pace>(pace).unwrap(), region)
}
