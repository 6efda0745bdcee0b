//! The program as a process of its own, and its database before and after.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use futures_util::StreamExt;
use serde_json::{Map, Value};
use sqlx::{ConnectOptions, SqliteConnection};
use watchbell::app::{App, Seams};
use watchbell::config;
use watchbell::monitor::Kind;

use super::process::{Process, start};
use super::target;

/// The first user of each of these databases.
pub const EMAIL: &str = "bench@example.com";
/// And its password.
pub const PASSWORD: &str = "a password for benchmarks";

/// A running server. Stopped when dropped.
pub struct Program {
    child: Child,
    /// Where it is reached.
    pub base: String,
}

/// The URL of the database in a folder.
pub fn database(folder: &Path) -> String {
    format!("sqlite://{}", folder.join("watchbell.db").display())
}

/// A program that was built otherwise, the release one for instance, when one is given.
pub fn given() -> Option<PathBuf> {
    std::env::var_os("WATCHBELL_BENCH_PROGRAM").map(PathBuf::from)
}

/// The file of the program that is measured: the one that is given, or that of this very build.
pub fn file() -> PathBuf {
    given().unwrap_or_else(|| env!("CARGO_BIN_EXE_watchbell").into())
}

impl Program {
    /// Starts the program on the database in `folder`.
    pub fn start(folder: &Path) -> Self {
        let mut command = command(folder);
        let command = command.env("WATCHBELL_ADMIN_EMAIL", EMAIL);
        Self::run(command.env("WATCHBELL_ADMIN_PASSWORD", PASSWORD))
    }

    /// The same, without making a first user: that takes most of a start.
    pub fn start_without_user(folder: &Path) -> Self {
        Self::run(&mut command(folder))
    }

    fn run(command: &mut Command) -> Self {
        let (child, base) = start(command);
        Self { child, base }
    }

    /// Its process.
    pub fn process(&self) -> Process {
        Process(self.child.id())
    }

    /// Waits until `path` is answered with 200.
    pub async fn until_ok(&self, client: &reqwest::Client, path: &str) {
        loop {
            let answer = client.get(format!("{}{path}", self.base)).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                return;
            }
            tokio::time::sleep(Duration::from_millis(1)).await;
        }
    }

    /// The sum of the metrics that begin with `name`.
    pub async fn metric(&self, client: &reqwest::Client, name: &str) -> f64 {
        let text = client.get(format!("{}/metrics", self.base)).send().await.unwrap();
        let text = text.text().await.unwrap();
        let of_name = text.lines().filter(|line| line.starts_with(name));
        of_name.map(|line| line.rsplit_once(' ').unwrap().1.parse::<f64>().unwrap()).sum()
    }

    /// How many checks it has made.
    pub async fn checks(&self, client: &reqwest::Client) -> f64 {
        self.metric(client, "watchbell_checks_total{").await
    }

    /// Waits until it has made that many checks, looking again every `pace`.
    pub async fn until_checks(&self, client: &reqwest::Client, count: f64, pace: Duration) {
        while self.checks(client).await < count {
            tokio::time::sleep(pace).await;
        }
    }

    /// Asks it to stop, and waits.
    pub fn stop(mut self) {
        self.process().ask_to_stop();
        self.child.wait().unwrap();
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // Ended already, if it was stopped.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

fn command(folder: &Path) -> Command {
    let mut command = Command::new(file());
    command
        .args(["--listen", "127.0.0.1:0", "--database-url", &database(folder)])
        .args(["--metrics-public", "true"])
        .stderr(Stdio::null());
    command
}

/// A token of the API for everything.
pub fn token(folder: &Path) -> String {
    let output = Command::new(file())
        .args(["token", "create", "bench", "--role", "admin"])
        .env("WATCHBELL_DATABASE_URL", database(folder))
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// Makes `count` monitors with these fields that check the target at `port`, each at an address of its own, as targets of a real server
/// are.
pub async fn make_monitors(folder: &Path, port: &str, count: usize, fields: Value) {
    let url = database(folder);
    let args = ["watchbell", "--listen", "127.0.0.1:0", "--database-url", &url];
    let config = config::parse_from(args.map(Into::into), &|_| None).unwrap().config;
    let app = App::build(&config, Seams::default()).await.unwrap();
    let engine = app.engine();
    let making = (0..count).map(|n| {
        let mut fields: Map<_, _> = fields.as_object().unwrap().clone();
        fields.insert("url".to_owned(), target::url(port, n).into());
        let engine = engine.clone();
        async move { engine.create_monitor(Kind::Http, fields).await.unwrap() }
    });
    futures_util::stream::iter(making).buffer_unordered(256).for_each(|_| async {}).await;
    app.db().close().await;
}

/// A connection to the database in `folder`, to make and to read what no server would.
pub async fn connect(folder: &Path) -> SqliteConnection {
    let options = sqlx::sqlite::SqliteConnectOptions::new().filename(folder.join("watchbell.db"));
    options.busy_timeout(Duration::from_secs(30)).connect().await.unwrap()
}

/// Waits until the database in `folder` is on the disk: what was made without waiting for that would be written while something else is
/// measured.
pub fn sync(folder: &Path) {
    std::fs::File::open(folder.join("watchbell.db")).unwrap().sync_all().unwrap();
}

/// Runs statements of a benchmark's own on it.
pub async fn run(connection: &mut SqliteConnection, sql: String) {
    sqlx::raw_sql(sqlx::AssertSqlSafe(sql)).execute(connection).await.unwrap();
}
