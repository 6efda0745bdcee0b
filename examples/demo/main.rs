//! A database that tells the story of the design guide: "Kestrel" with 1,284 monitors and 90 days behind it, so that every page can
//! be looked at and measured. `scripts/demo` runs it.
//!
//!     demo FOLDER [--monitors N] [--at TIME]     fills FOLDER/watchbell.db; what was there is kept from being overwritten
//!     demo serve FOLDER [--listen ADDRESS] [--still TIME]
//!                                                serves it; targets and channels are not contacted: checks are made up
//!
//! With `--still` the clock stands at TIME, as pictures need it.
#![allow(clippy::unwrap_used, reason = "a demonstration fails by panicking")]

mod alerting;
mod deliveries;
mod fill;
mod jobs;
mod past;
mod probes;
mod story;
mod targets;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, bail};
use tokio_util::sync::CancellationToken;
use watchbell::app::{App, Seams};
use watchbell::clock::{Clock, ManualClock, SharedClock, SystemClock, Timestamp};
use watchbell::config::{self, Config};
use watchbell::seal::Sealer;
use watchbell::store::Db;

use targets::{AnsweringCanaries, MadeUp};

fn main() -> anyhow::Result<()> {
    let mut args = std::env::args().skip(1).peekable();
    let serves = args.next_if(|arg| arg == "serve").is_some();
    let folder = PathBuf::from(args.next().context("which folder?")?);
    let mut options = Options { monitors: 1284, at: None, listen: "127.0.0.1:8090".to_owned() };
    while let Some(option) = args.next() {
        let value = args.next().with_context(|| format!("{option} needs a value"))?;
        match option.as_str() {
            "--monitors" => options.monitors = value.parse().context("--monitors")?,
            "--at" | "--still" => {
                options.at = Some(Timestamp::parse_rfc3339(&value).context("not a time")?);
            }
            "--listen" => options.listen = value,
            _ => bail!("there is no {option}"),
        }
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        if serves { serve(&folder, &options).await } else { fill_folder(&folder, &options).await }
    })
}

struct Options {
    monitors: usize,
    at: Option<Timestamp>,
    listen: String,
}

/// Who signs in.
pub const EMAIL: &str = "on-call.lead@kestrel.example";
/// With what; only those who can reach this machine's loopback see the page.
pub const PASSWORD: &str = "kestrel-demo";

fn database(folder: &Path) -> PathBuf {
    folder.join("watchbell.db")
}

async fn fill_folder(folder: &Path, options: &Options) -> anyhow::Result<()> {
    let file = database(folder);
    if file.exists() {
        bail!("{} is there already; name another folder or remove it", file.display());
    }
    std::fs::create_dir_all(folder)?;
    let db = Db::open(&format!("sqlite://{}", file.display())).await?;
    let sealer = Sealer::load_or_create(&folder.join("secret.key"))?;
    let now = options.at.unwrap_or_else(|| SystemClock.now());
    let filled = fill::fill(&db, &sealer, options.monitors, now).await?;
    if options.at.is_some() {
        probes::add(&db, &sealer, now).await?;
        deliveries::add(&db, &sealer, now).await?;
    }
    db.close().await;
    println!("{filled}\nSign in as {EMAIL} with {PASSWORD}.");
    Ok(())
}

async fn serve(folder: &Path, options: &Options) -> anyhow::Result<()> {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let file = database(folder);
    if !file.exists() {
        bail!("there is no {}; fill it first", file.display());
    }
    let clock: SharedClock = match options.at {
        Some(at) => ManualClock::new(at),
        None => Arc::new(SystemClock),
    };
    let seams = Seams { clock, canaries: Some(Arc::new(AnsweringCanaries)) };
    let app = App::build(&settings(&file, &options.listen)?, seams).await;
    let app = app.map_err(|error| anyhow::anyhow!("{error}"))?.with_checks(Arc::new(MadeUp));
    println!("http://{}", app.address());
    let stop = CancellationToken::new();
    let stopped = stop.clone();
    let jobs = jobs::keep_pinging(app.engine(), app.db(), options.at.is_some());
    let ran = tokio::select! {
        ran = app.run(stop) => ran,
        () = jobs => Ok(()),
        () = stop_on_ctrl_c(stopped) => Ok(()),
    };
    ran.map_err(|error| anyhow::anyhow!("{error}"))
}

/// Asks the server to stop, which then ends by itself.
async fn stop_on_ctrl_c(stop: CancellationToken) {
    if tokio::signal::ctrl_c().await.is_ok() {
        stop.cancel();
    }
    std::future::pending().await
}

/// Alerts may go nowhere: every address is denied.
fn settings(file: &Path, listen: &str) -> anyhow::Result<Config> {
    let url = format!("sqlite://{}", file.display());
    let args =
        ["demo", "--listen", listen, "--database-url", &url, "--egress-deny", "0.0.0.0/0,::/0"];
    let parsed = config::parse_from(args.iter().map(Into::into), &|_| None)?;
    Ok(parsed.config)
}
