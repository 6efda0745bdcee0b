//! The web server with its engine, over a database of its own and a clock that stands still. Nothing is checked or sent.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::AtomicI64;

use actix_web::dev::ServerHandle;
use actix_web::middleware::from_fn;
use actix_web::{App, HttpServer, web};
use reqwest::header::HeaderMap;
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::{Notify, broadcast, mpsc};
use watchbell::account::login::Logins;
use watchbell::account::{Role, api_token};
use watchbell::base_url::BaseUrl;
use watchbell::checker::Engine;
use watchbell::checker::ingest::{Ingest, Outlets};
use watchbell::checker::run::Command;
use watchbell::clock::{ManualClock, SharedClock, Timestamp};
use watchbell::seal::Sealer;
use watchbell::store::Db;
use watchbell::store::writer::Writer;
use watchbell::web::guard::{TokenLimit, security_headers};
use watchbell::web::state::AppState;

/// 2030-01-01T00:00:00Z.
pub const START: Timestamp = Timestamp(1_893_456_000_000);

/// A running server.
pub struct Api {
    /// Its address.
    pub base: String,
    /// Its clock.
    pub clock: Arc<ManualClock>,
    /// Its state.
    pub state: web::Data<AppState>,
    /// An admin's token.
    pub admin: String,
    /// An editor's token.
    pub editor: String,
    /// A viewer's token.
    pub viewer: String,
    http: Client,
    server: ServerHandle,
    _commands: mpsc::UnboundedReceiver<Command>,
    _folder: TempDir,
}

impl Drop for Api {
    fn drop(&mut self) {
        drop(self.server.stop(false));
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    /// Its status.
    pub status: StatusCode,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body.
    pub text: String,
}

impl Answer {
    /// Its body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or_else(|e| panic!("{e}: {}", self.text))
    }

    /// Its `data`, after a look at the status.
    pub fn data(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        self.json()["data"].clone()
    }

    /// A header as text.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", |value| value.to_str().unwrap())
    }

    /// The problem that it reports, after a look at its form.
    pub fn problem(&self, status: u16) -> Value {
        assert_eq!(self.status, status, "{}", self.text);
        assert_eq!(self.header("content-type"), "application/problem+json");
        let problem = self.json();
        assert_eq!(problem["status"], status);
        for text in ["type", "title", "detail"] {
            assert!(problem[text].as_str().is_some_and(|t| !t.is_empty()), "{problem}");
        }
        problem
    }

    /// The names of the wrong fields, in order.
    pub fn wrong_fields(&self) -> Vec<String> {
        self.problem(422)["errors"].as_object().unwrap().keys().cloned().collect()
    }
}

impl Api {
    /// Starts one.
    #[allow(clippy::disallowed_methods, reason = "a test has no supervisor")]
    pub async fn start() -> Self {
        // Fails when another test was first, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        let db = Db::open(&format!("sqlite://{}", path.display())).await.unwrap();
        let clock = ManualClock::new(START);
        let shared: SharedClock = clock.clone();
        let sealer = Sealer::from_text("a key for tests");
        let (commands, _commands) = mpsc::unbounded_channel();
        let watch = Arc::new(Notify::new());
        let outlets = Outlets {
            commands: commands.clone(),
            live: broadcast::channel(16).0,
            sender: Arc::new(Notify::new()),
            watch: watch.clone(),
            watch_wakes_at: Arc::new(AtomicI64::new(i64::MAX)),
        };
        let batch = Ingest::new(shared.clone(), sealer.clone(), outlets);
        let (writer, writing) = Writer::new(db.clone(), batch);
        tokio::spawn(writing);
        let token =
            async |role: Role| api_token::create(&db, role.as_str(), role, START).await.unwrap().1;
        let (admin, editor, viewer) =
            (token(Role::Admin).await, token(Role::Editor).await, token(Role::Viewer).await);
        let state = web::Data::new(AppState {
            engine: Engine::new(writer, commands, watch, db.clone(), shared.clone()),
            db,
            clock: shared,
            sealer,
            region: "local".to_owned(),
            base_url: BaseUrl::new("http://watch.example.com"),
            trusted_proxies: Vec::new(),
            logins: Logins::default(),
            token_limit: TokenLimit::default(),
        });
        let (base, server) = serve(state.clone());
        Self {
            base,
            clock,
            state,
            admin,
            editor,
            viewer,
            http: Client::new(),
            server,
            _commands,
            _folder: folder,
        }
    }

    /// Sends a request with a token, and with a JSON body if there is one.
    pub async fn send(&self, token: &str, method: &str, path: &str, body: Option<Value>) -> Answer {
        let mut request = self.request(method, path).bearer_auth(token);
        if let Some(body) = body {
            request = request.json(&body);
        }
        Self::answer(request).await
    }

    /// Sends a request as an admin.
    pub async fn admin(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.send(&self.admin, method, path, body).await
    }

    /// A request to be filled.
    pub fn request(&self, method: &str, path: &str) -> reqwest::RequestBuilder {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        self.http.request(method, format!("{}{path}", self.base))
    }

    /// Sends a filled request.
    pub async fn answer(request: reqwest::RequestBuilder) -> Answer {
        let response = request.send().await.unwrap();
        let (status, headers) = (response.status(), response.headers().clone());
        Answer { status, headers, text: response.text().await.unwrap() }
    }

    /// Makes an HTTP monitor and gives its number.
    pub async fn monitor(&self, fields: Value) -> i64 {
        let made = self.admin("POST", "/api/v1/monitors", Some(fields)).await;
        made.data(201)["id"].as_i64().unwrap()
    }
}

#[allow(clippy::disallowed_methods, reason = "a test has no supervisor")]
fn serve(state: web::Data<AppState>) -> (String, ServerHandle) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let base = format!("http://{}", listener.local_addr().unwrap());
    let server = HttpServer::new(move || {
        App::new()
            .app_data(state.clone())
            .wrap(from_fn(security_headers))
            .configure(watchbell::web::routes)
    })
    .workers(1)
    .disable_signals()
    .listen(listener)
    .unwrap()
    .run();
    let handle = server.handle();
    tokio::spawn(server);
    (base, handle)
}
