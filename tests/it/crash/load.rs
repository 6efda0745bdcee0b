//! What goes on while the server is killed: targets that fail and recover, jobs that report one and the other.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use reqwest::{Client, StatusCode};
use serde_json::json;
use tokio::io::{AsyncWriteExt, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::kills::Server;
use crate::support::chance::Chance;
use crate::support::stub::read;

/// Where the server is now, if it is.
pub type Whereabouts = watch::Receiver<Option<String>>;

/// A target with one path for each of `well`: it answers 200 while that is true.
pub async fn targets(well: Arc<Vec<AtomicBool>>) -> std::net::SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(answer(stream, well.clone()));
        }
    });
    address
}

async fn answer(stream: TcpStream, well: Arc<Vec<AtomicBool>>) -> Option<()> {
    let mut stream = BufReader::new(stream);
    let request = read(&mut stream).await?;
    let place: usize = request.path.trim_matches('/').parse().ok()?;
    let status = if well.get(place)?.load(Ordering::Relaxed) { 200 } else { 503 };
    let answer = format!("HTTP/1.1 {status} X\r\ncontent-length: 0\r\nconnection: close\r\n\r\n");
    stream.write_all(answer.as_bytes()).await.ok()?;
    stream.shutdown().await.ok()
}

/// Lets the targets fail and recover at random, for ever.
pub async fn flip(well: Arc<Vec<AtomicBool>>, mut chance: Chance) {
    loop {
        tokio::time::sleep(Duration::from_millis(100 + chance.below(200))).await;
        let place = chance.below(well.len() as u64) as usize;
        well[place].fetch_xor(true, Ordering::Relaxed);
    }
}

/// A job that reports at random that it is well or not, for ever; counts the reports that were answered.
pub async fn signal(
    client: Client,
    mut whereabouts: Whereabouts,
    uuid: String,
    answered: Arc<AtomicU64>,
    mut chance: Chance,
) {
    loop {
        let base = whereabouts.wait_for(Option::is_some).await.unwrap().clone().unwrap();
        let suffix = ["", "/fail"][chance.below(2) as usize];
        let sent = client.post(format!("{base}/ping/{uuid}{suffix}")).send().await;
        if sent.is_ok_and(|answer| answer.status() == StatusCode::OK) {
            answered.fetch_add(1, Ordering::Relaxed);
        }
        tokio::time::sleep(Duration::from_millis(100 + chance.below(500))).await;
    }
}

/// Asks for checks out of turn at random, for ever, so that one is under way at most kills.
pub async fn look(server: Server, ids: Vec<i64>, mut chance: Chance) {
    loop {
        let id = ids[chance.below(ids.len() as u64) as usize];
        // Killed meanwhile, or beyond the limit of requests: the next look is as good.
        let _ = server.try_api("POST", &format!("/monitors/{id}/check"), json!({})).await;
        tokio::time::sleep(Duration::from_millis(120)).await;
    }
}
