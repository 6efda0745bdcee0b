//! What monitors depend on: their settings repeated, to be searched by.

use super::{Conn, Result, on, run};
use crate::incident::dependency::Dependencies;
use crate::monitor::MonitorId;

/// What all monitors depend on.
pub async fn all(conn: &mut Conn<'_>) -> Result<Dependencies> {
    let pairs: Vec<(MonitorId, MonitorId)> = on!(conn, c => sqlx::query_as(
        "SELECT monitor_id, parent_id FROM monitor_parents ORDER BY monitor_id, parent_id")
        .fetch_all(c).await)?;
    Ok(Dependencies::of(pairs))
}

/// Writes what a monitor depends on, in the place of what it did.
///
/// # Errors
/// [`super::Error::Reference`] when one of them does not exist.
pub(super) async fn write(conn: &mut Conn<'_>, id: MonitorId, parents: &[MonitorId]) -> Result<()> {
    run!(conn, sqlx::query("DELETE FROM monitor_parents WHERE monitor_id = $1").bind(id))?;
    for parent in parents {
        run!(
            conn,
            sqlx::query("INSERT INTO monitor_parents (monitor_id, parent_id) VALUES ($1, $2)")
                .bind(id)
                .bind(parent)
        )?;
    }
    Ok(())
}
