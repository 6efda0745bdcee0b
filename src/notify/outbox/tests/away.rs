//! Receivers that are away for a while, ask for patience, or hang.
#![allow(clippy::disallowed_methods, reason = "how long an alert really takes is printed")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use super::*;

const MINUTE: i64 = 60_000;

/// When a receiver of five alerts is away for `away_ms` from the first on: the moments of all deliveries after its return, in ms.
async fn delivered_after(away_ms: i64) -> Vec<i64> {
    let (mut stage, _folder) = stage().await;
    let back = Arc::new(AtomicBool::new(false));
    let is_back = back.clone();
    let receiver = Receiver::start(move |_, _| {
        Reply::status(if is_back.load(Ordering::SeqCst) { 200 } else { 503 })
    })
    .await;
    let channel = stage.webhook(&receiver.url).await;
    for monitor in 0..5 {
        stage.queue(&format!("job {monitor}"), monitor, channel, None).await;
    }
    stage.run();
    let returns_at = START.plus_ms(away_ms);
    let mut attempts = 5;
    loop {
        stage.settled(attempts).await;
        let rows = stage.deliveries().await;
        let waiting: Vec<Timestamp> = rows.iter().filter_map(|row| row.next_attempt_at).collect();
        let Some(next) = waiting.iter().copied().min() else {
            assert!(rows.iter().all(|row| row.state == DeliveryState::Delivered));
            let moments = rows.iter().map(|row| row.delivered_at.unwrap().since(returns_at));
            return moments.collect();
        };
        if next >= returns_at {
            back.store(true, Ordering::SeqCst);
        }
        attempts += waiting.iter().filter(|at| **at == next).count() as u64;
        stage.clock.advance_ms(next.since(stage.clock.now()));
    }
}

#[tokio::test]
async fn whatever_was_queued_arrives_after_a_receiver_was_away() {
    for (away, first_within) in [
        (MINUTE, 5 * MINUTE),
        (15 * MINUTE, 5 * MINUTE),
        (120 * MINUTE, 30 * MINUTE),
        (1200 * MINUTE, 30 * MINUTE),
    ] {
        let moments = delivered_after(away).await;
        let first = moments.iter().min().unwrap();
        println!(
            "away {} min: first {} s, last {} s after the return",
            away / MINUTE,
            first / 1000,
            moments.iter().max().unwrap() / 1000
        );
        assert_eq!(moments.len(), 5);
        assert!((0..=first_within).contains(first), "{away}: {moments:?}");
    }
}

/// Twenty forms of `Retry-After`: what is waited for each, `None` for the schedule's own five seconds.
#[tokio::test]
async fn each_form_of_retry_after_is_obeyed_and_junk_is_not() {
    const HOUR: i64 = 60 * MINUTE;
    // START is Tue, 14 Nov 2023 22:13:20 GMT.
    let forms: [(&str, Option<i64>); 24] = [
        ("7", Some(7_000)),
        ("120", Some(2 * MINUTE)),
        ("3600", Some(HOUR)),
        // At most an hour, and never a hot loop.
        ("3601", Some(HOUR)),
        ("86400", Some(HOUR)),
        ("99999999999999999999999", Some(HOUR)),
        ("0", Some(1_000)),
        ("  30  ", Some(30_000)),
        ("007", Some(7_000)),
        // The three forms of a date (RFC 9110, section 5.6.7).
        ("Tue, 14 Nov 2023 22:15:20 GMT", Some(2 * MINUTE)),
        ("Tuesday, 14-Nov-23 22:15:20 GMT", Some(2 * MINUTE)),
        ("Tue Nov 14 22:15:20 2023", Some(2 * MINUTE)),
        ("Tue, 14 Nov 2023 23:15:20 +0100", Some(2 * MINUTE)),
        ("Wed, 15 Nov 2023 22:15:20 GMT", Some(HOUR)),
        // Over already.
        ("Tue, 14 Nov 2023 22:00:00 GMT", Some(1_000)),
        ("Sun Nov  6 08:49:37 1994", Some(1_000)),
        ("-5", None),
        ("1.5", None),
        ("1e3", None),
        ("+10", None),
        ("soon", None),
        ("", None),
        ("10 seconds", None),
        ("Tue, 99 Nov 2023 22:15:20 GMT", None),
    ];
    for (form, expected) in forms {
        for status in [429, 503] {
            let (mut stage, _folder) = stage().await;
            let header = format!("retry-after: {form}");
            let receiver = Receiver::start(move |_, _| Reply::with(status, &header, "")).await;
            let channel = stage.webhook(&receiver.url).await;
            stage.queue("job", 1, channel, None).await;
            stage.run();
            stage.settled(1).await;
            let next = stage.deliveries().await[0].next_attempt_at.unwrap();
            assert_eq!(next.since(START), expected.unwrap_or(5_000), "{status} {form:?}");
        }
    }
}

/// A thousand alerts wait for a receiver that hangs; those of another channel go past them. How long each takes is printed: it
/// should be far below two seconds, which a busy machine may not keep.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_thousand_that_wait_for_a_receiver_that_hangs_hold_up_no_other() {
    let (mut stage, _folder) = stage().await;
    let mut hung = Receiver::start(|_, _| Reply::Hang).await;
    let mut well = Receiver::start(|_, _| Reply::status(200)).await;
    let (bad, good) = (stage.webhook(&hung.url).await, stage.webhook(&well.url).await);
    let waiting: Vec<NewDelivery> = (0..1000)
        .map(|monitor| {
            stage.alert(&format!("job {monitor}"), monitor, AlertEvent::MonitorDown, bad)
        })
        .collect();
    stage.queue_all(&waiting).await;
    stage.run();
    for _ in 0..PER_CHANNEL {
        hung.next().await;
    }
    let mut longest = Duration::ZERO;
    for monitor in 0..50 {
        let began = Instant::now();
        stage.queue(&format!("job {monitor}"), monitor, good, None).await;
        assert_eq!(well.next().await.subject(), format!("job {monitor}"));
        longest = longest.max(began.elapsed());
        stage.settled(monitor as u64 + 1).await;
    }
    println!("with 1000 that wait: an alert to another channel took at most {longest:?}");
    let rows = stage.deliveries().await;
    let delivered = rows.iter().filter(|row| row.state == DeliveryState::Delivered).count();
    assert_eq!((delivered, rows.len()), (50, 1050));
}
