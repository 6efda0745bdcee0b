//! The answers of checks that were not well, as they came. Each goes with its result, and before that when its monitor has too many.

use sqlx::AssertSqlSafe;
use sqlx::types::Json;

use super::{Conn, Result, batches, on, rows_of, run};
use crate::monitor::{MonitorId, RawAnswer};

/// An answer to store: whose, the number of its result, the number of the region, and what is kept of it.
pub(super) type NewAnswer<'a> = (MonitorId, i64, i64, &'a RawAnswer);

/// Stores answers beside their results. One that is there already stays as it is.
pub(super) async fn insert(conn: &mut Conn<'_>, answers: &[NewAnswer<'_>]) -> Result<()> {
    for chunk in batches(conn, answers) {
        let sql = format!(
            "INSERT INTO result_answers (monitor_id, result_id, region, answer)
             {} ON CONFLICT (monitor_id, result_id, region) DO NOTHING",
            rows_of(conn, chunk.len(), 4)
        );
        run!(conn, {
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for (monitor_id, result_id, region, answer) in chunk {
                query = query.bind(*monitor_id).bind(*result_id).bind(*region).bind(Json(*answer));
            }
            query
        })?;
    }
    Ok(())
}

/// The answer that a monitor's check of this number got in `region`, if it is kept.
pub async fn get(
    conn: &mut Conn<'_>,
    monitor_id: MonitorId,
    result_id: i64,
    region: &str,
) -> Result<Option<RawAnswer>> {
    let found: Option<Json<RawAnswer>> = on!(conn, c => sqlx::query_scalar(
        "SELECT a.answer FROM result_answers a JOIN result_regions g ON g.id = a.region
         WHERE a.monitor_id = $1 AND a.result_id = $2 AND g.name = $3")
        .bind(monitor_id).bind(result_id).bind(region).fetch_optional(c).await)?;
    Ok(found.map(|json| json.0))
}

/// The monitors that have more than `keep`.
pub async fn owners(conn: &mut Conn<'_>, keep: i64) -> Result<Vec<MonitorId>> {
    on!(conn, c => sqlx::query_scalar(
        "SELECT monitor_id FROM result_answers GROUP BY monitor_id HAVING COUNT(*) > $1 ORDER BY monitor_id")
        .bind(keep).fetch_all(c).await)
}

/// Removes up to `limit` answers of a monitor that are older than its newest `keep`; gives how many. Those that began an incident stay.
pub async fn prune(
    conn: &mut Conn<'_>,
    monitor_id: MonitorId,
    keep: i64,
    limit: i64,
) -> Result<u64> {
    run!(
        conn,
        sqlx::query(
            "DELETE FROM result_answers WHERE monitor_id = $1 AND result_id IN
             (SELECT a.result_id FROM result_answers a WHERE a.monitor_id = $1
                  AND a.result_id < (SELECT n.result_id FROM result_answers n WHERE n.monitor_id = $1
                      ORDER BY n.result_id DESC LIMIT 1 OFFSET $2)
                  AND NOT EXISTS (SELECT 1 FROM incidents i
                      WHERE i.monitor_id = $1 AND i.started_at = a.result_id)
              ORDER BY a.result_id LIMIT $3)"
        )
        .bind(monitor_id)
        .bind(keep - 1)
        .bind(limit)
    )
}
