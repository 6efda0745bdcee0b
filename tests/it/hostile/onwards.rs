//! What a redirect takes along to the next host, and what stays.

use std::sync::{Arc, Mutex};

use tokio::net::TcpListener;

use super::wire::Step::{Finish, Hear};
use super::wire::{self, answer, say, serve_keeping};
use super::{over_tls, table};
use serde_json::{Value, json};

/// A target that is well, its port, and what it hears.
async fn end() -> (u16, Arc<Mutex<String>>) {
    let heard = Arc::default();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let fine = say("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    serve_keeping(listener, vec![Hear, fine, Finish], Arc::clone(&heard));
    (port, heard)
}

/// What the target of a redirect of `status` hears, in lower case, when `fields` are checked at `scheme`; `to` has `PORT` for its port.
async fn heard_after(scheme: &str, status: u16, to: &str, fields: Value) -> String {
    let (port, heard) = end().await;
    let to = to.replace("PORT", &port.to_string());
    let cookie = "Set-Cookie: session=abc\r\n";
    let steps = answer(format!(
        "HTTP/1.1 {status} Go\r\nLocation: {to}\r\n{cookie}Content-Length: 0\r\n\r\n"
    ));
    let address = match scheme {
        "https" => wire::within_tls(over_tls::self_signed(false, &[]), steps).await,
        _ => wire::plain(steps).await,
    };
    let mut all = json!({"timeout_seconds": 60, "verify_tls": false});
    all.as_object_mut().unwrap().extend(fields.as_object().unwrap().clone());
    let url = format!("{scheme}://user:word@localhost:{}/", address.port());
    let result = table::check(&url, &all).await;
    assert_eq!(result.error, None, "{status} to {to}");
    heard.lock().unwrap().to_lowercase()
}

#[tokio::test]
async fn secrets_stay_and_cookies_are_not_kept() {
    let fields = json!({"headers": {"X-Api-Key": "k3y", "Cookie": "c00kie", "X-Plain": "plain"}});
    for (scheme, to) in [
        ("http", "http://127.0.0.1:PORT/"),
        ("http", "http://localhost:PORT/"),
        ("https", "http://localhost:PORT/"),
        ("https", "http://127.0.0.1:PORT/"),
    ] {
        let heard = heard_after(scheme, 302, to, fields.clone()).await;
        assert!(heard.contains("\r\nx-plain: plain\r\n"), "{heard}");
        for secret in ["k3y", "cookie", "abc", "authorization", "referer", "word"] {
            assert!(!heard.contains(secret), "{scheme} to {to}: {secret} in {heard}");
        }
    }
    let heard = heard_after("http", 302, "http://other:pass@127.0.0.1:PORT/", fields).await;
    assert!(heard.contains("\r\nauthorization: basic b3rozxi6cgfzcw==\r\n"), "{heard}");
}

#[tokio::test]
async fn methods_and_bodies_go_on_as_the_rules_of_http_say() {
    for (status, method, line, body) in [
        (301, "POST", "get / ", false),
        (302, "POST", "get / ", false),
        (303, "POST", "get / ", false),
        (303, "PUT", "get / ", false),
        (301, "PUT", "put / ", true),
        (302, "DELETE", "delete / ", true),
        (307, "POST", "post / ", true),
        (308, "PATCH", "patch / ", true),
    ] {
        let fields = json!({"method": method, "body": "{\"a\":1}"});
        let heard = heard_after("http", status, "http://127.0.0.1:PORT/", fields).await;
        assert!(heard.starts_with(line), "{status} after {method}: {heard}");
        assert_eq!(heard.contains("\r\ncontent-length: 7\r\n"), body, "{status} {method}: {heard}");
        assert_eq!(heard.contains("\r\ncontent-type: "), body, "{status} {method}: {heard}");
    }
}
