//! Users: people who sign in with an e-mail address and a password.

use serde::Serialize;

use super::password::{self, Passwords};
use super::{Error, Result, Role};
use crate::clock::Timestamp;
use crate::fields::FieldErrors;
use crate::store::{self, Conn, Db, users};

/// A person who may sign in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct User {
    /// Its number.
    pub id: i64,
    /// The e-mail address, as it was written.
    pub email: String,
    /// What it may do.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
}

/// The longest e-mail address (RFC 5321, section 4.5.3.1: 64 + 1 + 255).
const EMAIL_MAX: usize = 320;

/// Reads an e-mail address, without the space around it.
///
/// # Errors
/// The reason, with the fix.
pub fn parse_email(text: &str) -> std::result::Result<String, String> {
    let text = text.trim();
    if text.is_empty() {
        return Err("is missing: give an e-mail address".to_owned());
    }
    // What the mailer takes is what can be written to.
    let parsed = text.parse::<lettre::Address>();
    if text.len() > EMAIL_MAX || text.chars().any(char::is_control) || parsed.is_err() {
        return Err("is not an e-mail address, such as name@example.com".to_owned());
    }
    Ok(text.to_owned())
}

/// An e-mail address as it is compared: case does not matter.
pub fn fold_email(email: &str) -> String {
    email.trim().to_lowercase()
}

/// Makes a user.
///
/// # Errors
/// [`Error::Fields`] for a wrong or taken address or a bad password; else what failed.
pub async fn create(
    db: &Db,
    passwords: &Passwords,
    email: &str,
    password: &str,
    role: Role,
    now: Timestamp,
) -> Result<User> {
    let (email, hash) = prepare(passwords, email, password).await?;
    let mut tx = db.begin().await?;
    let user = insert(&mut tx.conn(), email, &hash, role, now).await?;
    tx.commit().await?;
    Ok(user)
}

/// Checks an address and a password and hashes the latter, before any transaction is opened.
pub(super) async fn prepare(
    passwords: &Passwords,
    email: &str,
    password: &str,
) -> Result<(String, String)> {
    let mut errors = FieldErrors::default();
    let email = parse_email(email).unwrap_or_else(|reason| {
        errors.add("email", reason);
        String::new()
    });
    if let Err(reason) = password::check(password) {
        errors.add("password", reason);
    }
    if !errors.is_empty() {
        return Err(errors.into());
    }
    Ok((email, passwords.hash(password).await?))
}

/// Inserts a prepared user.
pub(super) async fn insert(
    conn: &mut Conn<'_>,
    email: String,
    hash: &str,
    role: Role,
    now: Timestamp,
) -> Result<User> {
    match users::insert(conn, &email, &fold_email(&email), hash, role, now).await {
        Ok(id) => Ok(User { id, email, role, created_at: now }),
        Err(store::Error::Unique) => {
            Err(FieldErrors::one("email", "is in use by another user").into())
        }
        Err(other) => Err(other.into()),
    }
}

/// Sets a password and ends every session of the user.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Fields`] for a bad password; else what failed.
pub async fn set_password(
    db: &Db,
    passwords: &Passwords,
    user_id: i64,
    password: &str,
) -> Result<()> {
    password::check(password).map_err(|reason| FieldErrors::one("password", reason))?;
    let hash = passwords.hash(password).await?;
    let mut tx = db.begin().await?;
    if !users::set_password(&mut tx.conn(), user_id, &hash).await? {
        return Err(not_found());
    }
    store::sessions::remove_of_user(&mut tx.conn(), user_id).await?;
    tx.commit().await?;
    Ok(())
}

/// Gives a user another address to sign in with, and ends every session of the user.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Fields`] for a wrong or taken address.
pub async fn set_email(db: &Db, user_id: i64, email: &str) -> Result<()> {
    let email = parse_email(email).map_err(|reason| FieldErrors::one("email", reason))?;
    let mut tx = db.begin().await?;
    match users::set_email(&mut tx.conn(), user_id, &email, &fold_email(&email)).await {
        Ok(true) => {}
        Ok(false) => return Err(not_found()),
        Err(store::Error::Unique) => {
            return Err(FieldErrors::one("email", "is in use by another user").into());
        }
        Err(other) => return Err(other.into()),
    }
    store::sessions::remove_of_user(&mut tx.conn(), user_id).await?;
    tx.commit().await?;
    Ok(())
}

/// Gives a user another role.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Conflict`] when nobody would be left who is admin.
pub async fn set_role(db: &Db, user_id: i64, role: Role) -> Result<User> {
    let mut tx = db.begin().await?;
    let user = keep_an_admin(&mut tx.conn(), user_id, role == Role::Admin).await?;
    users::set_role(&mut tx.conn(), user_id, role).await?;
    tx.commit().await?;
    Ok(User { role, ..user })
}

/// Removes a user with its sessions.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Conflict`] when nobody would be left who is admin.
pub async fn remove(db: &Db, user_id: i64) -> Result<()> {
    let mut tx = db.begin().await?;
    keep_an_admin(&mut tx.conn(), user_id, false).await?;
    users::remove(&mut tx.conn(), user_id).await?;
    tx.commit().await?;
    Ok(())
}

async fn keep_an_admin(conn: &mut Conn<'_>, user_id: i64, stays_admin: bool) -> Result<User> {
    let admins = users::lock_admins(conn).await?;
    let user = users::get(conn, user_id).await?.ok_or_else(not_found)?;
    if user.role == Role::Admin && !stays_admin && admins <= 1 {
        return Err(Error::Conflict(
            "this is the last admin; make another user admin first".to_owned(),
        ));
    }
    Ok(user)
}

fn not_found() -> Error {
    Error::NotFound("there is no such user".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_addresses_that_mail_can_go_to() {
        for good in ["a@example.com", " A.b+c@Example.co.uk ", "root@localhost", "ü@example.com"] {
            assert!(parse_email(good).is_ok(), "{good}");
        }
        for bad in ["", "a", "@example.com", "a@", "a b@example.com", "a@exa mple.com", "a\0@b.c"] {
            assert!(parse_email(bad).is_err(), "{bad:?}");
        }
        assert!(parse_email(&format!("a@{}.com", "x".repeat(400))).is_err());
        assert_eq!(fold_email(" Änne@Example.COM "), "änne@example.com");
    }
}
