//! `watchbell probe`: a remote checker for one region.

use std::path::PathBuf;
use std::sync::Arc;

use tokio_util::sync::CancellationToken;
use url::{Host, Url};

use super::CliError;
use super::signals::Signals;
use crate::config::Config;
use crate::probe::SystemCanaries;
use crate::region::TOKEN_PREFIX;
use crate::region::agent::{self, AgentConfig};
use crate::telemetry;

/// What `watchbell probe` takes.
#[derive(Debug, clap::Args)]
pub struct ProbeArgs {
    /// The address of the server, as its pages show it.
    #[arg(long, env = "WATCHBELL_PROBE_SERVER")]
    pub server: Url,
    /// The token that was shown when the probe was made.
    #[arg(long, env = "WATCHBELL_PROBE_TOKEN", hide_env_values = true)]
    pub token: String,
    /// The folder for results that the server does not have yet.
    #[arg(long, env = "WATCHBELL_PROBE_SPOOL", default_value = "data/probe-spool")]
    pub spool: PathBuf,
    /// The most megabytes in it; beyond, the oldest results are dropped.
    #[arg(long, env = "WATCHBELL_PROBE_SPOOL_MB", default_value_t = 256,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
    pub spool_mb: u32,
    /// Whether the server may be reached without TLS, where the network between is your own: true or false.
    #[arg(long, env = "WATCHBELL_PROBE_PLAIN_HTTP", default_value = "false",
          action = clap::ArgAction::Set, default_missing_value = "true", num_args = 0..=1)]
    pub plain_http: bool,
}

/// Runs the probe until SIGTERM or SIGINT.
///
/// # Errors
/// One line that names what is in the way, also when the server refuses the token.
pub async fn run(args: ProbeArgs, config: &Config) -> Result<(), CliError> {
    let checked = config.check_probe().map_err(CliError::Usage)?;
    check_server(&args.server, args.plain_http).map_err(CliError::Usage)?;
    if !args.token.starts_with(TOKEN_PREFIX) {
        let text = format!(
            "WATCHBELL_PROBE_TOKEN: is not the token of a probe, which starts with {TOKEN_PREFIX}"
        );
        return Err(CliError::Usage(text));
    }
    telemetry::start(config.log_format);
    let stop = CancellationToken::new();
    let signals = Signals::listen()?;
    let config = AgentConfig {
        server: args.server,
        token: args.token,
        spool: args.spool,
        spool_max_bytes: u64::from(args.spool_mb) << 20,
        permits: usize::try_from(config.check_permits).unwrap_or(usize::MAX),
        egress: checked.egress,
        canaries: Arc::new(SystemCanaries::new(checked.canaries)),
    };
    signals.end(&stop, agent::run(config, stop.clone())).await
}

/// The token, and the secret headers of monitors, must not cross a strange network in clear.
fn check_server(server: &Url, plain_http: bool) -> Result<(), String> {
    let is_here = match server.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => return Err("WATCHBELL_PROBE_SERVER: has no host".to_owned()),
    };
    match server.scheme() {
        "https" => Ok(()),
        "http" if is_here || plain_http => Ok(()),
        "http" => Err("WATCHBELL_PROBE_SERVER: must start with https://, as the token would cross the network in clear; \
             where that is your own, give WATCHBELL_PROBE_PLAIN_HTTP=true"
            .to_owned()),
        _ => Err("WATCHBELL_PROBE_SERVER: must be like https://watch.example.com".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_token_crosses_no_strange_network_in_clear() {
        let check = |url: &str, plain: bool| check_server(&url.parse().unwrap(), plain).is_ok();
        assert!(check("https://watch.example.com/bell", false));
        assert!(check("http://127.0.0.1:8080", false) && check("http://[::1]:8080", false));
        assert!(!check("http://watch.example.com", false) && !check("http://10.0.0.1", false));
        assert!(check("http://10.0.0.1", true));
        assert!(!check("ftp://watch.example.com", true) && !check("unix:/x", true));
    }
}
