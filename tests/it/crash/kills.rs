//! The crash harness (`scripts/crash`): the real program is killed at random moments, again and again, while monitors fail and
//! recover and receivers fail now and then. After it every alert must have arrived, once, in order, and belong to an incident.
//!
//! `CRASH_KILLS` says how often (10), `CRASH_SEED` what chance does (printed; another one each time), `WATCHBELL_BIN` which program.

use std::io::{BufRead, BufReader, Read};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::sync::watch;
use watchbell::account::{Role, api_token};
use watchbell::monitor::Status;
use watchbell::notify::DeliveryState;
use watchbell::store::{Conn, Db, monitors};

use super::ledger;
use super::load::{self, Whereabouts};
use super::receiver::Receivers;
use crate::support::app::deliveries_in;
use crate::support::binary::serve;
use crate::support::chance::Chance;
use crate::support::database::TestDatabase;
use crate::support::eventually;

/// How many targets there are, and how many jobs.
const WATCHED: usize = 8;
/// How long the last server may take for what is left: retries come a second apart, and a busy machine is slow.
const DRAIN: Duration = Duration::from_secs(180);

/// The API of whichever server runs now.
#[derive(Clone)]
pub struct Server {
    whereabouts: Whereabouts,
    token: String,
    client: Client,
}

impl Server {
    /// A request; `None` when there was no answer.
    pub async fn try_api(&self, method: &str, path: &str, body: Value) -> Option<(u16, Value)> {
        let base = self.whereabouts.clone().wait_for(Option::is_some).await.ok()?.clone()?;
        let method = Method::from_bytes(method.as_bytes()).ok()?;
        let request = self.client.request(method, format!("{base}/api/v1{path}"));
        let request = request.bearer_auth(&self.token).json(&body);
        let answer = request.send().await.ok()?;
        Some((answer.status().as_u16(), answer.json().await.ok()?))
    }

    async fn make(&self, path: &str, body: Value) -> Value {
        let (status, answer) = self.try_api("POST", path, body).await.unwrap();
        assert_eq!(status, 201, "{answer}");
        answer["data"].clone()
    }
}

/// One life of the program, from its start to its kill.
struct Life(Child);

impl Life {
    /// Starts it, and tells where it is as soon as it says so.
    fn begin(command: &mut Command, tell: &watch::Sender<Option<String>>) -> Self {
        let mut child = command.spawn().unwrap();
        let mut out = BufReader::new(child.stdout.take().unwrap());
        let tell = tell.clone();
        std::thread::spawn(move || {
            let mut line = String::new();
            let _ = out.read_line(&mut line);
            if let Some((_, base)) = line.trim_end().rsplit_once(" listens on ") {
                tell.send_replace(Some(base.to_owned()));
            }
            // Read on, so that it never waits for a full pipe.
            let _ = out.read_to_string(&mut line);
        });
        Self(child)
    }

    /// Kills it at once, as a power cut would.
    fn end(mut self, tell: &watch::Sender<Option<String>>) {
        assert!(self.0.try_wait().unwrap().is_none(), "it ended by itself");
        self.0.kill().unwrap();
        self.0.wait().unwrap();
        tell.send_replace(None);
    }
}

/// How long a life is, in ms: some end in their start, most in their work, some only after routine has come back.
fn life_ms(chance: &mut Chance) -> u64 {
    match chance.below(20) {
        0..4 => chance.below(120),
        4..17 => 100 + chance.below(600),
        _ => 700 + chance.below(800),
    }
}

/// How many alerts were on their way to a receiver at a kill: claimed, and not settled.
async fn in_flight(db: &Db) -> i64 {
    let query =
        "SELECT COUNT(*) FROM deliveries WHERE state = 'pending' AND leased_until IS NOT NULL";
    let mut reader = db.read().await.unwrap();
    match &mut reader.conn() {
        Conn::Sqlite(c) => sqlx::query_scalar(query).fetch_one(&mut **c).await.unwrap(),
        Conn::Postgres(c) => sqlx::query_scalar(query).fetch_one(&mut **c).await.unwrap(),
    }
}

fn number(name: &str, or: u64) -> u64 {
    std::env::var(name).map_or(or, |text| text.parse().unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "the step `crash` of scripts/test runs it"]
async fn alerts_outlive_kills_at_random_moments() {
    let kills = number("CRASH_KILLS", 10);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    let seed = number("CRASH_SEED", now.as_millis() as u64 % 1_000_000);
    println!("crash: {kills} kills, CRASH_SEED={seed}");
    let mut chance = Chance(seed);
    let database = TestDatabase::new().await;
    let log = database.folder().join("log");
    let mut command = serve(&database);
    command.env("WATCHBELL_RETRY_SCHEDULE", vec!["1"; 1000].join(","));
    command.stdout(Stdio::piped()).stderr(std::fs::File::create(&log).unwrap());
    let receivers = Receivers::start(Chance(seed + 1)).await;
    let well: Arc<Vec<_>> = Arc::new((0..WATCHED).map(|_| AtomicBool::new(true)).collect());
    let targets = load::targets(well.clone()).await;

    let tell = watch::Sender::new(None);
    let life = Life::begin(&mut command, &tell);
    tell.subscribe().wait_for(Option::is_some).await.unwrap();
    let db = database.open().await;
    let (_, token) = api_token::create(&db, "test", Role::Admin, super::START).await.unwrap();
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = Client::builder().no_proxy().build().unwrap();
    let server = Server { whereabouts: tell.subscribe(), token, client: client.clone() };
    for channel in ["good", "flaky", "slow", "pagerduty"] {
        let kind = if channel == "pagerduty" { "pagerduty" } else { "webhook" };
        let mut fields = json!({"type": kind, "name": channel, "url": receivers.url(channel), "is_default": true});
        if kind == "pagerduty" {
            fields["routing_key"] = json!("0123456789abcdef0123456789abcdef");
        }
        server.make("/channels", fields).await;
    }
    let (mut sites, mut jobs) = (Vec::new(), Vec::new());
    for n in 0..WATCHED {
        let fields = json!({"url": format!("http://{targets}/{n}"), "name": format!("site {n}"),
            "check_interval_seconds": 1, "retries": 0});
        sites.push(server.make("/monitors", fields).await["id"].as_i64().unwrap());
        let fields = json!({"name": format!("job {n}"), "period_seconds": 34_560_000});
        let job = server.make("/heartbeats", fields).await;
        jobs.push((job["id"].as_i64().unwrap(), job["uuid"].as_str().unwrap().to_owned()));
    }
    life.end(&tell);

    let answered = Arc::<AtomicU64>::default();
    let mut work = vec![
        tokio::spawn(load::flip(well.clone(), Chance(seed + 2))),
        tokio::spawn(load::look(server.clone(), sites.clone(), Chance(seed + 3))),
    ];
    for (n, (_, uuid)) in jobs.iter().enumerate() {
        let chance = Chance(seed + 100 + n as u64);
        let signals =
            load::signal(client.clone(), tell.subscribe(), uuid.clone(), answered.clone(), chance);
        work.push(tokio::spawn(signals));
    }
    let mut cut_off = 0;
    for kill in 1..=kills {
        let life = Life::begin(&mut command, &tell);
        tokio::time::sleep(Duration::from_millis(life_ms(&mut chance))).await;
        life.end(&tell);
        cut_off += in_flight(&db).await;
        if kill % 100 == 0 {
            println!("crash: {kill} kills, {} signals answered", answered.load(Ordering::Relaxed));
        }
    }
    work.iter().for_each(tokio::task::JoinHandle::abort);

    // The last server brings everything to a known end, and sends what is left.
    for (n, well) in well.iter().enumerate() {
        well.store(n % 2 == 0, Ordering::Relaxed);
    }
    let last = Life::begin(&mut command, &tell);
    let base = tell.subscribe().wait_for(Option::is_some).await.unwrap().clone().unwrap();
    for (n, (_, uuid)) in jobs.iter().enumerate() {
        let suffix = if n % 2 == 0 { "" } else { "/fail" };
        let answer = client.post(format!("{base}/ping/{uuid}{suffix}")).send().await.unwrap();
        assert_eq!(answer.status(), 200);
    }
    let ids: Vec<i64> = sites.iter().copied().chain(jobs.iter().map(|(id, _)| *id)).collect();
    eventually(DRAIN, || async {
        let mut reader = db.read().await.unwrap();
        let watched = monitors::by_ids(&mut reader.conn(), &ids).await.unwrap();
        let ends_well = |id: i64| {
            (ids.iter().position(|known| *known == id).unwrap() % WATCHED).is_multiple_of(2)
        };
        let is_there = watched.iter().all(|w| {
            w.state.status == if ends_well(w.monitor.id) { Status::Up } else { Status::Down }
        });
        is_there.then_some(())
    })
    .await;
    eventually(DRAIN, || async {
        deliveries_in(&db, DeliveryState::Pending).await.is_empty().then_some(())
    })
    .await;
    last.end(&tell);
    let log = std::fs::read_to_string(&log).unwrap();
    assert!(!log.contains("panicked"), "{log}");
    ledger::balance(&db, &receivers.taken(), cut_off, kills).await;
}
