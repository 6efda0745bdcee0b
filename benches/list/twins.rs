//! More monitors than are worth telling one by one: twins of those that are up, with their tags, results and roll-ups. A statement for
//! each table, as millions of rows one by one take minutes.

use sqlx::{AssertSqlSafe, Connection, SqliteConnection};

/// Further apart than there are monitors.
const APART: i64 = 100_000;
/// What a monitor has, in tables that begin with its number: the columns behind it.
const TABLES: [(&str, &str); 6] = [
    ("monitor_tags", "tag"),
    ("monitor_states", "status, is_confirming, due_at, deadline_at, state"),
    ("status_changes", "at, status"),
    (
        "results",
        "id, region, verdict, dns_ms, connect_ms, tls_ms, first_byte_ms, total_ms, status_code, in_maintenance, trouble",
    ),
    ("hourly_rollups", ROLLUP),
    ("daily_rollups", ROLLUP),
];
const ROLLUP: &str =
    "slot, up_ms, degraded_ms, down_ms, maintenance_ms, outages, checks, failed, latency";

/// Adds twins to the database at `url`, which nobody else has open, until it has `wanted` monitors.
pub async fn add(url: &str, wanted: usize) {
    let mut connection = SqliteConnection::connect(url).await.unwrap();
    let mut sql = vec![
        // Nothing is lost that could not be made again.
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF".to_owned(),
        format!(
            "CREATE TEMP TABLE twins AS
             WITH RECURSIVE copies(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM copies WHERE n < 50)
             SELECT m.id + c.n * {APART} AS twin, m.id AS original FROM copies c CROSS JOIN monitors m
             JOIN monitor_states s ON s.monitor_id = m.id WHERE s.status = 'up' AND m.uuid IS NULL
             ORDER BY twin LIMIT MAX(0, {wanted} - (SELECT COUNT(*) FROM monitors))"
        ),
        "INSERT INTO monitors (id, type, name, search_text, settings, paused, created_at, updated_at,
             escalation_policy_id, group_tag)
         SELECT t.twin, type, name, search_text, settings, paused, created_at, updated_at,
             escalation_policy_id, group_tag
         FROM twins t CROSS JOIN monitors m ON m.id = t.original ORDER BY t.twin"
            .to_owned(),
    ];
    sql.extend(TABLES.iter().map(|(table, columns)| {
        format!(
            "INSERT INTO {table} (monitor_id, {columns}) SELECT t.twin, {columns}
             FROM twins t CROSS JOIN {table} x ON x.monitor_id = t.original"
        )
    }));
    sql.push("PRAGMA journal_mode = WAL".to_owned());
    for sql in sql {
        sqlx::raw_sql(AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    }
    connection.close().await.unwrap();
}
