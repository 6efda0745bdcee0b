//! Probes: the remote checkers, one for each region.

use sqlx::AssertSqlSafe;
use sqlx::types::Json;

use super::{Conn, Result, on, run};
use crate::clock::Timestamp;
use crate::region::{Probe, Seen};

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    name: String,
    region: String,
    enabled: bool,
    created_at: Timestamp,
    last_contact_at: Option<Timestamp>,
    seen: Option<Json<Seen>>,
    lost_at: Option<Timestamp>,
    lost_told: Option<Json<Vec<i64>>>,
}

impl From<Row> for Probe {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            name: row.name,
            region: row.region,
            enabled: row.enabled,
            created_at: row.created_at,
            last_contact_at: row.last_contact_at,
            seen: row.seen.map(|json| json.0),
            lost_at: row.lost_at,
            lost_told: row.lost_told.map(|json| json.0).unwrap_or_default(),
        }
    }
}

const COLUMNS: &str = "SELECT id, name, region, enabled, created_at, last_contact_at, seen, lost_at, lost_told FROM probes";

/// Adds a probe and gives its number.
///
/// # Errors
/// [`Error::Unique`](super::Error::Unique) when the region has one.
pub async fn insert(
    conn: &mut Conn<'_>,
    name: &str,
    region: &str,
    token_hash: &[u8],
    now: Timestamp,
) -> Result<i64> {
    on!(conn, c => sqlx::query_scalar(
        "INSERT INTO probes (name, region, token_hash, enabled, created_at)
         VALUES ($1, $2, $3, $4, $5) RETURNING id")
        .bind(name).bind(region).bind(token_hash).bind(true).bind(now).fetch_one(c).await)
}

/// One probe.
pub async fn get(conn: &mut Conn<'_>, id: i64) -> Result<Option<Probe>> {
    let sql = format!("{COLUMNS} WHERE id = $1");
    let row: Option<Row> =
        on!(conn, c => sqlx::query_as(AssertSqlSafe(sql)).bind(id).fetch_optional(c).await)?;
    Ok(row.map(Probe::from))
}

/// The probe with a token's hash.
pub async fn find(conn: &mut Conn<'_>, token_hash: &[u8]) -> Result<Option<Probe>> {
    let sql = format!("{COLUMNS} WHERE token_hash = $1");
    let row: Option<Row> = on!(conn, c => sqlx::query_as(AssertSqlSafe(sql)).bind(token_hash)
        .fetch_optional(c).await)?;
    Ok(row.map(Probe::from))
}

/// One page of the probes, in the order they were made.
pub async fn list(conn: &mut Conn<'_>, limit: i64, offset: i64) -> Result<Vec<Probe>> {
    let sql = format!("{COLUMNS} ORDER BY id LIMIT $1 OFFSET $2");
    let rows: Vec<Row> = on!(conn, c => sqlx::query_as(AssertSqlSafe(sql)).bind(limit).bind(offset)
        .fetch_all(c).await)?;
    Ok(rows.into_iter().map(Probe::from).collect())
}

/// How many probes there are.
pub async fn count(conn: &mut Conn<'_>) -> Result<i64> {
    on!(conn, c => sqlx::query_scalar("SELECT COUNT(*) FROM probes").fetch_one(c).await)
}

/// The regions of all probes.
pub async fn regions(conn: &mut Conn<'_>) -> Result<Vec<String>> {
    on!(conn, c => sqlx::query_scalar("SELECT region FROM probes ORDER BY id").fetch_all(c).await)
}

/// Sets a probe's name and whether it may work.
pub async fn update(conn: &mut Conn<'_>, id: i64, name: &str, enabled: bool) -> Result<()> {
    run!(
        conn,
        sqlx::query("UPDATE probes SET name = $2, enabled = $3 WHERE id = $1")
            .bind(id)
            .bind(name)
            .bind(enabled)
    )?;
    Ok(())
}

/// Gives a probe another token.
pub async fn set_token(conn: &mut Conn<'_>, id: i64, token_hash: &[u8]) -> Result<()> {
    run!(
        conn,
        sqlx::query("UPDATE probes SET token_hash = $2 WHERE id = $1").bind(id).bind(token_hash)
    )?;
    Ok(())
}

/// Removes a probe.
pub async fn delete(conn: &mut Conn<'_>, id: i64) -> Result<()> {
    run!(conn, sqlx::query("DELETE FROM probes WHERE id = $1").bind(id))?;
    Ok(())
}

/// Notes when a probe was last heard of and what it said of itself.
pub async fn set_seen(conn: &mut Conn<'_>, id: i64, at: Timestamp, seen: &Seen) -> Result<()> {
    run!(
        conn,
        sqlx::query("UPDATE probes SET last_contact_at = $2, seen = $3 WHERE id = $1")
            .bind(id)
            .bind(at)
            .bind(Json(seen))
    )?;
    Ok(())
}

/// Notes that a probe is lost, and who was told; or that it is not.
pub async fn set_lost(
    conn: &mut Conn<'_>,
    id: i64,
    lost: Option<(Timestamp, &[i64])>,
) -> Result<()> {
    let (at, told) = lost.unzip();
    run!(
        conn,
        sqlx::query("UPDATE probes SET lost_at = $2, lost_told = $3 WHERE id = $1")
            .bind(id)
            .bind(at)
            .bind(told.map(Json))
    )?;
    Ok(())
}
