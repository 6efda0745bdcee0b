//! Checks of a name in DNS, against a server of our own.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use hickory_proto::op::ResponseCode;
use serde_json::json;
use watchbell::monitor::{CheckResult, ErrorKind, Verdict};

use super::{check, conf, down, prober, prober_with, up};
use crate::support::dns::{Manner, server, server_by_name};

async fn ask(server: SocketAddr, kind: &str, expected: Option<&str>) -> CheckResult {
    let url = format!("dns://shop.example?type={kind}");
    let extra = json!({"resolver": server.to_string(), "expected_value": expected});
    check(&prober(), &url, extra).await
}

#[tokio::test(flavor = "multi_thread")]
async fn every_record_type_is_found_and_compared() {
    let server = server(Manner::Answers).await;
    for (kind, right, wrong) in [
        ("A", "192.0.2.7", "192.0.2.8"),
        ("AAAA", "0:0::1", "::2"),
        ("CNAME", "Canonical.Example", "shop.example"),
        ("MX", "mail.example", "other.example"),
        ("MX", "20 backup.example.", "10 backup.example"),
        ("NS", "ns1.example", "ns2.example"),
        ("TXT", "v=spf1 include:_spf.example -all", "v=spf1 -all"),
        ("SOA", "ns1.example hostmaster.example 2026 3600 900 86400 60", "ns1.example"),
        ("SRV", "0 5 5060 sip.example", "5061"),
        ("CAA", "0 issue letsencrypt.org", "0 issue other.example"),
    ] {
        let any = ask(server, kind, None).await;
        up(&any);
        assert!(any.phases.dns.is_some(), "{kind}");
        assert_eq!((any.phases.connect, any.phases.first_byte), (None, None));
        up(&ask(server, kind, Some(right)).await);
        let result = ask(server, kind, Some(wrong)).await;
        let (error, text) = down(&result);
        assert_eq!(error, ErrorKind::Assertion, "{kind}");
        assert!(text.starts_with(&format!("expected {wrong}, got ")), "{text}");
    }
    let text = ask(server, "A", Some("192.0.2.8")).await;
    assert_eq!(down(&text).1, "expected 192.0.2.8, got 127.0.0.1, 192.0.2.7");
}

#[tokio::test(flavor = "multi_thread")]
async fn each_way_to_have_no_answer_says_so() {
    for (manner, kind, says) in [
        (Manner::NoSuchName, ErrorKind::Dns, "shop.example does not exist"),
        (Manner::Empty, ErrorKind::Dns, "shop.example has no A record"),
        (
            Manner::Fails(ResponseCode::ServFail),
            ErrorKind::Dns,
            "answered SERVFAIL for shop.example",
        ),
        (Manner::Fails(ResponseCode::Refused), ErrorKind::Dns, "answered REFUSED for shop.example"),
        (Manner::Rubbish, ErrorKind::InvalidResponse, "is not DNS"),
        (Manner::Mumbles, ErrorKind::InvalidResponse, "is not DNS"),
        (Manner::OthersOnly, ErrorKind::Dns, "shop.example has no A record"),
    ] {
        let result = ask(server(manner).await, "A", None).await;
        let (error, text) = down(&result);
        assert_eq!(error, kind, "{manner:?}: {text}");
        assert!(text.contains(says), "{manner:?}: {text}");
    }
    let silent = server(Manner::Silent).await;
    let extra = json!({"resolver": silent.to_string(), "timeout_seconds": 2});
    let result = check(&prober(), "dns://shop.example", extra).await;
    assert_eq!(down(&result), (ErrorKind::Timeout, "timeout after 2s"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_not_there_is_told_at_once() {
    let free = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let result = ask(free, "A", None).await;
    let (kind, text) = down(&result);
    assert_eq!(
        (kind, text),
        (ErrorKind::Refused, &*format!("DNS server {free}: connection refused"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_long_answer_comes_over_tcp() {
    let server = server(Manner::CutsOff).await;
    up(&ask(server, "TXT", Some("v=spf1 include:_spf.example -all")).await);
}

#[tokio::test(flavor = "multi_thread")]
async fn forged_answers_are_passed_over() {
    let server = server(Manner::IsForgedFirst).await;
    up(&ask(server, "A", Some("192.0.2.7")).await);
    let result = ask(server, "A", Some("203.0.113.66")).await;
    assert_eq!(down(&result).0, ErrorKind::Assertion);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_is_never_a_remembered_one() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counted = asked.clone();
    let server = server_by_name(Arc::new(move |_| match counted.fetch_add(1, Ordering::SeqCst) {
        0 => Manner::Answers,
        _ => Manner::NoSuchName,
    }))
    .await;
    up(&ask(server, "A", None).await);
    assert_eq!(down(&ask(server, "A", None).await).1, "shop.example does not exist");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_servers_of_the_system_are_asked_in_turn_and_may_be_at_fault_themselves() {
    let (works, fails) = (server(Manner::Answers).await, server(Manner::Silent).await);
    let prober = prober_with(conf(vec![fails, works]), "metadata");
    up(&check(&prober, "dns://shop.example", json!({})).await);
    for (manner, says) in [
        (Manner::Silent, "the resolver did not answer"),
        (Manner::Fails(ResponseCode::ServFail), "the resolver answered SERVFAIL"),
    ] {
        let prober = prober_with(conf(vec![server(manner).await]), "metadata");
        let result = check(&prober, "dns://shop.example", json!({})).await;
        let expected = format!("could not resolve shop.example: {says}");
        assert_eq!(down(&result), (ErrorKind::Dns, expected.as_str()));
    }
    // The time of the check is over before the servers have had theirs.
    let prober = prober_with(conf(vec![fails; 3]), "metadata");
    let result = check(&prober, "dns://shop.example", json!({"timeout_seconds": 1})).await;
    let expected = "could not resolve shop.example: the resolver did not answer within 1s";
    assert_eq!(down(&result), (ErrorKind::Dns, expected));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_resolver_obeys_the_egress_rules() {
    let server = server(Manner::Answers).await;
    let strict = prober_with(conf(vec![server]), "loopback");
    for host in ["127.0.0.1", "localhost"] {
        let extra = json!({"resolver": format!("{host}:{}", server.port())});
        let result = check(&strict, "dns://shop.example", extra).await;
        assert_eq!(down(&result).0, ErrorKind::Blocked);
    }
    // The servers of the system are the operator's own choice.
    assert_eq!(check(&strict, "dns://shop.example", json!({})).await.verdict, Verdict::Up);
}
