//! Runs: durations, several at once, and those that take too long.

use serde_json::{Value, json};

use super::Job;
use crate::support::app::spawn_app;
use crate::support::stub::Stub;

const FIRST: &str = "?rid=00000000-0000-4000-8000-000000000001";
const SECOND: &str = "?rid=00000000-0000-4000-8000-000000000002";
const NEVER_STARTED: &str = "?rid=00000000-0000-4000-8000-000000000003";

#[tokio::test]
async fn a_finish_is_as_long_as_its_run() {
    let app = spawn_app().await;
    let job = Job::new(&app, json!({})).await;
    job.signal("").await;
    assert_eq!(job.last_ping().await.duration_ms, None, "nothing was started");
    job.signal("/start").await;
    app.advance(5);
    job.signal("/log").await;
    assert_eq!(job.last_ping().await.duration_ms, None, "a log ends nothing");
    app.advance(5);
    job.signal("").await;
    assert_eq!(job.last_ping().await.duration_ms, Some(10_000));
    job.signal("").await;
    assert_eq!(job.last_ping().await.duration_ms, None, "it had ended");
    app.stop().await;
}

#[tokio::test]
async fn open_runs_are_timed_each_on_its_own_rid() {
    let app = spawn_app().await;
    let job = Job::new(&app, json!({})).await;
    for start in ["/start".to_owned(), format!("/start{FIRST}"), format!("/start{SECOND}")] {
        job.signal(&start).await;
        app.advance(1);
    }
    for (finish, seconds) in [
        (format!("/1{SECOND}"), Some(1)),
        (FIRST.to_owned(), Some(2)),
        // Never started: it ends the run without a rid.
        (NEVER_STARTED.to_owned(), Some(3)),
        (String::new(), None),
    ] {
        job.signal(&finish).await;
        let expected = seconds.map(|seconds| seconds * 1000);
        assert_eq!(job.last_ping().await.duration_ms, expected, "{finish}");
    }
    app.stop().await;
}

/// A success without a rid ends a start without one, and no other.
#[tokio::test]
async fn a_finish_without_a_rid_leaves_the_others_running() {
    let app = spawn_app().await;
    let job = Job::new(&app, json!({})).await;
    job.signal(&format!("/start{FIRST}")).await;
    app.advance(1);
    job.signal("").await;
    assert_eq!(job.last_ping().await.duration_ms, None);
    app.advance(1);
    job.signal(FIRST).await;
    assert_eq!(job.last_ping().await.duration_ms, Some(2000));
    app.stop().await;
}

#[tokio::test]
async fn a_clock_that_was_set_back_makes_no_run_shorter_than_nothing() {
    let app = spawn_app().await;
    let job = Job::new(&app, json!({})).await;
    job.signal("/start").await;
    app.clock.set_by_ms(-60_000);
    job.signal("").await;
    assert_eq!(job.last_ping().await.duration_ms, Some(0));
    app.stop().await;
}

#[tokio::test]
async fn a_run_that_takes_too_long_is_told_once_and_closed() {
    let (app, receiver) = (spawn_app().await, Stub::start().await);
    app.webhook(&receiver).await;
    let fields =
        json!({"period_seconds": 86_400, "grace_seconds": 3600, "max_runtime_seconds": 3600});
    let job = Job::new(&app, fields).await;
    job.signal("").await;
    let up = job.shown().await;
    app.advance(10);
    job.signal(&format!("/start{FIRST}")).await;
    let started = app.now();
    let running = job.shown().await;
    assert_eq!(running["deadline_at"], json!(started.plus_ms(3_600_000)), "the earlier one");
    assert_eq!(running["next_due_at"], up["next_due_at"]);
    app.advance(3599);
    assert_eq!(job.shown().await["current_status"], "up");
    app.advance(1);
    let text = receiver.wait_for_texts(1).await.remove(0);
    assert_eq!(text, "🔴 *job* is DOWN\nStill running after 1h\nDuration: 0s");
    let told = receiver.requests().remove(0).json();
    assert_eq!(told["incident"]["started_at"], json!(app.now()), "dated at the deadline");
    app.advance(60);
    job.signal(FIRST).await;
    assert_eq!(receiver.wait_for_texts(2).await[1], "🟢 *job* is back online\nDowntime: 1m");
    app.advance(7200);
    assert_eq!(job.shown().await["current_status"], "up");
    app.stop().await;
    assert_eq!(receiver.count(), 2);
}

#[tokio::test]
async fn a_first_run_that_hangs_is_found_while_pending() {
    let (app, receiver) = (spawn_app().await, Stub::start().await);
    app.webhook(&receiver).await;
    let job = Job::new(&app, json!({"period_seconds": 86_400, "max_runtime_seconds": 60})).await;
    job.signal("/start").await;
    let pending = job.shown().await;
    assert_eq!(pending["current_status"], "pending");
    assert_eq!((&pending["next_due_at"], &pending["deadline_at"]), (&Value::Null, &Value::Null));
    app.advance(60);
    let text = receiver.wait_for_texts(1).await.remove(0);
    assert_eq!(text, "🔴 *job* is DOWN\nStill running after 1m\nDuration: 0s");
    app.stop().await;
}

/// Without a limit an open run has no deadline of its own.
#[tokio::test]
async fn without_a_limit_a_run_may_take_for_ever() {
    let (app, receiver) = (spawn_app().await, Stub::start().await);
    app.webhook(&receiver).await;
    let job = Job::new(&app, json!({})).await;
    job.signal("/start").await;
    app.advance(400 * 86_400);
    assert_eq!(job.shown().await["current_status"], "pending");
    job.signal("").await;
    assert_eq!(job.last_ping().await.duration_ms, Some(400 * 86_400_000));
    app.stop().await;
    assert_eq!(receiver.count(), 0);
}
