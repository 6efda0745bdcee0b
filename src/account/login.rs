//! Signing in: address, password, a second factor where there is one, and not too often.

use std::net::IpAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::{Deserialize, Serialize};

use super::password::Passwords;
use super::session::Origin;
use super::throttle::{CodeThrottle, LoginThrottle};
use super::{Error, second_factor, session, user};
use crate::clock::Timestamp;
use crate::seal::{self, Sealer};
use crate::store::{self, Db, users};

/// How long the right password waits for a code.
const TICKET_MS: i64 = 5 * 60 * 1000;

/// Why somebody did not get in.
#[derive(Debug, thiserror::Error)]
pub enum LoginError {
    /// The address, the password or the code is wrong; which of the first two is not told.
    #[error("wrong e-mail address or password")]
    Wrong {
        /// How many more tries there are before a pause.
        tries_left: u32,
    },
    /// Too many attempts.
    #[error("too many attempts; try again in {retry_after_seconds} seconds")]
    TooMany {
        /// How long to wait.
        retry_after_seconds: u32,
    },
    /// The password was given too long ago, or was changed since.
    #[error("the password was given too long ago")]
    Expired,
    /// A trouble of our own.
    #[error(transparent)]
    Account(#[from] Error),
}

impl From<store::Error> for LoginError {
    fn from(error: store::Error) -> Self {
        Self::Account(error.into())
    }
}

/// What the right password opens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A session: the token for its cookie.
    In(String),
    /// The question for a code. The ticket is to be shown with it.
    CodeNeeded {
        /// Sealed: whose password was right, and until when it counts.
        ticket: String,
    },
}

#[derive(Serialize, Deserialize)]
struct Ticket {
    user_id: i64,
    until: Timestamp,
    /// A hash of the stored password hash: another password makes the ticket void.
    password: [u8; 32],
}

/// The door for people: hashes passwords, and remembers in memory who tried too often.
#[derive(Default)]
pub struct Logins {
    passwords: Passwords,
    // Std Mutexes, because nothing is awaited while one is held.
    throttle: Mutex<LoginThrottle>,
    codes: Mutex<CodeThrottle>,
}

impl Logins {
    /// The hasher that this door uses.
    pub fn passwords(&self) -> &Passwords {
        &self.passwords
    }

    /// Takes an address and a password from `address`.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn enter(
        &self,
        (db, sealer): (&Db, &Sealer),
        (address, origin): (IpAddr, &Origin),
        email: &str,
        password: &str,
        now: Timestamp,
    ) -> Result<Entry, LoginError> {
        let email = user::fold_email(email);
        let tries_left = lock(&self.throttle)
            .attempt(address, &email, now)
            .map_err(|retry_after_seconds| LoginError::TooMany { retry_after_seconds })?;
        let found = find(db, &email).await?;
        let stored = found.as_ref().map(|(_, hash)| hash.clone());
        let right = self.passwords.verify(stored, password).await?;
        let (id, hash) = found.filter(|_| right).ok_or(LoginError::Wrong { tries_left })?;
        lock(&self.throttle).succeeded(address, &email);
        if !second_factor::is_on(&mut db.read().await?.conn(), id).await? {
            return Ok(Entry::In(session::begin_from(db, id, origin, now).await?));
        }
        let until = now.plus_ms(TICKET_MS);
        let ticket = Ticket { user_id: id, until, password: seal::hash_token(&hash) };
        let sealed = serde_json::to_vec(&ticket)
            .map_err(|error| Error::Hash(error.to_string()))
            .and_then(|text| Ok(sealer.seal(&text).map_err(store::Error::from)?))?;
        Ok(Entry::CodeNeeded { ticket: URL_SAFE_NO_PAD.encode(sealed) })
    }

    /// Takes the code of whoever gave the right password before, and gives the token for the session cookie.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn show_code(
        &self,
        (db, sealer): (&Db, &Sealer),
        origin: &Origin,
        ticket: &str,
        code: &str,
        now: Timestamp,
    ) -> Result<String, LoginError> {
        let ticket = open_ticket(sealer, ticket).filter(|ticket| now < ticket.until);
        let Ticket { user_id, password, .. } = ticket.ok_or(LoginError::Expired)?;
        let stored = users::password_hash(&mut db.read().await?.conn(), user_id).await?;
        if stored.is_none_or(|hash| seal::hash_token(&hash) != password) {
            return Err(LoginError::Expired);
        }
        let tries_left = lock(&self.codes)
            .attempt(user_id, now)
            .map_err(|retry_after_seconds| LoginError::TooMany { retry_after_seconds })?;
        if !second_factor::take(db, sealer, user_id, code, now).await? {
            return Err(LoginError::Wrong { tries_left });
        }
        lock(&self.codes).succeeded(user_id);
        Ok(session::begin_from(db, user_id, origin, now).await?)
    }

    /// Whether `password` is that of a user who is signed in: asked before anything that could lock its owner out. Counts as an
    /// attempt to sign in, so that an open browser is no way to guess.
    ///
    /// # Errors
    /// See [`LoginError`].
    pub async fn confirm_password(
        &self,
        db: &Db,
        address: IpAddr,
        user_id: i64,
        password: &str,
        now: Timestamp,
    ) -> Result<(), LoginError> {
        let account = format!("user {user_id}");
        let tries_left = lock(&self.throttle)
            .attempt(address, &account, now)
            .map_err(|retry_after_seconds| LoginError::TooMany { retry_after_seconds })?;
        let stored = users::password_hash(&mut db.read().await?.conn(), user_id).await?;
        if !self.passwords.verify(stored, password).await? {
            return Err(LoginError::Wrong { tries_left });
        }
        lock(&self.throttle).succeeded(address, &account);
        Ok(())
    }
}

fn lock<T>(throttle: &Mutex<T>) -> MutexGuard<'_, T> {
    // Counts are whole after every step, so a panic elsewhere does not spoil them.
    throttle.lock().unwrap_or_else(PoisonError::into_inner)
}

fn open_ticket(sealer: &Sealer, ticket: &str) -> Option<Ticket> {
    let opened = sealer.open(&URL_SAFE_NO_PAD.decode(ticket).ok()?).ok()?;
    serde_json::from_slice(&opened).ok()
}

/// The user's number and password hash. The connection is given back before the slow part, so that guessing cannot hold all.
async fn find(db: &Db, email: &str) -> store::Result<Option<(i64, String)>> {
    // PostgreSQL takes no NUL in a text, and nobody's address has one.
    if email.contains('\0') {
        return Ok(None);
    }
    users::find_for_login(&mut db.read().await?.conn(), email).await
}
