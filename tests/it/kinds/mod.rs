//! Monitors of the types `tcp`, `dns` and `icmp`: their settings, and their checks against real sockets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod dns;
mod icmp;
mod names;
mod outside;
mod specs;
mod tcp;

use std::collections::HashMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::RootCertStore;
use serde_json::{Map, Value, json};
use watchbell::clock::Timestamp;
use watchbell::monitor::{CheckResult, ErrorKind, Kind, Settings, Verdict};
use watchbell::probe::system_dns::{DnsConf, SystemDns};
use watchbell::probe::{EgressRules, GuardedResolver, Prober};

/// When the checks of these tests say that they began.
const STARTED: Timestamp = Timestamp(1_700_000_000_000);

/// Settings that ask `servers` in turn, and know no host.
fn conf(servers: Vec<SocketAddr>) -> DnsConf {
    DnsConf {
        servers,
        search: Vec::new(),
        ndots: 1,
        timeout: Duration::from_secs(1),
        attempts: 1,
        hosts: HashMap::new(),
    }
}

fn prober_with(conf: DnsConf, deny: &str) -> Prober {
    let rules = Arc::new(EgressRules::parse(deny, "").expect("rules"));
    let resolver = GuardedResolver::with_system(rules, Arc::new(SystemDns::given(conf)));
    Prober::with_resolver(resolver, RootCertStore::empty()).expect("set up")
}

fn prober() -> Prober {
    prober_with(conf(Vec::new()), "metadata")
}

/// Checks `url` once with five seconds to spend, unless `extra` says otherwise.
async fn check(prober: &Prober, url: &str, extra: Value) -> CheckResult {
    let mut fields =
        Map::from_iter([("url".to_owned(), json!(url)), ("timeout_seconds".to_owned(), json!(5))]);
    fields.extend(extra.as_object().expect("an object").clone());
    let settings = Settings::read(&fields, Kind::of_url(url), None).expect("valid");
    prober.check(&settings.target, "local", STARTED).await.expect("a check")
}

/// The kind and text of a check that said `down`.
fn down(result: &CheckResult) -> (ErrorKind, &str) {
    assert_eq!(result.verdict, Verdict::Down, "{result:?}");
    let error = result.error.as_ref().expect("down has an error");
    (error.kind, &error.text)
}

/// Makes sure that a check said `up`.
fn up(result: &CheckResult) {
    assert_eq!((result.verdict, &result.error), (Verdict::Up, &None), "{result:?}");
    assert!(result.phases.total.is_some());
}
