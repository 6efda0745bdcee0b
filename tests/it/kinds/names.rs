//! How checks find the address of a name: the hosts file, the system's servers and search domains.

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use hickory_proto::op::ResponseCode;
use watchbell::probe::EgressRules;
use watchbell::probe::resolver::{GuardedResolver, ResolveError};
use watchbell::probe::system_dns::{DnsConf, SystemDns};

use super::conf;
use crate::support::dns::{Manner, server, server_by_name};

fn resolver(conf: DnsConf) -> GuardedResolver {
    GuardedResolver::with_system(Arc::new(EgressRules::default()), Arc::new(SystemDns::given(conf)))
}

/// The addresses, without those of IPv6 where this machine has none: they are then left out.
fn addresses(texts: &[&str]) -> Vec<IpAddr> {
    let v6_works = std::net::UdpSocket::bind("[::1]:0").is_ok();
    let all = texts.iter().map(|text| text.parse().unwrap());
    all.filter(|address: &IpAddr| address.is_ipv4() || v6_works).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn both_families_are_found_through_a_cname() {
    let found = resolver(conf(vec![server(Manner::Answers).await]));
    let mut found = found.resolve_name("shop.example").await.unwrap();
    found.sort();
    assert_eq!(found, addresses(&["127.0.0.1", "192.0.2.7", "::1"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_hosts_file_and_localhost_need_no_server() {
    let mut conf = conf(Vec::new());
    conf.hosts.insert("db".to_owned(), addresses(&["10.1.2.3"]));
    let resolver = resolver(conf);
    assert_eq!(resolver.resolve_name("DB").await.unwrap(), addresses(&["10.1.2.3"]));
    let own = addresses(&["127.0.0.1", "::1"]);
    assert_eq!(resolver.resolve_name("localhost").await.unwrap(), own);
    assert_eq!(resolver.resolve_name("app.localhost.").await.unwrap(), own);
    let none = ResolveError::NoSuchName("app.invalid".to_owned());
    assert_eq!(resolver.resolve_name("app.invalid").await, Err(none));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_short_name_is_looked_for_in_the_search_domains() {
    let server = server_by_name(Arc::new(|name| match name {
        "db.lab.example." => Manner::Answers,
        _ => Manner::NoSuchName,
    }));
    let mut conf = conf(vec![server.await]);
    conf.search = vec!["corp.example".to_owned(), "lab.example".to_owned()];
    let resolver = resolver(conf);
    assert!(resolver.resolve_name("db").await.is_ok());
    let none = ResolveError::NoSuchName("db.".to_owned());
    assert_eq!(resolver.resolve_name("db.").await, Err(none));
}

#[tokio::test(flavor = "multi_thread")]
async fn no_such_name_and_no_answer_are_told_apart() {
    let outcome = async |manner| {
        let resolver = resolver(conf(vec![server(manner).await]));
        resolver.resolve_name("shop.example").await.unwrap_err()
    };
    for manner in [Manner::NoSuchName, Manner::Empty] {
        let none = ResolveError::NoSuchName("shop.example".to_owned());
        assert_eq!(outcome(manner).await, none, "{manner:?}");
    }
    for (manner, says) in [
        (Manner::Silent, "the resolver did not answer"),
        (Manner::Fails(ResponseCode::ServFail), "the resolver answered SERVFAIL"),
        (Manner::Rubbish, "the resolver sent no valid answer"),
    ] {
        let error = outcome(manner).await;
        let is_doubtful = matches!(&error, ResolveError::NoAnswer { why, .. } if why == says);
        assert!(is_doubtful, "{manner:?}: {error:?}");
    }
    let nobody = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
    let error = resolver(conf(vec![nobody])).resolve_name("shop.example").await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "could not resolve shop.example: the resolver: connection refused"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_hangs_holds_up_no_other_name() {
    // More names at once than the C library would have had threads for.
    let server = server_by_name(Arc::new(|name| {
        if name.starts_with("dead") { Manner::Silent } else { Manner::Answers }
    }));
    let mut conf = conf(vec![server.await]);
    conf.timeout = Duration::from_secs(60);
    let resolver = resolver(conf);
    let hung: Vec<_> = (0..600)
        .map(|n| {
            let resolver = resolver.clone();
            #[allow(clippy::disallowed_methods, reason = "ends with the runtime of the test")]
            tokio::spawn(async move { resolver.resolve_name(&format!("dead{n}.example")).await })
        })
        .collect();
    tokio::task::yield_now().await;
    assert!(resolver.resolve_name("alive.example").await.is_ok());
    assert!(hung.iter().all(|look_up| !look_up.is_finished()));
    hung.iter().for_each(tokio::task::JoinHandle::abort);
}
