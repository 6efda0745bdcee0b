use std::collections::BTreeMap;

use uuid::Uuid;
use watchbell::clock::Timestamp;
use watchbell::monitor::heartbeat::SignalKind;
use watchbell::monitor::{CheckError, CheckResult, ErrorKind, Phases, Status, Verdict};
use watchbell::store::history::{self, NewPing, NewResult, Ping, StatusChange};
use watchbell::store::{Error, monitors};

use super::{NOW, add, heartbeat, named, on_each, read, write};

fn result(at: i64, verdict: Verdict) -> CheckResult {
    CheckResult {
        region: "local".to_owned(),
        started_at: NOW.plus_ms(at),
        phases: Phases::default(),
        status_code: None,
        error: None,
        failed_checks: BTreeMap::new(),
        certificate: None,
        verdict,
    }
}

fn new_result(monitor_id: i64, result: CheckResult) -> NewResult {
    NewResult { monitor_id, result, in_maintenance: false }
}

#[tokio::test]
async fn a_result_keeps_every_field() {
    on_each(async |db| {
        let id = named(db, "a").await;
        let full = CheckResult {
            region: "eu-west \"1\" é".to_owned(),
            phases: Phases {
                dns: Some(0),
                connect: Some(1),
                tls: Some(2),
                first_byte: Some(3),
                total: Some(u32::MAX),
            },
            status_code: Some(599),
            error: Some(CheckError::new(ErrorKind::TooManyRedirects, "it's\n\"odd\" 🔴")),
            failed_checks: BTreeMap::from([(
                "checks.a\"b".to_owned(),
                "error: \u{1} ünï".to_owned(),
            )]),
            ..result(0, Verdict::Down)
        };
        let empty = result(1, Verdict::Unknown);
        let rows = [
            NewResult { in_maintenance: true, ..new_result(id, full.clone()) },
            new_result(id, empty.clone()),
        ];
        write!(db, c => history::insert_results(c, &rows)).unwrap();
        let found = read!(db, c => history::results(c, id, 9, 0));
        assert_eq!((&found[0].result, found[0].in_maintenance), (&empty, false));
        assert_eq!((&found[1].result, found[1].in_maintenance), (&full, true));
        assert_eq!(found[1].id, NOW.0);
        // A second one of the same moment changes nothing.
        write!(db, c => history::insert_results(c, &[new_result(id, result(0, Verdict::Up))]))
            .unwrap();
        assert_eq!(read!(db, c => history::results(c, id, 9, 0)), found);
    })
    .await;
}

#[tokio::test]
async fn every_kind_of_error_and_verdict_reads_back() {
    on_each(async |db| {
        let id = named(db, "a").await;
        let mut rows = Vec::new();
        for (n, kind) in ErrorKind::ALL.iter().enumerate() {
            let error = Some(CheckError::new(*kind, ""));
            rows.push(new_result(id, CheckResult { error, ..result(n as i64, Verdict::Down) }));
        }
        for (n, verdict) in Verdict::ALL.iter().enumerate() {
            rows.push(new_result(id, result(1000 + n as i64, *verdict)));
        }
        write!(db, c => history::insert_results(c, &rows)).unwrap();
        let found = read!(db, c => history::results_since(c, id, NOW, 1000));
        let expected: Vec<_> = rows.into_iter().map(|row| row.result).collect();
        assert_eq!(found.into_iter().map(|row| row.result).collect::<Vec<_>>(), expected);
    })
    .await;
}

#[tokio::test]
async fn many_results_go_in_at_once_and_out_in_batches() {
    on_each(async |db| {
        let (id, other) = (named(db, "a").await, named(db, "b").await);
        let mut rows: Vec<_> = (0..2500).map(|n| new_result(id, result(n, Verdict::Up))).collect();
        rows.push(new_result(other, result(0, Verdict::Up)));
        write!(db, c => history::insert_results(c, &rows)).unwrap();
        assert_eq!(read!(db, c => history::count_results(c, id)), 2500);
        let page = read!(db, c => history::results(c, id, 2, 3));
        assert_eq!(page.iter().map(|row| row.id - NOW.0).collect::<Vec<_>>(), [2496, 2495]);
        let newest = read!(db, c => history::results_since(c, id, NOW.plus_ms(10), 3));
        assert_eq!(newest.iter().map(|row| row.id - NOW.0).collect::<Vec<_>>(), [2497, 2498, 2499]);
        let mut pruned = Vec::new();
        for _ in 0..4 {
            pruned.push(
                write!(db, c => history::prune_results(c, id, NOW.plus_ms(2100), 1000)).unwrap(),
            );
        }
        assert_eq!(pruned, [1000, 1000, 100, 0]);
        assert_eq!(read!(db, c => history::count_results(c, id)), 400);
        assert_eq!(read!(db, c => history::count_results(c, other)), 1, "of others nothing");
    })
    .await;
}

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
            write!(db, c => history::insert_results(c, &[new_result(id, result(0, Verdict::Up))]))
                .unwrap();
            write!(db, c => history::insert_pings(c, &[ping(id, 1)])).unwrap();
            let change = StatusChange { at: NOW, status: Some(Status::Up) };
            write!(db, c => history::insert_status_changes(c, &[(id, change)])).unwrap();
        }
        write!(db, c => monitors::delete(c, id)).unwrap();
        assert_eq!(read!(db, c => history::count_results(c, id)), 0);
        assert_eq!(read!(db, c => history::count_pings(c, id)), 0);
        assert!(read!(db, c => monitors::by_ids(c, &[id])).is_empty());
        assert_eq!(read!(db, c => history::count_results(c, kept)), 1);
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
