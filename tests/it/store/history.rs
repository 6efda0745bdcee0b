use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use watchbell::clock::Timestamp;
use watchbell::monitor::heartbeat::SignalKind;
use watchbell::monitor::state::State;
use watchbell::monitor::{Status, Verdict};
use watchbell::report::retention;
use watchbell::store::history::{self, NewPing, Ping, StatusChange};
use watchbell::store::new_pings::{self, Packed, QuietPings, Sheets};
use watchbell::store::old::Old;
use watchbell::store::{Db, Error, Held, monitors, results};

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

async fn write_quiet(
    held: &mut Held,
    states: Vec<(i64, State)>,
    pings: Vec<NewPing>,
) -> Result<(), Error> {
    let packed = Packed::of(&pings).unwrap();
    new_pings::write_quiet(held, &QuietPings { states, pings, packed }).await
}

/// Stores pings as a commit each, and gives the sheets that they are on.
async fn come(db: &Db, commits: &[&[NewPing]]) -> Sheets {
    let mut sheets = Sheets::default();
    for pings in commits {
        sheets.add(&write!(db, c => new_pings::insert_pings(c, pings)).unwrap());
    }
    sheets
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
        write!(db, c => new_pings::insert_pings(c, &[full.clone(), bare.clone()])).unwrap();
        assert_eq!(read!(db, c => history::pings(c, id, 9, 0)), [bare.ping, full.ping]);
        assert_eq!(read!(db, c => history::ping_body(c, id, 1)), Some(body));
        assert_eq!(read!(db, c => history::ping_body(c, id, 2)), Some(Vec::new()));
        assert_eq!(read!(db, c => history::ping_body(c, id, 3)), None);
    })
    .await;
}

#[tokio::test]
async fn pings_are_read_alike_before_and_after_they_are_filed() {
    on_each(async |db| {
        let jobs = [add(db, &heartbeat("a")).await, add(db, &heartbeat("b")).await];
        let [a, b] = [jobs[0].monitor.id, jobs[1].monitor.id];
        let rows: Vec<_> = (1..=40).flat_map(|n| [ping(a, n), ping(b, n)]).collect();
        let late: Vec<_> = (41..=44).flat_map(|n| [ping(a, n), ping(b, n)]).collect();
        let sheets = come(db, &[&rows[..50], &rows[50..]]).await;
        write!(db, c => new_pings::file(c, sheets)).unwrap();
        let sheets = come(db, &[&late]).await;
        let seen = async || {
            let numbers = read!(db, c => history::pings(c, b, 5, 2)).into_iter().map(|ping| ping.n);
            (numbers.collect::<Vec<_>>(), read!(db, c => history::count_pings(c, a)))
        };
        let before = seen().await;
        assert_eq!(before, (vec![42, 41, 40, 39, 38], 44));
        write!(db, c => new_pings::file(c, sheets)).unwrap();
        assert_eq!(seen().await, before);
        assert!(write!(db, c => new_pings::file_unknown(c)).unwrap());
        assert_eq!(seen().await, before);
    })
    .await;
}

#[tokio::test]
async fn pings_and_their_states_are_written_at_once_or_not_at_all() {
    on_each(async |db| {
        let job = add(db, &heartbeat("job")).await;
        let id = job.monitor.id;
        for (from, count) in [(1, 1), (2, 3), (5, 300)] {
            let mut state = job.state.clone();
            state.beat.pings = from + count - 1;
            let rows: Vec<_> = (from..from + count).map(|n| ping(id, n)).collect();
            let mut held = db.hold().await.unwrap();
            write_quiet(&mut held, vec![(id, state)], rows).await.unwrap();
        }
        assert_eq!(read!(db, c => history::count_pings(c, id)), 304);
        let kept = read!(db, c => monitors::by_ids(c, &[id]));
        assert_eq!(kept[0].state.beat.pings, 304);

        let mut held = db.hold().await.unwrap();
        let nobody = vec![(id, job.state.clone()), (id + 1, job.state.clone())];
        let gone = write_quiet(&mut held, nobody, vec![ping(id, 305)]).await;
        assert!(matches!(gone, Err(Error::Reference)), "{gone:?}");
        // The connection is as good as before.
        write_quiet(&mut held, Vec::new(), vec![ping(id, 305)]).await.unwrap();
        drop(held);
        let kept = read!(db, c => monitors::by_ids(c, &[id]));
        assert_eq!(kept[0].state.beat.pings, 304, "nothing of it was written");
        assert_eq!(read!(db, c => history::count_pings(c, id)), 305);
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
        write!(db, c => new_pings::insert_pings(c, &rows)).unwrap();
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
        let sheets = come(db, &[&rows]).await;
        write!(db, c => new_pings::file(c, sheets)).unwrap();
        while write!(db, c => Old::Pings(100).remove(c, id, 10)).unwrap() == 10 {}
        // On SQLite 32 are on a sheet, and the last one decides.
        let kept = if db.kind_name() == "SQLite" { 1200 - 1088 } else { 100 };
        assert_eq!(read!(db, c => history::count_pings(c, id)), kept);
        let oldest = read!(db, c => history::pings(c, id, 1000, kept - 1));
        assert_eq!(oldest.iter().map(|p| p.n).collect::<Vec<_>>(), [1201 - kept]);
        assert_eq!(write!(db, c => Old::Pings(100).remove(c, id + 1, 1000)).unwrap(), 0);
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
async fn a_deleted_monitor_is_gone_at_once_and_its_history_after_it() {
    on_each(async |db| {
        let (id, kept) = (add(db, &heartbeat("job")).await.monitor.id, named(db, "kept").await);
        for id in [id, kept] {
            write!(db, c => results::insert(c, &[new_result(id, result(0, Verdict::Up))])).unwrap();
            write!(db, c => new_pings::insert_pings(c, &[ping(id, 1)])).unwrap();
            let change = StatusChange { at: NOW, status: Some(Status::Up) };
            write!(db, c => history::insert_status_changes(c, &[(id, change)])).unwrap();
        }
        // More than go in one transaction.
        let rows: Vec<_> = (1..2500).map(|n| new_result(id, result(n, Verdict::Up))).collect();
        write!(db, c => results::insert(c, &rows)).unwrap();
        write!(db, c => monitors::delete(c, id)).unwrap();
        assert!(read!(db, c => monitors::by_ids(c, &[id])).is_empty());
        assert!(read!(db, c => monitors::existing(c, &[id])).is_empty());
        assert_eq!(read!(db, c => monitors::all_ids(c)), [kept]);
        assert_eq!(read!(db, c => monitors::active_ids(c)), [kept]);
        assert_eq!(read!(db, c => monitors::names(c)).len(), 1);
        // What a stop leaves, the next start finds.
        let stopped = CancellationToken::new();
        stopped.cancel();
        retention::clear_deleted(db, &stopped).await.unwrap();
        assert_eq!(read!(db, c => monitors::deleted(c)), [id]);
        retention::clear_deleted(db, &CancellationToken::new()).await.unwrap();
        assert!(read!(db, c => monitors::deleted(c)).is_empty());
        assert_eq!(read!(db, c => results::count(c, id)), 0);
        // New pings go when they would be filed, which is soon.
        assert!(write!(db, c => new_pings::file_unknown(c)).unwrap());
        assert_eq!(read!(db, c => history::count_pings(c, id)), 0);
        assert_eq!(read!(db, c => results::count(c, kept)), 1);
        assert_eq!(read!(db, c => history::count_pings(c, kept)), 1);
        let changes = read!(db, c => history::status_changes(c, &[id, kept], NOW));
        assert_eq!(changes.into_keys().collect::<Vec<_>>(), [kept]);
        // What comes too late has nobody to belong to.
        match write!(db, c => new_pings::insert_pings(c, &[ping(id, 2)])) {
            Ok(_) => assert!(write!(db, c => new_pings::file_unknown(c)).unwrap()),
            Err(error) => assert!(matches!(error, Error::Reference), "{error:?}"),
        }
        assert_eq!(read!(db, c => history::count_pings(c, id)), 0);
        // A number is not given again: whoever kept it would see another's history.
        assert!(named(db, "new").await > kept);
    })
    .await;
}
