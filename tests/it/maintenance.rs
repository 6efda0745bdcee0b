//! Maintenance windows: what fails inside one is held, and told afterwards only if it still fails.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use watchbell::monitor::Status;

use crate::support::api::START;
use crate::support::app::{TestApp, spawn_app};
use crate::support::stub::{Stub, Told};

async fn window(app: &TestApp, fields: Value) -> i64 {
    let mut body = json!({"name": "Deploy", "duration_minutes": 10});
    body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    app.make("/maintenance-windows", body).await["id"].as_i64().unwrap()
}

#[tokio::test]
async fn still_down_when_the_window_is_ended_alerts_after_a_fresh_failing_check() {
    let (app, target, receiver) = (spawn_app().await, Stub::start().await, Stub::start().await);
    app.webhook(&receiver).await;
    let id = app.monitor(&target, json!({"retries": 0})).await;
    app.results(id, 1).await;
    let window = window(&app, json!({"monitor_ids": [id]})).await;
    assert_eq!(app.get(&format!("/monitors/{id}")).await["in_maintenance"], true);
    target.answer(500, "");
    app.checks(id, 2).await;
    app.until(id, |w| w.state.status == Status::Down).await;
    let incident = &app.get("/incidents?state=open").await[0];
    assert_eq!(incident["monitor_id"], id);
    let timeline = app.get(&format!("/incidents/{}", incident["id"])).await["timeline"].clone();
    assert!(timeline.as_array().unwrap().iter().any(|line| line["kind"] == "held"), "{timeline}");
    assert!(app.deliveries().await.is_empty(), "held");
    app.advance(1);
    target.answer(502, "");
    let checks = app.results(id, 3).await.len();
    let ended = app.post(&format!("/maintenance-windows/{window}/end")).await;
    assert_eq!((&ended["is_active"], &ended["ends_at"]), (&json!(false), &json!(app.now())));
    let text = receiver.wait_for_texts(1).await.remove(0);
    // The fresh check is asked for at once: the clock has not moved.
    assert!(text.contains("is DOWN\nStatus: 502\nDuration: 1m 1s"), "{text}");
    let results = app.results(id, checks + 1).await;
    assert_eq!(results[0].started_at, app.now());
    target.answer(200, "");
    app.checks(id, 1).await;
    assert!(receiver.wait_for_texts(2).await[1].contains("back online"));
    app.stop().await;
    assert_eq!(receiver.count(), 2);
}

#[tokio::test]
async fn what_was_acknowledged_inside_a_window_is_told_after_it_with_who_has_it() {
    let (app, target, receiver) = (spawn_app().await, Stub::start().await, Stub::start().await);
    app.webhook(&receiver).await;
    let id = app.monitor(&target, json!({"retries": 0})).await;
    app.results(id, 1).await;
    let window = window(&app, json!({"monitor_ids": [id]})).await;
    target.answer(500, "");
    app.checks(id, 1).await;
    app.until(id, |w| w.state.status == Status::Down).await;
    let incident = app.get("/incidents?state=open").await[0]["id"].clone();
    let taken = app.post(&format!("/incidents/{incident}/acknowledge")).await;
    let by = taken["acknowledged_by"].as_str().unwrap();
    assert!(app.deliveries().await.is_empty(), "nobody was told, so nobody is told who has it");
    app.post(&format!("/maintenance-windows/{window}/end")).await;
    let texts = receiver.wait_for_texts(2).await;
    assert!(texts[0].contains("is DOWN\nStatus: 500"), "{texts:?}");
    assert!(texts[1].contains(&format!("is acknowledged by {by}\nStatus: 500")), "{texts:?}");
    target.answer(200, "");
    app.checks(id, 1).await;
    assert!(receiver.wait_for_texts(3).await[2].contains("back online"));
    app.stop().await;
    assert_eq!(receiver.count(), 3);
}

#[tokio::test]
async fn a_window_that_runs_out_lets_go_too() {
    let (app, target, receiver) = (spawn_app().await, Stub::start().await, Stub::start().await);
    app.webhook(&receiver).await;
    let fields = json!({"retries": 0, "tags": ["shop"], "check_interval_seconds": 86_400});
    target.answer(500, "");
    window(&app, json!({"tags": ["shop"]})).await;
    let id = app.monitor(&target, fields).await;
    app.until(id, |w| w.state.status == Status::Down).await;
    assert!(app.deliveries().await.is_empty());
    app.advance(600);
    let text = receiver.wait_for_texts(1).await.remove(0);
    assert!(text.contains("Duration: 10m"), "{text}");
    app.stop().await;
}

#[tokio::test]
async fn an_outage_that_begins_and_ends_inside_says_nothing() {
    let (app, target, receiver) = (spawn_app().await, Stub::start().await, Stub::start().await);
    app.webhook(&receiver).await;
    let id = app.monitor(&target, json!({"retries": 0})).await;
    app.results(id, 1).await;
    let window = window(&app, json!({"monitor_ids": [id]})).await;
    target.answer(500, "");
    app.checks(id, 1).await;
    app.until(id, |w| w.state.status == Status::Down).await;
    target.answer(200, "");
    app.checks(id, 1).await;
    app.until(id, |w| w.state.status == Status::Up).await;
    app.post(&format!("/maintenance-windows/{window}/end")).await;
    app.checks(id, 2).await;
    assert!(app.deliveries().await.is_empty());
    let incidents = app.get("/incidents").await;
    assert_eq!(incidents[0]["state"], "resolved");
    assert_eq!(incidents.as_array().unwrap().len(), 1);
    app.stop().await;
    assert_eq!(receiver.count(), 0);
}

#[tokio::test]
async fn the_end_of_an_outage_from_before_the_window_is_told_to_who_was_told() {
    let (app, target, receiver) = (spawn_app().await, Stub::start().await, Stub::start().await);
    app.webhook(&receiver).await;
    target.answer(500, "");
    let id = app.monitor(&target, json!({"retries": 0})).await;
    receiver.wait_for(1).await;
    window(&app, json!({"monitor_ids": [id]})).await;
    target.answer(200, "");
    app.checks(id, 1).await;
    assert!(receiver.wait_for_texts(2).await[1].contains("back online"));
    app.stop().await;
}

/// The clock of the tests starts at midnight.
#[tokio::test]
async fn a_window_that_repeats_holds_each_time() {
    let (app, target, receiver) = (spawn_app().await, Stub::start().await, Stub::start().await);
    app.webhook(&receiver).await;
    let id = app.monitor(&target, json!({"retries": 0})).await;
    let nightly = json!({"monitor_ids": [id], "cron": "0 3 * * *", "duration_minutes": 60});
    window(&app, nightly).await;
    for day in 0..2 {
        let opens = START.plus_ms((day * 24 + 3) * 3_600_000);
        app.clock.advance_ms(opens.plus_ms(60_000).since(app.now()));
        target.answer(500, "");
        // A check may have been on its way.
        app.checks(id, 2).await;
        app.until(id, |w| w.state.status == Status::Down).await;
        let told = 2 * day as usize;
        assert_eq!(app.deliveries().await.len(), told, "held");
        // It closes, and a fresh check fails.
        app.clock.advance_ms(opens.plus_ms(3_600_000).since(app.now()));
        assert_eq!(receiver.wait_for(told + 1).await[told].json()["event"], "monitor.down");
        target.answer(200, "");
        app.checks(id, 2).await;
        assert_eq!(receiver.wait_for(told + 2).await[told + 1].json()["event"], "monitor.up");
    }
    let past = app.get("/maintenance-windows").await;
    assert_eq!(past[0]["starts_at"], "2030-01-03T03:00:00.000+00:00");
    app.stop().await;
}

#[tokio::test]
async fn heartbeats_obey_it_too() {
    let (app, receiver) = (spawn_app().await, Stub::start().await);
    app.webhook(&receiver).await;
    let fields = json!({"name": "nightly job", "period_seconds": 60, "grace_seconds": 60});
    let job = app.make("/heartbeats", fields).await;
    let (id, uuid) = (job["id"].as_i64().unwrap(), job["uuid"].as_str().unwrap());
    let ping = async |suffix: &str| {
        let request = app.request("GET", &format!("/api/heartbeats/{uuid}/ping{suffix}"));
        assert_eq!(request.send().await.unwrap().status(), 200);
    };
    ping("").await;
    let window = window(&app, json!({"monitor_ids": [id]})).await;
    app.advance(180);
    app.until(id, |w| w.state.status == Status::Down).await;
    assert!(app.deliveries().await.is_empty(), "held");
    app.post(&format!("/maintenance-windows/{window}/end")).await;
    let text = receiver.wait_for_texts(1).await.remove(0);
    assert!(text.starts_with("🔴 *nightly job* is DOWN\nNo ping for 3m (expected"), "{text}");
    ping("").await;
    assert_eq!(
        receiver.wait_for_texts(2).await[1],
        "🟢 *nightly job* is back online\nDowntime: 1m"
    );
    app.stop().await;
}

#[tokio::test]
async fn a_check_that_began_inside_is_not_fresh() {
    let (app, target, receiver) = (spawn_app().await, Stub::start().await, Stub::start().await);
    app.webhook(&receiver).await;
    let fields = json!({"retries": 0, "timeout_seconds": 120});
    let id = app.monitor(&target, fields).await;
    app.results(id, 1).await;
    let window = window(&app, json!({"monitor_ids": [id]})).await;
    target.tell(Told::HangThen(500));
    app.advance(60);
    target.wait_for(2).await;
    app.advance(1);
    app.post(&format!("/maintenance-windows/{window}/end")).await;
    // What was asked of the old version fails; the new one is well.
    target.answer(200, "");
    assert_eq!(app.results(id, 2).await[0].status_code, Some(500));
    app.advance(60);
    app.results(id, 3).await;
    app.until(id, |w| w.state.status == Status::Up).await;
    assert_eq!(app.get("/incidents").await[0]["state"], "resolved");
    assert!(app.deliveries().await.is_empty());
    app.stop().await;
    assert_eq!(receiver.count(), 0);
}
