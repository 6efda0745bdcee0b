//! Canaries on this very machine.

use super::*;

fn of(list: &str) -> SystemCanaries {
    SystemCanaries::new(parse(list).unwrap())
}

#[test]
fn the_setting_is_read() {
    let service = |text: &str| Canary::Service(text.to_owned());
    let expected = [
        Canary::Resolver,
        Canary::Gateway,
        Canary::Address(IpAddr::from([192, 0, 2, 1])),
        Canary::Address("2001:db8::1".parse().unwrap()),
        Canary::Address("2001:db8::2".parse().unwrap()),
        service("one.example:443"),
        service("192.0.2.1:53"),
        service("[2001:db8::1]:53"),
    ];
    let list = "Resolver, gateway,192.0.2.1,2001:db8::1,[2001:db8::2],one.example:443,\
                192.0.2.1:53,[2001:db8::1]:53";
    assert_eq!(parse(list).as_deref(), Ok(&expected[..]));
    assert_eq!(parse(" , "), Ok(vec![]));
    for wrong in
        ["example.com", "a b:1", "host:", "host:0", "192.0.2.1:0", "host:99999", "http://a/", ":53"]
    {
        assert!(parse(wrong).unwrap_err().starts_with(&format!("{wrong:?} must be")), "{wrong}");
    }
}

#[tokio::test]
async fn one_that_answers_is_enough() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let alive = listener.local_addr().unwrap();
    let gone = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let dead = gone.local_addr().unwrap();
    drop(gone);
    assert_eq!(of(&format!("{dead},{alive}")).ask().await, CanaryReport::Answering);
    let silent = CanaryReport::Silent(vec![dead.to_string()]);
    assert_eq!(of(&dead.to_string()).ask().await, silent);
    // A refused connection shows that the machine is there.
    assert_eq!(of("127.0.0.1").ask().await, CanaryReport::Answering);
    assert_eq!(of("").ask().await, CanaryReport::Answering, "none to ask");
}

#[tokio::test]
async fn a_resolver_that_answers_anything_answers() {
    let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let resolver = socket.local_addr().unwrap();
    let serving = async {
        let mut packet = [0; 512];
        let (length, from) = socket.recv_from(&mut packet).await.unwrap();
        packet[2] |= 0x80;
        packet[3] = 3;
        socket.send_to(&packet[..length], from).await.unwrap();
    };
    let (answered, ()) = tokio::join!(query(resolver), serving);
    assert!(answered.unwrap());
    // It takes the question, and says nothing.
    assert!(!query(resolver).await.unwrap());
}

/// Many failures at once make few looks: those who wait for the same answer share it.
#[tokio::test]
async fn those_who_ask_at_once_share_a_look() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let canaries = of(&listener.local_addr().unwrap().to_string());
    let asking = futures_util::future::join_all((0..500).map(|_| canaries.ask()));
    assert!(asking.await.iter().all(|report| *report == CanaryReport::Answering));
    let mut connections = 0;
    while timeout(Duration::from_millis(20), listener.accept()).await.is_ok() {
        connections += 1;
    }
    assert!((1..=2).contains(&connections), "{connections}");
}
