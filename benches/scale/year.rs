//! A year of ten thousand monitors, made by SQL, as it is too long to wait for.
//!
//! What there is: of every monitor the roll-ups of the last 400 days, one day in twenty with an outage of two minutes, and the hours of
//! the last nine; the hours of the last 90 only of the first 300 monitors, which are those whose pages are opened. Of the others the hours
//! before are only those with an outage. What there is not: raw results, incidents and alerts of that time; the hours of the other
//! monitors, which would be 96 million rows, and which no page of another monitor reads.

use std::path::Path;

use sqlx::Connection;
use watchbell::clock::Timestamp;
use watchbell::report::rollup::{DAY_MS, HOUR_MS, settled_until};

use super::program::{connect, run, sync};

/// Monitors whose pages are opened: those with these numbers have all hours of 90 days.
pub const OPENED: i64 = 300;
const DAYS: i64 = 400;
/// How many days back there are hours: of those that are opened, and of the others.
const OPENED_HOURS: i64 = 90;
const HOURS: i64 = 9;
/// 150 ms in one bucket and 300 ms in another, as `Histogram` writes them.
const LATENCY: &str = "x'42b40110c801'";

/// Fills the history of the monitors in the database; gives how many roll-ups there are.
pub async fn make(folder: &Path) -> i64 {
    let mut connection = connect(folder).await;
    let settled = settled_until(Timestamp(chrono::Utc::now().timestamp_millis())).0;
    let (day, hour) = (settled / DAY_MS, settled / HOUR_MS);
    let began = (day - DAYS) * DAY_MS;
    let outage = "CASE WHEN (m.id + s.slot) % 20 = 0 THEN 120000 ELSE 0 END";
    let hourly_outage =
        "CASE WHEN s.slot % 24 = 7 AND (m.id + s.slot / 24) % 20 = 0 THEN 120000 ELSE 0 END";
    let first_hours = |id: &str| {
        format!("({day} - CASE WHEN {id} <= {OPENED} THEN {OPENED_HOURS} ELSE {HOURS} END) * 24")
    };
    for sql in [
        "PRAGMA synchronous = OFF".to_owned(),
        format!("UPDATE monitors SET created_at = {began}"),
        format!("UPDATE status_changes SET at = {began}, status = 'up'"),
        format!(
            "WITH RECURSIVE s(slot) AS (SELECT {day} - {DAYS} UNION ALL SELECT slot + 1 FROM s WHERE slot < {day} - 1)
             INSERT INTO daily_rollups SELECT m.id, s.slot, {DAY_MS} - {outage}, 0, {outage}, 0, ({outage}) / 120000, 4320, 6, {LATENCY}
             FROM monitors m CROSS JOIN s"
        ),
        format!(
            "WITH RECURSIVE s(slot) AS (SELECT ({day} - {OPENED_HOURS}) * 24 UNION ALL SELECT slot + 1 FROM s WHERE slot < {hour} - 1)
             INSERT INTO hourly_rollups SELECT m.id, s.slot, {HOUR_MS} - {hourly_outage}, 0, {hourly_outage}, 0, ({hourly_outage}) / 120000, 180, 6, {LATENCY}
             FROM monitors m CROSS JOIN s WHERE s.slot >= {}",
            first_hours("m.id")
        ),
        // The hours of the outages before, which the days refer to.
        format!(
            "INSERT INTO hourly_rollups SELECT monitor_id, slot * 24 + 7, 3480000, 0, 120000, 0, 1, 180, 6, {LATENCY}
             FROM daily_rollups WHERE up_ms < {DAY_MS} AND slot * 24 < {}",
            first_hours("monitor_id")
        ),
        format!("INSERT INTO settings (key, value) VALUES ('rolled_up_until', '{settled}')"),
    ] {
        run(&mut connection, sql).await;
    }
    let count =
        "SELECT (SELECT COUNT(*) FROM daily_rollups) + (SELECT COUNT(*) FROM hourly_rollups)";
    let count = sqlx::query_scalar(count).fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    sync(folder);
    count
}
