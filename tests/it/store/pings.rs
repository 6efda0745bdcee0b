use std::borrow::Cow;

use sqlx::migrate::Migrator;
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{Connection, SqliteConnection};
use uuid::Uuid;
use watchbell::monitor::heartbeat::SignalKind;
use watchbell::monitor::state::State;
use watchbell::store::history::{self, NewPing, Ping};
use watchbell::store::new_pings::{self, Packed, QuietPings};
use watchbell::store::old::Old;
use watchbell::store::ping_sheets::{self, Sheets};
use watchbell::store::{Conn, Db, Error, Held, monitors};

use super::{NONE, NOW, add, heartbeat, on_each, read, write};
use crate::support::database::TestDatabase;

pub(super) fn ping(monitor_id: i64, n: i64) -> NewPing {
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
        write!(db, c => ping_sheets::file(c, sheets)).unwrap();
        let sheets = come(db, &[&late]).await;
        let seen = async || {
            let numbers = read!(db, c => history::pings(c, b, 5, 2)).into_iter().map(|ping| ping.n);
            (numbers.collect::<Vec<_>>(), read!(db, c => history::count_pings(c, a)))
        };
        let before = seen().await;
        assert_eq!(before, (vec![42, 41, 40, 39, 38], 44));
        write!(db, c => ping_sheets::file(c, sheets)).unwrap();
        assert_eq!(seen().await, before);
        assert!(write!(db, c => ping_sheets::file_unknown(c)).unwrap());
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

async fn count_bodies(conn: &mut Conn<'_>) -> sqlx::Result<i64> {
    match conn {
        Conn::Sqlite(c) => {
            sqlx::query_scalar("SELECT COUNT(*) FROM ping_bodies").fetch_one(&mut **c).await
        }
        Conn::Postgres(c) => {
            sqlx::query_scalar("SELECT COUNT(body) FROM pings").fetch_one(&mut **c).await
        }
    }
}

#[tokio::test]
async fn old_pings_go_in_batches_and_their_numbers_stay() {
    on_each(async |db| {
        let id = add(db, &heartbeat("job")).await.monitor.id;
        let with_body = |n: i64| NewPing { body: (n % 40 == 0).then(|| vec![7]), ..ping(id, n) };
        let rows: Vec<_> = (1..=1200).map(with_body).collect();
        let sheets = come(db, &[&rows]).await;
        write!(db, c => ping_sheets::file(c, sheets)).unwrap();
        for keep in [1199, 100, 3] {
            assert_eq!(read!(db, c => Old::Pings(keep).owners(c)), [id]);
            while write!(db, c => Old::Pings(keep).remove(c, id, 10)).unwrap() == 10 {}
            assert_eq!(read!(db, c => Old::Pings(keep).owners(c)), NONE);
            let kept = read!(db, c => history::pings(c, id, 2000, 0));
            assert!(kept.iter().map(|p| p.n).eq((1201 - keep..=1200).rev()), "{keep} are kept");
            assert_eq!(read!(db, c => count_bodies(c)), 1200 / 40 - (1200 - keep) / 40);
        }
        assert_eq!(write!(db, c => Old::Pings(100).remove(c, id + 1, 1000)).unwrap(), 0);
    })
    .await;
}

#[tokio::test]
async fn what_is_on_no_sheet_is_not_removed() {
    on_each(async |db| {
        let id = add(db, &heartbeat("job")).await.monitor.id;
        let noted = come(db, &[&[ping(id, 1)]]).await;
        come(db, &[&[ping(id, 2)]]).await;
        let filed = write!(db, c => ping_sheets::file(c, noted));
        assert_eq!(filed.is_err(), db.kind_name() == "SQLite");
        assert_eq!(read!(db, c => history::count_pings(c, id)), 2);
        assert!(write!(db, c => ping_sheets::file_unknown(c)).unwrap());
        assert_eq!(read!(db, c => history::count_pings(c, id)), 2);
    })
    .await;
}

#[tokio::test]
async fn of_pings_that_nobody_noted_some_are_filed_at_a_time() {
    on_each(async |db| {
        let (a, b) = (add(db, &heartbeat("a")).await, add(db, &heartbeat("b")).await);
        let [a, b] = [a, b].map(|job| job.monitor.id);
        let commits: Vec<_> = (1..=600).map(|n| [ping(a, n), ping(b, n)]).collect();
        let commits: Vec<_> = commits.iter().map(|pings| &pings[..]).collect();
        come(db, &commits).await;
        let seen = async || read!(db, c => history::pings(c, b, 1000, 0));
        let before = seen().await;
        assert!(before.iter().map(|ping| ping.n).eq((1..=600).rev()));
        let mut rounds = 1;
        while !write!(db, c => ping_sheets::file_unknown(c)).unwrap() {
            assert_eq!(seen().await, before);
            rounds += 1;
        }
        assert_eq!(rounds, if db.kind_name() == "SQLite" { 3 } else { 1 });
        assert_eq!(seen().await, before);
    })
    .await;
}

#[tokio::test]
async fn pings_of_a_database_of_before_are_put_on_sheets() {
    const SHEETS: i64 = 34;
    let database = TestDatabase::sqlite();
    let options: SqliteConnectOptions = database.url().parse().unwrap();
    let mut old = SqliteConnection::connect_with(&options.create_if_missing(true)).await.unwrap();
    let mut until_then = sqlx::migrate!("migrations/sqlite");
    let of_before = until_then.iter().filter(|migration| migration.version < SHEETS).cloned();
    until_then = Migrator { migrations: Cow::Owned(of_before.collect()), ..Migrator::DEFAULT };
    until_then.run(&mut old).await.unwrap();
    let rid = Uuid::from_u128(7);
    let columns = "monitor_id, n, at, kind, method, remote_addr, user_agent, rid, body, body_bytes";
    let insert = format!(
        "INSERT INTO monitors (id, type, name, settings, search_text, paused, created_at, updated_at)
             VALUES (5, 'heartbeat', 'job', '{{}}', 'job', 0, 0, 0);
         WITH RECURSIVE count (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM count WHERE n < 70)
         INSERT INTO pings ({columns}) SELECT 5, n, n, 'success', 'GET', '::1', 'a \"b\"', NULL, NULL, 0 FROM count;
         INSERT INTO new_pings ({columns}) VALUES (5, 71, 71, 'fail', 'POST', '::1', '', x'{}', x'00ff', 2);",
        rid.simple()
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(insert)).execute(&mut old).await.unwrap();
    old.close().await.unwrap();
    let db = database.open().await;
    let pings = read!(db, c => history::pings(c, 5, 99, 0));
    assert!(pings.iter().map(|ping| (ping.n, ping.at.0)).eq((1..=71).rev().map(|n| (n, n))));
    let last = &pings[0];
    assert_eq!((last.kind, last.rid, last.body_bytes), (SignalKind::Fail, Some(rid), 2));
    assert_eq!((pings[1].rid, pings[1].user_agent.as_str()), (None, "a \"b\""));
    assert_eq!(read!(db, c => history::ping_body(c, 5, 71)), Some(vec![0, 255]));
    assert_eq!(read!(db, c => history::ping_body(c, 5, 70)), Some(Vec::new()));
    let sheets = write!(&db, c => Old::Pings(7).remove(c, 5, 99)).unwrap();
    assert_eq!((sheets, read!(db, c => history::count_pings(c, 5))), (3, 7));
    db.close().await;
}
