//! What people do to a monitor while it is down, or while a check of it is under way.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::json;
use watchbell::monitor::{Status, Verdict};

use crate::support::app::spawn_app;
use crate::support::stub::{Stub, Told};

#[tokio::test]
async fn pausing_or_deleting_what_is_down_says_that_watching_stopped() {
    for (deed, word) in [("pause", "paused"), ("delete", "deleted")] {
        let (app, target, receiver) = (spawn_app().await, Stub::start().await, Stub::start().await);
        app.webhook(&receiver).await;
        target.answer(500, "");
        let id = app.monitor(&target, json!({"retries": 0, "name": "shop"})).await;
        receiver.wait_for(1).await;
        app.advance(30);
        match deed {
            "pause" => drop(app.post(&format!("/monitors/{id}/pause")).await),
            _ => app.delete(&format!("/monitors/{id}")).await,
        }
        let told = receiver.wait_for(2).await;
        let first = told[1].text().lines().next().unwrap().to_owned();
        assert_eq!(first, format!("⚪ *{}/health* watching stopped: {word}", target.host()));
        assert!(!told[1].text().contains("back online"));
        let incidents = app.get("/incidents").await;
        assert_eq!(incidents[0]["state"], "resolved");
        assert_eq!(incidents[0]["monitor_name"], "shop");
        app.stop().await;
        assert_eq!(receiver.count(), 2);
    }
}

#[tokio::test]
async fn a_paused_monitor_is_not_checked_and_resumes_as_pending() {
    let (app, target) = (spawn_app().await, Stub::start().await);
    let id = app.monitor(&target, json!({})).await;
    app.results(id, 1).await;
    app.until(id, |w| w.state.status == Status::Up).await;
    let paused = app.post(&format!("/monitors/{id}/pause")).await;
    assert_eq!(paused["current_status"], "paused");
    let refused = app.api("POST", &format!("/monitors/{id}/check"), json!(null)).await;
    assert_eq!(refused.status, 409);
    app.advance(3600);
    target.tell(Told::Hang);
    assert_eq!(app.post(&format!("/monitors/{id}/resume")).await["current_status"], "pending");
    target.wait_for(2).await;
    target.answer(200, "");
    let results = app.results(id, 2).await;
    assert_eq!(results[0].started_at, app.now(), "the first check after resuming comes at once");
    app.stop().await;
    assert_eq!(target.count(), 2, "none in the paused hour");
}

#[tokio::test]
async fn the_first_check_after_an_edit_comes_at_once_even_while_one_hangs() {
    let (app, slow, quick) = (spawn_app().await, Stub::start().await, Stub::start().await);
    slow.tell(Told::Hang);
    let id = app.monitor(&slow, json!({"timeout_seconds": 120})).await;
    slow.wait_for(1).await;
    app.advance(1);
    app.patch(&format!("/monitors/{id}"), json!({"url": quick.url("/new")})).await;
    let results = app.results(id, 1).await;
    assert_eq!((results[0].started_at, results[0].verdict), (app.now(), Verdict::Up));
    assert_eq!(quick.requests()[0].path, "/new");
    slow.answer(500, "");
    app.checks(id, 2).await;
    app.until(id, |w| w.state.status == Status::Up).await;
    app.stop().await;
    assert_eq!((slow.count(), quick.count()), (1, 3));
}

#[tokio::test]
async fn the_result_of_a_check_that_hung_when_it_was_paused_changes_nothing() {
    let (app, target, receiver) = (spawn_app().await, Stub::start().await, Stub::start().await);
    app.webhook(&receiver).await;
    target.tell(Told::Hang);
    let id = app.monitor(&target, json!({"retries": 0})).await;
    target.wait_for(1).await;
    app.advance(1);
    app.post(&format!("/monitors/{id}/pause")).await;
    target.answer(500, "");
    // Another monitor goes through all of it, so that a result of the first would have come by now.
    let other = app.monitor(&target, json!({"retries": 0, "channel_ids": []})).await;
    app.until(other, |w| w.state.status == Status::Down).await;
    assert_eq!(app.watched(id).await.state.status, Status::Paused);
    assert!(app.results(id, 0).await.is_empty());
    assert!(app.deliveries().await.is_empty());
    app.stop().await;
}

#[tokio::test]
async fn check_now_during_a_check_waits_for_that_one() {
    let (app, target) = (spawn_app().await, Stub::start().await);
    target.tell(Told::Hang);
    let id = app.monitor(&target, json!({"timeout_seconds": 120})).await;
    target.wait_for(1).await;
    let created_at = app.now();
    app.advance(1);
    let path = format!("/monitors/{id}/check");
    let asking = app.api("POST", &path, json!(null));
    let answering = async {
        // The question has overtaken none of these, as a rule. If it has, a second check answers it, but never beside the first.
        for _ in 0..20 {
            app.get("/status").await;
        }
        assert_eq!(target.count(), 1, "no second check while one runs");
        target.answer(200, "");
    };
    let (asked, ()) = tokio::join!(asking, answering);
    let asked = asked.data(200);
    assert_eq!(asked["verdict"], "up");
    let is_the_first = asked["started_at"] == json!(created_at);
    assert_eq!(target.count(), if is_the_first { 1 } else { 2 });
    app.advance(1);
    let again = app.post(&path).await;
    assert_eq!(again["started_at"], json!(app.now()));
    app.stop().await;
}
