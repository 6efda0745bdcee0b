//! Pings that are filed, on SQLite: up to 32 of a monitor are a sheet, one value. Their bodies are elsewhere, as to list pings is to read sheets.

use std::collections::HashMap;

use sqlx::AssertSqlSafe;

use super::new_pings::Packed;
use super::{Conn, Error, Result, batches, on, rows_of, run};
use crate::monitor::MonitorId;

/// How many pings a sheet has at most. They are read, and go, together.
const A_SHEET: usize = 32;

/// How many commits are read back at once to be filed, and up to how many bytes of them.
const COMMITS_AT_ONCE: i64 = 256;
const BYTES_AT_ONCE: i64 = 4_000_000;

/// What the pings of the monitor `$1` are selected from on SQLite. A ping is an array of its columns in order, `rid` as hexadecimal digits; its
/// body is in `ping_bodies`.
///
/// To look for a text is quicker than to read the JSON of every commit.
pub(super) const OF_A_MONITOR: &str = "(
    SELECT p.value ->> 1 AS n, p.value ->> 2 AS at, p.value ->> 3 AS kind, p.value ->> 4 AS method, p.value ->> 5 AS remote_addr,
        p.value ->> 6 AS user_agent, unhex(p.value ->> 7) AS rid, p.value ->> 8 AS exit_status, p.value ->> 9 AS duration_ms,
        p.value ->> 10 AS body_bytes, p.value ->> 11 AS note
    FROM (
        SELECT pings FROM ping_sheets WHERE monitor_id = $1
        UNION ALL
        SELECT pings FROM new_pings WHERE instr(pings, '[' || $1 || ',')
    ) s, json_each(s.pings) p
    WHERE p.value ->> 0 = $1) p";

/// The table of the pings that are filed. Each row has the number `n` of its last one.
pub(super) fn filed(conn: &Conn<'_>) -> &'static str {
    match conn {
        Conn::Sqlite(_) => "ping_sheets",
        Conn::Postgres(_) => "pings",
    }
}

/// New pings on the sheets of their monitors, as they are filed.
#[derive(Debug, Default)]
pub struct Sheets {
    of: HashMap<MonitorId, Vec<Sheet>>,
    commits: u64,
    pings: usize,
    bytes: usize,
    most: usize,
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
        let before = self.pings;
        packed.pings().for_each(|(id, n, json)| self.put(id, n, json));
        self.commits += u64::from(self.pings > before);
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
        self.most = self.most.max(A_SHEET * sheets.len());
    }

    /// How many pings are on them.
    pub fn pings(&self) -> usize {
        self.pings
    }

    /// How many pings one monitor has at most, in whole sheets.
    pub fn most_of_one(&self) -> usize {
        self.most
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
                    query.bind(*id).bind(sheet.first_n).bind(sheet.n).bind(sheet.json.clone() + "]")
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
         FROM (
             SELECT id, pings, SUM(octet_length(pings)) OVER (ORDER BY id) - octet_length(pings) AS before
             FROM (SELECT id, pings FROM new_pings ORDER BY id LIMIT $1)
         ) w, json_each(w.pings) p WHERE w.before < $2 ORDER BY w.id, p.key")
        .bind(COMMITS_AT_ONCE).bind(BYTES_AT_ONCE).fetch_all(c).await)?;
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

/// The number of the last of a monitor's filed pings that lie more than `keep` back, or one below all.
pub(super) async fn last_beyond(conn: &mut Conn<'_>, id: MonitorId, keep: i64) -> Result<i64> {
    let Conn::Sqlite(c) = conn else { return Ok(0) };
    let last =
        sqlx::query_scalar("SELECT COALESCE(MAX(n), 0) FROM ping_sheets WHERE monitor_id = $1");
    Ok(last.bind(id).fetch_one(&mut **c).await.map(|last: i64| last - keep)?)
}

/// Removes up to `limit` bodies of a monitor's pings up to a number; gives how many. On PostgreSQL they go with the pings.
pub(super) async fn remove_bodies(
    conn: &mut Conn<'_>,
    id: MonitorId,
    up_to: i64,
    limit: i64,
) -> Result<u64> {
    let Conn::Sqlite(c) = conn else { return Ok(0) };
    let removed = sqlx::query(
        "DELETE FROM ping_bodies WHERE monitor_id = $1 AND n IN
             (SELECT n FROM ping_bodies WHERE monitor_id = $1 AND n <= $2 ORDER BY n LIMIT $3)",
    );
    let removed = removed.bind(id).bind(up_to).bind(limit).execute(&mut **c).await?;
    Ok(removed.rows_affected())
}

/// Takes the pings up to a number off the sheet that they share with younger ones; says of how many sheets.
pub(super) async fn trim(conn: &mut Conn<'_>, id: MonitorId, up_to: i64) -> Result<u64> {
    let Conn::Sqlite(c) = conn else { return Ok(0) };
    let trimmed = sqlx::query(
        "UPDATE ping_sheets SET first_n = $2 + 1, pings =
             (SELECT json_group_array(json(p.value) ORDER BY p.key) FROM json_each(pings) p WHERE p.value ->> 1 > $2)
         WHERE monitor_id = $1 AND first_n <= $2 AND n > $2",
    );
    Ok(trimmed.bind(id).bind(up_to).execute(&mut **c).await?.rows_affected())
}
