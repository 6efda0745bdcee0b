//! The monitors of a list in brief: enough to count, group and order all of them in one query, however many there are.

use std::collections::HashMap;

use sqlx::AssertSqlSafe;
use sqlx::types::Json;

use super::monitors::{FILTER, Filter};
use super::{Conn, Result, as_one, on, placeholders};
use crate::clock::Timestamp;
use crate::monitor::{MonitorId, Status};

/// A monitor in brief.
#[derive(Debug, Clone, PartialEq, Eq)]
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
    let columns =
        "m.id, s.status, CASE WHEN s.is_confirming THEN 1 ELSE 0 END, s.due_at, m.group_tag";
    let sql = format!(
        "SELECT {} FROM monitors m JOIN monitor_states s ON s.monitor_id = m.id WHERE {FILTER}",
        as_one(conn, columns, "m.search_text, m.id")
    );
    type Row = (MonitorId, Status, u8, Option<i64>, String);
    let rows: Option<Json<Vec<Row>>> = on!(conn, c => sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(filter.kind).bind(filter.status).bind(filter.late_at).bind(filter.confirming)
        .bind(&filter.tag).bind(filter.pattern()).bind(filter.id_list())
        .bind(filter.region_name()).bind(filter.is_own_region())
        .fetch_one(c).await)?;
    let brief = |(id, status, confirming, due_at, group_tag): Row| Brief {
        id,
        status,
        is_confirming: confirming != 0,
        due_at: due_at.map(Timestamp),
        group_tag,
    };
    Ok(rows.map(|rows| rows.0).unwrap_or_default().into_iter().map(brief).collect())
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
    let sql = format!(
        "SELECT {} FROM (SELECT monitor_id, MAX(at) AS at FROM status_changes GROUP BY monitor_id) l",
        as_one(conn, "monitor_id, at", "monitor_id")
    );
    let rows: Option<Json<Vec<(MonitorId, i64)>>> =
        on!(conn, c => sqlx::query_scalar(AssertSqlSafe(sql)).fetch_one(c).await)?;
    let rows = rows.map(|rows| rows.0).unwrap_or_default();
    Ok(rows.into_iter().map(|(id, at)| (id, Timestamp(at))).collect())
}
