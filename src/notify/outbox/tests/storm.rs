//! Alerts that are too many to be told one by one: on channels that people read they come together, on machines' singly.

use super::*;
use crate::notify::ChannelType;
use crate::notify::testing::Request;

const SECOND: i64 = 1_000;
const MINUTE: i64 = 60 * SECOND;

/// A channel of each of these kinds, each with a receiver of its own.
async fn channels(stage: &Stage, kinds: &[ChannelType]) -> Vec<(ChannelId, Receiver)> {
    let mut channels = Vec::new();
    for kind in kinds {
        let receiver = Receiver::start(|_, _| Reply::status(200)).await;
        let mut fields = json!({"type": kind, "url": receiver.url});
        if *kind == ChannelType::Telegram {
            fields["token"] = json!("7:abc");
            fields["chat_id"] = json!("-100");
        }
        channels.push((stage.channel(fields).await, receiver));
    }
    channels
}

/// What came to a receiver since the last look.
fn came(receiver: &mut Receiver) -> Vec<Request> {
    std::iter::from_fn(|| receiver.try_next()).collect()
}

/// Waits until nothing is due any more: what is left is held.
async fn quiet(stage: &Stage) -> Vec<Delivery> {
    let now = stage.clock.now();
    stage.until(|rows| rows.iter().all(|row| row.next_attempt_at.is_none_or(|at| at > now))).await
}

/// Lets time pass until everything has arrived.
async fn finish(stage: &Stage) -> Vec<Delivery> {
    loop {
        let rows = quiet(stage).await;
        let Some(next) = rows.iter().filter_map(|row| row.next_attempt_at).min() else {
            assert!(rows.iter().all(|row| row.state == DeliveryState::Delivered));
            return rows;
        };
        stage.clock.advance_ms(next.since(stage.clock.now()));
    }
}

#[tokio::test]
async fn a_storm_of_a_thousand_is_told_in_few_messages_that_name_all_of_them() {
    let (stage, _folder) = stage().await;
    let kinds =
        [ChannelType::Webhook, ChannelType::Slack, ChannelType::Discord, ChannelType::Telegram];
    let mut channels = channels(&stage, &kinds).await;
    stage.run();
    let name = |monitor: i64| format!("shop-{monitor:04}.example.com/health");
    // Over a minute, as the checks of a thousand monitors come.
    for step in 0..20 {
        let new: Vec<NewDelivery> = (step * 50 + 1..=step * 50 + 50)
            .flat_map(|monitor| channels.iter().map(move |(to, _)| (monitor, *to)))
            .map(|(monitor, to)| stage.alert(&name(monitor), monitor, AlertEvent::MonitorDown, to))
            .collect();
        stage.queue_all(&new).await;
        quiet(&stage).await;
        stage.clock.advance_ms(3 * SECOND);
    }
    let rows = finish(&stage).await;
    for row in &rows {
        let waited_ms = row.delivered_at.unwrap().since(row.created_at);
        assert!(waited_ms <= 15 * SECOND, "{row:?}");
    }
    for ((_, receiver), kind) in channels.iter_mut().zip(kinds) {
        let messages = came(receiver);
        let all: String = messages.iter().map(|message| message.body.as_str()).collect();
        println!("a storm of 1000: {} messages to {kind}", messages.len());
        match kind {
            ChannelType::Webhook => assert_eq!(messages.len(), 1000),
            _ => assert!(messages.len() <= 60, "{kind}: {}", messages.len()),
        }
        for monitor in 1..=1000 {
            assert!(
                all.contains(&format!("shop-{monitor:04}.example.com/health")),
                "{kind} {monitor}"
            );
        }
    }
}

#[tokio::test]
async fn flapping_is_four_messages_and_one_for_each_hour_to_people_and_all_of_it_to_machines() {
    let (stage, _folder) = stage().await;
    let mut channels = channels(&stage, &[ChannelType::Webhook, ChannelType::Slack]).await;
    stage.run();
    for minute in 0..61 {
        let event = if minute % 2 == 0 { AlertEvent::MonitorDown } else { AlertEvent::MonitorUp };
        let new: Vec<NewDelivery> =
            channels.iter().map(|(to, _)| stage.alert("shop", 7, event, *to)).collect();
        stage.queue_all(&new).await;
        quiet(&stage).await;
        stage.clock.advance_ms(MINUTE);
    }
    let rows = finish(&stage).await;
    let last = rows.iter().filter_map(|row| row.delivered_at).max().unwrap();
    assert_eq!(last.since(START), 64 * MINUTE, "an hour after the first that had to wait");
    assert_eq!(came(&mut channels[0].1).len(), 61);
    let messages = came(&mut channels[1].1);
    assert_eq!(messages.len(), 5);
    let last = &messages[4].body;
    assert!(last.contains("🔴 *shop* is flapping, now DOWN\\n57 changes in 56m"), "{last}");
}

#[tokio::test]
async fn a_summary_that_fails_fails_for_all_and_each_can_be_sent_again() {
    let (mut stage, _folder) = stage().await;
    let mut gone = Receiver::start(|n, _| Reply::status(if n == 0 { 404 } else { 200 })).await;
    let channel = stage.channel(json!({"type": "slack", "url": gone.url})).await;
    let incident = stage.incident().await;
    let mut new: Vec<NewDelivery> = (1..=12)
        .map(|n| stage.alert(&format!("job {n}"), n, AlertEvent::MonitorDown, channel))
        .collect();
    new[3].incident_id = Some(incident);
    stage.queue_all(&new).await;
    stage.run();
    stage.settled(1).await;
    let rows = stage.deliveries().await;
    assert_eq!(rows.len(), 13);
    assert!(
        rows.iter().all(|row| row.state == DeliveryState::Failed && row.last_status == Some(404))
    );
    assert_eq!((rows[12].event, rows[12].monitor_id), (AlertEvent::Summary, None));
    assert!(gone.next().await.body.contains("*12 alerts* at once: 12 down"));
    let timeline = stage.timeline(incident).await;
    assert!(timeline.iter().any(|(kind, _)| *kind == TimelineKind::DeliveryFailed), "{timeline:?}");

    let mut tx = stage.db.begin().await.unwrap();
    assert!(deliveries::retry(&mut tx.conn(), rows[3].id, stage.clock.now()).await.unwrap());
    tx.commit().await.unwrap();
    stage.sender.wake().wake();
    // It is of a storm still, and waits for what else may come.
    stage.clock.advance_ms(15 * SECOND);
    let rows = stage.until(|rows| rows[3].state == DeliveryState::Delivered).await;
    assert_eq!(rows.iter().filter(|row| row.state == DeliveryState::Failed).count(), 12);
    assert!(gone.next().await.body.contains("*job 4* is DOWN"));
}

/// Killed with a summary on its way: it is sent again as it was, and settles all that it stands for.
#[tokio::test]
async fn a_kill_under_a_summary_loses_and_doubles_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let url = testing::url(&folder);
    let mut receiver =
        Receiver::start(|n, _| if n == 0 { Reply::Hang } else { Reply::status(200) }).await;
    let (hook, path) = (receiver.url.clone(), url.clone());
    let (seen, first) = tokio::sync::oneshot::channel::<()>();
    let life = async move {
        let stage = Stage::new(Db::open(&path).await.unwrap(), START, anywhere()).await;
        let channel = stage.channel(json!({"type": "slack", "url": hook})).await;
        let new: Vec<NewDelivery> = (1..=20)
            .map(|n| stage.alert(&format!("job {n}"), n, AlertEvent::MonitorDown, channel))
            .collect();
        stage.queue_all(&new).await;
        stage.run();
        first.await.unwrap();
        // More of the same monitors, which must come after the summary.
        let new: Vec<NewDelivery> = (1..=20)
            .map(|n| stage.alert(&format!("job {n}"), n, AlertEvent::MonitorUp, channel))
            .collect();
        stage.queue_all(&new).await;
    };
    let watch = async {
        let body = receiver.next().await.body;
        seen.send(()).unwrap();
        body
    };
    let (_, first) = tokio::join!(killed_after(life), watch);
    let stage = Stage::new(Db::open(&url).await.unwrap(), START, anywhere()).await;
    stage.run();
    let rows = finish(&stage).await;
    assert_eq!(rows.len(), 42, "twenty downs, twenty ups and a summary of each");
    let messages = came(&mut receiver);
    assert_eq!(messages.len(), 2);
    assert_eq!(messages[0].body, first);
    assert!(
        messages[1].body.contains("*20 alerts* at once: 20 back online"),
        "{}",
        messages[1].body
    );
}
