//! Heartbeats: pings over HTTP, windows, and what people hear of jobs that fail or fall silent.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use reqwest::Response;
use serde_json::{Value, json};
use watchbell::monitor::Status;
use watchbell::store::{history, results};

use crate::support::api::START;
use crate::support::app::{TestApp, spawn_app};
use crate::support::stub::Stub;
use crate::support::{CAP, eventually};

/// A heartbeat of a test's app.
struct Job<'a> {
    app: &'a TestApp,
    id: i64,
    uuid: String,
}

impl<'a> Job<'a> {
    /// One that is expected every minute, with a grace of a minute.
    async fn new(app: &'a TestApp) -> Self {
        let fields = json!({"name": "backup", "period_seconds": 60, "grace_seconds": 60});
        let made = app.make("/heartbeats", fields).await;
        let uuid = made["uuid"].as_str().unwrap().to_owned();
        assert!(
            made["ping_url"].as_str().unwrap().ends_with(&format!("/api/heartbeats/{uuid}/ping"))
        );
        Self { app, id: made["id"].as_i64().unwrap(), uuid }
    }

    async fn signal(&self, method: &str, suffix: &str) -> Response {
        let path = format!("/api/heartbeats/{}/ping{suffix}", self.uuid);
        self.app.request(method, &path).send().await.unwrap()
    }

    async fn ping(&self) {
        let answer = self.signal("GET", "").await;
        assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, "OK"));
    }

    async fn shown(&self) -> Value {
        self.app.get(&format!("/heartbeats/{}", self.id)).await
    }

    async fn pings(&self) -> Value {
        self.app.get(&format!("/heartbeats/{}/pings", self.id)).await
    }
}

#[tokio::test]
async fn a_job_that_falls_silent_is_late_then_down_then_back() {
    let (app, receiver) = (spawn_app().await, Stub::start().await);
    app.webhook(&receiver).await;
    let job = Job::new(&app).await;
    app.advance(86_400);
    let pending = job.shown().await;
    assert_eq!(pending["current_status"], "pending");
    assert_eq!((&pending["next_due_at"], &pending["deadline_at"]), (&Value::Null, &Value::Null));
    job.ping().await;
    let up = job.shown().await;
    assert_eq!((&up["current_status"], &up["late"]), (&json!("up"), &json!(false)));
    assert_eq!(up["last_ping_at"], json!(app.now()));
    assert_eq!(up["next_due_at"], json!(app.now().plus_ms(60_000)));
    assert_eq!(up["deadline_at"], json!(app.now().plus_ms(120_000)));
    app.advance(60);
    let late = job.shown().await;
    assert_eq!((&late["current_status"], &late["late"]), (&json!("up"), &json!(true)));
    job.ping().await;
    assert_eq!(job.shown().await["late"], false);
    app.advance(119);
    assert_eq!(app.watched(job.id).await.state.status, Status::Up);
    app.advance(1);
    let text = receiver.wait_for_texts(1).await.remove(0);
    let reason = "No ping for 2m (expected every 1m, grace 1m)";
    assert_eq!(text, format!("🔴 *backup* is DOWN\n{reason}\nDuration: 0s"));
    let told = receiver.requests().remove(0).json();
    assert_eq!(told["check"], Value::Null);
    assert_eq!(told["monitor"]["url"], Value::Null);
    assert_eq!(told["incident"]["started_at"], json!(app.now()), "dated at the deadline");
    app.advance(60);
    job.ping().await;
    assert_eq!(
        receiver.wait_for_texts(2).await[1],
        "🟢 *backup* is back online\nDowntime: 1m",
        "no Status line"
    );
    app.stop().await;
    assert_eq!(receiver.count(), 2);
}

#[tokio::test]
async fn a_job_that_says_it_failed_is_down_at_once_and_told_once() {
    let (app, receiver) = (spawn_app().await, Stub::start().await);
    app.webhook(&receiver).await;
    let job = Job::new(&app).await;
    assert_eq!(job.signal("POST", "/2").await.status(), 200);
    let text = receiver.wait_for_texts(1).await.remove(0);
    assert_eq!(text, "🔴 *backup* is DOWN\nReported failure: exit status 2\nDuration: 0s");
    app.advance(10);
    assert_eq!(job.signal("GET", "/fail").await.status(), 200);
    let incident = app.get("/incidents?state=open").await[0].clone();
    assert_eq!(incident["summary"], "Reported failure", "the reason is the last one");
    assert_eq!(job.signal("GET", "/0").await.status(), 200);
    assert_eq!(receiver.wait_for_texts(2).await[1], "🟢 *backup* is back online\nDowntime: 10s");
    let pings = job.pings().await;
    let seen: Vec<_> = pings.as_array().unwrap().iter().map(|p| (&p["n"], &p["kind"])).collect();
    let (success, fail) = (json!("success"), json!("fail"));
    assert_eq!(seen, [(&json!(3), &success), (&json!(2), &fail), (&json!(1), &fail)]);
    app.stop().await;
    assert_eq!(receiver.count(), 2);
}

#[tokio::test]
async fn a_paused_heartbeat_records_and_answers_but_does_nothing_else() {
    let (app, receiver) = (spawn_app().await, Stub::start().await);
    app.webhook(&receiver).await;
    let job = Job::new(&app).await;
    job.ping().await;
    app.post(&format!("/heartbeats/{}/pause", job.id)).await;
    job.ping().await;
    assert_eq!(job.signal("GET", "/fail").await.status(), 200);
    app.advance(3600);
    let shown = job.shown().await;
    assert_eq!(shown["current_status"], "paused");
    assert_eq!(shown["deadline_at"], Value::Null);
    assert_eq!(job.pings().await.as_array().unwrap().len(), 3);
    let resumed = app.post(&format!("/heartbeats/{}/resume", job.id)).await;
    assert_eq!(resumed["current_status"], "pending");
    assert_eq!(resumed["deadline_at"], Value::Null);
    assert!(app.deliveries().await.is_empty());
    // It was pinged before, so it alerts one window after the return.
    app.advance(120);
    assert!(receiver.wait_for_texts(1).await[0].contains("*backup* is DOWN\nNo ping for"));
    app.stop().await;
}

#[tokio::test]
async fn a_signal_is_never_lost_to_its_form() {
    let app = spawn_app().await;
    let job = Job::new(&app).await;
    let (uuid, bare) = (job.uuid.clone(), job.uuid.replace('-', ""));
    let paths = [
        format!("/api/heartbeats/{uuid}/ping"),
        format!("/api/heartbeats/{}/ping/", uuid.to_uppercase()),
        format!("/api/heartbeats/{bare}"),
        format!("/ping/{uuid}"),
        format!("/ping/{bare}/0"),
    ];
    for path in &paths {
        for method in ["GET", "HEAD", "POST"] {
            let answer = app.request(method, path).send().await.unwrap();
            assert_eq!(answer.status(), 200, "{method} {path}");
            let header = |name: &str| answer.headers()[name].to_str().unwrap().to_owned();
            assert_eq!(header("access-control-allow-origin"), "*");
            assert_eq!(header("cache-control"), "no-store");
            assert_eq!(header("ping-body-limit"), "10000");
            assert!(header("content-type").starts_with("text/plain"));
            let body = answer.text().await.unwrap();
            assert_eq!(body, if method == "HEAD" { "" } else { "OK" });
        }
    }
    let recorded = paths.len() as i64 * 3;
    assert_eq!(app.watched(job.id).await.state.beat.pings, recorded);
    // What is no signal records nothing.
    let options = job.signal("OPTIONS", "").await;
    assert_eq!(options.status(), 204);
    assert_eq!(options.headers()["access-control-allow-origin"], "*");
    for method in ["PUT", "DELETE", "PATCH", "PURGE"] {
        let refused = job.signal(method, "").await;
        assert_eq!(refused.status(), 405, "{method}");
        assert_eq!(refused.headers()["allow"], "GET, HEAD, POST, OPTIONS");
    }
    let unknown = "01234567-89ab-4def-8123-456789abcdef";
    for path in [format!("/ping/{unknown}"), "/ping/x".to_owned(), format!("/ping/{uuid}/nonsense")]
    {
        let missing = app.request("GET", &path).send().await.unwrap();
        assert_eq!(missing.status(), 404, "{path}");
        assert_eq!(missing.text().await.unwrap(), "not found");
    }
    assert_eq!(app.watched(job.id).await.state.beat.pings, recorded);
    app.stop().await;
}

#[tokio::test]
async fn a_big_body_is_kept_in_part_and_the_ping_counts() {
    let app = spawn_app().await;
    let job = Job::new(&app).await;
    let path = format!("/ping/{}", job.uuid);
    let mut body = vec![b'x'; 3_000_000];
    body[..4].copy_from_slice(b"\0\xff<b");
    let answer = app.request("POST", &path).body(body).send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.text().await.unwrap().as_str()), (200, "OK"));
    assert_eq!(job.pings().await[0]["body_bytes"], 3_000_000);
    let kept = app.api("GET", &format!("/monitors/{}/pings/1/body", job.id), Value::Null).await;
    assert_eq!(kept.header("content-type"), "application/octet-stream");
    assert_eq!(kept.header("x-content-type-options"), "nosniff");
    let mut reader = app.db.read().await.unwrap();
    let kept = history::ping_body(&mut reader.conn(), job.id, 1).await.unwrap().unwrap();
    assert_eq!((kept.len(), &kept[..4]), (10_000, &b"\0\xff<b"[..]));
    drop(reader);
    app.stop().await;
}

/// Also that what is answered is readable: each client looks for its own ping at once.
#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_pings_of_many_clients_are_numbered_without_a_gap() {
    const CLIENTS: usize = 32;
    let app = spawn_app().await;
    let job = Job::new(&app).await;
    let client = async |client: usize| {
        for ping in (client..1000).step_by(CLIENTS) {
            let request = app.request("POST", &format!("/ping/{}", job.uuid));
            let answer = request.body(ping.to_string()).send().await.unwrap();
            assert_eq!(answer.status(), 200);
        }
        let mut reader = app.db.read().await.unwrap();
        history::count_pings(&mut reader.conn(), job.id).await.unwrap()
    };
    let counts = futures_util::future::join_all((0..CLIENTS).map(client)).await;
    assert_eq!(counts.into_iter().max(), Some(1000), "the last to be answered sees all");
    let mut reader = app.db.read().await.unwrap();
    let pings = history::pings(&mut reader.conn(), job.id, 2000, 0).await.unwrap();
    let numbers: Vec<i64> = pings.iter().rev().map(|ping| ping.n).collect();
    assert_eq!(numbers, (1..=1000).collect::<Vec<_>>());
    drop(reader);
    app.stop().await;
}

#[tokio::test]
async fn our_own_absence_raises_no_alarm_and_a_dead_job_alerts_one_window_later() {
    let (app, receiver) = (spawn_app().await, Stub::start().await);
    app.webhook(&receiver).await;
    let (dead, alive) = (Job::new(&app).await, Job::new(&app).await);
    let ids = (dead.id, alive.id, alive.uuid.clone());
    dead.ping().await;
    alive.ping().await;
    app.advance(30);
    let (database, clock) = app.halt().await;
    clock.advance_ms(3_600_000);
    let app = TestApp::start(database, clock, &[]).await;
    let back = app.now();
    for id in [ids.0, ids.1] {
        let shown = app.until(id, |w| w.state.beat.deadline_at > Some(back)).await;
        assert_eq!(shown.state.beat.deadline_at, Some(back.plus_ms(120_000)));
        assert_eq!(shown.state.status, Status::Up);
    }
    app.advance(100);
    let alive = Job { app: &app, id: ids.1, uuid: ids.2 };
    alive.ping().await;
    assert!(app.deliveries().await.is_empty(), "no alarm by ourselves");
    app.advance(20);
    let told = receiver.wait_for(1).await.remove(0).json();
    assert_eq!(told["monitor"]["id"], ids.0);
    assert_eq!(told["incident"]["started_at"], json!(back.plus_ms(120_000)));
    assert_eq!(app.watched(ids.1).await.state.status, Status::Up);
    app.stop().await;
    assert_eq!(receiver.count(), 1);
}

/// A heartbeat that was resumed is pending but expected: our absence must not take that for silence either.
#[tokio::test]
async fn our_own_absence_spares_a_job_that_was_just_resumed() {
    let (app, receiver) = (spawn_app().await, Stub::start().await);
    app.webhook(&receiver).await;
    let job = Job::new(&app).await;
    let id = job.id;
    job.ping().await;
    app.post(&format!("/heartbeats/{id}/pause")).await;
    app.post(&format!("/heartbeats/{id}/resume")).await;
    let (database, clock) = app.halt().await;
    clock.advance_ms(3_600_000);
    let app = TestApp::start(database, clock, &[]).await;
    let back = app.now();
    let state =
        app.until(id, |w| w.state.beat.deadline_at != Some(back.plus_ms(-3_480_000))).await.state;
    assert_eq!(
        (state.status, state.beat.deadline_at),
        (Status::Pending, Some(back.plus_ms(120_000)))
    );
    app.advance(120);
    eventually(CAP, || async { (receiver.count() == 1).then_some(()) }).await;
    app.stop().await;
}

/// A target that went down while nobody looked is found down after the restart, and one that was down stays one outage.
#[tokio::test]
async fn an_outage_outlives_a_restart() {
    let (app, target, receiver) = (spawn_app().await, Stub::start().await, Stub::start().await);
    app.webhook(&receiver).await;
    target.answer(500, "");
    let id = app.monitor(&target, json!({"retries": 0})).await;
    receiver.wait_for(1).await;
    let started_at = app.now();
    app.results(id, 1).await;
    let (database, clock) = app.halt().await;
    clock.advance_ms(600_000);
    let app = TestApp::start(database, clock, &[]).await;
    // The check that was missed is made at once. Only when it has ended may the target change.
    app.results(id, 2).await;
    target.answer(200, "");
    app.checks(id, 1).await;
    let texts = receiver.wait_for_texts(2).await;
    assert!(texts[1].ends_with("is back online\nStatus: 200\nDowntime: 11m"), "{texts:?}");
    let incidents = app.get("/incidents").await;
    assert_eq!(incidents.as_array().unwrap().len(), 1);
    assert_eq!(incidents[0]["started_at"], json!(started_at));
    app.stop().await;
    assert_eq!(receiver.count(), 2);
}

#[tokio::test]
async fn a_rotated_url_takes_the_pings_and_the_old_one_is_unknown() {
    let app = spawn_app().await;
    let job = Job::new(&app).await;
    job.ping().await;
    let path = format!("/heartbeats/{}/rotate", job.id);
    let rotated = app.post(&path).await;
    let uuid = rotated["uuid"].as_str().unwrap().to_owned();
    assert_ne!(uuid, job.uuid);
    assert!(rotated["ping_url"].as_str().unwrap().contains(&uuid));
    for path in ["/api/heartbeats", "/ping", "/api/push"] {
        let old = app.request("GET", &format!("{path}/{}", job.uuid)).send().await.unwrap();
        assert_eq!(old.status(), 404, "{path}");
    }
    let job = Job { uuid, ..job };
    job.ping().await;
    assert_eq!(job.pings().await.as_array().map(Vec::len), Some(2), "the log goes on");
    let target = Stub::start().await;
    let monitor = app.monitor(&target, json!({})).await;
    let path = format!("/heartbeats/{monitor}/rotate");
    assert_eq!(app.api("POST", &path, Value::Null).await.status, 404, "no heartbeat");
    app.stop().await;
}

/// A machine that was suspended, or whose time was set, was as absent as one that was off.
#[tokio::test]
async fn a_jump_of_the_clock_raises_no_alarm() {
    let (app, receiver) = (spawn_app().await, Stub::start().await);
    app.webhook(&receiver).await;
    let job = Job::new(&app).await;
    job.ping().await;
    app.advance(30);
    app.jump_ms(3_600_000);
    let back = app.now();
    let due = back.plus_ms(120_000);
    let state = app.until(job.id, |w| w.state.beat.deadline_at == Some(due)).await.state;
    assert_eq!(state.status, Status::Up);
    assert!(app.deliveries().await.is_empty(), "no alarm by ourselves");
    // From here on time only passes.
    app.clock.limit_lateness_ms(i64::MAX);
    app.advance(120);
    let told = receiver.wait_for(1).await.remove(0).json();
    assert_eq!(told["incident"]["started_at"], json!(due));
    app.stop().await;
}

/// Checks that were planned by a clock that is set back must not wait until the old time has come again.
#[tokio::test]
async fn a_clock_that_is_set_back_does_not_stop_the_checks() {
    let (app, target) = (spawn_app().await, Stub::start().await);
    let id = app.monitor(&target, json!({"check_interval_seconds": 60})).await;
    app.results(id, 1).await;
    app.jump_ms(-3_600_000);
    // Something wakes the watcher, as its own sleep of ten seconds does on a real machine.
    app.make("/heartbeats", json!({"name": "job", "period_seconds": 60})).await;
    let window = json!({"name": "x", "monitor_ids": [id], "duration_minutes": 1});
    app.make("/maintenance-windows", window).await;
    eventually(CAP, || async {
        app.advance(60);
        let mut reader = app.db.read().await.unwrap();
        (results::count(&mut reader.conn(), id).await.unwrap() >= 3).then_some(())
    })
    .await;
    assert!(app.now() < START, "the old time has not come again");
    app.until(id, |w| w.state.last_check.is_some_and(|last| last.at < START)).await;
    app.stop().await;
}
