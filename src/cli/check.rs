//! `watchbell check URL [--json]`: one check from here.

use std::io::{self, Write};

use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::incident::message::short_url;
use crate::monitor::{CheckResult, Kind, Settings, Verdict};
use crate::probe::{EgressRules, Prober};

/// The exit status of a usage error (contract, section 1).
const USAGE: i32 = 2;

/// How an address can begin.
const SCHEMES: [&str; 6] = ["http", "https", "tcp", "dns", "tls", "icmp"];

/// What `watchbell check` takes.
#[derive(Debug, clap::Args)]
pub struct CheckArgs {
    /// The address to check: http(s)://…, tcp://host:port, tls://host:port, dns://name?type=A or icmp://host.
    pub url: String,
    /// Print the result as JSON.
    #[arg(long)]
    pub json: bool,
}

/// Checks `url` once with the default settings of a monitor and writes phases and verdict to `out`, as JSON if `json`.
/// A wrong URL is one line on `err`. `started_at` is the time that the result bears.
///
/// Returns the exit status: 0 up (or degraded), 1 down (or unknown), 2 for a URL that cannot be checked.
///
/// # Errors
/// `out` or `err` cannot be written to.
pub async fn run(
    url: &str,
    json: bool,
    rules: EgressRules,
    started_at: Timestamp,
    out: &mut impl Write,
    err: &mut impl Write,
) -> io::Result<i32> {
    if let Some((scheme, _)) = url.trim().split_once("://")
        && !SCHEMES.iter().any(|known| scheme.eq_ignore_ascii_case(known))
    {
        let known = SCHEMES.map(|known| format!("{known}://")).join(", ");
        writeln!(
            err,
            "watchbell check: the URL starts with {scheme}://, but must start with one of {known}"
        )?;
        return Ok(USAGE);
    }
    let map = Map::from_iter([("url".to_owned(), Value::from(url))]);
    let target = match Settings::read(&map, Kind::of_url(url), None) {
        Ok(settings) => settings.target,
        // The name is made of the host: when the URL is wrong, only that is the user's doing.
        Err(errors) => {
            let reason = errors.0.get("url").map_or("cannot be checked", String::as_str);
            writeln!(err, "watchbell check: the URL {reason}")?;
            return Ok(USAGE);
        }
    };
    let prober = Prober::new(rules).map_err(io::Error::other)?;
    // No address is a heartbeat's, so there is always a check, and a URL to show.
    let (Some(result), Some(address)) =
        (prober.check(&target, "local", started_at).await, target.url())
    else {
        return Ok(USAGE);
    };
    if json {
        let mut shown = serde_json::to_value(&result)?;
        shown["certificate"] = json!(result.certificate.as_ref().map(|c| c.shown(started_at)));
        writeln!(out, "{shown}")?;
    } else {
        write_text(&short_url(address), &result, started_at, out)?;
    }
    Ok(match result.verdict {
        Verdict::Up | Verdict::Degraded => 0,
        Verdict::Down | Verdict::Unknown => 1,
    })
}

fn write_text(
    subject: &str,
    result: &CheckResult,
    now: Timestamp,
    out: &mut impl Write,
) -> io::Result<()> {
    write!(out, "{subject} is {}", result.verdict.as_str().to_uppercase())?;
    match &result.error {
        Some(error) => writeln!(out, ": {}", error.text)?,
        None => writeln!(out)?,
    }
    if let Some(code) = result.status_code {
        writeln!(out, "  {:<12}{code}", "status")?;
    }
    for (path, text) in &result.failed_checks {
        writeln!(out, "  {path}: {text}")?;
    }
    let phases = &result.phases;
    for (name, ms) in [
        ("dns", phases.dns),
        ("connect", phases.connect),
        ("tls", phases.tls),
        ("first byte", phases.first_byte),
        ("total", phases.total),
    ] {
        if let Some(ms) = ms {
            writeln!(out, "  {name:<12}{ms} ms")?;
        }
    }
    if let Some(certificate) = &result.certificate {
        let (until, issuer) = (certificate.not_after.to_utc(), &certificate.issuer);
        let left = match certificate.days_left(now) {
            _ if certificate.has_ended(now) => "expired".to_owned(),
            1 => "1 day left".to_owned(),
            days => format!("{days} days left"),
        };
        writeln!(out, "  {:<12}{}, {left}", "certificate", until.format("%Y-%m-%d %H:%M UTC"))?;
        writeln!(out, "  {:<12}{}", "subject", certificate.title())?;
        writeln!(out, "  {:<12}{issuer}", "issuer")?;
    }
    Ok(())
}
