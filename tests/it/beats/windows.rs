//! Windows: periods and cron times, grace, the first ping, and resuming.

use serde_json::{Value, json};
use watchbell::clock::Timestamp;

use super::Job;
use crate::support::app::spawn_app;
use crate::support::stub::Stub;

#[tokio::test]
async fn the_grace_is_the_period_between_a_minute_and_an_hour_unless_given() {
    let app = spawn_app().await;
    for (fields, grace) in [
        (json!({"period_seconds": 1}), 60),
        (json!({"period_seconds": 60}), 60),
        (json!({"period_seconds": 600}), 600),
        (json!({"period_seconds": 86_400}), 3600),
        (json!({"cron": "*/5 * * * *"}), 300),
        (json!({"cron": "@hourly"}), 3600),
        (json!({"cron": "30 4 * * 1"}), 3600),
        (json!({"period_seconds": 600, "grace_seconds": 0}), 0),
        (json!({"period_seconds": 1, "grace_seconds": 400 * 86_400}), 400 * 86_400),
    ] {
        let job = Job::new(&app, fields.clone()).await;
        assert_eq!(job.shown().await["grace_seconds"], grace, "{fields}");
    }
    app.stop().await;
}

#[tokio::test]
async fn without_a_grace_the_due_time_is_the_deadline() {
    let (app, receiver) = (spawn_app().await, Stub::start().await);
    app.webhook(&receiver).await;
    let job = Job::new(&app, json!({"period_seconds": 10, "grace_seconds": 0})).await;
    job.signal("").await;
    app.advance(10);
    let text = receiver.wait_for_texts(1).await.remove(0);
    assert!(text.contains("No ping for 10s (expected every 10s, grace 0s)"), "{text}");
    app.stop().await;
}

#[tokio::test]
async fn a_job_whose_first_ping_does_not_come_is_down() {
    let (app, receiver) = (spawn_app().await, Stub::start().await);
    app.webhook(&receiver).await;
    let job = Job::new(&app, json!({"first_ping_within_seconds": 3600})).await;
    app.advance(3599);
    assert_eq!(job.shown().await["current_status"], "pending");
    app.advance(1);
    let text = receiver.wait_for_texts(1).await.remove(0);
    assert!(text.starts_with("🔴 *job* is DOWN\n") && text.contains("1h"), "{text}");
    app.advance(60);
    job.signal("").await;
    assert_eq!(receiver.wait_for_texts(2).await[1], "🟢 *job* is back online\nDowntime: 1m");
    app.stop().await;
    assert_eq!(receiver.count(), 2);
}

/// 2030-01-01 is in winter: Riga is two hours ahead.
#[tokio::test]
async fn a_cron_job_is_due_late_down_and_back() {
    let (app, receiver) = (spawn_app().await, Stub::start().await);
    app.webhook(&receiver).await;
    let fields = json!({"cron": "30 4 * * *", "timezone": "Europe/Riga", "grace_seconds": 600});
    let job = Job::new(&app, fields).await;
    job.signal("").await;
    let time = |text: &str| Timestamp::parse_rfc3339(text).unwrap();
    let due = time("2030-01-01T02:30:00Z");
    let up = job.shown().await;
    assert_eq!(up["next_due_at"], json!(due));
    assert_eq!(up["deadline_at"], json!(due.plus_seconds(600)));
    app.clock.advance_ms(due.since(app.now()) - 1);
    assert_eq!(job.shown().await["late"], false);
    app.clock.advance_ms(1);
    let late = job.shown().await;
    assert_eq!((&late["current_status"], &late["late"]), (&json!("up"), &json!(true)));
    app.advance(600);
    let text = receiver.wait_for_texts(1).await.remove(0);
    let reason = "No ping for 2h 40m (expected at 30 4 * * * Europe/Riga, grace 10m)";
    assert_eq!(text, format!("🔴 *job* is DOWN\n{reason}\nDuration: 0s"));
    app.advance(60);
    job.signal("").await;
    assert_eq!(receiver.wait_for_texts(2).await[1], "🟢 *job* is back online\nDowntime: 1m");
    let next = time("2030-01-02T02:30:00Z");
    assert_eq!(job.shown().await["next_due_at"], json!(next));
    // Eleven minutes early is not the job of today; ten minutes early is.
    app.clock.advance_ms(next.since(app.now()) - 660_000);
    job.signal("").await;
    assert_eq!(job.shown().await["next_due_at"], json!(next));
    app.advance(60);
    job.signal("").await;
    assert_eq!(job.shown().await["next_due_at"], json!(time("2030-01-03T02:30:00Z")));
    app.stop().await;
    assert_eq!(receiver.count(), 2);
}

/// With a long grace the tolerance is a quarter of the gap: of five minutes, 75 s.
#[tokio::test]
async fn a_ping_that_is_early_by_more_than_a_quarter_of_the_gap_does_not_count_for_the_next() {
    let app = spawn_app().await;
    let job = Job::new(&app, json!({"cron": "*/5 * * * *", "grace_seconds": 3600})).await;
    let start = app.now();
    app.advance(300 - 76);
    job.signal("").await;
    assert_eq!(job.shown().await["next_due_at"], json!(start.plus_ms(300_000)));
    app.advance(1);
    job.signal("").await;
    assert_eq!(job.shown().await["next_due_at"], json!(start.plus_ms(600_000)));
    app.stop().await;
}

#[tokio::test]
async fn resuming_gives_pending_and_a_whole_window_to_those_that_were_pinged() {
    let (app, receiver) = (spawn_app().await, Stub::start().await);
    app.webhook(&receiver).await;
    let pinged = Job::new(&app, json!({"name": "pinged"})).await;
    let failed = Job::new(&app, json!({"name": "failed"})).await;
    let never = Job::new(&app, json!({"name": "never"})).await;
    let limited =
        Job::new(&app, json!({"name": "limited", "first_ping_within_seconds": 300})).await;
    let cron =
        Job::new(&app, json!({"name": "cron", "cron": "0 * * * *", "grace_seconds": 60})).await;
    for job in [&pinged, &cron] {
        job.signal("").await;
    }
    failed.signal("/fail").await;
    never.signal("/start").await;
    let all = [&pinged, &failed, &never, &limited, &cron];
    for job in all {
        job.act("pause").await;
    }
    // "failed" was told to be down, and so is told that watching stopped.
    assert!(receiver.wait_for_texts(2).await[1].contains("watching stopped: paused"));
    app.advance(3600 - 30);
    for job in all {
        job.act("resume").await;
        assert_eq!(job.shown().await["current_status"], "pending");
    }
    let back = app.now();
    let down_at = async |job: &Job<'_>, seconds: i64| {
        let watched = app.until(job.id, |w| w.state.status.as_str() == "down").await;
        assert_eq!(watched.state.since, back.plus_ms(seconds * 1000), "{}", job.id);
    };
    app.advance(90);
    down_at(&cron, 90).await;
    assert_eq!(pinged.shown().await["current_status"], "pending");
    app.advance(30);
    down_at(&pinged, 120).await;
    down_at(&failed, 120).await;
    assert_eq!(limited.shown().await["current_status"], "pending");
    app.advance(180);
    down_at(&limited, 300).await;
    app.advance(86_400);
    let shown = never.shown().await;
    assert_eq!(
        shown["current_status"], "pending",
        "its start was before the pause: no run is open"
    );
    assert_eq!(shown["deadline_at"], Value::Null);
    app.stop().await;
}
