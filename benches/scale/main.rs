//! Ten thousand monitors: idle cost and start, a tenth failing at once, pages over a year of history, retention beside live writes;
//! and probes with five thousand each.
//!
//! `cargo bench --bench scale`, or with the names of parts: `cargo bench --bench scale -- idle failures pages retention regions`.
//! The program and its target are processes of their own. `docs/benchmarks.md` keeps the figures.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a benchmark measures spans and spawns its clients")]

mod failures;
mod idle;
mod pages;
mod program;
mod regions;
mod retention;
mod target;

/// Prints one line of the table: what, how much, and what it should be.
fn row(what: &str, value: impl std::fmt::Display, aim: &str) {
    println!("{what:<44} {value:>24}   {aim}");
}

/// The value that `share` of the sorted `values` do not pass.
fn at(values: &mut [f64], share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    values[((values.len() - 1) as f64 * share) as usize]
}

fn main() {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let args: Vec<String> = std::env::args().skip(1).filter(|arg| !arg.starts_with('-')).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    if args == ["target"] {
        return runtime.block_on(target::serve());
    }
    let wanted = |part: &str| args.is_empty() || args.iter().any(|arg| arg == part);
    runtime.block_on(async {
        println!("{:<44} {:>24}   aim", "", "");
        if wanted("idle") {
            idle::measure().await;
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
    });
}
