//! People who may sign in.

use super::{Conn, Result, on, run};
use crate::account::Role;
use crate::account::user::User;
use crate::clock::Timestamp;

type Row = (i64, String, Role, Timestamp);

fn user((id, email, role, created_at): Row) -> User {
    User { id, email, role, created_at }
}

/// Adds a user and gives its number; [`super::Error::Unique`] when the folded address is taken.
pub async fn insert(
    conn: &mut Conn<'_>,
    email: &str,
    email_folded: &str,
    password_hash: &str,
    role: Role,
    now: Timestamp,
) -> Result<i64> {
    on!(conn, c => sqlx::query_scalar(
        "INSERT INTO users (email, email_folded, password_hash, role, created_at)
         VALUES ($1, $2, $3, $4, $5) RETURNING id")
        .bind(email).bind(email_folded).bind(password_hash).bind(role).bind(now)
        .fetch_one(c).await)
}

/// One user.
pub async fn get(conn: &mut Conn<'_>, id: i64) -> Result<Option<User>> {
    let row: Option<Row> = on!(conn, c => sqlx::query_as(
        "SELECT id, email, role, created_at FROM users WHERE id = $1")
        .bind(id).fetch_optional(c).await)?;
    Ok(row.map(user))
}

/// The user with a folded address.
pub async fn find(conn: &mut Conn<'_>, email_folded: &str) -> Result<Option<User>> {
    let row: Option<Row> = on!(conn, c => sqlx::query_as(
        "SELECT id, email, role, created_at FROM users WHERE email_folded = $1")
        .bind(email_folded).fetch_optional(c).await)?;
    Ok(row.map(user))
}

/// The number and password hash of the user with a folded address.
pub async fn find_for_login(
    conn: &mut Conn<'_>,
    email_folded: &str,
) -> Result<Option<(i64, String)>> {
    on!(conn, c => sqlx::query_as("SELECT id, password_hash FROM users WHERE email_folded = $1")
        .bind(email_folded).fetch_optional(c).await)
}

/// The password hash of a user.
pub async fn password_hash(conn: &mut Conn<'_>, id: i64) -> Result<Option<String>> {
    on!(conn, c => sqlx::query_scalar("SELECT password_hash FROM users WHERE id = $1")
        .bind(id).fetch_optional(c).await)
}

/// Sets the address; [`super::Error::Unique`] when the folded one is taken. False when there is no such user.
pub async fn set_email(
    conn: &mut Conn<'_>,
    id: i64,
    email: &str,
    email_folded: &str,
) -> Result<bool> {
    let changed = run!(
        conn,
        sqlx::query("UPDATE users SET email = $2, email_folded = $3 WHERE id = $1")
            .bind(id)
            .bind(email)
            .bind(email_folded)
    )?;
    Ok(changed > 0)
}

/// One page of the users, in the order they were made.
pub async fn list(conn: &mut Conn<'_>, limit: i64, offset: i64) -> Result<Vec<User>> {
    let rows: Vec<Row> = on!(conn, c => sqlx::query_as(
        "SELECT id, email, role, created_at FROM users ORDER BY id LIMIT $1 OFFSET $2")
        .bind(limit).bind(offset).fetch_all(c).await)?;
    Ok(rows.into_iter().map(user).collect())
}

/// How many users there are.
pub async fn count(conn: &mut Conn<'_>) -> Result<i64> {
    on!(conn, c => sqlx::query_scalar("SELECT COUNT(*) FROM users").fetch_one(c).await)
}

/// Whether there is any user.
pub async fn any(conn: &mut Conn<'_>) -> Result<bool> {
    Ok(count(conn).await? > 0)
}

/// Counts the admins and, on PostgreSQL, keeps other transactions from changing them until this one ends: the update
/// changes nothing but takes the locks of the rows. On SQLite a transaction that writes is alone anyway.
pub async fn lock_admins(conn: &mut Conn<'_>) -> Result<u64> {
    run!(conn, sqlx::query("UPDATE users SET role = role WHERE role = $1").bind(Role::Admin))
}

/// Sets the password hash; false when there is no such user.
pub async fn set_password(conn: &mut Conn<'_>, id: i64, password_hash: &str) -> Result<bool> {
    let changed = run!(
        conn,
        sqlx::query("UPDATE users SET password_hash = $2 WHERE id = $1")
            .bind(id)
            .bind(password_hash)
    )?;
    Ok(changed > 0)
}

/// Sets the role.
pub async fn set_role(conn: &mut Conn<'_>, id: i64, role: Role) -> Result<()> {
    run!(conn, sqlx::query("UPDATE users SET role = $2 WHERE id = $1").bind(id).bind(role))?;
    Ok(())
}

/// Removes a user; its sessions go with it.
pub async fn remove(conn: &mut Conn<'_>, id: i64) -> Result<()> {
    run!(conn, sqlx::query("DELETE FROM users WHERE id = $1").bind(id))?;
    Ok(())
}
