//! No descriptors left: that is our own trouble, and makes no monitor down.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::process::Command;

use serde_json::json;
use watchbell::account::{Role, api_token};
use watchbell::clock::Timestamp;
use watchbell::monitor::{ErrorKind, Status, Verdict};
use watchbell::store::{Db, history, incidents, monitors, results};

use crate::support::api::START;
use crate::support::binary::{Binary, serve, spawn_binary};
use crate::support::database::TestDatabase;
use crate::support::stub::Stub;
use crate::support::{CAP, eventually};

const MONITORS: usize = 10;

fn limit_descriptors(server: &Binary, limit: &str) {
    let pid = server.pid().to_string();
    let nofile = format!("--nofile={limit}:");
    assert!(Command::new("prlimit").args(["--pid", &pid, &nofile]).status().unwrap().success());
}

/// Waits until the last check of all monitors has this verdict.
async fn all_are(db: &Db, ids: &[i64], verdict: Verdict) {
    eventually(CAP, || async {
        let mut reader = db.read().await.unwrap();
        let watched = monitors::by_ids(&mut reader.conn(), ids).await.unwrap();
        let is_so = |w: &monitors::Watched| {
            w.state.last_check.is_some_and(|last| last.verdict == verdict)
                && w.state.status == Status::Up
        };
        watched.iter().all(is_so).then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_lack_of_descriptors_makes_no_monitor_down() {
    let database = TestDatabase::new().await;
    let target = Stub::start().await;
    let server = spawn_binary(&mut serve(&database));
    let db = database.open().await;
    let (_, token) = api_token::create(&db, "test", Role::Admin, START).await.unwrap();
    let mut ids = Vec::new();
    for n in 0..MONITORS {
        // Half of them need the resolver, which wants descriptors of its own.
        let mut url = target.url("/");
        if n % 2 == 0 {
            url = url.replace("127.0.0.1", "localhost");
        }
        let fields = json!({"url": url, "retries": 0, "check_interval_seconds": 1});
        let made = server.api(&token, "POST", "/monitors", fields).await.data(201);
        ids.push(made["id"].as_i64().unwrap());
    }
    all_are(&db, &ids, Verdict::Up).await;
    // Fewer than are open, so that no new one can be had.
    limit_descriptors(&server, "3");
    all_are(&db, &ids, Verdict::Unknown).await;
    limit_descriptors(&server, "1024");
    all_are(&db, &ids, Verdict::Up).await;
    let mut reader = db.read().await.unwrap();
    let conn = &mut reader.conn();
    for id in ids {
        let results = results::latest(conn, id, 1000, 0).await.unwrap();
        let unknown: Vec<_> =
            results.iter().filter(|r| r.result.verdict == Verdict::Unknown).collect();
        assert!(!unknown.is_empty());
        for stored in unknown {
            let error = stored.result.error.as_ref().unwrap();
            assert_eq!(error.kind, ErrorKind::Internal, "{}", error.text);
        }
        assert!(results.iter().all(|r| r.result.verdict != Verdict::Down));
        let changes = history::status_changes(conn, &[id], Timestamp(0)).await.unwrap();
        assert!(changes[&id].iter().any(|change| change.status.is_none()), "a gap");
    }
    assert_eq!(incidents::count(conn, Default::default()).await.unwrap(), 0);
    drop(reader);
    server.kill();
}
