//! The subcommands, one file each. They open the database themselves and work beside a running server.

pub mod check;
pub mod probe;
pub mod serve;
mod signals;
pub mod token;
pub mod user;

use std::io;
use std::process::ExitCode;
use std::sync::Arc;

use crate::account;
use crate::characters::spoils_a_line;
use crate::clock::{Clock, SharedClock, SystemClock};
use crate::config::{Cli, Command, Config};
use crate::store::{self, Db};

/// Runs the command and gives what the process ends with.
pub async fn run(cli: Cli) -> ExitCode {
    let result = match cli.command.unwrap_or(Command::Serve) {
        Command::Serve => serve::run(&cli.config).await,
        Command::Probe(args) => probe::run(args, &cli.config).await,
        Command::Check(args) => return check_once(args, &cli.config).await,
        Command::User(args) => match open(&cli.config).await {
            Ok((db, clock)) => user::run(args, &db, &clock, &mut io::stdout()).await,
            Err(error) => Err(error),
        },
        Command::Token(args) => match open(&cli.config).await {
            Ok((db, clock)) => token::run(args, &db, &clock, &mut io::stdout()).await,
            Err(error) => Err(error),
        },
    };
    match result {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("watchbell: {error}");
            ExitCode::from(error.exit_code())
        }
    }
}

/// Opens the database beside a running server.
async fn open(config: &Config) -> Result<(Db, SharedClock), CliError> {
    config.check().map_err(CliError::Usage)?;
    let db = Db::open(&config.database_url).await.map_err(|error| {
        CliError::Usage(format!("cannot open {}: {error}", config.database_name()))
    })?;
    Ok((db, Arc::new(SystemClock)))
}

async fn check_once(args: check::CheckArgs, config: &Config) -> ExitCode {
    let checked = match config.check() {
        Ok(checked) => checked,
        Err(line) => {
            eprintln!("watchbell: {line}");
            return ExitCode::from(2);
        }
    };
    let now = SystemClock.now();
    let (mut out, mut err) = (io::stdout(), io::stderr());
    match check::run(&args.url, args.json, checked.egress, now, &mut out, &mut err).await {
        Ok(code) => ExitCode::from(u8::try_from(code).unwrap_or(1)),
        Err(error) => {
            eprintln!("watchbell: {error}");
            ExitCode::from(1)
        }
    }
}

/// Why a command did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// What was given is wrong; the line says what and how to mend it.
    #[error("{0}")]
    Usage(String),
    /// It was right, but did not work.
    #[error("{0}")]
    Failed(String),
}

impl CliError {
    /// What the process ends with (contract, section 1).
    pub fn exit_code(&self) -> u8 {
        match self {
            Self::Usage(_) => 2,
            Self::Failed(_) => 1,
        }
    }
}

impl From<account::Error> for CliError {
    fn from(error: account::Error) -> Self {
        use account::Error::{Conflict, Fields, Hash, NotFound, Store};
        match error {
            Fields(_) | NotFound(_) | Conflict(_) => Self::Usage(error.to_string()),
            Store(_) | Hash(_) => Self::Failed(error.to_string()),
        }
    }
}

impl From<store::Error> for CliError {
    fn from(error: store::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

impl From<io::Error> for CliError {
    fn from(error: io::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// One cell of a printed table: what would spoil the line becomes a space.
fn cell(text: &str) -> String {
    text.chars().map(|c| if spoils_a_line(c) { ' ' } else { c }).collect()
}
