//! Who is signed in, by the hash of the cookie's token.

use super::{Conn, Result, on, run};
use crate::account::Role;
use crate::account::session::{Origin, Session};
use crate::account::user::User;
use crate::clock::Timestamp;

type Row = (i64, Timestamp, Timestamp, String, Role, Timestamp);

/// Adds a session that begins at `now`.
pub async fn insert(
    conn: &mut Conn<'_>,
    token_hash: &[u8],
    user_id: i64,
    origin: &Origin,
    now: Timestamp,
) -> Result<()> {
    run!(
        conn,
        sqlx::query(
            "INSERT INTO sessions (token_hash, user_id, created_at, seen_at, remote_addr, user_agent)
             VALUES ($1, $2, $3, $3, $4, $5)"
        )
        .bind(token_hash)
        .bind(user_id)
        .bind(now)
        .bind(&origin.remote_addr)
        .bind(&origin.user_agent)
    )?;
    Ok(())
}

/// A session in the list of its user.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Listed {
    /// The hash of its token.
    pub token_hash: Vec<u8>,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used.
    pub seen_at: Timestamp,
    /// From where it was begun.
    pub remote_addr: String,
    /// By what.
    pub user_agent: String,
}

/// The sessions of a user, whether still valid or not, last used first.
pub async fn of_user(conn: &mut Conn<'_>, user_id: i64) -> Result<Vec<Listed>> {
    on!(conn, c => sqlx::query_as(
        "SELECT token_hash, created_at, seen_at, remote_addr, user_agent FROM sessions
         WHERE user_id = $1 ORDER BY seen_at DESC, token_hash")
        .bind(user_id).fetch_all(c).await)
}

/// Removes all sessions of a user but one.
pub async fn remove_others(conn: &mut Conn<'_>, user_id: i64, token_hash: &[u8]) -> Result<()> {
    run!(
        conn,
        sqlx::query("DELETE FROM sessions WHERE user_id = $1 AND token_hash <> $2")
            .bind(user_id)
            .bind(token_hash)
    )?;
    Ok(())
}

/// The session with a token's hash, whether still valid or not, and its user.
pub async fn find(conn: &mut Conn<'_>, token_hash: &[u8]) -> Result<Option<(Session, User)>> {
    let row: Option<Row> = on!(conn, c => sqlx::query_as(
        "SELECT s.user_id, s.created_at, s.seen_at, u.email, u.role, u.created_at
         FROM sessions s JOIN users u ON u.id = s.user_id WHERE s.token_hash = $1")
        .bind(token_hash).fetch_optional(c).await)?;
    Ok(row.map(|(user_id, created_at, seen_at, email, role, user_created_at)| {
        (
            Session { user_id, created_at, seen_at },
            User { id: user_id, email, role, created_at: user_created_at },
        )
    }))
}

/// Notes that a session was used.
pub async fn touch(conn: &mut Conn<'_>, token_hash: &[u8], now: Timestamp) -> Result<()> {
    run!(
        conn,
        sqlx::query("UPDATE sessions SET seen_at = $2 WHERE token_hash = $1")
            .bind(token_hash)
            .bind(now)
    )?;
    Ok(())
}

/// Removes one session.
pub async fn remove(conn: &mut Conn<'_>, token_hash: &[u8]) -> Result<()> {
    run!(conn, sqlx::query("DELETE FROM sessions WHERE token_hash = $1").bind(token_hash))?;
    Ok(())
}

/// Removes all sessions of a user.
pub async fn remove_of_user(conn: &mut Conn<'_>, user_id: i64) -> Result<()> {
    run!(conn, sqlx::query("DELETE FROM sessions WHERE user_id = $1").bind(user_id))?;
    Ok(())
}

/// Removes the sessions that were last used up to `seen_until` or began up to `created_until`.
pub async fn remove_expired(
    conn: &mut Conn<'_>,
    seen_until: Timestamp,
    created_until: Timestamp,
) -> Result<()> {
    run!(
        conn,
        sqlx::query("DELETE FROM sessions WHERE seen_at <= $1 OR created_at <= $2")
            .bind(seen_until)
            .bind(created_until)
    )?;
    Ok(())
}
