//! The real program, killed over and over while jobs signal: no signal that was answered is lost, and what people are told is
//! what the table makes of the signals that were recorded.

#![allow(clippy::disallowed_methods, reason = "a test has no supervisor")]

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use reqwest::Client;
use serde_json::json;
use tokio::sync::Notify;
use watchbell::account::{Role, api_token};
use watchbell::monitor::heartbeat::SignalKind;
use watchbell::notify::DeliveryState;
use watchbell::store::{Db, history};

use crate::support::api::START;
use crate::support::app::deliveries_in;
use crate::support::binary::{Binary, serve, spawn_binary};
use crate::support::chance::Chance;
use crate::support::database::TestDatabase;
use crate::support::stub::Stub;
use crate::support::{CAP, eventually};

/// Enough that what their signals lead to rests now and then.
const JOBS: usize = 12;
const KILLS: u64 = 6;

/// A job: which monitor it is, and the numbers of its signals that were answered.
struct Job {
    id: i64,
    uuid: String,
    sent: u64,
    answered: Vec<String>,
    /// Told of each answer.
    was_answered: Arc<Notify>,
}

impl Job {
    /// Signals at random, each with its number as body, until the server is gone.
    async fn signal(mut self, client: Client, base: String, mut chance: Chance) -> Self {
        loop {
            let suffix = ["", "/fail", "/0", "/7", "/start", "/log"][chance.below(6) as usize];
            self.sent += 1;
            let body = self.sent.to_string();
            let request = client.post(format!("{base}/ping/{}{suffix}", self.uuid));
            match request.body(body.clone()).send().await {
                Ok(answer) if answer.status() == 200 => {
                    self.answered.push(body);
                    self.was_answered.notify_one();
                }
                _ => return self,
            }
        }
    }
}

/// What the table makes of the recorded signals of a job that is never late.
fn expected(kinds: &[SignalKind]) -> Vec<&'static str> {
    let (mut down, mut told) = (false, Vec::new());
    for kind in kinds {
        match (kind, down) {
            (SignalKind::Fail, false) => told.push("monitor.down"),
            (SignalKind::Success, true) => told.push("monitor.up"),
            _ => continue,
        }
        down = !down;
    }
    told
}

/// What the receiver heard of each monitor, without repetitions of the same alert.
fn heard(receiver: &Stub) -> BTreeMap<i64, Vec<String>> {
    let (mut seen, mut heard) = (HashSet::new(), BTreeMap::<i64, Vec<String>>::new());
    for request in receiver.requests() {
        let json = request.json();
        if seen.insert(request.header("webhook-id").to_owned()) {
            let event = json["event"].as_str().unwrap().to_owned();
            heard.entry(json["monitor"]["id"].as_i64().unwrap()).or_default().push(event);
        }
    }
    heard
}

async fn make_jobs(server: &Binary, token: &str) -> Vec<Job> {
    let mut jobs = Vec::new();
    for n in 0..JOBS {
        let fields = json!({"name": format!("job {n}"), "period_seconds": 34_560_000});
        let made = server.api(token, "POST", "/heartbeats", fields).await.data(201);
        let (id, uuid) = (made["id"].as_i64().unwrap(), made["uuid"].as_str().unwrap().to_owned());
        jobs.push(Job { id, uuid, sent: 0, answered: Vec::new(), was_answered: Arc::default() });
    }
    jobs
}

/// The bodies and kinds of the recorded signals, oldest first; their numbers have no gap.
async fn recorded(db: &Db, id: i64) -> (Vec<String>, Vec<SignalKind>) {
    let mut reader = db.read().await.unwrap();
    let conn = &mut reader.conn();
    let mut pings = history::pings(conn, id, 1_000_000, 0).await.unwrap();
    pings.reverse();
    let numbers: Vec<i64> = pings.iter().map(|ping| ping.n).collect();
    assert_eq!(numbers, (1..=pings.len() as i64).collect::<Vec<_>>());
    let mut bodies = Vec::new();
    for ping in &pings {
        let body = history::ping_body(conn, id, ping.n).await.unwrap().unwrap();
        bodies.push(String::from_utf8(body).unwrap());
    }
    (bodies, pings.iter().map(|ping| ping.kind).collect())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn signals_and_alerts_outlive_kills_at_random_moments() {
    let (database, receiver) = (TestDatabase::new().await, Stub::start().await);
    let mut command = serve(&database);
    command.env("WATCHBELL_RETRY_SCHEDULE", vec!["1"; 600].join(","));
    command.env("WATCHBELL_PING_LOG", "1000000");
    let mut server = spawn_binary(&mut command);
    let db = database.open().await;
    let (_, token) = api_token::create(&db, "test", Role::Admin, START).await.unwrap();
    let hook = json!({"type": "webhook", "url": receiver.url("/hook"), "is_default": true});
    server.api(&token, "POST", "/channels", hook).await.data(201);
    let mut jobs = make_jobs(&server, &token).await;
    // Made once: on a busy machine that takes longer than the server lives.
    let client = Client::builder().no_proxy().build().unwrap();
    for round in 0..KILLS {
        let mut chance = Chance(round);
        let answers: Vec<_> = jobs.iter().map(|job| job.was_answered.clone()).collect();
        let signalling: Vec<_> = jobs
            .drain(..)
            .zip(1..)
            .map(|(job, n)| {
                let (client, base) = (client.clone(), server.base.clone());
                tokio::spawn(job.signal(client, base, Chance(100 * round + n)))
            })
            .collect();
        // On a busy machine the first answer may take longer than what is waited below.
        for answer in answers {
            tokio::time::timeout(CAP, answer.notified()).await.unwrap();
        }
        // The moment of the kill is random, and nothing depends on it.
        tokio::time::sleep(Duration::from_millis(chance.below(150))).await;
        server.kill();
        for job in signalling {
            jobs.push(job.await.unwrap());
        }
        server = spawn_binary(&mut command);
    }
    eventually(CAP, || async {
        deliveries_in(&db, DeliveryState::Pending).await.is_empty().then_some(())
    })
    .await;
    let heard = heard(&receiver);
    for job in &jobs {
        let (bodies, kinds) = recorded(&db, job.id).await;
        let once: HashSet<_> = bodies.iter().collect();
        assert_eq!(once.len(), bodies.len(), "a signal was recorded twice");
        assert!(job.answered.iter().all(|body| once.contains(body)), "an answered signal is lost");
        assert!(!job.answered.is_empty());
        assert_eq!(heard.get(&job.id).cloned().unwrap_or_default(), expected(&kinds));
    }
    server.kill();
}
