//! The real program, really stopped and let go on.

use std::time::Duration;

use reqwest::Client;
use serde_json::json;
use watchbell::account::{Role, api_token};
use watchbell::clock::Clock;

use crate::support::api::START;
use crate::support::binary::{serve, spawn_binary};
use crate::support::database::TestDatabase;
use crate::support::stub::Stub;
use crate::support::{CAP, eventually};

/// The stop is the thing under test, so it is waited for: longer than the job's window and what counts as late.
const STOPPED: Duration = Duration::from_secs(8);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_was_stopped_raises_no_alarm_by_itself() {
    let database = TestDatabase::new().await;
    let server = spawn_binary(&mut serve(&database));
    let db = database.open().await;
    let (_, token) = api_token::create(&db, "test", Role::Admin, START).await.unwrap();
    let receiver = Stub::start().await;
    let hook = json!({"type": "webhook", "url": receiver.url("/hook"), "is_default": true});
    server.api(&token, "POST", "/channels", hook).await.data(201);
    // Due while it is stopped, and a grace that a busy machine keeps after it.
    let fields = json!({"name": "job", "period_seconds": 1, "grace_seconds": 1});
    let made = server.api(&token, "POST", "/heartbeats", fields).await.data(201);
    let (id, url) = (
        made["id"].as_i64().unwrap(),
        format!("{}/ping/{}", server.base, made["uuid"].as_str().unwrap()),
    );
    let client = Client::builder().no_proxy().build().unwrap();
    assert_eq!(client.get(&url).send().await.unwrap().status(), 200);
    let before = watchbell::clock::SystemClock.now().to_utc();
    server.signal("-STOP");
    tokio::time::sleep(STOPPED).await;
    server.signal("-CONT");
    // The job is dead, so it alerts: but for a window that began with the return.
    let told = eventually(CAP, || async { receiver.requests().first().cloned() }).await.json();
    assert_eq!(told["monitor"]["id"], id);
    let started = told["incident"]["started_at"].as_str().unwrap();
    let started = chrono::DateTime::parse_from_rfc3339(started).unwrap();
    let after = started.to_utc() - before;
    assert!(after >= chrono::TimeDelta::seconds(8 + 2), "dated {after} after the stop began");
    assert_eq!(client.get(&url).send().await.unwrap().status(), 200);
    receiver.wait_for(2).await;
    server.kill();
}
