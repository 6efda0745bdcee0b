//! Regions and probes as the server sees them: the test itself is the probe, at a time that it makes.
#![allow(clippy::disallowed_methods, reason = "a test has no supervisor")]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use uuid::Uuid;
use watchbell::clock::Timestamp;
use watchbell::monitor::Status;
use watchbell::store::history;

use crate::support::api::{Answer, Api};
use crate::support::app::{TestApp, spawn_app};
use crate::support::stub::Stub;
use crate::support::{CAP, eventually};

/// A probe by hand.
pub struct Probe {
    pub id: i64,
    pub region: String,
    pub token: String,
    pub instance: Uuid,
}

impl Probe {
    pub async fn make(app: &TestApp, region: &str) -> Self {
        let made = app.make("/probes", json!({"region": region})).await;
        assert_eq!(made["name"], region);
        let token = made["token"].as_str().unwrap().to_owned();
        let id = made["id"].as_i64().unwrap();
        let probe = Self { id, region: region.to_owned(), token, instance: Uuid::new_v4() };
        let answer = probe.poll(app, 0).await.json();
        assert_eq!((&answer["region"], &answer["reset"]), (&json!(region), &json!(true)));
        probe
    }

    pub fn request(&self, app: &TestApp, what: &str, body: &Value) -> RequestBuilder {
        app.request("POST", &format!("/api/probe/v1/{what}")).bearer_auth(&self.token).json(body)
    }

    pub fn poll_body(&self, app: &TestApp, wait_seconds: u32) -> Value {
        json!({"version": 1, "instance": self.instance, "program": "test", "epoch": null,
            "revision": 0, "clock": app.now().0, "latency_ms": 3, "wait_seconds": wait_seconds,
            "load": {"monitors": 0, "in_flight": 0, "waiting": 0, "spooled": 0, "dropped": 0,
                "lateness_p99_ms": 0}})
    }

    pub async fn poll(&self, app: &TestApp, wait_seconds: u32) -> Answer {
        Api::answer(self.request(app, "poll", &self.poll_body(app, wait_seconds))).await
    }

    pub fn found(&self, id: i64, at: Timestamp, verdict: &str) -> Value {
        let is_down = verdict == "down";
        json!({"monitor_id": id, "result": {
            "region": self.region, "started_at": at.to_rfc3339(), "verdict": verdict,
            "phases": {"dns": null, "connect": 1, "tls": null, "first_byte": 2, "total": 5},
            "status_code": if is_down { 503 } else { 200 },
            "error": is_down.then(|| json!({"kind": "status", "text": "status 503"})),
            "failed_checks": {}, "certificate": null}})
    }

    pub async fn send(&self, app: &TestApp, results: Vec<Value>) -> Answer {
        let body = json!({"version": 1, "instance": self.instance, "results": results});
        Api::answer(self.request(app, "results", &body)).await
    }

    /// Reports a check that begins now; gives how many were accepted and refused.
    pub async fn report(&self, app: &TestApp, id: i64, verdict: &str) -> (u64, u64) {
        let answer = self.send(app, vec![self.found(id, app.now(), verdict)]).await;
        assert_eq!(answer.status, 200, "{}", answer.text);
        let receipt = answer.json();
        (receipt["accepted"].as_u64().unwrap(), receipt["refused"].as_u64().unwrap())
    }
}

/// A server with two probes, a receiver, and a monitor that is checked by these two and the server.
pub struct World {
    pub app: TestApp,
    pub eu: Probe,
    pub us: Probe,
    pub target: Stub,
    pub receiver: Stub,
    pub id: i64,
}

impl World {
    pub async fn start(fields: Value) -> Self {
        let app = spawn_app().await;
        let (target, receiver) = (Stub::start().await, Stub::start().await);
        app.webhook(&receiver).await;
        let (eu, us) = (Probe::make(&app, "eu-west").await, Probe::make(&app, "us-east").await);
        let mut all = json!({"regions": ["local", "eu-west", "us-east"], "retries": 0});
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let is_checked_here = all["regions"].as_array().unwrap().contains(&json!("local"));
        let id = app.monitor(&target, all).await;
        if is_checked_here {
            app.results(id, 1).await;
        }
        Self { app, eu, us, target, receiver, id }
    }

    /// All three are well.
    pub async fn well(&self) {
        self.eu.report(&self.app, self.id, "up").await;
        self.us.report(&self.app, self.id, "up").await;
        self.status(Status::Up).await;
    }

    pub async fn status(&self, status: Status) {
        self.app.until(self.id, |watched| watched.state.status == status).await;
    }

    /// The same check again a second later from both probes.
    pub async fn both(&self, eu: &str, us: &str) {
        self.app.advance(1);
        assert_eq!(self.eu.report(&self.app, self.id, eu).await, (1, 0));
        assert_eq!(self.us.report(&self.app, self.id, us).await, (1, 0));
    }

    pub fn told(&self) -> Vec<Value> {
        self.receiver.requests().iter().map(|request| request.json()).collect()
    }

    pub async fn metric(&self, name: &str) -> u64 {
        let request = self.app.request("GET", "/metrics").bearer_auth(self.viewer().await);
        let text = request.send().await.unwrap().text().await.unwrap();
        let line = text.lines().find(|line| line.starts_with(name)).unwrap();
        line.rsplit(' ').next().unwrap().parse().unwrap()
    }

    pub async fn viewer(&self) -> String {
        let made = self.app.make("/tokens", json!({"name": Uuid::new_v4().to_string()})).await;
        made["token"].as_str().unwrap().to_owned()
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn two_of_three_regions_make_an_outage_and_one_does_not() {
    let world = World::start(json!({})).await;
    world.well().await;
    world.both("up", "down").await;
    world.status(Status::Degraded).await;
    let shown = world.app.get(&format!("/monitors/{}", world.id)).await;
    assert_eq!((&shown["below_quorum"], &shown["stale"]), (&json!(true), &json!(false)));
    let us = &shown["region_states"][2];
    assert_eq!((&us["region"], &us["status"]), (&json!("us-east"), &json!("down")));
    assert_eq!(us["reason"], "Status: 503");

    world.both("down", "down").await;
    world.status(Status::Down).await;
    let told = world.receiver.wait_for(1).await[0].json();
    assert_eq!(told["event"], "monitor.down");
    let text = told["text"].as_str().unwrap();
    assert!(
        text.starts_with("🔴 *") && text.contains("is DOWN\nStatus: 503\nDuration: "),
        "{text}"
    );
    assert!(text.ends_with("\nRegions: eu-west, us-east (2 of 3)"), "{text}");
    let incident = &world.app.get("/incidents").await[0];
    assert_eq!(incident["regions"], json!(["eu-west", "us-east"]));

    // Repeated and late reports change nothing; they are there once.
    let before = world.app.results(world.id, 0).await.len();
    let at = world.app.now();
    let again = vec![
        world.eu.found(world.id, at, "down"),
        world.eu.found(world.id, at, "up"),
        world.eu.found(world.id, at.plus_ms(-1000), "up"),
    ];
    assert_eq!(world.eu.send(&world.app, again).await.json()["accepted"], 3);
    assert_eq!(world.app.results(world.id, 0).await.len(), before);
    world.status(Status::Down).await;
    assert!(world.metric("watchbell_probe_results_total{outcome=\"repeated\"}").await >= 3);

    world.both("up", "up").await;
    world.status(Status::Up).await;
    world.receiver.wait_for(2).await;
    let events: Vec<_> = world.told().iter().map(|alert| alert["event"].clone()).collect();
    assert_eq!(events, ["monitor.down", "monitor.up"]);
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_regions_with_one_failing_are_not_down() {
    let world = World::start(json!({"regions": ["eu-west", "us-east"]})).await;
    world.both("up", "up").await;
    world.status(Status::Up).await;
    world.both("down", "up").await;
    world.status(Status::Degraded).await;
    world.both("down", "up").await;
    assert_eq!(world.app.watched(world.id).await.state.status, Status::Degraded);
    assert!(world.app.deliveries().await.is_empty(), "below quorum nobody is alerted");
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn lost_probes_are_told_once_each_and_the_state_stands() {
    let world = World::start(json!({"regions": ["eu-west", "us-east"]})).await;
    let more = world.app.monitor(&world.target, json!({"regions": ["eu-west", "us-east"]})).await;
    world.both("up", "up").await;
    world.status(Status::Up).await;
    let silence = async |seconds: i64| {
        for _ in 0..seconds / 5 {
            world.app.advance(5);
            tokio::task::yield_now().await;
            tokio::time::sleep(std::time::Duration::from_millis(3)).await;
        }
    };
    silence(60).await;
    assert!(world.told().is_empty());
    eventually(CAP, || async {
        world.app.advance(5);
        (world.receiver.count() >= 1).then_some(())
    })
    .await;
    let text = world.told()[0]["text"].as_str().unwrap().to_owned();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "🟠 *2 probes* are lost");
    assert!(lines[1].starts_with("Probe eu-west (region eu-west): No contact for "), "{text}");
    assert!(lines[2].starts_with("Probe us-east (region us-east): No contact for "), "{text}");
    assert!(lines[3].starts_with("2 monitors are checked from these places; silence"), "{text}");
    assert_eq!(world.told()[0]["incident"], Value::Null);
    // Fresh is what is younger than two intervals, the timeout and 30 s: 160 s.
    let stale = eventually(CAP, || async {
        world.app.advance(5);
        let watched = world.app.watched(world.id).await;
        watched.state.unknown_since.is_some().then_some(watched)
    })
    .await;
    assert_eq!(stale.state.status, Status::Up, "the state stands");
    let shown = world.app.get(&format!("/monitors/{}", world.id)).await;
    assert_eq!((&shown["stale"], &shown["current_status"]), (&json!(true), &json!("up")));
    assert_eq!(world.receiver.count(), 1, "told once, whatever the number of probes and monitors");
    let listed = world.app.get("/probes").await;
    assert_eq!(listed[0]["status"], "lost");

    world.eu.poll(&world.app, 0).await;
    eventually(CAP, || async {
        world.app.advance(5);
        (world.receiver.count() >= 2).then_some(())
    })
    .await;
    let back = &world.told()[1];
    assert_eq!(back["event"], "probe.back");
    let text = back["text"].as_str().unwrap();
    let (_, lasted) = text.split_once("is back\nLost for: ").unwrap();
    // Since it was last heard of, not since that was told after 90 s.
    let minutes: u32 = lasted.split_once('m').unwrap().0.parse().unwrap();
    assert!(minutes >= 2, "{back}");
    assert_eq!(world.app.watched(more).await.state.status, Status::Pending);
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_comes_late_counts_when_it_was_found() {
    let world = World::start(json!({"regions": ["eu-west", "us-east"]})).await;
    let (app, id) = (&world.app, world.id);
    world.both("up", "up").await;
    world.status(Status::Up).await;
    let from = app.now();
    // Nobody says a word for ten minutes, the first five of which are a maintenance.
    let window = json!({"name": "Deploy", "duration_minutes": 5, "monitor_ids": [id]});
    app.make("/maintenance-windows", window).await;
    eventually(CAP, || async {
        app.advance(5);
        app.watched(id).await.state.unknown_since
    })
    .await;
    while app.now().since(from) < 600_000 {
        app.advance(5);
    }
    for probe in [&world.eu, &world.us] {
        let at = |minute: i64| from.plus_ms(minute * 60_000);
        let late = (1..10)
            .map(|minute| probe.found(id, at(minute), if minute == 7 { "down" } else { "up" }));
        let mut all: Vec<Value> = late.collect();
        all.push(probe.found(id, app.now(), "up"));
        assert_eq!(probe.send(app, all).await.json()["accepted"], 10);
    }
    app.until(id, |watched| watched.state.unknown_since.is_none()).await;
    let results = app.get(&format!("/monitors/{id}/results?per_page=100")).await;
    let inside = results.as_array().unwrap().iter().filter(|r| r["in_maintenance"] == true);
    assert_eq!(inside.count(), 8, "four of each in it");
    let changes = {
        let mut reader = app.db.read().await.unwrap();
        history::status_changes(&mut reader.conn(), &[id], from).await.unwrap().remove(&id).unwrap()
    };
    let told: Vec<_> = changes.iter().map(|c| (c.at.since(from) / 60_000, c.status)).collect();
    assert!(told.contains(&(7, Some(Status::Down))), "{told:?}");
    assert!(changes.iter().all(|change| change.status.is_some()), "no gap: {told:?}");
    assert_eq!(told.last().unwrap().1, Some(Status::Up));
    let of_monitor = world.told().into_iter().filter(|alert| alert["event"] == "monitor.down");
    assert_eq!(of_monitor.count(), 0, "what is over alerts nobody");
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_forged_replayed_or_not_its_own_is_refused_and_counted() {
    let world = World::start(json!({})).await;
    let (app, eu) = (&world.app, &world.eu);
    let other = app.monitor(&world.target, json!({"regions": ["us-east"]})).await;
    assert_eq!(eu.report(app, other, "down").await, (0, 1), "a monitor that it was not given");
    assert_eq!(eu.report(app, 999, "down").await, (0, 1));
    let foreign = vec![world.us.found(world.id, app.now(), "down")];
    assert_eq!(eu.send(app, foreign).await.json()["refused"], 1, "another region's");
    let future = vec![eu.found(world.id, app.now().plus_ms(3_600_000), "down")];
    assert_eq!(eu.send(app, future).await.json()["refused"], 1, "a clock that is an hour ahead");
    assert!(!app.watched(world.id).await.state.regions.contains_key("eu-west"));

    let forged = Probe { token: "wbp_forged".to_owned(), region: "eu-west".to_owned(), ..*eu };
    forged.poll(app, 0).await.problem(401);
    let admin = app.make("/tokens", json!({"name": "x", "role": "admin"})).await;
    let token = admin["token"].as_str().unwrap().to_owned();
    let not_a_probe = Probe { token, region: "eu-west".to_owned(), ..*eu };
    not_a_probe.poll(app, 0).await.problem(401);
    // Another process with the same token takes over; what the first one sent is not taken again.
    let newer = Probe {
        instance: Uuid::new_v4(),
        token: eu.token.clone(),
        region: eu.region.clone(),
        ..*eu
    };
    assert_eq!(newer.poll(app, 0).await.status, 200);
    eu.poll(app, 0).await.problem(409);
    let old = vec![eu.found(world.id, app.now(), "down")];
    eu.send(app, old).await.problem(409);
    let mut body = newer.poll_body(app, 0);
    body["version"] = json!(7);
    let answer = Api::answer(newer.request(app, "poll", &body)).await.problem(426);
    assert!(answer["detail"].as_str().unwrap().contains("update the server"), "{answer}");

    for (reason, least) in
        [("token", 2), ("monitor", 2), ("region", 1), ("clock", 1), ("replaced", 2), ("message", 1)]
    {
        let name = format!("watchbell_probe_refused_total{{reason=\"{reason}\"}}");
        assert!(world.metric(&name).await >= least, "{reason}");
    }
    app.api("GET", "/probes", Value::Null).await.data(200);
    world.app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_is_rotated_ends_the_poll_that_waits() {
    let app = spawn_app().await;
    let probe = Probe::make(&app, "eu-west").await;
    let known = probe.poll(&app, 0).await.json();
    let mut body = probe.poll_body(&app, 25);
    (body["epoch"], body["revision"]) = (known["epoch"].clone(), known["revision"].clone());
    let held = tokio::spawn(Api::answer(probe.request(&app, "poll", &body)));
    let rotated = app.post(&format!("/probes/{}/rotate", probe.id)).await;
    assert_ne!(rotated["token"].as_str().unwrap(), probe.token);
    held.await.unwrap().problem(401);
    let token = rotated["token"].as_str().unwrap().to_owned();
    let probe = Probe { token, ..probe };
    assert_eq!(probe.poll(&app, 0).await.status, 200);
    let off = app.patch(&format!("/probes/{}", probe.id), json!({"enabled": false})).await;
    assert_eq!(off["status"], "disabled");
    probe.poll(&app, 0).await.problem(403);
    app.delete(&format!("/probes/{}", probe.id)).await;
    probe.poll(&app, 0).await.problem(401);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn probes_and_regions_by_the_api() {
    let app = spawn_app().await;
    let target = Stub::start().await;
    assert_eq!(app.api("POST", "/probes", json!({})).await.wrong_fields(), ["region"]);
    let own = json!({"region": "local", "x": 1});
    assert_eq!(app.api("POST", "/probes", own).await.wrong_fields(), ["region", "x"]);
    let eu = app.make("/probes", json!({"region": "eu-west", "name": "fra-1"})).await;
    assert!(eu["token"].as_str().unwrap().starts_with("wbp_"));
    let again = json!({"region": "eu-west"});
    assert_eq!(app.api("POST", "/probes", again).await.wrong_fields(), ["region"]);
    let path = format!("/probes/{}", eu["id"]);
    let read = app.get(&path).await;
    assert_eq!((&read["name"], &read["status"]), (&json!("fra-1"), &json!("new")));
    assert!(read.get("token").is_none(), "shown once");
    assert_eq!(app.patch(&path, json!({"name": "fra-2"})).await["name"], "fra-2");
    let moved = app.api("PATCH", &path, json!({"region": "x"})).await;
    assert_eq!(moved.wrong_fields(), ["region"]);
    let regions = app.get("/regions").await;
    let names: Vec<_> = regions.as_array().unwrap().iter().map(|r| &r["name"]).collect();
    assert_eq!(names, ["local", "eu-west"]);

    for (fields, wrong) in [
        (json!({"regions": ["eu-west", "mars"]}), vec!["regions"]),
        (json!({"regions": ["local", "eu-west"], "region_quorum": 3}), vec!["region_quorum"]),
        (json!({"region_quorum": 2}), vec!["region_quorum"]),
        (json!({"region_quorum": "most"}), vec!["region_quorum"]),
        (json!({"regions": "eu-west"}), vec!["regions"]),
        (json!({"regions": ["mars"], "retries": -1}), vec!["regions", "retries"]),
    ] {
        let mut body = json!({"url": target.url("/")});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        assert_eq!(app.api("POST", "/monitors", body).await.wrong_fields(), wrong, "{fields}");
    }
    let beat = json!({"name": "job", "period_seconds": 60, "regions": ["local"]});
    assert_eq!(app.api("POST", "/heartbeats", beat).await.wrong_fields(), ["regions"]);
    let plain = app.monitor(&target, json!({})).await;
    let shown = app.get(&format!("/monitors/{plain}")).await;
    assert_eq!(
        (&shown["regions"], &shown["region_quorum"]),
        (&json!(["local"]), &json!("majority"))
    );
    let fields = json!({"regions": ["eu-west", "local"], "region_quorum": 1});
    let shown = app.patch(&format!("/monitors/{plain}"), fields).await;
    assert_eq!(shown["regions"], json!(["eu-west", "local"]));
    assert_eq!(shown["region_quorum"], 1);
    app.api("DELETE", &path, Value::Null).await.problem(409);
    let shown = app.patch(&format!("/monitors/{plain}"), json!({"regions": null})).await;
    assert_eq!(shown["regions"], json!(["local"]));
    app.delete(&path).await;
    app.stop().await;
}
