//! The network of a network namespace is cut, with a server in it that watches 500 targets.
//!
//! Needs root and `ip`, and takes a minute, so it is a step of its own: `scripts/test netns`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use serde_json::{Value, json};
use watchbell::account::{Role, api_token};
use watchbell::clock::Timestamp;
use watchbell::incident::Incident;
use watchbell::monitor::{MonitorId, Status};
use watchbell::store::monitors::Watched;
use watchbell::store::{Db, history, incidents, monitors};

use crate::support::api::START;
use crate::support::binary::{serve_in, spawn_binary};
use crate::support::database::TestDatabase;
use crate::support::eventually;
use crate::support::namespace::Namespace;
use crate::support::stub::Stub;

const MONITORS: usize = 500;
const HOSTS: usize = 60;
/// How long each stage may take; nextest ends what takes much longer.
const STAGE: Duration = Duration::from_secs(100);

/// What the server has written, read behind its back: while it is cut off nobody can ask it.
struct Seen {
    db: Db,
    ids: Vec<MonitorId>,
}

impl Seen {
    async fn all(&self) -> Vec<Watched> {
        let mut reader = self.db.read().await.unwrap();
        monitors::by_ids(&mut reader.conn(), &self.ids).await.unwrap()
    }

    async fn until_all(&self, like: impl Fn(&Watched) -> bool) {
        eventually(STAGE, || async { self.all().await.iter().all(&like).then_some(()) }).await;
    }

    async fn incidents(&self) -> Vec<Incident> {
        let mut reader = self.db.read().await.unwrap();
        incidents::list(&mut reader.conn(), Default::default(), 1000, 0).await.unwrap()
    }

    async fn until_incident(&self, like: impl Fn(&Incident) -> bool) -> Incident {
        eventually(STAGE, || async { self.incidents().await.into_iter().find(&like) }).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root and ip: scripts/test netns"]
async fn a_cut_network_makes_no_monitor_down_and_a_real_failure_is_found_after_it() {
    let Some(space) = Namespace::new(0, HOSTS) else {
        println!("SKIPPED: network namespaces need root and `ip` (iproute2)");
        return;
    };
    let net = &space.net;
    let targets = Stub::start_at("0.0.0.0").await;
    let receiver = Stub::start_at(&format!("{net}.1")).await;
    // On an address of its own, which no other monitor watches.
    let broken = Stub::start_at(&format!("{net}.10")).await;
    let database = TestDatabase::sqlite();
    let mut command = serve_in(&space.name, &database);
    command.env("WATCHBELL_LISTEN", format!("{net}.2:8080"));
    let server = spawn_binary(&mut command);
    let db = database.open().await;
    let (_, first) = api_token::create(&db, "one", Role::Admin, START).await.unwrap();
    let (_, second) = api_token::create(&db, "two", Role::Admin, START).await.unwrap();
    let hook = json!({"type": "webhook", "url": receiver.url("/hook"), "is_default": true});
    server.api(&first, "POST", "/channels", hook).await.data(201);
    let mut ids = Vec::new();
    for n in 0..MONITORS {
        let url = match n {
            0 => broken.url("/"),
            _ => format!("http://{net}.{}:{}/{n}", 11 + n % (HOSTS - 1), targets.port()),
        };
        // A token may make 600 requests a minute.
        let token = if n % 2 == 0 { &first } else { &second };
        let fields = json!({"url": url, "check_interval_seconds": 5, "timeout_seconds": 4});
        let made = server.api(token, "POST", "/monitors", fields).await.data(201);
        ids.push(made["id"].as_i64().unwrap());
    }
    let broken_id = ids[0];
    let seen = Seen { db, ids };
    seen.until_all(|w| w.state.status == Status::Up).await;
    let before = seen.incidents().await.len();

    space.cut();
    let own = seen.until_incident(|i| i.monitor_id.is_none()).await;
    // Once more than it takes to confirm a failure, and all are checked and held.
    seen.until_all(|w| {
        let since = own.confirmed_at.plus_ms(10_000);
        w.state.unknown_since.is_some() && w.state.last_check.is_some_and(|last| last.at > since)
    })
    .await;
    broken.answer(500, "");
    assert!(seen.all().await.iter().all(|w| w.state.status == Status::Up), "no monitor is down");
    assert_eq!(seen.incidents().await.len(), before + 1, "one incident");
    println!("cut: {}", own.summary);

    space.heal();
    seen.until_incident(|i| i.id == own.id && i.resolved_at.is_some()).await;
    let real = seen.until_incident(|i| i.monitor_id == Some(broken_id)).await;
    assert!(real.started_at > own.confirmed_at, "its outage is dated after the cut");
    seen.until_all(|w| {
        let expected = if w.monitor.id == broken_id { Status::Down } else { Status::Up };
        w.state.unknown_since.is_none() && w.state.status == expected
    })
    .await;
    assert_eq!(seen.incidents().await.len(), before + 2, "the region's, and the real one");
    let came = eventually(STAGE, || async {
        let came: Vec<Value> = receiver.requests().iter().map(|r| r.json()).collect();
        let has = |event: &str| came.iter().any(|json| json["event"] == event);
        (has("self.cut_off") && has("self.back") && has("monitor.down")).then_some(came)
    })
    .await;
    println!("told: {:?}", came.iter().map(|json| json["text"].clone()).collect::<Vec<_>>());
    let changes = {
        let mut reader = seen.db.read().await.unwrap();
        history::status_changes(&mut reader.conn(), &seen.ids, Timestamp(0)).await.unwrap()
    };
    for id in &seen.ids {
        assert!(changes[id].iter().any(|change| change.status.is_none()), "a gap in each history");
    }
    server.kill();
}
