//! The monitors of a list in brief: enough to count, group and order all of them in one query, however many there are.

use std::collections::HashMap;

use sqlx::AssertSqlSafe;

use super::monitors::{FILTER, Filter};
use super::{Conn, Result, on, placeholders};
use crate::clock::Timestamp;
use crate::monitor::{MonitorId, Status};

/// A monitor in brief.
#[derive(Debug, Clone, PartialEq, Eq, sqlx::FromRow)]
pub struct Brief {
    /// Its number.
    pub id: MonitorId,
    /// Its status.
    pub status: Status,
    /// Whether it failed and is being re-checked.
    pub is_confirming: bool,
    /// When a heartbeat is expected.
    pub due_at: Option<Timestamp>,
    /// Its first tag; empty without one.
    pub group_tag: String,
}

/// All monitors that fit, by name.
pub async fn briefs(conn: &mut Conn<'_>, filter: &Filter) -> Result<Vec<Brief>> {
    let sql = format!(
        "SELECT m.id, s.status, s.is_confirming, s.due_at, m.group_tag
         FROM monitors m JOIN monitor_states s ON s.monitor_id = m.id WHERE {FILTER} ORDER BY m.search_text, m.id"
    );
    on!(conn, c => sqlx::query_as(AssertSqlSafe(sql))
        .bind(filter.kind).bind(filter.status).bind(filter.late_at).bind(filter.confirming)
        .bind(&filter.tag).bind(filter.pattern()).bind(filter.id_list())
        .bind(filter.region_name()).bind(filter.is_own_region())
        .fetch_all(c).await)
}

/// The monitors that have one of these tags.
pub async fn with_tags(conn: &mut Conn<'_>, tags: &[String]) -> Result<Vec<MonitorId>> {
    if tags.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!(
        "SELECT DISTINCT monitor_id FROM monitor_tags WHERE tag IN ({})",
        placeholders(1, tags.len())
    );
    on!(conn, c => {
        let mut query = sqlx::query_scalar(AssertSqlSafe(sql));
        for tag in tags {
            query = query.bind(tag);
        }
        query.fetch_all(c).await
    })
}

/// When the status of each monitor last changed.
pub async fn last_changes(conn: &mut Conn<'_>) -> Result<HashMap<MonitorId, Timestamp>> {
    let rows: Vec<(MonitorId, Timestamp)> = on!(conn, c => sqlx::query_as(
        "SELECT monitor_id, MAX(at) FROM status_changes GROUP BY monitor_id").fetch_all(c).await)?;
    Ok(rows.into_iter().collect())
}
