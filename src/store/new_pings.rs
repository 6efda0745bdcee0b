//! Pings as they come. On PostgreSQL each is a row of `pings`. On SQLite those of a commit are one value, a JSON array, and those of a monitor
//! are gathered on sheets, many at a time: a row of so many columns for each, each in its place, took longer than all the rest of a ping.

use std::collections::HashMap;

use sqlx::AssertSqlSafe;
use uuid::Uuid;

use super::history::NewPing;
use super::{Conn, Error, Held, Result, batches, filled_up, monitors, on, rows_of, run};
use crate::clock::Timestamp;
use crate::monitor::MonitorId;
use crate::monitor::heartbeat::{Signal, SignalKind};
use crate::monitor::state::State;

/// How many pings a sheet has at most. They are read, and go, together.
const A_SHEET: usize = 32;

/// How many commits are read back at once to be filed.
const COMMITS_AT_ONCE: i64 = 256;

/// What the pings of the monitor `$1` are selected from on SQLite. A ping is an array of its columns in order, bytes as hexadecimal digits.
///
/// To look for a text is quicker than to read the JSON of every commit.
pub(super) const OF_A_MONITOR: &str = "(
    SELECT n, at, kind, method, remote_addr, user_agent, rid, exit_status, duration_ms, body, body_bytes, note
    FROM (
        SELECT p.value ->> 1 AS n, p.value ->> 2 AS at, p.value ->> 3 AS kind, p.value ->> 4 AS method, p.value ->> 5 AS remote_addr,
            p.value ->> 6 AS user_agent, unhex(p.value ->> 7) AS rid, p.value ->> 8 AS exit_status, p.value ->> 9 AS duration_ms,
            unhex(p.value ->> 10) AS body, p.value ->> 11 AS body_bytes, p.value ->> 12 AS note
        FROM (
            SELECT pings FROM ping_sheets WHERE monitor_id = $1
            UNION ALL
            SELECT pings FROM new_pings WHERE instr(pings, '[' || $1 || ',')
        ) s, json_each(s.pings) p
        WHERE p.value ->> 0 = $1
    )) p";

/// The table of the pings that are filed. Each row has the number `n` of its last one.
pub(super) fn filed(conn: &Conn<'_>) -> &'static str {
    match conn {
        Conn::Sqlite(_) => "ping_sheets",
        Conn::Postgres(_) => "pings",
    }
}

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
        let mut pieces = Vec::with_capacity(pings.len());
        for new in pings {
            json.push(if json.is_empty() { b'[' } else { b',' });
            write_json(&mut json, new)?;
            let NewPing { monitor_id, ping, .. } = new;
            pieces.push(Piece { monitor_id: *monitor_id, n: ping.n, until: json.len() });
        }
        json.push(b']');
        let json = String::from_utf8(json).map_err(|error| not_packed(error.into()))?;
        Ok(Self { json, pieces })
    }

    /// Each ping: whose, its number, and its JSON.
    fn pings(&self) -> impl Iterator<Item = (MonitorId, i64, &str)> {
        let mut from = 1;
        self.pieces.iter().map(move |&Piece { monitor_id, n, until }| {
            let json = self.json.get(from..until).unwrap_or_default();
            from = until + 1;
            (monitor_id, n, json)
        })
    }
}

fn write_json(json: &mut Vec<u8>, NewPing { monitor_id, ping, body }: &NewPing) -> Result<()> {
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
        body.as_ref().map(hex::encode),
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
    match conn {
        _ if pings.is_empty() => Ok(Packed::default()),
        Conn::Sqlite(c) => {
            let packed = Packed::of(pings)?;
            sqlx::query(INSERT).bind(&packed.json).execute(&mut **c).await?;
            Ok(packed)
        }
        Conn::Postgres(_) => insert_rows(conn, pings).await.map(|()| Packed::default()),
    }
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

/// Writes pings and their states as a transaction of their own. On SQLite this is one trip to the connection's thread, where each
/// statement, the beginning and the end are one.
///
/// # Errors
/// When nothing was written.
pub async fn write_quiet(held: &mut Held, quiet: &QuietPings) -> Result<()> {
    let states: Vec<(MonitorId, &State)> =
        quiet.states.iter().map(|(id, state)| (*id, state)).collect();
    let Held::Sqlite(connection) = held else {
        let mut tx = held.begin().await?;
        monitors::save_states(&mut tx.conn(), &states).await?;
        insert_rows(&mut tx.conn(), &quiet.pings).await?;
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

/// New pings on the sheets of their monitors, as they are filed.
#[derive(Debug, Default)]
pub struct Sheets {
    of: HashMap<MonitorId, Vec<Sheet>>,
    commits: u64,
    pings: usize,
    bytes: usize,
}

#[derive(Debug, Default)]
struct Sheet {
    /// The numbers of its first and its last ping.
    first_n: i64,
    n: i64,
    pings: usize,
    /// Without the bracket at its end.
    json: String,
}

impl Sheets {
    /// Puts the pings of a commit on them.
    pub fn add(&mut self, packed: &Packed) {
        self.commits += u64::from(!packed.pieces.is_empty());
        packed.pings().for_each(|(id, n, json)| self.put(id, n, json));
    }

    fn put(&mut self, id: MonitorId, n: i64, json: &str) {
        self.pings += 1;
        self.bytes += json.len();
        let sheets = self.of.entry(id).or_default();
        if sheets.last().is_none_or(|sheet| sheet.pings == A_SHEET) {
            sheets.push(Sheet { first_n: n, ..Sheet::default() });
        }
        let Some(sheet) = sheets.last_mut() else { return };
        sheet.json.push(if sheet.pings == 0 { '[' } else { ',' });
        sheet.json.push_str(json);
        (sheet.n, sheet.pings) = (n, sheet.pings + 1);
    }

    /// How many pings are on them.
    pub fn pings(&self) -> usize {
        self.pings
    }

    /// How many bytes they hold.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Stores them, but for those of monitors that were deleted meanwhile. On PostgreSQL there are none.
    async fn store(self, conn: &mut Conn<'_>) -> Result<()> {
        let of_all = self.of.into_iter();
        let mut sheets: Vec<(MonitorId, Sheet)> =
            of_all.flat_map(|(id, of)| of.into_iter().map(move |sheet| (id, sheet))).collect();
        // They stay in this order: what is read together is together.
        sheets.sort_unstable_by_key(|(id, sheet)| (*id, sheet.n));
        for chunk in batches(conn, &sheets) {
            let sql = format!(
                "INSERT INTO ping_sheets (monitor_id, first_n, n, pings) {} AND column1 IN (SELECT id FROM monitors)",
                rows_of(conn, chunk.len(), 4)
            );
            run!(
                conn,
                chunk.iter().fold(sqlx::query(AssertSqlSafe(sql)), |query, (id, sheet)| {
                    query
                        .bind(*id)
                        .bind(sheet.first_n)
                        .bind(sheet.n)
                        .bind(format!("{}]", sheet.json))
                })
            )?;
        }
        Ok(())
    }
}

/// Files the new pings, which are all on `sheets`.
///
/// # Errors
/// Also when they are not all: what is on no sheet must not be removed.
pub async fn file(conn: &mut Conn<'_>, sheets: Sheets) -> Result<()> {
    let Conn::Sqlite(_) = conn else { return Ok(()) };
    let commits = sheets.commits;
    sheets.store(conn).await?;
    if run!(conn, sqlx::query("DELETE FROM new_pings"))? != commits {
        return Err(Error::Sqlx(sqlx::Error::Protocol(
            "there are new pings that nobody noted".into(),
        )));
    }
    Ok(())
}

/// Files new pings of which nothing is known, the oldest first; says whether these were all.
pub async fn file_unknown(conn: &mut Conn<'_>) -> Result<bool> {
    let Conn::Sqlite(_) = conn else { return Ok(true) };
    let rows: Vec<(i64, MonitorId, i64, String)> = on!(conn, c => sqlx::query_as(
        "SELECT w.id, p.value ->> 0, p.value ->> 1, p.value
         FROM (SELECT id, pings FROM new_pings ORDER BY id LIMIT $1) w, json_each(w.pings) p ORDER BY w.id, p.key")
        .bind(COMMITS_AT_ONCE).fetch_all(c).await)?;
    let Some(up_to) = rows.last().map(|(commit, ..)| *commit) else { return Ok(true) };
    let mut sheets = Sheets::default();
    rows.iter().for_each(|(_, id, n, json)| sheets.put(*id, *n, json));
    sheets.store(conn).await?;
    run!(conn, sqlx::query("DELETE FROM new_pings WHERE id <= $1").bind(up_to))?;
    let left: bool = on!(conn, c => sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM new_pings)").fetch_one(c).await)?;
    Ok(!left)
}

/// Whether a monitor `m` has filed pings that lie more than `$1` back, as SQLite sees it quickly: by its oldest sheet `t`.
pub(super) const ON_OLDEST_SHEET: &str =
    "t.n = (SELECT MIN(n) FROM ping_sheets WHERE monitor_id = m.id)
    AND t.first_n <= (SELECT MAX(n) FROM ping_sheets WHERE monitor_id = m.id) - $1";

/// Takes the pings that lie more than `keep` back off the sheet that they share with younger ones; says of how many sheets.
pub(super) async fn trim(conn: &mut Conn<'_>, id: MonitorId, keep: i64) -> Result<u64> {
    let Conn::Sqlite(c) = conn else { return Ok(0) };
    let trimmed = sqlx::query(
        "UPDATE ping_sheets SET first_n = old.n + 1, pings =
             (SELECT json_group_array(json(p.value) ORDER BY p.key) FROM json_each(pings) p WHERE p.value ->> 1 > old.n)
         FROM (SELECT MAX(n) - $2 AS n FROM ping_sheets WHERE monitor_id = $1) old
         WHERE monitor_id = $1 AND first_n <= old.n AND ping_sheets.n > old.n",
    );
    Ok(trimmed.bind(id).bind(keep).execute(&mut **c).await?.rows_affected())
}
