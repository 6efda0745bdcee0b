//! Where alerts go while the server is killed: some receivers take all, some fail now and then, and all remember what they took.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};

use crate::support::chance::Chance;
use crate::support::stub::{Request, read};

/// What a receiver took, in the order in which all of them took things.
#[derive(Debug, Clone)]
pub struct Taken {
    /// The path of the receiver: a channel.
    pub channel: String,
    /// What names the alert to this receiver: it sees the same twice as one.
    pub key: String,
    /// The alert as it came.
    pub body: Value,
}

/// The receivers, one a path: `/good`, `/flaky`, `/slow` and `/pagerduty`.
pub struct Receivers {
    address: std::net::SocketAddr,
    taken: Arc<Mutex<Vec<Taken>>>,
}

impl Receivers {
    /// Starts them; what fails and when is drawn from `chance`.
    pub async fn start(chance: Chance) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let taken = Arc::<Mutex<Vec<Taken>>>::default();
        let (seen, chance) = (taken.clone(), Arc::new(Mutex::new(chance)));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, seen.clone(), chance.clone()));
            }
        });
        Self { address, taken }
    }

    /// The address of one.
    pub fn url(&self, channel: &str) -> String {
        format!("http://{}/{channel}", self.address)
    }

    /// What was taken so far.
    pub fn taken(&self) -> Vec<Taken> {
        self.taken.lock().unwrap().clone()
    }
}

async fn serve(
    stream: TcpStream,
    taken: Arc<Mutex<Vec<Taken>>>,
    chance: Arc<Mutex<Chance>>,
) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let request = read(&mut stream).await?;
    let channel = request.path.trim_matches('/').to_owned();
    let (fails, pause) = {
        let mut chance = chance.lock().unwrap();
        (channel == "flaky" && chance.below(4) == 0, chance.below(100))
    };
    if channel == "slow" {
        tokio::time::sleep(Duration::from_millis(pause)).await;
    }
    if fails && pause < 30 {
        return None;
    }
    let status = if fails { 500 } else { 202 };
    if !fails {
        // Before the answer: from here on the receiver has it, whatever becomes of the answer.
        let alert = alert_of(channel, &request);
        taken.lock().unwrap().push(alert);
    }
    let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}

fn alert_of(channel: String, request: &Request) -> Taken {
    let body = request.json();
    let key = match (body["event_action"].as_str(), body["dedup_key"].as_str()) {
        (Some(action), Some(key)) => format!("{key}/{action}"),
        _ => request.header("webhook-id").to_owned(),
    };
    Taken { channel, key, body }
}
