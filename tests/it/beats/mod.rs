//! Heartbeats on the real app, row by row of the contract's section 3.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod absence;
mod bodies;
mod crowd;
mod forms;
mod killed;
mod oracle;
mod raw;
mod runs;
mod stopped;
mod table;
mod windows;

use serde_json::{Value, json};
use watchbell::store::history::{self, Ping};

use crate::support::app::TestApp;

/// A heartbeat of a test's app.
pub struct Job<'a> {
    app: &'a TestApp,
    id: i64,
    uuid: String,
}

impl<'a> Job<'a> {
    /// One with these fields; every minute with a grace of a minute unless they say more.
    async fn new(app: &'a TestApp, fields: Value) -> Self {
        let mut all = json!({"name": "job"});
        if fields.get("cron").is_none() && fields.get("period_seconds").is_none() {
            all["period_seconds"] = json!(60);
            all["grace_seconds"] = json!(60);
        }
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let made = app.make("/heartbeats", all).await;
        Self::known(app, made["id"].as_i64().unwrap(), made["uuid"].as_str().unwrap())
    }

    /// One that is there already.
    fn known(app: &'a TestApp, id: i64, uuid: &str) -> Self {
        Self { app, id, uuid: uuid.to_owned() }
    }

    /// Sends a signal by GET: the suffix of the Healthchecks path, with its query.
    async fn signal(&self, suffix: &str) {
        let path = format!("/ping/{}{suffix}", self.uuid);
        let answer = self.app.request("GET", &path).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        assert_eq!(answer.text().await.unwrap(), "OK");
    }

    /// Pauses it, resumes it, and so on.
    async fn act(&self, verb: &str) {
        self.app.post(&format!("/heartbeats/{}/{verb}", self.id)).await;
    }

    /// It as the API shows it.
    async fn shown(&self) -> Value {
        self.app.get(&format!("/heartbeats/{}", self.id)).await
    }

    /// Its pings as they are stored, oldest first.
    async fn pings(&self) -> Vec<Ping> {
        let mut reader = self.app.db.read().await.unwrap();
        let mut pings = history::pings(&mut reader.conn(), self.id, 2000, 0).await.unwrap();
        pings.reverse();
        pings
    }

    /// Its last ping.
    async fn last_ping(&self) -> Ping {
        self.pings().await.pop().unwrap()
    }

    /// The events that it was told by, oldest first.
    async fn told(&self) -> Vec<String> {
        let deliveries = self.app.deliveries().await;
        let own = deliveries.iter().rev().filter(|d| d.monitor_id == Some(self.id));
        own.map(|d| d.event.to_string()).collect()
    }
}
