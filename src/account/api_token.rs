//! API tokens: how programs show who they are.

use serde::Serialize;
use serde_json::Value;

use super::{Error, Principal, Result, Role, Via};
use crate::clock::Timestamp;
use crate::fields::{FieldErrors, NAME_MAX, parse_text};
use crate::seal;
use crate::store::{Db, api_tokens};

/// What every API token starts with, so that people and secret scanners recognise one.
pub const PREFIX: &str = "wbt_";

/// The time of last use is written at most this often.
const TOUCH_MS: i64 = 60 * 1000;

/// An API token, without its secret: only a hash of that is stored.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ApiToken {
    /// Its number.
    pub id: i64,
    /// What it is called.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last used, give or take a minute.
    pub last_used_at: Option<Timestamp>,
}

/// Makes a token and gives its secret, which cannot be read again.
///
/// # Errors
/// [`Error::Fields`] for a bad name; else what failed.
pub async fn create(db: &Db, name: &str, role: Role, now: Timestamp) -> Result<(ApiToken, String)> {
    let name = parse_name(name).map_err(|reason| FieldErrors::one("name", reason))?;
    let secret = seal::random_token(PREFIX);
    let mut tx = db.begin().await?;
    let hash = seal::hash_token(&secret);
    let id = api_tokens::insert(&mut tx.conn(), &name, role, &hash, now).await?;
    tx.commit().await?;
    Ok((ApiToken { id, name, role, created_at: now, last_used_at: None }, secret))
}

/// Changes a token's name or role, where given.
///
/// # Errors
/// [`Error::NotFound`]; [`Error::Fields`] for a bad name; else what failed.
pub async fn update(db: &Db, id: i64, name: &str, role: Role) -> Result<ApiToken> {
    let name = parse_name(name).map_err(|reason| FieldErrors::one("name", reason))?;
    let mut tx = db.begin().await?;
    let token = api_tokens::get(&mut tx.conn(), id).await?.ok_or_else(not_found)?;
    api_tokens::update(&mut tx.conn(), id, &name, role).await?;
    tx.commit().await?;
    Ok(ApiToken { name, role, ..token })
}

/// Revokes a token, at once and for ever.
///
/// # Errors
/// [`Error::NotFound`] when there is none, or it is revoked already; else what failed.
pub async fn revoke(db: &Db, id: i64, now: Timestamp) -> Result<()> {
    let mut tx = db.begin().await?;
    let revoked = api_tokens::revoke(&mut tx.conn(), id, now).await?;
    tx.commit().await?;
    if revoked { Ok(()) } else { Err(not_found()) }
}

/// Who a secret stands for, if it is a token's that is not revoked.
///
/// # Errors
/// When the database fails.
pub async fn principal(db: &Db, secret: &str, now: Timestamp) -> Result<Option<Principal>> {
    if !secret.starts_with(PREFIX) {
        return Ok(None);
    }
    let hash = seal::hash_token(secret);
    let mut reader = db.read().await?;
    let found = api_tokens::find(&mut reader.conn(), &hash).await?;
    drop(reader);
    let Some(token) = found else { return Ok(None) };
    if token.last_used_at.is_none_or(|at| now.since(at) >= TOUCH_MS) {
        let mut tx = db.begin().await?;
        api_tokens::touch(&mut tx.conn(), token.id, now).await?;
        tx.commit().await?;
    }
    let via = Via::Token { token_id: token.id };
    Ok(Some(Principal { name: token.name, role: token.role, via }))
}

fn parse_name(name: &str) -> std::result::Result<String, String> {
    let name = parse_text(&Value::from(name), NAME_MAX)?.trim().to_owned();
    if name.is_empty() { Err("is missing: give a name".to_owned()) } else { Ok(name) }
}

fn not_found() -> Error {
    Error::NotFound("there is no such token".to_owned())
}
