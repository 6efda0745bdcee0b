//! What `/metrics` reads.

use sqlx::types::Json;

use super::{Conn, Result, on};
use crate::monitor::state::State;
use crate::monitor::{Kind, MonitorId};
use crate::notify::DeliveryState;

/// What the figures of a monitor are made of.
#[derive(Debug)]
pub struct Brief {
    /// Its number.
    pub id: MonitorId,
    /// What it is called.
    pub name: String,
    /// What it watches.
    pub kind: Kind,
    /// What is known of it now.
    pub state: State,
}

/// Up to `limit` monitors with numbers above `after`, by number.
pub async fn monitors(conn: &mut Conn<'_>, after: MonitorId, limit: i64) -> Result<Vec<Brief>> {
    let rows: Vec<(MonitorId, String, Kind, Json<State>)> = on!(conn, c => sqlx::query_as(
        "SELECT m.id, m.name, m.type, s.state FROM monitors m JOIN monitor_states s ON s.monitor_id = m.id
         WHERE m.id > $1 ORDER BY m.id LIMIT $2")
        .bind(after).bind(limit).fetch_all(c).await)?;
    let brief =
        |(id, name, kind, state): (_, _, _, Json<State>)| Brief { id, name, kind, state: state.0 };
    Ok(rows.into_iter().map(brief).collect())
}

/// How many deliveries are in each state.
pub async fn deliveries(conn: &mut Conn<'_>) -> Result<Vec<(DeliveryState, i64)>> {
    on!(conn, c => sqlx::query_as("SELECT state, COUNT(*) FROM deliveries GROUP BY state").fetch_all(c).await)
}
