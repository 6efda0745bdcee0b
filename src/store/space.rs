//! Space that removed rows leave: SQLite keeps it for later rows, and gives it back to the disk when asked.

use super::{Db, Result, on, run};

/// Pages that are given back in one transaction at most: one of the middle of the file costs 0.2 ms, as another is moved to its place.
const PAGES: i64 = 100;
/// How many free pages SQLite may go through for that, so that no other write waits long: for each page that it gives back it looks for
/// that page in the list of all that are free.
const LOOKED_THROUGH: i64 = 5_000_000;
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
    // The number of pages is part of the text: a pragma takes no binds.
    let sql = format!("PRAGMA incremental_vacuum({})", pages_at_once(free));
    run!(conn, sqlx::query(sqlx::AssertSqlSafe(sql)))?;
    let left: i64 = on!(conn, c => sqlx::query_scalar("PRAGMA freelist_count").fetch_one(c).await)?;
    tx.commit().await?;
    // A file that was not made by us (from a dump, say) may keep all its pages for ever.
    Ok(left < free)
}

/// How many pages are given back in one transaction when so many are free.
fn pages_at_once(free: i64) -> i64 {
    (LOOKED_THROUGH / free.max(1)).clamp(1, PAGES)
}

#[cfg(test)]
mod tests {
    use sqlx::sqlite::SqliteConnectOptions;
    use sqlx::{ConnectOptions, Connection};

    use super::super::testing;
    use super::*;

    /// Writes 16 MB and removes them; gives how often space was given back, and by how many pages the file has shrunk.
    async fn given_back(db: &Db) -> (usize, i64) {
        let pages = async || {
            let mut reader = db.read().await.unwrap();
            on!(&mut reader.conn(), c => sqlx::query_scalar::<_, i64>("PRAGMA page_count").fetch_one(c).await)
                .unwrap()
        };
        for sql in [
            "INSERT INTO settings (key, value) VALUES ('big', hex(zeroblob(8000000)))",
            "DELETE FROM settings WHERE key = 'big'",
        ] {
            let mut tx = db.begin().await.unwrap();
            run!(&mut tx.conn(), sqlx::query(sql)).unwrap();
            tx.commit().await.unwrap();
        }
        let (before, mut times) = (pages().await, 0);
        while times < 50 && give_back(db).await.unwrap() {
            times += 1;
        }
        (times, before - pages().await)
    }

    #[test]
    fn the_more_are_free_the_fewer_are_given_back_at_once() {
        assert_eq!([0, 2_000, 10_000].map(pages_at_once), [PAGES; 3]);
        assert_eq!([100_000, 5_000_000, i64::MAX].map(pages_at_once), [50, 1, 1]);
    }

    #[tokio::test]
    async fn most_of_what_is_free_is_given_back() {
        let (db, _folder) = testing::sqlite().await;
        let (times, shrunk) = given_back(&db).await;
        assert!(times < 50 && shrunk > 1_000, "{times} times, {shrunk} pages");
    }

    #[tokio::test]
    async fn a_file_that_gives_nothing_back_is_asked_once() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("watchbell.db");
        let options = SqliteConnectOptions::new().filename(&path).create_if_missing(true);
        let mut other = options.connect().await.unwrap();
        sqlx::raw_sql("CREATE TABLE was_here (x)").execute(&mut other).await.unwrap();
        other.close().await.unwrap();
        let db = Db::open(&format!("sqlite://{}", path.display())).await.unwrap();
        assert_eq!(given_back(&db).await, (0, 0));
    }
}
