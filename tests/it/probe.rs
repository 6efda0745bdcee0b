//! Checks against targets of our own on raw sockets, most of them hostile.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod answers;
mod handshakes;
mod hostile;
mod redirects;
mod tls;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::OnceLock;

use rustls::RootCertStore;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use watchbell::clock::Timestamp;
use watchbell::monitor::{CheckResult, ErrorKind, HttpSpec, Kind, Settings, Target, Verdict};
use watchbell::probe::{EgressRules, Prober};

/// When the checks of these tests say that they began.
const STARTED: Timestamp = Timestamp(1_700_000_000_000);

/// Serves each connection with `serve`, for as long as the test runs.
async fn target<F, Fut>(serve: F) -> SocketAddr
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("bound");
    #[allow(clippy::disallowed_methods, reason = "ends with the runtime of the test")]
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            #[allow(clippy::disallowed_methods, reason = "ends with the runtime of the test")]
            tokio::spawn(serve(stream));
        }
    });
    address
}

/// Reads a request up to the end of its head and returns it; the body, if any, may follow in it.
async fn request(stream: &mut TcpStream) -> String {
    let mut head = Vec::new();
    let mut buffer = [0; 4096];
    while !head.windows(4).any(|w| w == b"\r\n\r\n") {
        match stream.read(&mut buffer).await {
            Ok(n) if n > 0 => head.extend_from_slice(&buffer[..n]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&head).into_owned()
}

/// A target that answers every request with `answer` and closes.
async fn answering(answer: impl AsRef<[u8]>) -> SocketAddr {
    let answer = answer.as_ref().to_vec();
    target(move |mut stream| {
        let answer = answer.clone();
        async move {
            request(&mut stream).await;
            let _ = stream.write_all(&answer).await;
            let _ = stream.shutdown().await;
            // Reading to the end spares the peer a reset for what it still sends.
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
    })
    .await
}

/// The spec of a monitor of `url` with the fields `extra`.
fn spec(url: &str, extra: Value) -> HttpSpec {
    let mut fields = extra.as_object().expect("an object").clone();
    fields.insert("url".to_owned(), json!(url));
    match Settings::read(&fields, Kind::Http, None).expect("valid").target {
        Target::Http(spec) => spec,
        other => panic!("not HTTP: {other:?}"),
    }
}

fn prober() -> &'static Prober {
    static PROBER: OnceLock<Prober> = OnceLock::new();
    PROBER.get_or_init(|| {
        Prober::with_roots(EgressRules::default(), RootCertStore::empty()).expect("set up")
    })
}

/// Checks `url` once.
async fn check(url: &str, extra: Value) -> CheckResult {
    prober().check_http(&spec(url, extra), "local", STARTED).await
}

/// Checks the root of `address` once, with five seconds to spend.
async fn check_at(address: SocketAddr) -> CheckResult {
    check(&format!("http://{address}/"), json!({"timeout_seconds": 5})).await
}

/// The kind and text of a check that said `down`.
fn down(result: &CheckResult) -> (ErrorKind, &str) {
    assert_eq!(result.verdict, Verdict::Down, "{result:?}");
    let error = result.error.as_ref().expect("down has an error");
    assert!(!error.text.contains('\n') && error.text.chars().count() <= 300, "{result:?}");
    (error.kind, &error.text)
}
