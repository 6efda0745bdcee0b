//! The settings of the process: flags first, then `WATCHBELL_*`, then `WATCHBELL_*_FILE` (contract, section 2).

use std::net::IpAddr;
use std::path::PathBuf;

use clap::builder::Resettable;
use clap::{Args, CommandFactory, FromArgMatches, Parser, Subcommand, ValueEnum};
use ipnet::IpNet;
use url::Url;

use crate::base_url;
use crate::cli;
use crate::fields::{one_line_region, refuse_unseen};
use crate::notify::retry::RetrySchedule;
use crate::notify::smtp::SmtpSettings;
use crate::probe::canary::{self, Canary};
use crate::probe::egress::EgressRules;
use crate::server_settings::CANARIES;

/// Watchbell: a self-hosted uptime monitor that never loses an alert.
#[derive(Debug, Parser)]
#[command(name = "watchbell", version, about)]
pub struct Cli {
    /// Without a subcommand: serve.
    #[command(subcommand)]
    pub command: Option<Command>,
    /// The settings; a subcommand takes those it needs.
    #[command(flatten)]
    pub config: Config,
}

/// What the process does.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the server: web, API, pings, checker, alerts.
    Serve,
    /// Run a remote checker for one region.
    Probe(cli::probe::ProbeArgs),
    /// Check a URL once from here; exit 0 up, 1 down, 2 usage.
    Check(cli::check::CheckArgs),
    /// Manage the people who may sign in.
    User(cli::user::UserArgs),
    /// Manage API tokens.
    Token(cli::token::TokenArgs),
}

/// How the log is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// A JSON object a line.
    Json,
}

/// All settings, as given. [`Config::check`] makes sense of them.
#[derive(Debug, Args)]
#[command(next_help_heading = "Settings")]
pub struct Config {
    /// Address and port to listen on.
    #[arg(long, env = "WATCHBELL_LISTEN", default_value = "127.0.0.1:8080", global = true)]
    pub listen: String,
    /// `sqlite://path` (made if missing) or `postgres://…`.
    #[arg(
        long,
        env = "WATCHBELL_DATABASE_URL",
        default_value = "sqlite://data/watchbell.db",
        hide_env_values = true,
        global = true
    )]
    pub database_url: String,
    /// What links and ping URLs start with [default: http://<listen>].
    #[arg(long, env = "WATCHBELL_BASE_URL", global = true)]
    pub base_url: Option<Url>,
    /// Where e-mail goes out: `smtp://user:password@host:port`, `smtps://…`, `smtp://…?tls=required`.
    #[arg(long, env = "WATCHBELL_SMTP_URL", hide_env_values = true, global = true)]
    pub smtp_url: Option<String>,
    /// The sender of e-mail.
    #[arg(long, env = "WATCHBELL_SMTP_FROM", global = true)]
    pub smtp_from: Option<String>,
    /// With the password: the first admin, made when there is no user.
    #[arg(long, env = "WATCHBELL_ADMIN_EMAIL", global = true)]
    pub admin_email: Option<String>,
    // No flag: a password on a command line is seen by everybody on the machine.
    /// See `WATCHBELL_ADMIN_EMAIL`; given in the environment only.
    #[arg(
        long = "admin-password-from-environment",
        env = "WATCHBELL_ADMIN_PASSWORD",
        hide = true,
        hide_env_values = true,
        global = true
    )]
    pub admin_password: Option<String>,
    /// Seals secrets in the database [default: made once in `secret.key` beside the SQLite file].
    #[arg(
        long = "secret-key-from-environment",
        env = "WATCHBELL_SECRET_KEY",
        hide = true,
        hide_env_values = true,
        global = true
    )]
    pub secret_key: Option<String>,
    /// The name of this server's own region.
    #[arg(long, env = "WATCHBELL_REGION", default_value = "local", value_parser = own_region,
          global = true)]
    pub region: String,
    /// Addresses that checks and channels must not contact.
    #[arg(
        long,
        env = "WATCHBELL_EGRESS_DENY",
        default_value = "metadata,link-local,multicast,unspecified",
        global = true
    )]
    pub egress_deny: String,
    /// Addresses that they may contact all the same.
    #[arg(long, env = "WATCHBELL_EGRESS_ALLOW", default_value = "", global = true)]
    pub egress_allow: String,
    /// Networks whose `X-Forwarded-*` headers are believed.
    #[arg(long, env = "WATCHBELL_TRUSTED_PROXIES", value_delimiter = ',', value_parser = network,
          global = true)]
    pub trusted_proxies: Vec<IpNet>,
    /// Seconds between the attempts of a delivery; without it they go on every 1800 s for 24 h.
    #[arg(long, env = "WATCHBELL_RETRY_SCHEDULE", global = true)]
    pub retry_schedule: Option<String>,
    /// Days that raw results are kept [default: 7].
    #[arg(long, env = "WATCHBELL_RETENTION_DAYS",
          value_parser = clap::value_parser!(u32).range(1..=36_500), global = true)]
    pub retention_days: Option<u32>,
    /// Pings kept for each heartbeat.
    #[arg(long, env = "WATCHBELL_PING_LOG", default_value_t = 1000,
          value_parser = clap::value_parser!(u32).range(1..=1_000_000), global = true)]
    pub ping_log: u32,
    /// Checks in flight, at most 8 of them to one address and port.
    #[arg(long, env = "WATCHBELL_CHECK_PERMITS", default_value_t = 512,
          value_parser = clap::value_parser!(u32).range(1..=100_000), global = true)]
    pub check_permits: u32,
    /// What tells a trouble of our own network from one of the targets: `resolver`, `gateway`, addresses, `host:port`
    /// [default: resolver,gateway].
    #[arg(long, env = "WATCHBELL_CANARIES", global = true)]
    pub canaries: Option<String>,
    /// Whether `/metrics` answers without a token: true or false.
    #[arg(long, env = "WATCHBELL_METRICS_PUBLIC", default_value = "false", global = true,
          action = clap::ArgAction::Set, default_missing_value = "true", num_args = 0..=1)]
    pub metrics_public: bool,
    /// How the log is written.
    #[arg(long, env = "WATCHBELL_LOG_FORMAT", default_value = "text", global = true)]
    pub log_format: LogFormat,
}

/// The settings that are more than a word, made sense of.
#[derive(Debug)]
pub struct Checked {
    /// Which addresses may be contacted.
    pub egress: EgressRules,
    /// Where e-mail goes out.
    pub smtp: Option<SmtpSettings>,
    /// When a delivery is tried again.
    pub retry: RetrySchedule,
    /// What tells "me" from "them", if the settings say.
    pub canaries: Option<Vec<Canary>>,
    /// The SQLite file; `None` with PostgreSQL.
    pub sqlite_path: Option<PathBuf>,
}

/// What a probe needs of the settings.
#[derive(Debug)]
pub struct CheckedProbe {
    /// Which addresses may be checked.
    pub egress: EgressRules,
    /// What tells "me" from "them".
    pub canaries: Vec<Canary>,
}

impl Config {
    /// Makes sense of the settings that a probe has.
    ///
    /// # Errors
    /// One line that names the setting and the fix.
    pub fn check_probe(&self) -> Result<CheckedProbe, String> {
        let canaries = self.check_canaries()?;
        let usual = || canary::parse(CANARIES);
        let canaries = canaries.map_or_else(usual, Ok)?;
        Ok(CheckedProbe { egress: self.check_egress()?, canaries })
    }

    fn check_egress(&self) -> Result<EgressRules, String> {
        EgressRules::parse(&self.egress_deny, &self.egress_allow)
            .map_err(|reason| format!("WATCHBELL_EGRESS_DENY/ALLOW: {reason}"))
    }

    fn check_canaries(&self) -> Result<Option<Vec<Canary>>, String> {
        let read = |list: &String| {
            canary::parse(list).map_err(|reason| format!("WATCHBELL_CANARIES: {reason}"))
        };
        self.canaries.as_ref().map(read).transpose()
    }

    /// Makes sense of the settings.
    ///
    /// # Errors
    /// One line that names the setting and the fix.
    pub fn check(&self) -> Result<Checked, String> {
        let egress = self.check_egress()?;
        let canaries = self.check_canaries()?;
        let smtp = match &self.smtp_url {
            Some(url) => Some(
                SmtpSettings::parse(url, self.smtp_from.as_deref())
                    .map_err(|reason| format!("WATCHBELL_SMTP_URL/FROM: {reason}"))?,
            ),
            None => None,
        };
        let retry = match &self.retry_schedule {
            Some(list) => {
                list.parse().map_err(|reason| format!("WATCHBELL_RETRY_SCHEDULE: {reason}"))?
            }
            None => RetrySchedule::default(),
        };
        if self.admin_email.is_some() != self.admin_password.is_some() {
            return Err(
                "WATCHBELL_ADMIN_EMAIL and WATCHBELL_ADMIN_PASSWORD go together: give both or none"
                    .to_owned(),
            );
        }
        if let Some(base) = &self.base_url {
            base_url::check(base).map_err(|reason| format!("WATCHBELL_BASE_URL: {reason}"))?;
        }
        Ok(Checked { egress, smtp, retry, canaries, sqlite_path: self.sqlite_path()? })
    }

    /// The database's URL without user and password, for people.
    pub fn database_name(&self) -> String {
        match Url::parse(&self.database_url) {
            Ok(mut url) if url.has_host() => {
                // Both fail only for URLs that cannot have a user.
                let _ = url.set_username("");
                let _ = url.set_password(None);
                url.to_string()
            }
            // There may be a password in what cannot be read.
            _ if !self.database_url.starts_with("sqlite:") => "the PostgreSQL database".to_owned(),
            _ => self.database_url.clone(),
        }
    }

    fn sqlite_path(&self) -> Result<Option<PathBuf>, String> {
        let url = &self.database_url;
        if url.starts_with("sqlite:") {
            return crate::store::open::sqlite_path(url)
                .map(Some)
                .map_err(|error| format!("WATCHBELL_DATABASE_URL: {error}"));
        }
        if !url.starts_with("postgres://") && !url.starts_with("postgresql://") {
            return Err(
                "WATCHBELL_DATABASE_URL: must start with sqlite:// or postgres://".to_owned()
            );
        }
        if self.secret_key.is_none() {
            return Err(
                "WATCHBELL_SECRET_KEY: must be given with PostgreSQL, such as the output of `openssl rand -hex 32`"
                    .to_owned(),
            );
        }
        Ok(None)
    }
}

/// Reads the command line and the environment of this process.
///
/// # Errors
/// What clap found, or one line about a `_FILE` variable; [`clap::Error::exit`] prints it.
pub fn parse() -> Result<Cli, clap::Error> {
    parse_from(std::env::args_os(), &|name| std::env::var(name).ok())
}

/// Reads a command line, with `env` as the environment for the `_FILE` variables.
///
/// # Errors
/// What clap found, or one line about a `_FILE` variable.
pub fn parse_from(
    args: impl IntoIterator<Item = std::ffi::OsString>,
    env: &dyn Fn(&str) -> Option<String>,
) -> Result<Cli, clap::Error> {
    let mut command = Cli::command();
    let of = |command: &clap::Command| -> Vec<(String, String)> {
        let variable =
            |arg: &clap::Arg| Some((arg.get_id().to_string(), arg.get_env()?.to_str()?.to_owned()));
        command.get_arguments().filter_map(variable).collect()
    };
    let variables = of(&command);
    let of_subcommands: Vec<_> =
        command.get_subcommands().map(|sub| (sub.get_name().to_owned(), of(sub))).collect();
    let all = variables.iter().map(|variable| (None, variable)).chain(
        of_subcommands.iter().flat_map(|(sub, all)| all.iter().map(move |v| (Some(sub), v))),
    );
    for (sub, (id, variable)) in all {
        let (id, variable) = (id.clone(), variable.as_str());
        let given = env(variable).is_some_and(|value| !value.is_empty());
        // A file wins over the plain variable: an image may set the latter by default.
        let file = env(&format!("{variable}_FILE")).filter(|path| !path.is_empty());
        if let Some(path) = file {
            let text = std::fs::read_to_string(&path).map_err(|error| {
                usage(&command, &format!("{variable}_FILE: cannot read {path}: {error}"))
            })?;
            let text = text.trim_end_matches(['\r', '\n']).to_owned();
            command = with_arg(command, sub, id, |arg| {
                arg.env(Resettable::Reset).default_value(text).required(false)
            });
        } else if !given {
            // Set but empty, as compose files leave it, is not given.
            command = with_arg(command, sub, id, |arg| arg.env(Resettable::Reset));
        }
    }
    let matches = command.clone().try_get_matches_from(args);
    matches
        .and_then(|matches| Cli::from_arg_matches(&matches))
        .map_err(|error| in_one_line(&command, &variables, error))
}

/// Changes an argument of the command, or of its subcommand `sub`.
fn with_arg(
    command: clap::Command,
    sub: Option<&String>,
    id: String,
    change: impl FnOnce(clap::Arg) -> clap::Arg,
) -> clap::Command {
    match sub {
        None => command.mut_arg(id, change),
        Some(sub) => command.mut_subcommand(sub, |command| command.mut_arg(id, change)),
    }
}

/// What clap says of a setting's wrong value, in one line that names the variable too: most settings are given so.
fn in_one_line(
    command: &clap::Command,
    variables: &[(String, String)],
    error: clap::Error,
) -> clap::Error {
    use clap::error::ErrorKind::{InvalidValue, ValueValidation};
    if !matches!(error.kind(), InvalidValue | ValueValidation) {
        return error;
    }
    let text = error.to_string();
    let said = text.split("\n\n").next().unwrap_or_default();
    let said = said.trim_start_matches("error: ").split_whitespace().collect::<Vec<_>>().join(" ");
    let named = variables.iter().find_map(|(id, variable)| {
        let arg = command.get_arguments().find(|arg| arg.get_id() == id.as_str())?;
        let (before, rest) = said.split_once(&format!(" for '--{} ", arg.get_long()?))?;
        let (_, reason) = rest.split_once('\'')?;
        Some((format!("{before}{reason}"), variable))
    });
    match named {
        Some((rest, variable)) => usage(command, &format!("{variable}: {rest}")),
        None => error,
    }
}

fn usage(command: &clap::Command, line: &str) -> clap::Error {
    clap::Error::raw(clap::error::ErrorKind::InvalidValue, format!("{line}\n")).with_cmd(command)
}

fn network(text: &str) -> Result<IpNet, String> {
    let text = text.trim();
    let parsed =
        text.parse().or_else(|_| text.parse().map(|one: IpAddr| one.to_canonical().into()));
    parsed.map_err(|_| {
        "is not a network: write it as 10.0.0.0/8, 10.0.0.1 or 2001:db8::/32".to_owned()
    })
}

/// The name of the server's own region. What was stored under it before there was [`crate::fields::parse_region`] must stay found, so that any name that can
/// be seen is taken.
///
/// # Errors
/// What is wrong with it.
fn own_region(text: &str) -> Result<String, String> {
    let name = one_line_region(text)?;
    refuse_unseen(name)?;
    Ok(name.to_owned())
}
