//! A million old results: how fast they are rolled up and removed, and how long a live write waits meanwhile.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use watchbell::clock::Timestamp;
use watchbell::report::retention::{self, Keep};
use watchbell::report::roller::Roller;
use watchbell::report::rollup::{DAY_MS, HOUR_MS};
use watchbell::store::{Db, rollups, settings};

use super::program::{connect, database, make_monitors};
use super::{at, row};

const MONITORS: usize = 1_000;
const RESULTS_EACH: usize = 1_000;
/// Between two live writes.
const PACE: Duration = Duration::from_millis(2);

pub async fn measure() {
    let folder = tempfile::tempdir().unwrap();
    make_monitors(folder.path(), "1", MONITORS).await;
    let now = Timestamp(chrono::Utc::now().timestamp_millis() / HOUR_MS * HOUR_MS);
    // A little over five hours of a check every 20 s, ten days ago.
    let first = now.0 - 10 * DAY_MS;
    let mut connection = connect(folder.path()).await;
    let sql = format!(
        "INSERT INTO result_regions (name) VALUES ('local');
         UPDATE monitors SET created_at = {first};
         WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < {RESULTS_EACH} - 1)
         INSERT INTO results SELECT m.id, {first} + n.n * 20000 + m.id, 1, 1, NULL, 1, NULL, 3, 100 + n.n % 50, 200, 0, NULL
         FROM monitors m CROSS JOIN n"
    );
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(&mut connection).await.unwrap();
    drop(connection);
    let db = Db::open(&database(folder.path())).await.unwrap();
    let bytes = || std::fs::metadata(folder.path().join("watchbell.db")).unwrap().len() as f64;
    let (stop, rows) = (CancellationToken::new(), (MONITORS * RESULTS_EACH) as f64);

    let begun = Instant::now();
    let roller = Roller { db: db.clone(), result_days: 7 };
    let soon_after = Timestamp(first + 7 * HOUR_MS);
    let rolling = async { roller.round(soon_after, &stop).await.unwrap() };
    let ((), mut stalls) = beside_writes(&db, rolling).await;
    row("roll-up: results a second", format!("{:.0}", rows / begun.elapsed().as_secs_f64()), "");
    row(
        "roll-up: live write p50 / longest, ms",
        format!("{:.1} / {:.0}", at(&mut stalls, 0.5), at(&mut stalls, 1.0)),
        "100",
    );

    let mut tx = db.begin().await.unwrap();
    rollups::set_rolled_up_until(&mut tx.conn(), now).await.unwrap();
    tx.commit().await.unwrap();
    let keep = Keep { result_days: 7, pings: 1_000 };
    let (begun, before) = (Instant::now(), bytes());
    let ((), mut stalls) =
        beside_writes(&db, async { retention::prune(&db, keep, now, &stop).await.unwrap() }).await;
    row(
        "retention: rows removed a second",
        format!("{:.0}", rows / begun.elapsed().as_secs_f64()),
        "",
    );
    row(
        "retention: live write p50 / longest, ms",
        format!("{:.1} / {:.0}", at(&mut stalls, 0.5), at(&mut stalls, 1.0)),
        "100",
    );
    db.close().await;
    row(
        "retention: file before / after, MB",
        format!("{:.0} / {:.0}", before / 1e6, bytes() / 1e6),
        "",
    );
}

/// Does `work` while small writes go on beside it; gives how long each of those took, in ms.
async fn beside_writes<T>(db: &Db, work: impl Future<Output = T>) -> (T, Vec<f64>) {
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
    let result = work.await;
    done.cancel();
    (result, writing.await.unwrap())
}
