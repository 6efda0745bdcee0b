//! Hours that are rolled up again, as more is known of them or as they could not be read, and what their results are kept for.

use tokio_util::sync::CancellationToken;
use watchbell::clock::Timestamp;
use watchbell::incident::maintenance::MaintenanceWindow;
use watchbell::monitor::{Status, StatusChange, Verdict};
use watchbell::report::retention::{self, Keep};
use watchbell::report::roller::{self, Roller};
use watchbell::report::rollup::{DAY_MS, Grain, HOUR_MS};
use watchbell::store::{Db, history, monitors, redos, results, rollups};

use super::results::{new_result, result};
use super::{NOW, add, execute, heartbeat, named, on_each, read, write};

fn at(hours: i64) -> Timestamp {
    NOW.plus_ms(hours * HOUR_MS)
}

async fn round(roller: &mut Roller, now: Timestamp) {
    roller.round(now, &CancellationToken::new()).await.unwrap();
}

async fn prune(db: &Db, result_days: u32, now: Timestamp) {
    let keep = Keep { result_days, pings: 10 };
    retention::prune(db, keep, now, &CancellationToken::new()).await.unwrap();
}

/// A monitor that is up, with four results in each of its first `hours`.
async fn watched(db: &Db, name: &str, hours: i64) -> i64 {
    let id = named(db, name).await;
    let up = StatusChange { at: NOW, status: Some(Status::Up) };
    let rows: Vec<_> =
        (0..hours * 4).map(|n| new_result(id, result(n * HOUR_MS / 4, Verdict::Up))).collect();
    write!(db, c => async {
        history::insert_status_changes(c, &[(id, up)]).await?;
        results::insert(c, &rows).await
    })
    .unwrap();
    id
}

/// Checks counted in each of the hours of a monitor that there are.
async fn counted(db: &Db, id: i64) -> Vec<i64> {
    let whole = (Timestamp(0), at(10_000));
    let hours = read!(db, c => rollups::of(c, Grain::Hour, &[id], whole));
    hours.iter().map(|(_, hour)| hour.checks).collect()
}

#[tokio::test]
async fn a_row_that_cannot_be_read_keeps_its_own_monitor_alone_from_being_rolled_up() {
    on_each(async |db| {
        let mut roller = Roller::new(db.clone());
        let (well, spoilt) = (watched(db, "well", 6).await, watched(db, "spoilt", 6).await);
        let state = read!(db, c => monitors::by_ids(c, &[spoilt])).remove(0).state;
        round(&mut roller, at(3)).await;
        // More of them than redos are read at once.
        let mut odd = Vec::new();
        for n in 0..101 {
            odd.push(add(db, &heartbeat(&format!("odd {n}"))).await.monitor.id);
        }
        let (first, last) = (odd[0], odd[100]);
        execute(
            db,
            &format!(
                "UPDATE monitor_states SET state = '\"odd\"' WHERE monitor_id = {spoilt};
                 INSERT INTO status_changes (monitor_id, at, status)
                 SELECT id, {}, 'odd' FROM monitors WHERE id >= {first} AND id <= {last}",
                NOW.0
            ),
        )
        .await;
        for hours in [6, 7, 20 * 24] {
            round(&mut roller, at(hours)).await;
            round(&mut roller, at(hours)).await;
        }
        prune(db, 7, at(20 * 24)).await;
        assert!(read!(db, c => rollups::rolled_up_until(c)).unwrap() > at(20 * 24 - 2));
        assert_eq!(counted(db, well).await[..6], [4; 6]);
        assert_eq!(read!(db, c => results::count(c, well)), 0);
        assert_eq!(counted(db, spoilt).await.len(), 2, "before it was spoilt");
        assert_eq!(read!(db, c => results::count(c, spoilt)), 16, "of hours that wait");
        assert_eq!(read!(db, c => redos::list(c, 0, 999)).len(), 102);
        // Mended, all is made good.
        write!(db, c => monitors::save_states(c, &[(spoilt, &state)])).unwrap();
        execute(db, "UPDATE status_changes SET status = 'up' WHERE status = 'odd'").await;
        round(&mut roller, at(20 * 24)).await;
        assert!(read!(db, c => redos::list(c, 0, 999)).is_empty());
        let hours = counted(db, well).await.len();
        assert_eq!(counted(db, spoilt).await.len(), hours);
        assert_eq!(counted(db, last).await.len(), hours - 2, "it was added after two");
        assert_eq!(counted(db, spoilt).await[..6], [4; 6]);
        prune(db, 7, at(20 * 24)).await;
        assert_eq!(read!(db, c => results::count(c, spoilt)), 0);
    })
    .await;
}

#[tokio::test]
async fn what_cannot_be_read_is_given_up_when_its_hours_are_too_old() {
    on_each(async |db| {
        let mut roller = Roller::new(db.clone());
        let id = watched(db, "spoilt", 6).await;
        execute(db, "UPDATE status_changes SET status = 'odd'").await;
        round(&mut roller, at(7)).await;
        assert_eq!(read!(db, c => redos::list(c, 0, 9)).len(), 1);
        let now = NOW.plus_ms(402 * DAY_MS);
        // From then on it can be read.
        let up = StatusChange { at: at(9), status: Some(Status::Up) };
        write!(db, c => history::insert_status_changes(c, &[(id, up)])).unwrap();
        write!(db, c => rollups::set_rolled_up_until(c, now.plus_ms(-2 * HOUR_MS))).unwrap();
        round(&mut roller, now).await;
        assert!(read!(db, c => redos::list(c, 0, 9)).is_empty());
        prune(db, 7, now).await;
        assert_eq!(read!(db, c => results::count(c, id)), 0);
    })
    .await;
}

#[tokio::test]
async fn a_late_result_does_not_take_the_place_of_results_that_are_gone() {
    on_each(async |db| {
        let mut roller = Roller::new(db.clone());
        let id = watched(db, "shop", 6).await;
        let now = at(20 * 24);
        round(&mut roller, now).await;
        prune(db, 7, now).await;
        assert_eq!(read!(db, c => results::count(c, id)), 0);
        let before = counted(db, id).await;
        assert_eq!(before[..7], [4, 4, 4, 4, 4, 4, 0]);
        // Results are kept for longer from now on, and then one comes of those days.
        prune(db, 60, now).await;
        let late = [HOUR_MS + 1, 19 * DAY_MS].map(|ms| new_result(id, result(ms, Verdict::Down)));
        write!(db, c => async {
            results::insert(c, &late).await?;
            for one in &late {
                let from = one.result.started_at;
                roller::became_known(c, id, (from, from.plus_ms(1)), now).await?;
            }
            Ok::<_, watchbell::store::Error>(())
        })
        .unwrap();
        round(&mut roller, now).await;
        let mut expected = before;
        expected[19 * 24] = 1;
        assert_eq!(counted(db, id).await, expected, "and one of an hour that is whole counts");
    })
    .await;
}

#[tokio::test]
async fn after_a_clock_that_was_far_ahead_hours_are_counted_anew_again() {
    on_each(async |db| {
        let mut roller = Roller::new(db.clone());
        let id = watched(db, "shop", 6).await;
        let ahead = at(40 * 24);
        round(&mut roller, ahead).await;
        prune(db, 7, ahead).await;
        round(&mut roller, at(7)).await;
        let rows: Vec<_> =
            [8, 9].map(|n| new_result(id, result(n * HOUR_MS, Verdict::Up))).to_vec();
        write!(db, c => results::insert(c, &rows)).unwrap();
        round(&mut roller, at(11)).await;
        assert_eq!(counted(db, id).await[..10], [4, 4, 4, 4, 4, 4, 0, 0, 1, 1]);
    })
    .await;
}

#[tokio::test]
async fn a_window_over_many_monitors_has_the_hours_of_each_rolled_up_again() {
    on_each(async |db| {
        let mut tagged = super::http(serde_json::json!({"tags": ["all"]}));
        let mut ids = Vec::new();
        // More than one statement takes.
        for n in 0..300 {
            tagged.name = format!("m {n}");
            ids.push(add(db, &tagged).await.monitor.id);
        }
        let other = named(db, "other").await;
        let window = MaintenanceWindow {
            id: 0,
            name: "works".to_owned(),
            // One is named and has the tag too.
            monitor_ids: vec![ids[7], other],
            tags: vec!["all".to_owned()],
            starts_at: at(1),
            ends_at: at(2),
            repeats: None,
        };
        ids.push(other);
        let all = |span| ids.iter().map(|id| (*id, span)).collect::<Vec<_>>();
        write!(db, c => roller::window_changed(c, &window, at(9))).unwrap();
        assert_eq!(read!(db, c => redos::list(c, 0, 999)), all((at(1), at(2))));
        let longer = MaintenanceWindow { ends_at: at(4), ..window };
        write!(db, c => roller::window_changed(c, &longer, at(9))).unwrap();
        assert_eq!(read!(db, c => redos::list(c, 0, 999)), all((at(1), at(4))));
        assert_eq!(read!(db, c => redos::list(c, ids[299], 1)), [(other, (at(1), at(4)))]);
    })
    .await;
}
