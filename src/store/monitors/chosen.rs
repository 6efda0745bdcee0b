//! What was chosen for monitors: their tags, and the channels that they tell.

use sqlx::AssertSqlSafe;
use sqlx::types::Json;

use crate::monitor::{MonitorId, Settings};
use crate::notify::ChannelId;
use crate::store::{Conn, Result, on, placeholders, run};

/// All tags in use, by name.
pub async fn tags(conn: &mut Conn<'_>) -> Result<Vec<String>> {
    on!(conn, c => sqlx::query_scalar("SELECT DISTINCT tag FROM monitor_tags ORDER BY tag").fetch_all(c).await)
}

/// Notes which regions a monitor is checked from, in the place of those before.
pub(super) async fn write_regions(
    conn: &mut Conn<'_>,
    id: MonitorId,
    settings: &Settings,
) -> Result<()> {
    run!(conn, sqlx::query("DELETE FROM monitor_regions WHERE monitor_id = $1").bind(id))?;
    for region in settings.target.pace().map_or(&[][..], |pace| &pace.regions) {
        run!(
            conn,
            sqlx::query("INSERT INTO monitor_regions (monitor_id, region) VALUES ($1, $2)")
                .bind(id)
                .bind(region)
        )?;
    }
    Ok(())
}

/// Which monitors have any of these tags: pairs of tag and monitor.
pub async fn tagged(conn: &mut Conn<'_>, tags: &[String]) -> Result<Vec<(String, MonitorId)>> {
    if tags.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT tag, monitor_id FROM monitor_tags WHERE tag IN ({})",
        placeholders(1, tags.len())
    );
    on!(conn, c => {
        let mut query = sqlx::query_as(AssertSqlSafe(sql));
        for tag in tags {
            query = query.bind(tag);
        }
        query.fetch_all(c).await
    })
}

/// Whom a monitor tells, as it was chosen.
#[derive(Debug, Clone, Default, PartialEq, Eq, serde::Deserialize)]
pub struct Chosen {
    /// These channels; `None` with no policy stands for the default ones.
    #[serde(default)]
    pub channel_ids: Option<Vec<ChannelId>>,
    /// This escalation policy.
    #[serde(default)]
    pub escalation_policy_id: Option<i64>,
}

/// Whom each monitor tells. Nothing else is read of the settings.
pub async fn chosen_channels(conn: &mut Conn<'_>) -> Result<Vec<Chosen>> {
    let rows: Vec<Json<Chosen>> = on!(conn, c => sqlx::query_scalar(
        "SELECT m.settings FROM monitors m JOIN monitor_states s ON s.monitor_id = m.id").fetch_all(c).await)?;
    Ok(rows.into_iter().map(|chosen| chosen.0).collect())
}
