//! Checks of a port.

use std::net::{SocketAddr, TcpListener};

use serde_json::json;
use socket2::{Domain, Socket, Type};
use watchbell::monitor::ErrorKind;

use super::{check, conf, down, prober, prober_with, up};
use crate::support::dns::{Manner, server};

/// A listener that takes no connection any more: its queue is full.
fn hanging() -> (Socket, Vec<std::net::TcpStream>, SocketAddr) {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
    socket.bind(&"127.0.0.1:0".parse::<SocketAddr>().unwrap().into()).unwrap();
    socket.listen(0).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    let mut queued = Vec::new();
    let brief = std::time::Duration::from_millis(200);
    while let Ok(stream) = std::net::TcpStream::connect_timeout(&address, brief) {
        queued.push(stream);
    }
    (socket, queued, address)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_takes_connections_is_up() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let result = check(&prober(), &format!("tcp://127.0.0.1:{port}"), json!({})).await;
    up(&result);
    assert!(result.phases.connect.is_some());
    assert_eq!(
        (result.phases.dns, result.phases.tls, result.phases.first_byte),
        (None, None, None)
    );
    assert_eq!(result.status_code, None);
    let named = check(&prober(), &format!("tcp://localhost:{port}"), json!({})).await;
    up(&named);
    assert!(named.phases.dns.is_some(), "a name was looked up");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_nobody_listens_on_is_refused() {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let result = check(&prober(), &format!("tcp://{free}"), json!({})).await;
    assert_eq!(down(&result), (ErrorKind::Refused, "connection refused"));
    assert_eq!(result.phases.connect, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_that_hangs_ends_at_the_timeout() {
    let (_listener, _queued, address) = tokio::task::spawn_blocking(hanging).await.unwrap();
    let result = check(&prober(), &format!("tcp://{address}"), json!({"timeout_seconds": 1})).await;
    assert_eq!(down(&result), (ErrorKind::Timeout, "timeout after 1s"));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_address_that_is_not_allowed_is_not_contacted() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    let port = listener.local_addr().unwrap().port();
    let names = server(Manner::Answers).await;
    let strict = prober_with(conf(vec![names]), "loopback,192.0.2.0/24");
    for host in ["127.0.0.1", "0x7f.1", "[::ffff:127.0.0.1]", "localhost", "rebound.example"] {
        let result = check(&strict, &format!("tcp://{host}:{port}"), json!({})).await;
        let (kind, text) = down(&result);
        assert_eq!(kind, ErrorKind::Blocked, "{host}: {text}");
        assert!(text.ends_with("is not allowed by the egress rules"), "{host}: {text}");
    }
    assert!(listener.accept().is_err(), "somebody connected");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_addresses_of_a_name_are_tried() {
    // The name has ::1 and 127.0.0.1 and one of a network that leads nowhere; only the second listens.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let names = server(Manner::Answers).await;
    let prober = prober_with(conf(vec![names]), "metadata");
    let result = check(&prober, &format!("tcp://db.example:{port}"), json!({})).await;
    up(&result);
    assert!(result.phases.dns.is_some() && result.phases.connect.is_some());
}
