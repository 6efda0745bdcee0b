//! The database: SQLite or PostgreSQL behind one set of functions. The only room that speaks SQL.
//!
//! Every function takes [`&mut Conn`](Conn), so that the caller owns the transaction. A query's text (`$1` works in both)
//! and its binds are written once and expanded for both drivers by [`on!`]:
//!
//! ```ignore
//! on!(conn, c => sqlx::query_scalar("SELECT value FROM settings WHERE key = $1").bind(key).fetch_one(c).await)?;
//! run!(conn, sqlx::query("DELETE FROM settings WHERE key = $1").bind(key))?;   // rows changed
//! ```

pub mod answers;
pub mod api_tokens;
pub mod briefs;
pub mod channels;
mod codec;
mod crowd;
mod deadlines;
pub mod deliveries;
pub mod dependencies;
pub mod ended;
pub mod escalation_policies;
pub mod figures;
mod group;
pub mod grouping;
pub mod history;
pub mod incidents;
pub mod key_check;
pub mod ladders;
pub mod monitors;
pub mod new_pings;
pub mod old;
pub mod open;
pub mod outbox;
pub mod ping_sheets;
pub mod probes;
pub mod redos;
pub mod results;
pub mod rollups;
pub mod second_factors;
pub mod sessions;
pub mod settings;
pub mod space;
mod sql;
#[cfg(test)]
pub(crate) mod testing;
pub mod timeline;
pub mod users;
pub mod windows;
pub mod writer;

use std::future::{Future, poll_fn};
use std::pin::pin;

use sqlx::pool::PoolConnection;
use sqlx::{
    Connection, PgConnection, PgPool, Postgres, Sqlite, SqliteConnection, SqlitePool, Transaction,
};
use tokio::runtime::Handle;

use sql::{among, as_one, batches, filled_up, listed, placeholders, rows_of};

/// What can go wrong in the database.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A uniqueness rule of a table was broken.
    #[error("it exists already")]
    Unique,
    /// Another row still needs, or no longer has, what a row refers to.
    #[error("something it refers to does not exist")]
    Reference,
    /// Anything else.
    #[error("database: {0}")]
    Sqlx(sqlx::Error),
    /// The schema could not be brought up to date.
    #[error("database migration: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
    /// A sealed value could not be opened, or could not be sealed.
    #[error("{0}")]
    Seal(String),
}

impl Error {
    /// Whether any other work would fail in the same way: the database cannot be reached, or cannot write.
    pub fn is_of_the_database(&self) -> bool {
        // Result codes of SQLite: busy, locked, read-only, I/O, corrupt, full, cannot open. <https://sqlite.org/rescode.html>
        const SQLITE: [i32; 7] = [5, 6, 8, 10, 11, 13, 14];
        use sqlx::error::DatabaseError as _;
        let Self::Sqlx(error) = self else { return matches!(self, Self::Migrate(_)) };
        match error {
            sqlx::Error::Database(e) => match e.try_downcast_ref::<sqlx::sqlite::SqliteError>() {
                Some(e) => {
                    let code = e.code().and_then(|code| code.parse::<i32>().ok());
                    code.is_some_and(|code| SQLITE.contains(&(code & 0xff)))
                }
                // Classes of PostgreSQL: connection, resources, intervention, system.
                // <https://www.postgresql.org/docs/current/errcodes-appendix.html>
                None => e.code().is_some_and(|code| {
                    ["08", "53", "57", "58"].iter().any(|c| code.starts_with(c))
                }),
            },
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            _ => false,
        }
    }
}

impl From<crate::seal::SealError> for Error {
    fn from(error: crate::seal::SealError) -> Self {
        Self::Seal(error.to_string())
    }
}

impl From<sqlx::Error> for Error {
    fn from(error: sqlx::Error) -> Self {
        match &error {
            // `constraint()` is `None` on SQLite; the kind is told on both.
            sqlx::Error::Database(e) if e.is_unique_violation() => Self::Unique,
            sqlx::Error::Database(e) if e.is_foreign_key_violation() => Self::Reference,
            _ => Self::Sqlx(error),
        }
    }
}

/// The result of a store function.
pub type Result<T> = std::result::Result<T, Error>;

/// The database of a running server or command. Cheap to clone.
#[derive(Clone)]
pub enum Db {
    /// Embedded: one connection writes, several read.
    Sqlite {
        /// A pool of one: writers queue here, not inside SQLite.
        writer: SqlitePool,
        /// Read-only connections.
        readers: SqlitePool,
    },
    /// A server of its own.
    Postgres {
        /// Connections, for writing and reading.
        pool: PgPool,
        /// The runtime that carries their traffic.
        runtime: Handle,
    },
}

impl Db {
    /// Which database it is, as people call it.
    pub fn kind_name(&self) -> &'static str {
        match self {
            Self::Sqlite { .. } => "SQLite",
            Self::Postgres { .. } => "PostgreSQL",
        }
    }

    /// Begins a transaction that writes.
    pub async fn begin(&self) -> Result<Tx<'static>> {
        Ok(match self {
            Self::Sqlite { writer, .. } => Tx::Sqlite(writer.begin_with(BEGIN).await?),
            Self::Postgres { pool, runtime } => Tx::Postgres(within(runtime, pool.begin()).await?),
        })
    }

    /// Takes the connection for writing, for several transactions in a row.
    pub async fn hold(&self) -> Result<Held> {
        Ok(match self {
            Self::Sqlite { writer, .. } => Held::Sqlite(writer.acquire().await?),
            Self::Postgres { pool, runtime } => {
                Held::Postgres(within(runtime, pool.acquire()).await?)
            }
        })
    }

    /// Takes a connection for reading.
    pub async fn read(&self) -> Result<Reader> {
        Ok(match self {
            Self::Sqlite { readers, .. } => Reader::Sqlite(readers.acquire().await?),
            Self::Postgres { pool, runtime } => {
                Reader::Postgres(within(runtime, pool.acquire()).await?)
            }
        })
    }

    /// Asks the database for a sign of life.
    pub async fn ping(&self) -> Result<()> {
        let mut reader = self.read().await?;
        on!(&mut reader.conn(), c => sqlx::query_scalar::<_, i32>("SELECT 1").fetch_one(c).await)
            .map(drop)
    }

    /// Closes all connections, after those in use are given back.
    pub async fn close(&self) {
        match self {
            Self::Sqlite { writer, readers } => {
                readers.close().await;
                writer.close().await;
            }
            Self::Postgres { pool, .. } => pool.close().await,
        }
    }
}

/// How a transaction that writes begins on SQLite: deferred ones that upgrade to writing fail at once when another process wrote
/// meanwhile.
const BEGIN: &str = "BEGIN IMMEDIATE";

/// Waits for `future` as a task of `runtime` would.
///
/// The threads that answer requests have runtimes of their own, which end first at a stop. A connection that one of them
/// opened would die with it, under the last writes of others.
async fn within<T>(runtime: &Handle, future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    poll_fn(|context| {
        let _entered = runtime.enter();
        future.as_mut().poll(context)
    })
    .await
}

/// A transaction that writes; rolled back when dropped without [`Tx::commit`].
pub enum Tx<'h> {
    /// On SQLite.
    Sqlite(Transaction<'h, Sqlite>),
    /// On PostgreSQL.
    Postgres(Transaction<'h, Postgres>),
}

impl Tx<'_> {
    /// The connection to hand to store functions.
    pub fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(tx) => Conn::Sqlite(tx),
            Self::Postgres(tx) => Conn::Postgres(tx),
        }
    }

    /// Makes the changes durable.
    pub async fn commit(self) -> Result<()> {
        match self {
            Self::Sqlite(tx) => tx.commit().await?,
            Self::Postgres(tx) => tx.commit().await?,
        }
        Ok(())
    }
}

/// The connection for writing, taken for several transactions in a row; given back when dropped.
///
/// To give it back and take it again costs as much as a small transaction.
pub enum Held {
    /// On SQLite.
    Sqlite(PoolConnection<Sqlite>),
    /// On PostgreSQL.
    Postgres(PoolConnection<Postgres>),
}

impl Held {
    /// The connection, for a statement that is a transaction of its own.
    pub fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(c) => Conn::Sqlite(c),
            Self::Postgres(c) => Conn::Postgres(c),
        }
    }

    /// Begins a transaction that writes.
    pub async fn begin(&mut self) -> Result<Tx<'_>> {
        Ok(match self {
            Self::Sqlite(c) => Tx::Sqlite(c.begin_with(BEGIN).await?),
            Self::Postgres(c) => Tx::Postgres(c.begin().await?),
        })
    }
}

/// A connection for reading, given back when dropped.
pub enum Reader {
    /// On SQLite.
    Sqlite(PoolConnection<Sqlite>),
    /// On PostgreSQL.
    Postgres(PoolConnection<Postgres>),
}

impl Reader {
    /// The connection to hand to store functions.
    pub fn conn(&mut self) -> Conn<'_> {
        match self {
            Self::Sqlite(c) => Conn::Sqlite(c),
            Self::Postgres(c) => Conn::Postgres(c),
        }
    }
}

/// A connection to either database, borrowed for a few queries.
pub enum Conn<'c> {
    /// SQLite.
    Sqlite(&'c mut SqliteConnection),
    /// PostgreSQL.
    Postgres(&'c mut PgConnection),
}

/// Runs one expression on whichever database `$conn` (a `&mut Conn`) is; `$c` is the driver's connection in it.
/// Errors become [`Error`].
macro_rules! on {
    ($conn:expr, $c:ident => $body:expr) => {
        match $conn {
            $crate::store::Conn::Sqlite(c) => {
                let $c = &mut **c;
                $body.map_err($crate::store::Error::from)
            }
            $crate::store::Conn::Postgres(c) => {
                let $c = &mut **c;
                $body.map_err($crate::store::Error::from)
            }
        }
    };
}
pub(crate) use on;

/// Executes one statement on either database and gives the number of rows that it changed.
macro_rules! run {
    ($conn:expr, $query:expr) => {
        $crate::store::on!($conn, c => $query.execute(c).await.map(|done| done.rows_affected()))
    };
}
pub(crate) use run;
