//! Ladders whose first step nobody heard: it was held, or its channel is gone for good.

use serde_json::json;

use watchbell::monitor::Status;

use super::{Scene, events};
use crate::support::stub::Stub;

#[tokio::test]
async fn an_outage_that_was_acknowledged_within_a_window_is_told_when_the_window_ends() {
    let scene = Scene::new().await;
    let policy = scene.policy(&[(0, &[0]), (10, &[1])], json!({})).await;
    let id = scene.monitor(policy).await;
    scene.app.results(id, 1).await;
    let window = json!({"name": "deploy", "duration_minutes": 60, "monitor_ids": [id]});
    let window = scene.app.make("/maintenance-windows", window).await["id"].clone();
    scene.target.answer(500, "");
    scene.app.advance(1);
    scene.app.post(&format!("/monitors/{id}/check")).await;
    scene.app.until(id, |w| w.state.status == Status::Down).await;
    let incident = scene.app.get("/incidents?state=open").await[0]["id"].clone();
    scene.app.post(&format!("/incidents/{incident}/acknowledge")).await;
    assert!(scene.app.deliveries().await.is_empty(), "held");
    scene.app.advance(1);
    scene.app.post(&format!("/maintenance-windows/{window}/end")).await;
    scene.receivers[0].wait_for(2).await;
    scene.app.advance(3600);
    scene.recover(id).await;
    // It was taken, so nobody of the second step is asked.
    let told = ["monitor.down", "incident.acknowledged", "monitor.up"];
    scene.receivers[0].wait_for(3).await;
    assert_eq!(events(&scene.receivers[0]), told);
    assert_eq!(scene.receivers[1].count(), 0);
    scene.app.stop().await;
}

#[tokio::test]
async fn a_step_whose_channel_fails_for_good_is_told_on_the_channels_of_later_steps() {
    let scene = Scene::new().await;
    scene.receivers[0].answer(410, "");
    let policy = scene.policy(&[(0, &[0]), (30, &[1])], json!({})).await;
    scene.outage(policy).await;
    let told = scene.receivers[1].wait_for(1).await[0].json();
    assert_eq!(told["event"], "channel.failed");
    scene.app.stop().await;
}

#[tokio::test]
async fn a_failed_alert_of_an_outage_that_is_over_is_not_sent_again() {
    let scene = Scene::new().await;
    let spare = Stub::start().await;
    scene.app.webhook(&spare).await;
    scene.receivers[0].answer(410, "");
    let policy = scene.policy(&[(0, &[0])], json!({})).await;
    let (id, _) = scene.outage(policy).await;
    spare.wait_for(1).await;
    let failed = scene.app.get("/deliveries?state=failed").await[0]["id"].clone();
    scene.app.advance(1);
    scene.recover(id).await;
    let retry = format!("/deliveries/{failed}/retry");
    let answer = scene.app.api("POST", &retry, json!(null)).await;
    assert!(answer.problem(409)["detail"].as_str().unwrap().contains("is over"));
    scene.app.stop().await;
}
