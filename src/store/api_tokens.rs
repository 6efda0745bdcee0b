//! API tokens. A revoked one keeps its row, so that its number is not given again, but is found no more.

use super::{Conn, Result, on, run};
use crate::account::Role;
use crate::account::api_token::ApiToken;
use crate::clock::Timestamp;

type Row = (i64, String, Role, Timestamp, Option<Timestamp>);

fn token((id, name, role, created_at, last_used_at): Row) -> ApiToken {
    ApiToken { id, name, role, created_at, last_used_at }
}

/// Adds a token and gives its number.
pub async fn insert(
    conn: &mut Conn<'_>,
    name: &str,
    role: Role,
    token_hash: &[u8],
    now: Timestamp,
) -> Result<i64> {
    on!(conn, c => sqlx::query_scalar(
        "INSERT INTO api_tokens (name, role, token_hash, created_at)
         VALUES ($1, $2, $3, $4) RETURNING id")
        .bind(name).bind(role).bind(token_hash).bind(now).fetch_one(c).await)
}

/// One token.
pub async fn get(conn: &mut Conn<'_>, id: i64) -> Result<Option<ApiToken>> {
    let row: Option<Row> = on!(conn, c => sqlx::query_as(
        "SELECT id, name, role, created_at, last_used_at FROM api_tokens
         WHERE id = $1 AND revoked_at IS NULL")
        .bind(id).fetch_optional(c).await)?;
    Ok(row.map(token))
}

/// The token with a secret's hash.
pub async fn find(conn: &mut Conn<'_>, token_hash: &[u8]) -> Result<Option<ApiToken>> {
    let row: Option<Row> = on!(conn, c => sqlx::query_as(
        "SELECT id, name, role, created_at, last_used_at FROM api_tokens
         WHERE token_hash = $1 AND revoked_at IS NULL")
        .bind(token_hash).fetch_optional(c).await)?;
    Ok(row.map(token))
}

/// One page of the tokens, in the order they were made.
pub async fn list(conn: &mut Conn<'_>, limit: i64, offset: i64) -> Result<Vec<ApiToken>> {
    let rows: Vec<Row> = on!(conn, c => sqlx::query_as(
        "SELECT id, name, role, created_at, last_used_at FROM api_tokens
         WHERE revoked_at IS NULL ORDER BY id LIMIT $1 OFFSET $2")
        .bind(limit).bind(offset).fetch_all(c).await)?;
    Ok(rows.into_iter().map(token).collect())
}

/// How many tokens there are.
pub async fn count(conn: &mut Conn<'_>) -> Result<i64> {
    on!(conn, c => sqlx::query_scalar("SELECT COUNT(*) FROM api_tokens WHERE revoked_at IS NULL")
        .fetch_one(c).await)
}

/// Sets name and role.
pub async fn update(conn: &mut Conn<'_>, id: i64, name: &str, role: Role) -> Result<()> {
    run!(
        conn,
        sqlx::query("UPDATE api_tokens SET name = $2, role = $3 WHERE id = $1")
            .bind(id)
            .bind(name)
            .bind(role)
    )?;
    Ok(())
}

/// Notes that a token was used.
pub async fn touch(conn: &mut Conn<'_>, id: i64, now: Timestamp) -> Result<()> {
    run!(
        conn,
        sqlx::query("UPDATE api_tokens SET last_used_at = $2 WHERE id = $1").bind(id).bind(now)
    )?;
    Ok(())
}

/// Revokes a token; false when there is none that could be.
pub async fn revoke(conn: &mut Conn<'_>, id: i64, now: Timestamp) -> Result<bool> {
    let changed = run!(
        conn,
        sqlx::query("UPDATE api_tokens SET revoked_at = $2 WHERE id = $1 AND revoked_at IS NULL")
            .bind(id)
            .bind(now)
    )?;
    Ok(changed > 0)
}
