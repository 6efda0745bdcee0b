//! `watchbell serve`: the server, until it is asked to stop.

use std::io::{self, Write};

use tokio_util::sync::CancellationToken;

use super::CliError;
use super::signals::Signals;
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
    let signals = Signals::listen()?;
    let app = App::build(config, Seams::default()).await?;
    let mut lines =
        format!("Watchbell {} listens on {}\n", env!("CARGO_PKG_VERSION"), app.base_url());
    if let Some(link) = app.setup_link() {
        lines.push_str(&format!("Set up this server here (the link works once): {link}\n"));
    }
    // Whoever started it may have closed its output; it watches all the same.
    if let Err(error) = io::stdout().write_all(lines.as_bytes()) {
        tracing::warn!(%error, "the start could not be told on stdout");
    }
    signals.end(&stop, app.run(stop.clone())).await
}
