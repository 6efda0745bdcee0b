//! A TCP connection to one of several addresses.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::TcpStream;

/// How long an address may hang before the next one is tried beside it (RFC 8305, section 5).
const HEAD_START: Duration = Duration::from_millis(250);

/// Connects to the first of `addresses` that lets us, in their order; a slow one does not hold up the others.
///
/// # Errors
/// That of the last one that failed, when all have.
pub(super) async fn dial(addresses: &[SocketAddr]) -> io::Result<TcpStream> {
    let mut waiting = addresses.iter();
    let mut trying = FuturesUnordered::new();
    loop {
        if let Some(address) = waiting.next() {
            trying.push(TcpStream::connect(*address));
        }
        tokio::select! {
            done = trying.next() => match done {
                Some(Ok(stream)) => return Ok(stream),
                Some(Err(error)) if trying.is_empty() && waiting.len() == 0 => return Err(error),
                Some(Err(_)) => {}
                None => return Err(io::Error::from(io::ErrorKind::AddrNotAvailable)),
            },
            () = tokio::time::sleep(HEAD_START), if waiting.len() > 0 => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use tokio::net::TcpListener;

    use super::*;

    #[tokio::test]
    async fn an_address_that_refuses_gives_way_to_the_next() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let open = listener.local_addr().unwrap();
        // Nobody listens at port 1 of the loopback.
        let shut: SocketAddr = "127.0.0.1:1".parse().unwrap();
        assert_eq!(dial(&[shut, open]).await.unwrap().peer_addr().unwrap(), open);
        let refused = dial(&[shut, shut]).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
        assert!(dial(&[]).await.is_err());
    }
}
