//! A thousand monitors that go down in one moment, on the real app.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::sync::Arc;

use serde_json::json;
use uuid::Uuid;
use watchbell::clock::ManualClock;
use watchbell::monitor::{Kind, Settings};
use watchbell::notify::DeliveryState;
use watchbell::seal::Sealer;
use watchbell::store::{deliveries, monitors};

use crate::support::api::START;
use crate::support::app::{KEY, TestApp};
use crate::support::database::TestDatabase;
use crate::support::stub::Stub;
use crate::support::{CAP, eventually};

const MONITORS: usize = 1000;

async fn database_with_jobs() -> TestDatabase {
    let database = TestDatabase::new().await;
    let (db, sealer) = (database.open().await, Sealer::from_text(KEY));
    let mut tx = db.begin().await.unwrap();
    for n in 0..MONITORS {
        let fields = json!({"name": format!("nightly job {n:04}"), "period_seconds": 3600,
            "first_ping_within_seconds": 60});
        let settings = Settings::read(fields.as_object().unwrap(), Kind::Heartbeat, None).unwrap();
        let uuid = Some(Uuid::new_v4());
        monitors::insert(&mut tx.conn(), &sealer, &settings, uuid, START).await.unwrap();
    }
    tx.commit().await.unwrap();
    db.close().await;
    database
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_that_go_down_at_once_are_all_named_in_few_messages() {
    let database = Arc::new(database_with_jobs().await);
    let app = TestApp::start(database, ManualClock::new(START), &[]).await;
    let (machine, mattermost, discord) =
        (Stub::start().await, Stub::start().await, Stub::start().await);
    app.webhook(&machine).await;
    for (kind, receiver) in [("mattermost", &mattermost), ("discord", &discord)] {
        let url = receiver.url("/hooks/x");
        app.make("/channels", json!({"type": kind, "url": url, "is_default": true})).await;
    }
    app.advance(61);
    let down_at = app.now();
    loop {
        let now = app.now();
        let pending = eventually(CAP * 4, || async {
            let mut reader = app.db.read().await.unwrap();
            let all = deliveries::Filter::default();
            let page = deliveries::list(&mut reader.conn(), &all, 10_000, 0).await.unwrap();
            let pending: Vec<_> = page
                .deliveries
                .iter()
                .filter(|row| row.state == DeliveryState::Pending)
                .cloned()
                .collect();
            let is_quiet = pending.iter().all(|row| row.next_attempt_at.is_some_and(|at| at > now));
            (page.total as usize > 3 * MONITORS && is_quiet).then_some(pending)
        })
        .await;
        if pending.is_empty() {
            break;
        }
        app.advance(5);
    }
    assert!(app.now().since(down_at) <= 120_000, "named within two minutes");
    assert_eq!(machine.count(), MONITORS, "a machine gets every event singly");
    for (kind, receiver) in [("mattermost", &mattermost), ("discord", &discord)] {
        println!("a storm of {MONITORS}: {} messages to {kind}", receiver.count());
        assert!(receiver.count() <= 60, "{kind}: {}", receiver.count());
        let requests = receiver.requests();
        let all: String =
            requests.iter().map(|request| String::from_utf8_lossy(&request.body)).collect();
        for n in 0..MONITORS {
            assert!(all.contains(&format!("nightly job {n:04}")), "{kind}: {n}");
        }
    }
    app.stop().await;
}
