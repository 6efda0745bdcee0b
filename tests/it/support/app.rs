//! The real server on a database of its own, with a clock that stands still until the test moves it.
//!
//! As the clock stands still, nothing that the tests see depends on how long anything took: a check comes when the clock
//! was moved to its time, and a duration is what the test made it.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a test has no supervisor")]

use std::sync::Arc;

use reqwest::{Client, Method};
use serde_json::{Value, json};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use watchbell::account::{Role, api_token};
use watchbell::app::{App, Seams};
use watchbell::cli::CliError;
use watchbell::clock::{Clock, ManualClock, Timestamp};
use watchbell::config;
use watchbell::monitor::CheckResult;
use watchbell::notify::{Delivery, DeliveryState};
use watchbell::store::monitors::Watched;
use watchbell::store::{Db, deliveries, monitors, results};

use super::api::{Answer, START};
use super::canaries::TestCanaries;
use super::database::TestDatabase;
use super::stub::Stub;
use super::{CAP, eventually};

/// What seals in the database of a test.
pub const KEY: &str = "a key for tests";

/// A server in the test's own runtime. To be [stopped](TestApp::stop).
pub struct TestApp {
    /// Its time.
    pub clock: Arc<ManualClock>,
    /// Its database.
    pub db: Db,
    /// What it is on: outlives the server, so that another can be started there.
    pub database: Arc<TestDatabase>,
    /// What tells it a trouble of its own network: they answer until told otherwise.
    pub canaries: Arc<TestCanaries>,
    address: std::net::SocketAddr,
    token: String,
    http: Client,
    stop: CancellationToken,
    running: Option<JoinHandle<Result<(), CliError>>>,
}

/// Starts a server on an empty database.
pub async fn spawn_app() -> TestApp {
    TestApp::start(Arc::new(TestDatabase::new().await), ManualClock::new(START), &[]).await
}

/// Starts a server on an empty database with more flags.
pub async fn spawn_app_with(flags: &[&str]) -> TestApp {
    TestApp::start(Arc::new(TestDatabase::new().await), ManualClock::new(START), flags).await
}

impl TestApp {
    /// Starts a server on `database` at the time of `clock`.
    pub async fn start(
        database: Arc<TestDatabase>,
        clock: Arc<ManualClock>,
        flags: &[&str],
    ) -> Self {
        // Fails when another test was first, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let args = ["watchbell", "--listen", "127.0.0.1:0", "--database-url", database.url()];
        let args = args.iter().chain(flags).map(Into::into);
        let mut config = config::parse_from(args, &|_| None).unwrap().config;
        config.secret_key = Some(KEY.to_owned());
        let canaries = TestCanaries::answering();
        let seams = Seams { clock: clock.clone(), canaries: Some(canaries.clone()) };
        let app = App::build(&config, seams).await.unwrap();
        let (db, address) = (app.db(), app.address());
        let (_, token) = api_token::create(&db, "test", Role::Admin, clock.now()).await.unwrap();
        let stop = CancellationToken::new();
        let running = Some(tokio::spawn(app.run(stop.clone())));
        let http = Client::builder().no_proxy().build().unwrap();
        // Once it serves, what it does at its start is behind it: what the test does now comes after.
        let healthz = http.get(format!("http://{address}/healthz")).send().await.unwrap();
        assert_eq!(healthz.status(), 200);
        Self { clock, db, database, canaries, address, token, http, stop, running }
    }

    /// Stops it and looks that no alert is left on its way.
    pub async fn stop(self) {
        let db = self.db.clone();
        eventually(CAP, || async {
            let pending = deliveries_in(&db, DeliveryState::Pending).await;
            pending.is_empty().then_some(())
        })
        .await;
        self.halt().await;
    }

    /// Stops it, whatever is left. Gives what the next server on the same database needs.
    pub async fn halt(mut self) -> (Arc<TestDatabase>, Arc<ManualClock>) {
        self.stop.cancel();
        if let Some(running) = self.running.take() {
            running.await.unwrap().unwrap();
        }
        (self.database.clone(), self.clock.clone())
    }

    /// Moves the clock on.
    pub fn advance(&self, seconds: i64) {
        self.clock.advance_ms(seconds * 1000);
    }

    /// Moves the clock as if the process had been stopped, or somebody had set it.
    pub fn jump_ms(&self, ms: i64) {
        self.clock.limit_lateness_ms(5_000);
        self.clock.advance_ms(ms);
    }

    /// The time.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// A URL of it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// A request by nobody.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.http.request(method, self.url(path))
    }

    /// What the API answers to a GET as an admin: the bytes as they are.
    pub async fn bytes(&self, path: &str) -> Vec<u8> {
        let request = self.request("GET", &format!("/api/v1{path}")).bearer_auth(&self.token);
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        answer.bytes().await.unwrap().to_vec()
    }

    /// Where it listens.
    pub fn address(&self) -> std::net::SocketAddr {
        self.address
    }

    /// A request to the API as an admin, with a JSON body unless it is null.
    pub async fn api(&self, method: &str, path: &str, body: Value) -> Answer {
        let mut request = self.request(method, &format!("/api/v1{path}")).bearer_auth(&self.token);
        if !body.is_null() {
            request = request.json(&body);
        }
        super::api::Api::answer(request).await
    }

    /// Reads something by the API.
    pub async fn get(&self, path: &str) -> Value {
        self.api("GET", path, Value::Null).await.data(200)
    }

    /// Does something by the API that answers 200.
    pub async fn post(&self, path: &str) -> Value {
        self.api("POST", path, Value::Null).await.data(200)
    }

    /// Changes something by the API.
    pub async fn patch(&self, path: &str, body: Value) -> Value {
        self.api("PATCH", path, body).await.data(200)
    }

    /// Removes something by the API.
    pub async fn delete(&self, path: &str) {
        let answer = self.api("DELETE", path, Value::Null).await;
        assert_eq!(answer.status, 204, "{}", answer.text);
    }

    /// Makes something by the API and gives it.
    pub async fn make(&self, path: &str, body: Value) -> Value {
        self.api("POST", path, body).await.data(201)
    }

    /// Makes a monitor of `target`, changed by `fields`, and gives its number.
    pub async fn monitor(&self, target: &Stub, fields: Value) -> i64 {
        let mut body = json!({"url": target.url("/health")});
        body.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
        self.make("/monitors", body).await["id"].as_i64().unwrap()
    }

    /// Makes a webhook channel to `receiver` that is told by default, and gives its number.
    pub async fn webhook(&self, receiver: &Stub) -> i64 {
        let body = json!({"type": "webhook", "url": receiver.url("/hook"), "is_default": true});
        self.make("/channels", body).await["id"].as_i64().unwrap()
    }

    /// A monitor as it is stored. Not by the API, whose limit of requests a minute a waiting test would soon reach.
    pub async fn watched(&self, id: i64) -> Watched {
        let mut reader = self.db.read().await.unwrap();
        monitors::by_ids(&mut reader.conn(), &[id]).await.unwrap().remove(0)
    }

    /// Waits until a monitor is as `like` wants it, and gives it.
    #[track_caller]
    pub fn until(&self, id: i64, like: impl Fn(&Watched) -> bool) -> impl Future<Output = Watched> {
        let like = std::rc::Rc::new(like);
        eventually(CAP, move || {
            let like = like.clone();
            async move { Some(self.watched(id).await).filter(|watched| like(watched)) }
        })
    }

    /// Waits until `n` results of a monitor are stored, and gives them, newest first.
    #[track_caller]
    pub fn results(&self, id: i64, n: usize) -> impl Future<Output = Vec<CheckResult>> {
        eventually(CAP, move || async move {
            let mut reader = self.db.read().await.unwrap();
            let found = results::latest(&mut reader.conn(), id, 1000, 0).await.unwrap();
            (found.len() >= n).then(|| found.into_iter().map(|stored| stored.result).collect())
        })
    }

    /// Lets `n` regular checks of a monitor with an interval of a minute happen, one after the other.
    pub async fn checks(&self, id: i64, n: usize) -> Vec<CheckResult> {
        let mut results = self.results(id, 0).await;
        for _ in 0..n {
            let before = results.len();
            self.advance(60);
            results = self.results(id, before + 1).await;
        }
        results
    }

    /// All deliveries, newest first.
    pub async fn deliveries(&self) -> Vec<Delivery> {
        let mut reader = self.db.read().await.unwrap();
        let filter = deliveries::Filter::default();
        deliveries::list(&mut reader.conn(), &filter, 1000, 0).await.unwrap().deliveries
    }
}

/// The deliveries in one state.
pub async fn deliveries_in(db: &Db, state: DeliveryState) -> Vec<Delivery> {
    let mut reader = db.read().await.unwrap();
    let filter = deliveries::Filter { state: Some(state), ..Default::default() };
    deliveries::list(&mut reader.conn(), &filter, 1000, 0).await.unwrap().deliveries
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.stop.cancel();
        if self.running.is_some() && !std::thread::panicking() {
            panic!("end the test with `stop`, which looks for alerts that are left");
        }
    }
}
