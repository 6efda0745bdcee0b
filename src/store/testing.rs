//! Databases and rows for tests of every room.

use tempfile::TempDir;

use super::{Conn, Db, on, run};
use crate::clock::Timestamp;
use crate::incident::IncidentId;

/// A fresh SQLite database in a folder of its own, which lives as long as the second part.
pub(crate) async fn sqlite() -> (Db, TempDir) {
    let folder = tempfile::tempdir().unwrap();
    (Db::open(&url(&folder)).await.unwrap(), folder)
}

/// The URL of the database in a folder.
pub(crate) fn url(folder: &TempDir) -> String {
    format!("sqlite://{}", folder.path().join("watchbell.db").display())
}

/// A fresh database of each kind; PostgreSQL only where `TEST_PG` names a server on which databases may be made.
pub(crate) async fn each_kind() -> (Vec<Db>, TempDir) {
    let (sqlite, folder) = sqlite().await;
    let mut all = vec![sqlite];
    if let Ok(server) = std::env::var("TEST_PG") {
        let name = format!("wb_{}", uuid::Uuid::new_v4().simple());
        let admin = sqlx::PgPool::connect(&server).await.unwrap();
        let create = sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"));
        sqlx::query(create).execute(&admin).await.unwrap();
        let mut url = url::Url::parse(&server).unwrap();
        url.set_path(&name);
        all.push(Db::open(url.as_str()).await.unwrap());
    }
    (all, folder)
}

/// An open incident of no monitor.
pub(crate) async fn incident(conn: &mut Conn<'_>, at: Timestamp) -> IncidentId {
    on!(conn, c => sqlx::query_scalar(
        "INSERT INTO incidents (monitor_name, started_at, confirmed_at, cause, summary, regions, alerts_held)
         VALUES ('job', $1, $1, '{}', '', '[]', $2) RETURNING id")
        .bind(at).bind(false).fetch_one(c).await)
    .unwrap()
}

/// Removes an incident, as retention does.
pub(crate) async fn remove_incident(conn: &mut Conn<'_>, id: IncidentId) {
    run!(conn, sqlx::query("DELETE FROM incidents WHERE id = $1").bind(id)).unwrap();
}
