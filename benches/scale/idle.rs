//! The server without a monitor: how soon it is ready, what it holds, how often it wakes, and how large the program is.
//!
//! The aims are the release build's, which `scripts/bench` gives; the benchmark's own build has symbols and is optimised otherwise.

use std::time::{Duration, Instant};

use super::ROUNDS;
use super::program::{self, Program};
use super::report::{median, part, row};

/// From a start until it is quiet.
const SETTLE: Duration = Duration::from_secs(5);
const WATCHED: Duration = Duration::from_secs(20);

pub async fn measure() {
    let build = if program::given().is_some() { "the release build" } else { "this build" };
    part(&format!(
        "idle, of {build}: {ROUNDS} servers with an empty database, each watched for 20 s"
    ));
    let (mut starts, mut memory, mut wakes) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        let folder = tempfile::tempdir().unwrap();
        let client = reqwest::Client::builder().no_proxy().build().unwrap();
        let begun = Instant::now();
        let program = Program::start_without_user(folder.path());
        program.until_ok(&client, "/readyz").await;
        starts.push(begun.elapsed().as_secs_f64() * 1e3);
        // No connection of ours stays open to wake it.
        drop(client);
        tokio::time::sleep(SETTLE).await;
        let waits = program.process().waits();
        tokio::time::sleep(WATCHED).await;
        wakes.push((program.process().waits() - waits) / WATCHED.as_secs_f64());
        memory.push(program.process().rss_mb());
        program.stop();
    }
    row("empty database to /readyz, ms", median(&starts)).aim("< 300").write();
    row("memory without a monitor, MB", median(&memory)).aim("< 25").write();
    row("wake-ups a second without a monitor", median(&wakes)).aim("< 5").write();
    let size = std::fs::metadata(program::file()).unwrap().len() as f64 / 1e6;
    match program::given() {
        Some(_) => row("the program, stripped, MB", size).aim("< 25").write(),
        None => row("the program with its symbols, MB", size).write(),
    }
}
