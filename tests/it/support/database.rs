//! Databases of a test's own: a SQLite file, or with `TEST_PG` one on that PostgreSQL server, gone when the test is.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use sqlx::Connection;
use tempfile::TempDir;
use watchbell::store::Db;

/// A database that is removed when this is dropped.
pub struct TestDatabase {
    url: String,
    folder: TempDir,
    /// The URL of the server and the name on it.
    postgres: Option<(String, String)>,
}

impl TestDatabase {
    /// An empty one: on PostgreSQL with `TEST_PG`, else a SQLite file.
    pub async fn new() -> Self {
        match std::env::var("TEST_PG") {
            Ok(server) => Self::postgres(server).await,
            Err(_) => Self::sqlite(),
        }
    }

    /// An empty SQLite file.
    pub fn sqlite() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let url = format!("sqlite://{}", folder.path().join("test.db").display());
        Self { url, folder, postgres: None }
    }

    async fn postgres(server: String) -> Self {
        let name = format!("watchbell_{}", uuid::Uuid::new_v4().simple());
        execute(&server, format!("CREATE DATABASE {name}")).await.unwrap();
        let mut url = url::Url::parse(&server).unwrap();
        url.set_path(&name);
        let folder = tempfile::tempdir().unwrap();
        Self { url: url.to_string(), folder, postgres: Some((server, name)) }
    }

    /// What `WATCHBELL_DATABASE_URL` takes.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// A folder of the test's own, beside the database.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Opens it, as a server of its own would.
    pub async fn open(&self) -> Db {
        Db::open(&self.url).await.unwrap()
    }
}

async fn execute(server: &str, statement: String) -> sqlx::Result<()> {
    let mut connection = sqlx::PgConnection::connect(server).await?;
    sqlx::raw_sql(sqlx::AssertSqlSafe(statement)).execute(&mut connection).await?;
    connection.close().await
}

impl Drop for TestDatabase {
    fn drop(&mut self) {
        let Some((server, name)) = self.postgres.take() else { return };
        // A runtime of its own, as this one may be ending. A database that stays hurts nobody: the server goes too.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let drop_it = execute(&server, format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"));
            let _ = runtime.map(|runtime| runtime.block_on(drop_it));
        });
        let _ = dropping.join();
    }
}
