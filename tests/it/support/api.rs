//! A whole server over a database of its own, with a clock that stands still until it is moved.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::net::{TcpListener, TcpStream};
use std::sync::Arc;

use reqwest::header::HeaderMap;
use reqwest::{Client, Method, StatusCode};
use serde_json::Value;
use tokio_util::sync::CancellationToken;
use watchbell::account::login::Logins;
use watchbell::account::{Role, api_token};
use watchbell::app::{App, Seams};
use watchbell::clock::{ManualClock, SharedClock, Timestamp};
use watchbell::config::{self, Config};
use watchbell::seal::Sealer;
use watchbell::store::Db;

use super::app::KEY;
use super::canaries::TestCanaries;
use super::database::TestDatabase;

/// 2030-01-01T00:00:00Z.
pub const START: Timestamp = Timestamp(1_893_456_000_000);

/// A running server.
pub struct Api {
    /// Its address.
    pub base: String,
    /// Its clock.
    pub clock: Arc<ManualClock>,
    /// Its database.
    pub db: Db,
    /// What seals in its database.
    pub sealer: Sealer,
    /// A door for people of its own.
    pub logins: Logins,
    /// An admin's token.
    pub admin: String,
    /// An editor's token.
    pub editor: String,
    /// A viewer's token.
    pub viewer: String,
    /// A URL that takes connections and never answers, so that what watches it stays pending.
    pub silent: String,
    http: Client,
    stop: CancellationToken,
    _silence: TcpListener,
    _database: TestDatabase,
}

impl Drop for Api {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// An answer, read to its end.
#[derive(Debug)]
pub struct Answer {
    /// Where it came from, after all redirects: path and query.
    pub path: String,
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
    pub async fn start() -> Self {
        Self::start_with(|_| {}).await
    }

    /// Starts one with settings of its own.
    pub async fn start_with(change: impl FnOnce(&mut Config)) -> Self {
        // Fails when another test was first, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let database = TestDatabase::new().await;
        let clock = ManualClock::new(START);
        let app = build(database.url(), change, clock.clone()).await;
        let base = format!("http://{}", app.address());
        let db = app.db();
        let token =
            async |role: Role| api_token::create(&db, role.as_str(), role, START).await.unwrap().1;
        let (admin, editor, viewer) =
            (token(Role::Admin).await, token(Role::Editor).await, token(Role::Viewer).await);
        let stop = CancellationToken::new();
        run(app, stop.clone());
        let silence = TcpListener::bind("127.0.0.1:0").unwrap();
        Self {
            silent: format!("http://{}/health", silence.local_addr().unwrap()),
            base,
            clock,
            db,
            sealer: Sealer::from_text(KEY),
            logins: Logins::default(),
            admin,
            editor,
            viewer,
            http: Client::builder().no_proxy().build().unwrap(),
            stop,
            _silence: silence,
            _database: database,
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
        let url = response.url();
        let query = url.query().map_or_else(String::new, |query| format!("?{query}"));
        let path = format!("{}{query}", url.path());
        Answer { path, status, headers, text: response.text().await.unwrap() }
    }

    /// Makes a monitor, of [`Api::silent`] unless it says what else, and gives its number.
    pub async fn monitor(&self, mut fields: Value) -> i64 {
        if fields.get("type").is_none() && fields.get("url").is_none() {
            fields["url"] = Value::from(self.silent.as_str());
        }
        let made = self.admin("POST", "/api/v1/monitors", Some(fields)).await;
        made.data(201)["id"].as_i64().unwrap()
    }
}

async fn build(url: &str, change: impl FnOnce(&mut Config), clock: SharedClock) -> App {
    let args = ["watchbell", "--listen", "127.0.0.1:0", "--database-url", url];
    let mut config = config::parse_from(args.map(Into::into), &|_| None).unwrap().config;
    config.secret_key = Some(KEY.to_owned());
    config.base_url = Some("http://watch.example.com".parse().unwrap());
    change(&mut config);
    App::build(&config, Seams { clock, canaries: Some(TestCanaries::answering()) }).await.unwrap()
}

#[allow(clippy::disallowed_methods, reason = "a test has no supervisor")]
fn run(app: App, stop: CancellationToken) {
    tokio::spawn(app.run(stop));
}

/// A target that answers each request with this status and body, and closes. Gives its URL.
pub fn answering(status: u16, body: &'static str) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            // A client that went away is no concern of the target.
            let _ = answer_one(stream, status, body);
        }
    });
    url
}

fn answer_one(mut stream: TcpStream, status: u16, body: &str) -> std::io::Result<()> {
    use std::io::{BufRead, BufReader, Read, Write};
    let mut reader = BufReader::new(stream.try_clone()?);
    let mut length = 0;
    let mut line = String::new();
    while reader.read_line(&mut line)? > 2 {
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap_or(0);
        }
        line.clear();
    }
    let mut sent = vec![0; length];
    reader.read_exact(&mut sent)?;
    let size = body.len();
    write!(
        stream,
        "HTTP/1.1 {status} X\r\ncontent-length: {size}\r\nconnection: close\r\n\r\n{body}"
    )
}
