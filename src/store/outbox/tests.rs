//! Deliveries, channels and timelines on both databases.

use serde_json::json;

use super::*;
use crate::clock::Timestamp;
use crate::incident::TimelineKind;
use crate::incident::message::AlertEvent;
use crate::notify::testing::down_alert;
use crate::notify::{Channel, ChannelSettings, DeliveryState, NewDelivery};
use crate::seal::Sealer;
use crate::store::deliveries::{self, Filter};
use crate::store::{Error, Tx, channels, key_check, testing, timeline};

const NOW: Timestamp = Timestamp(1_700_000_000_000);

async fn channel(tx: &mut Tx<'_>, url: &str, is_default: bool) -> Channel {
    let request =
        json!({"type": "webhook", "url": url, "secret": "s3cret", "is_default": is_default});
    let settings = ChannelSettings::read(request.as_object().unwrap(), None, true).unwrap();
    channels::insert(&mut tx.conn(), &Sealer::from_text("key"), settings, NOW).await.unwrap()
}

fn new(key: &str, monitor_id: Option<i64>, channel: &Channel) -> NewDelivery {
    NewDelivery {
        idempotency_key: key.to_owned(),
        event: AlertEvent::MonitorDown,
        incident_id: None,
        monitor_id,
        channel_id: channel.id,
        alert: down_alert(),
        created_at: NOW,
    }
}

async fn claim_due(tx: &mut Tx<'_>, now: Timestamp, per_channel: i64) -> Vec<i64> {
    let heads = claimable(&mut tx.conn(), now, per_channel).await.unwrap();
    heads.into_iter().map(|(id, _)| id).collect()
}

#[tokio::test]
async fn the_oldest_of_each_monitor_and_channel_may_be_claimed_once() {
    let (all, _folder) = testing::each_kind().await;
    for db in all {
        let mut tx = db.begin().await.unwrap();
        let (a, b) =
            (channel(&mut tx, "http://a", false).await, channel(&mut tx, "http://b", false).await);
        let rows = [
            new("1", Some(1), &a),
            new("2", Some(1), &a),
            new("3", Some(2), &a),
            new("4", Some(1), &b),
            new("5", None, &b),
            new("6", None, &b),
            new("1", Some(9), &b),
        ];
        assert_eq!(deliveries::insert(&mut tx.conn(), &rows).await.unwrap(), 6);
        assert_eq!(deliveries::insert(&mut tx.conn(), &rows).await.unwrap(), 0);
        let ids: Vec<i64> = claim_due(&mut tx, NOW, 10).await;
        assert_eq!(ids, [1, 3, 4, 5]);
        assert_eq!(claim_due(&mut tx, NOW, 1).await, [1, 4]);
        assert_eq!(claim_due(&mut tx, NOW.plus_ms(-1), 10).await, Vec::<i64>::new());

        let until = NOW.plus_ms(60_000);
        let claimed = claim(&mut tx.conn(), &ids, NOW, until).await.unwrap();
        assert_eq!(claimed.iter().map(|c| c.id).collect::<Vec<_>>(), ids);
        assert_eq!(claimed[0].alert.as_ref(), Ok(&down_alert()));
        assert!(claim(&mut tx.conn(), &ids, NOW, until).await.unwrap().is_empty());
        assert!(claim_due(&mut tx, NOW, 10).await.is_empty());
        assert_eq!(claim_due(&mut tx, until, 10).await, ids, "a lease ends");
        assert_eq!(release_leases(&mut tx.conn()).await.unwrap(), 4);
        assert_eq!(claim_due(&mut tx, NOW, 10).await, ids);
        let again = claim(&mut tx.conn(), &[1], NOW.plus_ms(9), until).await.unwrap();
        assert_eq!(again[0].first_attempt_at, NOW, "the first attempt stays the first");
    }
}

#[tokio::test]
async fn settling_moves_a_delivery_on_and_frees_the_next() {
    let (all, _folder) = testing::each_kind().await;
    for db in all {
        let mut tx = db.begin().await.unwrap();
        let a = channel(&mut tx, "http://a", false).await;
        let rows = [new("1", Some(1), &a), new("2", Some(1), &a)];
        deliveries::insert(&mut tx.conn(), &rows).await.unwrap();
        let later = NOW.plus_ms(5000);
        let conn = &mut tx.conn();
        claim(conn, &[1], NOW, NOW.plus_ms(60_000)).await.unwrap();
        let row = not_delivered(conn, 1, Some(later), "status 500", Some(500)).await.unwrap();
        assert_eq!(row, Some(Settled { incident_id: None }));
        assert_eq!(next_due(conn, NOW).await.unwrap(), Some(later));
        assert_eq!(oldest_due(conn, NOW).await.unwrap(), None);
        assert_eq!(oldest_due(conn, later).await.unwrap(), Some(later));
        assert!(delivered(conn, 1, later, 12, Some(200)).await.unwrap().is_some());
        assert!(delivered(conn, 1, later, 12, Some(200)).await.unwrap().is_none());
        not_delivered(conn, 2, None, "status 410", Some(410)).await.unwrap();

        let page = deliveries::list(conn, &Filter::default(), 20, 0).await.unwrap();
        assert_eq!((page.total, page.deliveries[0].id), (2, 2));
        let (failed, done) = (&page.deliveries[0], &page.deliveries[1]);
        assert_eq!(
            (done.state, done.attempts, done.last_status),
            (DeliveryState::Delivered, 2, Some(200))
        );
        assert_eq!((done.delivered_at, done.last_error.as_deref()), (Some(later), None));
        assert_eq!((failed.state, failed.next_attempt_at), (DeliveryState::Failed, None));
        assert_eq!(failed.last_error.as_deref(), Some("status 410"));

        assert!(!deliveries::retry(conn, 1, later).await.unwrap(), "not a failed one");
        assert!(deliveries::retry(conn, 2, later).await.unwrap());
        let row = deliveries::get(conn, 2).await.unwrap().unwrap();
        assert_eq!((row.state, row.next_attempt_at), (DeliveryState::Pending, Some(later)));
    }
}

#[tokio::test]
async fn lists_are_filtered_and_told_channels_known() {
    let (all, _folder) = testing::each_kind().await;
    for db in all {
        let mut tx = db.begin().await.unwrap();
        let (a, b) =
            (channel(&mut tx, "http://a", false).await, channel(&mut tx, "http://b", true).await);
        let incident = testing::incident(&mut tx.conn(), NOW).await;
        let about = |key: &str, channel| NewDelivery {
            incident_id: Some(incident),
            ..new(key, Some(1), channel)
        };
        let rows = [about("1", &a), about("2", &b), new("3", None, &b)];
        let conn = &mut tx.conn();
        deliveries::insert(conn, &rows).await.unwrap();
        assert_eq!(deliveries::told(conn, incident).await.unwrap(), [a.id, b.id]);
        not_delivered(conn, 1, None, "gone", None).await.unwrap();
        assert_eq!(deliveries::told(conn, incident).await.unwrap(), [b.id]);
        assert_eq!(deliveries::channels_of(conn, incident).await.unwrap(), [a.id, b.id]);
        assert_eq!(channels::defaults(conn).await.unwrap(), [b.id]);
        for (filter, expected) in [
            (Filter { incident_id: Some(incident), ..Filter::default() }, vec![2, 1]),
            (Filter { channel_id: Some(b.id), ..Filter::default() }, vec![3, 2]),
            (Filter { state: Some(DeliveryState::Failed), ..Filter::default() }, vec![1]),
        ] {
            let page = deliveries::list(conn, &filter, 20, 0).await.unwrap();
            let ids: Vec<i64> = page.deliveries.iter().map(|d| d.id).collect();
            assert_eq!((ids.len() as i64, ids), (page.total, expected));
        }
        let page = deliveries::list(conn, &Filter::default(), 1, 1).await.unwrap();
        assert_eq!((page.deliveries.len(), page.deliveries[0].id, page.total), (1, 2, 3));

        timeline::add(conn, incident, NOW, TimelineKind::Delivered, "Ops, 3 ms").await.unwrap();
        assert_eq!(timeline::list(conn, incident).await.unwrap()[0].detail, "Ops, 3 ms");
        testing::remove_incident(conn, incident).await;
        let row = delivered(conn, 2, NOW, 1, None).await.unwrap();
        assert_eq!(
            row,
            Some(Settled { incident_id: None }),
            "the incident is gone, the row is not"
        );
    }
}

#[tokio::test]
async fn channels_are_sealed_changed_and_removed_with_their_deliveries() {
    let (all, _folder) = testing::each_kind().await;
    let sealer = Sealer::from_text("key");
    for db in all {
        let mut tx = db.begin().await.unwrap();
        let mut a = channel(&mut tx, "http://a", false).await;
        deliveries::insert(&mut tx.conn(), &[new("1", None, &a)]).await.unwrap();
        let conn = &mut tx.conn();
        assert_eq!(channels::get(conn, &sealer, a.id).await.unwrap(), Some(a.clone()));
        let wrong = channels::get(conn, &Sealer::from_text("other"), a.id).await;
        assert!(matches!(wrong, Err(Error::Seal(_))), "{wrong:?}");

        a.settings.name = "Renamed".to_owned();
        assert!(channels::update(conn, &sealer, a.id, &a.settings).await.unwrap());
        assert!(!channels::update(conn, &sealer, 99, &a.settings).await.unwrap());
        channels::note_error(conn, a.id, "slow").await.unwrap();
        let since = channels::note_failed(conn, a.id, NOW, "gone").await.unwrap();
        let still = channels::note_failed(conn, a.id, NOW.plus_ms(9), "gone").await.unwrap();
        assert_eq!((since, still), (Some(NOW), Some(NOW)), "since it began");
        assert_eq!(channels::note_failed(conn, 99, NOW, "gone").await.unwrap(), None);
        let page = channels::list(conn, &sealer, 20, 0).await.unwrap();
        assert_eq!((page.total, page.channels[0].last_error.as_deref()), (1, Some("gone")));
        channels::note_delivered(conn, a.id, NOW).await.unwrap();
        let read = channels::get(conn, &sealer, a.id).await.unwrap().unwrap();
        assert_eq!(
            (read.failed_at, read.last_error, read.last_delivery_at),
            (None, None, Some(NOW))
        );
        assert_eq!(channels::enabled_names(conn).await.unwrap(), [(a.id, "Renamed".to_owned())]);

        assert!(channels::delete(conn, a.id).await.unwrap());
        assert!(!channels::delete(conn, a.id).await.unwrap());
        assert_eq!(deliveries::get(conn, 1).await.unwrap(), None);
    }
}

#[tokio::test]
async fn another_key_is_noticed_at_the_start() {
    let (all, _folder) = testing::each_kind().await;
    for db in all {
        let mut tx = db.begin().await.unwrap();
        let conn = &mut tx.conn();
        let sealer = Sealer::from_text("key");
        key_check::verify(conn, &sealer).await.unwrap();
        key_check::verify(conn, &sealer).await.unwrap();
        assert!(key_check::verify(conn, &Sealer::from_text("other")).await.is_err());
    }
}
