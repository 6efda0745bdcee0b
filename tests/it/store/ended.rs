//! What goes once it ended 401 days ago, and what stays however old it is.

use tokio_util::sync::CancellationToken;
use watchbell::clock::Timestamp;
use watchbell::incident::escalation::{EscalationPolicy, EscalationStep, Ladder};
use watchbell::incident::maintenance::MaintenanceWindow;
use watchbell::incident::message::{Alert, AlertEvent};
use watchbell::incident::{Incident, TimelineKind};
use watchbell::monitor::Cause;
use watchbell::notify::NewDelivery;
use watchbell::report::retention::{self, Keep};
use watchbell::report::rollup::DAY_MS;
use watchbell::store::deliveries::Filter;
use watchbell::store::{Db, deliveries, grouping, incidents, ladders, outbox, timeline, windows};

use super::outbox::add as channel;
use super::{NONE, NOW, named, on_each, read, write};

/// So many days before the moment of the removal.
fn ago(days: i64) -> Timestamp {
    NOW.plus_ms(-days * DAY_MS)
}

async fn prune(db: &Db) {
    let keep = Keep { result_days: 7, pings: 10 };
    retention::prune(db, keep, NOW, &CancellationToken::new()).await.unwrap();
}

/// An incident of a new monitor, with two lines of a timeline and a ladder; gives its number.
async fn incident(db: &Db, name: &str, ended: Option<Timestamp>) -> i64 {
    let incident = Incident {
        id: 0,
        monitor_id: Some(named(db, name).await),
        monitor_name: name.to_owned(),
        started_at: ago(900),
        confirmed_at: ago(900),
        acknowledged_at: None,
        acknowledged_by: None,
        resolved_at: None,
        cause: Cause::ReportedFailure { exit_status: None },
        summary: "Reported failure".to_owned(),
        regions: Vec::new(),
        alerts_held: false,
    };
    let id = write!(db, c => incidents::open(c, &incident)).unwrap();
    let policy = EscalationPolicy {
        id: 1,
        name: "on call".to_owned(),
        steps: vec![EscalationStep { name: String::new(), after_minutes: 0, channel_ids: vec![1] }],
        repeat_every_minutes: None,
        repeat_times: None,
        ack_timeout_minutes: None,
    };
    let ladder = Ladder::new(policy, ago(900));
    let over = Incident { id, resolved_at: ended, ..incident };
    write!(db, c => async {
        for kind in [TimelineKind::Detected, TimelineKind::Comment] {
            timeline::add(c, id, ago(900), kind, "x").await?;
        }
        ladders::save(c, id, &ladder).await?;
        incidents::update(c, &over).await
    })
    .unwrap();
    id
}

/// What became of an alert.
#[derive(Clone, Copy)]
enum Fate {
    Delivered(Timestamp),
    GivenUp,
    Pending,
}

/// Queues an alert at `at`; gives its number.
async fn alert(db: &Db, channel_id: i64, of: Option<i64>, at: Timestamp, fate: Fate) -> i64 {
    let before = read!(db, c => deliveries::list(c, &Filter::default(), 1, 0)).total;
    let new = NewDelivery {
        idempotency_key: format!("alert {before}"),
        event: AlertEvent::MonitorDown,
        incident_id: of,
        monitor_id: None,
        channel_id,
        alert: Alert::channel_test("x"),
        created_at: at,
    };
    write!(db, c => deliveries::insert(c, &[new])).unwrap();
    let id = read!(db, c => deliveries::list(c, &Filter::default(), 1, 0)).deliveries[0].id;
    match fate {
        Fate::Delivered(at) => write!(db, c => outbox::delivered(c, id, at, 5, Some(200))),
        Fate::GivenUp => write!(db, c => outbox::not_delivered(c, id, None, "gone", None)),
        Fate::Pending => Ok(None),
    }
    .unwrap();
    id
}

async fn alerts(db: &Db) -> Vec<i64> {
    let page = read!(db, c => deliveries::list(c, &Filter::default(), 99, 0));
    page.deliveries.iter().rev().map(|delivery| delivery.id).collect()
}

async fn kept_incidents(db: &Db) -> Vec<i64> {
    let list = read!(db, c => incidents::list(c, incidents::Filter::default(), 99, 0));
    list.iter().rev().map(|incident| incident.id).collect()
}

#[tokio::test]
async fn an_incident_goes_with_all_that_is_its_own_401_days_after_its_end() {
    on_each(async |db| {
        let to = channel(db, serde_json::json!({})).await;
        let gone = incident(db, "gone", Some(ago(402))).await;
        let kept = incident(db, "kept", Some(ago(401))).await;
        let open = incident(db, "open", None).await;
        let mut stay = Vec::new();
        for (of, goes) in [(gone, true), (kept, false), (open, false)] {
            for fate in [Fate::Delivered(ago(890)), Fate::GivenUp] {
                let id = alert(db, to, Some(of), ago(900), fate).await;
                stay.extend((!goes).then_some(id));
            }
        }
        prune(db).await;
        assert_eq!(kept_incidents(db).await, [kept, open]);
        assert_eq!(alerts(db).await, stay);
        for (id, lines) in [(gone, 0), (kept, 2), (open, 2)] {
            assert_eq!(read!(db, c => timeline::list(c, id)).len(), lines);
            assert_eq!(read!(db, c => ladders::get(c, id)).is_some(), lines > 0);
        }
        // Who was told of it hears of its end, however long it lasts.
        assert_eq!(read!(db, c => deliveries::told(c, open)), [to]);
        prune(db).await;
        assert_eq!(kept_incidents(db).await, [kept, open]);
    })
    .await;
}

#[tokio::test]
async fn an_incident_waits_for_the_last_of_its_alerts() {
    on_each(async |db| {
        let to = channel(db, serde_json::json!({})).await;
        let old = incident(db, "old", Some(ago(500))).await;
        alert(db, to, Some(old), ago(600), Fate::Delivered(ago(600))).await;
        let tried = alert(db, to, Some(old), ago(600), Fate::Pending).await;
        let late = alert(db, to, Some(old), ago(600), Fate::Delivered(ago(3))).await;
        prune(db).await;
        assert_eq!(alerts(db).await, [tried, late]);
        assert_eq!(kept_incidents(db).await, [old]);
        assert_eq!(read!(db, c => timeline::list(c, old)).len(), 2);
        let settled = write!(db, c => outbox::delivered(c, tried, ago(450), 5, None)).unwrap();
        assert_eq!(settled.and_then(|settled| settled.incident_id), Some(old));
        prune(db).await;
        assert_eq!(alerts(db).await, [late], "it was sent a few days ago");
        assert_eq!(kept_incidents(db).await, [old]);
    })
    .await;
}

#[tokio::test]
async fn what_stays_holds_up_none_of_the_many_that_ended_after_it() {
    on_each(async |db| {
        let to = channel(db, serde_json::json!({})).await;
        let mut stay = Vec::new();
        for i in 0..120 {
            // Many end at once when a network is back.
            let ended = ago(500).plus_ms(i / 3);
            let id = incident(db, &format!("no {i}"), Some(ended)).await;
            let waits = i < 60;
            let fate = if waits { Fate::Pending } else { Fate::GivenUp };
            alert(db, to, Some(id), ago(600), fate).await;
            stay.extend(waits.then_some(id));
        }
        prune(db).await;
        assert_eq!(kept_incidents(db).await, stay);
    })
    .await;
}

#[tokio::test]
async fn alerts_without_an_incident_go_401_days_after_they_were_settled() {
    on_each(async |db| {
        let to = channel(db, serde_json::json!({})).await;
        let open = incident(db, "open", None).await;
        let mut stay = Vec::new();
        for (at, fate, goes) in [
            (402, Fate::Delivered(ago(402)), true),
            (402, Fate::GivenUp, true),
            (402, Fate::Pending, false),
            (402, Fate::Delivered(ago(400)), false),
            (400, Fate::GivenUp, false),
        ] {
            let id = alert(db, to, None, ago(at), fate).await;
            stay.extend((!goes).then_some(id));
        }
        // A summary is there as long as one of those that it tells.
        let told = [
            alert(db, to, Some(open), ago(500), Fate::Pending).await,
            alert(db, to, None, ago(500), Fate::Pending).await,
        ];
        let summary = NewDelivery {
            idempotency_key: "summary".to_owned(),
            event: AlertEvent::Summary,
            incident_id: None,
            monitor_id: None,
            channel_id: to,
            alert: Alert::channel_test("x"),
            created_at: ago(500),
        };
        assert!(write!(db, c => grouping::put_together(c, summary, &told)).unwrap());
        let summary = *alerts(db).await.last().unwrap();
        write!(db, c => async {
            outbox::delivered(c, summary, ago(500), 5, None).await?;
            grouping::share_fate(c, summary).await
        })
        .unwrap();
        prune(db).await;
        stay.extend([told[0], summary]);
        assert_eq!(alerts(db).await, stay);
        assert_eq!(kept_incidents(db).await, [open]);
    })
    .await;
}

#[tokio::test]
async fn past_times_of_windows_go_and_more_than_a_batch_goes_at_once() {
    on_each(async |db| {
        let window = MaintenanceWindow {
            id: 0,
            name: "works".to_owned(),
            monitor_ids: Vec::new(),
            tags: Vec::new(),
            starts_at: ago(-1),
            ends_at: ago(-2),
            repeats: None,
        };
        let id = write!(db, c => windows::insert(c, &window)).unwrap();
        let spans = [402, 401, 3].map(|days| (ago(days).plus_ms(-60_000), ago(days)));
        write!(db, c => windows::add_past(c, id, &spans)).unwrap();
        let long = incident(db, "long", Some(ago(402))).await;
        write!(db, c => async {
            for _ in 0..2_500 {
                timeline::add(c, long, ago(900), TimelineKind::Comment, "x").await?;
            }
            Ok::<_, watchbell::store::Error>(())
        })
        .unwrap();
        prune(db).await;
        let found = read!(db, c => windows::ending_after(c, Timestamp(0)));
        let ends: Vec<_> = found.iter().map(|window| window.ends_at).collect();
        assert_eq!(ends, [ago(401), ago(3), ago(-2)]);
        assert_eq!(kept_incidents(db).await, NONE);
        assert!(read!(db, c => timeline::list(c, long)).is_empty());
    })
    .await;
}
