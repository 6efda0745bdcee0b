//! The timelines of incidents.

use super::{Conn, Result, on, run};
use crate::clock::Timestamp;
use crate::incident::{IncidentId, TimelineEntry, TimelineKind};

/// Adds a line to the timeline of an incident.
///
/// # Errors
/// [`super::Error::Reference`] when there is no such incident.
pub async fn add(
    conn: &mut Conn<'_>,
    incident_id: IncidentId,
    at: Timestamp,
    kind: TimelineKind,
    detail: &str,
) -> Result<()> {
    run!(
        conn,
        sqlx::query(
            "INSERT INTO incident_timeline (incident_id, at, kind, detail) VALUES ($1, $2, $3, $4)"
        )
        .bind(incident_id)
        .bind(at)
        .bind(kind)
        .bind(detail)
    )?;
    Ok(())
}

/// The timeline of an incident, in the order in which it was written.
pub async fn list(conn: &mut Conn<'_>, incident_id: IncidentId) -> Result<Vec<TimelineEntry>> {
    let rows: Vec<(Timestamp, TimelineKind, String)> = on!(conn, c => sqlx::query_as(
        "SELECT at, kind, detail FROM incident_timeline WHERE incident_id = $1 ORDER BY id")
        .bind(incident_id).fetch_all(c).await)?;
    Ok(rows.into_iter().map(|(at, kind, detail)| TimelineEntry { at, kind, detail }).collect())
}
