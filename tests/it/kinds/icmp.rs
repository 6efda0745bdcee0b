//! Pings. Where the system allows none, what is said of that is tested instead.

use std::io;

use serde_json::json;
use watchbell::monitor::{ErrorKind, Verdict};
use watchbell::probe::Prober;

use super::{check, down, prober, prober_with, up};

/// Whether this machine lets us ping; else says that nothing was tested.
fn allowed(prober: &Prober) -> bool {
    let refusal = prober.icmp_refusal();
    if let Some(refusal) = refusal {
        eprintln!("skipped: {refusal}");
    }
    refusal.is_none()
}

#[tokio::test(flavor = "multi_thread")]
async fn this_machine_answers_a_ping() {
    let prober = prober();
    if !allowed(&prober) {
        return;
    }
    for host in ["127.0.0.1", "[::1]", "localhost"] {
        if host == "[::1]" && std::net::UdpSocket::bind("[::1]:0").is_err() {
            eprintln!("skipped: no IPv6 here");
            continue;
        }
        let result = check(&prober, &format!("icmp://{host}"), json!({})).await;
        up(&result);
        assert!(result.phases.first_byte.is_some());
        assert_eq!(result.phases.connect, None);
        assert_eq!(result.phases.dns.is_some(), host == "localhost");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_pings_at_once_do_not_take_each_others_answers() {
    let prober = prober();
    if !allowed(&prober) {
        return;
    }
    let checks = (1..=50).map(|n| {
        let prober = prober.clone();
        async move { check(&prober, &format!("icmp://127.0.0.{n}"), json!({})).await }
    });
    for result in futures_util::future::join_all(checks).await {
        up(&result);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_not_allowed_is_not_pinged() {
    let strict = prober_with(super::conf(Vec::new()), "loopback");
    for host in ["127.0.0.1", "[::1]", "localhost", "0x7f000001"] {
        let result = check(&strict, &format!("icmp://{host}"), json!({})).await;
        assert_eq!(down(&result).0, ErrorKind::Blocked, "{host}");
    }
}

fn with_opener(opener: watchbell::probe::icmp::Opener) -> Prober {
    prober().with_icmp(opener)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_system_that_does_not_allow_pings_makes_nobody_down() {
    let prober = with_opener(|_, _, _| Err(io::ErrorKind::PermissionDenied.into()));
    let advice = prober.icmp_refusal().expect("it is refused");
    for word in ["net.ipv4.ping_group_range", "CAP_NET_RAW"] {
        assert!(advice.contains(word), "{advice}");
    }
    let result = check(&prober, "icmp://127.0.0.1", json!({})).await;
    assert_eq!(result.verdict, Verdict::Unknown);
    let error = result.error.unwrap();
    assert_eq!((error.kind, error.text.as_str()), (ErrorKind::Internal, advice));
    assert!(advice.chars().count() <= 300 && !advice.contains('\n'));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lack_of_descriptors_is_our_own_trouble_and_not_a_refusal() {
    /// `EMFILE`.
    const TOO_MANY_FILES: i32 = 24;
    let prober = with_opener(|_, _, _| Err(io::Error::from_raw_os_error(TOO_MANY_FILES)));
    assert_eq!(prober.icmp_refusal(), None);
    let result = check(&prober, "icmp://127.0.0.1", json!({})).await;
    assert_eq!(result.verdict, Verdict::Unknown);
    assert!(result.error.unwrap().text.starts_with("cannot check from here: "));
}
