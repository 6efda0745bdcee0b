//! Incidents: opening, changing, reading. Their timeline is in [`timeline`](super::timeline).

use sqlx::types::Json;

use super::{Conn, Result, on, run};
use crate::clock::Timestamp;
use crate::incident::{Incident, IncidentId};
use crate::monitor::{Cause, MonitorId};

#[derive(sqlx::FromRow)]
struct Row {
    id: IncidentId,
    monitor_id: Option<MonitorId>,
    monitor_name: String,
    started_at: Timestamp,
    confirmed_at: Timestamp,
    acknowledged_at: Option<Timestamp>,
    acknowledged_by: Option<String>,
    resolved_at: Option<Timestamp>,
    cause: Json<Cause>,
    summary: String,
    regions: Json<Vec<String>>,
    alerts_held: bool,
}

impl From<Row> for Incident {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            monitor_id: row.monitor_id,
            monitor_name: row.monitor_name,
            started_at: row.started_at,
            confirmed_at: row.confirmed_at,
            acknowledged_at: row.acknowledged_at,
            acknowledged_by: row.acknowledged_by,
            resolved_at: row.resolved_at,
            cause: row.cause.0,
            summary: row.summary,
            regions: row.regions.0,
            alerts_held: row.alerts_held,
        }
    }
}

/// Opens an incident; its `id` is ignored, the new one is given back.
///
/// # Errors
/// [`Error::Unique`](super::Error::Unique) if the monitor has an open one.
pub async fn open(conn: &mut Conn<'_>, incident: &Incident) -> Result<IncidentId> {
    on!(conn, c => sqlx::query_scalar(
        "INSERT INTO incidents (monitor_id, monitor_name, started_at, confirmed_at, cause, summary, regions, alerts_held)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id")
        .bind(incident.monitor_id).bind(&incident.monitor_name)
        .bind(incident.started_at).bind(incident.confirmed_at)
        .bind(Json(&incident.cause)).bind(&incident.summary).bind(Json(&incident.regions))
        .bind(incident.alerts_held)
        .fetch_one(c).await)
}

/// Writes what can change of an incident: reason, hold, acknowledgement, end.
pub async fn update(conn: &mut Conn<'_>, incident: &Incident) -> Result<()> {
    run!(
        conn,
        sqlx::query(
            "UPDATE incidents SET cause = $2, summary = $3, alerts_held = $4, acknowledged_at = $5,
             acknowledged_by = $6, resolved_at = $7, regions = $8 WHERE id = $1"
        )
        .bind(incident.id)
        .bind(Json(&incident.cause))
        .bind(&incident.summary)
        .bind(incident.alerts_held)
        .bind(incident.acknowledged_at)
        .bind(&incident.acknowledged_by)
        .bind(incident.resolved_at)
        .bind(Json(&incident.regions))
    )?;
    Ok(())
}

/// One incident.
pub async fn get(conn: &mut Conn<'_>, id: IncidentId) -> Result<Option<Incident>> {
    let row: Option<Row> = on!(conn, c => sqlx::query_as("SELECT * FROM incidents WHERE id = $1")
        .bind(id).fetch_optional(c).await)?;
    Ok(row.map(Incident::from))
}

/// The open incident of a monitor.
pub async fn open_of(conn: &mut Conn<'_>, monitor_id: MonitorId) -> Result<Option<Incident>> {
    let row: Option<Row> = on!(conn, c => sqlx::query_as(
        "SELECT * FROM incidents WHERE monitor_id = $1 AND resolved_at IS NULL")
        .bind(monitor_id).fetch_optional(c).await)?;
    Ok(row.map(Incident::from))
}

/// Watchbell's own open incident of a region: there is one while that is cut off.
pub async fn open_own(conn: &mut Conn<'_>, region: &str) -> Result<Option<Incident>> {
    let rows: Vec<Row> = on!(conn, c => sqlx::query_as(
        "SELECT * FROM incidents WHERE monitor_id IS NULL AND resolved_at IS NULL ORDER BY id")
        .fetch_all(c).await)?;
    let is_own = |incident: &Incident| {
        matches!(incident.cause, Cause::CutOff { .. })
            && incident.regions.iter().any(|name| name == region)
    };
    Ok(rows.into_iter().map(Incident::from).find(is_own))
}

/// The open incidents whose alerts are held.
pub async fn held(conn: &mut Conn<'_>) -> Result<Vec<Incident>> {
    let rows: Vec<Row> = on!(conn, c => sqlx::query_as(
        "SELECT * FROM incidents WHERE resolved_at IS NULL AND alerts_held ORDER BY id")
        .fetch_all(c).await)?;
    Ok(rows.into_iter().map(Incident::from).collect())
}

/// Which incidents a list shows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Filter {
    /// Of this monitor only.
    pub monitor_id: Option<MonitorId>,
    /// Those that are not resolved only (`Some(true)`), or those that are (`Some(false)`).
    pub unresolved: Option<bool>,
    /// Those that somebody has taken only.
    pub acknowledged: bool,
}

const FILTER: &str = "($1 IS NULL OR monitor_id = $1) AND ($2 IS NULL OR (resolved_at IS NULL) = $2) \
                      AND (acknowledged_at IS NOT NULL OR NOT $3)";

/// One page of the incidents that fit, newest first.
pub async fn list(
    conn: &mut Conn<'_>,
    filter: Filter,
    limit: i64,
    offset: i64,
) -> Result<Vec<Incident>> {
    let sql = format!("SELECT * FROM incidents WHERE {FILTER} ORDER BY id DESC LIMIT $4 OFFSET $5");
    let rows: Vec<Row> = on!(conn, c => sqlx::query_as(sqlx::AssertSqlSafe(sql))
        .bind(filter.monitor_id).bind(filter.unresolved).bind(filter.acknowledged)
        .bind(limit).bind(offset)
        .fetch_all(c).await)?;
    Ok(rows.into_iter().map(Incident::from).collect())
}

/// How many incidents fit.
pub async fn count(conn: &mut Conn<'_>, filter: Filter) -> Result<i64> {
    let sql = format!("SELECT COUNT(*) FROM incidents WHERE {FILTER}");
    on!(conn, c => sqlx::query_scalar(sqlx::AssertSqlSafe(sql))
        .bind(filter.monitor_id).bind(filter.unresolved).bind(filter.acknowledged)
        .fetch_one(c).await)
}
