//! A million old results, some with answers: how fast they are rolled up and removed, and how long a live write waits meanwhile; then
//! the same of a monitor that is deleted with a million results.

use std::path::Path;
use std::time::{Duration, Instant};

use sqlx::Connection;
use tokio_util::sync::CancellationToken;
use watchbell::clock::Timestamp;
use watchbell::report::retention::{self, Keep};
use watchbell::report::roller::Roller;
use watchbell::report::rollup::{DAY_MS, HOUR_MS};
use watchbell::store::{Db, monitors, rollups, settings};

use super::program::{connect, database, make_monitors};
use super::{at, row};

const MONITORS: usize = 1_000;
const RESULTS_EACH: usize = 1_000;
/// One of so many results has an answer, as long as one may be.
const ANSWERED: usize = 50;
/// Between two live writes.
const PACE: Duration = Duration::from_millis(2);

pub async fn measure() {
    let folder = tempfile::tempdir().unwrap();
    make_monitors(folder.path(), "1", MONITORS).await;
    let now = Timestamp(chrono::Utc::now().timestamp_millis() / HOUR_MS * HOUR_MS);
    // A little over five hours of a check every 20 s, ten days ago.
    let first = now.0 - 10 * DAY_MS;
    make_results(folder.path(), first).await;
    let db = Db::open(&database(folder.path())).await.unwrap();
    let bytes = || std::fs::metadata(folder.path().join("watchbell.db")).unwrap().len() as f64;
    let stop = CancellationToken::new();

    let mut roller = Roller::new(db.clone());
    let soon_after = Timestamp(first + 7 * HOUR_MS);
    let rolling = async { roller.round(soon_after, &stop).await.unwrap() };
    beside_writes(&db, "roll-up: results", rolling).await;

    let mut tx = db.begin().await.unwrap();
    rollups::set_rolled_up_until(&mut tx.conn(), now).await.unwrap();
    tx.commit().await.unwrap();
    let keep = Keep { result_days: 7, pings: 1_000 };
    let before = bytes();
    let removing = async { retention::prune(&db, keep, now, &stop).await.unwrap() };
    beside_writes(&db, "retention: results removed", removing).await;

    let id = make_one_large(folder.path(), first).await;
    let deleting = async {
        let mut tx = db.begin().await.unwrap();
        monitors::delete(&mut tx.conn(), id).await.unwrap();
        tx.commit().await.unwrap();
        retention::clear_deleted(&db, &stop).await.unwrap();
    };
    beside_writes(&db, "a monitor deleted: its results", deleting).await;
    db.close().await;
    row(
        "retention: file before / after, MB",
        format!("{:.0} / {:.0}", before / 1e6, bytes() / 1e6),
        "",
    );
}

/// A million results by SQL.
async fn make_results(folder: &Path, first: i64) {
    let mut connection = connect(folder).await;
    let sql = format!(
        "INSERT INTO result_regions (name) VALUES ('local');
         UPDATE monitors SET created_at = {first};
         WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < {RESULTS_EACH} - 1)
         INSERT INTO results SELECT m.id, {first} + n.n * 20000 + m.id, 1, 1, NULL, 1, NULL, 3, 100 + n.n % 50, 200, 0, NULL
         FROM monitors m CROSS JOIN n;
         INSERT INTO result_answers SELECT monitor_id, id, region,
             json_object('head', 'HTTP/1.1 503 Service Unavailable', 'body', hex(zeroblob(2048)), 'is_cut', json('true'))
         FROM results WHERE (id - {first}) / 20000 % {ANSWERED} = 0"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    // Its log is carried into the database here, and not under the first live write.
    connection.close().await.unwrap();
}

/// One monitor with as many results as all of them had; gives its number.
async fn make_one_large(folder: &Path, first: i64) -> i64 {
    let mut connection = connect(folder).await;
    let results = MONITORS * RESULTS_EACH;
    let sql = format!(
        "WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < {results} - 1)
         INSERT INTO results SELECT 1, {first} + n.n * 1000, 1, 1, NULL, 1, NULL, 3, 100 + n.n % 50, 200, 0, NULL FROM n;
         INSERT INTO result_answers SELECT monitor_id, id, region, '{{}}' FROM results WHERE monitor_id = 1 LIMIT 200;
         PRAGMA wal_checkpoint(TRUNCATE)"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    1
}

/// Does `work` with a million `what` while small writes go on beside it, and prints how fast it went and how long each of them took.
async fn beside_writes(db: &Db, what: &str, work: impl Future<Output = ()>) {
    let done = CancellationToken::new();
    let writing = tokio::spawn({
        let (db, done) = (db.clone(), done.clone());
        async move {
            let mut took = Vec::new();
            while !done.is_cancelled() {
                let begun = Instant::now();
                let mut tx = db.begin().await.unwrap();
                settings::set(&mut tx.conn(), "bench", &took.len().to_string()).await.unwrap();
                tx.commit().await.unwrap();
                took.push(begun.elapsed().as_secs_f64() * 1e3);
                tokio::time::sleep(PACE).await;
            }
            took
        }
    });
    let begun = Instant::now();
    work.await;
    let rows = (MONITORS * RESULTS_EACH) as f64;
    row(&format!("{what} a second"), format!("{:.0}", rows / begun.elapsed().as_secs_f64()), "");
    done.cancel();
    let mut stalls = writing.await.unwrap();
    row(
        &format!("{what}, live write p50 / longest, ms"),
        format!("{:.1} / {:.0}", at(&mut stalls, 0.5), at(&mut stalls, 1.0)),
        "100",
    );
}
