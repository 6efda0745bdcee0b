//! Probes as processes of their own, with a server that comes and goes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use serde_json::{Value, json};
use watchbell::account::{Role, api_token};
use watchbell::monitor::{CheckResult, Status, Verdict};
use watchbell::store::{Db, history, incidents, monitors, results as stored_results};

use crate::support::api::START;
use crate::support::binary::{Binary, command, refusal, run, serve, spawn_binary};
use crate::support::database::TestDatabase;
use crate::support::stub::Stub;
use crate::support::{CAP, eventually};

/// A probe's process; killed when dropped.
pub struct Probe(Child);

impl Probe {
    pub fn start(command: &mut Command) -> Self {
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    pub fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The command of a probe whose spool has this name.
pub fn probe(database: &TestDatabase, server: &str, token: &str, name: &str) -> Command {
    let mut probe = command(database.folder());
    probe
        .args(["probe", "--server", server])
        .env("WATCHBELL_PROBE_TOKEN", token)
        .env("WATCHBELL_PROBE_SPOOL", database.folder().join(name));
    probe
}

/// A server on a port that stays the same over restarts.
fn start_server(database: &TestDatabase, port: u16) -> Binary {
    spawn_binary(serve(database).env("WATCHBELL_LISTEN", format!("127.0.0.1:{port}")))
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

async fn results(db: &Db, id: i64) -> Vec<CheckResult> {
    let mut reader = db.read().await.unwrap();
    let all = stored_results::latest(&mut reader.conn(), id, 10_000, 0).await.unwrap();
    all.into_iter().map(|stored| stored.result).collect()
}

async fn until_status(db: &Db, id: i64, status: Status) {
    eventually(CAP, || async {
        let mut reader = db.read().await.unwrap();
        let found = monitors::by_ids(&mut reader.conn(), &[id]).await.unwrap();
        (found[0].state.status == status).then_some(())
    })
    .await;
}

/// How many results of each region began after the newest one in `before`.
async fn until_more(db: &Db, id: i64, regions: &[&str], more: usize) {
    let known = count(&results(db, id).await);
    eventually(CAP, || async {
        let now = count(&results(db, id).await);
        let grown = |region: &&str| {
            let of = |counts: &HashMap<String, usize>| counts.get(*region).copied().unwrap_or(0);
            of(&now) >= of(&known) + more
        };
        regions.iter().all(grown).then_some(())
    })
    .await;
}

fn count(results: &[CheckResult]) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    results.iter().for_each(|result| *counts.entry(result.region.clone()).or_default() += 1);
    counts
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_is_away_loses_nothing_that_probes_found() {
    let database = TestDatabase::sqlite();
    let port = free_port();
    let mut server = start_server(&database, port);
    let db = database.open().await;
    let (_, admin) = api_token::create(&db, "test", Role::Admin, START).await.unwrap();
    let (target, receiver) = (Stub::start().await, Stub::start().await);
    let hook = json!({"type": "webhook", "url": receiver.url("/hook"), "is_default": true});
    server.api(&admin, "POST", "/channels", hook).await.data(201);
    let mut tokens = Vec::new();
    for region in ["eu", "us"] {
        let made = server.api(&admin, "POST", "/probes", json!({"region": region})).await;
        tokens.push(made.data(201)["token"].as_str().unwrap().to_owned());
    }
    let base = server.base.clone();
    let mut eu = Probe::start(&mut probe(&database, &base, &tokens[0], "eu"));
    let us = Probe::start(&mut probe(&database, &base, &tokens[1], "us"));
    let fields = json!({"url": target.url("/"), "check_interval_seconds": 1, "retries": 0,
        "timeout_seconds": 5, "regions": ["local", "eu", "us"],
        "headers": {"X-Watch": "secret"}});
    let made = server.api(&admin, "POST", "/monitors", fields).await.data(201);
    let id = made["id"].as_i64().unwrap();
    until_status(&db, id, Status::Up).await;
    until_more(&db, id, &["local", "eu", "us"], 2).await;
    assert!(target.requests().iter().all(|request| request.header("x-watch") == "secret"));

    // The server stops; the probes go on. One of them is killed meanwhile and started again once the server is back.
    server.signal("-TERM");
    server.ended().await;
    let stopped_at = results(&db, id).await[0].started_at;
    let asked = target.count();
    eventually(CAP, || async { (target.count() >= asked + 8).then_some(()) }).await;
    eu.kill();
    let killed_at = target.count();
    eventually(CAP, || async { (target.count() >= killed_at + 2).then_some(()) }).await;
    let server = start_server(&database, port);
    let mut eu = Probe::start(&mut probe(&database, &base, &tokens[0], "eu"));
    until_more(&db, id, &["local", "eu", "us"], 3).await;

    let all = results(&db, id).await;
    let mut of_us: Vec<i64> =
        all.iter().filter(|r| r.region == "us").map(|r| r.started_at.0).collect();
    of_us.sort_unstable();
    let gap = of_us.windows(2).map(|pair| pair[1] - pair[0]).max().unwrap();
    assert!(gap < 2_900, "no check of the probe that went on is missing: {gap} ms");
    let of_eu = all.iter().filter(|r| r.region == "eu" && r.started_at > stopped_at).count();
    assert!(of_eu >= 3, "what it had spooled before it was killed is there");
    assert!(all.iter().all(|result| result.verdict == Verdict::Up));
    let mut reader = db.read().await.unwrap();
    let incidents = incidents::count(&mut reader.conn(), Default::default()).await.unwrap();
    drop(reader);
    assert_eq!((incidents, receiver.count()), (0, 0), "no false alert");

    // Two regions fail: from the server and one probe the way is open, so the target itself must.
    target.answer(500, "");
    until_status(&db, id, Status::Down).await;
    let told = receiver.wait_for(1).await[0].json();
    assert_eq!(told["event"], "monitor.down");
    assert!(told["text"].as_str().unwrap().contains("\nRegions: "), "{told}");
    target.answer(200, "ok");
    until_status(&db, id, Status::Up).await;

    // A token that is not valid any more ends the process.
    let id = server.api(&admin, "GET", "/probes", Value::Null).await.data(200)[0]["id"].clone();
    server.api(&admin, "POST", &format!("/probes/{id}/rotate"), Value::Null).await.data(200);
    let child = std::cell::RefCell::new(&mut eu.0);
    let status = eventually(CAP, || async { child.borrow_mut().try_wait().unwrap() }).await;
    assert_eq!(status.code(), Some(2));
    drop(us);
    server.kill();
}

/// Stops by itself, and hands in what it has, as far as it can.
async fn stop(probe: &mut Probe) {
    let pid = probe.0.id().to_string();
    assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
    let child = std::cell::RefCell::new(&mut probe.0);
    eventually(CAP, || async { child.borrow_mut().try_wait().unwrap() }).await;
}

/// Stops the server for `WATCHBELL_TEST_AWAY_SECONDS`, or 20 s, while three probes check every second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_found_while_the_server_was_away_is_whole() {
    const REGIONS: [&str; 3] = ["eu", "us", "ap"];
    let away = std::env::var("WATCHBELL_TEST_AWAY_SECONDS").ok();
    let away: usize = away.map_or(20, |seconds| seconds.parse().unwrap());
    let cap = CAP * 4 + Duration::from_secs(2 * away as u64);
    let database = TestDatabase::sqlite();
    let port = free_port();
    let mut server = start_server(&database, port);
    let db = database.open().await;
    let (_, admin) = api_token::create(&db, "test", Role::Admin, START).await.unwrap();
    let (target, receiver) = (Stub::start().await, Stub::start().await);
    let hook = json!({"type": "webhook", "url": receiver.url("/hook"), "is_default": true});
    server.api(&admin, "POST", "/channels", hook).await.data(201);
    let mut commands = Vec::new();
    for region in REGIONS {
        let made = server.api(&admin, "POST", "/probes", json!({"region": region})).await;
        let token = made.data(201)["token"].as_str().unwrap().to_owned();
        commands.push(probe(&database, &server.base, &token, region));
    }
    let mut probes: Vec<Probe> = commands.iter_mut().map(Probe::start).collect();
    let fields = json!({"url": target.url("/"), "check_interval_seconds": 1, "retries": 0,
        "timeout_seconds": 5, "regions": REGIONS});
    let made = server.api(&admin, "POST", "/monitors", fields).await.data(201);
    let id = made["id"].as_i64().unwrap();
    until_status(&db, id, Status::Up).await;
    until_more(&db, id, &REGIONS, 2).await;

    server.signal("-TERM");
    server.ended().await;
    let stopped_at = results(&db, id).await[0].started_at;
    let asked = target.count();
    eventually(cap, || async { (target.count() >= asked + 3 * away).then_some(()) }).await;
    let server = start_server(&database, port);
    let back_at = results(&db, id).await.len();
    // Killed while it hands in what it has kept, and started again.
    eventually(cap, || async { (results(&db, id).await.len() > back_at).then_some(()) }).await;
    probes[1].kill();
    probes[1] = Probe::start(&mut commands[1]);
    let of = |all: &[CheckResult], region: &str| {
        let here = all.iter().filter(|result| result.region == region);
        let mut at: Vec<i64> = here.map(|result| result.started_at.0).collect();
        at.sort_unstable();
        at
    };
    let until = stopped_at.plus_ms(away as i64 * 1000);
    eventually(cap, || async {
        let all = results(&db, id).await;
        let is_whole = |region: &&str| {
            let at = of(&all, region);
            at.last().is_some_and(|last| *last > until.0)
        };
        REGIONS.iter().all(is_whole).then_some(())
    })
    .await;
    until_more(&db, id, &REGIONS, 3).await;
    for probe in &mut probes {
        stop(probe).await;
    }

    let (all, made) = (results(&db, id).await, target.count());
    let mut kinds: Vec<_> = all.iter().map(|r| (r.region.clone(), r.started_at)).collect();
    kinds.sort_unstable();
    kinds.dedup();
    let (found, doubled) = (all.len(), all.len() - kinds.len());
    let longest = |region: &&str| of(&all, region).windows(2).map(|w| w[1] - w[0]).max();
    let gaps: Vec<_> = REGIONS.iter().map(longest).collect();
    println!("away {away} s: {made} checks, {found} results, {doubled} twice, longest {gaps:?} ms");
    assert_eq!(doubled, 0);
    // Each process may have been ended within a check that had asked already: four of them were.
    assert!((made.saturating_sub(4)..=made).contains(&found), "{found} of {made}");
    assert!(all.iter().all(|result| result.verdict == Verdict::Up));
    let mut reader = db.read().await.unwrap();
    let mut conn = reader.conn();
    let incidents = incidents::count(&mut conn, Default::default()).await.unwrap();
    assert_eq!((incidents, receiver.count()), (0, 0), "no false alert");
    let changes = history::status_changes(&mut conn, &[id], stopped_at).await.unwrap();
    let known = changes[&id].iter().all(|change| change.status == Some(Status::Up));
    assert!(known, "no gap: {:?}", changes[&id]);
    server.kill();
}

#[test]
fn a_probe_says_what_is_wrong_with_its_settings() {
    let database = TestDatabase::sqlite();
    let with = |server: &str, token: &str| refusal(&run(&mut probe(&database, server, token, "s")));
    assert!(with("http://watch.example.com", "wbp_x").contains("WATCHBELL_PROBE_SERVER"));
    assert!(with("https://watch.example.com", "wbt_x").contains("WATCHBELL_PROBE_TOKEN"));
}
