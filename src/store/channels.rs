//! Channels. Their configuration is sealed as a whole, as most of it is secret.

use super::{Conn, Error, Result, on, run};
use crate::clock::Timestamp;
use crate::notify::{Channel, ChannelConfig, ChannelId, ChannelSettings};
use crate::seal::Sealer;

type Row = (
    ChannelId,
    String,
    Vec<u8>,
    bool,
    bool,
    Timestamp,
    Option<Timestamp>,
    Option<String>,
    Option<Timestamp>,
);

/// One page of channels, and how many there are.
#[derive(Debug, Clone, PartialEq)]
pub struct Page {
    /// The channels of the page, by id.
    pub channels: Vec<Channel>,
    /// How many there are on all pages.
    pub total: i64,
}

/// Adds a channel and gives it back with its number.
///
/// # Errors
/// Those of the database and of sealing.
pub async fn insert(
    conn: &mut Conn<'_>,
    sealer: &Sealer,
    settings: ChannelSettings,
    now: Timestamp,
) -> Result<Channel> {
    let sealed = seal(sealer, &settings.config)?;
    let id = on!(conn, c => sqlx::query_scalar(
        "INSERT INTO channels (type, name, sealed_config, enabled, is_default, created_at)
         VALUES ($1, $2, $3, $4, $5, $6) RETURNING id")
        .bind(settings.config.kind()).bind(&settings.name).bind(&sealed)
        .bind(settings.enabled).bind(settings.is_default).bind(now).fetch_one(c).await)?;
    Ok(Channel {
        id,
        settings,
        created_at: now,
        last_delivery_at: None,
        last_error: None,
        failed_at: None,
    })
}

/// Writes the settings of a channel. Whether there is such a channel.
///
/// # Errors
/// Those of the database and of sealing.
pub async fn update(
    conn: &mut Conn<'_>,
    sealer: &Sealer,
    id: ChannelId,
    settings: &ChannelSettings,
) -> Result<bool> {
    let sealed = seal(sealer, &settings.config)?;
    let changed = run!(
        conn,
        sqlx::query(
            "UPDATE channels SET name = $2, sealed_config = $3, enabled = $4, is_default = $5
             WHERE id = $1"
        )
        .bind(id)
        .bind(&settings.name)
        .bind(&sealed)
        .bind(settings.enabled)
        .bind(settings.is_default)
    )?;
    Ok(changed > 0)
}

/// Removes a channel and its deliveries. Whether there was one.
pub async fn delete(conn: &mut Conn<'_>, id: ChannelId) -> Result<bool> {
    Ok(run!(conn, sqlx::query("DELETE FROM channels WHERE id = $1").bind(id))? > 0)
}

/// Reads a channel.
///
/// # Errors
/// Those of the database; [`Error::Seal`] when the key is not the one that sealed it.
pub async fn get(conn: &mut Conn<'_>, sealer: &Sealer, id: ChannelId) -> Result<Option<Channel>> {
    let row: Option<Row> = on!(conn, c => sqlx::query_as(
        "SELECT id, name, sealed_config, enabled, is_default, created_at, last_delivery_at, last_error, failed_at
         FROM channels WHERE id = $1").bind(id).fetch_optional(c).await)?;
    row.map(|row| opened(sealer, row)).transpose()
}

/// Reads up to `limit` channels by id, after leaving out `offset`.
///
/// # Errors
/// Those of the database; [`Error::Seal`] when the key is not the one that sealed them.
pub async fn list(conn: &mut Conn<'_>, sealer: &Sealer, limit: i64, offset: i64) -> Result<Page> {
    let rows: Vec<Row> = on!(conn, c => sqlx::query_as(
        "SELECT id, name, sealed_config, enabled, is_default, created_at, last_delivery_at, last_error, failed_at
         FROM channels ORDER BY id LIMIT $1 OFFSET $2").bind(limit).bind(offset).fetch_all(c).await)?;
    let total = on!(conn, c => sqlx::query_scalar("SELECT COUNT(*) FROM channels")
        .fetch_one(c).await)?;
    let channels = rows.into_iter().map(|row| opened(sealer, row)).collect::<Result<_>>()?;
    Ok(Page { channels, total })
}

/// The enabled channels that monitors without a choice of their own use, by id.
pub async fn defaults(conn: &mut Conn<'_>) -> Result<Vec<ChannelId>> {
    on!(conn, c => sqlx::query_scalar(
        "SELECT id FROM channels WHERE is_default AND enabled ORDER BY id").fetch_all(c).await)
}

/// The enabled channels with their names, by id: what a plan may choose from.
pub async fn enabled_names(conn: &mut Conn<'_>) -> Result<Vec<(ChannelId, String)>> {
    on!(conn, c => sqlx::query_as("SELECT id, name FROM channels WHERE enabled ORDER BY id")
        .fetch_all(c).await)
}

/// The name of a channel.
pub async fn name(conn: &mut Conn<'_>, id: ChannelId) -> Result<Option<String>> {
    on!(conn, c => sqlx::query_scalar("SELECT name FROM channels WHERE id = $1")
        .bind(id).fetch_optional(c).await)
}

/// Notes that an alert arrived: whatever was wrong is over.
pub async fn note_delivered(conn: &mut Conn<'_>, id: ChannelId, at: Timestamp) -> Result<()> {
    run!(
        conn,
        sqlx::query(
            "UPDATE channels SET last_delivery_at = $2, last_error = NULL, failed_at = NULL
             WHERE id = $1"
        )
        .bind(id)
        .bind(at)
    )?;
    Ok(())
}

/// Notes what went wrong with an attempt that will be repeated.
pub async fn note_error(conn: &mut Conn<'_>, id: ChannelId, error: &str) -> Result<()> {
    run!(
        conn,
        sqlx::query("UPDATE channels SET last_error = $2 WHERE id = $1").bind(id).bind(error)
    )?;
    Ok(())
}

/// Marks a channel as one that alerts do not reach. Gives the moment since when it is so marked, `None` if it is gone.
pub async fn note_failed(
    conn: &mut Conn<'_>,
    id: ChannelId,
    at: Timestamp,
    error: &str,
) -> Result<Option<Timestamp>> {
    on!(conn, c => sqlx::query_scalar(
        "UPDATE channels SET last_error = $3, failed_at = COALESCE(failed_at, $2) WHERE id = $1
         RETURNING failed_at").bind(id).bind(at).bind(error).fetch_optional(c).await)
}

fn seal(sealer: &Sealer, config: &ChannelConfig) -> Result<Vec<u8>> {
    let plain = serde_json::to_vec(config).map_err(|error| Error::Seal(error.to_string()))?;
    Ok(sealer.seal(&plain)?)
}

fn opened(sealer: &Sealer, row: Row) -> Result<Channel> {
    let (
        id,
        name,
        sealed,
        enabled,
        is_default,
        created_at,
        last_delivery_at,
        last_error,
        failed_at,
    ) = row;
    let config = serde_json::from_slice(&sealer.open(&sealed)?)
        .map_err(|error| Error::Seal(format!("channel {id} cannot be read: {error}")))?;
    let settings = ChannelSettings { name, config, enabled, is_default };
    Ok(Channel { id, settings, created_at, last_delivery_at, last_error, failed_at })
}

/// The enabled channels: number, and whether a default one.
pub async fn enabled(conn: &mut Conn<'_>) -> Result<Vec<(ChannelId, bool)>> {
    on!(conn, c => sqlx::query_as("SELECT id, is_default FROM channels WHERE enabled ORDER BY id")
        .fetch_all(c).await)
}

/// The numbers of all channels.
pub async fn all_ids(conn: &mut Conn<'_>) -> Result<Vec<ChannelId>> {
    on!(conn, c => sqlx::query_scalar("SELECT id FROM channels ORDER BY id").fetch_all(c).await)
}

/// The numbers among `ids` that are channels.
pub async fn existing(conn: &mut Conn<'_>, ids: &[ChannelId]) -> Result<Vec<ChannelId>> {
    let all = all_ids(conn).await?;
    Ok(all.into_iter().filter(|id| ids.contains(id)).collect())
}
