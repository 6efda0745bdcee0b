//! The server as a process: how it starts, what it refuses, how it stops.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::process::Stdio;
use std::time::Duration;

use serde_json::Value;
use watchbell::account::password::Passwords;
use watchbell::account::{Role, session, user};
use watchbell::checker::watch::LAST_ALIVE;
use watchbell::clock::{Clock, SystemClock};
use watchbell::store::settings;

use crate::support::app::spawn_app;
use crate::support::binary::{Binary, command, file, refusal, run, serve, spawn_binary};
use crate::support::database::TestDatabase;
use crate::support::{CAP, eventually};

#[test]
fn a_second_server_on_the_same_file_is_refused() {
    let database = TestDatabase::sqlite();
    let _first = spawn_binary(&mut serve(&database));
    let line = refusal(&run(&mut serve(&database)));
    assert!(line.contains("already uses") && line.contains("test.db"), "{line}");
}

#[test]
fn a_port_in_use_is_named() {
    let database = TestDatabase::sqlite();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let line = refusal(&run(serve(&database).env("WATCHBELL_LISTEN", &address)));
    assert!(line.contains("WATCHBELL_LISTEN") && line.contains(&address), "{line}");
    // The failed try has let go of the file.
    drop(spawn_binary(&mut serve(&database)));
}

#[test]
fn each_bad_setting_is_named_in_one_line() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(
        folder.path().join("garbage.db"),
        "this is no database, but long enough ".repeat(99),
    )
    .unwrap();
    for (name, value) in [
        ("WATCHBELL_LISTEN", "nonsense"),
        ("WATCHBELL_LISTEN", "192.0.2.1:80"),
        ("WATCHBELL_DATABASE_URL", "mysql://x"),
        ("WATCHBELL_DATABASE_URL", "postgres://user@127.0.0.1:1/x"),
        ("WATCHBELL_BASE_URL", "nonsense"),
        ("WATCHBELL_BASE_URL", "ftp://example.com"),
        ("WATCHBELL_BASE_URL", "https://example.com/watchbell"),
        ("WATCHBELL_SMTP_URL", "http://mail.example.com"),
        ("WATCHBELL_ADMIN_EMAIL", "a@example.com"),
        ("WATCHBELL_EGRESS_DENY", "nonsense"),
        ("WATCHBELL_EGRESS_ALLOW", "10.0.0.0/99"),
        ("WATCHBELL_TRUSTED_PROXIES", "nonsense"),
        ("WATCHBELL_RETRY_SCHEDULE", "5,x"),
        ("WATCHBELL_RETENTION_DAYS", "0"),
        ("WATCHBELL_RETENTION_DAYS", "x"),
        ("WATCHBELL_PING_LOG", "-1"),
        ("WATCHBELL_CHECK_PERMITS", "0"),
        ("WATCHBELL_CANARIES", "gateway,nonsense"),
        ("WATCHBELL_LOG_FORMAT", "xml"),
        ("WATCHBELL_METRICS_PUBLIC", "maybe"),
    ] {
        let mut command = command(folder.path());
        command.env(name, value);
        if value.starts_with("mysql") || !name.contains("DATABASE") {
            command.env("WATCHBELL_SECRET_KEY", "x");
        }
        let line = refusal(&run(&mut command));
        // Of a database that cannot be reached its address says more than the variable.
        let names = line.contains(name)
            || line
                .contains(&name.replace("_DENY", "_DENY/ALLOW").replace("_ALLOW", "_DENY/ALLOW"))
            || line.contains("WATCHBELL_SECRET_KEY");
        assert!(names, "{name}={value}: {line}");
    }
    for url in ["sqlite://garbage.db", "sqlite:///proc/no/such.db"] {
        let line = refusal(&run(command(folder.path()).env("WATCHBELL_DATABASE_URL", url)));
        let (_, file) = url.rsplit_once('/').unwrap();
        assert!(line.contains(file) || line.contains("/proc/no"), "{line}");
    }
    let url = "postgres://user:hidden@127.0.0.1:1/x";
    let mut command = command(folder.path());
    command.env("WATCHBELL_DATABASE_URL", url).env("WATCHBELL_SECRET_KEY", "x");
    let line = refusal(&run(&mut command));
    assert!(line.contains("127.0.0.1:1") && !line.contains("hidden"), "{line}");
    command.env("WATCHBELL_DATABASE_URL", "postgres://user:hidden@127.0.0.1:port/x");
    let line = refusal(&run(&mut command));
    assert!(line.contains("port") && !line.contains("hidden"), "{line}");
}

/// What starts a server may not care for what it prints, and close the pipe.
#[tokio::test]
async fn a_closed_stdout_does_not_end_it() {
    // Fails when another test was first, which is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let database = TestDatabase::sqlite();
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let mut command = serve(&database);
    command.env("WATCHBELL_LISTEN", free.to_string());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    drop(child.stdout.take());
    eventually(CAP, || async {
        let healthz = reqwest::get(format!("http://{free}/healthz")).await.ok()?;
        (healthz.status() == 200).then_some(())
    })
    .await;
    child.kill().unwrap();
    child.wait().unwrap();
}

#[test]
fn settings_come_from_files_too_and_a_file_wins() {
    let database = TestDatabase::sqlite();
    let folder = database.folder();
    let url = file(folder, "base", "https://watch.example.com\n");
    let password = file(folder, "password", "correct horse\n");
    let mut command = serve(&database);
    command
        .env("WATCHBELL_BASE_URL", "https://other.example.com")
        .env("WATCHBELL_BASE_URL_FILE", url)
        .env("WATCHBELL_ADMIN_EMAIL", "ann@example.com")
        .env("WATCHBELL_ADMIN_PASSWORD_FILE", password)
        .env("WATCHBELL_SMTP_URL", "");
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap();
    let mut line = String::new();
    let mut out = std::io::BufReader::new(child.stdout.take().unwrap());
    std::io::BufRead::read_line(&mut out, &mut line).unwrap();
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(line.contains("https://watch.example.com"), "{line}");
    let users = run(serve(&database).args(["user", "list"]));
    assert!(String::from_utf8(users.stdout).unwrap().contains("ann@example.com\tadmin"));
    for (name, text) in [("WATCHBELL_RETENTION_DAYS", "x"), ("WATCHBELL_BASE_URL", "x")] {
        let path = file(folder, "wrong", text);
        let line = refusal(&run(serve(&database).env(format!("{name}_FILE"), path)));
        assert!(line.contains(name), "{line}");
    }
    let line = refusal(&run(serve(&database).env("WATCHBELL_SMTP_URL_FILE", "/no/such/file")));
    assert!(line.contains("WATCHBELL_SMTP_URL_FILE") && line.contains("/no/such/file"), "{line}");
}

/// Opens a connection, asks for `path` and leaves it open after the head of the answer.
fn hold(server: &Binary, path: &str, cookie: &str) -> TcpStream {
    let mut stream = TcpStream::connect(server.base.trim_start_matches("http://")).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nhost: x\r\ncookie: {cookie}\r\n\r\n").unwrap();
    let mut first = [0; 12];
    stream.read_exact(&mut first).unwrap();
    assert_eq!(&first, b"HTTP/1.1 200", "{path}");
    stream
}

/// The cookie of somebody who is signed in.
async fn signed_in(database: &TestDatabase) -> String {
    let db = database.open().await;
    let (now, passwords) = (SystemClock.now(), Passwords::default());
    let password = "correct horse";
    let user = user::create(&db, &passwords, "ann@example.com", password, Role::Viewer, now);
    let token = session::begin(&db, user.await.unwrap().id, now).await.unwrap();
    db.close().await;
    format!("{}={token}", session::COOKIE)
}

#[tokio::test]
async fn a_stop_is_clean_whatever_is_open() {
    for signal in ["-TERM", "-INT"] {
        let database = TestDatabase::new().await;
        let mut server = spawn_binary(&mut serve(&database));
        let kept_alive = hold(&server, "/healthz", "");
        let stream = hold(&server, "/events", &signed_in(&database).await);
        let silent = TcpStream::connect(server.base.trim_start_matches("http://")).unwrap();
        let asked = SystemClock.now();
        server.signal(signal);
        assert_eq!(server.ended().await.code(), Some(0), "{signal}");
        // Ten seconds are the contract's, the rest is for a machine that is busy.
        assert!(SystemClock.now().since(asked) < 20_000);
        drop((kept_alive, silent, stream));
        // What it leaves behind can be started again.
        drop(spawn_binary(&mut serve(&database)));
    }
}

/// An idle server wakes up seldom: the clock of the `Date` header must not tick for nobody.
#[tokio::test]
async fn the_web_sleeps_while_nobody_is_connected() {
    let database = TestDatabase::sqlite();
    let server = spawn_binary(&mut serve(&database));
    drop(hold(&server, "/healthz", ""));
    let naps = || server.naps("actix-server wo");
    eventually(CAP, || async {
        let before = naps();
        // That clock would tick twice.
        tokio::time::sleep(Duration::from_millis(1_100)).await;
        (naps() == before).then_some(())
    })
    .await;
}

#[tokio::test]
async fn users_and_tokens_made_beside_a_running_server_take_effect_at_once() {
    let database = TestDatabase::new().await;
    let server = spawn_binary(&mut serve(&database));
    let link = server.setup_link();
    assert!(link.starts_with(&format!("{}/setup?token=", server.base)), "{link}");
    let shell = |args: &[&str]| {
        let output = run(serve(&database).args(args));
        assert_eq!(output.status.code(), Some(0), "{output:?}");
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    };
    let token = shell(&["token", "create", "ci", "--role", "admin"]);
    let tokens = server.api(&token, "GET", "/tokens", Value::Null).await.data(200);
    assert_eq!(tokens[0]["name"], "ci");
    let mut adding = serve(&database)
        .args(["user", "add", "ann@example.com", "--role", "editor"])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    adding.stdin.take().unwrap().write_all(b"correct horse\n").unwrap();
    assert!(adding.wait().unwrap().success());
    let users = server.api(&token, "GET", "/users", Value::Null).await.data(200);
    assert_eq!(users[0]["email"], "ann@example.com");
    let viewer = shell(&["token", "create", "looker"]);
    assert_eq!(server.api(&viewer, "GET", "/users", Value::Null).await.status, 403);
    shell(&["token", "revoke", &tokens[0]["id"].to_string()]);
    assert_eq!(server.api(&token, "GET", "/tokens", Value::Null).await.status, 401);
}

/// A disk that is full: nothing is taken that is not kept, it shows, and once there is room again all goes on by itself.
#[tokio::test]
async fn a_database_that_cannot_be_written_shows() {
    let app = spawn_app().await;
    let url = app.url("/readyz");
    assert_eq!(reqwest::get(&url).await.unwrap().status(), 200);
    // Holds what the sign of life is written to, as a disk that hangs does.
    let mut tx = app.db.begin().await.unwrap();
    let written = app.now().0.to_string();
    settings::set(&mut tx.conn(), LAST_ALIVE, &written).await.unwrap();
    app.advance(90);
    let answer = reqwest::get(&url).await.unwrap();
    assert_eq!(answer.status(), 503);
    let troubles: Value = answer.json().await.unwrap();
    assert_eq!(troubles["checks"]["database"], "error: not written to for 90 s");
    drop(tx);
    eventually(CAP, || async { (reqwest::get(&url).await.unwrap().status() == 200).then_some(()) })
        .await;
    app.stop().await;
}
