//! How far incidents have climbed their escalation policies.

use sqlx::types::Json;

use super::{Conn, Result, on, run};
use crate::clock::Timestamp;
use crate::incident::IncidentId;
use crate::incident::escalation::Ladder;

/// Writes the ladder of an incident, and when to look at it again.
pub async fn save(conn: &mut Conn<'_>, incident_id: IncidentId, ladder: &Ladder) -> Result<()> {
    run!(
        conn,
        sqlx::query(
            "INSERT INTO incident_ladders (incident_id, ladder, next_at) VALUES ($1, $2, $3)
             ON CONFLICT (incident_id) DO UPDATE SET ladder = excluded.ladder, next_at = excluded.next_at"
        )
        .bind(incident_id)
        .bind(Json(ladder))
        .bind(ladder.next_at())
    )?;
    Ok(())
}

/// The ladder of an incident, if it opened with a policy.
pub async fn get(conn: &mut Conn<'_>, incident_id: IncidentId) -> Result<Option<Ladder>> {
    let found: Option<Json<Ladder>> = on!(conn, c => sqlx::query_scalar(
        "SELECT ladder FROM incident_ladders WHERE incident_id = $1")
        .bind(incident_id).fetch_optional(c).await)?;
    Ok(found.map(|json| json.0))
}

/// Nothing more comes of a ladder: the incident is over.
pub async fn end(conn: &mut Conn<'_>, incident_id: IncidentId) -> Result<()> {
    run!(
        conn,
        sqlx::query("UPDATE incident_ladders SET next_at = NULL WHERE incident_id = $1")
            .bind(incident_id)
    )?;
    Ok(())
}

/// The incidents whose ladders are to be looked at by `now`, the longest waiting first, at most `limit`.
pub async fn due(conn: &mut Conn<'_>, now: Timestamp, limit: i64) -> Result<Vec<IncidentId>> {
    on!(conn, c => sqlx::query_scalar(
        "SELECT incident_id FROM incident_ladders WHERE next_at <= $1 ORDER BY next_at LIMIT $2")
        .bind(now).bind(limit).fetch_all(c).await)
}
