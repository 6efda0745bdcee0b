//! Opening the database: creating it, tuning it, bringing its schema up to date.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::str::FromStr;
use std::time::Duration;

use sqlx::Connection;
use sqlx::postgres::{PgConnectOptions, PgConnection, PgPoolOptions};
use sqlx::sqlite::{
    SqliteAutoVacuum, SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous,
};

use tokio::runtime::Handle;

use super::{Db, Error, Result};

const READERS: u32 = 4;
/// How long the write-ahead log gets before a commit also carries it into the database, in pages of 4 KiB. A page that was
/// written many times since is carried over once, so that a longer log costs less.
const WAL_PAGES: &str = "8000";
/// How many rows a connection of SQLite reads ahead. When they are full its thread sleeps until whoever asked has taken one, and with
/// sqlx's fifty the two take turns through a list of ten thousand.
const ROWS_AHEAD: usize = 2_000;
const POSTGRES_CONNECTIONS: u32 = 10;
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(30);
/// SQLite is a file, not a peer that may have hung up: to ask a connection for a sign of life is one more trip to its thread.
const IS_A_PEER: bool = false;

impl Db {
    /// Opens the database at `url` (`sqlite://path` or `postgres://…`), makes it if it is a missing SQLite file, and migrates it.
    ///
    /// # Errors
    /// When it cannot be opened or migrated.
    pub async fn open(url: &str) -> Result<Self> {
        if url.starts_with("sqlite:") {
            Self::open_sqlite(url).await
        } else {
            Self::open_postgres(url).await
        }
    }

    async fn open_sqlite(url: &str) -> Result<Self> {
        let common = SqliteConnectOptions::from_str(url)?
            .foreign_keys(true)
            .row_buffer_size(ROWS_AHEAD)
            .busy_timeout(Duration::from_secs(10));
        let options = common
            .clone()
            .create_if_missing(true)
            .auto_vacuum(SqliteAutoVacuum::Incremental)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .pragma("wal_autocheckpoint", WAL_PAGES)
            // A statement of many rows copies the pages that it changes, to take itself back should it fail. Else that is a file.
            .pragma("temp_store", "MEMORY");
        make_private(options.get_filename())?;
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // What `after_release` let pass is well.
            .test_before_acquire(IS_A_PEER)
            .after_release(|connection, _| {
                Box::pin(async move {
                    if !connection.is_in_transaction() {
                        return Ok(true);
                    }
                    // Waits for the rollback of a transaction that was dropped.
                    connection.ping().await?;
                    // On a full disk or a failing one SQLite ends the transaction by itself. sqlx goes on counting it,
                    // and no other can begin on this connection ever again: another one takes its place.
                    Ok(!connection.is_in_transaction())
                })
            })
            .connect_with(options)
            .await?;
        sqlx::migrate!("migrations/sqlite").run(&writer).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .test_before_acquire(IS_A_PEER)
            .connect_with(common.read_only(true))
            .await?;
        Ok(Self::Sqlite { writer, readers })
    }

    async fn open_postgres(url: &str) -> Result<Self> {
        let options = PgConnectOptions::from_str(url)?.application_name("watchbell");
        // A pool tries again until its time-out and then says only that; a connection says at once what is wrong.
        PgConnection::connect_with(&options).await?.close().await?;
        let pool = PgPoolOptions::new()
            .max_connections(POSTGRES_CONNECTIONS)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            .connect_with(options)
            .await?;
        sqlx::migrate!("migrations/postgres").run(&pool).await?;
        Ok(Self::Postgres { pool, runtime: Handle::current() })
    }
}

/// Makes the database's folder and file, should they be missing. The file holds password hashes and what jobs sent: only its
/// owner reads it, and SQLite gives the files beside it the same mode.
fn make_private(file: &Path) -> std::io::Result<()> {
    if let Some(folder) = file.parent().filter(|f| !f.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)?;
    }
    File::options().create(true).append(true).mode(0o600).open(file).map(drop)
}

/// The path of the file behind a `sqlite://` URL.
///
/// # Errors
/// When it is not such a URL.
pub fn sqlite_path(url: &str) -> Result<std::path::PathBuf> {
    Ok(SqliteConnectOptions::from_str(url)?.get_filename().to_owned())
}

/// Holds a database file for one server; another server's try fails while this lives. The system lets go of it when the process ends.
pub struct ServerLock(#[allow(dead_code, reason = "held, not read")] File);

impl ServerLock {
    /// Takes the lock beside the database file at `path`.
    ///
    /// # Errors
    /// One line that says who is in the way or what cannot be written.
    pub fn take(path: &Path) -> std::result::Result<Self, String> {
        let mut name = path.as_os_str().to_owned();
        name.push(".lock");
        let file = File::options()
            .create(true)
            .truncate(false)
            .write(true)
            .open(&name)
            .map_err(|error| format!("cannot write {}: {error}", Path::new(&name).display()))?;
        file.try_lock().map_err(|_| {
            format!("another watchbell server already uses {}; stop it first", path.display())
        })?;
        Ok(Self(file))
    }
}

impl From<std::io::Error> for Error {
    fn from(error: std::io::Error) -> Self {
        Self::Sqlx(sqlx::Error::Io(error))
    }
}

#[cfg(test)]
mod tests {
    use super::super::{on, settings, testing};

    #[tokio::test]
    async fn a_full_disk_stops_no_write_after_it_is_free_again() {
        let (db, _folder) = testing::sqlite().await;
        let mut tx = db.begin().await.unwrap();
        // The limit is the connection's own, and never below the present size.
        let limit = on!(&mut tx.conn(), c => sqlx::query_scalar::<_, i64>("PRAGMA max_page_count = 1")
            .fetch_one(c).await);
        assert!(limit.unwrap() > 1);
        let full = settings::set(&mut tx.conn(), "big", &"x".repeat(1 << 20)).await;
        assert!(full.unwrap_err().to_string().contains("full"));
        drop(tx);
        let mut tx = db.begin().await.unwrap();
        settings::set(&mut tx.conn(), "big", &"x".repeat(1 << 20)).await.unwrap();
        tx.commit().await.unwrap();
        // What is merely dropped is rolled back, and harms nothing.
        drop(db.begin().await.unwrap());
        db.begin().await.unwrap().commit().await.unwrap();
    }
}
