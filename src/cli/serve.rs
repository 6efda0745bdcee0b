//! `watchbell serve`: the server, until it is asked to stop.

use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::CliError;
use crate::app::{App, Seams};
use crate::config::Config;
use crate::telemetry;

/// Runs the server until SIGTERM or SIGINT.
///
/// # Errors
/// One line that names what is in the way.
pub async fn run(config: &Config) -> Result<(), CliError> {
    telemetry::start(config.log_format);
    let stop = CancellationToken::new();
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let app = App::build(config, Seams::default()).await?;
    println!("Watchbell {} listens on {}", env!("CARGO_PKG_VERSION"), app.base_url());
    if let Some(link) = app.setup_link() {
        println!("Set up this server here (the link works once): {link}");
    }
    let running = app.run(stop.clone());
    tokio::pin!(running);
    tokio::select! {
        ended = &mut running => return ended,
        _ = terminate.recv() => {}
        _ = interrupt.recv() => {}
    }
    tracing::info!("stopping");
    stop.cancel();
    running.await
}
