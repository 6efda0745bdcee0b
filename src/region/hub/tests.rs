//! What the hub tells probes, and whom it takes results from.

use super::*;
use crate::monitor::{Kind, Settings};

fn monitor(id: MonitorId, regions: &[&str]) -> Arc<Monitor> {
    let fields = serde_json::json!({
        "url": format!("http://{id}.example/"),
        "regions": regions,
        "headers": {"Authorization": "Bearer secret"},
        "name": "private name",
    });
    let settings = Settings::read(fields.as_object().unwrap(), Kind::Http, None).unwrap();
    let at = Timestamp(0);
    Arc::new(Monitor { id, uuid: None, settings, paused: false, created_at: at, updated_at: at })
}

/// What a probe of `region` knows after it has asked until there is nothing new.
fn sync(hub: &Hub, region: &str, known: &mut (Option<Uuid>, u64), ids: &mut HashSet<MonitorId>) {
    while let Some(answer) = hub.assignments(region, known.0, known.1) {
        assert!(answer.watch.len() + answer.forget.len() <= TASKS_MAX);
        *known = (Some(answer.epoch), answer.revision);
        ids.extend(answer.watch.iter().map(|task| task.id));
        ids.retain(|id| !answer.forget.contains(id));
    }
}

#[test]
fn a_probe_learns_what_concerns_it_and_nothing_else() {
    let hub = Hub::new("local");
    for id in 1..=1200 {
        let region = if id % 3 == 0 { "us" } else { "eu" };
        hub.note(&Command::Watch(monitor(id, &["local", region])));
    }
    hub.note(&Command::Watch(monitor(5000, &[])));
    let (mut known, mut ids) = ((None, 0), HashSet::new());
    sync(&hub, "eu", &mut known, &mut ids);
    assert_eq!(ids, (1..=1200).filter(|id| id % 3 != 0).collect());
    assert_eq!(hub.assigned("eu", 3), None);
    let then = Timestamp(0);
    assert_eq!(hub.assigned("us", 3), Some(Assigned { since: then, asks_since: then }));
    hub.note(&Command::Watch(monitor(1, &["us"])));
    hub.note(&Command::Watch(monitor(3, &["eu"])));
    hub.note(&Command::Watch(monitor(2, &[])));
    hub.note(&Command::Forget(4));
    sync(&hub, "eu", &mut known, &mut ids);
    let expected = (1..=1200).filter(|id| (id % 3 != 0 || *id == 3) && ![1, 2, 4].contains(id));
    assert_eq!(ids, expected.collect());
    assert!(hub.assignments("eu", known.0, known.1).is_none(), "nothing new");
}

#[test]
fn a_monitor_asks_something_else_once_its_check_is_edited_and_not_when_it_is_renamed() {
    let hub = Hub::new("local");
    let edited = |second: i64, what: &dyn Fn(&mut Settings)| {
        let mut monitor = Monitor::clone(&monitor(1, &["eu"]));
        what(&mut monitor.settings);
        monitor.updated_at = Timestamp(second * 1000);
        hub.note(&Command::Watch(Arc::new(monitor)));
        hub.assigned("eu", 1).unwrap().asks_since.0 / 1000
    };
    assert_eq!(edited(1, &|_| {}), 1);
    assert_eq!(edited(2, &|settings| settings.name = "other".to_owned()), 1);
    let pace = |settings: &mut Settings, regions: &[&str], timeout_seconds| {
        let pace = settings.target.pace_mut().unwrap();
        pace.regions = regions.iter().map(|name| (*name).to_owned()).collect();
        (pace.check_interval_seconds, pace.timeout_seconds) = (7, timeout_seconds);
    };
    assert_eq!(edited(3, &|settings| pace(settings, &["us", "eu"], 10)), 1);
    assert_eq!(edited(4, &|settings| pace(settings, &["eu"], 9)), 4);
}

#[test]
fn a_task_has_the_headers_and_neither_name_nor_other_regions() {
    let hub = Hub::new("local");
    hub.note(&Command::Watch(monitor(1, &["us", "eu"])));
    let answer = hub.assignments("eu", None, 0).unwrap();
    let text = serde_json::to_string(&answer.watch).unwrap();
    assert!(
        text.contains("Bearer secret") && !text.contains("private") && !text.contains("\"us\"")
    );
    let back: Vec<Task> = serde_json::from_str(&text).unwrap();
    let monitor = back.into_iter().next().unwrap().into_monitor();
    let pace = monitor.settings.target.pace().unwrap();
    assert_eq!(pace.regions, ["", "eu"], "its place among the regions, which says when it looks");
    let crate::monitor::Target::Http(spec) = &monitor.settings.target else { panic!() };
    assert_eq!(spec.headers[0].value, "Bearer secret");
}

#[test]
fn of_two_processes_with_one_token_the_newer_one_counts() {
    let hub = Hub::new("local");
    let (first, second) = (Uuid::new_v4(), Uuid::new_v4());
    assert_eq!(hub.greet(1, first), Ok(()));
    assert_eq!(hub.greet(1, second), Ok(()));
    assert_eq!(hub.greet(1, second), Ok(()));
    assert_eq!(hub.greet(1, first), Err(Refusal::Replaced));
    assert_eq!(hub.greet(2, first), Ok(()), "another probe");
}
