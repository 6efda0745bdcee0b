//! Durable pings a second, beside two floors of the same machine in the same run: a bare actix handler, and raw SQLite commits.
//!
//! `cargo bench --bench pings`. Three rounds of each in turn; medians, and ratios to the floors. `docs/benchmarks.md` keeps the
//! figures.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a benchmark measures spans and spawns its clients")]

#[path = "shared/report.rs"]
mod report;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Map, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::runtime::Handle;
use tokio_util::sync::CancellationToken;
use watchbell::app::{App, Seams};
use watchbell::config;
use watchbell::monitor::Kind;

use report::{at, median, part, row};

const CLIENTS: usize = 64;
const HEARTBEATS: usize = 1000;
const ROUND: Duration = Duration::from_secs(5);
const ROUNDS: usize = 3;
const ROWS_A_COMMIT: usize = 100;

/// What one round of requests came to.
struct Round {
    per_second: f64,
    p50_us: f64,
    p99_us: f64,
}

fn main() {
    let runtime = || tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    // The clients have threads of their own, as they have in life: nothing of Watchbell waits behind their tasks.
    let clients = runtime();
    runtime().block_on(run(clients.handle()));
}

async fn run(clients: &Handle) {
    part(&format!(
        "pings: medians of {ROUNDS} rounds of {} s, {CLIENTS} keep-alive clients, {HEARTBEATS} heartbeats; floor: a bare actix handler",
        ROUND.as_secs()
    ));
    let folder = tempfile::tempdir().unwrap();
    let (pinged, paths, stop) = start_watchbell(folder.path()).await;
    let bare = start_bare();
    let (mut ping_rounds, mut bare_rounds, mut floors) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        bare_rounds.push(load(clients, bare, &paths).await);
        ping_rounds.push(load(clients, pinged, &paths).await);
        floors.push(sqlite_floor(folder.path()).await);
    }
    let of = |rounds: &[Round], value: fn(&Round) -> f64| {
        median(&rounds.iter().map(value).collect::<Vec<_>>())
    };
    let beside_bare = |what: &str, value: fn(&Round) -> f64| {
        row(what, of(&ping_rounds, value)).beside(of(&bare_rounds, value))
    };
    beside_bare("durable pings a second", |round| round.per_second).aim("ratio >= 0.35").write();
    beside_bare("ping to answer, p50, us", |round| round.p50_us).write();
    beside_bare("ping to answer, p99, us", |round| round.p99_us).aim("ratio <= 10").write();
    row(
        "durable pings a second, beside bare SQLite rows, 100 a FULL commit",
        of(&ping_rounds, |round| round.per_second),
    )
    .beside(median(&floors))
    .write();
    row("memory after the last round, clients included, MB", rss_mb()).write();
    stop.cancel();
}

async fn start_watchbell(
    folder: &std::path::Path,
) -> (SocketAddr, Arc<Vec<String>>, CancellationToken) {
    let url = format!("sqlite://{}", folder.join("watchbell.db").display());
    let args = ["watchbell", "--listen", "127.0.0.1:0", "--database-url", &url];
    let config = config::parse_from(args.map(Into::into), &|_| None).unwrap().config;
    let app = App::build(&config, Seams::default()).await.unwrap();
    let (address, engine) = (app.address(), app.engine());
    let stop = CancellationToken::new();
    tokio::spawn(app.run(stop.clone()));
    let mut paths = Vec::new();
    for i in 0..HEARTBEATS {
        let fields = json!({"name": format!("job {i}"), "period_seconds": 60});
        let fields: Map<_, _> = fields.as_object().unwrap().clone();
        let made = engine.create_monitor(Kind::Heartbeat, fields).await.unwrap();
        paths.push(format!("/api/heartbeats/{}/ping", made.monitor.uuid.unwrap()));
    }
    (address, Arc::new(paths), stop)
}

fn start_bare() -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let server = actix_web::HttpServer::new(|| {
        actix_web::App::new().default_service(actix_web::web::to(|| async { "OK" }))
    });
    tokio::spawn(server.workers(2).disable_signals().listen(listener).unwrap().run());
    address
}

/// Sends GETs from all clients for a round.
async fn load(runtime: &Handle, address: SocketAddr, paths: &Arc<Vec<String>>) -> Round {
    let done = Arc::new(AtomicBool::new(false));
    let clients: Vec<_> = (0..CLIENTS)
        .map(|i| runtime.spawn(client(address, paths.clone(), i, done.clone())))
        .collect();
    let begun = Instant::now();
    tokio::time::sleep(ROUND).await;
    done.store(true, Ordering::Relaxed);
    let mut latencies = Vec::new();
    for client in clients {
        latencies.extend(client.await.unwrap());
    }
    let seconds = begun.elapsed().as_secs_f64();
    let per_second = latencies.len() as f64 / seconds;
    Round { per_second, p50_us: at(&latencies, 0.5), p99_us: at(&latencies, 0.99) }
}

/// One keep-alive connection that asks, waits for the whole answer, and asks again. Gives the latencies in µs.
async fn client(
    address: SocketAddr,
    paths: Arc<Vec<String>>,
    first: usize,
    done: Arc<AtomicBool>,
) -> Vec<f64> {
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.set_nodelay(true).unwrap();
    let mut latencies = Vec::new();
    let mut answer = vec![0; 4096];
    for i in (first..).step_by(CLIENTS) {
        if done.load(Ordering::Relaxed) {
            break;
        }
        let request = format!("GET {} HTTP/1.1\r\nHost: bench\r\n\r\n", paths[i % paths.len()]);
        let begun = Instant::now();
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut length = 0;
        loop {
            let read = stream.read(&mut answer[length..]).await.unwrap();
            assert!(read > 0, "the server closed the connection");
            length += read;
            if answer[..length].ends_with(b"\r\n\r\nOK") {
                break;
            }
        }
        latencies.push(begun.elapsed().as_secs_f64() * 1e6);
        assert!(answer.starts_with(b"HTTP/1.1 200"));
    }
    latencies
}

/// Rows a second that SQLite makes durable when they are the size of a ping, by the fastest plain way there is.
async fn sqlite_floor(folder: &std::path::Path) -> f64 {
    use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqliteSynchronous};
    use sqlx::{ConnectOptions, Connection};
    let mut connection = SqliteConnectOptions::new()
        .filename(folder.join("floor.db"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .connect()
        .await
        .unwrap();
    sqlx::raw_sql(
        "CREATE TABLE IF NOT EXISTS p (id INTEGER PRIMARY KEY, at INTEGER, a TEXT, b TEXT)",
    )
    .execute(&mut connection)
    .await
    .unwrap();
    let values = vec!["(?, ?, ?)"; ROWS_A_COMMIT].join(", ");
    let sql = format!("INSERT INTO p (at, a, b) VALUES {values}");
    let (begun, mut rows) = (Instant::now(), 0);
    while begun.elapsed() < ROUND {
        let mut tx = connection.begin_with("BEGIN IMMEDIATE").await.unwrap();
        let mut query = sqlx::query(sqlx::AssertSqlSafe(sql.clone()));
        for i in 0..ROWS_A_COMMIT {
            query = query.bind(i as i64).bind("GET 127.0.0.1").bind("curl/8.0");
        }
        query.execute(&mut *tx).await.unwrap();
        tx.commit().await.unwrap();
        rows += ROWS_A_COMMIT;
    }
    rows as f64 / begun.elapsed().as_secs_f64()
}

fn rss_mb() -> f64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.split_whitespace().next().unwrap().parse::<f64>().unwrap() / 1024.0
}
