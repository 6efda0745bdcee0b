//! A power cut with alerts on their way: none is lost, and none is made up.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(
    clippy::disallowed_methods,
    reason = "a test has no supervisor, and its seed comes from the clock"
)]

mod kills;
mod ledger;
mod load;
mod receiver;

use std::collections::BTreeMap;

use serde_json::json;
use watchbell::account::{Role, api_token};
use watchbell::monitor::Status;
use watchbell::notify::DeliveryState;
use watchbell::store::monitors;

use crate::support::api::START;
use crate::support::app::deliveries_in;
use crate::support::binary::{serve, spawn_binary};
use crate::support::database::TestDatabase;
use crate::support::stub::Stub;
use crate::support::{CAP, eventually};

const ALERTS: usize = 50;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_loses_no_alert_and_makes_up_none() {
    let database = TestDatabase::new().await;
    let (bad, good, receiver) = (Stub::start().await, Stub::start().await, Stub::start().await);
    bad.answer(500, "");
    receiver.answer(500, "not now");
    let mut command = serve(&database);
    command.env("WATCHBELL_RETRY_SCHEDULE", vec!["1"; 600].join(","));
    let server = spawn_binary(&mut command);
    let db = database.open().await;
    let (_, token) = api_token::create(&db, "test", Role::Admin, START).await.unwrap();
    let post = async |path: &str, body| {
        server.api(&token, "POST", path, body).await.data(201)["id"].as_i64().unwrap()
    };
    let hook = json!({"type": "webhook", "url": receiver.url("/hook"), "is_default": true});
    post("/channels", hook).await;
    let mut down = Vec::new();
    for n in 0..ALERTS {
        let fields =
            json!({"url": bad.url(&format!("/{n}")), "retries": 0, "check_interval_seconds": 3600});
        down.push(post("/monitors", fields).await);
        if n % 10 == 0 {
            let up = json!({"url": good.url("/"), "retries": 0, "check_interval_seconds": 3600});
            post("/monitors", up).await;
        }
    }
    eventually(CAP, || async {
        let pending = deliveries_in(&db, DeliveryState::Pending).await;
        // Some were tried, so that a first attempt is cut off or answered with an error when the kill comes.
        (pending.len() == ALERTS && receiver.count() > 10).then_some(())
    })
    .await;
    server.kill();
    let before = receiver.count();
    assert!(deliveries_in(&db, DeliveryState::Delivered).await.is_empty());
    receiver.answer(200, "");
    let server = spawn_binary(&mut command);
    eventually(CAP, || async {
        (deliveries_in(&db, DeliveryState::Delivered).await.len() == ALERTS).then_some(())
    })
    .await;
    assert!(deliveries_in(&db, DeliveryState::Pending).await.is_empty());
    let mut ids: BTreeMap<i64, String> = BTreeMap::new();
    for request in receiver.requests() {
        let json = request.json();
        assert_eq!(json["event"], "monitor.down", "nothing else has happened");
        let monitor = json["monitor"]["id"].as_i64().unwrap();
        let id = request.header("webhook-id").to_owned();
        let first = ids.entry(monitor).or_insert_with(|| id.clone());
        assert_eq!(*first, id, "the same over all attempts, also across the kill");
    }
    assert_eq!(ids.keys().copied().collect::<Vec<_>>(), down, "those that are down, and no other");
    // What the killed server had sent may be read only now, at most its four attempts at once.
    let taken = receiver.count() - before;
    assert!(
        (ALERTS..=ALERTS + 4).contains(&taken),
        "after the restart each was taken once: {taken}"
    );
    let mut reader = db.read().await.unwrap();
    let counts = monitors::count_by_status(&mut reader.conn()).await.unwrap();
    assert!(counts.contains(&(Status::Down, ALERTS as i64)), "{counts:?}");
    drop(reader);
    server.kill();
}
