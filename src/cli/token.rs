//! `watchbell token`: make, list and revoke API tokens.

use std::io::Write;

use clap::{Args, Subcommand};

use super::{CliError, cell};
use crate::account::Role;
use crate::account::api_token::{self, ApiToken};
use crate::clock::SharedClock;
use crate::store::{Db, api_tokens};

/// The arguments of `watchbell token`.
#[derive(Debug, Args)]
pub struct TokenArgs {
    /// What to do.
    #[command(subcommand)]
    pub command: TokenCommand,
}

/// What `watchbell token` can do.
#[derive(Debug, Subcommand)]
pub enum TokenCommand {
    /// Make a token and print it, alone, on stdout; it is never shown again.
    Create {
        /// What to call it.
        name: String,
        /// What it may do: viewer, editor or admin.
        #[arg(long, default_value = "viewer")]
        role: Role,
    },
    /// List the tokens, without their secrets.
    List,
    /// Revoke a token; whoever uses it is refused from then on.
    Revoke {
        /// Its number, as `token list` shows it.
        id: i64,
    },
}

/// Runs `watchbell token`, printing to `out`.
///
/// # Errors
/// [`CliError::Usage`] for a wrong name or number, else what failed.
pub async fn run(
    args: TokenArgs,
    db: &Db,
    clock: &SharedClock,
    out: &mut impl Write,
) -> Result<(), CliError> {
    match args.command {
        TokenCommand::Create { name, role } => {
            let (_, secret) = api_token::create(db, &name, role, clock.now()).await?;
            writeln!(out, "{secret}")?;
        }
        TokenCommand::List => list(db, out).await?,
        TokenCommand::Revoke { id } => {
            api_token::revoke(db, id, clock.now()).await?;
            writeln!(out, "token {id} revoked")?;
        }
    }
    Ok(())
}

async fn list(db: &Db, out: &mut impl Write) -> Result<(), CliError> {
    let all = api_tokens::list(&mut db.read().await?.conn(), i64::MAX, 0).await?;
    for token in all {
        let ApiToken { id, name, role, created_at, last_used_at } = &token;
        let used = last_used_at.map_or_else(|| "never used".to_owned(), |at| format!("used {at}"));
        writeln!(out, "{id}\t{}\t{role}\t{created_at}\t{used}", cell(name))?;
    }
    Ok(())
}
