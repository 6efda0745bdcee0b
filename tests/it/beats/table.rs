//! The table of states and signals, cell by cell, over HTTP; and which of them move which times.

use serde_json::{Value, json};
use watchbell::monitor::Status::{self, Down, Paused, Pending, Up};

use super::Job;
use crate::support::app::{TestApp, spawn_app};
use crate::support::stub::Stub;

async fn in_state(app: &TestApp, status: Status, fields: Value) -> Job<'_> {
    let job = Job::new(app, fields).await;
    if status != Pending {
        job.signal("").await;
    }
    match status {
        Down => job.signal("/fail").await,
        Paused => job.act("pause").await,
        _ => {}
    }
    job
}

const DOWN: &str = "monitor.down";
const UP: &str = "monitor.up";

#[tokio::test]
async fn every_signal_in_every_state() {
    let (app, receiver) = (spawn_app().await, Stub::start().await);
    app.webhook(&receiver).await;
    for (before, signal, after, told) in [
        (Pending, "", Up, None),
        (Pending, "/0", Up, None),
        (Pending, "/fail", Down, Some(DOWN)),
        (Pending, "/1", Down, Some(DOWN)),
        (Pending, "/start", Pending, None),
        (Pending, "/log", Pending, None),
        (Up, "", Up, None),
        (Up, "/0", Up, None),
        (Up, "/fail", Down, Some(DOWN)),
        (Up, "/1", Down, Some(DOWN)),
        (Up, "/start", Up, None),
        (Up, "/log", Up, None),
        (Down, "", Up, Some(UP)),
        (Down, "/0", Up, Some(UP)),
        (Down, "/fail", Down, None),
        (Down, "/1", Down, None),
        (Down, "/start", Down, None),
        (Down, "/log", Down, None),
        (Paused, "", Paused, None),
        (Paused, "/0", Paused, None),
        (Paused, "/fail", Paused, None),
        (Paused, "/1", Paused, None),
        (Paused, "/start", Paused, None),
        (Paused, "/log", Paused, None),
    ] {
        let job = in_state(&app, before, json!({})).await;
        let told_before = job.told().await;
        let watched = app.watched(job.id).await;
        assert_eq!(watched.state.status, before);
        app.clock.advance_ms(100);
        job.signal(signal).await;
        let state = app.watched(job.id).await.state;
        assert_eq!(state.status, after, "{before} {signal}");
        let new = job.told().await.split_off(told_before.len());
        assert_eq!(
            new,
            told.map(str::to_owned).into_iter().collect::<Vec<_>>(),
            "{before} {signal}"
        );
        assert_eq!(state.beat.pings, watched.state.beat.pings + 1, "{before} {signal}: recorded");
        let runs = usize::from(signal == "/start" && before != Paused);
        assert_eq!(state.beat.runs.len(), runs, "{before} {signal}");
        // The last success or failure; start and log do not move it.
        let is_ping = !matches!(signal, "/start" | "/log");
        let last = if is_ping { Some(app.now()) } else { watched.state.beat.last_ping_at };
        assert_eq!(state.beat.last_ping_at, last, "{before} {signal}");
        if after == Up && is_ping {
            assert_eq!(state.beat.deadline_at, Some(app.now().plus_ms(120_000)), "a new deadline");
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn every_deadline_in_every_state() {
    let (app, receiver) = (spawn_app().await, Stub::start().await);
    app.webhook(&receiver).await;
    let cells = [
        (in_state(&app, Pending, json!({})).await, Pending, None, None),
        (
            in_state(&app, Pending, json!({"first_ping_within_seconds": 30})).await,
            Down,
            Some(DOWN),
            Some(30),
        ),
        (in_state(&app, Up, json!({})).await, Down, Some(DOWN), Some(120)),
        (in_state(&app, Down, json!({})).await, Down, None, None),
        (in_state(&app, Paused, json!({})).await, Paused, None, None),
        (
            in_state(&app, Pending, json!({"max_runtime_seconds": 45})).await,
            Down,
            Some(DOWN),
            Some(45),
        ),
        (in_state(&app, Up, json!({"max_runtime_seconds": 45})).await, Down, Some(DOWN), Some(45)),
        (in_state(&app, Down, json!({"max_runtime_seconds": 45})).await, Down, None, None),
    ];
    for (job, ..) in &cells[5..] {
        job.signal("/start").await;
    }
    let mut told_before = Vec::new();
    for (job, ..) in &cells {
        told_before.push(job.told().await.len());
    }
    let began = app.now();
    app.advance(1000);
    for ((job, after, told, at), before) in cells.iter().zip(told_before) {
        let watched = app.until(job.id, |watched| watched.state.status == *after).await;
        let new = job.told().await.split_off(before);
        assert_eq!(new, told.map(str::to_owned).into_iter().collect::<Vec<_>>(), "{}", job.id);
        if let Some(seconds) = at {
            assert_eq!(watched.state.since, began.plus_ms(seconds * 1000), "dated at the deadline");
        }
    }
    app.stop().await;
}

#[tokio::test]
async fn times_are_shown_while_something_is_expected() {
    let app = spawn_app().await;
    let job = Job::new(&app, json!({"first_ping_within_seconds": 86_400})).await;
    let times = async || {
        let shown = job.shown().await;
        ["last_ping_at", "next_due_at", "deadline_at"].map(|name| shown[name].clone())
    };
    let null = || Value::Null;
    let at = |ms: i64| json!(app.now().plus_ms(ms));
    assert_eq!(times().await, [null(), null(), null()], "pending");
    for signal in ["/start", "/log"] {
        job.signal(signal).await;
        assert_eq!(times().await, [null(), null(), null()], "{signal}");
    }
    job.signal("").await;
    let up = [at(0), at(60_000), at(120_000)];
    assert_eq!(times().await, up);
    for signal in ["/start", "/log"] {
        app.advance(1);
        job.signal(signal).await;
        assert_eq!(times().await, up, "{signal}");
    }
    job.signal("/fail").await;
    assert_eq!(times().await[0], at(0), "a failure moves it");
    job.act("pause").await;
    let last = at(0);
    assert_eq!(times().await, [last.clone(), null(), null()], "paused");
    job.act("resume").await;
    assert_eq!(times().await, [last, null(), null()], "pending");
    app.stop().await;
}
