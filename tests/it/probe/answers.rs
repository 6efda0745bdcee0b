//! Targets that answer properly: what is sent, what is read, and the command `check`.

use std::io::Write;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use watchbell::cli;

use super::*;

#[tokio::test]
async fn a_check_says_who_it_is_and_comes_on_a_new_connection() {
    let heard = Arc::new(Mutex::new(String::new()));
    let connections = Arc::new(AtomicUsize::new(0));
    let (kept, counted) = (Arc::clone(&heard), Arc::clone(&connections));
    let address = target(move |mut stream| {
        let kept = Arc::clone(&kept);
        counted.fetch_add(1, Ordering::SeqCst);
        async move {
            loop {
                let head = request(&mut stream).await;
                if head.is_empty() {
                    break;
                }
                *kept.lock().expect("not poisoned") = head;
                let _ = stream.write_all(b"HTTP/1.1 204 No\r\n\r\n").await;
            }
        }
    })
    .await;
    for n in 1..=3 {
        let result = check_at(address).await;
        assert_eq!((result.verdict, result.status_code), (Verdict::Up, Some(204)), "{result:?}");
        assert_eq!((result.started_at, result.region.as_str()), (STARTED, "local"));
        let phases = result.phases;
        assert_eq!((phases.dns, phases.tls), (None, None));
        assert!(phases.connect.is_some() && phases.first_byte.is_some());
        assert_eq!(connections.load(Ordering::SeqCst), n);
    }
    let head = heard.lock().expect("not poisoned").to_lowercase();
    let agent = concat!("user-agent: watchbell/", env!("CARGO_PKG_VERSION"), "\r\n");
    for line in [agent, "accept: */*\r\n", "accept-encoding: gzip,br\r\n"] {
        assert!(head.contains(line), "{line}: {head}");
    }
}

#[tokio::test]
async fn a_name_has_a_dns_phase() {
    let address = answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let result = check(&format!("http://localhost:{}/", address.port()), json!({})).await;
    assert_eq!(result.verdict, Verdict::Up, "{result:?}");
    assert!(result.phases.dns.is_some() && result.phases.connect.is_some(), "{result:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn checks_that_run_at_once_keep_their_own_times() {
    let address = answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let mut checks = tokio::task::JoinSet::new();
    for n in 0..40 {
        let host = if n % 2 == 0 { "127.0.0.1" } else { "localhost" };
        let url = format!("http://{host}:{}/", address.port());
        checks.spawn(async move { (n, check(&url, json!({"timeout_seconds": 60})).await) });
    }
    while let Some(done) = checks.join_next().await {
        let (n, result) = done.unwrap();
        assert_eq!(result.verdict, Verdict::Up, "{result:?}");
        assert_eq!(result.phases.dns.is_some(), n % 2 == 1, "{n}: {result:?}");
    }
}

#[tokio::test]
async fn a_compressed_health_body_is_read() {
    let body = r#"{"status":"error","checks":{"database":"error: full","redis":"ok"}}"#;
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    gzip.write_all(body.as_bytes()).expect("to memory");
    let packed = gzip.finish().expect("to memory");
    let head = format!(
        "HTTP/1.1 503 No\r\nContent-Encoding: gzip\r\nContent-Length: {}\r\n\r\n",
        packed.len()
    );
    let result = check_at(answering([head.as_bytes(), &packed].concat()).await).await;
    assert_eq!(down(&result), (ErrorKind::Status, "status 503"));
    let failed: Vec<_> = result.failed_checks.iter().collect();
    assert_eq!(failed, [(&"checks.database".to_owned(), &"error: full".to_owned())]);
}

#[tokio::test]
async fn odd_but_lawful_answers_are_up() {
    for (method, answer) in [
        ("HEAD", "HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 100\r\n\r\n"),
        ("GET", "HTTP/1.0 200 OK\r\n\r\nuntil the end"),
        ("GET", "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok and more than was said"),
        ("GET", "HTTP/1.1 204 No Content\r\nContent-Encoding: gzip\r\n\r\n"),
        ("GET", "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
        ("PURGE", "HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"),
    ] {
        let address = answering(answer).await;
        let result = check(&format!("http://{address}/"), json!({"method": method})).await;
        assert_eq!(result.verdict, Verdict::Up, "{answer:?}: {result:?}");
    }
}

async fn command(url: &str, json: bool) -> (i32, String, String) {
    let (mut out, mut err) = (Vec::new(), Vec::new());
    let rules = EgressRules::default();
    let code = cli::check::run(url, json, rules, STARTED, &mut out, &mut err).await;
    let text = |bytes| String::from_utf8(bytes).expect("text");
    (code.expect("written"), text(out), text(err))
}

#[tokio::test]
async fn the_command_prints_verdict_and_phases() {
    let up = answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let (code, out, err) = command(&format!("http://u:p@{up}/x?y=z"), false).await;
    assert_eq!((code, err.as_str()), (0, ""));
    assert!(out.starts_with(&format!("{up}/x is UP\n  status      200\n  connect ")), "{out}");
    assert!(out.contains("\n  first byte  ") && out.contains("\n  total       "), "{out}");
    let body = r#"{"checks":{"db":"down"}}"#;
    let head = format!("HTTP/1.1 503 No\r\nContent-Length: {}\r\n\r\n", body.len());
    let failing = answering(format!("{head}{body}")).await;
    let (code, out, _) = command(&format!("http://{failing}/"), false).await;
    assert_eq!(code, 1);
    assert!(out.starts_with(&format!("{failing} is DOWN: status 503\n")), "{out}");
    assert!(out.contains("\n  checks.db: down\n"), "{out}");
}

#[tokio::test]
async fn the_command_speaks_json_and_refuses_wrong_urls() {
    let up = answering("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n").await;
    let (code, out, _) = command(&format!("http://{up}/"), true).await;
    let result: Value = serde_json::from_str(&out).expect("JSON");
    assert_eq!((code, &result["verdict"], &result["status_code"]), (0, &json!("up"), &json!(200)));
    assert!(result["phases"]["total"].is_u64(), "{out}");
    for url in ["", "a.example", "ftp://a.example/", "http://"] {
        let (code, out, err) = command(url, false).await;
        assert_eq!((code, out.as_str(), err.lines().count()), (2, "", 1), "{url}: {err}");
        assert!(err.starts_with("watchbell check: the URL "), "{err}");
    }
}

#[tokio::test]
async fn an_answer_that_is_not_well_is_kept_as_it_came_without_secrets() {
    let long = "x".repeat(100_000);
    let body = format!("<script>no slots</script> you said s3cret-token {long}");
    let answer = format!(
        "HTTP/1.1 503 No\r\nContent-Type: text/html\r\nSet-Cookie: sid=1234\r\nRetry-After: 9\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let url = format!("http://{}/", answering(answer).await);
    let headers = json!({"headers": {"X-Api-Key": "s3cret-token"}});
    let kept = check(&url, headers).await.answer.expect("it is not well");
    let head = "HTTP/1.1 503 Service Unavailable\ncontent-type: text/html\nretry-after: 9";
    assert_eq!(kept.head, format!("{head}\ncontent-length: {}", body.len()));
    assert!(kept.body.starts_with("<script>no slots</script> you said *** xxx"), "{}", kept.body);
    assert!(kept.is_cut && kept.body.len() <= 4096);

    let well = answering("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
    assert_eq!(check(&format!("http://{well}/"), json!({})).await.answer, None);
    let silent = answering("").await;
    assert_eq!(check(&format!("http://{silent}/"), json!({})).await.answer, None);
}

#[tokio::test]
async fn what_is_told_of_an_answer_repeats_no_secret_of_the_request() {
    let body = r#"{"status":"fail","token":"s3cret-token","checks":{"upstream":"error: bad key S3CRET-token for hunter2pass","s3cret-token":"error"}}"#;
    let length = body.len();
    let answer = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"
    );
    let url = format!("http://bob:hunter2pass@{}/", answering(answer).await);
    let asks = json!({"headers": {"X-Api-Key": "s3cret-token"},
        "assertions": [{"source": "json", "path": "$.token", "op": "eq", "value": "x"}]});
    let result = check(&url, asks).await;
    let told = serde_json::to_string(&result).unwrap().to_lowercase();
    assert!(!told.contains("s3cret-token") && !told.contains("hunter2pass"), "{told}");
    assert_eq!(result.failed_checks["checks.upstream"], "error: bad key *** for ***");
}
