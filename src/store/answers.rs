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
