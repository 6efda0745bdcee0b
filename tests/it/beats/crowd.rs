//! Many jobs at the same moment.

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::Job;
use crate::support::app::spawn_app;

/// What pings of a crowd led to may be written after their answers: nobody who reads may see that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_reads_after_the_answers_of_a_crowd_sees_what_they_led_to() {
    let app = spawn_app().await;
    let jobs = join_all((0..30).map(|_| Job::new(&app, json!({})))).await;
    let all_signal = async || drop(join_all(jobs.iter().map(|job| job.signal(""))).await);
    all_signal().await;
    let mut before = Value::Null;
    for _ in 0..5 {
        app.advance(7);
        all_signal().await;
        let shown = join_all(jobs.iter().map(Job::shown)).await;
        let last = shown[0]["last_ping_at"].clone();
        assert_ne!(last, before);
        for job in &shown {
            assert_eq!(job["last_ping_at"], last);
            assert_eq!(job["next_due_at"], shown[0]["next_due_at"]);
        }
        before = last;
    }
    for job in &jobs {
        let numbers: Vec<i64> = job.pings().await.iter().map(|ping| ping.n).collect();
        assert_eq!(numbers, (1..=6).collect::<Vec<_>>());
    }
    app.stop().await;
}
