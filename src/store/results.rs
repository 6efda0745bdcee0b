//! The raw results of checks, in few bytes each: regions are numbers, and only a result that is not well has text.

use serde::{Deserialize, Serialize};
use sqlx::AssertSqlSafe;
use sqlx::types::Json;

use super::{Conn, Result, among, answers, batches, listed, on, rows_of, run};
use crate::clock::Timestamp;
use crate::monitor::{
    CheckError, CheckResult, ErrorKind, FailedChecks, MonitorId, Phases, Verdict,
};
use crate::report::rollup::Outcome;

/// A result as it is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct StoredResult {
    /// Its number within the monitor: the start of the check in epoch milliseconds.
    pub id: i64,
    /// What was found.
    pub result: CheckResult,
    /// Whether a maintenance window covered it.
    pub in_maintenance: bool,
}

/// A result to store.
#[derive(Debug, Clone, PartialEq)]
pub struct NewResult {
    /// Whose.
    pub monitor_id: MonitorId,
    /// What was found.
    pub result: CheckResult,
    /// Whether a maintenance window covers it.
    pub in_maintenance: bool,
}

/// What a result that is not well has beside its numbers.
#[derive(Serialize, Deserialize)]
struct Trouble {
    kind: Option<ErrorKind>,
    text: String,
    failed_checks: FailedChecks,
}

impl Trouble {
    fn of(result: &CheckResult) -> Option<Self> {
        if result.error.is_none() && result.failed_checks.is_empty() {
            return None;
        }
        Some(Self {
            kind: result.error.as_ref().map(|error| error.kind),
            text: result.error.as_ref().map(|error| error.text.clone()).unwrap_or_default(),
            failed_checks: result.failed_checks.clone(),
        })
    }
}

/// Verdicts by their number in the column. `up` is 1, on which SQLite spends no byte.
const VERDICTS: [Verdict; 4] = [Verdict::Unknown, Verdict::Up, Verdict::Degraded, Verdict::Down];

fn number_of(verdict: Verdict) -> i16 {
    match verdict {
        Verdict::Unknown => 0,
        Verdict::Up => 1,
        Verdict::Degraded => 2,
        Verdict::Down => 3,
    }
}

fn verdict_of(number: i16) -> Verdict {
    let verdict = usize::try_from(number).ok().and_then(|n| VERDICTS.get(n));
    verdict.copied().unwrap_or(Verdict::Unknown)
}

#[derive(sqlx::FromRow)]
struct ResultRow {
    id: i64,
    region: String,
    verdict: i16,
    dns_ms: Option<i64>,
    connect_ms: Option<i64>,
    tls_ms: Option<i64>,
    first_byte_ms: Option<i64>,
    total_ms: Option<i64>,
    status_code: Option<i64>,
    in_maintenance: bool,
    trouble: Option<Json<Trouble>>,
}

impl From<ResultRow> for StoredResult {
    fn from(row: ResultRow) -> Self {
        let ms = |value: Option<i64>| value.and_then(|v| u32::try_from(v).ok());
        let (error, failed_checks) = match row.trouble {
            Some(Json(Trouble { kind, text, failed_checks })) => {
                (kind.map(|kind| CheckError::new(kind, text)), failed_checks)
            }
            None => (None, FailedChecks::new()),
        };
        Self {
            id: row.id,
            in_maintenance: row.in_maintenance,
            result: CheckResult {
                region: row.region,
                started_at: Timestamp(row.id),
                phases: Phases {
                    dns: ms(row.dns_ms),
                    connect: ms(row.connect_ms),
                    tls: ms(row.tls_ms),
                    first_byte: ms(row.first_byte_ms),
                    total: ms(row.total_ms),
                },
                status_code: row.status_code.and_then(|v| u16::try_from(v).ok()),
                error,
                failed_checks,
                certificate: None,
                answer: None,
                verdict: verdict_of(row.verdict),
            },
        }
    }
}

/// The number of a region, which it gets when it is first seen.
async fn region_number(conn: &mut Conn<'_>, name: &str) -> Result<i64> {
    let known: Option<i64> = on!(conn, c => sqlx::query_scalar("SELECT id FROM result_regions WHERE name = $1")
        .bind(name).fetch_optional(c).await)?;
    if let Some(id) = known {
        return Ok(id);
    }
    // Another server may have added it meanwhile: then its number is taken.
    on!(conn, c => sqlx::query_scalar(
        "INSERT INTO result_regions (name) VALUES ($1) ON CONFLICT (name) DO UPDATE SET name = excluded.name RETURNING id")
        .bind(name).fetch_one(c).await)
}

/// Stores results, with the answers of those that are not well. One that is there already stays as it is.
pub async fn insert(conn: &mut Conn<'_>, results: &[NewResult]) -> Result<()> {
    let mut regions: Vec<(&str, i64)> = Vec::new();
    for NewResult { result, .. } in results {
        if !regions.iter().any(|(name, _)| *name == result.region) {
            regions.push((&result.region, region_number(conn, &result.region).await?));
        }
    }
    let number = |name: &str| regions.iter().find(|r| r.0 == name).map(|r| r.1);
    for chunk in batches(conn, results) {
        let sql = format!(
            "INSERT INTO results (monitor_id, id, region, verdict, dns_ms, connect_ms, tls_ms, first_byte_ms,
                 total_ms, status_code, in_maintenance, trouble)
             {} ON CONFLICT (monitor_id, id, region) DO NOTHING",
            rows_of(conn, chunk.len(), 12)
        );
        run!(conn, {
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for NewResult { monitor_id, result, in_maintenance } in chunk {
                let phases = &result.phases;
                query = query
                    .bind(*monitor_id)
                    .bind(result.started_at)
                    .bind(number(&result.region))
                    .bind(number_of(result.verdict))
                    .bind(phases.dns.map(i64::from))
                    .bind(phases.connect.map(i64::from))
                    .bind(phases.tls.map(i64::from))
                    .bind(phases.first_byte.map(i64::from))
                    .bind(phases.total.map(i64::from))
                    .bind(result.status_code.map(i64::from))
                    .bind(*in_maintenance)
                    .bind(Trouble::of(result).map(Json));
            }
            query
        })?;
    }
    let kept = results.iter().filter_map(|NewResult { monitor_id, result, .. }| {
        let answer = result.answer_to_keep()?;
        Some((*monitor_id, result.started_at.0, number(&result.region)?, answer))
    });
    answers::insert(conn, &kept.collect::<Vec<_>>()).await
}

const COLUMNS: &str =
    "r.id, g.name AS region, r.verdict, r.dns_ms, r.connect_ms, r.tls_ms, r.first_byte_ms,
    r.total_ms, r.status_code, r.in_maintenance, r.trouble
    FROM results r JOIN result_regions g ON g.id = r.region";

/// A monitor's results, newest first.
pub async fn latest(
    conn: &mut Conn<'_>,
    monitor_id: MonitorId,
    limit: i64,
    offset: i64,
) -> Result<Vec<StoredResult>> {
    let sql = format!(
        "SELECT {COLUMNS} WHERE r.monitor_id = $1 ORDER BY r.id DESC, r.region LIMIT $2 OFFSET $3"
    );
    let rows: Vec<ResultRow> = on!(conn, c => sqlx::query_as(AssertSqlSafe(sql))
        .bind(monitor_id).bind(limit).bind(offset).fetch_all(c).await)?;
    Ok(rows.into_iter().map(StoredResult::from).collect())
}

/// A monitor's results that began at or after `since`, oldest first, at most `limit` of the newest.
pub async fn since(
    conn: &mut Conn<'_>,
    monitor_id: MonitorId,
    since: Timestamp,
    limit: i64,
) -> Result<Vec<StoredResult>> {
    let sql = format!(
        "SELECT {COLUMNS} WHERE r.monitor_id = $1 AND r.id >= $2 ORDER BY r.id DESC LIMIT $3"
    );
    let rows: Vec<ResultRow> = on!(conn, c => sqlx::query_as(AssertSqlSafe(sql))
        .bind(monitor_id).bind(since).bind(limit).fetch_all(c).await)?;
    Ok(rows.into_iter().rev().map(StoredResult::from).collect())
}

/// A monitor's results from before `before` (all of them when it is `None`), newest first; with `failed_only` those that failed, by the
/// target's trouble or our own.
pub async fn before(
    conn: &mut Conn<'_>,
    monitor_id: MonitorId,
    before: Option<i64>,
    failed_only: bool,
    limit: i64,
) -> Result<Vec<StoredResult>> {
    let sql = format!(
        "SELECT {COLUMNS} WHERE r.monitor_id = $1 AND r.id < $2 AND (NOT $3 OR r.verdict IN ($4, $5))
         ORDER BY r.id DESC LIMIT $6"
    );
    let rows: Vec<ResultRow> = on!(conn, c => sqlx::query_as(AssertSqlSafe(sql))
        .bind(monitor_id).bind(before.unwrap_or(i64::MAX)).bind(failed_only)
        .bind(number_of(Verdict::Down)).bind(number_of(Verdict::Unknown)).bind(limit)
        .fetch_all(c).await)?;
    Ok(rows.into_iter().map(StoredResult::from).collect())
}

/// The first of a monitor's results that is `down`, of those that began from `from` to `until`.
pub async fn first_failed(
    conn: &mut Conn<'_>,
    monitor_id: MonitorId,
    from: Timestamp,
    until: Timestamp,
) -> Result<Option<StoredResult>> {
    let sql = format!(
        "SELECT {COLUMNS} WHERE r.monitor_id = $1 AND r.id >= $2 AND r.id <= $3 AND r.verdict = $4
         ORDER BY r.id LIMIT 1"
    );
    let row: Option<ResultRow> = on!(conn, c => sqlx::query_as(AssertSqlSafe(sql))
        .bind(monitor_id).bind(from).bind(until).bind(number_of(Verdict::Down))
        .fetch_optional(c).await)?;
    Ok(row.map(StoredResult::from))
}

/// The outcomes of some monitors' checks that began in `[from, to)`: whose, and what, in no order.
pub async fn outcomes(
    conn: &mut Conn<'_>,
    monitor_ids: &[MonitorId],
    (from, to): (Timestamp, Timestamp),
) -> Result<Vec<(MonitorId, Outcome)>> {
    let sql = format!(
        "SELECT monitor_id, id, verdict, total_ms FROM results WHERE {} AND id >= $1 AND id < $2",
        among(conn, "monitor_id", 3)
    );
    let list = listed(conn, monitor_ids);
    let rows: Vec<(MonitorId, Timestamp, i16, Option<i64>)> = on!(conn, c =>
        sqlx::query_as(AssertSqlSafe(sql)).bind(from).bind(to).bind(list).fetch_all(c).await)?;
    let outcome = |(id, at, verdict, ms): (MonitorId, Timestamp, i16, Option<i64>)| {
        let total_ms = ms.and_then(|ms| u32::try_from(ms).ok());
        (id, Outcome { at, verdict: verdict_of(verdict), total_ms })
    };
    Ok(rows.into_iter().map(outcome).collect())
}

/// The results of a monitor whose checks began within a span, oldest first.
pub async fn between(
    conn: &mut Conn<'_>,
    monitor_id: MonitorId,
    (from, until): (Timestamp, Timestamp),
) -> Result<Vec<StoredResult>> {
    let sql = format!(
        "SELECT {COLUMNS} WHERE r.monitor_id = $1 AND r.id >= $2 AND r.id < $3 ORDER BY r.id, r.region"
    );
    let rows: Vec<ResultRow> = on!(conn, c => sqlx::query_as(AssertSqlSafe(sql))
        .bind(monitor_id).bind(from).bind(until).fetch_all(c).await)?;
    Ok(rows.into_iter().map(StoredResult::from).collect())
}

/// How many results a monitor has.
pub async fn count(conn: &mut Conn<'_>, monitor_id: MonitorId) -> Result<i64> {
    on!(conn, c => sqlx::query_scalar("SELECT COUNT(*) FROM results WHERE monitor_id = $1")
        .bind(monitor_id).fetch_one(c).await)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verdict_has_its_number() {
        for verdict in Verdict::ALL {
            assert_eq!(verdict_of(number_of(*verdict)), *verdict);
        }
    }
}
