//! Deleting a monitor: at once for all who look, little by little on disk.

use crate::monitor::MonitorId;
use crate::store::{Conn, Result, on, run};

/// Deletes a monitor: from then on nothing finds it, as what is watched has a state. Its incidents stay. Its history, which may be
/// hundreds of thousands of rows, waits with the row of the monitor for [`deleted`].
pub async fn delete(conn: &mut Conn<'_>, id: MonitorId) -> Result<()> {
    for sql in [
        "UPDATE incidents SET monitor_id = NULL WHERE monitor_id = $1",
        "UPDATE monitors SET uuid = NULL, sealed_headers = NULL, escalation_policy_id = NULL WHERE id = $1",
        "DELETE FROM monitor_states WHERE monitor_id = $1",
        "DELETE FROM monitor_tags WHERE monitor_id = $1",
        "DELETE FROM monitor_regions WHERE monitor_id = $1",
        "DELETE FROM monitor_parents WHERE monitor_id = $1 OR parent_id = $1",
        "DELETE FROM rollup_redos WHERE monitor_id = $1",
    ] {
        run!(conn, sqlx::query(sql).bind(id))?;
    }
    Ok(())
}

/// The monitors that were deleted and are not gone yet.
pub async fn deleted(conn: &mut Conn<'_>) -> Result<Vec<MonitorId>> {
    on!(conn, c => sqlx::query_scalar(
        "SELECT m.id FROM monitors m WHERE NOT EXISTS (SELECT 1 FROM monitor_states s WHERE s.monitor_id = m.id) ORDER BY m.id")
        .fetch_all(c).await)
}

/// Removes all that is left of some monitors.
pub async fn remove(conn: &mut Conn<'_>, ids: &[MonitorId]) -> Result<()> {
    for id in ids {
        run!(conn, sqlx::query("DELETE FROM monitors WHERE id = $1").bind(*id))?;
    }
    Ok(())
}
