//! The first user: whoever holds the one-time link that the server printed, and nobody else.

use super::password::Passwords;
use super::user::{self, User};
use super::{Error, Result, Role};
use crate::clock::Timestamp;
use crate::seal;
use crate::store::{Db, settings, users};

/// Where the hash of the link's token is kept.
const KEY: &str = "setup_token_hash";

/// Makes the token of the set-up link anew, if there is no user yet; older links stop working.
///
/// # Errors
/// When the database fails.
pub async fn issue(db: &Db) -> Result<Option<String>> {
    let mut tx = db.begin().await?;
    if users::any(&mut tx.conn()).await? {
        settings::remove(&mut tx.conn(), KEY).await?;
        tx.commit().await?;
        return Ok(None);
    }
    let token = seal::random_token("");
    settings::set(&mut tx.conn(), KEY, &stored(&token)).await?;
    tx.commit().await?;
    Ok(Some(token))
}

/// The link that a person opens to claim a new server at `base_url`.
pub fn link(base_url: &str, token: &str) -> String {
    format!("{}/setup?token={token}", base_url.trim_end_matches('/'))
}

/// Whether `token` is that of the current link, and there is no user yet.
///
/// # Errors
/// When the database fails.
pub async fn is_valid(db: &Db, token: &str) -> Result<bool> {
    let mut reader = db.read().await?;
    if users::any(&mut reader.conn()).await? {
        return Ok(false);
    }
    // Hashes are compared, so the time that it takes says nothing of the token.
    Ok(settings::get(&mut reader.conn(), KEY).await?.is_some_and(|hash| hash == stored(token)))
}

/// Makes the first user, an admin. The link is used up.
///
/// # Errors
/// [`Error::Conflict`] when the link is not, or no longer, valid; [`Error::Fields`] for a wrong address or password.
pub async fn claim(
    db: &Db,
    passwords: &Passwords,
    token: &str,
    email: &str,
    password: &str,
    now: Timestamp,
) -> Result<User> {
    if !is_valid(db, token).await? {
        return Err(used_up());
    }
    let (email, hash) = user::prepare(passwords, email, password).await?;
    let mut tx = db.begin().await?;
    // Removing the token decides who was first: of several only one finds it.
    let removed = settings::remove_exactly(&mut tx.conn(), KEY, &stored(token)).await?;
    if !removed || users::any(&mut tx.conn()).await? {
        return Err(used_up());
    }
    let user = user::insert(&mut tx.conn(), email, &hash, Role::Admin, now).await?;
    tx.commit().await?;
    Ok(user)
}

fn stored(token: &str) -> String {
    seal::hash_token(token).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn used_up() -> Error {
    Error::Conflict(
        "this set-up link is no longer valid; the server prints a new one when it starts"
            .to_owned(),
    )
}
