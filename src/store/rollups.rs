//! Roll-ups: hours and days of monitors, which stay when their results are gone.

use std::collections::HashMap;

use sqlx::AssertSqlSafe;
use sqlx::types::Json;

use super::{
    Conn, Result, among, as_one, batches, history, listed, on, results, rows_of, run, settings,
    windows,
};
use crate::clock::Timestamp;
use crate::incident::maintenance::MaintenanceWindow;
use crate::monitor::{Monitor, MonitorId};
use crate::report::latency::Histogram;
use crate::report::record::{Odd, Record};
use crate::report::rollup::{self, DAY_MS, Grain, HOUR_MS, Rollup};
use crate::report::uptime::{Span, Tally};

/// The key under which it is kept up to when all hours are rolled up.
const ROLLED_UP_UNTIL: &str = "rolled_up_until";
/// The key under which it is kept from before when results may be gone.
const RESULTS_REMOVED_UNTIL: &str = "results_removed_until";

fn table(grain: Grain) -> &'static str {
    match grain {
        Grain::Hour => "hourly_rollups",
        Grain::Day => "daily_rollups",
    }
}

async fn moment(conn: &mut Conn<'_>, key: &str) -> Result<Option<Timestamp>> {
    let text = settings::get(conn, key).await?;
    Ok(text.and_then(|text| text.parse().ok()).map(Timestamp))
}

/// Up to when all hours are rolled up; `None` before the first time.
pub async fn rolled_up_until(conn: &mut Conn<'_>) -> Result<Option<Timestamp>> {
    moment(conn, ROLLED_UP_UNTIL).await
}

/// Notes that all hours up to `until` are rolled up.
pub async fn set_rolled_up_until(conn: &mut Conn<'_>, until: Timestamp) -> Result<()> {
    settings::set(conn, ROLLED_UP_UNTIL, &until.0.to_string()).await
}

/// From before when results may be gone, for being too old by what was set when they were removed; `None` when none ever were.
pub async fn results_removed_until(conn: &mut Conn<'_>) -> Result<Option<Timestamp>> {
    moment(conn, RESULTS_REMOVED_UNTIL).await
}

/// Notes from before when results may be gone.
pub async fn set_results_removed_until(conn: &mut Conn<'_>, until: Timestamp) -> Result<()> {
    settings::set(conn, RESULTS_REMOVED_UNTIL, &until.0.to_string()).await
}

/// A roll-up, and whose it is.
pub type Stored = (MonitorId, Rollup);

/// What to do with the counts of a roll-up that is there already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counts {
    /// Write them anew: the results are all there.
    Replace,
    /// Leave them: the results are gone.
    Keep,
}

/// Stores roll-ups in the place of those that are there.
pub async fn put(
    conn: &mut Conn<'_>,
    grain: Grain,
    rollups: &[Stored],
    counts: Counts,
) -> Result<()> {
    let counted = match counts {
        Counts::Replace => {
            ", checks = excluded.checks, failed = excluded.failed, latency = excluded.latency"
        }
        Counts::Keep => "",
    };
    for chunk in batches(conn, rollups) {
        let sql = format!(
            "INSERT INTO {} (monitor_id, slot, up_ms, degraded_ms, down_ms, maintenance_ms, outages, checks, failed,
                 latency) {}
             ON CONFLICT (monitor_id, slot) DO UPDATE SET up_ms = excluded.up_ms, degraded_ms = excluded.degraded_ms,
                 down_ms = excluded.down_ms, maintenance_ms = excluded.maintenance_ms,
                 outages = excluded.outages{counted}",
            table(grain),
            rows_of(conn, chunk.len(), 10)
        );
        run!(conn, {
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for (id, rollup) in chunk {
                let latency = rollup.latency.to_bytes();
                query = query
                    .bind(*id)
                    .bind(rollup.slot)
                    .bind(rollup.tally.up_ms)
                    .bind(rollup.tally.degraded_ms)
                    .bind(rollup.tally.down_ms)
                    .bind(rollup.tally.maintenance_ms)
                    .bind(rollup.outages)
                    .bind(rollup.checks)
                    .bind(rollup.failed)
                    .bind((!latency.is_empty()).then_some(latency));
            }
            query
        })?;
    }
    Ok(())
}

#[derive(sqlx::FromRow)]
struct Row {
    monitor_id: MonitorId,
    slot: i64,
    up_ms: i64,
    degraded_ms: i64,
    down_ms: i64,
    maintenance_ms: i64,
    outages: i64,
    checks: i64,
    failed: i64,
    latency: Option<Vec<u8>>,
}

/// The roll-ups of some monitors that begin in `[from, to)`, in one query: whose, and what, by monitor and time.
pub async fn of(
    conn: &mut Conn<'_>,
    grain: Grain,
    monitor_ids: &[MonitorId],
    (from, to): Span,
) -> Result<Vec<Stored>> {
    let sql = format!(
        "SELECT monitor_id, slot, up_ms, degraded_ms, down_ms, maintenance_ms, outages, checks, failed, latency
         FROM {} WHERE {} AND slot >= $1 AND slot < $2 ORDER BY monitor_id, slot",
        table(grain),
        among(conn, "monitor_id", 3)
    );
    let list = listed(conn, monitor_ids);
    let rows: Vec<Row> = on!(conn, c => sqlx::query_as(AssertSqlSafe(sql))
        .bind(grain.slot(from)).bind(grain.slot(to)).bind(list).fetch_all(c).await)?;
    let rollup = |row: Row| {
        let tally = Tally {
            up_ms: row.up_ms,
            degraded_ms: row.degraded_ms,
            down_ms: row.down_ms,
            maintenance_ms: row.maintenance_ms,
        };
        let latency = row.latency.as_deref().map(Histogram::from_bytes).unwrap_or_default();
        let rollup = Rollup {
            slot: row.slot,
            tally,
            outages: row.outages,
            checks: row.checks,
            failed: row.failed,
            latency,
        };
        (row.monitor_id, rollup)
    };
    Ok(rows.into_iter().map(rollup).collect())
}

/// How long the checks of some monitors took in `[from, to)`, each monitor's roll-ups added up.
///
/// The database gives one row a monitor, all its histograms in a text, as each row would be copied and handed over to another thread.
pub async fn latencies(
    conn: &mut Conn<'_>,
    grain: Grain,
    monitor_ids: &[MonitorId],
    (from, to): Span,
) -> Result<HashMap<MonitorId, Histogram>> {
    let joined = match conn {
        Conn::Sqlite(_) => "group_concat(hex(latency), ',')",
        Conn::Postgres(_) => "string_agg(encode(latency, 'hex'), ',')",
    };
    let sql = format!(
        "SELECT monitor_id, {joined} FROM {}
         WHERE {} AND slot >= $1 AND slot < $2 AND latency IS NOT NULL GROUP BY monitor_id",
        table(grain),
        among(conn, "monitor_id", 3)
    );
    let list = listed(conn, monitor_ids);
    let rows: Vec<(MonitorId, String)> = on!(conn, c => sqlx::query_as(AssertSqlSafe(sql))
        .bind(grain.slot(from)).bind(grain.slot(to)).bind(list).fetch_all(c).await)?;
    let latency = |(id, slots): (MonitorId, String)| {
        let mut latency = Histogram::default();
        for slot in slots.split(',').flat_map(hex::decode) {
            latency.merge_bytes(&slot);
        }
        (id, latency)
    };
    Ok(rows.into_iter().map(latency).collect())
}

/// How long a monitor's checks took since `from`: hours that are settled, the one that `from` lies in as a whole, and what came since.
pub async fn latency_since(
    conn: &mut Conn<'_>,
    monitor_id: MonitorId,
    from: Timestamp,
    now: Timestamp,
) -> Result<Histogram> {
    let settled = rolled_up_until(conn).await?.unwrap_or(from).max(from);
    let ids = [monitor_id];
    let hours = latencies(conn, Grain::Hour, &ids, (from, settled)).await?;
    let mut latency = hours.into_values().next().unwrap_or_default();
    for (_, outcome) in results::outcomes(conn, &ids, (settled, now.plus_ms(1))).await? {
        outcome.took().iter().for_each(|ms| latency.add(*ms));
    }
    Ok(latency)
}

/// What a monitor came to from `from` to `now`: its roll-ups, and what is not rolled up yet, the day and the hour that run. Of that
/// the times in each status are left out, as they are not settled.
pub async fn until_now(
    conn: &mut Conn<'_>,
    grain: Grain,
    id: MonitorId,
    (from, now): Span,
) -> Result<Vec<Rollup>> {
    // Before the first round of all, an hour or two after the set-up, a day is more than there is.
    let known = rolled_up_until(conn).await?.unwrap_or(now.plus_ms(-DAY_MS));
    let settled = Grain::Hour.floor(known.max(from));
    let whole = grain.floor(settled);
    let mut rollups: Vec<Rollup> = of(conn, grain, &[id], (from, whole))
        .await?
        .into_iter()
        .map(|(_, rollup)| rollup)
        .collect();
    let mut hours: Vec<Rollup> = match grain {
        Grain::Hour => Vec::new(),
        Grain::Day => {
            let stored = of(conn, Grain::Hour, &[id], (whole, settled)).await?;
            stored.into_iter().map(|(_, rollup)| rollup).collect()
        }
    };
    let running = (settled, Grain::Hour.floor(now).plus_ms(HOUR_MS));
    let outcomes: Vec<_> =
        results::outcomes(conn, &[id], running).await?.into_iter().map(|(_, o)| o).collect();
    hours.extend(rollup::hours(running, &outcomes, &[], &[]).into_iter().filter(|h| h.checks > 0));
    match grain {
        Grain::Hour => rollups.extend(hours),
        Grain::Day => rollups.extend(
            hours
                .chunk_by(|a, b| day_of(a) == day_of(b))
                .filter_map(|day| Some(Rollup::of_hours(day_of(day.first()?), day))),
        ),
    }
    Ok(rollups)
}

/// The day that an hour lies in.
fn day_of(hour: &Rollup) -> i64 {
    Grain::Day.slot(Grain::Hour.start(hour.slot))
}

/// The condition of a day that was not the same throughout: its hours say more.
const IS_MIXED: &str =
    "NOT (d.degraded_ms = 86400000 OR d.down_ms = 86400000 OR d.maintenance_ms = 86400000
    OR d.up_ms + d.degraded_ms + d.down_ms + d.maintenance_ms = 0)";

/// What was not simply up in `[from, to)`, by monitor and time: whole days where one of them was the same throughout, hours of
/// the others. In one query for any number of monitors, which reads nothing of those that were always up.
async fn odd(
    conn: &mut Conn<'_>,
    monitor_ids: &[MonitorId],
    (from, to): Span,
) -> Result<HashMap<MonitorId, Vec<Odd>>> {
    let (first, last) = (Grain::Day.slot(from), Grain::Day.slot(to));
    let columns = "monitor_id, at, length, up_ms, degraded_ms, down_ms, maintenance_ms, outages";
    let all = as_one(conn, columns, "monitor_id, at");
    let [of_days, of_hours] = ["d.monitor_id", "h.monitor_id"].map(|id| among(conn, id, 5));
    // SQLite would go through all days of each monitor, as it knows of no rows that are rare. The indexes hold all that is read.
    let [odd_days, odd_hours] = match conn {
        Conn::Sqlite(_) => ["INDEXED BY daily_rollups_odd", "INDEXED BY hourly_rollups_odd"],
        Conn::Postgres(_) => ["", ""],
    };
    let sql = format!(
        "SELECT {all} FROM (
         SELECT d.monitor_id, d.slot * 86400000 AS at, CAST(86400000 AS BIGINT) AS length, d.up_ms, d.degraded_ms, d.down_ms,
                d.maintenance_ms, d.outages
            FROM daily_rollups d {odd_days}
            WHERE {of_days} AND d.slot >= $1 AND d.slot < $2 AND d.up_ms < 86400000
                AND NOT ({IS_MIXED})
         UNION ALL
         SELECT h.monitor_id, h.slot * 3600000, CAST(3600000 AS BIGINT), h.up_ms, h.degraded_ms, h.down_ms, h.maintenance_ms, h.outages
            FROM daily_rollups d {odd_days} JOIN hourly_rollups h {odd_hours}
                ON h.monitor_id = d.monitor_id AND h.slot >= d.slot * 24 AND h.slot < d.slot * 24 + 24
            WHERE {of_days} AND d.slot >= $1 AND d.slot < $2 AND d.up_ms < 86400000
                AND {IS_MIXED} AND h.up_ms < 3600000
         UNION ALL
         SELECT h.monitor_id, h.slot * 3600000, CAST(3600000 AS BIGINT), h.up_ms, h.degraded_ms, h.down_ms, h.maintenance_ms, h.outages
            FROM hourly_rollups h {odd_hours}
            WHERE {of_hours} AND h.slot >= $3 AND h.slot < $4 AND h.up_ms < 3600000) o"
    );
    type OddRow = (MonitorId, i64, i64, i64, i64, i64, i64, i64);
    let list = listed(conn, monitor_ids);
    let rows: Option<Json<Vec<OddRow>>> = on!(conn, c => sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(first).bind(last).bind(last * (DAY_MS / HOUR_MS)).bind(Grain::Hour.slot(to)).bind(list)
        .fetch_one(c).await)?;
    let mut odd: HashMap<MonitorId, Vec<Odd>> = HashMap::new();
    for (id, at, length, up_ms, degraded_ms, down_ms, maintenance_ms, outages) in
        rows.map(|rows| rows.0).unwrap_or_default()
    {
        let tally = Tally { up_ms, degraded_ms, down_ms, maintenance_ms };
        let span = (Timestamp(at), Timestamp(at + length));
        odd.entry(id).or_default().push(Odd { span, tally, outages });
    }
    Ok(odd)
}

/// The past of some monitors from `from` on, at most 400 days back: all that uptime and bars need. A fixed number of queries for
/// any number of monitors, which read little of those that were always up.
pub async fn records(
    conn: &mut Conn<'_>,
    monitors: &[&Monitor],
    from: Timestamp,
) -> Result<HashMap<MonitorId, Record>> {
    let settled = rolled_up_until(conn).await?.unwrap_or(from).max(from);
    let ids: Vec<MonitorId> = monitors.iter().map(|monitor| monitor.id).collect();
    let mut odd = odd(conn, &ids, (from, settled)).await?;
    let mut changes = history::status_changes(conn, &ids, settled).await?;
    let windows = windows::ending_after(conn, settled).await?;
    let record = |monitor: &&Monitor| {
        let record = Record {
            since: Grain::Hour.floor(monitor.created_at).max(Grain::Day.floor(from)),
            settled,
            odd: odd.remove(&monitor.id).unwrap_or_default(),
            changes: changes.remove(&monitor.id).unwrap_or_default(),
            quiet: quiet(&windows, monitor),
        };
        (monitor.id, record)
    };
    Ok(monitors.iter().map(record).collect())
}

/// When `windows` cover a monitor.
pub fn quiet(windows: &[MaintenanceWindow], monitor: &Monitor) -> Vec<Span> {
    let covers = |window: &&MaintenanceWindow| window.covers(monitor.id, &monitor.settings.tags);
    windows.iter().filter(covers).map(|window| (window.starts_at, window.ends_at)).collect()
}
