//! What the monitor list costs: the demonstration's story with 1,300 and with 10,000 monitors, 90 days behind them, on a server that has
//! nothing else to do.
//!
//! `cargo bench --bench list`. Times are those of the whole answer, read over loopback. That the list takes as many statements for
//! 10,000 monitors as for 1,300 is looked at too: there is none for a row. `docs/benchmarks.md` keeps the figures.
#![allow(clippy::unwrap_used, reason = "a benchmark fails by panicking")]
#![allow(clippy::disallowed_methods, reason = "a benchmark measures spans and has no supervisor")]

#[path = "../examples/demo/alerting.rs"]
mod alerting;
#[path = "../examples/demo/fill.rs"]
mod fill;
#[path = "../examples/demo/past.rs"]
mod past;
#[path = "shared/report.rs"]
mod report;
#[path = "../examples/demo/story.rs"]
mod story;
#[path = "../examples/demo/targets.rs"]
mod targets;
#[path = "list/twins.rs"]
mod twins;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use tokio_util::sync::CancellationToken;
use tracing_subscriber::layer::{Context, Layer, SubscriberExt};
use watchbell::account::session;
use watchbell::app::{App, Seams};
use watchbell::clock::{Clock, ManualClock, SystemClock};
use watchbell::config;
use watchbell::seal::Sealer;
use watchbell::store::{Db, users};

use report::{at, median, part, row};

const EMAIL: &str = "bench@kestrel.example";
const PASSWORD: &str = "kestrel-bench";
/// How many monitors are told with their past one by one; more are their twins.
const STORY: usize = 1_300;
/// How often each page is asked for in a round.
const TIMES: usize = 70;
const ROUNDS: usize = 3;
/// The pages: the list as it opens, and the ways to look at it that cost most.
const PAGES: [&str; 6] = [
    "/monitors",
    "/monitors?q=pay",
    "/monitors?view=flat",
    "/monitors?view=status",
    "/monitors?sort=changed",
    LONG,
];
/// A page of a hundred rows, which one has to ask for: it may be longer than the others.
const LONG: &str = "/monitors?type=http&status=up&show=100";
/// The answer that reads nothing.
const NOTHING: &str = "/healthz";

/// Counts the statements that sqlx tells of.
struct Statements(Arc<AtomicUsize>);

impl<S: tracing::Subscriber> Layer<S> for Statements {
    fn on_event(&self, event: &tracing::Event<'_>, _: Context<'_, S>) {
        if event.metadata().target() == "sqlx::query" {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }
}

fn main() {
    rustls::crypto::ring::default_provider().install_default().unwrap();
    let statements = Arc::new(AtomicUsize::new(0));
    let layer = Statements(statements.clone());
    let only = tracing_subscriber::filter::Targets::new()
        .with_target("sqlx::query", tracing::level_filters::LevelFilter::TRACE);
    let subscriber = tracing_subscriber::registry().with(layer.with_filter(only));
    tracing::subscriber::set_global_default(subscriber).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        part(&format!(
            "list: medians of {ROUNDS} rounds of {TIMES} reads, 90 days behind all monitors; floor: /healthz"
        ));
        let few = measure(1_300, "< 50", &statements).await;
        let many = measure(10_000, "< 100", &statements).await;
        // Several for what is read of many monitors at once, none for each.
        let grown = few.iter().zip(&many).all(|(few, many)| *many <= few + 10);
        assert!(grown, "no statement is for a row: {few:?}, then {many:?}");
    });
}

/// Asks for each page, which should be answered in such a time at the 95th percentile; gives how many statements each took.
async fn measure(monitors: usize, aim: &'static str, statements: &AtomicUsize) -> Vec<usize> {
    let folder = tempfile::tempdir().unwrap();
    let now = SystemClock.now();
    let url = format!("sqlite://{}", folder.path().join("watchbell.db").display());
    let db = Db::open(&url).await.unwrap();
    let sealer = Sealer::load_or_create(&folder.path().join("secret.key")).unwrap();
    fill::fill(&db, &sealer, monitors.min(STORY), now).await.unwrap();
    let user = users::find(&mut db.read().await.unwrap().conn(), EMAIL).await.unwrap().unwrap();
    let token = session::begin(&db, user.id, now).await.unwrap();
    db.close().await;
    twins::add(&url, monitors).await;
    let args = ["watchbell", "--listen", "127.0.0.1:0", "--database-url", &url];
    let config = config::parse_from(args.iter().map(Into::into), &|_| None).unwrap().config;
    // The clock stands, so that there is nothing else to do.
    let seams = Seams {
        clock: ManualClock::new(now),
        canaries: Some(Arc::new(targets::AnsweringCanaries)),
    };
    let app = App::build(&config, seams).await.unwrap().with_checks(Arc::new(targets::MadeUp));
    let address = app.address();
    let stop = CancellationToken::new();
    let running = tokio::spawn(app.run(stop.clone()));
    let client = reqwest::Client::builder().no_proxy().build().unwrap();
    let get = async |path: &str| {
        let request = client.get(format!("http://{address}{path}"));
        let began = Instant::now();
        let answer =
            request.header("cookie", format!("{}={token}", session::COOKIE)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        let bytes = answer.bytes().await.unwrap();
        (began.elapsed().as_secs_f64() * 1e3, bytes.len())
    };
    let rounds = async |path: &str| {
        let (mut middles, mut late, mut bytes) = (Vec::new(), Vec::new(), 0);
        for _ in 0..ROUNDS {
            let mut took = Vec::new();
            for _ in 0..TIMES {
                let (ms, length) = get(path).await;
                took.push(ms);
                bytes = length;
            }
            middles.push(at(&took, 0.5));
            late.push(at(&took, 0.95));
        }
        (median(&middles), median(&late), bytes)
    };
    let (floor_p50, floor_p95, _) = rounds(NOTHING).await;
    let mut counted = Vec::new();
    for path in PAGES {
        get(path).await;
        let before = statements.load(Ordering::Relaxed);
        get(path).await;
        counted.push(statements.load(Ordering::Relaxed) - before);
        let (p50, p95, bytes) = rounds(path).await;
        row(format!("{monitors} monitors: {path}, p50, ms"), p50).beside(floor_p50).write();
        row(format!("{monitors} monitors: {path}, p95, ms"), p95)
            .beside(floor_p95)
            .aim(aim)
            .write();
        let bytes = row(format!("{monitors} monitors: {path}, bytes"), bytes as f64);
        if path == LONG { bytes } else { bytes.aim("< 150000") }.write();
    }
    let most = *counted.iter().max().unwrap() as f64;
    row(format!("{monitors} monitors: statements of the page with the most"), most).write();
    stop.cancel();
    running.await.unwrap().unwrap();
    counted
}
