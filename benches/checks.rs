//! Checks at a pace: how late they begin, and what one costs beside a bare GET of the same target at the same pace.
//!
//! `cargo bench --bench checks`. The program, the target and the bare GETs are processes of their own, so that each one's CPU is
//! its own. `docs/benchmarks.md` keeps the figures.
#![allow(clippy::unwrap_used, clippy::expect_used, reason = "a benchmark fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a benchmark measures spans and spawns its clients")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::{Map, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use watchbell::app::{App, Seams};
use watchbell::clock::Timestamp;
use watchbell::config;
use watchbell::monitor::Kind;
use watchbell::monitor::schedule::next_slot;

/// Monitors that are every second more than the machine can: about four times as much.
const TOO_MANY: usize = 30_000;
const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: 2\r\n\r\nok";

/// What is measured, and for how long.
struct Plan {
    monitors: usize,
    interval_seconds: u64,
    /// Before the measuring begins.
    settle: Duration,
    measure: Duration,
}

/// What a run of Watchbell came to.
struct Run {
    checks: f64,
    seconds: f64,
    cpu: Duration,
    rss_mb: f64,
    skipped: f64,
    /// Bytes handed to the disk.
    written: f64,
    /// By how many bytes the database grew for a result.
    growth: f64,
    /// When the checks of the measured time began: monitor and moment.
    starts: Vec<(i64, i64)>,
    incidents: i64,
    /// Results that are not `up`.
    not_up: i64,
    ready: u16,
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    match args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["target"] => runtime.block_on(target()),
        ["floor", port, a_second, seconds] => runtime.block_on(floor(
            port.parse().unwrap(),
            a_second.parse().unwrap(),
            Duration::from_secs(seconds.parse().unwrap()),
        )),
        _ => runtime.block_on(run()),
    }
}

async fn run() {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let (mut serving, port) = start(Command::new(std::env::current_exe().unwrap()).arg("target"));
    // `CHECKS_BENCH_SECONDS=10` for a quick look.
    let seconds = std::env::var("CHECKS_BENCH_SECONDS").ok().and_then(|s| s.parse().ok());
    let measure = Duration::from_secs(seconds.unwrap_or(30));
    let mut paced = Vec::new();
    for (monitors, settle) in [(100, 5), (1_000, 0), (10_000, 25)] {
        // From a cold start on, all of two intervals is looked at.
        let measure = if settle == 0 { measure.max(Duration::from_secs(41)) } else { measure };
        let plan =
            Plan { monitors, interval_seconds: 20, settle: Duration::from_secs(settle), measure };
        let floor_us = |port: &str| bare_gets(port, monitors as u64 / 20, measure.as_secs() / 3);
        let before = floor_us(&port);
        let run = watch(&port, &plan).await;
        paced.push((plan, run, [before, floor_us(&port)]));
    }
    let many = Plan {
        monitors: TOO_MANY,
        interval_seconds: 1,
        settle: Duration::from_secs(10),
        measure: measure.min(Duration::from_secs(20)),
    };
    let many = watch(&port, &many).await;
    serving.kill().unwrap();
    serving.wait().unwrap();

    show("every 20 s", &paced, |plan, _, _| plan.monitors.to_string());
    show("lateness p50/p99/max, ms", &paced, |_, run, _| {
        let late = latenesses_ms(&run.starts, 20_000);
        let at = |share: f64| late[((late.len() - 1) as f64 * share) as usize];
        format!("{} / {} / {}", at(0.5), at(0.99), at(1.0))
    });
    show("skipped, not up, incidents", &paced, |_, run, _| {
        format!("{}, {}, {}", run.skipped, run.not_up, run.incidents)
    });
    show("checks a second", &paced, |_, run, _| format!("{:.0}", run.checks / run.seconds));
    show("CPU of 1,000 checks, ms", &paced, |_, run, _| format!("{:.0}", run.check_us()));
    show("CPU of 1,000 bare GETs, ms", &paced, |_, _, floors| {
        format!("{:.0} (before {:.0}, after {:.0})", mean(floors), floors[0], floors[1])
    });
    show("check / bare GET", &paced, |_, run, floors| {
        format!("{:.2}", run.check_us() / mean(floors))
    });
    let least = paced[0].1.check_us();
    show("check / check at 100", &paced, |_, run, _| format!("{:.2}", run.check_us() / least));
    show("memory, MB", &paced, |_, run, _| format!("{:.0}", run.rss_mb));
    show("written a check, bytes", &paced, |_, run, _| format!("{:.0}", run.written / run.checks));
    show("database growth a result, bytes", &paced, |_, run, _| format!("{:.0}", run.growth));

    let (_, cold, _) = &paced[1];
    println!("\n1,000 monitors every 20 s from a cold start");
    let first = cold.starts.iter().map(|(_, at)| *at).min().unwrap();
    let mut seen = std::collections::HashMap::new();
    for (id, at) in &cold.starts {
        let at = at - first;
        seen.entry(*id).and_modify(|old: &mut i64| *old = at.min(*old)).or_insert(at);
    }
    println!(
        "all checked after     {:>10.1} s ({})",
        *seen.values().max().unwrap() as f64 / 1e3,
        seen.len()
    );
    let mut by_second = [0; 40];
    for (_, at) in &cold.starts {
        if let Some(second) = by_second.get_mut(((at - first) / 1000) as usize) {
            *second += 1;
        }
    }
    println!(
        "fullest second        {:>10.2} of its share",
        f64::from(*by_second.iter().max().unwrap()) / 50.0
    );

    println!("\n{TOO_MANY} monitors every second: more than this machine can");
    println!("checks                {:>10.0} a second", many.checks / many.seconds);
    println!("work / capacity       {:>10.1}", TOO_MANY as f64 * many.seconds / many.checks);
    println!("skipped               {:>10.0} a second", many.skipped / many.seconds);
    println!("not up / incidents    {:>10} / {}", many.not_up, many.incidents);
    let mut counts = std::collections::HashMap::<i64, i64>::new();
    many.starts.iter().for_each(|(id, _)| *counts.entry(*id).or_default() += 1);
    let (least, most) = (counts.values().min().unwrap(), counts.values().max().unwrap());
    println!("checks of a monitor   {:>10} to {most} ({} monitors)", least, counts.len());
    println!("/readyz               {:>10}", many.ready);
    println!("memory                {:>10.0} MB", many.rss_mb);
}

type Paced = (Plan, Run, [f64; 2]);

/// Prints one line of the table, a column for each number of monitors.
fn show(what: &str, paced: &[Paced], value: impl Fn(&Plan, &Run, &[f64; 2]) -> String) {
    let values: Vec<String> = paced
        .iter()
        .map(|(plan, run, floors)| format!("{:>32}", value(plan, run, floors)))
        .collect();
    println!("{what:<32}{}", values.concat());
}

fn mean(floors: &[f64; 2]) -> f64 {
    (floors[0] + floors[1]) / 2.0
}

impl Run {
    /// CPU of a check in µs, which is that of 1,000 in ms.
    fn check_us(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.checks
    }
}

/// How late each check began after its slot, in order of size. The first of each monitor after a start has no slot: it comes early.
fn latenesses_ms(starts: &Starts, interval_ms: i64) -> Vec<i64> {
    let mut seen = std::collections::HashSet::new();
    let routine = starts.iter().filter(|(id, _)| !seen.insert(*id));
    let mut late: Vec<i64> = routine
        .map(|(id, at)| at - next_slot(*id, interval_ms, Timestamp(at - interval_ms)).0)
        .collect();
    late.sort_unstable();
    late
}

/// Makes the monitors, runs the program on them, and looks.
async fn watch(port: &str, plan: &Plan) -> Run {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite://{}", folder.path().join("watchbell.db").display());
    make_monitors(&url, port, plan).await;
    let (mut program, base) = start(
        Command::new(env!("CARGO_BIN_EXE_watchbell"))
            .args(["--listen", "127.0.0.1:0", "--database-url", &url, "--metrics-public", "true"])
            .stderr(Stdio::null()),
    );
    let pid = program.id();
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let scrape = async |name: &str| {
        let text =
            client.get(format!("{base}/metrics")).send().await.unwrap().text().await.unwrap();
        let of_name = text.lines().filter(|line| line.starts_with(name));
        of_name.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum::<f64>()
    };
    tokio::time::sleep(plan.settle).await;
    let (checks, skipped) =
        (scrape("watchbell_checks_total{").await, scrape("watchbell_checks_skipped_total{").await);
    let before = Stock::of(folder.path()).await;
    let (begun, cpu, from, written) = (Instant::now(), cpu_of(pid), now_ms(), written_by(pid));
    tokio::time::sleep(plan.measure).await;
    let (seconds, cpu, to) = (begun.elapsed().as_secs_f64(), cpu_of(pid) - cpu, now_ms());
    let written = written_by(pid) - written;
    let checks = scrape("watchbell_checks_total{").await - checks;
    let skipped = scrape("watchbell_checks_skipped_total{").await - skipped;
    let ready = client.get(format!("{base}/readyz")).send().await.unwrap().status().as_u16();
    let rss_mb = rss_kb(pid) / 1024.0;
    let after = Stock::of(folder.path()).await;
    let growth = (after.bytes - before.bytes) as f64 / (after.results - before.results) as f64;
    Command::new("kill").arg(pid.to_string()).status().unwrap();
    program.wait().unwrap();
    // From a cold start on, every check counts.
    let from = if plan.settle.is_zero() { 0 } else { from };
    let (starts, not_up, incidents) = read(folder.path(), from, to).await;
    Run { checks, seconds, cpu, rss_mb, skipped, written, growth, starts, incidents, not_up, ready }
}

async fn make_monitors(url: &str, port: &str, plan: &Plan) {
    let args = ["watchbell", "--listen", "127.0.0.1:0", "--database-url", url];
    let config = config::parse_from(args.map(Into::into), &|_| None).unwrap().config;
    let app = App::build(&config, Seams::default()).await.unwrap();
    let engine = app.engine();
    let making = (0..plan.monitors).map(|n| {
        // Each its own address, as targets of a real server are.
        let url = format!("http://127.1.{}.{}:{port}/health", n / 250, n % 250 + 1);
        let fields = json!({"url": url, "check_interval_seconds": plan.interval_seconds});
        let fields: Map<_, _> = fields.as_object().unwrap().clone();
        let engine = engine.clone();
        async move { engine.create_monitor(Kind::Http, fields).await.unwrap() }
    });
    futures_util::stream::iter(making).buffer_unordered(256).for_each(|_| async {}).await;
    app.db().close().await;
}

type Starts = Vec<(i64, i64)>;

/// What the database holds, the write-ahead log included.
struct Stock {
    bytes: i64,
    results: i64,
}

impl Stock {
    async fn of(folder: &Path) -> Self {
        let mut connection = connect(folder).await;
        let bytes = sqlx::query_scalar(
            "SELECT (page_count - freelist_count) * page_size \
             FROM pragma_page_count, pragma_freelist_count, pragma_page_size",
        );
        let results = sqlx::query_scalar("SELECT COUNT(*) FROM results");
        Self {
            bytes: bytes.fetch_one(&mut connection).await.unwrap(),
            results: results.fetch_one(&mut connection).await.unwrap(),
        }
    }
}

async fn connect(folder: &Path) -> sqlx::SqliteConnection {
    use sqlx::ConnectOptions;
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join("watchbell.db"));
    options.connect().await.unwrap()
}

/// The checks that began in this span in order of time, how many were not up, and the incidents.
async fn read(folder: &Path, from: i64, to: i64) -> (Starts, i64, i64) {
    let mut connection = connect(folder).await;
    let starts =
        sqlx::query_as("SELECT monitor_id, id FROM results WHERE id BETWEEN $1 AND $2 ORDER BY id")
            .bind(from)
            .bind(to)
            .fetch_all(&mut connection)
            .await
            .unwrap();
    let not_up = sqlx::query_scalar("SELECT COUNT(*) FROM results WHERE verdict <> 1");
    let incidents = sqlx::query_scalar("SELECT COUNT(*) FROM incidents");
    (
        starts,
        not_up.fetch_one(&mut connection).await.unwrap(),
        incidents.fetch_one(&mut connection).await.unwrap(),
    )
}

/// Starts a process that prints one line when it is ready; gives its last word.
fn start(command: &mut Command) -> (Child, String) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    // Whatever else it prints is read, so that it never waits.
    std::thread::spawn(move || lines.for_each(drop));
    (child, line.split_whitespace().last().unwrap().to_owned())
}

/// CPU of a bare GET in µs.
fn bare_gets(port: &str, a_second: u64, seconds: u64) -> f64 {
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["floor", port, &a_second.to_string(), &seconds.to_string()])
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().parse().unwrap()
}

/// The process that makes bare GETs: prints its CPU of one in µs.
async fn floor(port: u16, a_second: u64, measure: Duration) {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
    let mut ticks = tokio::time::interval(Duration::from_micros(1_000_000 / a_second));
    let mut gets = tokio::task::JoinSet::new();
    let (mut begun, mut cpu, mut count) = (Instant::now(), cpu_of(std::process::id()), 0_u64);
    let warm_up = Duration::from_secs(2);
    let mut is_warm = false;
    for n in 0_u64.. {
        ticks.tick().await;
        if !is_warm && begun.elapsed() > warm_up {
            (begun, cpu, count, is_warm) = (Instant::now(), cpu_of(std::process::id()), 0, true);
        }
        if is_warm && begun.elapsed() > measure {
            break;
        }
        let n = n % 10_000;
        let url = format!("http://127.1.{}.{}:{port}/health", n / 250, n % 250 + 1);
        let client = client.clone();
        gets.spawn(async move {
            assert_eq!(client.get(url).send().await.unwrap().text().await.unwrap(), "ok");
        });
        count += 1;
        while gets.try_join_next().is_some() {}
    }
    while gets.join_next().await.is_some() {}
    let cpu = cpu_of(std::process::id()) - cpu;
    println!("{}", cpu.as_secs_f64() * 1e6 / count as f64);
}

/// The process that answers: prints its port.
async fn target() {
    let listener = TcpListener::bind("0.0.0.0:0").await.unwrap();
    println!("{}", listener.local_addr().unwrap().port());
    loop {
        let (stream, _) = listener.accept().await.unwrap();
        tokio::spawn(answer(stream));
    }
}

async fn answer(mut stream: TcpStream) -> std::io::Result<()> {
    let mut head = vec![0; 4096];
    let mut length = 0;
    loop {
        match stream.read(&mut head[length..]).await? {
            0 => return Ok(()),
            read => length += read,
        }
        if head[..length].ends_with(b"\r\n\r\n") {
            stream.write_all(ANSWER).await?;
            length = 0;
        }
    }
}

/// What all threads of a process have run, to the nanosecond; of a thread that ended it is lost.
fn cpu_of(pid: u32) -> Duration {
    let tasks = std::fs::read_dir(format!("/proc/{pid}/task")).unwrap();
    let run = |task: std::fs::DirEntry| {
        let text = std::fs::read_to_string(task.path().join("schedstat")).unwrap_or_default();
        text.split_whitespace().next().map_or(0, |ns| ns.parse::<u64>().unwrap())
    };
    Duration::from_nanos(tasks.map(|task| run(task.unwrap())).sum())
}

fn written_by(pid: u32) -> f64 {
    let io = std::fs::read_to_string(format!("/proc/{pid}/io")).unwrap();
    let line = io.lines().find_map(|line| line.strip_prefix("write_bytes: "));
    line.unwrap().parse().unwrap()
}

fn rss_kb(pid: u32) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

fn now_ms() -> i64 {
    chrono::Utc::now().timestamp_millis()
}
