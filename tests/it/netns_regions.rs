//! Three regions as real processes, each in a network namespace: one is cut off, two fail, all are gone.
//!
//! Needs root and `ip`. What waits for a lost probe takes two minutes, as that is after 90 s: a step of its own, `scripts/test regions`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::time::Duration;

use serde_json::{Value, json};

use crate::support::binary::within;
use crate::support::eventually;
use crate::support::namespace::{Namespace, ip};
use crate::support::probes::{Probe, World, probe};
use crate::support::stub::Stub;

const REGIONS: [&str; 3] = ["eu", "us", "ap"];
/// How long each stage may take; a probe is lost after 90 s.
const STAGE: Duration = Duration::from_secs(130);

/// The settings of a monitor that is checked from these regions.
fn from(regions: &[&str]) -> Value {
    json!({"timeout_seconds": 2, "regions": regions})
}

impl World {
    /// Asks until the answer is like that; the server answers no more than ten times a second.
    async fn until(&self, id: i64, like: impl Fn(&Value) -> bool) -> Value {
        let path = format!("/monitors/{id}");
        eventually(STAGE, || async {
            tokio::time::sleep(Duration::from_millis(100)).await;
            let answer = self.server.api(&self.admin, "GET", &path, Value::Null).await;
            let shown = (answer.status == 200).then(|| answer.data(200));
            shown.filter(&like)
        })
        .await
    }

    async fn until_status(&self, id: i64, status: &str) {
        self.until(id, |shown| shown["current_status"] == status).await;
    }

    /// The texts of all alerts of this kind, of one monitor if `id` is given.
    fn told(&self, event: &str, id: Option<i64>) -> Vec<String> {
        let told = self.receiver.requests().into_iter().map(|request| request.json());
        told.filter(|alert| alert["event"] == event)
            .filter(|alert| id.is_none_or(|id| alert["monitor"]["id"] == id))
            .map(|alert| alert["text"].as_str().unwrap().to_owned())
            .collect()
    }

    async fn until_told(&self, event: &str, id: Option<i64>) -> Vec<String> {
        let some = || async { Some(self.told(event, id)).filter(|told| !told.is_empty()) };
        eventually(STAGE, some).await
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "needs root and ip: scripts/test netns"]
async fn one_of_three_regions_alerts_nobody_and_two_make_one_alert() {
    let spaces: Vec<_> = (1..=3).filter_map(|n| Namespace::new(n, 1)).collect();
    let [eu, us, ap] = spaces.as_slice() else {
        println!("SKIPPED: network namespaces need root and `ip` (iproute2)");
        return;
    };
    let world = World::start("0.0.0.0:0", &REGIONS).await;
    let stub = Stub::start_at("0.0.0.0").await;
    let target = format!("{}.10", eu.net);
    let url = format!("http://{target}:{}/", stub.port());
    let port = world.server.base.rsplit(':').next().unwrap().to_owned();
    let probes: Vec<Probe> = std::iter::zip(&spaces, &world.tokens)
        .map(|(space, token)| {
            let server = format!("http://{}.1:{port}", space.net);
            let mut plain = probe(&world.database, &server, token, &space.name);
            plain.env("WATCHBELL_PROBE_PLAIN_HTTP", "true");
            Probe::start(&mut within(&space.name, &plain, world.database.folder()))
        })
        .collect();
    let three = world.monitor(&url, from(&REGIONS)).await;
    let two = world.monitor(&url, from(&["eu", "us"])).await;
    world.until_status(three, "up").await;
    world.until_status(two, "up").await;

    // From a region where the target's address is its own, nobody answers.
    let address = format!("{target}/32");
    let fails = |space: &Namespace, what: &str| {
        assert!(ip(&["-n", &space.name, "addr", what, &address, "dev", "lo"]));
    };
    fails(eu, "add");
    for id in [three, two] {
        let shown = world.until(id, |shown| shown["current_status"] == "degraded").await;
        assert_eq!(shown["below_quorum"], true, "{shown}");
    }
    assert_eq!(world.receiver.count(), 0, "below quorum nobody is alerted");
    fails(us, "add");
    // Each monitor has its own moment: the failure may end only when both have seen it.
    world.until_status(three, "down").await;
    world.until_status(two, "down").await;
    let told = world.until_told("monitor.down", Some(three)).await;
    assert!(told[0].ends_with("\nRegions: eu, us (2 of 3)"), "{told:?}");
    fails(eu, "del");
    fails(us, "del");
    world.until_status(three, "up").await;
    world.until_status(two, "up").await;
    let back = world.until_told("monitor.up", Some(three)).await;
    println!("told: {told:?} {back:?}");
    world.until_told("monitor.up", Some(two)).await;
    assert_eq!(world.told("monitor.down", Some(three)).len(), 1, "one alert");

    let before = world.receiver.count();
    ap.cut();
    let shown = world.until(three, |shown| shown["region_states"][2]["stale"] == true).await;
    assert_eq!((&shown["current_status"], &shown["stale"]), (&json!("up"), &json!(false)));
    assert_eq!(world.receiver.count(), before, "one that is cut off alerts nobody: {shown}");
    ap.heal();
    world.until(three, |shown| shown["region_states"][2]["stale"] == false).await;
    assert_eq!(world.told("monitor.down", None).len(), 2, "one of each monitor");
    drop(probes);
    world.server.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "takes two minutes: scripts/test regions"]
async fn without_any_probe_the_state_stands_and_one_alert_names_all() {
    let world = World::start("127.0.0.1:0", &REGIONS).await;
    let target = Stub::start().await;
    let mut commands = world.commands();
    let probes: Vec<Probe> = commands.iter_mut().map(Probe::start).collect();
    let id = world.monitor(&target.url("/"), from(&REGIONS)).await;
    world.until_status(id, "up").await;
    let all_are_there = |shown: &Value| {
        shown["region_states"].as_array().unwrap().iter().all(|region| region["stale"] == false)
    };
    world.until(id, all_are_there).await;

    drop(probes);
    let shown = world.until(id, |shown| shown["stale"] == true).await;
    assert_eq!(shown["current_status"], "up", "the state stands");
    let lost = world.until_told("probe.lost", None).await;
    println!("told: {lost:?}");
    assert!(lost[0].starts_with("🟠 *3 probes* are lost\n"), "{lost:?}");
    assert!(REGIONS.iter().all(|name| lost[0].contains(name)), "{lost:?}");
    world.until_status(id, "up").await;
    let probe = Probe::start(&mut commands[0]);
    let back = world.until_told("probe.back", None).await;
    assert!(back[0].contains("Lost for: 1m") || back[0].contains("Lost for: 2m"), "{back:?}");
    assert_eq!(world.receiver.count(), 2, "one alert, and one probe is back");
    drop(probe);
    world.server.kill();
}
