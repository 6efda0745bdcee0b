//! Regions and probes as the server sees them: what regions say together, silence, and what comes late.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use serde_json::{Value, json};
use watchbell::monitor::Status;
use watchbell::store::history;

use crate::support::hand_probe::World;
use crate::support::{CAP, eventually};

#[tokio::test(flavor = "multi_thread")]
async fn two_of_three_regions_make_an_outage_and_one_does_not() {
    let world = World::start(json!({})).await;
    world.well().await;
    world.both("up", "down").await;
    world.status(Status::Degraded).await;
    let shown = world.app.get(&format!("/monitors/{}", world.id)).await;
    assert_eq!((&shown["below_quorum"], &shown["stale"]), (&json!(true), &json!(false)));
    let us = &shown["region_states"][2];
    assert_eq!((&us["region"], &us["status"]), (&json!("us-east"), &json!("down")));
    assert_eq!(us["reason"], "Status: 503");

    world.both("down", "down").await;
    world.status(Status::Down).await;
    let told = world.receiver.wait_for(1).await[0].json();
    assert_eq!(told["event"], "monitor.down");
    let text = told["text"].as_str().unwrap();
    assert!(
        text.starts_with("🔴 *") && text.contains("is DOWN\nStatus: 503\nDuration: "),
        "{text}"
    );
    assert!(text.ends_with("\nRegions: eu-west, us-east (2 of 3)"), "{text}");
    let incident = &world.app.get("/incidents").await[0];
    assert_eq!(incident["regions"], json!(["eu-west", "us-east"]));

    // Repeated and late reports change nothing; they are there once.
    let before = world.app.results(world.id, 0).await.len();
    let at = world.app.now();
    let again = vec![
        world.eu.found(world.id, at, "down"),
        world.eu.found(world.id, at, "up"),
        world.eu.found(world.id, at.plus_ms(-1000), "up"),
    ];
    assert_eq!(world.eu.send(&world.app, again).await.json()["accepted"], 3);
    assert_eq!(world.app.results(world.id, 0).await.len(), before);
    world.status(Status::Down).await;
    assert!(world.metric("watchbell_probe_results_total{outcome=\"repeated\"}").await >= 3);

    world.both("up", "up").await;
    world.status(Status::Up).await;
    world.receiver.wait_for(2).await;
    let events: Vec<_> = world.told().iter().map(|alert| alert["event"].clone()).collect();
    assert_eq!(events, ["monitor.down", "monitor.up"]);
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_regions_with_one_failing_are_not_down() {
    let world = World::start(json!({"regions": ["eu-west", "us-east"]})).await;
    world.both("up", "up").await;
    world.status(Status::Up).await;
    world.both("down", "up").await;
    world.status(Status::Degraded).await;
    world.both("down", "up").await;
    assert_eq!(world.app.watched(world.id).await.state.status, Status::Degraded);
    assert!(world.app.deliveries().await.is_empty(), "below quorum nobody is alerted");
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_probes_are_told_once_each_and_the_state_stands() {
    let world = World::start(json!({"regions": ["eu-west", "us-east"]})).await;
    let more = world.app.monitor(&world.target, json!({"regions": ["eu-west", "us-east"]})).await;
    world.both("up", "up").await;
    world.status(Status::Up).await;
    let silence = async |seconds: i64| {
        for _ in 0..seconds / 5 {
            world.app.advance(5);
            tokio::task::yield_now().await;
            tokio::time::sleep(std::time::Duration::from_millis(3)).await;
        }
    };
    silence(60).await;
    assert!(world.told().is_empty());
    eventually(CAP, || async {
        world.app.advance(5);
        (world.receiver.count() >= 1).then_some(())
    })
    .await;
    let text = world.told()[0]["text"].as_str().unwrap().to_owned();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "🟠 *2 probes* are lost");
    assert!(lines[1].starts_with("Probe eu-west (region eu-west): No contact for "), "{text}");
    assert!(lines[2].starts_with("Probe us-east (region us-east): No contact for "), "{text}");
    assert!(lines[3].starts_with("2 monitors are checked from these places; silence"), "{text}");
    assert_eq!(world.told()[0]["incident"], Value::Null);
    // Fresh is what is younger than two intervals, the timeout and 30 s: 160 s.
    let stale = eventually(CAP, || async {
        world.app.advance(5);
        let watched = world.app.watched(world.id).await;
        watched.state.unknown_since.is_some().then_some(watched)
    })
    .await;
    assert_eq!(stale.state.status, Status::Up, "the state stands");
    let shown = world.app.get(&format!("/monitors/{}", world.id)).await;
    assert_eq!((&shown["stale"], &shown["current_status"]), (&json!(true), &json!("up")));
    assert_eq!(world.receiver.count(), 1, "told once, whatever the number of probes and monitors");
    let listed = world.app.get("/probes").await;
    assert_eq!(listed[0]["status"], "lost");

    world.eu.poll(&world.app, 0).await;
    eventually(CAP, || async {
        world.app.advance(5);
        (world.receiver.count() >= 2).then_some(())
    })
    .await;
    let back = &world.told()[1];
    assert_eq!(back["event"], "probe.back");
    let text = back["text"].as_str().unwrap();
    let (_, lasted) = text.split_once("is back\nLost for: ").unwrap();
    // Since it was last heard of, not since that was told after 90 s.
    let minutes: u32 = lasted.split_once('m').unwrap().0.parse().unwrap();
    assert!(minutes >= 2, "{back}");
    assert_eq!(world.app.watched(more).await.state.status, Status::Pending);
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_late_counts_when_it_was_found() {
    let world = World::start(json!({"regions": ["eu-west", "us-east"]})).await;
    let (app, id) = (&world.app, world.id);
    world.both("up", "up").await;
    world.status(Status::Up).await;
    let from = app.now();
    // Nobody says a word for ten minutes, the first five of which are a maintenance.
    let window = json!({"name": "Deploy", "duration_minutes": 5, "monitor_ids": [id]});
    app.make("/maintenance-windows", window).await;
    eventually(CAP, || async {
        app.advance(5);
        app.watched(id).await.state.unknown_since
    })
    .await;
    while app.now().since(from) < 600_000 {
        app.advance(5);
    }
    for probe in [&world.eu, &world.us] {
        let at = |minute: i64| from.plus_ms(minute * 60_000);
        let late = (1..10)
            .map(|minute| probe.found(id, at(minute), if minute == 7 { "down" } else { "up" }));
        let mut all: Vec<Value> = late.collect();
        all.push(probe.found(id, app.now(), "up"));
        assert_eq!(probe.send(app, all).await.json()["accepted"], 10);
    }
    app.until(id, |watched| watched.state.unknown_since.is_none()).await;
    let results = app.get(&format!("/monitors/{id}/results?per_page=100")).await;
    let inside = results.as_array().unwrap().iter().filter(|r| r["in_maintenance"] == true);
    assert_eq!(inside.count(), 8, "four of each in it");
    let changes = {
        let mut reader = app.db.read().await.unwrap();
        history::status_changes(&mut reader.conn(), &[id], from).await.unwrap().remove(&id).unwrap()
    };
    let told: Vec<_> = changes.iter().map(|c| (c.at.since(from) / 60_000, c.status)).collect();
    assert!(told.contains(&(7, Some(Status::Down))), "{told:?}");
    assert!(changes.iter().all(|change| change.status.is_some()), "no gap: {told:?}");
    assert_eq!(told.last().unwrap().1, Some(Status::Up));
    let of_monitor = world.told().into_iter().filter(|alert| alert["event"] == "monitor.down");
    assert_eq!(of_monitor.count(), 0, "what is over alerts nobody");
    world.app.stop().await;
}
