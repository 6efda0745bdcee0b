//! A probe that the test plays itself, at a time that it makes, and a server that two of them work for.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use reqwest::RequestBuilder;
use serde_json::{Value, json};
use uuid::Uuid;
use watchbell::clock::Timestamp;
use watchbell::monitor::Status;

use super::api::{Answer, Api};
use super::app::{TestApp, spawn_app};
use super::stub::Stub;

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
