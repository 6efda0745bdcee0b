//! All targets at once, as monitors of the real program: what each says there, and what it costs.

use futures_util::StreamExt;
use watchbell::account::{Role, api_token};

use crate::support::api::START;
use crate::support::binary::{Binary, file, serve, spawn_binary};
use crate::support::database::TestDatabase;
use crate::support::{CAP, eventually};

use super::*;

/// The most that all of them may take beyond the idle server, in kB (64 MiB).
const MOST_KB: u64 = 64 * 1024;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn all_targets_at_once_cost_little_memory_and_leave_no_connection() {
    let targets = start().await;
    let database = TestDatabase::new().await;
    let authority = file(database.folder(), "authority.pem", &targets.authority);
    let mut command = serve(&database);
    command.env("SSL_CERT_FILE", authority).env_remove("SSL_CERT_DIR");
    let server = spawn_binary(&mut command);
    let db = database.open().await;
    let (_, token) = api_token::create(&db, "test", Role::Admin, START).await.unwrap();
    // One that is well, so that what every check takes at first is not counted as theirs.
    let good = targets.cases.iter().position(|case| case.name == "a good certificate").unwrap();
    let good = make(&server, &token, &targets.cases[good]).await;
    check_now(&server, &token, good).await;
    let (idle, sockets) = (server.memory_kb("VmRSS"), server.sockets());
    // Each is checked as soon as it is made, so that all are at it at once. Asked for few by few: so many new connections at once
    // may wait too long for a server that is busy with all of this.
    let mut made = Vec::new();
    for case in &targets.cases {
        made.push(make(&server, &token, case).await);
    }
    let checks = made.iter().map(|id| check_now(&server, &token, *id));
    let results: Vec<_> = futures_util::stream::iter(checks).buffered(32).collect().await;
    let mut faults = Vec::new();
    for (case, result) in targets.cases.iter().zip(results) {
        let error = result["error_kind"].as_str().zip(result["error"].as_str());
        if !case.expected.is(error) {
            faults.push(format!("{}: {result}, not {:?}", case.name, case.expected));
        }
    }
    let peak = server.memory_kb("VmHWM");
    faults.sort();
    println!("{} targets: {} kB over {idle} kB", targets.cases.len(), peak.saturating_sub(idle));
    assert!(faults.is_empty(), "of {}:\n{}", targets.cases.len(), faults.join("\n"));
    assert!(peak < idle + MOST_KB, "{peak} kB at the most, {idle} kB idle");
    // With PostgreSQL the pool keeps the connections that it opened meanwhile.
    if database.url().starts_with("sqlite") {
        // One that asks over HTTP/2 without end and takes no answer holds its connection until the system gives it up: after half a
        // minute, or a whole one.
        eventually(CAP * 3, || async { (server.sockets() <= sockets).then_some(()) }).await;
    }
}

/// Makes a monitor of a target.
async fn make(server: &Binary, token: &str, case: &Case) -> i64 {
    let mut fields = case.fields.clone();
    fields["url"] = json!(case.url);
    fields["channel_ids"] = json!([]);
    // The next round must not begin before all of the first has ended.
    fields["check_interval_seconds"] = json!(3_600);
    let made = server.api(token, "POST", "/monitors", fields).await.data(201);
    made["id"].as_i64().unwrap()
}

async fn check_now(server: &Binary, token: &str, id: i64) -> Value {
    let path = format!("/monitors/{id}/check");
    server.api(token, "POST", &path, Value::Null).await.data(200)
}
