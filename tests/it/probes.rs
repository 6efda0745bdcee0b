//! Probes as processes of their own, with a server that comes and goes.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::HashMap;
use std::time::Duration;

use serde_json::json;
use watchbell::monitor::{CheckResult, Status, Verdict};
use watchbell::store::{Db, history, incidents, monitors, results as stored_results};

use crate::support::binary::{refusal, run};
use crate::support::database::TestDatabase;
use crate::support::probes::{Probe, World, probe};
use crate::support::stub::Stub;
use crate::support::{CAP, eventually};

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
    let mut world = World::start("127.0.0.1:0", &["eu", "us"]).await;
    let db = world.db.clone();
    let target = Stub::start().await;
    let mut commands = world.commands();
    let mut eu = Probe::start(&mut commands[0]);
    let us = Probe::start(&mut commands[1]);
    let fields = json!({"regions": ["local", "eu", "us"], "headers": {"X-Watch": "secret"}});
    let id = world.monitor(&target.url("/"), fields).await;
    until_status(&db, id, Status::Up).await;
    until_more(&db, id, &["local", "eu", "us"], 2).await;
    assert!(target.requests().iter().all(|request| request.header("x-watch") == "secret"));

    // The server stops; the probes go on. One of them is killed meanwhile and started again once the server is back.
    world.stop_server().await;
    let stopped_at = results(&db, id).await[0].started_at;
    let asked = target.count();
    eventually(CAP, || async { (target.count() >= asked + 8).then_some(()) }).await;
    eu.kill();
    let killed_at = target.count();
    eventually(CAP, || async { (target.count() >= killed_at + 2).then_some(()) }).await;
    world.start_server();
    let mut eu = Probe::start(&mut commands[0]);
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
    assert_eq!((incidents, world.receiver.count()), (0, 0), "no false alert");

    // Two regions fail: from the server and one probe the way is open, so the target itself must.
    target.answer(500, "");
    until_status(&db, id, Status::Down).await;
    let told = world.receiver.wait_for(1).await[0].json();
    assert_eq!(told["event"], "monitor.down");
    assert!(told["text"].as_str().unwrap().contains("\nRegions: "), "{told}");
    target.answer(200, "ok");
    until_status(&db, id, Status::Up).await;

    // A token that is not valid any more ends the process.
    let probes = world.api("GET", "/probes").await;
    world.api("POST", &format!("/probes/{}/rotate", probes[0]["id"])).await;
    assert_eq!(eu.ended().await.code(), Some(2));
    drop(us);
    world.server.kill();
}

/// Stops the server for `WATCHBELL_TEST_AWAY_SECONDS`, or 20 s, while three probes check every second.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_found_while_the_server_was_away_is_whole() {
    const REGIONS: [&str; 3] = ["eu", "us", "ap"];
    let away = std::env::var("WATCHBELL_TEST_AWAY_SECONDS").ok();
    let away: usize = away.map_or(20, |seconds| seconds.parse().unwrap());
    let cap = CAP * 4 + Duration::from_secs(2 * away as u64);
    let mut world = World::start("127.0.0.1:0", &REGIONS).await;
    let db = world.db.clone();
    let target = Stub::start().await;
    let mut commands = world.commands();
    let mut probes: Vec<Probe> = commands.iter_mut().map(Probe::start).collect();
    let id = world.monitor(&target.url("/"), json!({"regions": REGIONS})).await;
    until_status(&db, id, Status::Up).await;
    until_more(&db, id, &REGIONS, 2).await;

    world.stop_server().await;
    let stopped_at = results(&db, id).await[0].started_at;
    let asked = target.count();
    eventually(cap, || async { (target.count() >= asked + 3 * away).then_some(()) }).await;
    world.start_server();
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
        probe.stop().await;
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
    assert_eq!((incidents, world.receiver.count()), (0, 0), "no false alert");
    let changes = history::status_changes(&mut conn, &[id], stopped_at).await.unwrap();
    let known = changes[&id].iter().all(|change| change.status == Some(Status::Up));
    assert!(known, "no gap: {:?}", changes[&id]);
    world.server.kill();
}

#[test]
fn a_probe_says_what_is_wrong_with_its_settings() {
    let database = TestDatabase::sqlite();
    let with = |server: &str, token: &str| refusal(&run(&mut probe(&database, server, token, "s")));
    assert!(with("http://watch.example.com", "wbp_x").contains("WATCHBELL_PROBE_SERVER"));
    assert!(with("https://watch.example.com", "wbt_x").contains("WATCHBELL_PROBE_TOKEN"));
}
