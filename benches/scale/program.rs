//! The program as a process of its own, and its database before and after.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use futures_util::StreamExt;
use serde_json::{Map, json};
use sqlx::{ConnectOptions, SqliteConnection};
use watchbell::app::{App, Seams};
use watchbell::config;
use watchbell::monitor::Kind;

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

    /// Its memory in MB.
    pub fn rss_mb(&self) -> f64 {
        self.process().rss_mb()
    }

    /// How often its threads gave up the processor to wait, since they began.
    pub fn waits(&self) -> f64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let status = |task: std::fs::DirEntry| std::fs::read_to_string(task.path().join("status"));
        let waits = |status: String| number(&status, "voluntary_ctxt_switches:");
        tasks.map(|task| status(task.unwrap()).map(waits).unwrap_or_default()).sum()
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

    /// Asks it to stop, and waits.
    pub fn stop(mut self) {
        self.process().ask_to_stop();
        self.child.wait().unwrap();
    }
}

/// A process, by its number, as the kernel sees it.
pub struct Process(pub u32);

impl Process {
    fn proc(&self, file: &str) -> String {
        std::fs::read_to_string(format!("/proc/{}/{file}", self.0)).unwrap()
    }

    /// Its memory in MB.
    pub fn rss_mb(&self) -> f64 {
        number(&self.proc("status"), "VmRSS:") / 1024.0
    }

    /// The most that it ever had.
    pub fn rss_max_mb(&self) -> f64 {
        number(&self.proc("status"), "VmHWM:") / 1024.0
    }

    /// The share of a processor that it uses during `span`, in percent.
    pub async fn cpu_percent(&self, span: Duration) -> f64 {
        let (before, begun) = (self.cpu_seconds(), Instant::now());
        tokio::time::sleep(span).await;
        (self.cpu_seconds() - before) / begun.elapsed().as_secs_f64() * 100.0
    }

    /// The time of processors that it has used, which the kernel gives in hundredths of a second.
    fn cpu_seconds(&self) -> f64 {
        let stat = self.proc("stat");
        let (_, after_name) = stat.rsplit_once(')').unwrap();
        let ticks = after_name.split_whitespace().skip(11).take(2);
        ticks.map(|ticks| ticks.parse::<f64>().unwrap()).sum::<f64>() / 100.0
    }

    /// Asks it to stop, without waiting.
    pub fn ask_to_stop(&self) {
        Command::new("kill").arg(self.0.to_string()).status().unwrap();
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
    let mut command = Command::new(env!("CARGO_BIN_EXE_watchbell"));
    command
        .args(["--listen", "127.0.0.1:0", "--database-url", &database(folder)])
        .args(["--metrics-public", "true"])
        .stderr(Stdio::null());
    command
}

/// A token of the API for everything.
pub fn token(folder: &Path) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_watchbell"))
        .args(["token", "create", "bench", "--role", "admin"])
        .env("WATCHBELL_DATABASE_URL", database(folder))
        .output()
        .unwrap();
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

fn number(text: &str, name: &str) -> f64 {
    let line = text.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// Starts a process that prints one line when it is ready; gives its last word.
pub fn start(command: &mut Command) -> (Child, String) {
    let mut child = command.stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let line = lines.next().unwrap().unwrap();
    // Whatever else it prints is read, so that it never waits.
    std::thread::spawn(move || lines.for_each(drop));
    (child, line.split_whitespace().last().unwrap().to_owned())
}

/// Makes `count` monitors that check the target at `port` every 20 s, each at an address of its own.
pub async fn make_monitors(folder: &Path, port: &str, count: usize) {
    make_monitors_from(folder, port, count, &[]).await;
}

/// The same from these regions, whose probes are made already.
pub async fn make_monitors_from(folder: &Path, port: &str, count: usize, regions: &[&str]) {
    let url = database(folder);
    let args = ["watchbell", "--listen", "127.0.0.1:0", "--database-url", &url];
    let config = config::parse_from(args.map(Into::into), &|_| None).unwrap().config;
    let app = App::build(&config, Seams::default()).await.unwrap();
    let engine = app.engine();
    let making = (0..count).map(|n| {
        let url = format!("http://127.1.{}.{}:{port}/{n}", n / 250, n % 250 + 1);
        let mut fields = json!({"url": url, "check_interval_seconds": 20});
        if !regions.is_empty() {
            fields["regions"] = json!(regions);
        }
        let fields: Map<_, _> = fields.as_object().unwrap().clone();
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
