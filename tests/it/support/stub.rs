//! A local HTTP server that answers as told and remembers who asked: a target of checks, or a receiver of alerts.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "its tasks end with the test's runtime")]

use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::{CAP, eventually};

/// How requests are answered.
#[derive(Debug, Clone)]
pub enum Told {
    /// With this status, these headers and this body.
    Answer(u16, Vec<(&'static str, String)>, String),
    /// Not at all: the connection is broken off.
    BreakOff,
    /// Not at all, until it is told something else; then so.
    Hang,
    /// Not at all, until it is told something else; then with this status.
    HangThen(u16),
}

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Request {
    /// Its method.
    pub method: String,
    /// Its path with the query.
    pub path: String,
    /// Its headers, names in lower case.
    pub headers: Vec<(String, String)>,
    /// Its body.
    pub body: Vec<u8>,
}

impl Request {
    /// A header, empty if there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.iter().find(|(n, _)| n == name).map_or("", |(_, value)| value)
    }

    /// Its body as JSON.
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap()
    }

    /// The text of the alert in it.
    pub fn text(&self) -> String {
        self.json()["text"].as_str().unwrap_or_default().to_owned()
    }
}

/// The server. It answers 200 until told otherwise.
pub struct Stub {
    address: std::net::SocketAddr,
    told: watch::Sender<Told>,
    requests: Arc<Mutex<Vec<Request>>>,
}

impl Stub {
    /// Starts one.
    pub async fn start() -> Self {
        Self::start_at("127.0.0.1").await
    }

    /// Starts one on an address of its own.
    pub async fn start_at(host: &str) -> Self {
        let listener = TcpListener::bind((host, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let told = watch::Sender::new(Told::Answer(200, Vec::new(), "ok".to_owned()));
        let requests = Arc::<Mutex<Vec<Request>>>::default();
        let (answers, seen) = (told.subscribe(), requests.clone());
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, answers.clone(), seen.clone()));
            }
        });
        Self { address, told, requests }
    }

    /// A URL of it.
    pub fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Its host and port, as messages name it.
    pub fn host(&self) -> String {
        self.address.to_string()
    }

    /// From now on it answers with this status and body.
    pub fn answer(&self, status: u16, body: &str) {
        self.told.send_replace(Told::Answer(status, Vec::new(), body.to_owned()));
    }

    /// From now on it answers as told.
    pub fn tell(&self, told: Told) {
        self.told.send_replace(told);
    }

    /// What came, in order.
    pub fn requests(&self) -> Vec<Request> {
        self.requests.lock().unwrap().clone()
    }

    /// How many requests came.
    pub fn count(&self) -> usize {
        self.requests.lock().unwrap().len()
    }

    /// Waits until at least `n` requests came and gives them all.
    #[track_caller]
    pub fn wait_for(&self, n: usize) -> impl Future<Output = Vec<Request>> {
        let requests = self.requests.clone();
        eventually(CAP, move || {
            let found = requests.lock().unwrap().clone();
            async move { (found.len() >= n).then_some(found) }
        })
    }

    /// Waits until `n` alerts came, and gives their texts.
    #[track_caller]
    pub fn wait_for_texts(&self, n: usize) -> impl Future<Output = Vec<String>> {
        let requests = self.wait_for(n);
        async move { requests.await.iter().map(Request::text).collect() }
    }
}

/// Serves one request a connection: nothing is kept open, so that each check and each alert is seen to connect anew.
async fn serve(
    stream: TcpStream,
    mut told: watch::Receiver<Told>,
    requests: Arc<Mutex<Vec<Request>>>,
) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let request = read(&mut stream).await?;
    requests.lock().unwrap().push(request);
    let own = match *told.borrow() {
        Told::HangThen(status) => Some(status),
        _ => None,
    };
    let hangs = |told: &Told| matches!(told, Told::Hang | Told::HangThen(_));
    let answer = told.wait_for(|told| !hangs(told)).await.ok()?.clone();
    let Told::Answer(status, headers, body) = answer else { return None };
    let status = own.unwrap_or(status);
    let mut head = format!("HTTP/1.1 {status} Told\r\ncontent-length: {}\r\n", body.len());
    for (name, value) in headers {
        head.push_str(&format!("{name}: {value}\r\n"));
    }
    head.push_str("connection: close\r\n\r\n");
    stream.write_all(head.as_bytes()).await.ok()?;
    stream.write_all(body.as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}

/// Reads one request; `None` when the connection ends before it does.
pub async fn read(stream: &mut BufReader<TcpStream>) -> Option<Request> {
    let mut line = String::new();
    stream.read_line(&mut line).await.ok()?;
    let mut words = line.split_whitespace();
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let mut headers = Vec::new();
    loop {
        let mut line = String::new();
        stream.read_line(&mut line).await.ok()?;
        let Some((name, value)) = line.trim_end().split_once(':') else { break };
        headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
    }
    let length = headers.iter().find(|(name, _)| name == "content-length");
    let length = length.and_then(|(_, value)| value.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    stream.read_exact(&mut body).await.ok()?;
    Some(Request { method, path, headers, body })
}
