//! The real program as a process of its own, for what only a process shows: exit codes, signals, a kill.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Output, Stdio};
use std::sync::mpsc::Receiver;
use std::time::Duration;

use reqwest::{Client, Method};
use serde_json::Value;

use super::api::{Answer, Api};
use super::database::TestDatabase;
use super::{CAP, eventually};

/// The program: `WATCHBELL_BIN`, such as a release build, or else that of this build.
pub fn program() -> PathBuf {
    let built = env!("CARGO_BIN_EXE_watchbell");
    std::env::var_os("WATCHBELL_BIN").map_or_else(|| built.into(), PathBuf::from)
}

/// A command of the program with nothing of the test's own environment that could change it.
pub fn command(folder: &Path) -> Command {
    let mut command = Command::new(program());
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("WATCHBELL_")) {
        command.env_remove(name);
    }
    command.current_dir(folder).env("WATCHBELL_LISTEN", "127.0.0.1:0").stdin(Stdio::null());
    command
}

/// Runs a command to its end.
pub fn run(command: &mut Command) -> Output {
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).output().unwrap()
}

/// Asserts that `output` is a refusal, exit 2 and one line on stderr, and gives the line.
pub fn refusal(output: &Output) -> String {
    let err = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(output.status.code(), Some(2), "{err}");
    assert_eq!(err.lines().count(), 1, "one line, not: {err}");
    err
}

/// A running server.
pub struct Binary {
    /// Where it listens: `http://127.0.0.1:port`.
    pub base: String,
    /// What it prints after its first line.
    printed: Receiver<String>,
    child: Child,
    http: Client,
}

/// A server's command on `database` with a fixed key.
pub fn serve(database: &TestDatabase) -> Command {
    let mut command = command(database.folder());
    command
        .env("WATCHBELL_DATABASE_URL", database.url())
        .env("WATCHBELL_SECRET_KEY", super::app::KEY);
    command
}

/// The same within a network namespace.
pub fn serve_in(namespace: &str, database: &TestDatabase) -> Command {
    within(namespace, &serve(database), database.folder())
}

/// A command as it is, in `folder`, within a network namespace.
pub fn within(namespace: &str, plain: &Command, folder: &Path) -> Command {
    let mut command = Command::new("ip");
    command.args(["netns", "exec", namespace]).arg(plain.get_program()).args(plain.get_args());
    for (name, value) in plain.get_envs() {
        match value {
            Some(value) => command.env(name, value),
            None => command.env_remove(name),
        };
    }
    command.current_dir(folder).stdin(Stdio::null());
    command
}

/// Starts a server and waits until it serves.
pub fn spawn_binary(command: &mut Command) -> Binary {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut out = BufReader::new(child.stdout.take().unwrap());
    let mut err = child.stderr.take().unwrap();
    // Read on, so that it never waits for a full pipe.
    let log = std::thread::spawn(move || {
        let mut text = String::new();
        let _ = err.read_to_string(&mut text);
        text
    });
    let mut line = String::new();
    out.read_line(&mut line).unwrap();
    let Some((_, base)) = line.trim_end().rsplit_once(" listens on ") else {
        let _ = child.wait();
        panic!("did not start: {line} {}", log.join().unwrap());
    };
    let (sender, printed) = std::sync::mpsc::channel::<String>();
    std::thread::spawn(move || {
        for line in out.lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let _ = rustls::crypto::ring::default_provider().install_default();
    // Nothing is kept open, so that the server's connections are those that it made itself.
    let http = Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
    let mut binary = Binary { base: base.to_owned(), printed, child, http };
    let address = binary.base.trim_start_matches("http://").to_owned();
    // The port is bound before the first line is printed, so this waits for an answer and not for luck.
    while !answers(&address) {
        assert!(binary.child.try_wait().unwrap().is_none(), "ended at its start");
    }
    binary
}

fn answers(address: &str) -> bool {
    use std::io::Write;
    let Ok(mut stream) = std::net::TcpStream::connect(address) else { return false };
    let _ = stream.set_read_timeout(Some(Duration::from_secs(10)));
    let request = format!("GET /healthz HTTP/1.1\r\nhost: {address}\r\nconnection: close\r\n\r\n");
    let mut answer = String::new();
    stream.write_all(request.as_bytes()).is_ok()
        && stream.read_to_string(&mut answer).is_ok()
        && answer.starts_with("HTTP/1.1 200")
}

impl Binary {
    /// The set-up link that it printed.
    pub fn setup_link(&self) -> String {
        let line = self.printed.recv_timeout(CAP).unwrap();
        line.split_once(": ").unwrap().1.to_owned()
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, name: &str) {
        let pid = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &pid]).status().unwrap().success());
    }

    /// What the system says of its memory in kB: `VmRSS` now, `VmHWM` at the most.
    pub fn memory_kb(&self, what: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.child.id())).unwrap();
        of_status(&status, what)
    }

    /// How often its threads called `name` (the first 15 bytes) have gone to sleep.
    pub fn naps(&self, name: &str) -> u64 {
        let tasks = std::fs::read_dir(format!("/proc/{}/task", self.child.id())).unwrap();
        let read = |file| std::fs::read_to_string(file).unwrap_or_default();
        let tasks = tasks.map(|task| task.unwrap().path());
        let called = tasks.filter(|task| read(task.join("comm")).trim_end() == name);
        let naps: Vec<_> = called
            .map(|task| of_status(&read(task.join("status")), "voluntary_ctxt_switches"))
            .collect();
        assert!(!naps.is_empty(), "no thread is called {name}");
        naps.iter().sum()
    }

    /// How many sockets it has open.
    pub fn sockets(&self) -> usize {
        let open = std::fs::read_dir(format!("/proc/{}/fd", self.child.id())).unwrap();
        let target =
            |entry: std::io::Result<std::fs::DirEntry>| std::fs::read_link(entry.ok()?.path()).ok();
        open.filter_map(target).filter(|path| path.to_string_lossy().starts_with("socket:")).count()
    }

    /// Kills it at once, as a power cut would.
    pub fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Waits until it has ended by itself.
    pub async fn ended(&mut self) -> ExitStatus {
        let child = std::cell::RefCell::new(&mut self.child);
        eventually(CAP, || async { child.borrow_mut().try_wait().unwrap() }).await
    }

    /// A request to the API with a token.
    pub async fn api(&self, token: &str, method: &str, path: &str, body: Value) -> Answer {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request =
            self.http.request(method, format!("{}/api/v1{path}", self.base)).bearer_auth(token);
        if !body.is_null() {
            request = request.json(&body);
        }
        Api::answer(request).await
    }
}

impl Drop for Binary {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The number of the line `name` in a status of the kernel's.
fn of_status(status: &str, name: &str) -> u64 {
    let line = status.lines().find(|line| line.starts_with(name)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse().unwrap()
}

/// A file in `folder` that holds `text`.
pub fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path
}
