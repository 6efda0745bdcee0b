//! A year of ten thousand monitors (see `year`): how soon the first is checked after a start, and how long pages and reads take while all
//! are checked every 20 s.

use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::json;

use super::ROUNDS;
use super::program::{EMAIL, PASSWORD, Program, make_monitors, token};
use super::report::{at, median, part, row};
use super::target::Target;
use super::year;

const MONITORS: usize = 10_000;
const READS: usize = 15;
/// What a start has to catch up with is not what a page costs.
const SETTLE: Duration = Duration::from_secs(20);
/// The answer that reads nothing of the history.
const NOTHING: &str = "/healthz";
/// What is read; `{}` is another monitor each time. The API gives the uptime of 24 hours, 7, 30 and 90 days in one answer, and results
/// without a span, newest first.
const PATHS: [&str; 16] = [
    "/monitors",
    // The longest page there is.
    "/monitors?show=1000",
    "/monitors?status=down",
    "/monitors/{}",
    "/monitors/{}?range=24h",
    "/monitors/{}?range=7d",
    "/monitors/{}?range=30d",
    "/monitors/{}?range=90d",
    "/incidents",
    "/api/v1/monitors?per_page=200",
    "/api/v1/monitors/{}",
    "/api/v1/monitors/{}/results",
    "/api/v1/monitors/{}/results?per_page=200",
    "/api/v1/incidents",
    "/api/v1/status",
    METRICS,
];
const METRICS: &str = "/metrics";

/// Who asks.
struct Reader {
    client: reqwest::Client,
    base: String,
    token: String,
}

pub async fn measure() {
    part(&format!(
        "pages of a year of 10,000 monitors: p50 of {READS} reads, medians of {ROUNDS} rounds; floor: /healthz"
    ));
    let (folder, target) = (tempfile::tempdir().unwrap(), Target::start());
    let fields = json!({"check_interval_seconds": 20});
    make_monitors(folder.path(), &target.port, MONITORS, fields).await;
    row("roll-ups", year::make(folder.path()).await as f64).write();
    let client = reqwest::Client::builder().no_proxy().cookie_store(true).build().unwrap();
    let program = start(folder.path(), &client).await;
    let reader = Reader { base: program.base.clone(), token: token(folder.path()), client };
    reader.sign_in().await;
    tokio::time::sleep(SETTLE).await;
    let (mut middles, mut longest) = (vec![Vec::new(); PATHS.len()], vec![0.0; PATHS.len()]);
    let (mut floors, mut metrics_bytes) = (Vec::new(), 0);
    for _ in 0..ROUNDS {
        floors.push(median(&reader.read(NOTHING).await.0));
        for (n, path) in PATHS.into_iter().enumerate() {
            let (times, bytes) = reader.read(path).await;
            middles[n].push(median(&times));
            longest[n] = at(&times, 1.0).max(longest[n]);
            metrics_bytes = if path == METRICS { bytes } else { metrics_bytes };
        }
    }
    let floor = median(&floors);
    for (path, middles) in PATHS.iter().zip(&middles) {
        let row = row(format!("{path}, ms"), median(middles)).beside(floor);
        if *path == METRICS { row } else { row.aim("< 100") }.write();
    }
    let most = at(&longest, 1.0);
    let slowest = PATHS[longest.iter().position(|ms| *ms == most).unwrap()];
    row(format!("the longest of all reads, {slowest}, ms"), most).write();
    row(format!("{METRICS}, bytes"), metrics_bytes as f64).write();
    row("memory with all of that read, MB", program.process().rss_mb()).write();
    program.stop();
}

/// Starts it a few times, on the whole year, and leaves the last one running.
async fn start(folder: &Path, client: &reqwest::Client) -> Program {
    let mut took = Vec::new();
    loop {
        let begun = Instant::now();
        let program = Program::start(folder);
        program.until_checks(client, 1.0, Duration::from_millis(5)).await;
        took.push(begun.elapsed().as_secs_f64());
        if took.len() == ROUNDS {
            row("start to the first check, s", median(&took)).aim("< 3").write();
            return program;
        }
        program.stop();
    }
}

impl Reader {
    async fn sign_in(&self) {
        let form = [("email", EMAIL), ("password", PASSWORD), ("next", "/monitors")];
        let request = self.client.post(format!("{}/login", self.base));
        let answer = request.header("origin", &self.base).form(&form).send().await.unwrap();
        assert!(answer.url().path().ends_with("/monitors"), "signed in: {}", answer.url());
    }

    /// Reads it some times; gives how long each took in ms, and how long the last answer was in bytes.
    async fn read(&self, path: &str) -> (Vec<f64>, usize) {
        let (mut times, mut bytes) = (Vec::new(), 0);
        for n in 0..READS {
            let id = 1 + (n as i64 * 77) % year::OPENED;
            let path = path.replace("{}", &id.to_string());
            let request = self.client.get(format!("{}{path}", self.base));
            let request =
                if path.starts_with("/api") { request.bearer_auth(&self.token) } else { request };
            let begun = Instant::now();
            let answer = request.send().await.unwrap();
            assert!(answer.status().is_success(), "{path}: {}", answer.status());
            bytes = answer.bytes().await.unwrap().len();
            times.push(begun.elapsed().as_secs_f64() * 1e3);
        }
        (times, bytes)
    }
}
