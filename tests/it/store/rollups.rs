//! Roll-ups: what the job makes of results and changes, what is read of it, and what is left when the results are gone.

use tokio_util::sync::CancellationToken;
use watchbell::clock::Timestamp;
use watchbell::incident::maintenance::MaintenanceWindow;
use watchbell::monitor::{Monitor, Phases, Status, StatusChange, Verdict};
use watchbell::report::retention::{self, Keep};
use watchbell::report::roller::{self, Roller};
use watchbell::report::rollup::{DAY_MS, Grain, HOUR_MS};
use watchbell::report::uptime::{Span, Tally, tally};
use watchbell::store::old::{History, Old};
use watchbell::store::{Db, history, monitors, redos, results, rollups, windows};

use super::results::{new_result, result};
use super::{NOW, add, heartbeat, http, on_each, read, write};

/// When the stories of these tests begin: at eight in the morning.
fn begin() -> Timestamp {
    NOW
}

async fn roll(db: &Db, now: Timestamp) {
    Roller::new(db.clone()).round(now, &CancellationToken::new()).await.unwrap();
}

async fn prune(db: &Db, now: Timestamp) {
    let keep = Keep { result_days: 7, pings: 10 };
    retention::prune(db, keep, now, &CancellationToken::new()).await.unwrap();
}

async fn changed(db: &Db, id: i64, changes: &[(i64, Option<Status>)]) {
    let rows: Vec<_> = changes
        .iter()
        .map(|(ms, status)| (id, StatusChange { at: begin().plus_ms(*ms), status: *status }))
        .collect();
    write!(db, c => history::insert_status_changes(c, &rows)).unwrap();
}

/// What is known of `spans` by the changes alone.
async fn by_changes(db: &Db, id: i64, quiet: &[Span], spans: &[Span]) -> Vec<Tally> {
    let changes = read!(db, c => history::status_changes(c, &[id], Timestamp(0)));
    tally(&changes[&id], quiet, spans)
}

async fn by_record(db: &Db, monitor: &Monitor, from: Timestamp, spans: &[Span]) -> Vec<Tally> {
    read!(db, c => rollups::records(c, &[monitor], from))[&monitor.id].tallies(spans)
}

fn hours(from: Timestamp, count: i64) -> Vec<Span> {
    let start = Grain::Hour.floor(from);
    (0..count).map(|n| (start.plus_ms(n * HOUR_MS), start.plus_ms((n + 1) * HOUR_MS))).collect()
}

#[tokio::test]
async fn a_record_says_what_the_changes_say_through_days_of_every_kind() {
    on_each(async |db| {
        let monitor = add(db, &http(serde_json::json!({}))).await.monitor;
        let hour = HOUR_MS;
        changed(
            db,
            monitor.id,
            &[
                (0, Some(Status::Pending)),
                (60_000, Some(Status::Up)),
                (30 * hour, Some(Status::Down)),
                (30 * hour + 90_000, Some(Status::Up)),
                // Down for days, so that some are the same throughout.
                (50 * hour, Some(Status::Down)),
                (120 * hour, Some(Status::Degraded)),
                (200 * hour, None),
                (260 * hour + 1, Some(Status::Paused)),
                (330 * hour, Some(Status::Up)),
                (399 * hour, Some(Status::Down)),
            ],
        )
        .await;
        let window = MaintenanceWindow {
            id: 0,
            name: "works".to_owned(),
            monitor_ids: vec![monitor.id],
            tags: Vec::new(),
            starts_at: begin().plus_ms(60 * hour + 5),
            ends_at: begin().plus_ms(100 * hour),
            repeats: None,
        };
        write!(db, c => windows::insert(c, &window)).unwrap();
        let quiet = [(window.starts_at, window.ends_at)];
        let now = begin().plus_ms(400 * hour);
        let spans = hours(begin(), 410);
        let expected = by_changes(db, monitor.id, &quiet, &spans).await;
        for settled in [0, 7, 31, 250, 400] {
            roll(db, begin().plus_ms(settled * hour)).await;
            let found = by_record(db, &monitor, begin(), &spans).await;
            for (n, (found, expected)) in found.iter().zip(&expected).enumerate() {
                assert_eq!(found, expected, "hour {n} when settled {settled}");
            }
        }
        let record = &read!(db, c => rollups::records(c, &[&monitor], begin()))[&monitor.id];
        assert_eq!(record.outages(begin()), 3);
        assert!(
            record.odd.len() < 150,
            "days that are the same throughout are one: {}",
            record.odd.len()
        );
        let whole = (begin(), now);
        assert_eq!(record.tallies(&[whole]), by_changes(db, monitor.id, &quiet, &[whole]).await);
    })
    .await;
}

#[tokio::test]
async fn hours_and_days_count_checks_and_how_long_they_took() {
    on_each(async |db| {
        let monitor = add(db, &http(serde_json::json!({}))).await.monitor;
        let id = monitor.id;
        changed(db, id, &[(0, Some(Status::Up))]).await;
        let mut rows = Vec::new();
        for n in 0..48 * 4 {
            let mut one = result(n * HOUR_MS / 4, Verdict::Up);
            one.phases =
                Phases { total: Some(100 + u32::try_from(n).unwrap()), ..Phases::default() };
            if n % 8 == 0 {
                one.verdict = Verdict::Down;
            }
            rows.push(new_result(id, one));
        }
        write!(db, c => results::insert(c, &rows)).unwrap();
        let later = begin().plus_ms(20 * DAY_MS);
        prune(db, later).await;
        assert_eq!(read!(db, c => results::count(c, id)), 192, "not before they are rolled up");
        roll(db, begin().plus_ms(3 * DAY_MS)).await;
        let whole = (Grain::Day.floor(begin()), begin().plus_ms(4 * DAY_MS));
        for grain in [Grain::Hour, Grain::Day] {
            let found = read!(db, c => rollups::of(c, grain, &[id], whole));
            let sum = |f: fn(&rollups::Stored) -> i64| found.iter().map(f).sum::<i64>();
            assert_eq!((sum(|r| r.1.checks), sum(|r| r.1.failed)), (192, 24), "{grain:?}");
            let all =
                read!(db, c => rollups::latencies(c, grain, &[id], whole)).remove(&id).unwrap();
            assert_eq!(all.count(), 168);
            let p95 = all.percentile(0.95).unwrap();
            assert!((275..=290).contains(&p95), "{p95}");
        }
        // When the results are gone, and the hours are rolled up again, the counts stay.
        roll(db, later).await;
        prune(db, later).await;
        assert_eq!(read!(db, c => results::count(c, id)), 0);
        write!(db, c => redos::add(c, &[id], (begin(), begin().plus_ms(DAY_MS)))).unwrap();
        roll(db, later).await;
        let days = read!(db, c => rollups::of(c, Grain::Day, &[id], whole));
        assert_eq!(days.iter().map(|day| day.1.checks).sum::<i64>(), 192);
        assert!(read!(db, c => redos::list(c, 0, 9)).is_empty());
        // Hours go after 400 days, days stay.
        let much_later = begin().plus_ms(402 * DAY_MS);
        prune(db, much_later).await;
        let first = (begin(), begin().plus_ms(DAY_MS));
        assert!(read!(db, c => rollups::of(c, Grain::Hour, &[id], first)).is_empty());
        assert_eq!(read!(db, c => rollups::of(c, Grain::Day, &[id], first)).len(), 1);
    })
    .await;
}

/// Hours and days of some monitors, all that is stored of them.
async fn all_of(db: &Db, ids: &[i64], whole: Span) -> Vec<Vec<rollups::Stored>> {
    let hours = read!(db, c => rollups::of(c, Grain::Hour, ids, whole));
    vec![hours, read!(db, c => rollups::of(c, Grain::Day, ids, whole))]
}

#[tokio::test]
async fn in_pieces_and_after_a_crash_it_comes_to_the_same_as_at_once() {
    on_each(async |db| {
        let mut ids = Vec::new();
        // More than the hours of a day of which go in one transaction.
        for n in 0..18 {
            let id = add(db, &heartbeat(&format!("job {n}"))).await.monitor.id;
            changed(db, id, &[(0, Some(Status::Up)), (n * HOUR_MS, Some(Status::Down))]).await;
            let checks = (0..120).map(|check| {
                let verdict = if check % 7 == n % 7 { Verdict::Down } else { Verdict::Up };
                let mut one = result(check * HOUR_MS / 2, verdict);
                one.phases.total = Some(100 + u32::try_from(check * n).unwrap());
                new_result(id, one)
            });
            write!(db, c => results::insert(c, &checks.collect::<Vec<_>>())).unwrap();
            ids.push(id);
        }
        let whole = (Timestamp(0), begin().plus_ms(4 * DAY_MS));
        let now = begin().plus_ms(62 * HOUR_MS);
        for hour in (2..=62).step_by(5) {
            roll(db, begin().plus_ms(hour * HOUR_MS)).await;
        }
        let in_pieces = all_of(db, &ids, whole).await;
        assert_eq!(in_pieces[0].iter().map(|(_, hour)| hour.checks).sum::<i64>(), 18 * 120);
        // Killed between the hours and the note of how far it came: they are rolled up again, in larger pieces.
        for back in [10, 62] {
            let until = Grain::Hour.floor(now.plus_ms(-back * HOUR_MS));
            write!(db, c => rollups::set_rolled_up_until(c, until)).unwrap();
            roll(db, now).await;
            assert_eq!(all_of(db, &ids, whole).await, in_pieces, "{back} hours again");
        }
        write!(db, c => async {
            for id in &ids {
                Old::All(History::Hours).remove(c, *id, 1_000).await?;
                Old::All(History::Days).remove(c, *id, 1_000).await?;
            }
            rollups::set_rolled_up_until(c, begin()).await
        })
        .unwrap();
        assert!(all_of(db, &ids, whole).await.iter().all(Vec::is_empty));
        roll(db, now).await;
        assert_eq!(all_of(db, &ids, whole).await, in_pieces, "all at once");
    })
    .await;
}

#[tokio::test]
async fn until_now_is_with_the_hour_and_the_day_that_run() {
    on_each(async |db| {
        let id = add(db, &http(serde_json::json!({}))).await.monitor.id;
        changed(db, id, &[(0, Some(Status::Up))]).await;
        // Every twenty minutes for two days and a half, and a failure in the hour that runs.
        let count = 60 * 3 + 1;
        let mut rows: Vec<_> =
            (0..count).map(|n| new_result(id, result(n * HOUR_MS / 3, Verdict::Up))).collect();
        rows.push(new_result(id, result(60 * HOUR_MS + 60_000, Verdict::Down)));
        write!(db, c => results::insert(c, &rows)).unwrap();
        let now = begin().plus_ms(60 * HOUR_MS + 120_000);
        let sums = async || {
            let mut sums = Vec::new();
            for grain in [Grain::Hour, Grain::Day] {
                let span = (begin(), now);
                let found = read!(db, c => rollups::until_now(c, grain, id, span));
                assert!(found.is_sorted_by(|a, b| a.slot < b.slot), "{grain:?}: each once");
                assert_eq!(found.last().unwrap().slot, grain.slot(now), "{grain:?}");
                sums.push(found.iter().fold((0, 0), |s, r| (s.0 + r.checks, s.1 + r.failed)));
            }
            sums
        };
        // Before anything is rolled up, of the last day alone.
        assert_eq!(sums().await, [(24 * 3 + 2, 1), (24 * 3 + 2, 1)]);
        roll(db, now).await;
        assert_eq!(sums().await, [(count + 1, 1), (count + 1, 1)]);
    })
    .await;
}

#[tokio::test]
async fn what_becomes_known_later_is_rolled_up_again() {
    on_each(async |db| {
        let monitor = add(db, &heartbeat("job")).await.monitor;
        let id = monitor.id;
        changed(db, id, &[(0, Some(Status::Up))]).await;
        let now = begin().plus_ms(2 * DAY_MS);
        roll(db, now).await;
        // An outage that is dated five hours back, and a window of yesterday.
        let down = begin().plus_ms(2 * DAY_MS - 5 * HOUR_MS);
        changed(db, id, &[(2 * DAY_MS - 5 * HOUR_MS, Some(Status::Down))]).await;
        write!(db, c => roller::became_known(c, id, (down, now), now)).unwrap();
        let window = MaintenanceWindow {
            id: 0,
            name: "works".to_owned(),
            monitor_ids: vec![id],
            tags: Vec::new(),
            starts_at: begin().plus_ms(3 * HOUR_MS),
            ends_at: begin().plus_ms(4 * HOUR_MS),
            repeats: None,
        };
        write!(db, c => windows::insert(c, &window)).unwrap();
        write!(db, c => roller::window_changed(c, &window, now)).unwrap();
        roll(db, now).await;
        let spans = hours(begin(), 48);
        let quiet = [(window.starts_at, window.ends_at)];
        let expected = by_changes(db, id, &quiet, &spans).await;
        assert_eq!(by_record(db, &monitor, begin(), &spans).await, expected);
        // What lies in hours that are not rolled up yet needs nothing of the kind.
        write!(db, c => roller::became_known(c, id, (now, now), now)).unwrap();
        assert!(read!(db, c => redos::list(c, 0, 9)).is_empty());
    })
    .await;
}

#[tokio::test]
async fn many_monitors_are_read_at_once_and_roll_ups_go_with_their_monitor() {
    on_each(async |db| {
        let mut all = Vec::new();
        for n in 0..3 {
            let monitor = add(db, &heartbeat(&format!("job {n}"))).await.monitor;
            changed(db, monitor.id, &[(0, Some(Status::Up)), (n * HOUR_MS, Some(Status::Down))])
                .await;
            all.push(monitor);
        }
        let now = begin().plus_ms(DAY_MS);
        roll(db, now).await;
        let all: Vec<&Monitor> = all.iter().map(|monitor| &**monitor).collect();
        let records = read!(db, c => rollups::records(c, &all, begin()));
        let up = |n: usize| records[&all[n].id].tally(begin(), now).up_ms;
        assert_eq!([up(0), up(1), up(2)], [0, HOUR_MS, 2 * HOUR_MS]);
        let gone = all[1].id;
        write!(db, c => monitors::delete(c, gone)).unwrap();
        retention::clear_deleted(db, &CancellationToken::new()).await.unwrap();
        let whole = (Timestamp(0), now);
        let ids = [all[0].id, gone, all[2].id];
        let left = read!(db, c => rollups::of(c, Grain::Hour, &ids, whole));
        assert!(!left.is_empty() && left.iter().all(|(id, _)| *id != gone));
        roll(db, now.plus_ms(DAY_MS)).await;
    })
    .await;
}

/// A machine that starts with a wrong year until it has asked for the time.
#[tokio::test]
async fn a_clock_that_is_set_back_does_not_stop_the_roll_ups() {
    on_each(async |db| {
        let monitor = add(db, &heartbeat("job")).await.monitor;
        let id = monitor.id;
        changed(db, id, &[(0, Some(Status::Up))]).await;
        let at = |hours: i64| begin().plus_ms(hours * HOUR_MS);
        roll(db, at(4)).await;
        roll(db, at(40 * 24)).await;
        roll(db, at(4)).await;
        let outage = [(30 * HOUR_MS, Some(Status::Down)), (31 * HOUR_MS, Some(Status::Up))];
        changed(db, id, &outage).await;
        for now in [20, 32, 60] {
            roll(db, at(now)).await;
            let spans = hours(begin(), now);
            let expected = by_changes(db, id, &[], &spans).await;
            assert_eq!(by_record(db, &monitor, begin(), &spans).await, expected, "hour {now}");
        }
        assert!(read!(db, c => rollups::rolled_up_until(c)).unwrap() < at(60));
    })
    .await;
}

#[tokio::test]
async fn more_that_becomes_known_while_hours_are_rolled_up_again_is_not_forgotten() {
    on_each(async |db| {
        let id = add(db, &heartbeat("job")).await.monitor.id;
        let at = |hours: i64| begin().plus_ms(hours * HOUR_MS);
        write!(db, c => redos::add(c, &[id], (at(1), at(9)))).unwrap();
        let (_, asked) = read!(db, c => redos::list(c, 0, 9))[0];
        // It lies within what is being done.
        write!(db, c => redos::add(c, &[id], (at(3), at(4)))).unwrap();
        write!(db, c => redos::done(c, id, asked)).unwrap();
        let left = read!(db, c => redos::list(c, 0, 9));
        assert_eq!(left.len(), 1, "it may have been read before");
        write!(db, c => redos::done(c, id, left[0].1)).unwrap();
        assert!(read!(db, c => redos::list(c, 0, 9)).is_empty());
    })
    .await;
}

#[tokio::test]
async fn a_day_of_which_hours_are_gone_is_not_made_anew_of_the_others() {
    on_each(async |db| {
        let id = add(db, &heartbeat("job")).await.monitor.id;
        changed(db, id, &[(0, Some(Status::Up))]).await;
        let now = begin().plus_ms(403 * DAY_MS);
        roll(db, begin().plus_ms(3 * DAY_MS)).await;
        roll(db, now).await;
        prune(db, now).await;
        let whole = (begin().plus_ms(DAY_MS), now);
        let days = async || read!(db, c => rollups::of(c, Grain::Day, &[id], whole));
        let before = days().await;
        write!(db, c => redos::add(c, &[id], (begin(), now))).unwrap();
        roll(db, now).await;
        assert!(days().await == before);
    })
    .await;
}

#[tokio::test]
async fn changes_of_status_go_when_no_hour_is_made_of_them_any_more() {
    on_each(async |db| {
        let id = add(db, &heartbeat("job")).await.monitor.id;
        let story = [(0, Status::Up), (1, Status::Down), (2, Status::Up), (4, Status::Down)];
        changed(db, id, &story.map(|(day, status)| (day * DAY_MS, Some(status)))).await;
        let at = |day: i64| begin().plus_ms(day * DAY_MS);
        prune(db, at(404)).await;
        let left = read!(db, c => history::status_changes(c, &[id], Timestamp(0)));
        let left: Vec<_> = left[&id].iter().map(|change| change.at).collect();
        assert_eq!(left, [at(2), at(4)], "how it was 401 days ago, and what came since");
    })
    .await;
}
