//! Ladders and maintenance windows.

use serde_json::json;
use watchbell::monitor::Status;

use super::Scene;

async fn window(scene: &Scene, id: i64, minutes: u32) -> i64 {
    let body = json!({"name": "Deploy", "monitor_ids": [id], "duration_minutes": minutes});
    scene.app.make("/maintenance-windows", body).await["id"].as_i64().unwrap()
}

#[tokio::test]
async fn a_window_that_opens_and_closes_between_two_steps_moves_the_second() {
    let scene = Scene::new().await;
    let policy = scene.policy(&[(0, &[0]), (5, &[1])], json!({})).await;
    let (id, _) = scene.outage(policy).await;
    scene.minutes(1).await;
    window(&scene, id, 3).await;
    scene.minutes(6).await;
    scene.got([&["down"], &[], &[]]).await;
    scene.minutes(1).await;
    scene.got([&["down"], &["down"], &[]]).await;
    scene.app.stop().await;
}

#[tokio::test]
async fn a_window_over_a_step_holds_it_and_it_comes_after_a_fresh_failure() {
    let scene = Scene::new().await;
    let policy = scene.policy(&[(0, &[0]), (5, &[1])], json!({})).await;
    let (id, incident) = scene.outage(policy).await;
    scene.minutes(3).await;
    let window = window(&scene, id, 600).await;
    scene.minutes(20).await;
    scene.got([&["down"], &[], &[]]).await;
    assert_eq!(scene.timeline(incident).await.last().unwrap().0, "held");
    let checks = scene.app.results(id, 1).await.len();
    scene.app.post(&format!("/maintenance-windows/{window}/end")).await;
    scene.app.results(id, checks + 1).await;
    // Two of five minutes were left when the window opened.
    scene.minutes(1).await;
    scene.got([&["down"], &[], &[]]).await;
    scene.minutes(1).await;
    scene.got([&["down"], &["down"], &[]]).await;
    scene.app.stop().await;
}

#[tokio::test]
async fn what_is_well_when_the_window_ends_climbs_no_further() {
    let scene = Scene::new().await;
    let policy = scene.policy(&[(0, &[0]), (5, &[1])], json!({})).await;
    let (id, _) = scene.outage(policy).await;
    let window = window(&scene, id, 600).await;
    scene.minutes(10).await;
    scene.target.answer(200, "");
    scene.app.post(&format!("/maintenance-windows/{window}/end")).await;
    scene.app.until(id, |w| w.state.status == Status::Up).await;
    scene.minutes(10).await;
    scene.got([&["down", "up"], &[], &[]]).await;
    scene.app.stop().await;
}

#[tokio::test]
async fn an_outage_that_begins_in_a_window_begins_its_ladder_after_it() {
    let scene = Scene::new().await;
    let policy = scene.policy(&[(0, &[0]), (5, &[1])], json!({})).await;
    let id = scene.monitor(policy).await;
    scene.app.results(id, 1).await;
    window(&scene, id, 10).await;
    scene.target.answer(500, "");
    scene.app.post(&format!("/monitors/{id}/check")).await;
    scene.app.until(id, |w| w.state.status == Status::Down).await;
    scene.minutes(9).await;
    scene.got([&[], &[], &[]]).await;
    scene.minutes(1).await;
    scene.got([&["down"], &[], &[]]).await;
    scene.minutes(5).await;
    scene.got([&["down"], &["down"], &[]]).await;
    scene.app.stop().await;
}
