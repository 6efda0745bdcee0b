//! Certificates and handshakes, good and bad, against a small authority of our own.

use super::*;
use crate::support::tls::{Identity, acceptor, authority, root, self_signed};

/// An HTTPS target that answers 200 over HTTP/1.1.
async fn https(identity: Identity) -> String {
    let acceptor = acceptor(identity, &[]);
    let address = target(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let _ = stream.read(&mut [0; 4096]).await;
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok").await;
            let _ = stream.shutdown().await;
        }
    })
    .await;
    format!("https://localhost:{}/", address.port())
}

const SELF_SIGNED: &str = "certificate is not trusted: it is self-signed";

#[tokio::test]
async fn certificates_are_judged_by_authority_time_and_name() {
    let trusted = authority();
    for (identity, wrong) in [
        (trusted.issue("localhost", (2020, 2090)), None),
        (trusted.issue("localhost", (2020, 2021)), Some("certificate has expired")),
        (trusted.issue("localhost", (2090, 2091)), Some("certificate is not valid yet")),
        (
            trusted.issue("other.example", (2020, 2090)),
            Some("certificate is not valid for host localhost"),
        ),
        (
            authority().issue("localhost", (2020, 2090)),
            Some(
                "certificate is not trusted: it is not signed by the authority \"Test Root\" that it names",
            ),
        ),
        (
            root("Other Root").issue("localhost", (2020, 2090)),
            Some(
                "certificate is not trusted: the chain is incomplete, the issuer \"Other Root\" is neither sent along nor an authority that is trusted",
            ),
        ),
        (self_signed(false), Some(SELF_SIGNED)),
        (self_signed(true), Some(SELF_SIGNED)),
    ] {
        let fingerprint = identity.fingerprint();
        let url = https(identity).await;
        let extra = json!({"timeout_seconds": 60});
        let result = trusted.prober().check_http(&spec(&url, extra), "local", STARTED).await;
        assert!(result.phases.dns.is_some() && result.phases.connect.is_some(), "{result:?}");
        assert_eq!(result.phases.tls.is_some(), wrong.is_none(), "{result:?}");
        match wrong {
            None => assert_eq!(result.verdict, Verdict::Up, "{result:?}"),
            Some(text) => assert_eq!(down(&result), (ErrorKind::Tls, text)),
        }
        let lax = json!({"verify_tls": false, "timeout_seconds": 60});
        let lax = check(&url, lax).await;
        assert_eq!(lax.verdict, Verdict::Up, "{wrong:?} without verification: {lax:?}");
        for result in [result, lax] {
            let seen = result.certificate.expect("seen whatever the verdict");
            assert_eq!(seen.fingerprint, fingerprint, "{wrong:?}");
        }
    }
}

#[tokio::test]
async fn handshakes_that_do_not_come_about() {
    let plain = target(|mut stream| async move {
        let _ = stream.read(&mut [0; 16384]).await;
        let _ = stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await;
        let _ = stream.shutdown().await;
    })
    .await;
    let closing = target(|mut stream| async move {
        let _ = stream.read(&mut [0; 16384]).await;
    })
    .await;
    // A fatal alert, protocol_version: what a server of TLS 1.0 and 1.1 says to us.
    let old = target(|mut stream| async move {
        let _ = stream.read(&mut [0; 16384]).await;
        let _ = stream.write_all(&[0x15, 3, 1, 0, 2, 2, 70]).await;
        let _ = stream.shutdown().await;
    })
    .await;
    for (address, text) in [
        (plain, "the server does not speak TLS"),
        (closing, "connection closed during the TLS handshake"),
        (old, "the server does not support TLS 1.2 or newer"),
    ] {
        let result = check(&format!("https://{address}/"), json!({})).await;
        assert_eq!(down(&result), (ErrorKind::Tls, text));
        assert!(result.phases.connect.is_some() && result.phases.tls.is_none(), "{result:?}");
    }
}

#[tokio::test]
async fn a_handshake_that_hangs_is_a_timeout() {
    let address = target(|mut stream| async move {
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    })
    .await;
    let result = check(&format!("https://{address}/"), json!({"timeout_seconds": 1})).await;
    assert_eq!(down(&result), (ErrorKind::Timeout, "timeout after 1s"));
    assert!(result.phases.connect.is_some() && result.phases.tls.is_none(), "{result:?}");
}

#[tokio::test]
async fn http_2_is_spoken_where_it_is_offered() {
    let acceptor = acceptor(self_signed(false), &["h2", "http/1.1"]);
    let address = target(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(stream) = acceptor.accept(stream).await else { return };
            let Ok(mut connection) = h2::server::handshake(stream).await else { return };
            while let Some(Ok((request, mut respond))) = connection.accept().await {
                if request.uri().path() == "/reset" {
                    respond.send_reset(h2::Reason::INTERNAL_ERROR);
                    continue;
                }
                let mut answer = http::Response::new(());
                if request.uri().path() == "/big" {
                    let long = "x".repeat(60_000).parse().expect("a value");
                    answer.headers_mut().insert("x-long", long);
                }
                if let Ok(mut body) = respond.send_response(answer, false) {
                    let _ = body.send_data("spoken over two".into(), true);
                }
            }
        }
    })
    .await;
    let extra = json!({"verify_tls": false, "keyword": "over two"});
    let result = check(&format!("https://{address}/"), extra.clone()).await;
    assert_eq!((result.verdict, result.status_code), (Verdict::Up, Some(200)), "{result:?}");
    let big = check(&format!("https://{address}/big"), extra.clone()).await;
    assert_eq!(down(&big).0, ErrorKind::InvalidResponse, "{big:?}");
    let broken = check(&format!("https://{address}/reset"), extra).await;
    assert_eq!(down(&broken).0, ErrorKind::Reset, "{broken:?}");
}
