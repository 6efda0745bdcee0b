//! Which addresses a check contacts: those of the name as the rules allow them, whatever the name server says next.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and its tasks end with its runtime"
)]

use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rustls::RootCertStore;
use serde_json::{Map, json};
use tokio::net::TcpListener;
use url::Url;
use watchbell::clock::Timestamp;
use watchbell::monitor::{CheckResult, ErrorKind, HttpSpec, Kind, Settings, Target, Verdict};
use watchbell::probe::resolver::Names;
use watchbell::probe::{EgressRules, GuardedResolver, Prober};

use crate::hostile::wire::{self, Step, answer, say};

const FINE: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// A name server that gives one list of addresses after the other, whatever is asked, and keeps what was asked.
#[derive(Debug, Default)]
struct Turning {
    lists: Vec<Vec<IpAddr>>,
    turn: AtomicUsize,
    asked: Mutex<Vec<String>>,
}

impl Turning {
    fn new(lists: &[&[&str]]) -> Arc<Self> {
        let list = |list: &&[&str]| list.iter().map(|text| text.parse().unwrap()).collect();
        Arc::new(Self { lists: lists.iter().map(list).collect(), ..Self::default() })
    }
}

impl Names for Turning {
    fn addresses(&self, name: &str) -> Vec<IpAddr> {
        self.asked.lock().unwrap().push(name.to_owned());
        let turn = self.turn.fetch_add(1, Ordering::Relaxed);
        self.lists[turn % self.lists.len()].clone()
    }
}

fn prober(deny: &str, names: Arc<Turning>) -> Prober {
    let rules = Arc::new(EgressRules::parse(deny, "").unwrap());
    let resolver = GuardedResolver::with_names(rules, names);
    Prober::with_resolver(resolver, RootCertStore::empty()).unwrap()
}

fn spec(url: &str) -> HttpSpec {
    let fields = [("url", json!(url)), ("timeout_seconds", json!(60))];
    let fields = Map::from_iter(fields.map(|(name, value)| (name.to_owned(), value)));
    match Settings::read(&fields, Kind::Http, None).unwrap().target {
        Target::Http(spec) => spec,
        _ => panic!("not HTTP"),
    }
}

async fn check(prober: &Prober, url: &str) -> CheckResult {
    prober.check_http(&spec(url), "local", Timestamp(0)).await
}

fn kind(result: &CheckResult) -> Option<ErrorKind> {
    result.error.as_ref().map(|error| error.kind)
}

/// A listener whose port is free at `other`, too, and one there.
async fn pair(other: &str) -> Option<(TcpListener, TcpListener)> {
    for _ in 0..100 {
        let first = TcpListener::bind("127.0.0.1:0").await.ok()?;
        let port = first.local_addr().ok()?.port();
        if let Ok(second) = TcpListener::bind((other, port)).await {
            return Some((first, second));
        }
    }
    None
}

#[tokio::test]
async fn a_thousand_rebindings_leak_nothing() {
    let (good, forbidden) = pair("127.0.0.2").await.unwrap();
    let address = good.local_addr().unwrap();
    // Every other request is sent on to the same name, which is then looked up anew.
    let onwards = format!("http://rebind.example:{}/end", address.port());
    let turn = AtomicUsize::new(0);
    wire::serve(good, move || match turn.fetch_add(1, Ordering::Relaxed) % 2 {
        0 => answer(FINE),
        _ => answer(format!("HTTP/1.1 302 Go\r\nLocation: {onwards}\r\nContent-Length: 0\r\n\r\n")),
    });
    let names = Turning::new(&[
        &["127.0.0.1"],
        &["127.0.0.2"],
        &["127.0.0.2", "127.0.0.1"],
        &["127.0.0.1", "127.0.0.2"],
        &["::ffff:127.0.0.2"],
        &["64:ff9b::127.0.0.2", "127.0.0.1"],
        &["2002:7f00:2::1"],
    ]);
    let prober = prober("127.0.0.2", names.clone());
    let url = format!("http://rebind.example:{}/", address.port());
    let (mut up, mut blocked) = (0, 0);
    while names.turn.load(Ordering::Relaxed) < 1000 {
        let result = check(&prober, &url).await;
        match kind(&result) {
            None => up += 1,
            Some(ErrorKind::Blocked) => blocked += 1,
            Some(_) => panic!("{result:?}"),
        }
    }
    assert!(up > 100 && blocked > 100, "{up} up, {blocked} blocked");
    let forbidden = forbidden.into_std().unwrap();
    let contact = forbidden.accept().map(|_| ()).map_err(|error| error.kind());
    assert_eq!(contact, Err(std::io::ErrorKind::WouldBlock), "somebody connected");
}

#[tokio::test]
async fn what_must_be_blocked_is_and_what_may_pass_does() {
    let names = Turning::new(&[&["169.254.169.254"]]);
    let all = "metadata,link-local,multicast,unspecified,private,loopback";
    let prober = prober(all, names.clone());
    let blocked = BLOCKED.split_whitespace().collect::<Vec<_>>();
    assert!(blocked.len() >= 69, "{}", blocked.len());
    for host in blocked {
        let result = check(&prober, &format!("http://{host}/")).await;
        assert_eq!(kind(&result), Some(ErrorKind::Blocked), "{host}: {result:?}");
        assert_eq!((result.verdict, result.phases.connect), (Verdict::Down, None), "{host}");
    }
    let asked = names.asked.lock().unwrap().len();
    assert_eq!(asked, NAMES, "an address in whatever form is no name");
    let rules = Arc::new(EgressRules::parse(all, "10.9.0.0/16,fd00:9::/32").unwrap());
    let resolver = GuardedResolver::new(rules);
    let allowed = ALLOWED.split_whitespace().collect::<Vec<_>>();
    assert!(allowed.len() >= 9);
    for host in allowed {
        let url = Url::parse(&format!("http://{host}/")).unwrap();
        assert_eq!(resolver.check_literal(&url), Ok(()), "{host}");
    }
}

/// How many of [`BLOCKED`] are names.
const NAMES: usize = 5;
/// Hosts as they stand in URLs.
const BLOCKED: &str = "
    169.254.169.254 2852039166 0xa9fea9fe 0xA9.0xFE.0xA9.0xFE 0251.0376.0251.0376 0251.254.0xa9.254
    169.254.43518 169.16689662 169.254.169.254. ①⑥⑨.②⑤④.①⑥⑨.②⑤④ 169。254。169。254
    user@169.254.169.254 1.1.1.1@169.254.169.254 %31%36%39.254.169.254
    metadata.google.internal metadata instance-data rebind.example a.b.c.nip.example
    169.254.170.2 169.254.170.23 100.100.100.200 168.63.129.16 192.0.0.192
    [fd00:ec2::254] [fd00:ec2::23] [fd20:ce::254]
    [::ffff:169.254.169.254] [::ffff:a9fe:a9fe] [0:0:0:0:0:ffff:a9fe:a9fe] [::169.254.169.254]
    [64:ff9b::169.254.169.254] [64:ff9b::a9fe:a9fe] [64:ff9b:1::169.254.169.254]
    [64:ff9b:1:a9fe:a9:fe00::] [64:ff9b:1:a9:fe:a9fe::] [2002:a9fe:a9fe::1]
    [2001:0:a9fe:a9fe::1] [2001:0:808:808:0:0:5601:5601] [2001:db8::5efe:169.254.169.254]
    [2001:db8::200:5efe:a9fe:a9fe]
    169.254.0.1 [fe80::1] [febf::1] [::ffff:169.254.1.1]
    224.0.0.1 239.255.255.250 [ff02::1] 255.255.255.255
    0.0.0.0 0 0x0 0.1.2.3 [::] [::ffff:0.0.0.0]
    127.0.0.1 127.1 2130706433 0x7f000001 017700000001 0177.0.0.1 127.255.255.254 [::1] [::ffff:127.0.0.1]
    [::7f00:1] [64:ff9b::127.0.0.1] [2002:7f00:1::]
    10.0.0.1 10.1 167772161 172.16.0.1 172.31.255.255 192.168.1.1 100.64.0.1 [fd12:3456::1] [fec0::1]
    [::ffff:10.0.0.1] [64:ff9b::192.168.1.1] [2002:c0a8:101::1] [2001:db8::5efe:10.0.0.1]";
const ALLOWED: &str = "
    1.1.1.1 93.184.215.14 134744072 172.15.0.1 172.32.0.1 100.128.0.1 169.253.1.1 223.255.255.1 192.0.0.193
    [2606:4700::1111] [64:ff9b::8.8.8.8] [64:ff9b:1::8.8.8.8] [2002:808:808::1] [::ffff:8.8.8.8]
    10.9.1.1 [fd00:9::1] [::ffff:10.9.0.1]";

#[tokio::test]
async fn one_family_that_is_dead_does_not_fail_a_check() {
    // A machine without IPv6 has nothing to show here.
    let Some((v4, v6)) = pair("::1").await else { return };
    let port = v4.local_addr().unwrap().port();
    let url = format!("http://two.example:{port}/");
    let names = || Turning::new(&[&["::1", "127.0.0.1"]]);
    wire::serve(v4, || answer(FINE));
    let address: SocketAddr = v6.local_addr().unwrap();
    drop(v6);
    let refused = check(&prober("", names()), &url).await;
    assert_eq!(refused.verdict, Verdict::Up, "refused over IPv6: {refused:?}");
    let silent = wire::silent(address);
    let hanging = check(&prober("", names()), &url).await;
    assert_eq!(hanging.verdict, Verdict::Up, "no answer over IPv6: {hanging:?}");
    drop(silent);
}

#[tokio::test]
async fn hosts_are_written_as_url_and_header_want_them() {
    let heard = Arc::new(Mutex::new(String::new()));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    wire::serve_keeping(listener, vec![Step::Hear, say(FINE), Step::Finish], heard.clone());
    for (host, asked, header) in [
        ("bücher.example", "xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("BÜCHER.Example", "xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("日本語。example", "xn--wgv71a119e.example", "xn--wgv71a119e.example"),
        ("a_b.example", "a_b.example", "a_b.example"),
        ("dot.example.", "dot.example.", "dot.example."),
        ("us%40er:p%3Aw@name.example", "name.example", "name.example"),
        ("127.1", "", "127.0.0.1"),
    ] {
        let names = Turning::new(&[&["127.0.0.1"]]);
        let result = check(&prober("", names.clone()), &format!("http://{host}:{port}/x#y")).await;
        assert_eq!(result.verdict, Verdict::Up, "{host}: {result:?}");
        assert_eq!(names.asked.lock().unwrap().concat(), asked, "{host}");
        let head = std::mem::take(&mut *heard.lock().unwrap());
        assert!(head.starts_with("GET /x HTTP/1.1\r\n"), "{head}");
        assert!(head.contains(&format!("\r\nhost: {header}:{port}\r\n")), "{host}: {head}");
        let basic = head.contains("\r\nauthorization: Basic dXNAZXI6cDp3\r\n");
        assert_eq!(basic, host.contains('@'), "{host}: {head}");
    }
}
