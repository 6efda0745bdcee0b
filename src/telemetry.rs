//! The log of the process: to standard error, as text or JSON.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt;

use crate::config::LogFormat;

/// What is in the log unless `RUST_LOG` says: our own lines of level info and everybody's warnings. The HTTP parser calls it an
/// error when a client does not speak HTTP; that is the client's, and any port scanner would fill the log with it. The HTTP client
/// warns at each check of a monitor with an odd method or header; that is the monitor's.
const USUAL: &str =
    "warn,watchbell=info,actix_http::h1::dispatcher=off,hyper=off,hyper_util::client=off";

/// Starts the log. `RUST_LOG` chooses what is in it.
pub fn start(format: LogFormat) {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(USUAL));
    let log = fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .with_target(false);
    // A second start in one process (tests) leaves the first as it is.
    let _ = match format {
        LogFormat::Text => log.try_init(),
        LogFormat::Json => log.json().try_init(),
    };
}
