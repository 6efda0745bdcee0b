//! The subcommands, one file each. They open the database themselves and work beside a running server.

pub mod check;
pub mod token;
pub mod user;

use std::io;

use crate::account;
use crate::store;

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

/// One cell of a printed table: what would break the line or move the cursor becomes a space.
fn cell(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
