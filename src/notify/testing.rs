//! Alerts that tests of several channels send, and a receiver that gets them.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use crate::clock::Timestamp;
use crate::incident::message::{
    Alert, AlertCheck, AlertEvent, AlertIncident, AlertMonitor, Message,
};
use crate::monitor::Kind;
use crate::supervise::Supervisor;

/// `yourapp.com/health` is down, as in the contract's example.
pub fn down_alert() -> Alert {
    let started_at = Timestamp::parse_rfc3339("2025-11-22T10:00:00Z").unwrap();
    let summary = "Status: 503 | checks.database: error: <no> & none";
    Alert {
        event: AlertEvent::MonitorDown,
        message: Message {
            sign: "🔴".to_owned(),
            subject: "yourapp.com/health".to_owned(),
            predicate: "is DOWN".to_owned(),
            lines: vec![summary.to_owned(), "Duration: 1m 12s".to_owned()],
        },
        monitor: Some(AlertMonitor {
            id: 7,
            kind: Kind::Http,
            name: "Your app".to_owned(),
            url: Some("https://yourapp.com/health?full=1".to_owned()),
            tags: vec!["tier-1".to_owned()],
        }),
        incident: Some(AlertIncident {
            id: 42,
            started_at,
            resolved_at: None,
            acknowledged_at: None,
            duration_seconds: 72,
            cause: "status".to_owned(),
            summary: summary.to_owned(),
        }),
        check: Some(AlertCheck {
            region: "local".to_owned(),
            status_code: Some(503),
            error: Some("status 503".to_owned()),
            response_ms: Some(120),
            failed_checks: BTreeMap::from([(
                "checks.database".to_owned(),
                "error: <no> & none".to_owned(),
            )]),
            checked_at: started_at.plus_ms(72_120),
        }),
    }
}

/// A test of a channel: no monitor, no incident, no check.
pub fn test_alert() -> Alert {
    Alert::channel_test("Ops")
}

/// The settings of one channel of each kind, as a request gives them; all that is called is `url`, and all secrets are
/// `S3CRET`, those of URLs aside.
pub fn samples(url: &str) -> Vec<serde_json::Value> {
    use serde_json::json;
    vec![
        json!({"type": "email", "to": ["ops@example.com"]}),
        json!({"type": "slack", "url": url}),
        json!({"type": "teams", "url": url}),
        json!({"type": "discord", "url": url}),
        json!({"type": "telegram", "url": url, "token": "7:S3CRET", "chat_id": "-100", "thread_id": 3}),
        json!({"type": "mattermost", "url": url}),
        json!({"type": "googlechat", "url": url}),
        json!({"type": "matrix", "url": url, "room": "!a:b.example", "token": "S3CRET"}),
        json!({"type": "ntfy", "url": url, "topic": "S3CRET", "token": "S3CRET"}),
        json!({"type": "gotify", "url": url, "token": "S3CRET"}),
        json!({"type": "pushover", "url": url, "user": "S3CRET", "token": "S3CRET"}),
        json!({"type": "pagerduty", "url": url, "routing_key": "S3CRET"}),
        json!({"type": "opsgenie", "url": url, "api_key": "S3CRET"}),
        json!({"type": "webhook", "url": url, "secret": "S3CRET"}),
    ]
}

/// What a receiver does with a request.
pub enum Reply {
    /// Answers: status, one header line or none, body.
    Answer(u16, String, String),
    /// Answers with a status once it is told to.
    After(Arc<Notify>, u16),
    /// Never answers.
    Hang,
}

impl Reply {
    /// Only a status.
    pub fn status(status: u16) -> Self {
        Self::with(status, "", "")
    }

    /// A status, a header line (empty for none) and a body.
    pub fn with(status: u16, header: &str, body: &str) -> Self {
        Self::Answer(status, header.to_owned(), body.to_owned())
    }
}

/// A request as it came.
pub struct Request {
    head: String,
    /// Its body.
    pub body: String,
}

impl Request {
    /// The value of a header; empty when it is not there.
    pub fn header(&self, name: &str) -> &str {
        let lines = self.head.lines().filter_map(|line| line.split_once(": "));
        lines.filter(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, v)| v).next().unwrap_or("")
    }

    /// What a webhook's text is about: between its first two asterisks.
    pub fn subject(&self) -> String {
        self.body.split('*').nth(1).unwrap_or_default().to_owned()
    }

    /// A webhook's event.
    pub fn event(&self) -> String {
        let json: serde_json::Value = serde_json::from_str(&self.body).unwrap();
        json["event"].as_str().unwrap_or_default().to_owned()
    }
}

/// A small HTTP server on this machine that says what came. It ends with its runtime.
pub struct Receiver {
    /// Its address.
    pub url: String,
    requests: mpsc::UnboundedReceiver<Request>,
    tasks: Supervisor,
}

impl Drop for Receiver {
    fn drop(&mut self) {
        self.tasks.stop().cancel();
    }
}

type Answering = dyn Fn(usize, &Request) -> Reply + Send + Sync;

impl Receiver {
    /// Starts a receiver; `answer` is given the number of the request, from 0, and the request.
    pub async fn start(answer: impl Fn(usize, &Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let (seen, requests) = mpsc::unbounded_channel();
        let tasks = Supervisor::new(CancellationToken::new());
        let (children, answer) = (tasks.clone(), Arc::new(answer) as Arc<Answering>);
        tasks.spawn("receiver", async move {
            let count = Arc::new(AtomicUsize::new(0));
            let accept = async {
                loop {
                    let (stream, _) = listener.accept().await.unwrap();
                    let (answer, count, seen) = (answer.clone(), count.clone(), seen.clone());
                    children.child("serve", serve(stream, answer, count, seen));
                }
            };
            tokio::select! { () = accept => {}, () = children.stop().cancelled() => {} }
        });
        Self { url, requests, tasks }
    }

    /// Waits for the next request.
    pub async fn next(&mut self) -> Request {
        let wait = tokio::time::timeout(Duration::from_secs(20), self.requests.recv());
        wait.await.expect("a request in time").expect("the receiver runs")
    }

    /// A request that is waiting to be looked at.
    pub fn try_next(&mut self) -> Option<Request> {
        self.requests.try_recv().ok()
    }

    /// Whether no request is waiting to be looked at.
    pub fn none_yet(&mut self) -> bool {
        self.requests.try_recv().is_err()
    }
}

async fn serve(
    mut stream: TcpStream,
    answer: Arc<Answering>,
    count: Arc<AtomicUsize>,
    seen: mpsc::UnboundedSender<Request>,
) {
    let Some(request) = read_request(&mut stream).await else { return };
    let reply = answer(count.fetch_add(1, Ordering::SeqCst), &request);
    let _ = seen.send(request);
    let (status, header, body) = match reply {
        Reply::Answer(status, header, body) => (status, header, body),
        Reply::After(gate, status) => {
            gate.notified().await;
            (status, String::new(), String::new())
        }
        Reply::Hang => std::future::pending().await,
    };
    let header = if header.is_empty() { header } else { format!("{header}\r\n") };
    let answer = format!(
        "HTTP/1.1 {status} x\r\nconnection: close\r\ncontent-length: {}\r\n{header}\r\n{body}",
        body.len()
    );
    let _ = stream.write_all(answer.as_bytes()).await;
}

async fn read_request(stream: &mut TcpStream) -> Option<Request> {
    let mut reader = BufReader::new(stream);
    let mut head = String::new();
    while !head.ends_with("\r\n\r\n") {
        if reader.read_line(&mut head).await.ok()? == 0 {
            return None;
        }
    }
    let mut request = Request { head, body: String::new() };
    let mut body = vec![0; request.header("content-length").parse().unwrap_or(0)];
    reader.read_exact(&mut body).await.ok()?;
    request.body = String::from_utf8(body).unwrap();
    Some(request)
}
