//! The contract of the store: every function, on SQLite always and on PostgreSQL too when `TEST_PG` is set.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

mod accounts;
mod briefs;
mod ended;
mod history;
mod incidents;
mod monitor_list;
mod monitors;
mod outbox;
mod pings;
mod redone;
mod results;
mod rollups;
mod windows;
mod writer;

use serde_json::{Value, json};
use watchbell::clock::Timestamp;
use watchbell::monitor::{Kind, Settings};
use watchbell::seal::Sealer;
use watchbell::store::Db;
use watchbell::store::monitors::Watched;

use crate::support::database::TestDatabase;

/// When these tests play.
const NOW: Timestamp = Timestamp(1_800_000_000_000);

/// No numbers.
const NONE: [i64; 0] = [];

/// Does something in a transaction of its own, which is committed if it went well, and gives the result.
macro_rules! write {
    ($db:expr, $conn:ident => $body:expr) => {{
        let mut tx = $db.begin().await.unwrap();
        let result = {
            let mut conn = tx.conn();
            let $conn = &mut conn;
            $body.await
        };
        if result.is_ok() {
            tx.commit().await.unwrap();
        }
        result
    }};
}
pub(crate) use write;

/// Reads something, which goes well.
macro_rules! read {
    ($db:expr, $conn:ident => $body:expr) => {{
        let mut reader = $db.read().await.unwrap();
        let mut conn = reader.conn();
        let $conn = &mut conn;
        $body.await.unwrap()
    }};
}
pub(crate) use read;

/// Runs `test` on an empty database of each kind that there is.
async fn on_each(test: impl AsyncFn(&Db)) {
    let mut databases = vec![TestDatabase::sqlite()];
    if std::env::var_os("TEST_PG").is_some() {
        databases.push(TestDatabase::new().await);
    }
    for database in databases {
        let db = database.open().await;
        test(&db).await;
        db.close().await;
    }
}

/// Changes what no function of the store would.
async fn execute(db: &Db, sql: &str) {
    let sql = sqlx::AssertSqlSafe(sql.to_owned());
    match db {
        Db::Sqlite { writer, .. } => drop(sqlx::raw_sql(sql).execute(writer).await.unwrap()),
        Db::Postgres { pool, .. } => drop(sqlx::raw_sql(sql).execute(pool).await.unwrap()),
    }
}

fn sealer() -> Sealer {
    Sealer::from_text("a key for tests")
}

/// Names that break what quotes, folds, escapes or counts carelessly.
fn odd_names() -> Vec<String> {
    let mut names: Vec<String> = [
        "o'Brien; DROP TABLE monitors; --",
        "\"quoted\" `back` \\slash\\ $1 ?1 {} %s",
        "🔴🔔👩‍👩‍👧 emoji",
        "İstanbul ẞ Σίσυφος naïve e\u{301}",
        "tab\tline\nbreak\r\u{1}\u{7f}\u{2028}",
        "100% _under_ !bang",
        " leading and trailing ",
        "\u{202e}right to left",
    ]
    .map(str::to_owned)
    .to_vec();
    names.push("x".repeat(10_000));
    names.push("🔔".repeat(2_500));
    names
}

fn settings(kind: Kind, mut fields: Value) -> Settings {
    if kind == Kind::Http && fields.get("url").is_none() {
        fields["url"] = json!("https://shop.example.com/health");
    }
    Settings::read(fields.as_object().unwrap(), kind, None).unwrap()
}

fn http(fields: Value) -> Settings {
    settings(Kind::Http, fields)
}

fn heartbeat(name: &str) -> Settings {
    settings(Kind::Heartbeat, json!({"name": name, "period_seconds": 60}))
}

/// Adds a monitor with these settings; a heartbeat gets a UUID.
async fn add(db: &Db, settings: &Settings) -> Watched {
    let uuid = (settings.target.kind() == Kind::Heartbeat).then(uuid::Uuid::new_v4);
    write!(db, c => watchbell::store::monitors::insert(c, &sealer(), settings, uuid, NOW)).unwrap()
}

/// Adds a monitor with this name and gives its number.
async fn named(db: &Db, name: &str) -> i64 {
    let mut settings = http(json!({}));
    settings.name = name.to_owned();
    add(db, &settings).await.monitor.id
}
