//! `/metrics`: who may read it, and what is in it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::json;

use crate::support::app::{TestApp, spawn_app, spawn_app_with};
use crate::support::stub::Stub;

async fn scrape(app: &TestApp) -> String {
    let answer = app.request("GET", "/metrics").send().await.unwrap();
    assert_eq!(answer.status(), 200);
    assert_eq!(answer.headers()["content-type"], "text/plain; version=0.0.4; charset=utf-8");
    answer.text().await.unwrap()
}

#[tokio::test]
async fn metrics_are_for_viewers() {
    let app = spawn_app().await;
    let viewer = app.make("/tokens", json!({"name": "prometheus", "role": "viewer"})).await;
    let get = |token: Option<&str>| {
        let request = app.request("GET", "/metrics");
        let request = match token {
            Some(token) => request.bearer_auth(token),
            None => request,
        };
        async { request.send().await.unwrap().status().as_u16() }
    };
    assert_eq!(get(None).await, 401);
    assert_eq!(get(Some("wbt_wrong")).await, 401);
    assert_eq!(get(viewer["token"].as_str()).await, 200);
    app.stop().await;
}

#[tokio::test]
async fn metrics_tell_of_the_server_and_of_each_monitor() {
    let app = spawn_app_with(&["--metrics-public", "true"]).await;
    let receiver = Stub::start().await;
    app.webhook(&receiver).await;
    let (good, bad) = (Stub::start().await, Stub::start().await);
    bad.answer(503, "no");
    let up = app.monitor(&good, json!({"name": "a \"good\" one"})).await;
    let down = app.monitor(&bad, json!({"name": "bad", "retries": 0})).await;
    app.results(up, 1).await;
    app.results(down, 1).await;
    let job = app.make("/heartbeats", json!({"name": "job", "period_seconds": 60})).await;
    let id = job["id"].as_i64().unwrap();
    app.request("GET", &format!("/ping/{}", job["uuid"].as_str().unwrap())).send().await.unwrap();
    app.make("/heartbeats", json!({"name": "silent", "period_seconds": 60})).await;
    receiver.wait_for(1).await;
    crate::support::eventually(crate::support::CAP, || async {
        let text = scrape(&app).await;
        text.contains("watchbell_deliveries{state=\"delivered\"} 1\n").then_some(())
    })
    .await;
    let text = scrape(&app).await;
    for line in [
        "watchbell_checks_total{verdict=\"up\"} 1",
        "watchbell_checks_total{verdict=\"down\"} 1",
        "watchbell_checks_skipped_total{reason=\"overload\"} 0",
        "watchbell_check_lateness_seconds_count 2",
        "watchbell_check_lateness_seconds_bucket{le=\"+Inf\"} 2",
        "watchbell_checks_in_flight 0",
        "watchbell_queue_depth{queue=\"checks\"} 0",
        "watchbell_queue_depth{queue=\"results\"} 0",
        "watchbell_deliveries{state=\"pending\"} 0",
        "watchbell_pings_total 1",
        &format!("watchbell_monitor_up{{id=\"{up}\",name=\"a \\\"good\\\" one\",type=\"http\"}} 1"),
        &format!("watchbell_monitor_up{{id=\"{down}\",name=\"bad\",type=\"http\"}} 0"),
        &format!("watchbell_monitor_up{{id=\"{id}\",name=\"job\",type=\"heartbeat\"}} 1"),
    ] {
        assert!(text.contains(&format!("{line}\n")), "{line}\n{text}");
    }
    let seconds = format!("watchbell_monitor_response_seconds{{id=\"{up}\",");
    assert!(text.contains(&seconds), "{text}");
    assert!(!text.contains("silent"), "nothing is known of it: {text}");
    app.stop().await;
}
