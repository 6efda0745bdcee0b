//! Maintenance windows.

use sqlx::types::Json;

use super::{Conn, Result, monitors, on, run};
use crate::clock::Timestamp;
use crate::incident::maintenance::{MaintenanceWindow, Repeats, Span};
use crate::monitor::MonitorId;
use crate::monitor::expect::CronSchedule;

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    name: String,
    monitor_ids: Json<Vec<i64>>,
    tags: Json<Vec<String>>,
    starts_at: Timestamp,
    ends_at: Timestamp,
    cron: Option<String>,
    timezone: Option<String>,
    duration_minutes: Option<i64>,
}

impl From<Row> for MaintenanceWindow {
    /// One whose schedule cannot be read (its zone has another name since an update, say) does not repeat: that one keeps alerts quiet too
    /// seldom, while an error would stop the checks of all monitors. [`unreadable`] finds it.
    fn from(row: Row) -> Self {
        let repeats = match (row.cron, row.timezone, row.duration_minutes) {
            (Some(cron), Some(timezone), Some(minutes)) => repeats(&cron, &timezone, minutes).ok(),
            _ => None,
        };
        Self {
            repeats,
            id: row.id,
            name: row.name,
            monitor_ids: row.monitor_ids.0,
            tags: row.tags.0,
            starts_at: row.starts_at,
            ends_at: row.ends_at,
        }
    }
}

fn repeats(cron: &str, timezone: &str, minutes: i64) -> std::result::Result<Repeats, String> {
    let of = |error: &dyn std::fmt::Display| format!("{cron} {timezone}: {error}");
    let timezone = timezone.parse().map_err(|error| of(&error))?;
    let schedule = CronSchedule::parse(cron, timezone).map_err(|error| of(&error))?;
    let duration_minutes = u32::try_from(minutes).map_err(|error| of(&error))?;
    Ok(Repeats { schedule, duration_minutes })
}

/// The names of windows whose schedule cannot be read, each with the reason.
pub async fn unreadable(conn: &mut Conn<'_>) -> Result<Vec<(String, String)>> {
    let rows: Vec<(String, String, String, i64)> = on!(conn, c => sqlx::query_as(
        "SELECT name, cron, timezone, duration_minutes FROM maintenance_windows
         WHERE cron IS NOT NULL AND timezone IS NOT NULL AND duration_minutes IS NOT NULL ORDER BY id")
        .fetch_all(c).await)?;
    let unreadable = |(name, cron, timezone, minutes): (String, String, String, i64)| {
        Some((name, repeats(&cron, &timezone, minutes).err()?))
    };
    Ok(rows.into_iter().filter_map(unreadable).collect())
}

fn read_all(rows: Vec<Row>) -> Vec<MaintenanceWindow> {
    rows.into_iter().map(MaintenanceWindow::from).collect()
}

/// How a window repeats, as its three columns.
fn columns(window: &MaintenanceWindow) -> (Option<&str>, Option<&'static str>, Option<i64>) {
    let repeats = window.repeats.as_ref();
    (
        repeats.map(|r| r.schedule.expression()),
        repeats.map(|r| r.schedule.timezone().name()),
        repeats.map(|r| i64::from(r.duration_minutes)),
    )
}

/// Adds a window; its `id` is ignored, the new one is given back.
pub async fn insert(conn: &mut Conn<'_>, window: &MaintenanceWindow) -> Result<i64> {
    let (cron, timezone, minutes) = columns(window);
    on!(conn, c => sqlx::query_scalar(
        "INSERT INTO maintenance_windows
            (name, monitor_ids, tags, starts_at, ends_at, cron, timezone, duration_minutes)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id")
        .bind(&window.name).bind(Json(&window.monitor_ids)).bind(Json(&window.tags))
        .bind(window.starts_at).bind(window.ends_at).bind(cron).bind(timezone).bind(minutes)
        .fetch_one(c).await)
}

/// Writes a window anew.
pub async fn update(conn: &mut Conn<'_>, window: &MaintenanceWindow) -> Result<()> {
    let (cron, timezone, minutes) = columns(window);
    run!(
        conn,
        sqlx::query(
            "UPDATE maintenance_windows SET name = $2, monitor_ids = $3, tags = $4, starts_at = $5,
                ends_at = $6, cron = $7, timezone = $8, duration_minutes = $9
             WHERE id = $1"
        )
        .bind(window.id)
        .bind(&window.name)
        .bind(Json(&window.monitor_ids))
        .bind(Json(&window.tags))
        .bind(window.starts_at)
        .bind(window.ends_at)
        .bind(cron)
        .bind(timezone)
        .bind(minutes)
    )?;
    Ok(())
}

/// Takes a monitor that is deleted out of the windows that are open or still to come. One that named only this monitor stays,
/// covering nothing; those that are over keep what they covered.
pub async fn forget_monitor(conn: &mut Conn<'_>, id: MonitorId, now: Timestamp) -> Result<()> {
    let rows: Vec<Row> = on!(conn, c => sqlx::query_as(
        "SELECT * FROM maintenance_windows WHERE ends_at > $1 OR cron IS NOT NULL")
        .bind(now).fetch_all(c).await)?;
    for mut row in rows {
        if row.monitor_ids.contains(&id) {
            row.monitor_ids.retain(|named| *named != id);
            run!(
                conn,
                sqlx::query("UPDATE maintenance_windows SET monitor_ids = $2 WHERE id = $1")
                    .bind(row.id)
                    .bind(&row.monitor_ids)
            )?;
        }
    }
    Ok(())
}

/// Writes when a window is open now or next, and nothing else of it, and keeps the times that it was open.
pub async fn move_on(conn: &mut Conn<'_>, window: &MaintenanceWindow, over: &[Span]) -> Result<()> {
    add_past(conn, window.id, over).await?;
    run!(
        conn,
        sqlx::query("UPDATE maintenance_windows SET starts_at = $2, ends_at = $3 WHERE id = $1")
            .bind(window.id)
            .bind(window.starts_at)
            .bind(window.ends_at)
    )?;
    Ok(())
}

/// Keeps the times that a repeating window was open.
pub async fn add_past(conn: &mut Conn<'_>, id: i64, spans: &[Span]) -> Result<()> {
    for (starts_at, ends_at) in spans {
        run!(
            conn,
            sqlx::query(
                "INSERT INTO past_windows (window_id, starts_at, ends_at) VALUES ($1, $2, $3)
                 ON CONFLICT (window_id, starts_at) DO UPDATE SET ends_at = EXCLUDED.ends_at"
            )
            .bind(id)
            .bind(starts_at)
            .bind(ends_at)
        )?;
    }
    Ok(())
}

/// The repeating windows whose time is over at `now`. One whose schedule cannot be read is none of them, so that
/// [`Outlook::is_due`](super::monitors::Outlook::is_due) stays true for it.
pub async fn to_move_on(conn: &mut Conn<'_>, now: Timestamp) -> Result<Vec<MaintenanceWindow>> {
    let rows: Vec<Row> = on!(conn, c => sqlx::query_as(
        "SELECT * FROM maintenance_windows WHERE ends_at <= $1 AND cron IS NOT NULL")
        .bind(now).fetch_all(c).await)?;
    Ok(read_all(rows).into_iter().filter(|window| window.repeats.is_some()).collect())
}

/// Removes a window; gives whether it was there.
pub async fn delete(conn: &mut Conn<'_>, id: i64) -> Result<bool> {
    Ok(run!(conn, sqlx::query("DELETE FROM maintenance_windows WHERE id = $1").bind(id))? > 0)
}

/// One window.
pub async fn get(conn: &mut Conn<'_>, id: i64) -> Result<Option<MaintenanceWindow>> {
    let row: Option<Row> = on!(conn, c => sqlx::query_as("SELECT * FROM maintenance_windows WHERE id = $1")
        .bind(id).fetch_optional(c).await)?;
    Ok(row.map(MaintenanceWindow::from))
}

/// The windows that end after `since`: with `now`, those that are open or still to come. The past times of one that repeats are
/// windows of their own here.
pub async fn ending_after(conn: &mut Conn<'_>, since: Timestamp) -> Result<Vec<MaintenanceWindow>> {
    let rows: Vec<Row> = on!(conn, c => sqlx::query_as(
        "SELECT id, name, monitor_ids, tags, starts_at, ends_at, cron, timezone, duration_minutes
            FROM maintenance_windows WHERE ends_at > $1
         UNION ALL
         SELECT w.id, w.name, w.monitor_ids, w.tags, p.starts_at, p.ends_at, NULL, NULL, NULL
            FROM past_windows p JOIN maintenance_windows w ON w.id = p.window_id WHERE p.ends_at > $1
         ORDER BY starts_at, id")
        .bind(since).fetch_all(c).await)?;
    Ok(read_all(rows))
}

/// One page of all windows, the latest start first.
pub async fn list(conn: &mut Conn<'_>, limit: i64, offset: i64) -> Result<Vec<MaintenanceWindow>> {
    let rows: Vec<Row> = on!(conn, c => sqlx::query_as(
        "SELECT * FROM maintenance_windows ORDER BY starts_at DESC, id DESC LIMIT $1 OFFSET $2")
        .bind(limit).bind(offset).fetch_all(c).await)?;
    Ok(read_all(rows))
}

/// How many windows there are.
pub async fn count(conn: &mut Conn<'_>) -> Result<i64> {
    on!(conn, c => sqlx::query_scalar("SELECT COUNT(*) FROM maintenance_windows").fetch_one(c).await)
}

/// The numbers of the monitors that a window covers.
pub async fn covered_ids(
    conn: &mut Conn<'_>,
    window: &MaintenanceWindow,
) -> Result<Vec<MonitorId>> {
    let mut ids = monitors::existing(conn, &window.monitor_ids).await?;
    for tag in &window.tags {
        let tagged: Vec<MonitorId> = on!(conn, c => sqlx::query_scalar(
            "SELECT monitor_id FROM monitor_tags WHERE tag = $1").bind(tag).fetch_all(c).await)?;
        ids.extend(tagged);
    }
    ids.sort_unstable();
    ids.dedup();
    Ok(ids)
}
