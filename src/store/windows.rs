//! Maintenance windows.

use sqlx::types::Json;

use super::{Conn, Result, on, run};
use crate::clock::Timestamp;
use crate::incident::maintenance::MaintenanceWindow;

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    name: String,
    monitor_ids: Json<Vec<i64>>,
    tags: Json<Vec<String>>,
    starts_at: Timestamp,
    ends_at: Timestamp,
}

impl From<Row> for MaintenanceWindow {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            name: row.name,
            monitor_ids: row.monitor_ids.0,
            tags: row.tags.0,
            starts_at: row.starts_at,
            ends_at: row.ends_at,
        }
    }
}

/// Adds a window; its `id` is ignored, the new one is given back.
pub async fn insert(conn: &mut Conn<'_>, window: &MaintenanceWindow) -> Result<i64> {
    on!(conn, c => sqlx::query_scalar(
        "INSERT INTO maintenance_windows (name, monitor_ids, tags, starts_at, ends_at)
         VALUES ($1, $2, $3, $4, $5) RETURNING id")
        .bind(&window.name).bind(Json(&window.monitor_ids)).bind(Json(&window.tags))
        .bind(window.starts_at).bind(window.ends_at).fetch_one(c).await)
}

/// Writes a window anew.
pub async fn update(conn: &mut Conn<'_>, window: &MaintenanceWindow) -> Result<()> {
    run!(
        conn,
        sqlx::query(
            "UPDATE maintenance_windows SET name = $2, monitor_ids = $3, tags = $4, starts_at = $5, ends_at = $6
             WHERE id = $1"
        )
        .bind(window.id)
        .bind(&window.name)
        .bind(Json(&window.monitor_ids))
        .bind(Json(&window.tags))
        .bind(window.starts_at)
        .bind(window.ends_at)
    )?;
    Ok(())
}

/// Removes a window; gives whether it was there.
pub async fn delete(conn: &mut Conn<'_>, id: i64) -> Result<bool> {
    Ok(run!(conn, sqlx::query("DELETE FROM maintenance_windows WHERE id = $1").bind(id))? > 0)
}

/// One window.
pub async fn get(conn: &mut Conn<'_>, id: i64) -> Result<Option<MaintenanceWindow>> {
    let row: Option<Row> = on!(conn, c => sqlx::query_as("SELECT * FROM maintenance_windows WHERE id = $1")
        .bind(id).fetch_optional(c).await)?;
    Ok(row.map(MaintenanceWindow::from))
}

/// The windows that end after `since`: with `now`, those that are open or still to come.
pub async fn ending_after(conn: &mut Conn<'_>, since: Timestamp) -> Result<Vec<MaintenanceWindow>> {
    let rows: Vec<Row> = on!(conn, c => sqlx::query_as(
        "SELECT * FROM maintenance_windows WHERE ends_at > $1 ORDER BY starts_at, id")
        .bind(since).fetch_all(c).await)?;
    Ok(rows.into_iter().map(MaintenanceWindow::from).collect())
}

/// One page of all windows, the latest start first.
pub async fn list(conn: &mut Conn<'_>, limit: i64, offset: i64) -> Result<Vec<MaintenanceWindow>> {
    let rows: Vec<Row> = on!(conn, c => sqlx::query_as(
        "SELECT * FROM maintenance_windows ORDER BY starts_at DESC, id DESC LIMIT $1 OFFSET $2")
        .bind(limit).bind(offset).fetch_all(c).await)?;
    Ok(rows.into_iter().map(MaintenanceWindow::from).collect())
}

/// How many windows there are.
pub async fn count(conn: &mut Conn<'_>) -> Result<i64> {
    on!(conn, c => sqlx::query_scalar("SELECT COUNT(*) FROM maintenance_windows").fetch_one(c).await)
}

/// The next moment after `now` at which a window opens or closes.
pub async fn next_edge(conn: &mut Conn<'_>, now: Timestamp) -> Result<Option<Timestamp>> {
    on!(conn, c => sqlx::query_scalar(
        "SELECT MIN(at) FROM (
            SELECT starts_at AS at FROM maintenance_windows WHERE starts_at > $1
            UNION ALL SELECT ends_at AS at FROM maintenance_windows WHERE ends_at > $1) edges")
        .bind(now).fetch_one(c).await)
}
