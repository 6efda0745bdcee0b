use tokio_util::sync::CancellationToken;
use watchbell::clock::Timestamp;
use watchbell::monitor::{Status, Verdict};
use watchbell::report::retention;
use watchbell::store::history::{self, StatusChange};
use watchbell::store::{Error, monitors, new_pings, ping_sheets, results};

use super::pings::ping;
use super::results::{new_result, result};
use super::{NOW, add, heartbeat, named, on_each, read, write};

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
        // In a gap it is known what was before.
        let exactly = since(300).await;
        assert_eq!(exactly[&a].iter().map(|c| c.at.0).collect::<Vec<_>>(), [200, 300, 400]);
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
        assert!(write!(db, c => ping_sheets::file_unknown(c)).unwrap());
        assert_eq!(read!(db, c => history::count_pings(c, id)), 0);
        assert_eq!(read!(db, c => results::count(c, kept)), 1);
        assert_eq!(read!(db, c => history::count_pings(c, kept)), 1);
        let changes = read!(db, c => history::status_changes(c, &[id, kept], NOW));
        assert_eq!(changes.into_keys().collect::<Vec<_>>(), [kept]);
        // What comes too late has nobody to belong to.
        match write!(db, c => new_pings::insert_pings(c, &[ping(id, 2)])) {
            Ok(_) => assert!(write!(db, c => ping_sheets::file_unknown(c)).unwrap()),
            Err(error) => assert!(matches!(error, Error::Reference), "{error:?}"),
        }
        assert_eq!(read!(db, c => history::count_pings(c, id)), 0);
        // A number is not given again: whoever kept it would see another's history.
        assert!(named(db, "new").await > kept);
    })
    .await;
}
