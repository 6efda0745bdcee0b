//! Checks happen when they should, whatever other targets do, and more work than permits does no harm.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use watchbell::clock::Timestamp;
use watchbell::monitor::{Status, schedule};
use watchbell::store::history;

use crate::support::app::{TestApp, spawn_app, spawn_app_with};
use crate::support::stub::{Stub, Told};
use crate::support::{CAP, eventually};

/// A monitor whose checks hang until the test says otherwise.
async fn hanging(app: &TestApp, fields: Value) -> (Stub, i64) {
    let target = Stub::start().await;
    target.tell(Told::Hang);
    let mut all = json!({"timeout_seconds": 120});
    all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let id = app.monitor(&target, all).await;
    (target, id)
}

async fn ready(app: &TestApp) -> (u16, Value) {
    let answer = app.request("GET", "/readyz").send().await.unwrap();
    (answer.status().as_u16(), answer.json().await.unwrap())
}

#[tokio::test]
async fn a_healthy_monitor_keeps_its_pace_beside_twenty_that_hang() {
    let app = spawn_app_with(&["--check-permits", "24"]).await;
    let mut targets = Vec::new();
    for _ in 0..20 {
        targets.push(hanging(&app, json!({"check_interval_seconds": 5})).await.0);
    }
    let healthy = Stub::start().await;
    let id = app.monitor(&healthy, json!({"check_interval_seconds": 5})).await;
    let mut results = app.results(id, 1).await;
    for target in &targets {
        target.wait_for(1).await;
    }
    for n in 2..30 {
        let watched = app.watched(id).await;
        let (last, pace) = (results[0].started_at, watched.monitor.settings.target.pace().unwrap());
        let routine_began = (n > 2).then_some(last);
        let due = schedule::next_due(id, pace, &watched.state, routine_began, app.now());
        app.clock.advance_ms(due.since(app.now()));
        results = app.results(id, n).await;
        let gap = results[0].started_at.since(last);
        assert!(gap < 7_500, "{gap} ms between two checks");
    }
    // All of them hang in their first check.
    assert!(targets.iter().all(|target| target.count() == 1));
    targets.iter().for_each(|target| target.answer(200, "ok"));
    app.stop().await;
}

#[tokio::test]
async fn jobs_and_alerts_do_not_wait_for_permits() {
    let app = spawn_app_with(&["--check-permits", "1"]).await;
    let receiver = Stub::start().await;
    app.webhook(&receiver).await;
    let (target, _) = hanging(&app, json!({})).await;
    target.wait_for(1).await;
    let job = app.make("/heartbeats", json!({"name": "job", "period_seconds": 60})).await;
    let uuid = job["uuid"].as_str().unwrap();
    let failed = app.request("POST", &format!("/ping/{uuid}/fail")).send().await.unwrap();
    assert_eq!(failed.status(), 200);
    receiver.wait_for(1).await;
    target.answer(200, "ok");
    app.stop().await;
}

#[tokio::test]
async fn too_much_work_is_told_and_never_a_failure() {
    let app = spawn_app_with(&["--check-permits", "1"]).await;
    let (target, hung) = hanging(&app, json!({})).await;
    target.wait_for(1).await;
    let others = [Stub::start().await, Stub::start().await];
    let ids = [app.monitor(&others[0], json!({})).await, app.monitor(&others[1], json!({})).await];
    assert_eq!(ready(&app).await.0, 200);
    // Three slots of a minute pass before a permit is free.
    app.advance(190);
    let (status, troubles) = ready(&app).await;
    assert_eq!((status, &troubles["checks"]["checker"]), (503, &json!("error: 190 s late")));
    target.answer(200, "ok");
    for id in ids {
        app.results(id, 1).await;
    }
    let overloaded = eventually(CAP, || async {
        let (status, troubles) = ready(&app).await;
        (status == 503 && app.get("/status").await["checker"]["in_flight"] == 0).then_some(troubles)
    });
    let troubles = overloaded.await;
    let text = troubles["checks"]["checker"].as_str().unwrap();
    assert!(text.contains("WATCHBELL_CHECK_PERMITS"), "{text}");
    let shown = app.get("/status").await;
    assert_eq!(shown["checker"]["is_overloaded"], true, "{shown}");
    assert!(shown["checker"]["skipped"].as_i64().unwrap() >= 4, "{shown}");
    for id in [hung, ids[0], ids[1]] {
        app.until(id, |w| w.state.status == Status::Up).await;
    }
    // It is over when enough time has passed without: in small steps, so that no check of theirs is late again.
    let mut status = 503;
    for _ in 0..20 {
        app.advance(10);
        let is_idle = || async { app.get("/status").await["checker"]["in_flight"] == 0 };
        eventually(CAP, || async { is_idle().await.then_some(()) }).await;
        status = ready(&app).await.0;
        if status == 200 {
            break;
        }
    }
    assert_eq!(status, 200);
    app.stop().await;
}

#[tokio::test]
async fn at_most_eight_checks_of_one_address_are_in_flight() {
    let app = spawn_app().await;
    let target = Stub::start().await;
    target.tell(Told::Hang);
    let mut ids = Vec::new();
    for _ in 0..12 {
        ids.push(app.monitor(&target, json!({"timeout_seconds": 120})).await);
    }
    target.wait_for(8).await;
    let in_flight = || async { app.get("/status").await["checker"]["in_flight"].as_i64().unwrap() };
    eventually(CAP, || async { (in_flight().await == 8).then_some(()) }).await;
    // Another address is not concerned.
    let healthy = Stub::start().await;
    let id = app.monitor(&healthy, json!({})).await;
    app.results(id, 1).await;
    assert_eq!(target.count(), 8);
    assert_eq!(ready(&app).await.0, 200);
    target.answer(200, "ok");
    for id in ids {
        app.results(id, 1).await;
    }
    app.stop().await;
}

/// What was recorded by a clock that went wrong must not have the last word when that time has come.
#[tokio::test]
async fn a_clock_that_is_set_back_leaves_no_history_of_a_time_to_come() {
    let app = spawn_app().await;
    let job = app.make("/heartbeats", json!({"name": "job", "period_seconds": 86_400})).await;
    let (id, uuid) = (job["id"].as_i64().unwrap(), job["uuid"].as_str().unwrap());
    let signal = async |suffix: &str| {
        app.request("GET", &format!("/ping/{uuid}{suffix}")).send().await.unwrap()
    };
    signal("").await;
    app.advance(3600);
    signal("/fail").await;
    app.until(id, |w| w.state.status == Status::Down).await;
    app.jump_ms(-1_800_000);
    // Something wakes the watcher, as its own sleep of ten seconds does on a real machine.
    let window = json!({"name": "works", "monitor_ids": [id], "duration_minutes": 1});
    app.make("/maintenance-windows", window).await;
    let last = async || {
        let mut reader = app.db.read().await.unwrap();
        let changes =
            history::status_changes(&mut reader.conn(), &[id], Timestamp(0)).await.unwrap();
        *changes[&id].last().unwrap()
    };
    eventually(CAP, || async { (last().await.at <= app.now()).then_some(()) }).await;
    assert_eq!(last().await.status, Some(Status::Down));
    signal("").await;
    app.until(id, |w| w.state.status == Status::Up).await;
    assert_eq!(last().await.status, Some(Status::Up));
    app.stop().await;
}

/// The writer reads monitors without their secrets, and shares them with the checker.
#[tokio::test]
async fn headers_are_sent_after_a_restart_and_after_each_change() {
    let (app, target) = (spawn_app().await, Stub::start().await);
    let id = app.monitor(&target, json!({"headers": {"X-Key": "k3y"}})).await;
    app.results(id, 1).await;
    let (database, clock) = app.halt().await;
    clock.advance_ms(600_000);
    let app = TestApp::start(database, clock, &[]).await;
    app.results(id, 2).await;
    app.post(&format!("/monitors/{id}/pause")).await;
    app.advance(1);
    app.post(&format!("/monitors/{id}/resume")).await;
    app.results(id, 3).await;
    app.advance(1);
    app.patch(&format!("/monitors/{id}"), json!({"name": "other"})).await;
    let requests = target.wait_for(4).await;
    assert!(requests.iter().all(|request| request.header("x-key") == "k3y"), "{requests:?}");
    app.stop().await;
}
