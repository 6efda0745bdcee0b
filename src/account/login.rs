//! Signing in: address, password, and not too often.

use std::net::IpAddr;
use std::sync::{Mutex, PoisonError};

use super::password::Passwords;
use super::throttle::LoginThrottle;
use super::{Error, session, user};
use crate::clock::Timestamp;
use crate::store::{self, Db, users};

/// Why somebody did not get in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The address or the password is wrong; which of them is not told.
    #[error("wrong e-mail address or password")]
    Wrong,
    /// Too many attempts.
    #[error("too many attempts; try again in {retry_after_seconds} seconds")]
    TooMany {
        /// How long to wait.
        retry_after_seconds: u32,
    },
    /// A trouble of our own.
    #[error(transparent)]
    Account(#[from] Error),
}

impl From<store::Error> for LoginError {
    fn from(error: store::Error) -> Self {
        Self::Account(error.into())
    }
}

/// The door for people: hashes passwords, and remembers in memory who tried too often.
#[derive(Default)]
pub struct Logins {
    passwords: Passwords,
    // A std Mutex, because nothing is awaited while it is held.
    throttle: Mutex<LoginThrottle>,
}

impl Logins {
    /// The hasher that this door uses.
    pub fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    /// Signs somebody in from `address` and gives the token for the session cookie.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn login(
        &self,
        db: &Db,
        address: IpAddr,
        email: &str,
        password: &str,
        now: Timestamp,
    ) -> Result<String, LoginError> {
        let email = user::fold_email(email);
        self.attempt(address, &email, now)?;
        let (id, hash) = find(db, &email).await?.unzip();
        let right = self.passwords.verify(hash, password).await?;
        let id = id.filter(|_| right).ok_or(LoginError::Wrong)?;
        self.lock().succeeded(address, &email);
        Ok(session::begin(db, id, now).await?)
    }

    fn attempt(&self, address: IpAddr, email: &str, now: Timestamp) -> Result<(), LoginError> {
        self.lock()
            .attempt(address, email, now)
            .map_err(|retry_after_seconds| LoginError::TooMany { retry_after_seconds })
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, LoginThrottle> {
        // Counts are whole after every step, so a panic elsewhere does not spoil them.
        self.throttle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The user's number and password hash. The connection is given back before the slow part, so that guessing cannot hold all.
async fn find(db: &Db, email: &str) -> store::Result<Option<(i64, String)>> {
    // PostgreSQL takes no NUL in a text, and nobody's address has one.
    if email.contains('\0') {
        return Ok(None);
    }
    users::find_for_login(&mut db.read().await?.conn(), email).await
}
