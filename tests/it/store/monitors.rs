use serde_json::json;
use uuid::Uuid;
use watchbell::monitor::heartbeat::Beat;
use watchbell::monitor::state::State;
use watchbell::monitor::{Header, Monitor, Status, Target};
use watchbell::seal::Sealer;
use watchbell::store::{Error, monitors};

use super::{NONE, NOW, add, heartbeat, http, named, odd_names, on_each, read, sealer, write};

#[tokio::test]
async fn a_monitor_reads_back_as_it_was_written() {
    on_each(async |db| {
        let headers = json!({"Authorization": "Bearer hidden", "X-Plain": "a: b, \"c\""});
        let wanted =
            http(json!({"headers": headers, "tags": ["b", "a"], "keyword": "é\"", "retries": 3}));
        let made = add(db, &wanted).await;
        assert_eq!((made.monitor.created_at, made.monitor.paused), (NOW, false));
        assert_eq!(made.state, State::unknown(NOW));
        let id = made.monitor.id;
        let found = read!(db, c => monitors::get(c, &sealer(), id)).unwrap();
        assert_eq!(found, made);
        let Target::Http(spec) = &found.monitor.settings.target else { panic!("not HTTP") };
        assert_eq!(spec.headers.len(), 2);
        // Only a check needs the headers; nobody else is given them.
        let plain = read!(db, c => monitors::by_ids(c, &[id, id + 1])).remove(0);
        let Target::Http(spec) = &plain.monitor.settings.target else { panic!("not HTTP") };
        assert!(spec.headers.is_empty());
        assert!(read!(db, c => monitors::get(c, &sealer(), id + 1)).is_none());
        // Another key opens nothing, and says so.
        let mut reader = db.read().await.unwrap();
        let other = monitors::get(&mut reader.conn(), &Sealer::from_text("another"), id).await;
        assert!(matches!(other, Err(Error::Seal(_))), "{other:?}");
    })
    .await;
}

#[tokio::test]
async fn odd_names_survive_and_are_found() {
    on_each(async |db| {
        for name in odd_names() {
            let id = named(db, &name).await;
            let found = read!(db, c => monitors::by_ids(c, &[id])).remove(0);
            assert_eq!(found.monitor.settings.name, name);
            let filter = monitors::Filter { text: Some(name.clone()), ..Default::default() };
            let ids: Vec<i64> = read!(db, c => monitors::list(c, &filter, 9, 0))
                .iter()
                .map(|w| w.monitor.id)
                .collect();
            assert_eq!(ids, [id], "{name:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn an_update_replaces_settings_tags_and_headers() {
    on_each(async |db| {
        let made = add(db, &http(json!({"tags": ["a", "b"], "headers": {"X": "1"}}))).await;
        let mut monitor = Monitor::clone(&made.monitor);
        monitor.settings = http(json!({"name": "new", "tags": ["c"]}));
        monitor.updated_at = NOW.plus_ms(5);
        write!(db, c => monitors::update(c, &sealer(), &monitor)).unwrap();
        let found = read!(db, c => monitors::get(c, &sealer(), monitor.id)).unwrap();
        assert_eq!(*found.monitor, monitor);
        assert_eq!(read!(db, c => monitors::tags(c)), ["c"]);
        write!(db, c => monitors::set_paused(c, monitor.id, true)).unwrap();
        let found = read!(db, c => monitors::get(c, &sealer(), monitor.id)).unwrap();
        assert!(found.monitor.paused);
        assert_eq!(read!(db, c => monitors::active_ids(c)), NONE);
        assert_eq!(read!(db, c => monitors::all_ids(c)), [monitor.id]);
    })
    .await;
}

#[tokio::test]
async fn heartbeats_are_found_by_uuid_and_the_checker_gets_the_rest() {
    on_each(async |db| {
        let job = add(db, &heartbeat("job")).await.monitor;
        let site = add(db, &http(json!({"headers": {"X": "1"}}))).await.monitor;
        let paused = named(db, "paused").await;
        write!(db, c => monitors::set_paused(c, paused, true)).unwrap();
        let uuids = [job.uuid.unwrap(), Uuid::new_v4()];
        let found = read!(db, c => monitors::by_uuids(c, &uuids));
        assert_eq!(
            found.iter().map(|w| w.monitor.clone()).collect::<Vec<_>>(),
            std::slice::from_ref(&job)
        );
        assert!(read!(db, c => monitors::by_uuids(c, &[])).is_empty());
        assert!(read!(db, c => monitors::by_ids(c, &[])).is_empty());
        let checked = read!(db, c => monitors::checked(c, &sealer()));
        let sent = Header { name: "X".into(), value: "1".into() };
        assert_eq!(checked, [(site.id, vec![sent])]);
        let mut existing = read!(db, c => monitors::existing(c, &[site.id, job.id, 99]));
        existing.sort_unstable();
        assert_eq!(existing, [job.id, site.id]);
        assert!(read!(db, c => monitors::existing(c, &[])).is_empty());
        // A UUID is a secret: no two heartbeats share one.
        let twice =
            write!(db, c => monitors::insert(c, &sealer(), &heartbeat("two"), job.uuid, NOW));
        assert!(matches!(twice, Err(Error::Unique)), "{twice:?}");
    })
    .await;
}

fn beating(status: Status, due: i64, deadline: i64) -> State {
    let mut state = State::unknown(NOW);
    state.status = status;
    let at = |ms| Some(NOW.plus_ms(ms));
    state.beat = Beat { due_at: at(due), deadline_at: at(deadline), ..Beat::default() };
    state
}

#[tokio::test]
async fn deadlines_and_due_times_are_found_in_order() {
    on_each(async |db| {
        let mut ids = Vec::new();
        for name in ["late", "early", "down", "pending", "none"] {
            ids.push(add(db, &heartbeat(name)).await.monitor.id);
        }
        let states = [
            beating(Status::Up, 100, 300),
            beating(Status::Up, 50, 200),
            beating(Status::Down, 10, 20),
            beating(Status::Pending, 400, 500),
            State::unknown(NOW),
        ];
        let rows: Vec<_> = ids.iter().copied().zip(&states).collect();
        write!(db, c => monitors::save_states(c, &rows)).unwrap();
        for (id, state) in &rows {
            assert_eq!(read!(db, c => monitors::by_ids(c, &[*id])).remove(0).state, **state);
        }
        let past = async |at: i64, limit| read!(db, c => monitors::past_deadline(c, NOW.plus_ms(at), limit));
        assert_eq!(past(199, 9).await, NONE);
        assert_eq!(past(200, 9).await, [ids[1]]);
        assert_eq!(past(999, 9).await, [ids[1], ids[0], ids[3]], "what is down has no deadline");
        assert_eq!(past(999, 2).await.len(), 2);
        let due = async |from: i64, to: i64| {
            let mut due = read!(db, c => monitors::due_between(c, NOW.plus_ms(from), NOW.plus_ms(to)));
            due.sort_unstable();
            due
        };
        assert_eq!(due(0, 49).await, NONE);
        assert_eq!(due(49, 50).await, [ids[1]]);
        assert_eq!(due(50, 100).await, [ids[0]], "after `from`, up to `to`");
        assert_eq!(due(0, 999).await, [ids[0], ids[1]]);
        let outlook = async |at: i64| read!(db, c => monitors::outlook(c, NOW.plus_ms(at - 5), NOW.plus_ms(at)));
        let edge = async |at| outlook(at).await.next_edge;
        assert_eq!(edge(0).await, Some(NOW.plus_ms(50)));
        assert_eq!(edge(50).await, Some(NOW.plus_ms(100)));
        assert_eq!(edge(100).await, Some(NOW.plus_ms(200)));
        assert_eq!(edge(250).await, Some(NOW.plus_ms(200)), "a deadline that is past is still to be looked at");
        for (at, is_due) in [(49, false), (50, true), (54, true), (55, false), (100, true), (199, false), (200, true), (999, true)] {
            assert_eq!(outlook(at).await.is_due, is_due, "something came due in the 5 ms up to {at}, or is past its deadline");
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_to_watch_has_no_edge() {
    on_each(async |db| {
        let nothing = monitors::Outlook { is_due: false, next_edge: None };
        assert_eq!(read!(db, c => monitors::outlook(c, NOW, NOW)), nothing);
        assert_eq!(read!(db, c => monitors::count_by_status(c)), []);
        write!(db, c => monitors::save_states(c, &[])).unwrap();
    })
    .await;
}
