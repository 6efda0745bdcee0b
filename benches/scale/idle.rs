//! The server without a monitor: how soon it is ready, what it holds, how often it wakes.

use std::time::{Duration, Instant};

use super::program::Program;
use super::{at, row};

const STARTS: usize = 7;
const WATCHED: Duration = Duration::from_secs(20);

pub async fn measure() {
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let mut starts = Vec::new();
    for _ in 0..STARTS {
        let folder = tempfile::tempdir().unwrap();
        let begun = Instant::now();
        let program = Program::start_without_user(folder.path());
        program.until_ok(&client, "/readyz").await;
        starts.push(begun.elapsed().as_secs_f64() * 1e3);
        program.stop();
    }
    row("empty database to /readyz, ms", format!("{:.0}", at(&mut starts, 0.5)), "300");
    let folder = tempfile::tempdir().unwrap();
    let program = Program::start_without_user(folder.path());
    program.until_ok(&client, "/readyz").await;
    // No connection of ours stays open to wake it.
    drop(client);
    tokio::time::sleep(Duration::from_secs(5)).await;
    let waits = program.waits();
    tokio::time::sleep(WATCHED).await;
    let wakes = (program.waits() - waits) / WATCHED.as_secs_f64();
    row("idle: memory, MB", format!("{:.1}", program.rss_mb()), "25 (15 hoped for)");
    row("idle: wake-ups a second", format!("{wakes:.1}"), "5");
    let size = std::fs::metadata(env!("CARGO_BIN_EXE_watchbell")).unwrap().len();
    row("this binary with its symbols, MB", format!("{:.1}", size as f64 / 1e6), "25 stripped");
    program.stop();
}
