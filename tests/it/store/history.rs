use uuid::Uuid;
use watchbell::clock::Timestamp;
use watchbell::monitor::heartbeat::SignalKind;
use watchbell::monitor::{Status, Verdict};
use watchbell::store::history::{self, NewPing, Ping, StatusChange};
use watchbell::store::{Error, monitors, results};

use super::results::{new_result, result};
use super::{NOW, add, heartbeat, named, on_each, read, write};

fn ping(monitor_id: i64, n: i64) -> NewPing {
    let ping = Ping {
        n,
        at: NOW.plus_ms(n),
        kind: SignalKind::Success,
        method: "GET".to_owned(),
        remote_addr: String::new(),
        user_agent: String::new(),
        rid: None,
        exit_status: None,
        duration_ms: None,
        body_bytes: 0,
        note: None,
    };
    NewPing { monitor_id, ping, body: None }
}

#[tokio::test]
async fn a_ping_keeps_every_field_and_any_bytes() {
    on_each(async |db| {
        let id = add(db, &heartbeat("job")).await.monitor.id;
        let body: Vec<u8> = (0..=255).cycle().take(10_000).collect();
        let mut full = ping(id, 1);
        full.body = Some(body.clone());
        full.ping = Ping {
            kind: SignalKind::Fail,
            method: "POST".to_owned(),
            remote_addr: "2001:db8::1".to_owned(),
            user_agent: "curl/8 \"é\"".to_owned(),
            rid: Some(Uuid::new_v4()),
            exit_status: Some(i64::MIN),
            duration_ms: Some(i64::MAX),
            body_bytes: 3_000_000,
            note: Some("odd".to_owned()),
            ..full.ping
        };
        let bare = ping(id, 2);
        write!(db, c => history::insert_pings(c, &[full.clone(), bare.clone()])).unwrap();
        assert_eq!(read!(db, c => history::pings(c, id, 9, 0)), [bare.ping, full.ping]);
        assert_eq!(read!(db, c => history::ping_body(c, id, 1)), Some(body));
        assert_eq!(read!(db, c => history::ping_body(c, id, 2)), Some(Vec::new()));
        assert_eq!(read!(db, c => history::ping_body(c, id, 3)), None);
        let twice = write!(db, c => history::insert_pings(c, &[ping(id, 2)]));
        assert!(matches!(twice, Err(Error::Unique)), "a number is given once: {twice:?}");
    })
    .await;
}

#[tokio::test]
async fn pings_are_found_by_kind_and_runs_by_their_duration() {
    on_each(async |db| {
        let id = add(db, &heartbeat("job")).await.monitor.id;
        let other = add(db, &heartbeat("other")).await.monitor.id;
        let mut rows: Vec<_> = (1..=6).map(|n| ping(id, n)).collect();
        for n in [0, 2, 4] {
            rows[n].ping.kind = SignalKind::Start;
            rows[n + 1].ping.duration_ms = Some(n as i64);
        }
        rows[3].ping.kind = SignalKind::Fail;
        rows.push(ping(other, 1));
        write!(db, c => history::insert_pings(c, &rows)).unwrap();
        let numbers = |pings: Vec<Ping>| pings.iter().map(|ping| ping.n).collect::<Vec<_>>();
        let of_kind =
            async |kind, limit| numbers(read!(db, c => history::pings_of_kind(c, id, kind, limit)));
        assert_eq!(of_kind(SignalKind::Start, 2).await, [5, 3]);
        assert_eq!(of_kind(SignalKind::Fail, 9).await, [4]);
        assert_eq!(of_kind(SignalKind::Log, 9).await, [0; 0]);
        assert_eq!(numbers(read!(db, c => history::timed_runs(c, id, 9))), [6, 4, 2]);
        assert_eq!(numbers(read!(db, c => history::timed_runs(c, other, 9))), [0; 0]);
    })
    .await;
}

#[tokio::test]
async fn old_pings_go_in_batches_and_their_numbers_stay() {
    on_each(async |db| {
        let id = add(db, &heartbeat("job")).await.monitor.id;
        let rows: Vec<_> = (1..=1200).map(|n| ping(id, n)).collect();
        write!(db, c => history::insert_pings(c, &rows)).unwrap();
        let mut pruned = Vec::new();
        for _ in 0..3 {
            pruned.push(write!(db, c => history::prune_pings(c, id, 100, 1000)).unwrap());
        }
        assert_eq!(pruned, [1000, 100, 0]);
        assert_eq!(read!(db, c => history::count_pings(c, id)), 100);
        let kept = read!(db, c => history::pings(c, id, 1000, 99));
        assert_eq!(kept.iter().map(|p| p.n).collect::<Vec<_>>(), [1101]);
        assert_eq!(write!(db, c => history::prune_pings(c, id + 1, 100, 1000)).unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn changes_of_status_come_with_the_one_before() {
    on_each(async |db| {
        let (a, b, c) = (named(db, "a").await, named(db, "b").await, named(db, "c").await);
        let change = |id, at, status| (id, StatusChange { at: Timestamp(at), status });
        let rows = [
            change(a, 100, Some(Status::Pending)),
            change(a, 200, Some(Status::Up)),
            change(a, 300, None),
            change(a, 400, Some(Status::Down)),
            change(b, 350, Some(Status::Up)),
            change(c, 50, Some(Status::Up)),
            // At the same moment the last word counts.
            change(a, 400, Some(Status::Degraded)),
        ];
        write!(db, conn => history::insert_status_changes(conn, &rows)).unwrap();
        let since = async |at| read!(db, conn => history::status_changes(conn, &[a, b, c, 99], Timestamp(at)));
        let found = since(250).await;
        let plain = |id: i64| found[&id].iter().map(|c| (c.at.0, c.status)).collect::<Vec<_>>();
        assert_eq!(plain(a), [(200, Some(Status::Up)), (300, None), (400, Some(Status::Degraded))]);
        assert_eq!(plain(b), [(350, Some(Status::Up))]);
        assert_eq!(plain(c), [(50, Some(Status::Up))]);
        assert!(!found.contains_key(&99));
        let exactly = since(300).await;
        assert_eq!(exactly[&a][0].at, Timestamp(300));
        assert!(read!(db, conn => history::status_changes(conn, &[], NOW)).is_empty());
    })
    .await;
}

#[tokio::test]
async fn the_history_goes_with_its_monitor() {
    on_each(async |db| {
        let (id, kept) = (add(db, &heartbeat("job")).await.monitor.id, named(db, "kept").await);
        for id in [id, kept] {
            write!(db, c => results::insert(c, &[new_result(id, result(0, Verdict::Up))])).unwrap();
            write!(db, c => history::insert_pings(c, &[ping(id, 1)])).unwrap();
            let change = StatusChange { at: NOW, status: Some(Status::Up) };
            write!(db, c => history::insert_status_changes(c, &[(id, change)])).unwrap();
        }
        write!(db, c => monitors::delete(c, id)).unwrap();
        assert_eq!(read!(db, c => results::count(c, id)), 0);
        assert_eq!(read!(db, c => history::count_pings(c, id)), 0);
        assert!(read!(db, c => monitors::by_ids(c, &[id])).is_empty());
        assert_eq!(read!(db, c => results::count(c, kept)), 1);
        assert_eq!(read!(db, c => history::count_pings(c, kept)), 1);
        let changes = read!(db, c => history::status_changes(c, &[id, kept], NOW));
        assert_eq!(changes.into_keys().collect::<Vec<_>>(), [kept]);
        // What comes too late has nobody to belong to.
        let orphan = write!(db, c => history::insert_pings(c, &[ping(id, 2)]));
        assert!(matches!(orphan, Err(Error::Reference)), "{orphan:?}");
        // A number is not given again: whoever kept it would see another's history.
        assert!(named(db, "new").await > kept);
    })
    .await;
}
