//! Monitors and what is known of them now.

mod chosen;
mod deletion;
mod headers;

use std::sync::Arc;

use sqlx::AssertSqlSafe;
use sqlx::types::Json;
use uuid::Uuid;

pub use super::deadlines::{Outlook, due_between, outlook, past_deadline};
use super::{Conn, Result, among, dependencies, listed, on, placeholders, run};
use crate::clock::Timestamp;
use crate::monitor::state::{Policy, State};
use crate::monitor::{Header, Kind, Monitor, MonitorId, Settings, Status, Target};
use crate::seal::Sealer;
pub use chosen::{Chosen, chosen_channels, tagged, tags};
pub use deletion::{delete, deleted, remove};
pub use headers::checked;
use headers::{open_headers, seal_headers};

/// A monitor beside its state.
#[derive(Debug, Clone, PartialEq)]
pub struct Watched {
    /// Its settings. Who keeps many of them shares them where it can.
    pub monitor: Arc<Monitor>,
    /// What is known of it.
    pub state: State,
}

impl Watched {
    /// Puts in the headers of a monitor that was read without them. One that has none goes on sharing its settings.
    pub fn put_headers(&mut self, headers: Vec<Header>) {
        if headers.is_empty() {
            return;
        }
        if let Target::Http(spec) = &mut Arc::make_mut(&mut self.monitor).settings.target {
            spec.headers = headers;
        }
    }
}

#[derive(sqlx::FromRow)]
struct Row {
    id: MonitorId,
    uuid: Option<Uuid>,
    settings: Json<Settings>,
    sealed_headers: Option<Vec<u8>>,
    paused: bool,
    created_at: Timestamp,
    updated_at: Timestamp,
    state: Json<State>,
}

impl Row {
    /// Without the headers, which only a check needs.
    fn without_headers(self) -> Watched {
        Watched {
            monitor: Arc::new(Monitor {
                id: self.id,
                uuid: self.uuid,
                settings: self.settings.0,
                paused: self.paused,
                created_at: self.created_at,
                updated_at: self.updated_at,
            }),
            state: self.state.0,
        }
    }

    fn with_headers(mut self, sealer: &Sealer) -> Result<Watched> {
        let sealed = self.sealed_headers.take();
        let mut watched = self.without_headers();
        watched.put_headers(open_headers(sealer, watched.monitor.id, sealed.as_deref())?);
        Ok(watched)
    }
}

const COLUMNS: &str =
    "m.id, m.uuid, m.settings, m.sealed_headers, m.paused, m.created_at, m.updated_at, s.state
    FROM monitors m JOIN monitor_states s ON s.monitor_id = m.id";

/// Folds text for a search that ignores case (SQLite's `lower` knows ASCII only).
pub fn fold(text: &str) -> String {
    text.to_lowercase()
}

fn search_text(settings: &Settings) -> String {
    let url = settings.target.url().map(crate::incident::message::short_url).unwrap_or_default();
    fold(&format!("{}\n{url}\n{}", settings.name, settings.tags.join("\n")))
}

/// Adds a monitor in the state of one that is watched from `now` on.
pub async fn insert(
    conn: &mut Conn<'_>,
    sealer: &Sealer,
    settings: &Settings,
    uuid: Option<Uuid>,
    now: Timestamp,
) -> Result<Watched> {
    let headers = seal_headers(sealer, settings)?;
    let id: MonitorId = on!(conn, c => sqlx::query_scalar(
        "INSERT INTO monitors (type, name, search_text, uuid, settings, sealed_headers, paused, created_at, updated_at,
            escalation_policy_id)
         VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $8, $9) RETURNING id")
        .bind(settings.target.kind()).bind(&settings.name).bind(search_text(settings)).bind(uuid)
        .bind(Json(settings)).bind(&headers).bind(false).bind(now)
        .bind(settings.escalation_policy_id)
        .fetch_one(c).await)?;
    write_tags(conn, id, &settings.tags).await?;
    chosen::write_regions(conn, id, settings).await?;
    dependencies::write(conn, id, &settings.depends_on).await?;
    let state = State::new(&Policy::of(&settings.target), now);
    save_states(conn, &[(id, &state)]).await?;
    let monitor = Monitor {
        id,
        uuid,
        settings: settings.clone(),
        paused: false,
        created_at: now,
        updated_at: now,
    };
    Ok(Watched { monitor: Arc::new(monitor), state })
}

/// Writes a monitor's settings, UUID and whether it is paused.
pub async fn update(conn: &mut Conn<'_>, sealer: &Sealer, monitor: &Monitor) -> Result<()> {
    let settings = &monitor.settings;
    let headers = seal_headers(sealer, settings)?;
    run!(
        conn,
        sqlx::query(
            "UPDATE monitors SET name = $2, search_text = $3, settings = $4, sealed_headers = $5,
             updated_at = $6, uuid = $7, escalation_policy_id = $8 WHERE id = $1"
        )
        .bind(monitor.id)
        .bind(&settings.name)
        .bind(search_text(settings))
        .bind(Json(settings))
        .bind(&headers)
        .bind(monitor.updated_at)
        .bind(monitor.uuid)
        .bind(settings.escalation_policy_id)
    )?;
    run!(conn, sqlx::query("DELETE FROM monitor_tags WHERE monitor_id = $1").bind(monitor.id))?;
    write_tags(conn, monitor.id, &settings.tags).await?;
    chosen::write_regions(conn, monitor.id, settings).await?;
    dependencies::write(conn, monitor.id, &settings.depends_on).await
}

async fn write_tags(conn: &mut Conn<'_>, id: MonitorId, tags: &[String]) -> Result<()> {
    for tag in tags {
        run!(
            conn,
            sqlx::query("INSERT INTO monitor_tags (monitor_id, tag) VALUES ($1, $2)")
                .bind(id)
                .bind(tag)
        )?;
    }
    let first = tags.first().map_or("", String::as_str);
    run!(
        conn,
        sqlx::query("UPDATE monitors SET group_tag = $2 WHERE id = $1").bind(id).bind(first)
    )?;
    Ok(())
}

/// Marks a monitor as paused or not.
pub async fn set_paused(conn: &mut Conn<'_>, id: MonitorId, paused: bool) -> Result<()> {
    run!(conn, sqlx::query("UPDATE monitors SET paused = $2 WHERE id = $1").bind(id).bind(paused))?;
    Ok(())
}

/// One monitor with its headers.
pub async fn get(conn: &mut Conn<'_>, sealer: &Sealer, id: MonitorId) -> Result<Option<Watched>> {
    let sql = format!("SELECT {COLUMNS} WHERE m.id = $1");
    let row: Option<Row> =
        on!(conn, c => sqlx::query_as(AssertSqlSafe(sql)).bind(id).fetch_optional(c).await)?;
    row.map(|row| row.with_headers(sealer)).transpose()
}

/// The monitors with these numbers, without headers. Those that do not exist are left out.
pub async fn by_ids(conn: &mut Conn<'_>, ids: &[MonitorId]) -> Result<Vec<Watched>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!("SELECT {COLUMNS} WHERE {}", among(conn, "m.id", 1));
    let list = listed(conn, ids);
    let rows: Vec<Row> =
        on!(conn, c => sqlx::query_as(AssertSqlSafe(sql)).bind(list).fetch_all(c).await)?;
    Ok(rows.into_iter().map(Row::without_headers).collect())
}

/// The heartbeats with these UUIDs. Those that do not exist are left out.
pub async fn by_uuids(conn: &mut Conn<'_>, uuids: &[Uuid]) -> Result<Vec<Watched>> {
    if uuids.is_empty() {
        return Ok(Vec::new());
    }
    let sql = format!("SELECT {COLUMNS} WHERE m.uuid IN ({})", placeholders(1, uuids.len()));
    let rows: Vec<Row> = on!(conn, c => {
        let mut query = sqlx::query_as(AssertSqlSafe(sql));
        for uuid in uuids {
            query = query.bind(*uuid);
        }
        query.fetch_all(c).await
    })?;
    Ok(rows.into_iter().map(Row::without_headers).collect())
}

/// The numbers of all monitors that are not paused.
pub async fn active_ids(conn: &mut Conn<'_>) -> Result<Vec<MonitorId>> {
    on!(conn, c => sqlx::query_scalar(
        "SELECT m.id FROM monitors m JOIN monitor_states s ON s.monitor_id = m.id WHERE NOT m.paused ORDER BY m.id").fetch_all(c).await)
}

/// The numbers and names of all monitors, by name.
pub async fn names(conn: &mut Conn<'_>) -> Result<Vec<(MonitorId, String)>> {
    on!(conn, c => sqlx::query_as("SELECT m.id, m.name FROM monitors m JOIN monitor_states s ON s.monitor_id = m.id ORDER BY m.name, m.id").fetch_all(c).await)
}

/// The numbers of all monitors.
pub async fn all_ids(conn: &mut Conn<'_>) -> Result<Vec<MonitorId>> {
    on!(conn, c => sqlx::query_scalar("SELECT monitor_id FROM monitor_states ORDER BY monitor_id").fetch_all(c).await)
}

/// When the oldest monitor was made.
pub async fn first_made_at(conn: &mut Conn<'_>) -> Result<Option<Timestamp>> {
    on!(conn, c => sqlx::query_scalar("SELECT MIN(created_at) FROM monitors").fetch_one(c).await)
}

/// The numbers among `ids` that are monitors.
pub async fn existing(conn: &mut Conn<'_>, ids: &[MonitorId]) -> Result<Vec<MonitorId>> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let sql =
        format!("SELECT monitor_id FROM monitor_states WHERE {}", among(conn, "monitor_id", 1));
    let list = listed(conn, ids);
    on!(conn, c => sqlx::query_scalar(AssertSqlSafe(sql)).bind(list).fetch_all(c).await)
}

/// How many binds a state has.
pub(super) const STATE_COLUMNS: usize = 6;

/// The statement that writes so many states.
pub(super) fn save_states_sql(conn: &Conn<'_>, count: usize) -> String {
    format!(
        "INSERT INTO monitor_states (monitor_id, status, is_confirming, due_at, deadline_at, state) {}
         ON CONFLICT (monitor_id) DO UPDATE SET status = excluded.status,
             is_confirming = excluded.is_confirming, due_at = excluded.due_at,
             deadline_at = excluded.deadline_at, state = excluded.state",
        super::rows_of(conn, count, STATE_COLUMNS)
    )
}

/// Binds states to a statement of [`save_states_sql`].
macro_rules! bind_states {
    ($query:expr, $states:expr) => {{
        let mut query = $query;
        for (id, state) in $states {
            query = query
                .bind(*id)
                .bind(state.status)
                .bind(state.is_confirming())
                .bind(state.beat.due_at)
                .bind(state.armed_deadline())
                .bind(sqlx::types::Json(*state));
        }
        query
    }};
}
pub(super) use bind_states;

/// Writes what is known of some monitors now.
pub async fn save_states(conn: &mut Conn<'_>, states: &[(MonitorId, &State)]) -> Result<()> {
    for chunk in super::batches(conn, states) {
        let sql = save_states_sql(conn, chunk.len());
        run!(conn, bind_states!(sqlx::query(AssertSqlSafe(sql)), chunk))?;
    }
    Ok(())
}

/// Which monitors a list shows.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of this kind only.
    pub kind: Option<Kind>,
    /// In this status only.
    pub status: Option<Status>,
    /// Heartbeats in their grace only, at this moment.
    pub late_at: Option<Timestamp>,
    /// Those that are being re-checked only.
    pub confirming: bool,
    /// With this tag only.
    pub tag: Option<String>,
    /// Checked from this region only; whether that is the server's own, from which all are that have no choice.
    pub region: Option<(String, bool)>,
    /// With this text in name, URL or tags only.
    pub text: Option<String>,
    /// Of these only; `None`: of all.
    pub ids: Option<Vec<MonitorId>>,
    /// Those that need attention first (down, late or confirming, degraded), then by name; else by number.
    pub attention_first: bool,
}

/// The conditions of a [`Filter`]. Its parameters are $1 to $9.
pub(super) const FILTER: &str = "
    ($1 IS NULL OR m.type = $1)
    AND ($2 IS NULL OR s.status = $2)
    AND ($3 IS NULL OR (s.status = 'up' AND s.due_at <= $3))
    AND (NOT $4 OR s.is_confirming)
    AND ($5 IS NULL OR EXISTS (SELECT 1 FROM monitor_tags t WHERE t.monitor_id = m.id AND t.tag = $5))
    AND ($6 IS NULL OR m.search_text LIKE $6 ESCAPE '!')
    AND ($7 = '' OR $7 LIKE '%,' || m.id || ',%')
    AND ($8 IS NULL OR EXISTS (SELECT 1 FROM monitor_regions r WHERE r.monitor_id = m.id AND r.region = $8)
        OR ($9 AND m.type <> 'heartbeat' AND NOT EXISTS (SELECT 1 FROM monitor_regions r WHERE r.monitor_id = m.id)))";

impl Filter {
    pub(super) fn pattern(&self) -> Option<String> {
        let text = self.text.as_deref().map(str::trim).filter(|t| !t.is_empty())?;
        let escaped = fold(text).replace('!', "!!").replace('%', "!%").replace('_', "!_");
        Some(format!("%{escaped}%"))
    }

    pub(super) fn region_name(&self) -> Option<&str> {
        self.region.as_ref().map(|(name, _)| name.as_str())
    }

    pub(super) fn is_own_region(&self) -> bool {
        self.region.as_ref().is_some_and(|(_, is_own)| *is_own)
    }

    /// `,1,2,` or nothing for all; one parameter however many ids.
    pub(super) fn id_list(&self) -> String {
        match &self.ids {
            None => String::new(),
            Some(ids) => ids.iter().fold(",".to_owned(), |list, id| format!("{list}{id},")),
        }
    }
}

/// One page of the monitors that fit, without headers.
pub async fn list(
    conn: &mut Conn<'_>,
    filter: &Filter,
    limit: i64,
    offset: i64,
) -> Result<Vec<Watched>> {
    let order = if filter.attention_first {
        "CASE WHEN s.status = 'down' THEN 0 WHEN s.is_confirming THEN 1 WHEN s.status = 'degraded' THEN 2 ELSE 3 END,
         m.search_text, m.id"
    } else {
        "m.id"
    };
    let sql = format!("SELECT {COLUMNS} WHERE {FILTER} ORDER BY {order} LIMIT $10 OFFSET $11");
    let rows: Vec<Row> = on!(conn, c => sqlx::query_as(AssertSqlSafe(sql))
        .bind(filter.kind).bind(filter.status).bind(filter.late_at).bind(filter.confirming)
        .bind(&filter.tag).bind(filter.pattern()).bind(filter.id_list())
        .bind(filter.region_name()).bind(filter.is_own_region())
        .bind(limit).bind(offset).fetch_all(c).await)?;
    Ok(rows.into_iter().map(Row::without_headers).collect())
}

/// How many monitors fit.
pub async fn count(conn: &mut Conn<'_>, filter: &Filter) -> Result<i64> {
    let sql = format!(
        "SELECT COUNT(*) FROM monitors m JOIN monitor_states s ON s.monitor_id = m.id WHERE {FILTER}"
    );
    on!(conn, c => sqlx::query_scalar(AssertSqlSafe(sql))
        .bind(filter.kind).bind(filter.status).bind(filter.late_at).bind(filter.confirming)
        .bind(&filter.tag).bind(filter.pattern()).bind(filter.id_list())
        .bind(filter.region_name()).bind(filter.is_own_region())
        .fetch_one(c).await)
}

/// How many monitors are in each status.
pub async fn count_by_status(conn: &mut Conn<'_>) -> Result<Vec<(Status, i64)>> {
    on!(conn, c => sqlx::query_as("SELECT status, COUNT(*) FROM monitor_states GROUP BY status").fetch_all(c).await)
}
