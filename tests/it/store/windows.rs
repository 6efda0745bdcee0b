use watchbell::incident::maintenance::{MaintenanceWindow, Repeats};
use watchbell::monitor::expect::CronSchedule;
use watchbell::store::{monitors, windows};

use super::{NONE, NOW, execute, odd_names, on_each, read, write};

fn window(from: i64, to: i64) -> MaintenanceWindow {
    MaintenanceWindow {
        id: 0,
        name: "deploy".to_owned(),
        monitor_ids: vec![3, 1, i64::MAX],
        tags: odd_names(),
        starts_at: NOW.plus_ms(from),
        ends_at: NOW.plus_ms(to),
        repeats: None,
    }
}

/// One that repeats, and whose time now is over at 300.
fn weekly() -> MaintenanceWindow {
    let schedule = CronSchedule::parse("0 4 * * 0", chrono_tz::Europe::Berlin).unwrap();
    let repeats = Some(Repeats { schedule, duration_minutes: 90 });
    MaintenanceWindow { repeats, ..window(200, 300) }
}

#[tokio::test]
async fn windows_are_written_changed_and_removed() {
    on_each(async |db| {
        let mut made = window(0, 10);
        made.id = write!(db, c => windows::insert(c, &made)).unwrap();
        assert_eq!(read!(db, c => windows::get(c, made.id)), Some(made.clone()));
        for name in odd_names() {
            made = MaintenanceWindow { name, tags: vec![], ends_at: NOW.plus_ms(99), ..made };
            write!(db, c => windows::update(c, &made)).unwrap();
            assert_eq!(read!(db, c => windows::get(c, made.id)), Some(made.clone()));
        }
        assert!(write!(db, c => windows::delete(c, made.id)).unwrap());
        assert!(!write!(db, c => windows::delete(c, made.id)).unwrap());
        assert_eq!(read!(db, c => windows::get(c, made.id)), None);
    })
    .await;
}

#[tokio::test]
async fn what_is_open_or_to_come_is_found_with_its_next_edge() {
    on_each(async |db| {
        let mut ids = Vec::new();
        for (from, to) in [(0, 100), (50, 60), (200, 300)] {
            ids.push(write!(db, c => windows::insert(c, &window(from, to))).unwrap());
        }
        let after = async |at| {
            let rows = read!(db, c => windows::ending_after(c, NOW.plus_ms(at)));
            rows.iter().map(|row| row.id).collect::<Vec<_>>()
        };
        assert_eq!(after(-1).await, ids, "by their start");
        assert_eq!(after(60).await, [ids[0], ids[2]], "an end is not part of the window");
        assert_eq!(after(300).await, NONE);
        let edge = async |at| {
            let at = NOW.plus_ms(at);
            read!(db, c => monitors::outlook(c, at, at)).next_edge.map(|edge| edge.since(NOW))
        };
        assert_eq!(edge(-5).await, Some(0));
        assert_eq!(edge(0).await, Some(50));
        assert_eq!(edge(50).await, Some(60));
        assert_eq!(edge(100).await, Some(200));
        assert_eq!(edge(300).await, None);
        let outlook = read!(db, c => monitors::outlook(c, NOW, NOW.plus_ms(300)));
        assert!(!outlook.is_due, "none of them comes again");
        let list = read!(db, c => windows::list(c, 2, 0));
        assert_eq!(list.iter().map(|row| row.id).collect::<Vec<_>>(), [ids[2], ids[1]]);
        assert_eq!(read!(db, c => windows::list(c, 2, 2))[0].id, ids[0]);
        assert_eq!(read!(db, c => windows::count(c)), 3);
    })
    .await;
}

#[tokio::test]
async fn a_repeating_window_is_kept_with_its_past() {
    on_each(async |db| {
        let mut made = weekly();
        made.id = write!(db, c => windows::insert(c, &made)).unwrap();
        assert_eq!(read!(db, c => windows::get(c, made.id)), Some(made.clone()));
        write!(db, c => windows::insert(c, &window(0, 10))).unwrap();
        let to_move_on = async |at| {
            let (at, rows) =
                (NOW.plus_ms(at), read!(db, c => windows::to_move_on(c, NOW.plus_ms(at))));
            assert_eq!(read!(db, c => monitors::outlook(c, at, at)).is_due, !rows.is_empty());
            rows.into_iter().map(|row| row.id).collect::<Vec<_>>()
        };
        assert_eq!(to_move_on(299).await, NONE);
        assert_eq!(to_move_on(300).await, [made.id], "and not the one that is once");
        let spans = [(100, 120), (20, 30), (20, 40)];
        let spans = spans.map(|(from, to)| (NOW.plus_ms(from), NOW.plus_ms(to)));
        write!(db, c => windows::add_past(c, made.id, &spans)).unwrap();
        let found = read!(db, c => windows::ending_after(c, NOW.plus_ms(39)));
        let found: Vec<_> = found.iter().map(|w| (w.id, w.ends_at.since(NOW))).collect();
        assert_eq!(found, [(made.id, 40), (made.id, 120), (made.id, 300)]);
        write!(db, c => windows::delete(c, made.id)).unwrap();
        assert_eq!(read!(db, c => windows::ending_after(c, NOW.plus_ms(10))), []);
    })
    .await;
}

/// As when its zone is called otherwise since an update. Neither the checks nor what is due may fail of it.
#[tokio::test]
async fn a_window_whose_schedule_cannot_be_read_does_not_repeat() {
    on_each(async |db| {
        let mut made = weekly();
        made.id = write!(db, c => windows::insert(c, &made)).unwrap();
        assert_eq!(read!(db, c => windows::unreadable(c)), []);
        execute(db, "UPDATE maintenance_windows SET timezone = 'Mars/Base'").await;
        let found = read!(db, c => windows::unreadable(c));
        assert_eq!(found[0].0, made.name);
        assert!(found[0].1.contains("Mars/Base"), "{found:?}");
        let mut once = MaintenanceWindow { repeats: None, ..made.clone() };
        assert_eq!(read!(db, c => windows::ending_after(c, NOW)), [once.clone()]);
        assert_eq!(read!(db, c => windows::to_move_on(c, NOW.plus_ms(300))), []);
        // Neither a monitor that goes nor an end takes the schedule along.
        write!(db, c => windows::forget_monitor(c, 3, NOW)).unwrap();
        once.ends_at = NOW.plus_ms(250);
        write!(db, c => windows::move_on(c, &once, &[])).unwrap();
        execute(db, "UPDATE maintenance_windows SET timezone = 'Europe/Berlin'").await;
        once.monitor_ids.retain(|id| *id != 3);
        let mended = MaintenanceWindow { repeats: made.repeats, ..once };
        assert_eq!(read!(db, c => windows::get(c, mended.id)), Some(mended));
    })
    .await;
}
