//! The sender against receivers that answer, refuse and hang, on a clock that the tests turn.

mod away;
mod stage;
mod storm;

use serde_json::json;

use super::*;
use crate::clock::{Clock, ManualClock};
use crate::incident::message::AlertEvent;
use crate::incident::{IncidentId, TimelineKind};
use crate::notify::testing::{Receiver, Reply, down_alert};
use crate::notify::{ChannelSettings, Delivery, DeliveryState, NewDelivery};
use crate::probe::{EgressRules, GuardedResolver};
use crate::store::deliveries::{self, Filter};
use crate::store::{channels, testing, timeline};
use stage::{PATIENCE, START, Stage, anywhere};

async fn stage() -> (Stage, tempfile::TempDir) {
    let (db, folder) = testing::sqlite().await;
    (Stage::new(db, START, anywhere()).await, folder)
}

#[tokio::test]
async fn retries_on_the_schedule_under_one_webhook_id() {
    let (mut stage, _folder) = stage().await;
    let mut receiver = Receiver::start(|n, _| Reply::status(if n < 2 { 500 } else { 200 })).await;
    let channel = stage.webhook(&receiver.url).await;
    stage.queue("job", 1, channel, None).await;
    stage.run();
    let mut ids = Vec::new();
    for (attempt, wait) in [(1, Some(5_000)), (2, Some(15_000)), (3, None)] {
        ids.push(receiver.next().await.header("webhook-id").to_owned());
        stage.settled(attempt).await;
        let row = stage.deliveries().await.remove(0);
        let expected = wait.map(|ms| stage.clock.now().plus_ms(ms));
        assert_eq!((row.attempts, row.next_attempt_at), (attempt as i64, expected));
        stage.clock.advance_ms(wait.unwrap_or(0));
    }
    assert!(ids.iter().all(|id| *id == ids[0] && id.starts_with("msg_")), "{ids:?}");
    let row = stage.deliveries().await.remove(0);
    assert_eq!(
        (row.state, row.last_error, row.last_status),
        (DeliveryState::Delivered, None, Some(200))
    );
    let channel = stage.read_channel(channel).await;
    assert_eq!((channel.last_delivery_at, channel.last_error), (Some(stage.clock.now()), None));
}

#[tokio::test]
async fn alerts_of_one_monitor_stay_in_order_and_hold_up_no_other() {
    let (mut stage, _folder) = stage().await;
    let mut receiver = Receiver::start(|n, request| {
        Reply::status(if n < 2 && request.body.contains("first") { 500 } else { 200 })
    })
    .await;
    let channel = stage.webhook(&receiver.url).await;
    stage.queue("first", 1, channel, None).await;
    stage.queue("second", 1, channel, None).await;
    stage.queue("other", 2, channel, None).await;
    stage.run();
    stage.settled(2).await;
    let mut early = [receiver.next().await.subject(), receiver.next().await.subject()];
    early.sort();
    assert_eq!(early, ["first", "other"]);
    assert_eq!(stage.deliveries().await[1].attempts, 0, "the second waits for the first");
    stage.clock.advance_ms(5_000);
    stage.settled(4).await;
    assert_eq!(receiver.next().await.subject(), "first");
    assert_eq!(receiver.next().await.subject(), "second");
}

#[tokio::test]
async fn a_receiver_that_hangs_holds_up_nobody_else() {
    let (mut stage, _folder) = stage().await;
    let mut hung = Receiver::start(|_, _| Reply::Hang).await;
    let mut well = Receiver::start(|_, _| Reply::status(200)).await;
    let (bad, good) = (stage.webhook(&hung.url).await, stage.webhook(&well.url).await);
    for monitor in 1..=10 {
        stage.queue(&format!("job {monitor}"), monitor, bad, None).await;
        stage.queue(&format!("job {monitor}"), monitor, good, None).await;
    }
    stage.run();
    stage.settled(10).await;
    for _ in 0..10 {
        well.next().await;
    }
    for _ in 0..PER_CHANNEL {
        hung.next().await;
    }
    let to_hung = stage.sender.0.in_flight.lock().get(&bad).map(HashSet::len);
    assert_eq!(to_hung, Some(PER_CHANNEL));
}

#[tokio::test]
async fn retry_after_is_obeyed() {
    let (mut stage, _folder) = stage().await;
    let receiver = Receiver::start(|_, _| Reply::with(429, "retry-after: 7", "slow down")).await;
    let channel = stage.webhook(&receiver.url).await;
    stage.queue("job", 1, channel, None).await;
    stage.run();
    stage.settled(1).await;
    let row = stage.deliveries().await.remove(0);
    assert_eq!(row.next_attempt_at, Some(START.plus_ms(7_000)));
    assert_eq!(row.last_error.as_deref(), Some("status 429: slow down"));
    let channel = stage.read_channel(channel).await;
    assert_eq!(channel.last_error.as_deref(), Some("status 429: slow down"));
    assert_eq!(channel.failed_at, None);
}

#[tokio::test]
async fn a_redirect_is_a_failure_and_is_not_followed() {
    let (mut stage, _folder) = stage().await;
    let mut target = Receiver::start(|_, _| Reply::status(200)).await;
    let location = format!("location: {}", target.url);
    let receiver = Receiver::start(move |_, _| Reply::with(302, &location, "")).await;
    let channel = stage.webhook(&receiver.url).await;
    stage.queue("job", 1, channel, None).await;
    stage.run();
    stage.settled(1).await;
    assert_eq!(stage.deliveries().await[0].last_error.as_deref(), Some("status 302"));
    assert!(target.none_yet());
}

#[tokio::test]
async fn a_channel_that_fails_for_good_is_told_on_the_others_once() {
    let (mut stage, _folder) = stage().await;
    let gone = Receiver::start(|n, _| Reply::with(if n < 2 { 410 } else { 200 }, "", "gone")).await;
    let mut well = Receiver::start(|_, _| Reply::status(200)).await;
    let bad = stage.channel(json!({"type": "webhook", "url": gone.url, "name": "Ops"})).await;
    let good = stage.webhook(&well.url).await;
    let incident = stage.incident().await;
    stage.queue("job", 1, bad, Some(incident)).await;
    stage.queue("job", 1, good, Some(incident)).await;
    stage.run();
    stage.settled(3).await;
    let events = [well.next().await.event(), well.next().await.event()];
    assert_eq!(events, ["monitor.down", "channel.failed"]);
    stage.queue("job again", 2, bad, Some(incident)).await;
    stage.settled(4).await;
    let rows = stage.deliveries().await;
    let failed: Vec<_> = rows.iter().filter(|r| r.event == AlertEvent::ChannelFailed).collect();
    assert_eq!(failed.len(), 1, "{failed:?}");
    assert_eq!((failed[0].incident_id, failed[0].channel_id), (Some(incident), good));
    assert_eq!(rows[0].state, DeliveryState::Failed);
    let kinds = stage.timeline(incident).await;
    assert!(kinds.contains(&(TimelineKind::DeliveryFailed, "Ops: status 410: gone".to_owned())));
    assert!(kinds.contains(&(TimelineKind::Delivered, "127.0.0.1, 0 ms".to_owned())), "{kinds:?}");
    let channel = stage.read_channel(bad).await;
    assert_eq!(channel.failed_at, Some(START));

    let outcome = stage.sender.send_test(&channel).await.unwrap();
    assert_eq!((outcome.ok, outcome.status, outcome.response.as_str()), (true, Some(200), "gone"));
    assert_eq!(stage.read_channel(bad).await.failed_at, None);
}

#[tokio::test]
async fn two_channels_that_fail_do_not_tell_each_other_for_ever() {
    let (mut stage, _folder) = stage().await;
    let gone = Receiver::start(|_, _| Reply::status(410)).await;
    let (one, two) = (stage.webhook(&gone.url).await, stage.webhook(&gone.url).await);
    let incident = stage.incident().await;
    stage.queue("job", 1, one, Some(incident)).await;
    stage.queue("job", 1, two, Some(incident)).await;
    stage.run();
    stage.settled(4).await;
    let rows = stage.deliveries().await;
    assert_eq!(rows.len(), 4);
    assert!(rows.iter().all(|row| row.state == DeliveryState::Failed));
}

#[tokio::test]
async fn a_disabled_channel_fails_quietly() {
    let (mut stage, _folder) = stage().await;
    let mut well = Receiver::start(|_, _| Reply::status(200)).await;
    let off = json!({"type": "webhook", "url": well.url, "enabled": false});
    let (off, incident) = (stage.channel(off).await, stage.incident().await);
    let other = json!({"type": "webhook", "url": well.url, "is_default": true});
    stage.channel(other).await;
    stage.queue("job", 1, off, Some(incident)).await;
    stage.run();
    stage.settled(1).await;
    let rows = stage.deliveries().await;
    assert_eq!((rows.len(), rows[0].last_error.as_deref()), (1, Some("channel is disabled")));
    assert!(well.none_yet());
}

#[tokio::test]
async fn addresses_that_are_not_allowed_are_not_contacted() {
    let (db, _folder) = testing::sqlite().await;
    let rules = EgressRules::parse("loopback", "").unwrap();
    let mut stage = Stage::new(db, START, GuardedResolver::new(Arc::new(rules))).await;
    let mut receiver = Receiver::start(|_, _| Reply::status(200)).await;
    let named = receiver.url.replace("127.0.0.1", "localhost");
    let (literal, named) = (stage.webhook(&receiver.url).await, stage.webhook(&named).await);
    stage.queue("job", 1, literal, None).await;
    stage.queue("job", 1, named, None).await;
    stage.run();
    stage.settled(2).await;
    for row in stage.deliveries().await {
        let error = row.last_error.unwrap();
        assert!(error.contains("not allowed by the egress rules"), "{error}");
    }
    assert!(receiver.none_yet());
}

#[tokio::test]
async fn the_stop_lets_running_sends_end_and_settles_them() {
    let (stage, _folder) = stage().await;
    let gate = Arc::new(Notify::new());
    let opened = Arc::clone(&gate);
    let mut receiver = Receiver::start(move |_, _| Reply::After(Arc::clone(&opened), 200)).await;
    let channel = stage.webhook(&receiver.url).await;
    stage.queue("job", 1, channel, None).await;
    let run = stage.sender.clone().run(stage.stop.clone());
    let interrupt = async {
        receiver.next().await;
        stage.stop.cancel();
        gate.notify_one();
    };
    tokio::time::timeout(PATIENCE, async { tokio::join!(run, interrupt) }).await.unwrap();
    assert_eq!(stage.deliveries().await[0].state, DeliveryState::Delivered);
}

/// Runs `life` on a runtime of its own and then kills that, as `kill -9` would: nothing more is settled.
async fn killed_after<T: Send + 'static>(life: impl Future<Output = T> + Send + 'static) -> T {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let value = runtime.spawn(life).await.unwrap();
    runtime.shutdown_background();
    value
}

#[tokio::test]
async fn a_kill_between_send_and_settle_sends_again_under_the_same_id() {
    let folder = tempfile::tempdir().unwrap();
    let url = testing::url(&folder);
    let mut receiver =
        Receiver::start(|n, _| if n == 0 { Reply::Hang } else { Reply::status(200) }).await;
    let (hook, path) = (receiver.url.clone(), url.clone());
    let (seen, first) = tokio::sync::oneshot::channel();
    let life = async move {
        let stage = Stage::new(Db::open(&path).await.unwrap(), START, anywhere()).await;
        let channel = stage.webhook(&hook).await;
        stage.queue("job", 1, channel, None).await;
        stage.run();
        first.await.unwrap()
    };
    let watch = async {
        let id = receiver.next().await.header("webhook-id").to_owned();
        seen.send(id.clone()).unwrap();
        id
    };
    let (_, id) = tokio::join!(killed_after(life), watch);

    let mut stage = Stage::new(Db::open(&url).await.unwrap(), START, anywhere()).await;
    assert_eq!(stage.deliveries().await[0].state, DeliveryState::Pending);
    stage.run();
    stage.settled(1).await;
    assert_eq!(receiver.next().await.header("webhook-id"), id);
    assert_eq!(stage.deliveries().await[0].state, DeliveryState::Delivered);
}

#[tokio::test]
async fn fifty_undelivered_alerts_survive_a_kill() {
    let folder = tempfile::tempdir().unwrap();
    let url = testing::url(&folder);
    let mut receiver = Receiver::start(|n, _| Reply::status(if n < 50 { 500 } else { 200 })).await;
    let (hook, path) = (receiver.url.clone(), url.clone());
    killed_after(async move {
        let mut stage = Stage::new(Db::open(&path).await.unwrap(), START, anywhere()).await;
        let channel = stage.webhook(&hook).await;
        for monitor in 0..50 {
            stage.queue(&format!("job {monitor}"), monitor, channel, None).await;
        }
        stage.run();
        stage.settled(50).await;
    })
    .await;
    let db = Db::open(&url).await.unwrap();
    let mut stage = Stage::new(db, START.plus_ms(5_000), anywhere()).await;
    stage.run();
    stage.settled(50).await;
    let mut ids = HashSet::new();
    for _ in 0..100 {
        ids.insert(receiver.next().await.header("webhook-id").to_owned());
    }
    assert_eq!(ids.len(), 50, "each came again under its own id");
    assert!(receiver.none_yet(), "and none for what did not happen");
    assert!(stage.deliveries().await.iter().all(|row| row.state == DeliveryState::Delivered));
}
