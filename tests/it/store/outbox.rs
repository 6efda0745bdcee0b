//! Channels, deliveries, and the sender's claims.

use serde_json::{Value, json};
use watchbell::incident::message::{Alert, AlertEvent};
use watchbell::notify::{ChannelSettings, DeliveryState, NewDelivery};
use watchbell::seal::Sealer;
use watchbell::store::{Db, Error, channels, deliveries, outbox};

use super::{NONE, NOW, odd_names, on_each, read, sealer, write};

fn channel(fields: Value) -> ChannelSettings {
    let mut all = json!({"type": "webhook", "url": "https://example.com/hook", "is_default": true});
    all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    ChannelSettings::read(all.as_object().unwrap(), None, true).unwrap()
}

pub(super) async fn add(db: &Db, fields: Value) -> i64 {
    write!(db, c => channels::insert(c, &sealer(), channel(fields), NOW)).unwrap().id
}

fn delivery(key: &str, channel_id: i64, monitor_id: Option<i64>) -> NewDelivery {
    NewDelivery {
        idempotency_key: key.to_owned(),
        event: AlertEvent::MonitorDown,
        incident_id: None,
        monitor_id,
        channel_id,
        alert: Alert::channel_test(key),
        created_at: NOW,
    }
}

async fn queue(db: &Db, rows: &[NewDelivery]) -> u64 {
    write!(db, c => deliveries::insert(c, rows)).unwrap()
}

/// Claims what may be claimed `at` ms from now, for ten ms.
async fn claim(db: &Db, at: i64) -> Vec<outbox::Claimed> {
    let now = NOW.plus_ms(at);
    let heads = read!(db, c => outbox::claimable(c, now, 99));
    let ids: Vec<i64> = heads.iter().map(|(id, _)| *id).collect();
    write!(db, c => outbox::claim(c, &ids, now, now.plus_ms(10))).unwrap()
}

/// The keys of what was claimed, which the alerts bear.
fn keys(claimed: &[outbox::Claimed]) -> Vec<String> {
    claimed.iter().map(|one| one.alert.as_ref().unwrap().message.subject.clone()).collect()
}

#[tokio::test]
async fn channels_are_sealed_listed_changed_and_removed() {
    on_each(async |db| {
        let secret = json!({"secret": "whsec_aGlkZGVu", "headers": {"Authorization": "hidden"}});
        let made = write!(db, c => channels::insert(c, &sealer(), channel(secret), NOW)).unwrap();
        assert_eq!(read!(db, c => channels::get(c, &sealer(), made.id)), Some(made.clone()));
        let mut reader = db.read().await.unwrap();
        let other = channels::get(&mut reader.conn(), &Sealer::from_text("another"), made.id).await;
        assert!(matches!(other, Err(Error::Seal(_))), "{other:?}");
        drop(reader);
        for name in odd_names() {
            let mut settings = made.settings.clone();
            settings.name = name;
            assert!(write!(db, c => channels::update(c, &sealer(), made.id, &settings)).unwrap());
            let found = read!(db, c => channels::get(c, &sealer(), made.id)).unwrap();
            assert_eq!(found.settings, settings);
        }
        assert!(!write!(db, c => channels::update(c, &sealer(), 99, &made.settings)).unwrap());
        let off = add(db, json!({"name": "off", "enabled": false})).await;
        let plain = add(db, json!({"name": "plain", "is_default": false})).await;
        let page = read!(db, c => channels::list(c, &sealer(), 2, 1));
        assert_eq!(page.total, 3);
        assert_eq!(page.channels.iter().map(|c| c.id).collect::<Vec<_>>(), [off, plain]);
        assert_eq!(read!(db, c => channels::defaults(c)), [made.id]);
        assert_eq!(read!(db, c => channels::enabled(c)), [(made.id, true), (plain, false)]);
        let names = read!(db, c => channels::enabled_names(c));
        assert_eq!(names[1], (plain, "plain".to_owned()));
        assert_eq!(read!(db, c => channels::existing(c, &[plain, 99, off])), [off, plain]);
        assert!(write!(db, c => channels::delete(c, off)).unwrap());
        assert!(!write!(db, c => channels::delete(c, off)).unwrap());
    })
    .await;
}

#[tokio::test]
async fn a_channel_remembers_how_it_went() {
    on_each(async |db| {
        let id = add(db, json!({})).await;
        let found = async || read!(db, c => channels::get(c, &sealer(), id)).unwrap();
        write!(db, c => channels::note_error(c, id, "status 500")).unwrap();
        let now = found().await;
        assert_eq!((now.last_error.as_deref(), now.failed_at), (Some("status 500"), None));
        for at in [1, 2] {
            let since =
                write!(db, c => channels::note_failed(c, id, NOW.plus_ms(at), "gone")).unwrap();
            assert_eq!(since, Some(NOW.plus_ms(1)), "since the first failure");
        }
        write!(db, c => channels::note_delivered(c, id, NOW.plus_ms(3))).unwrap();
        let now = found().await;
        assert_eq!(
            (now.last_delivery_at, now.last_error, now.failed_at),
            (Some(NOW.plus_ms(3)), None, None)
        );
        assert_eq!(write!(db, c => channels::note_failed(c, 99, NOW, "gone")).unwrap(), None);
    })
    .await;
}

#[tokio::test]
async fn the_same_key_is_queued_once() {
    on_each(async |db| {
        let id = add(db, json!({})).await;
        let rows: Vec<_> = (0..1200).map(|n| delivery(&format!("k{n}"), id, Some(n))).collect();
        assert_eq!(queue(db, &rows).await, 1200);
        assert_eq!(queue(db, &[delivery("k7", id, Some(7)), delivery("new", id, None)]).await, 1);
        assert_eq!(queue(db, &[]).await, 0);
        assert_eq!(
            read!(db, c => deliveries::list(c, &deliveries::Filter::default(), 0, 0)).total,
            1201
        );
        let nowhere = write!(db, c => deliveries::insert(c, &[delivery("x", 99, None)]));
        assert!(matches!(nowhere, Err(Error::Reference)), "{nowhere:?}");
    })
    .await;
}

#[tokio::test]
async fn alerts_are_claimed_in_order_for_each_monitor_and_channel() {
    on_each(async |db| {
        let (a, b) = (add(db, json!({})).await, add(db, json!({})).await);
        let rows = [
            delivery("a1-first", a, Some(1)),
            delivery("a1-second", a, Some(1)),
            delivery("a2", a, Some(2)),
            delivery("b1", b, Some(1)),
            delivery("a-first", a, None),
            delivery("a-second", a, None),
        ];
        queue(db, &rows).await;
        assert_eq!(
            read!(db, c => outbox::claimable(c, NOW.plus_ms(-1), 9)),
            [],
            "not before it is due"
        );
        assert_eq!(read!(db, c => outbox::claimable(c, NOW, 1)).len(), 2, "one for each channel");
        let first = claim(db, 0).await;
        assert_eq!(keys(&first), ["a1-first", "a2", "b1", "a-first"]);
        assert_eq!((first[0].attempts, first[0].first_attempt_at), (0, NOW));
        assert!(claim(db, 9).await.is_empty(), "held, and nothing overtakes");
        let again = claim(db, 10).await;
        assert_eq!(keys(&again), keys(&first), "a lease that ran out");
        assert_eq!(again[0].first_attempt_at, NOW, "the first attempt stays the first");
        for one in &again {
            let settled =
                write!(db, c => outbox::delivered(c, one.id, NOW.plus_ms(11), 5, Some(204)))
                    .unwrap();
            assert!(settled.is_some());
            let twice =
                write!(db, c => outbox::delivered(c, one.id, NOW.plus_ms(12), 5, None)).unwrap();
            assert!(twice.is_none(), "settled once");
        }
        assert_eq!(keys(&claim(db, 12).await), ["a1-second", "a-second"]);
        assert_eq!(write!(db, c => outbox::release_leases(c)).unwrap(), 2);
        assert_eq!(claim(db, 12).await.len(), 2, "the only server takes up what a kill left");
    })
    .await;
}

#[tokio::test]
async fn of_two_claims_at_once_one_wins() {
    on_each(async |db| {
        let id = add(db, json!({})).await;
        queue(db, &[delivery("k", id, None)]).await;
        let heads = read!(db, c => outbox::claimable(c, NOW, 9));
        let ids: Vec<i64> = heads.iter().map(|(id, _)| *id).collect();
        let claims = (0..8).map(|_| async {
            write!(db, c => outbox::claim(c, &ids, NOW, NOW.plus_ms(10))).unwrap().len()
        });
        let won: usize = futures_util::future::join_all(claims).await.into_iter().sum();
        assert_eq!(won, 1);
    })
    .await;
}

#[tokio::test]
async fn a_failed_attempt_is_due_later_and_a_failed_delivery_never() {
    on_each(async |db| {
        let id = add(db, json!({})).await;
        queue(db, &[delivery("first", id, Some(1)), delivery("second", id, Some(1))]).await;
        let first = claim(db, 0).await[0].id;
        let next = Some(NOW.plus_ms(100));
        write!(db, c => outbox::not_delivered(c, first, next, "status 500: \u{1f534}", Some(500)))
            .unwrap();
        let row = read!(db, c => deliveries::get(c, first)).unwrap();
        assert_eq!(
            (row.state, row.attempts, row.next_attempt_at),
            (DeliveryState::Pending, 1, next)
        );
        assert_eq!(
            (row.last_error.as_deref(), row.last_status),
            (Some("status 500: 🔴"), Some(500))
        );
        assert!(claim(db, 99).await.is_empty(), "the second waits for the first");
        assert_eq!(read!(db, c => outbox::next_due(c, NOW)), next);
        assert_eq!(read!(db, c => outbox::oldest_due(c, NOW)), None, "the second is due but waits");
        assert_eq!(read!(db, c => outbox::oldest_due(c, NOW.plus_ms(150))), next);
        let claimed = claim(db, 100).await;
        assert_eq!((claimed[0].id, claimed[0].attempts), (first, 1));
        write!(db, c => outbox::not_delivered(c, first, None, "gone", Some(410))).unwrap();
        let row = read!(db, c => deliveries::get(c, first)).unwrap();
        assert_eq!(
            (row.state, row.attempts, row.next_attempt_at),
            (DeliveryState::Failed, 2, None)
        );
        assert_eq!(keys(&claim(db, 100).await), ["second"], "what failed holds up nobody");
        assert!(
            write!(db, c => outbox::not_delivered(c, first, next, "late", None)).unwrap().is_none()
        );
        assert!(write!(db, c => deliveries::retry(c, first, NOW.plus_ms(200))).unwrap());
        assert!(
            !write!(db, c => deliveries::retry(c, first, NOW.plus_ms(200))).unwrap(),
            "it is not failed now"
        );
        assert!(!write!(db, c => deliveries::retry(c, 999, NOW)).unwrap());
        let row = read!(db, c => deliveries::get(c, first)).unwrap();
        assert_eq!((row.state, row.attempts), (DeliveryState::Pending, 0));
        assert_eq!(
            claim(db, 200).await[0].first_attempt_at,
            NOW.plus_ms(200),
            "the schedule begins anew"
        );
    })
    .await;
}

#[tokio::test]
async fn deliveries_are_listed_by_channel_and_state_and_go_with_their_channel() {
    on_each(async |db| {
        let (a, b) = (add(db, json!({})).await, add(db, json!({})).await);
        queue(
            db,
            &[delivery("1", a, Some(1)), delivery("2", b, Some(1)), delivery("3", a, Some(2))],
        )
        .await;
        let all = read!(db, c => deliveries::list(c, &deliveries::Filter::default(), 2, 0));
        assert_eq!((all.total, all.deliveries.len()), (3, 2));
        assert!(all.deliveries[0].id > all.deliveries[1].id, "newest first");
        let done = all.deliveries[0].id;
        write!(db, c => outbox::delivered(c, done, NOW.plus_ms(5), 12, Some(200))).unwrap();
        let count = async |filter: deliveries::Filter| {
            read!(db, c => deliveries::list(c, &filter, 9, 0)).total
        };
        let any = deliveries::Filter::default();
        assert_eq!(count(deliveries::Filter { channel_id: Some(a), ..any }).await, 2);
        let pending = Some(DeliveryState::Pending);
        assert_eq!(
            count(deliveries::Filter { channel_id: Some(a), state: pending, ..any }).await,
            1
        );
        assert_eq!(count(deliveries::Filter { incident_id: Some(1), ..any }).await, 0);
        let row = read!(db, c => deliveries::get(c, done)).unwrap();
        assert_eq!((row.delivered_at, row.last_status), (Some(NOW.plus_ms(5)), Some(200)));
        write!(db, c => channels::delete(c, a)).unwrap();
        assert_eq!(count(any).await, 1);
        assert_eq!(read!(db, c => deliveries::get(c, done)), None);
    })
    .await;
}

#[tokio::test]
async fn an_incident_knows_who_was_told_of_it() {
    on_each(async |db| {
        let monitor = super::named(db, "m").await;
        let mut ids = Vec::new();
        for _ in 0..4 {
            ids.push(add(db, json!({})).await);
        }
        let incident = watchbell::incident::Incident {
            id: 0,
            monitor_id: Some(monitor),
            monitor_name: String::new(),
            started_at: NOW,
            confirmed_at: NOW,
            acknowledged_at: None,
            acknowledged_by: None,
            resolved_at: None,
            cause: watchbell::monitor::Cause::ReportedFailure { exit_status: None },
            summary: String::new(),
            regions: vec![],
            alerts_held: false,
        };
        let incident = write!(db, c => watchbell::store::incidents::open(c, &incident)).unwrap();
        let about = |key: &str, channel, event| NewDelivery {
            incident_id: Some(incident),
            event,
            ..delivery(key, channel, Some(monitor))
        };
        let rows = [
            about("1", ids[0], AlertEvent::MonitorDown),
            about("2", ids[1], AlertEvent::MonitorDown),
            about("3", ids[2], AlertEvent::ChannelFailed),
        ];
        queue(db, &rows).await;
        assert_eq!(read!(db, c => deliveries::told(c, incident)), ids[..2]);
        let failed = claim(db, 0).await[1].id;
        write!(db, c => outbox::not_delivered(c, failed, None, "gone", None)).unwrap();
        assert_eq!(
            read!(db, c => deliveries::told(c, incident)),
            ids[..1],
            "who never heard of it hears no end"
        );
        assert_eq!(read!(db, c => deliveries::channels_of(c, incident)), ids[..3]);
        assert_eq!(read!(db, c => deliveries::told(c, incident + 1)), NONE);
    })
    .await;
}
