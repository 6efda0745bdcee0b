//! Second factors of users and their recovery codes.

use super::{Conn, Result, on, run};
use crate::clock::Timestamp;

/// A second factor as it is stored.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct SecondFactor {
    /// The sealed secret.
    pub sealed_secret: Vec<u8>,
    /// Since when it counts; `None` while the user has not shown a code of it.
    pub confirmed_at: Option<Timestamp>,
    /// The step of the last code that was taken.
    pub last_step: i64,
}

/// The second factor of a user.
pub async fn get(conn: &mut Conn<'_>, user_id: i64) -> Result<Option<SecondFactor>> {
    on!(conn, c => sqlx::query_as(
        "SELECT sealed_secret, confirmed_at, last_step FROM second_factors WHERE user_id = $1")
        .bind(user_id).fetch_optional(c).await)
}

/// The users whose second factor counts.
pub async fn users(conn: &mut Conn<'_>) -> Result<Vec<i64>> {
    on!(conn, c => sqlx::query_scalar(
        "SELECT user_id FROM second_factors WHERE confirmed_at IS NOT NULL").fetch_all(c).await)
}

/// Puts down a secret that does not count yet, in the place of another that does not. Whether it did.
pub async fn put(conn: &mut Conn<'_>, user_id: i64, sealed_secret: &[u8]) -> Result<bool> {
    let changed = run!(
        conn,
        sqlx::query(
            "INSERT INTO second_factors (user_id, sealed_secret, last_step) VALUES ($1, $2, 0)
             ON CONFLICT (user_id) DO UPDATE SET sealed_secret = excluded.sealed_secret
             WHERE second_factors.confirmed_at IS NULL"
        )
        .bind(user_id)
        .bind(sealed_secret)
    )?;
    Ok(changed > 0)
}

/// Lets a second factor count. Whether it did not before.
pub async fn confirm(conn: &mut Conn<'_>, user_id: i64, now: Timestamp) -> Result<bool> {
    let changed = run!(
        conn,
        sqlx::query(
            "UPDATE second_factors SET confirmed_at = $2
             WHERE user_id = $1 AND confirmed_at IS NULL"
        )
        .bind(user_id)
        .bind(now)
    )?;
    Ok(changed > 0)
}

/// Notes that the code of a step was taken. False when it, or a later one, was before.
pub async fn take_step(conn: &mut Conn<'_>, user_id: i64, step: i64) -> Result<bool> {
    let changed = run!(
        conn,
        sqlx::query(
            "UPDATE second_factors SET last_step = $2 WHERE user_id = $1 AND last_step < $2"
        )
        .bind(user_id)
        .bind(step)
    )?;
    Ok(changed > 0)
}

/// Removes the second factor of a user with its recovery codes. Whether there was one.
pub async fn remove(conn: &mut Conn<'_>, user_id: i64) -> Result<bool> {
    run!(conn, sqlx::query("DELETE FROM recovery_codes WHERE user_id = $1").bind(user_id))?;
    let removed =
        run!(conn, sqlx::query("DELETE FROM second_factors WHERE user_id = $1").bind(user_id))?;
    Ok(removed > 0)
}

/// Gives a user other recovery codes, by their hashes.
pub async fn set_recovery_codes(
    conn: &mut Conn<'_>,
    user_id: i64,
    hashes: &[[u8; 32]],
) -> Result<()> {
    run!(conn, sqlx::query("DELETE FROM recovery_codes WHERE user_id = $1").bind(user_id))?;
    for hash in hashes {
        run!(
            conn,
            sqlx::query("INSERT INTO recovery_codes (user_id, code_hash) VALUES ($1, $2)")
                .bind(user_id)
                .bind(hash.as_slice())
        )?;
    }
    Ok(())
}

/// Uses up a recovery code. Whether there was such a one.
pub async fn take_recovery_code(
    conn: &mut Conn<'_>,
    user_id: i64,
    hash: &[u8; 32],
) -> Result<bool> {
    let removed = run!(
        conn,
        sqlx::query("DELETE FROM recovery_codes WHERE user_id = $1 AND code_hash = $2")
            .bind(user_id)
            .bind(hash.as_slice())
    )?;
    Ok(removed > 0)
}

/// How many recovery codes a user has left.
pub async fn count_recovery_codes(conn: &mut Conn<'_>, user_id: i64) -> Result<i64> {
    on!(conn, c => sqlx::query_scalar("SELECT COUNT(*) FROM recovery_codes WHERE user_id = $1")
        .bind(user_id).fetch_one(c).await)
}
