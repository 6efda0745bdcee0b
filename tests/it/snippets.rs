//! The snippets of a heartbeat's page, run as people would paste them, against the real program: what each records.
//!
//! Python and Celery need `requests` and `celery`: `WATCHBELL_TEST_PYTHON` names a Python that has them, as `scripts/test` does.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};
use watchbell::account::{Role, api_token};
use watchbell::monitor::expect::Expected;
use watchbell::web::pages::snippets::snippets;

use crate::support::api::START;
use crate::support::binary::{Binary, file, serve, spawn_binary};
use crate::support::database::TestDatabase;

/// A heartbeat of the real program, and a folder to run things in.
struct World {
    server: Binary,
    database: TestDatabase,
    token: String,
}

/// A ping as the log has it: kind, exit status, whether the run is timed.
type Line = (String, Option<i64>, bool);

impl World {
    async fn new() -> Self {
        let database = TestDatabase::new().await;
        let server = spawn_binary(&mut serve(&database));
        let db = database.open().await;
        let (_, token) = api_token::create(&db, "test", Role::Admin, START).await.unwrap();
        Self { server, database, token }
    }

    fn folder(&self) -> &Path {
        self.database.folder()
    }

    /// A new heartbeat: its number and its ping URL.
    async fn heartbeat(&self, name: &str) -> (i64, String) {
        let fields = json!({"name": name, "period_seconds": 3600});
        let made = self.server.api(&self.token, "POST", "/heartbeats", fields).await.data(201);
        // The default base URL is where it listens, which a test leaves to the system.
        let uuid = made["uuid"].as_str().unwrap();
        (made["id"].as_i64().unwrap(), format!("{}/api/heartbeats/{uuid}/ping", self.server.base))
    }

    /// Its pings, oldest first.
    async fn pings(&self, id: i64) -> Vec<Line> {
        let path = format!("/heartbeats/{id}/pings");
        let pings = self.server.api(&self.token, "GET", &path, Value::Null).await.data(200);
        let line = |ping: &Value| {
            let kind = ping["kind"].as_str().unwrap().to_owned();
            (kind, ping["exit_status"].as_i64(), !ping["duration_ms"].is_null())
        };
        pings.as_array().unwrap().iter().rev().map(line).collect()
    }

    /// Runs code by `program`, the job ending with `exit`, and gives what was recorded and how it ended.
    async fn run(&self, snippet: &str, full: bool, exit: i32, how: &How<'_>) -> (Vec<Line>, i32) {
        let (id, url) = self.heartbeat(snippet).await;
        let all = snippets(&url, &Expected::Every { period_seconds: 3600 });
        let found = all.iter().find(|s| s.key == snippet).unwrap();
        let code = if full { &found.full } else { &found.simple };
        let job = file(self.folder(), "job.sh", &format!("#!/bin/sh\nexit {exit}\n"));
        let run = |text: &str| {
            let text = text.replace("/path/to/job.sh", &format!("sh {}", job.display()));
            let mut command = how.command(self.folder(), &text, exit);
            let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).output();
            let output = child.unwrap();
            assert!(output.stdout.is_empty(), "{snippet} prints: {output:?}");
            output.status.code().unwrap()
        };
        let mut status = 0;
        for part in how.parts(&code.text) {
            status = run(&part);
        }
        (self.pings(id).await, status)
    }
}

/// How the code of a snippet is run.
enum How<'a> {
    /// As a script.
    Shell,
    /// The line of a crontab, without its five fields.
    Cron,
    /// The lines of a unit that would be run.
    Systemd,
    /// The steps of a workflow that would be run.
    Actions,
    /// By this Python, with the tasks and jobs that the code imports.
    Python(&'a str),
}

impl How<'_> {
    fn parts(&self, code: &str) -> Vec<String> {
        let after = |line: &str, prefixes: &[&str]| {
            prefixes.iter().find_map(|prefix| line.trim().strip_prefix(prefix)).map(str::to_owned)
        };
        match self {
            Self::Shell | Self::Python(_) => vec![code.to_owned()],
            Self::Cron => {
                let line = code.lines().find(|line| !line.starts_with('#')).unwrap();
                let command: Vec<&str> = line.split_whitespace().skip(5).collect();
                vec![command.join(" ")]
            }
            Self::Systemd => {
                let names = ["ExecStartPre=-", "ExecStart=", "ExecStartPost=-", "ExecStopPost=-"];
                // Systemd writes a dollar twice.
                code.lines()
                    .filter_map(|l| after(l, &names))
                    .map(|l| l.replace("$$", "$"))
                    .collect()
            }
            Self::Actions => code.lines().filter_map(|line| after(line, &["run: "])).collect(),
        }
    }

    fn command(&self, folder: &Path, code: &str, exit: i32) -> Command {
        let mut command = match self {
            Self::Python(python) => {
                file(
                    folder,
                    "my_jobs.py",
                    &format!("def job():\n    if {exit}: raise ValueError('no {exit}')\n"),
                );
                file(
                    folder,
                    "my_tasks.py",
                    &format!(
                        "from celery import Celery\napp = Celery()\n\n@app.task\ndef my_task():\n    if {exit}: raise ValueError('no {exit}')\n"
                    ),
                );
                let runs_task = "\nmy_task.apply()\n";
                let call = if code.contains("my_task") { runs_task } else { "" };
                let mut command = Command::new(python);
                command.arg(file(folder, "pasted.py", &format!("{code}{call}")));
                command
            }
            _ => {
                let status = if exit == 0 { "0" } else { "fail" };
                let step = "${{ job.status == 'success' && '0' || 'fail' }}";
                let mut command = Command::new("sh");
                command.arg("-c").arg(code.replace(step, status));
                command.env("EXIT_CODE", "exited").env("EXIT_STATUS", exit.to_string());
                command
            }
        };
        command.current_dir(folder).stdin(Stdio::null());
        // The server is on this machine: no proxy of the environment may stand between.
        for proxy in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
            command.env_remove(proxy);
        }
        command
    }
}

fn line(kind: &str, exit_status: Option<i64>, is_timed: bool) -> Line {
    (kind.to_owned(), exit_status, is_timed)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn shell_snippets_record_what_they_say() {
    let world = World::new().await;
    for (snippet, how) in [("curl", How::Shell), ("cron", How::Cron)] {
        let good = world.run(snippet, false, 0, &how).await;
        assert_eq!(good, (vec![line("success", None, false)], 0), "{snippet}");
        let bad = world.run(snippet, false, 7, &how).await;
        assert_eq!(bad.0, [], "{snippet}: a job that fails sends no success");
        let good = world.run(snippet, true, 0, &how).await;
        let both = [line("start", None, false), line("success", Some(0), true)];
        assert_eq!(good.0, both, "{snippet}");
        let (pings, status) = world.run(snippet, true, 7, &how).await;
        assert_eq!(pings, [line("start", None, false), line("fail", Some(7), true)], "{snippet}");
        if snippet == "curl" {
            assert_eq!(status, 7, "the script keeps the job's exit status");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_lines_of_units_and_workflows_record_what_they_say() {
    let world = World::new().await;
    for (snippet, how, exit) in
        [("systemd", How::Systemd, Some(0)), ("github", How::Actions, Some(0))]
    {
        let (pings, _) = world.run(snippet, false, 0, &how).await;
        assert_eq!(pings, [line("success", None, false)], "{snippet}");
        let (pings, _) = world.run(snippet, true, 0, &how).await;
        let both = [line("start", None, false), line("success", exit, true)];
        assert_eq!(pings, both, "{snippet}");
    }
    let (pings, _) = world.run("systemd", true, 7, &How::Systemd).await;
    assert_eq!(pings, [line("start", None, false), line("fail", Some(7), true)]);
    let (pings, _) = world.run("github", true, 7, &How::Actions).await;
    assert_eq!(pings, [line("start", None, false), line("fail", None, true)]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn python_and_celery_snippets_record_what_they_say() {
    let Ok(python) = std::env::var("WATCHBELL_TEST_PYTHON") else {
        eprintln!("not run: WATCHBELL_TEST_PYTHON names no Python with requests and celery");
        return;
    };
    let world = World::new().await;
    let how = How::Python(&python);
    for snippet in ["python", "celery"] {
        let (pings, status) = world.run(snippet, false, 0, &how).await;
        assert_eq!((pings, status), (vec![line("success", None, false)], 0), "{snippet}");
        let (pings, status) = world.run(snippet, true, 0, &how).await;
        let both = vec![line("start", None, false), line("success", None, true)];
        assert_eq!((pings, status), (both, 0), "{snippet}");
        let (pings, _) = world.run(snippet, true, 7, &how).await;
        assert_eq!(pings, [line("start", None, false), line("fail", None, true)], "{snippet}");
    }
    let (pings, _) = world.run("celery", false, 7, &how).await;
    assert_eq!(pings, [], "a task that fails sends no success");
}
