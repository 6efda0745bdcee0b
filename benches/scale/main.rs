//! Checks at a pace and ten thousand monitors: idle cost and start, a tenth failing at once, pages over a year of history, retention
//! beside live writes; and probes with five thousand each.
//!
//! `cargo bench --bench scale`, or with the names of parts: `cargo bench --bench scale -- idle checks failures pages retention regions`.
//! The program, its target and what makes bare GETs are processes of their own. `docs/benchmarks.md` keeps the figures.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a benchmark measures spans and spawns its clients")]

mod checks;
mod failures;
mod floor;
mod idle;
mod pages;
mod process;
mod program;
mod receiver;
mod regions;
#[path = "../shared/report.rs"]
mod report;
mod retention;
mod target;
mod writes;
mod year;

/// How often what is short is measured; the table has the medians.
const ROUNDS: usize = 3;

fn main() {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let args: Vec<&str> = args.iter().map(String::as_str).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        match args.as_slice() {
            ["target"] => target::serve().await,
            ["floor", port, a_second, seconds] => floor::run(port, a_second, seconds).await,
            parts => measure(parts).await,
        }
    });
}

/// Measures the parts that are named, or all of them.
async fn measure(parts: &[&str]) {
    let wanted = |part: &str| parts.is_empty() || parts.contains(&part);
    if wanted("idle") {
        idle::measure().await;
    }
    if wanted("checks") {
        checks::measure().await;
    }
    if wanted("failures") {
        failures::measure().await;
    }
    if wanted("pages") {
        pages::measure().await;
    }
    if wanted("retention") {
        retention::measure().await;
    }
    if wanted("regions") {
        regions::measure().await;
    }
}
