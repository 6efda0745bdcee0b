//! A tenth of ten thousand monitors fails at once: from each one's confirmation to its webhook.
//!
//! Every monitor is looked at within 20 s and again 5 s after its first failure, so the confirmations are spread over that time.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use super::ROUNDS;
use super::program::{Program, connect, make_monitors, token};
use super::receiver::{Heard, Receiver};
use super::report::{at, median, part, row};
use super::target::Target;

const MONITORS: usize = 10_000;
const FAILING: usize = MONITORS / 10;
/// The last is confirmed after 25 s; the rest is room.
const LIMIT: Duration = Duration::from_secs(60);
/// For webhooks that come twice, after the last that was waited for.
const AFTER: Duration = Duration::from_secs(2);
/// Bare webhooks for the floor, one after another.
const BARE: usize = 1_000;

/// What a round came to; each webhook in ms after its incident's confirmation.
struct Round {
    incidents: usize,
    told: usize,
    repeated: usize,
    first: f64,
    late: Vec<f64>,
    memory_mb: f64,
    /// From the failure's beginning to the last webhook, in seconds.
    whole_seconds: f64,
}

pub async fn measure() {
    part(&format!(
        "failures: medians of {ROUNDS} rounds, 1,000 of 10,000 fail and recover; floor: bare reqwest POSTs to the same receiver"
    ));
    let (folder, target) = (tempfile::tempdir().unwrap(), Target::start());
    let fields = json!({"check_interval_seconds": 20});
    make_monitors(folder.path(), &target.port, MONITORS, fields).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let receiver = Receiver::start().await;
    let floor = bare_posts(&client, &receiver.url).await;
    let (begun, program) = (Instant::now(), Program::start(folder.path()));
    make_channel(&program, &token(folder.path()), &client, &receiver.url).await;
    program.until_checks(&client, MONITORS as f64, Duration::from_millis(100)).await;
    let boot = begun.elapsed().as_secs_f64();
    row("boot to the first full round of 10,000 (one start), s", boot).aim("<= 20").write();
    let mut rounds = Vec::new();
    for _ in 0..ROUNDS {
        rounds.push(fail_once(&program, folder.path(), &target, &client, &receiver).await);
    }
    program.stop();
    show(&rounds, &floor);
}

fn show(rounds: &[Round], floor: &[f64]) {
    let of = |value: fn(&Round) -> f64| -> Vec<f64> { rounds.iter().map(value).collect() };
    let incidents = of(|round| round.incidents as f64);
    let fewest = at(&incidents, 0.0);
    row("incidents, in the round with the fewest", fewest).aim("= 1000").write();
    let lost = of(|round| (round.incidents - round.told) as f64);
    row("incidents that nobody was told of, in all rounds", lost.iter().sum()).aim("= 0").write();
    let repeated = of(|round| round.repeated as f64);
    row("webhooks that came twice, in all rounds", repeated.iter().sum()).write();
    row("first webhook after its confirmation, ms", median(&of(|round| round.first)))
        .aim("< 1000")
        .write();
    row("webhook after its confirmation, p50, ms", median(&of(|round| at(&round.late, 0.5))))
        .beside(at(floor, 0.5))
        .write();
    row("webhook after its confirmation, p99, ms", median(&of(|round| at(&round.late, 0.99))))
        .beside(at(floor, 0.99))
        .write();
    let last = at(&of(|round| at(&round.late, 1.0)), 1.0);
    row("last webhook after its confirmation, in the slowest round, ms", last)
        .aim("< 5000")
        .write();
    let whole = median(&of(|round| round.whole_seconds));
    row("from the failure's beginning to the last webhook, s", whole).write();
    row("memory during the failures, MB", median(&of(|round| round.memory_mb)))
        .aim("< 100")
        .write();
}

async fn make_channel(program: &Program, token: &str, client: &reqwest::Client, receiver: &str) {
    let channel = json!({"type": "webhook", "name": "bench", "url": receiver, "is_default": true});
    let request = client.post(format!("{}/api/v1/channels", program.base)).bearer_auth(token);
    let made = request.json(&channel).send().await.unwrap();
    assert!(made.status().is_success(), "{}", made.text().await.unwrap());
}

/// How long each of some bare webhooks takes, in ms.
async fn bare_posts(client: &reqwest::Client, receiver: &str) -> Vec<f64> {
    // As long as an alert.
    let body = json!({"event": "floor", "text": "-".repeat(1_000)});
    let mut took = Vec::new();
    for _ in 0..BARE {
        let begun = Instant::now();
        client.post(receiver).json(&body).send().await.unwrap();
        took.push(begun.elapsed().as_secs_f64() * 1e3);
    }
    took
}

/// Lets a tenth fail, waits until all is told, and lets them recover.
async fn fail_once(
    program: &Program,
    folder: &Path,
    target: &Target,
    client: &reqwest::Client,
    receiver: &Receiver,
) -> Round {
    let begun = chrono::Utc::now().timestamp_millis();
    target.fail(client).await;
    until(|| receiver.count().0 >= FAILING).await;
    tokio::time::sleep(AFTER).await;
    let (memory_mb, heard) = (program.process().rss_mb(), receiver.take());
    let confirmed = confirmed_since(folder, begun).await;
    target.mend(client).await;
    until(|| receiver.count().1 >= confirmed.len()).await;
    tokio::time::sleep(AFTER).await;
    receiver.take();
    round(&confirmed, &heard, begun, memory_mb)
}

fn round(confirmed: &[(i64, i64)], heard: &Heard, begun: i64, memory_mb: f64) -> Round {
    let told = confirmed.iter().filter_map(|(id, at)| Some(heard.down.get(id)? - at));
    let late: Vec<f64> = told.map(|ms| ms as f64).collect();
    let first = confirmed.iter().filter(|(id, _)| heard.down.contains_key(id));
    let first = first.min_by_key(|(_, at)| *at).unwrap();
    Round {
        incidents: confirmed.len(),
        told: late.len(),
        repeated: heard.calls - heard.down.len(),
        first: (heard.down[&first.0] - first.1) as f64,
        late,
        memory_mb,
        whole_seconds: (heard.down.values().max().unwrap() - begun) as f64 / 1e3,
    }
}

/// The incidents that were confirmed from then on, and when.
async fn confirmed_since(folder: &Path, begun: i64) -> Vec<(i64, i64)> {
    let mut connection = connect(folder).await;
    let query = "SELECT id, confirmed_at FROM incidents WHERE monitor_id IS NOT NULL AND confirmed_at >= $1";
    sqlx::query_as(query).bind(begun).fetch_all(&mut connection).await.unwrap()
}

/// Waits for it, but not for ever.
async fn until(is_so: impl Fn() -> bool) {
    let begun = Instant::now();
    while !is_so() && begun.elapsed() < LIMIT {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
