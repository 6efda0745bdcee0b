//! Takes webhooks, and notes when each came.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};

use serde_json::Value;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

/// What came.
#[derive(Default)]
pub struct Heard {
    /// When it was first said of each incident that its monitor is down, in epoch ms.
    pub down: HashMap<i64, i64>,
    /// How many webhooks of incidents came in all.
    pub calls: usize,
}

/// A receiver of webhooks.
pub struct Receiver {
    heard: Arc<Mutex<Heard>>,
    /// Where it takes them.
    pub url: String,
}

impl Receiver {
    /// Begins to take them.
    pub async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/hook", listener.local_addr().unwrap());
        let heard = Arc::<Mutex<Heard>>::default();
        let noted = Arc::clone(&heard);
        tokio::spawn(async move {
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                tokio::spawn(take(stream, noted.clone()));
            }
        });
        Self { heard, url }
    }

    /// How many incidents it heard of, and how many webhooks came.
    pub fn count(&self) -> (usize, usize) {
        let heard = self.heard.lock().unwrap();
        (heard.down.len(), heard.calls)
    }

    /// What came since this was asked last.
    pub fn take(&self) -> Heard {
        std::mem::take(&mut self.heard.lock().unwrap())
    }
}

async fn take(mut stream: TcpStream, heard: Arc<Mutex<Heard>>) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
        while let Some(length) = whole(&bytes) {
            let text = String::from_utf8_lossy(&bytes[..length]);
            note(&heard, text.split_once("\r\n\r\n").unwrap().1);
            bytes.drain(..length);
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await?;
        }
    }
}

fn note(heard: &Mutex<Heard>, body: &str) {
    let now = chrono::Utc::now().timestamp_millis();
    let alert: Value = serde_json::from_str(body).unwrap();
    let Some(id) = alert["incident"]["id"].as_i64() else { return };
    let mut heard = heard.lock().unwrap();
    heard.calls += 1;
    if alert["event"] == "monitor.down" {
        heard.down.entry(id).or_insert(now);
    }
}

/// The length of the first request in `bytes`, when all of it is there.
fn whole(bytes: &[u8]) -> Option<usize> {
    let head = bytes.windows(4).position(|four| four == b"\r\n\r\n")? + 4;
    let text = String::from_utf8_lossy(&bytes[..head]).to_ascii_lowercase();
    let length = text.lines().find_map(|line| line.strip_prefix("content-length:"))?;
    let length = head + length.trim().parse::<usize>().unwrap();
    (bytes.len() >= length).then_some(length)
}
