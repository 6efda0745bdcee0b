//! Pings as they come. On PostgreSQL each is a row of `pings`. On SQLite those of a commit are one value, a JSON array, and those of a monitor
//! are gathered on sheets, many at a time: a row of so many columns for each, each in its place, took longer than all the rest of a ping.

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::history::NewPing;
use super::{Conn, Error, Held, Result, batches, filled_up, monitors, on, rows_of, run};
use crate::clock::Timestamp;
use crate::monitor::MonitorId;
use crate::monitor::heartbeat::{Signal, SignalKind};
use crate::monitor::state::State;

/// Pings that share a commit: one JSON array, and where each of them is in it.
#[derive(Debug, Default)]
pub struct Packed {
    json: String,
    pieces: Vec<Piece>,
}

#[derive(Debug)]
struct Piece {
    monitor_id: MonitorId,
    n: i64,
    until: usize,
}

impl Packed {
    /// Packs pings.
    ///
    /// # Errors
    /// When they are no JSON, which no ping is known to do.
    pub fn of(pings: &[NewPing]) -> Result<Self> {
        let mut json = Vec::with_capacity(128 * pings.len());
        json.push(b'[');
        let mut pieces = Vec::with_capacity(pings.len());
        for new in pings {
            if !pieces.is_empty() {
                json.push(b',');
            }
            write_json(&mut json, new)?;
            let NewPing { monitor_id, ping, .. } = new;
            pieces.push(Piece { monitor_id: *monitor_id, n: ping.n, until: json.len() });
        }
        json.push(b']');
        let json = String::from_utf8(json).map_err(|error| not_packed(error.into()))?;
        Ok(Self { json, pieces })
    }

    /// Each ping: whose, its number, and its JSON.
    pub(super) fn pings(&self) -> impl Iterator<Item = (MonitorId, i64, &str)> {
        let mut from = 1;
        self.pieces.iter().map(move |&Piece { monitor_id, n, until }| {
            let json = self.json.get(from..until).unwrap_or_default();
            from = until + 1;
            (monitor_id, n, json)
        })
    }
}

fn write_json(json: &mut Vec<u8>, NewPing { monitor_id, ping, .. }: &NewPing) -> Result<()> {
    let columns = (
        monitor_id,
        ping.n,
        ping.at.0,
        ping.kind,
        &ping.method,
        &ping.remote_addr,
        &ping.user_agent,
        ping.rid.map(|rid| rid.simple().to_string()),
        ping.exit_status,
        ping.duration_ms,
        ping.body_bytes,
        &ping.note,
    );
    serde_json::to_writer(json, &columns).map_err(|error| not_packed(error.into()))
}

fn not_packed(error: Box<dyn std::error::Error + Send + Sync>) -> Error {
    Error::Sqlx(sqlx::Error::Encode(error))
}

const INSERT: &str = "INSERT INTO new_pings (pings) VALUES (?)";

/// Stores pings; gives them as they are to be filed, which on PostgreSQL they are.
pub async fn insert_pings(conn: &mut Conn<'_>, pings: &[NewPing]) -> Result<Packed> {
    let Conn::Sqlite(_) = conn else {
        return insert_rows(conn, pings).await.map(|()| Packed::default());
    };
    if pings.is_empty() {
        return Ok(Packed::default());
    }
    let packed = Packed::of(pings)?;
    run!(conn, sqlx::query(INSERT).bind(&packed.json))?;
    insert_bodies(conn, pings).await?;
    Ok(packed)
}

async fn insert_bodies(conn: &mut Conn<'_>, pings: &[NewPing]) -> Result<()> {
    let with_body =
        pings.iter().filter_map(|new| Some((new.monitor_id, new.ping.n, new.body.as_ref()?)));
    for chunk in batches(conn, &with_body.collect::<Vec<_>>()) {
        let sql = format!(
            "INSERT INTO ping_bodies (monitor_id, n, body) {}",
            rows_of(conn, chunk.len(), 3)
        );
        run!(
            conn,
            chunk.iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, (id, n, body)| {
                query.bind(*id).bind(*n).bind(*body)
            })
        )?;
    }
    Ok(())
}

async fn insert_rows(conn: &mut Conn<'_>, pings: &[NewPing]) -> Result<()> {
    for chunk in batches(conn, pings) {
        let sql = format!(
            "INSERT INTO pings (monitor_id, n, at, kind, method, remote_addr, user_agent, rid, exit_status, duration_ms, body,
             body_bytes, note) {}",
            rows_of(conn, chunk.len(), 13)
        );
        on!(conn, c => {
            let mut query = sqlx::query(AssertSqlSafe(sql));
            for NewPing { monitor_id, ping, body } in chunk {
                query = query
                    .bind(*monitor_id)
                    .bind(ping.n)
                    .bind(ping.at)
                    .bind(ping.kind)
                    .bind(&ping.method)
                    .bind(&ping.remote_addr)
                    .bind(&ping.user_agent)
                    .bind(ping.rid)
                    .bind(ping.exit_status)
                    .bind(ping.duration_ms)
                    .bind(body)
                    .bind(ping.body_bytes)
                    .bind(&ping.note);
            }
            query.execute(c).await.map(drop)
        })?;
    }
    Ok(())
}

/// Signals that nothing else follows from, to be written together.
#[derive(Debug, Default)]
pub struct QuietPings {
    /// The states that they led to, unless these rest.
    pub states: Vec<(MonitorId, State)>,
    /// The pings.
    pub pings: Vec<NewPing>,
    /// The same as SQLite takes them.
    pub packed: Packed,
}

/// Writes pings and their states as a transaction of their own. On SQLite those without bodies are one trip to the connection's thread,
/// where each statement, the beginning and the end are one.
///
/// # Errors
/// When nothing was written.
pub async fn write_quiet(held: &mut Held, quiet: &QuietPings) -> Result<()> {
    let states: Vec<(MonitorId, &State)> =
        quiet.states.iter().map(|(id, state)| (*id, state)).collect();
    let is_one_value = !quiet.pings.is_empty() && quiet.pings.iter().all(|new| new.body.is_none());
    let (Held::Sqlite(connection), true) = (&mut *held, is_one_value) else {
        let mut tx = held.begin().await?;
        monitors::save_states(&mut tx.conn(), &states).await?;
        insert_pings(&mut tx.conn(), &quiet.pings).await?;
        return tx.commit().await;
    };
    if states.is_empty() {
        // By itself it is a transaction.
        let insert = sqlx::query(INSERT).bind(&quiet.packed.json);
        return insert.execute(&mut **connection).await.map(drop).map_err(Error::from);
    }
    let save = monitors::save_states_sql(&Conn::Sqlite(connection), states.len());
    let sql = format!("BEGIN IMMEDIATE; {save}; {INSERT}; COMMIT");
    let mut query = monitors::bind_states!(sqlx::query(AssertSqlSafe(sql)), &states);
    // The rows that fill up the first statement must not take the bind of the second.
    for _ in 0..filled_up(states.len()) * monitors::STATE_COLUMNS {
        query = query.bind(None::<i64>);
    }
    let written = query.bind(&quiet.packed.json).execute(&mut **connection).await;
    // Whether it had begun is not known. A connection that may still be in the middle of it is not used again.
    if written.is_err() && sqlx::query("ROLLBACK").execute(&mut **connection).await.is_err() {
        connection.close_on_drop();
    }
    written.map(drop).map_err(Error::from)
}

/// The signals of the new pings that the states do not know of, in order of their coming: of which monitor, the ping's number, and what it
/// said. Only SQLite has any.
pub async fn unseen_signals(conn: &mut Conn<'_>) -> Result<Vec<(MonitorId, i64, Signal)>> {
    #[derive(sqlx::FromRow)]
    struct Row {
        monitor_id: MonitorId,
        n: i64,
        at: Timestamp,
        kind: SignalKind,
        rid: Option<Uuid>,
        exit_status: Option<i64>,
    }
    let Conn::Sqlite(_) = conn else { return Ok(Vec::new()) };
    let rows: Vec<Row> = on!(conn, c => sqlx::query_as(
        "SELECT s.monitor_id, p.value ->> 1 AS n, p.value ->> 2 AS at, p.value ->> 3 AS kind, unhex(p.value ->> 7) AS rid,
             p.value ->> 8 AS exit_status
         FROM new_pings w, json_each(w.pings) p JOIN monitor_states s ON s.monitor_id = p.value ->> 0
         WHERE p.value ->> 1 > s.state ->> '$.beat.pings' ORDER BY w.id, p.key")
        .fetch_all(c).await)?;
    let signal = |row: Row| {
        let Row { monitor_id, n, at, kind, rid, exit_status } = row;
        (monitor_id, n, Signal { kind, rid, exit_status, at })
    };
    Ok(rows.into_iter().map(signal).collect())
}
