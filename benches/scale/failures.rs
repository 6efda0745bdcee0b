//! A tenth of ten thousand monitors fails at once: from the confirmation to the webhook.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};

use super::program::{Program, connect, make_monitors, token};
use super::target::Target;
use super::{at, row};

const MONITORS: usize = 10_000;
/// All are looked at within 20 s, and again 5 s after the first failure; the rest is room.
const LIMIT: Duration = Duration::from_secs(60);

/// When the first alert of each incident came, in epoch ms, and how many came in all.
type Heard = Arc<Mutex<(HashMap<i64, i64>, usize)>>;

pub async fn measure() {
    let (folder, target) = (tempfile::tempdir().unwrap(), Target::start());
    make_monitors(folder.path(), &target.port, MONITORS).await;
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let (begun, program) = (Instant::now(), Program::start(folder.path()));
    let token = token(folder.path());
    let (heard, receiver) = receive().await;
    let channel = json!({"type": "webhook", "name": "bench", "url": receiver, "is_default": true});
    let made = client
        .post(format!("{}/api/v1/channels", program.base))
        .bearer_auth(&token)
        .json(&channel)
        .send()
        .await
        .unwrap();
    assert!(made.status().is_success(), "{}", made.text().await.unwrap());
    while program.metric(&client, "watchbell_checks_total{").await < MONITORS as f64 {
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    row(
        "10,000: boot to the first full round, s",
        format!("{:.1}", begun.elapsed().as_secs_f64()),
        "20",
    );
    target.fail(&client).await;
    let failing = Instant::now();
    while heard.lock().unwrap().0.len() < MONITORS / 10 && failing.elapsed() < LIMIT {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    row("10,000: memory during the failures, MB", format!("{:.0}", program.rss_mb()), "100");
    program.stop();
    let mut connection = connect(folder.path()).await;
    let confirmed: Vec<(i64, i64)> =
        sqlx::query_as("SELECT id, confirmed_at FROM incidents WHERE monitor_id IS NOT NULL")
            .fetch_all(&mut connection)
            .await
            .unwrap();
    let (heard, calls) = heard.lock().unwrap().clone();
    let mut late: Vec<f64> = confirmed
        .iter()
        .filter_map(|(id, at)| heard.get(id).map(|heard| (heard - at) as f64))
        .collect();
    row(
        "1,000 fail: incidents / told / calls",
        format!("{} / {} / {calls}", confirmed.len(), heard.len()),
        "1000 / 1000 / 1000",
    );
    let first = confirmed.iter().min_by_key(|(_, at)| *at).unwrap();
    row("first webhook after its confirmation, ms", heard[&first.0] - first.1, "1,000");
    row(
        "webhook p50 / p99 / last, ms",
        format!(
            "{:.0} / {:.0} / {:.0}",
            at(&mut late, 0.5),
            at(&mut late, 0.99),
            at(&mut late, 1.0)
        ),
        "5,000",
    );
}

/// Takes webhooks; gives what it heard and its URL.
async fn receive() -> (Heard, String) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/hook", listener.local_addr().unwrap());
    let heard = Heard::default();
    let noted = heard.clone();
    tokio::spawn(async move {
        loop {
            let (stream, _) = listener.accept().await.unwrap();
            tokio::spawn(take(stream, noted.clone()));
        }
    });
    (heard, url)
}

async fn take(mut stream: TcpStream, heard: Heard) -> std::io::Result<()> {
    let mut bytes = Vec::new();
    loop {
        if stream.read_buf(&mut bytes).await? == 0 {
            return Ok(());
        }
        while let Some(length) = whole(&bytes) {
            let text = String::from_utf8_lossy(&bytes[..length]);
            let body = text.split_once("\r\n\r\n").unwrap().1;
            let alert: Value = serde_json::from_str(body).unwrap();
            {
                let mut heard = heard.lock().unwrap();
                heard.1 += 1;
                let now = chrono::Utc::now().timestamp_millis();
                if let Some(id) = alert["incident"]["id"].as_i64() {
                    heard.0.entry(id).or_insert(now);
                }
            }
            bytes.drain(..length);
            stream.write_all(b"HTTP/1.1 204 No Content\r\n\r\n").await?;
        }
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
