//! Small values that the server keeps for itself, by key.

use super::{Conn, Result, on, run};

/// Reads a value.
pub async fn get(conn: &mut Conn<'_>, key: &str) -> Result<Option<String>> {
    on!(conn, c => sqlx::query_scalar("SELECT value FROM settings WHERE key = $1")
        .bind(key).fetch_optional(c).await)
}

/// Writes a value.
pub async fn set(conn: &mut Conn<'_>, key: &str, value: &str) -> Result<()> {
    run!(
        conn,
        sqlx::query(
            "INSERT INTO settings (key, value) VALUES ($1, $2)
             ON CONFLICT (key) DO UPDATE SET value = excluded.value"
        )
        .bind(key)
        .bind(value)
    )?;
    Ok(())
}

/// Removes a value.
pub async fn remove(conn: &mut Conn<'_>, key: &str) -> Result<()> {
    run!(conn, sqlx::query("DELETE FROM settings WHERE key = $1").bind(key))?;
    Ok(())
}

/// Removes a value if it is `value`; false when it is another, or none.
pub async fn remove_exactly(conn: &mut Conn<'_>, key: &str, value: &str) -> Result<bool> {
    let removed = run!(
        conn,
        sqlx::query("DELETE FROM settings WHERE key = $1 AND value = $2").bind(key).bind(value)
    )?;
    Ok(removed > 0)
}
