//! Space that removed rows leave: SQLite keeps it for later rows, and gives it back to the disk when asked.

use super::{Db, Result, on, run};

/// Pages that are given back in one transaction.
const PAGES: i64 = 500;
/// Free pages that are kept for later rows: a fifth of the file, and some in any case.
const KEPT_SHARE: i64 = 5;
const KEPT_PAGES: i64 = 2_000;

/// Gives back some of the space that no row needs soon; says whether there may be more. PostgreSQL sees to it by itself.
///
/// # Errors
/// When the database fails.
pub async fn give_back(db: &Db) -> Result<bool> {
    let Db::Sqlite { .. } = db else { return Ok(false) };
    let mut tx = db.begin().await?;
    let conn = &mut tx.conn();
    let free: i64 = on!(conn, c => sqlx::query_scalar("PRAGMA freelist_count").fetch_one(c).await)?;
    let all: i64 = on!(conn, c => sqlx::query_scalar("PRAGMA page_count").fetch_one(c).await)?;
    if free <= KEPT_PAGES.max(all / KEPT_SHARE) {
        return Ok(false);
    }
    // The number of pages is part of the text, which is a constant: a pragma takes no binds.
    let sql = format!("PRAGMA incremental_vacuum({PAGES})");
    run!(conn, sqlx::query(sqlx::AssertSqlSafe(sql)))?;
    tx.commit().await?;
    Ok(true)
}
