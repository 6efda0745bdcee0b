//! Monitors of TLS alone: what a handshake says, and which certificate was seen in it.

use rustls::version::{TLS12, TLS13};
use watchbell::monitor::Certificate;

use super::*;
use crate::support::tls::{Identity, acceptor_of, authority, root, self_signed};

async fn shake(prober: &Prober, url: &str, extra: Value) -> CheckResult {
    let mut fields = extra.as_object().expect("an object").clone();
    fields.insert("url".to_owned(), json!(url));
    let target = Settings::read(&fields, Kind::Tls, None).expect("valid").target;
    prober.check(&target, "local", STARTED).await.expect("a check")
}

/// A server that makes handshakes and then says nothing.
async fn server(identity: Identity) -> String {
    server_of(identity, rustls::ALL_VERSIONS).await
}

async fn server_of(
    identity: Identity,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> String {
    // It would refuse a client that offers protocols without this one.
    let acceptor = acceptor_of(identity, &["only-this"], versions);
    let address = target(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
    })
    .await;
    format!("tls://localhost:{}", address.port())
}

fn seen(result: &CheckResult) -> &Certificate {
    result.certificate.as_deref().unwrap_or_else(|| panic!("no certificate: {result:?}"))
}

#[tokio::test]
async fn a_handshake_that_comes_about_is_up_and_shows_its_certificate() {
    let trusted = authority();
    let prober = trusted.prober();
    for version in [&TLS12, &TLS13] {
        let end = Timestamp(4_000_000_000_000);
        let identity = trusted.issue_until(&["localhost", "*.a.example", "127.0.0.1"], end);
        let fingerprint = identity.fingerprint();
        let url = server_of(identity, &[version]).await;
        let result = shake(&prober, &url, json!({"timeout_seconds": 60})).await;
        assert_eq!((result.verdict, &result.error), (Verdict::Up, &None), "{result:?}");
        let phases = result.phases;
        for phase in [phases.dns, phases.connect, phases.tls, phases.total] {
            assert!(phase.is_some(), "{phases:?}");
        }
        assert_eq!((phases.first_byte, result.status_code), (None, None));
        let seen = seen(&result);
        assert_eq!(seen.issuer, "Test Root");
        assert_eq!(seen.names, ["localhost", "*.a.example", "127.0.0.1"]);
        assert_eq!(seen.not_before, Timestamp(1_577_836_800_000));
        assert_eq!((seen.not_after, &seen.fingerprint), (end, &fingerprint));
        assert_eq!(seen.fingerprint.len(), 64);
    }
}

#[tokio::test]
async fn certificates_are_judged_and_kept_whatever_the_verdict() {
    let trusted = authority();
    let prober = trusted.prober();
    for (identity, wrong) in [
        (trusted.issue("localhost", (2020, 2021)), "certificate has expired"),
        (trusted.issue("localhost", (2090, 2091)), "certificate is not valid yet"),
        (
            trusted.issue("other.example", (2020, 2090)),
            "certificate is not valid for host localhost",
        ),
        (self_signed(false), "certificate is not trusted: it is self-signed"),
        (self_signed(true), "certificate is not trusted: it is self-signed"),
    ] {
        let fingerprint = identity.fingerprint();
        let url = server(identity).await;
        let strict = shake(&prober, &url, json!({"timeout_seconds": 60})).await;
        assert_eq!(down(&strict), (ErrorKind::Tls, wrong));
        assert!(strict.phases.connect.is_some() && strict.phases.tls.is_none(), "{strict:?}");
        let lax = shake(&prober, &url, json!({"verify_tls": false, "timeout_seconds": 60})).await;
        assert_eq!(lax.verdict, Verdict::Up, "{wrong}: {lax:?}");
        for result in [strict, lax] {
            assert_eq!(seen(&result).fingerprint, fingerprint, "{wrong}");
        }
    }
}

#[tokio::test]
async fn what_is_wrong_with_a_chain_is_named() {
    let trusted = authority();
    let prober = trusted.prober();
    let good = trusted.intermediate("Good Intermediate", (2020, 2090));
    let below = good.intermediate("Below", (2020, 2090));
    let over = trusted.intermediate("Old Intermediate", (2020, 2021));
    let strange = root("Strange Root");
    let strange_below = strange.intermediate("Strange Intermediate", (2020, 2090));
    let years = (2020, 2090);
    let leaf = |of: &crate::support::tls::Authority| of.issue("localhost", years);
    let untrusted = |why: &str| Some(format!("certificate is not trusted: {why}"));
    let missing = |issuer: &str| {
        untrusted(&format!(
            "the chain is incomplete, the issuer \"{issuer}\" is neither sent along nor an authority that is trusted"
        ))
    };
    for (identity, wrong) in [
        (leaf(&good), None),
        (leaf(&below), None),
        // In the wrong order, and with the root sent along: browsers bear that too.
        (leaf(&below).sending(&[&good.certificate, &below.certificate]), None),
        (leaf(&good).sending(&[&good.certificate, &trusted.certificate]), None),
        (leaf(&good).sending(&[]), missing("Good Intermediate")),
        (leaf(&below).sending(&[&below.certificate]), missing("Good Intermediate")),
        (leaf(&strange_below), missing("Strange Root")),
        (
            leaf(&strange_below).sending(&[&strange_below.certificate, &strange.certificate]),
            untrusted("the authority \"Strange Root\" is not a trusted one"),
        ),
        (
            leaf(&good).sending(&[&strange_below.certificate]),
            untrusted(
                "the chain is broken, what is sent along is not its issuer \"Good Intermediate\"",
            ),
        ),
        (
            leaf(&over),
            Some("the intermediate certificate \"Old Intermediate\" has expired".to_owned()),
        ),
        (
            leaf(&root("Test Root")),
            untrusted("it is not signed by the authority \"Test Root\" that it names"),
        ),
    ] {
        let fingerprint = identity.fingerprint();
        let url = server(identity).await;
        let result = shake(&prober, &url, json!({"timeout_seconds": 60})).await;
        match &wrong {
            None => assert_eq!(result.verdict, Verdict::Up, "{result:?}"),
            Some(text) => assert_eq!(down(&result), (ErrorKind::Tls, text.as_str())),
        }
        assert_eq!(seen(&result).fingerprint, fingerprint, "{wrong:?}");
    }
}

#[tokio::test]
async fn handshakes_that_do_not_come_about_say_why() {
    /// Answers the first bytes with these and closes.
    async fn saying(bytes: &'static [u8]) -> SocketAddr {
        target(move |mut stream| async move {
            let _ = stream.read(&mut [0; 16384]).await;
            let _ = stream.write_all(bytes).await;
            let _ = stream.shutdown().await;
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        })
        .await
    }
    // The ServerHello of a server that knows nothing above TLS 1.0: version 3.1, no session, TLS_RSA_WITH_AES_128_CBC_SHA.
    const HELLO_1_0: &[u8] = &[
        0x16, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1, //
        1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, //
        17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31, 32, //
        0, 0, 0x2f, 0,
    ];
    const TOO_OLD: &str = "the server does not support TLS 1.2 or newer";
    const NO_TLS: &str = "the server does not speak TLS";
    for (answer, text) in [
        (HELLO_1_0, TOO_OLD),
        // The alert protocol_version, which says the same.
        (&[0x15, 3, 1, 0, 2, 2, 70], TOO_OLD),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", NO_TLS),
        (b"220 mail.example ESMTP ready\r\n", NO_TLS),
        (b"SSH-2.0-OpenSSH_9.6\r\n", NO_TLS),
        (b"", "connection closed during the TLS handshake"),
        // Cut in the middle of a record.
        (&[0x16, 3, 3, 0, 42, 2, 0, 0], "connection closed during the TLS handshake"),
    ] {
        let url = format!("tls://{}", saying(answer).await);
        let result = shake(prober(), &url, json!({"timeout_seconds": 60})).await;
        assert_eq!(down(&result), (ErrorKind::Tls, text), "{answer:?}");
        assert!(result.phases.connect.is_some() && result.phases.tls.is_none(), "{result:?}");
        assert_eq!((result.phases.dns, result.certificate), (None, None), "{answer:?}");
    }
}

#[tokio::test]
async fn ways_that_end_before_the_handshake() {
    let silent = target(|mut stream| async move {
        let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
    })
    .await;
    let hangs = shake(prober(), &format!("tls://{silent}"), json!({"timeout_seconds": 1})).await;
    assert_eq!(down(&hangs), (ErrorKind::Timeout, "timeout after 1s"));
    assert!(hangs.phases.connect.is_some() && hangs.phases.tls.is_none(), "{hangs:?}");
    for (url, kind, text) in [
        ("tls://127.0.0.1:1", ErrorKind::Refused, "connection refused"),
        ("tls://nowhere.invalid", ErrorKind::Dns, "could not resolve nowhere.invalid"),
        (
            "tls://169.254.169.254",
            ErrorKind::Blocked,
            "address 169.254.169.254 is not allowed by the egress rules",
        ),
        (
            "tls://[::ffff:169.254.169.254]:8443",
            ErrorKind::Blocked,
            "address ::ffff:169.254.169.254 is not allowed by the egress rules",
        ),
        (
            "tls://2852039166",
            ErrorKind::Blocked,
            "address 169.254.169.254 is not allowed by the egress rules",
        ),
    ] {
        let result = shake(prober(), url, json!({"timeout_seconds": 60})).await;
        assert_eq!(down(&result), (kind, text), "{url}");
    }
    // Names are held to the address that they lead to.
    let rules = EgressRules::parse("loopback", "").expect("rules");
    let careful = Prober::with_roots(rules, RootCertStore::empty()).expect("set up");
    let url = format!("tls://localhost:{}", silent.port());
    let result = shake(&careful, &url, json!({"timeout_seconds": 60})).await;
    assert_eq!(down(&result).0, ErrorKind::Blocked, "{result:?}");
    assert!(result.phases.connect.is_none(), "nobody was called: {result:?}");
}

#[tokio::test]
async fn a_slow_handshake_is_degraded() {
    let trusted = authority();
    let acceptor = acceptor_of(trusted.issue("localhost", (2020, 2090)), &[], rustls::ALL_VERSIONS);
    let address = target(move |stream| {
        let acceptor = acceptor.clone();
        async move {
            // Longer than the limit below, whatever else the machine does.
            tokio::time::sleep(std::time::Duration::from_millis(50)).await;
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            let _ = tokio::io::copy(&mut stream, &mut tokio::io::sink()).await;
        }
    })
    .await;
    let url = format!("tls://localhost:{}", address.port());
    let extra = json!({"degraded_after_ms": 20, "timeout_seconds": 60});
    let result = shake(&trusted.prober(), &url, extra).await;
    assert_eq!((result.verdict, &result.error), (Verdict::Degraded, &None), "{result:?}");
}
