use serde_json::json;
use watchbell::incident::escalation::{EscalationPolicy, EscalationStep, Ladder};
use watchbell::incident::{Incident, IncidentState, TimelineKind};
use watchbell::monitor::{Cause, CheckError, ErrorKind};
use watchbell::store::incidents::{self, Filter};
use watchbell::store::monitors::Outlook;
use watchbell::store::{Db, Error, ladders, monitors, timeline};

use super::{NOW, named, odd_names, on_each, read, write};

fn incident(monitor_id: i64) -> Incident {
    Incident {
        id: 0,
        monitor_id: Some(monitor_id),
        monitor_name: "shop".to_owned(),
        started_at: NOW,
        confirmed_at: NOW.plus_ms(5),
        acknowledged_at: None,
        acknowledged_by: None,
        resolved_at: None,
        cause: Cause::ReportedFailure { exit_status: Some(-1) },
        summary: "Reported failure: exit status -1".to_owned(),
        regions: vec!["local".to_owned(), "eu \"west\"".to_owned()],
        alerts_held: false,
    }
}

async fn open(db: &Db, incident: &Incident) -> Incident {
    let id = write!(db, c => incidents::open(c, incident)).unwrap();
    Incident { id, ..incident.clone() }
}

#[tokio::test]
async fn a_monitor_has_one_open_incident() {
    on_each(async |db| {
        let (a, b) = (named(db, "a").await, named(db, "b").await);
        let first = open(db, &incident(a)).await;
        let twice = write!(db, c => incidents::open(c, &incident(a)));
        assert!(matches!(twice, Err(Error::Unique)), "{twice:?}");
        open(db, &incident(b)).await;
        assert_eq!(read!(db, c => incidents::open_of(c, a)), Some(first.clone()));
        let resolved = Incident { resolved_at: Some(NOW.plus_ms(9)), ..first };
        write!(db, c => incidents::update(c, &resolved)).unwrap();
        assert_eq!(read!(db, c => incidents::open_of(c, a)), None);
        let second = open(db, &incident(a)).await;
        assert!(second.id > resolved.id);
        let nobody = write!(db, c => incidents::open(c, &incident(99)));
        assert!(matches!(nobody, Err(Error::Reference)), "{nobody:?}");
    })
    .await;
}

#[tokio::test]
async fn every_field_and_every_cause_reads_back() {
    on_each(async |db| {
        let causes = [
            Cause::NoPing {
                silent_ms: 190_000,
                expected: "every 1m".to_owned(),
                grace_seconds: 60,
            },
            Cause::NoFirstPing { within_seconds: 60 },
            Cause::StillRunning { max_runtime_seconds: 60 },
            Cause::ReportedFailure { exit_status: None },
            Cause::Check {
                status_code: Some(503),
                error: CheckError::new(ErrorKind::Status, "status 503"),
                failed_checks: [("checks.db".to_owned(), "error: \"x\"".to_owned())].into(),
            },
        ];
        for (n, cause) in causes.into_iter().enumerate() {
            let id = named(db, &n.to_string()).await;
            let wanted = Incident { cause: cause.clone(), alerts_held: true, ..incident(id) };
            let made = open(db, &wanted).await;
            assert_eq!(read!(db, c => incidents::get(c, made.id)), Some(made.clone()));
            let changed = Incident {
                cause,
                summary: "now another".to_owned(),
                alerts_held: false,
                acknowledged_at: Some(NOW.plus_ms(1)),
                acknowledged_by: Some("o'Neil 🔔".to_owned()),
                resolved_at: Some(NOW.plus_ms(2)),
                ..made
            };
            write!(db, c => incidents::update(c, &changed)).unwrap();
            let found = read!(db, c => incidents::get(c, changed.id)).unwrap();
            assert_eq!(found, changed);
            assert_eq!(found.state(), IncidentState::Resolved);
        }
        assert_eq!(read!(db, c => incidents::get(c, 999)), None);
    })
    .await;
}

#[tokio::test]
async fn lists_are_filtered_and_newest_first() {
    on_each(async |db| {
        let (a, b) = (named(db, "a").await, named(db, "b").await);
        let old = open(db, &incident(a)).await;
        let old = Incident { resolved_at: Some(NOW.plus_ms(9)), ..old };
        write!(db, c => incidents::update(c, &old)).unwrap();
        let held = open(db, &Incident { alerts_held: true, ..incident(a) }).await;
        let new = Incident { acknowledged_at: Some(NOW), ..open(db, &incident(b)).await };
        write!(db, c => incidents::update(c, &new)).unwrap();
        let list = async |filter: Filter| {
            let rows = read!(db, c => incidents::list(c, filter, 9, 0));
            assert_eq!(read!(db, c => incidents::count(c, filter)), rows.len() as i64);
            rows.iter().map(|row| row.id).collect::<Vec<_>>()
        };
        assert_eq!(list(Filter::default()).await, [new.id, held.id, old.id]);
        let of_a = Filter { monitor_id: Some(a), ..Filter::default() };
        assert_eq!(list(of_a).await, [held.id, old.id]);
        assert_eq!(
            list(Filter { unresolved: Some(true), ..Filter::default() }).await,
            [new.id, held.id]
        );
        assert_eq!(list(Filter { unresolved: Some(false), ..of_a }).await, [old.id]);
        assert_eq!(list(Filter { acknowledged: true, ..Filter::default() }).await, [new.id]);
        assert_eq!(read!(db, c => incidents::list(c, Filter::default(), 1, 1))[0].id, held.id);
        assert_eq!(read!(db, c => incidents::held(c)), [held]);
    })
    .await;
}

#[tokio::test]
async fn incidents_outlive_their_monitor() {
    on_each(async |db| {
        let id = named(db, "a").await;
        let made = open(db, &incident(id)).await;
        write!(db, c => timeline::add(c, made.id, NOW, TimelineKind::Detected, "x")).unwrap();
        write!(db, c => monitors::delete(c, id)).unwrap();
        let found = read!(db, c => incidents::get(c, made.id)).unwrap();
        assert_eq!((found.monitor_id, found.monitor_name.as_str()), (None, "shop"));
        assert_eq!(read!(db, c => timeline::list(c, made.id)).len(), 1);
    })
    .await;
}

#[tokio::test]
async fn a_timeline_keeps_its_order_its_kinds_and_any_text() {
    on_each(async |db| {
        let id = named(db, "a").await;
        let made = open(db, &incident(id)).await;
        let mut texts = odd_names().into_iter().cycle();
        let mut wanted = Vec::new();
        for (n, kind) in TimelineKind::ALL.iter().enumerate() {
            // Not in the order of their times: it is written as it happened.
            let at = NOW.plus_ms(-(n as i64));
            let text = texts.next().unwrap();
            write!(db, c => timeline::add(c, made.id, at, *kind, &text)).unwrap();
            wanted.push(json!({"at": at, "kind": kind, "detail": text}));
        }
        let found = read!(db, c => timeline::list(c, made.id));
        assert_eq!(json!(found), json!(wanted));
        let orphan = write!(db, c => timeline::add(c, 999, NOW, TimelineKind::Comment, "x"));
        assert!(matches!(orphan, Err(Error::Reference)), "{orphan:?}");
    })
    .await;
}

#[tokio::test]
async fn the_outlook_knows_of_ladders_and_held_alerts() {
    on_each(async |db| {
        let outlook = async |at: i64| {
            let at = NOW.plus_ms(at);
            read!(db, c => monitors::outlook(c, at, at))
        };
        let first = open(db, &incident(named(db, "a").await)).await;
        assert_eq!(outlook(0).await, Outlook { is_due: false, next_edge: None });
        let step = |after_minutes| EscalationStep {
            name: String::new(),
            after_minutes,
            channel_ids: vec![1],
        };
        let policy = EscalationPolicy {
            id: 1,
            name: "on call".to_owned(),
            steps: vec![step(0), step(5)],
            repeat_every_minutes: None,
            repeat_times: None,
            ack_timeout_minutes: None,
        };
        let mut ladder = Ladder::new(policy, NOW);
        ladder.let_go(NOW);
        ladder.begin(NOW, &[1]);
        write!(db, c => ladders::save(c, first.id, &ladder)).unwrap();
        let second_step = 5 * 60_000;
        for (at, is_due) in [(0, false), (second_step - 1, false), (second_step, true)] {
            let next_edge = Some(NOW.plus_ms(second_step));
            assert_eq!(outlook(at).await, Outlook { is_due, next_edge });
        }
        write!(db, c => ladders::end(c, first.id)).unwrap();
        assert_eq!(outlook(second_step).await, Outlook { is_due: false, next_edge: None });
        let held = Incident { alerts_held: true, ..first };
        write!(db, c => incidents::update(c, &held)).unwrap();
        assert!(outlook(0).await.is_due);
        let over = Incident { resolved_at: Some(NOW), ..held };
        write!(db, c => incidents::update(c, &over)).unwrap();
        assert!(!outlook(0).await.is_due);
    })
    .await;
}
