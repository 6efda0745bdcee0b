//! Probes as processes of their own, and the server that they work for.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::process::{Child, Command, ExitStatus, Stdio};

use serde_json::{Value, json};
use watchbell::account::{Role, api_token};
use watchbell::store::Db;

use super::api::START;
use super::binary::{Binary, command, serve, spawn_binary};
use super::database::TestDatabase;
use super::stub::Stub;
use super::{CAP, eventually};

/// A probe's process; killed when dropped.
pub struct Probe(Child);

impl Probe {
    pub fn start(command: &mut Command) -> Self {
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    pub fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let child = std::cell::RefCell::new(&mut self.0);
        eventually(CAP, || async { child.borrow_mut().try_wait().unwrap() }).await
    }

    /// Asks it to stop, and waits; it hands in what it has, as far as it can.
    pub async fn stop(&mut self) {
        let pid = self.0.id().to_string();
        assert!(Command::new("kill").args(["-TERM", &pid]).status().unwrap().success());
        self.ended().await;
    }
}

impl Drop for Probe {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The command of a probe whose spool has this name.
pub fn probe(database: &TestDatabase, server: &str, token: &str, name: &str) -> Command {
    let mut probe = command(database.folder());
    probe
        .args(["probe", "--server", server])
        .env("WATCHBELL_PROBE_TOKEN", token)
        .env("WATCHBELL_PROBE_SPOOL", database.folder().join(name));
    probe
}

/// A server with a receiver, and the tokens of its probes.
pub struct World {
    pub database: TestDatabase,
    pub db: Db,
    pub server: Binary,
    pub admin: String,
    pub regions: Vec<String>,
    /// Of the probes of these regions.
    pub tokens: Vec<String>,
    pub receiver: Stub,
}

impl World {
    /// Starts it on this address, with a probe in each of these regions.
    pub async fn start(listen: &str, regions: &[&str]) -> Self {
        let database = TestDatabase::sqlite();
        let server = spawn_binary(serve(&database).env("WATCHBELL_LISTEN", listen));
        let db = database.open().await;
        let (_, admin) = api_token::create(&db, "test", Role::Admin, START).await.unwrap();
        let receiver = Stub::start().await;
        let hook = json!({"type": "webhook", "url": receiver.url("/hook"), "is_default": true});
        server.api(&admin, "POST", "/channels", hook).await.data(201);
        let mut tokens = Vec::new();
        for region in regions {
            let made = server.api(&admin, "POST", "/probes", json!({"region": region})).await;
            tokens.push(made.data(201)["token"].as_str().unwrap().to_owned());
        }
        let regions = regions.iter().map(|name| (*name).to_owned()).collect();
        Self { database, db, server, admin, regions, tokens, receiver }
    }

    /// Asks the server to stop, and waits.
    pub async fn stop_server(&mut self) {
        self.server.signal("-TERM");
        self.server.ended().await;
    }

    /// Starts the server again, where it was.
    pub fn start_server(&mut self) {
        let listen = self.server.base.trim_start_matches("http://").to_owned();
        self.server = spawn_binary(serve(&self.database).env("WATCHBELL_LISTEN", listen));
    }

    /// The commands of the probes, which reach the server where it listens.
    pub fn commands(&self) -> Vec<Command> {
        let of = |(region, token): (&String, &String)| {
            probe(&self.database, &self.server.base, token, region)
        };
        std::iter::zip(&self.regions, &self.tokens).map(of).collect()
    }

    /// Asks the API for what it answers with 200.
    pub async fn api(&self, method: &str, path: &str) -> Value {
        self.server.api(&self.admin, method, path, Value::Null).await.data(200)
    }

    /// A monitor that is checked every second, with these fields beside.
    pub async fn monitor(&self, url: &str, fields: Value) -> i64 {
        let mut all =
            json!({"url": url, "check_interval_seconds": 1, "retries": 0, "timeout_seconds": 5});
        all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        let made = self.server.api(&self.admin, "POST", "/monitors", all).await.data(201);
        made["id"].as_i64().unwrap()
    }
}
