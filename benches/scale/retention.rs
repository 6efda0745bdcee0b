//! Fifty million old results: how fast they are rolled up, a million at a time of them removed, and the space given back; then the
//! same of a monitor that is deleted with a million results. Beside all of it a live write every two milliseconds, and how long it waits.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::json;
use sqlx::{Connection, SqliteConnection};
use tokio_util::sync::CancellationToken;
use watchbell::clock::Timestamp;
use watchbell::report::retention::{self, Keep};
use watchbell::report::roller::Roller;
use watchbell::report::rollup::{DAY_MS, HOUR_MS};
use watchbell::store::{Db, monitors};

use super::ROUNDS;
use super::program::{connect, database, make_monitors, run, sync};
use super::report::{at, median, part, row};
use super::writes::{Beside, beside_writes};

const MONITORS: i64 = 10_000;
/// A little over a day of a check every 20 s.
const RESULTS_EACH: i64 = 5_000;
const INTERVAL_MS: i64 = 20_000;
/// That many of each monitor are a million.
const A_MILLION_EACH: i64 = 100;
const MILLION: f64 = 1e6;
/// One of so many results that retention removes has an answer, as long as one may be.
const ANSWERED: i64 = 50;
/// Monitors of which the floor reads, or removes, the results in one statement.
const MONITORS_A_STATEMENT: usize = 10;
/// Monitors whose results the floor of the roll-up reads.
const READ: i64 = 400;
const KEEP: Keep = Keep { result_days: 7, pings: 1_000 };
/// What the database and its log need, with room.
const BYTES: f64 = 8e9;

pub async fn measure() {
    let folder = tempfile::tempdir().unwrap();
    let free = free_bytes(folder.path());
    assert!(free > BYTES, "50 million results want 8 GB of disk, and {:.1} are free", free / 1e9);
    part(&format!(
        "retention, 50 million results: medians of {ROUNDS} rounds of removing a million, the rest once; floor: bare SQLite, and live writes alone"
    ));
    let fields = json!({"check_interval_seconds": 20});
    make_monitors(folder.path(), "1", MONITORS as usize, fields).await;
    let now = chrono::Utc::now().timestamp_millis() / HOUR_MS * HOUR_MS;
    let first = now - 10 * DAY_MS;
    make_results(folder.path(), first).await;
    let bytes = || std::fs::metadata(folder.path().join("watchbell.db")).unwrap().len() as f64;
    row("the database, MB", bytes() / MILLION).write();
    let db = Db::open(&database(folder.path())).await.unwrap();
    let alone = beside_writes(&db, tokio::time::sleep(Duration::from_secs(5))).await;
    let rolled = roll_up(&db, folder.path(), first).await;
    show_writes("while all are rolled up", &[rolled], &alone);
    let removals = remove(&db, folder.path(), first).await;
    show_writes("while a million are removed", &removals, &alone);
    let given = give_back(&db, folder.path(), first, bytes).await;
    show_writes("while space is given back", &[given], &alone);
    let deleted = delete_one(&db, folder.path(), first).await;
    show_writes("while the million of a deleted monitor are removed", &[deleted], &alone);
    db.close().await;
}

/// What is free where the folder is.
fn free_bytes(folder: &Path) -> f64 {
    let output =
        Command::new("df").args(["--output=avail", "-B1"]).arg(folder).output().unwrap().stdout;
    String::from_utf8(output).unwrap().lines().nth(1).unwrap().trim().parse().unwrap()
}

/// The results by SQL, one after another, so that pages are as full as they are in life.
async fn make_results(folder: &Path, first: i64) {
    let mut connection = connect(folder).await;
    let removed = 2 * ROUNDS as i64 * A_MILLION_EACH;
    for sql in [
        // Nothing is lost that could not be made again.
        "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA foreign_keys = OFF".to_owned(),
        "INSERT INTO result_regions (name) VALUES ('local')".to_owned(),
        format!("UPDATE monitors SET created_at = {first}"),
        format!(
            "WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < {RESULTS_EACH} - 1)
             INSERT INTO results SELECT m.id, {first} + n.n * {INTERVAL_MS} + m.id, 1, 1, NULL, 1, NULL, 3, 100 + n.n % 50, 200, 0, NULL
             FROM monitors m CROSS JOIN n"
        ),
        format!(
            "WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + {ANSWERED} FROM n WHERE n < {removed} - {ANSWERED})
             INSERT INTO result_answers SELECT m.id, {first} + n.n * {INTERVAL_MS} + m.id, 1,
                 json_object('head', 'HTTP/1.1 503 Service Unavailable', 'body', hex(zeroblob(2048)), 'is_cut', json('true'))
             FROM monitors m CROSS JOIN n WHERE n.n / {A_MILLION_EACH} % 2 = 0"
        ),
        "PRAGMA journal_mode = WAL".to_owned(),
    ] {
        run(&mut connection, sql).await;
    }
    connection.close().await.unwrap();
    sync(folder);
}

async fn roll_up(db: &Db, folder: &Path, first: i64) -> Beside {
    let floor = read_bare(folder).await;
    let mut roller = Roller::new(db.clone());
    // All hours with results are settled then.
    let soon_after = Timestamp(first + RESULTS_EACH * INTERVAL_MS + 3 * HOUR_MS);
    let stop = CancellationToken::new();
    let rolled = beside_writes(db, async { roller.round(soon_after, &stop).await.unwrap() }).await;
    let results = (MONITORS * RESULTS_EACH) as f64;
    row("results rolled up a second, beside reading them", results / rolled.seconds)
        .beside(floor)
        .write();
    rolled
}

/// Results a second that SQLite reads, those of a few monitors at a time.
async fn read_bare(folder: &Path) -> f64 {
    let mut connection = connect(folder).await;
    let (begun, mut rows) = (Instant::now(), 0);
    for id in (1..=READ).step_by(MONITORS_A_STATEMENT) {
        let sql = "SELECT monitor_id, id, verdict, total_ms FROM results WHERE monitor_id BETWEEN $1 AND $2";
        let query = sqlx::query_as::<_, (i64, i64, i64, Option<i64>)>(sql);
        let query = query.bind(id).bind(id + MONITORS_A_STATEMENT as i64 - 1);
        rows += query.fetch_all(&mut connection).await.unwrap().len();
    }
    rows as f64 / begun.elapsed().as_secs_f64()
}

/// A million by retention and the next million by bare SQLite, in turn.
async fn remove(db: &Db, folder: &Path, first: i64) -> Vec<Beside> {
    let (mut removals, mut rates, mut floors) = (Vec::new(), Vec::new(), Vec::new());
    let stop = CancellationToken::new();
    let mut connection = connect(folder).await;
    for round in 0..ROUNDS as i64 {
        let before = count(&mut connection).await;
        let until = removed_until(first, 2 * round + 1);
        let now = Timestamp(until + i64::from(KEEP.result_days) * DAY_MS);
        let removing = async { retention::prune(db, KEEP, now, &stop).await.unwrap() };
        let removal = beside_writes(db, removing).await;
        let removed = before - count(&mut connection).await;
        assert_eq!(removed, MONITORS * A_MILLION_EACH, "a million go");
        rates.push(MILLION / removal.seconds);
        removals.push(removal);
        floors.push(
            MILLION / remove_bare(&mut connection, removed_until(first, 2 * round + 2)).await,
        );
    }
    row("results removed a second, beside bare statements of a thousand", median(&rates))
        .beside(median(&floors))
        .write();
    removals
}

/// Before when results are gone, once so many millions are.
fn removed_until(first: i64, millions: i64) -> i64 {
    first + millions * A_MILLION_EACH * INTERVAL_MS
}

async fn count(connection: &mut SqliteConnection) -> i64 {
    sqlx::query_scalar("SELECT COUNT(*) FROM results").fetch_one(connection).await.unwrap()
}

/// A million by statements of a thousand, each a commit; gives the seconds.
async fn remove_bare(connection: &mut SqliteConnection, until: i64) -> f64 {
    let begun = Instant::now();
    let ids: Vec<String> = (1..=MONITORS).map(|id| id.to_string()).collect();
    for some in ids.chunks(MONITORS_A_STATEMENT) {
        let ids = some.join(", ");
        run(
            connection,
            format!("DELETE FROM results WHERE monitor_id IN ({ids}) AND id < {until}"),
        )
        .await;
    }
    begun.elapsed().as_secs_f64()
}

/// Empties a third of the database, so that retention has space to give back to the disk.
async fn give_back(db: &Db, folder: &Path, first: i64, bytes: impl Fn() -> f64) -> Beside {
    let mut connection = connect(folder).await;
    for id in (1..=MONITORS).filter(|id| id % 3 == 0) {
        run(&mut connection, format!("DELETE FROM results WHERE monitor_id = {id}")).await;
    }
    run(&mut connection, "PRAGMA wal_checkpoint(TRUNCATE)".to_owned()).await;
    connection.close().await.unwrap();
    let before = bytes();
    let stop = CancellationToken::new();
    let now = Timestamp(first + i64::from(KEEP.result_days) * DAY_MS);
    let giving = async { retention::prune(db, KEEP, now, &stop).await.unwrap() };
    let given = beside_writes(db, giving).await;
    // The file is cut when its log is carried into it.
    let mut connection = connect(folder).await;
    run(&mut connection, "PRAGMA wal_checkpoint(TRUNCATE)".to_owned()).await;
    row("space given back, MB a second", (before - bytes()) / MILLION / given.seconds).write();
    given
}

async fn delete_one(db: &Db, folder: &Path, first: i64) -> Beside {
    let id = make_one_large(folder, first).await;
    let stop = CancellationToken::new();
    let deleting = async {
        let mut tx = db.begin().await.unwrap();
        monitors::delete(&mut tx.conn(), id).await.unwrap();
        tx.commit().await.unwrap();
        retention::clear_deleted(db, &stop).await.unwrap();
    };
    let deleted = beside_writes(db, deleting).await;
    row("results of a deleted monitor removed a second", MILLION / deleted.seconds).write();
    deleted
}

/// One monitor with a million results more; gives its number.
async fn make_one_large(folder: &Path, first: i64) -> i64 {
    let mut connection = connect(folder).await;
    let sql = format!(
        "WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n < {MILLION} - 1)
         INSERT INTO results SELECT 1, {first} + n.n * 1000, 1, 1, NULL, 1, NULL, 3, 100 + n.n % 50, 200, 0, NULL FROM n;
         INSERT INTO result_answers SELECT monitor_id, id, region, '{{}}' FROM results WHERE monitor_id = 1 LIMIT 200;
         PRAGMA wal_checkpoint(TRUNCATE)"
    );
    run(&mut connection, sql).await;
    connection.close().await.unwrap();
    1
}

/// How long the live writes took, beside those that had the database for themselves.
fn show_writes(when: &str, rounds: &[Beside], alone: &Beside) {
    let of = |value: fn(&Beside) -> f64| -> Vec<f64> { rounds.iter().map(value).collect() };
    row(format!("live write {when}, p50, ms"), median(&of(|round| round.p50_ms)))
        .beside(alone.p50_ms)
        .write();
    let longest = of(|round| round.longest_ms);
    row(format!("live write {when}, longest, ms"), median(&longest))
        .beside(alone.longest_ms)
        .aim("< 100")
        .write();
    if rounds.len() > 1 {
        row(format!("live write {when}, longest of all rounds, ms"), at(&longest, 1.0)).write();
    }
}
