//! Who may do what: users, roles, passwords, sessions and API tokens.

pub mod api_token;
pub mod login;
pub mod password;
pub mod second_factor;
pub mod session;
pub mod setup;
pub mod throttle;
pub mod user;

use crate::fields::FieldErrors;
use crate::store;

crate::words! {
    /// What a user or a token may do; each role may all that the ones before it may.
    pub enum Role {
        /// Reads.
        Viewer = "viewer",
        /// Changes monitors, channels, windows and incidents.
        Editor = "editor",
        /// Changes users, tokens and settings too.
        Admin = "admin",
    }
}

/// What an action needs (contract, section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Permission {
    /// Look at anything but users and tokens.
    Read,
    /// Change monitors, channels, windows and incidents.
    Edit,
    /// Look at and change users, tokens and settings.
    Administer,
}

impl Role {
    /// The whole matrix of rights: whether this role may do what needs `permission`.
    pub fn may(self, permission: Permission) -> bool {
        match permission {
            Permission::Read => true,
            Permission::Edit => self >= Self::Editor,
            Permission::Administer => self == Self::Admin,
        }
    }
}

/// How a principal showed who it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Via {
    /// A person's session cookie; the user's number.
    Session {
        /// The user.
        user_id: i64,
    },
    /// An API token; the token's number.
    Token {
        /// The token.
        token_id: i64,
    },
}

/// Who is asking: a signed-in person or a program with a token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Principal {
    /// The e-mail address or the token's name, as timelines show it.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// How it showed who it is.
    pub via: Via,
}

/// Why a change of users, tokens or sessions was not made.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Fields of the request are wrong.
    #[error("{}", joined(.0))]
    Fields(FieldErrors),
    /// There is no such user or token.
    #[error("{0}")]
    NotFound(String),
    /// It would break a rule, such as leaving no admin.
    #[error("{0}")]
    Conflict(String),
    /// The database failed.
    #[error(transparent)]
    Store(#[from] store::Error),
    /// The password could not be hashed.
    #[error("hashing the password failed: {0}")]
    Hash(String),
}

impl From<FieldErrors> for Error {
    fn from(errors: FieldErrors) -> Self {
        Self::Fields(errors)
    }
}

/// The result of an account function.
pub type Result<T> = std::result::Result<T, Error>;

fn joined(errors: &FieldErrors) -> String {
    let lines: Vec<String> = errors.0.iter().map(|(name, why)| format!("{name} {why}")).collect();
    lines.join("; ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_role_may_what_the_contract_says() {
        use Permission::{Administer, Edit, Read};
        let may = |role: Role| [Read, Edit, Administer].map(|p| role.may(p));
        assert_eq!(may(Role::Viewer), [true, false, false]);
        assert_eq!(may(Role::Editor), [true, true, false]);
        assert_eq!(may(Role::Admin), [true, true, true]);
    }
}
