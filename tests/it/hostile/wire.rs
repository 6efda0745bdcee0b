//! Targets as scripts: what one says, byte for byte, and when it stops.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;

/// One thing that a target does with a connection.
#[derive(Clone)]
pub enum Step {
    /// Reads a request, up to the empty line that ends its head.
    Hear,
    /// Reads the preface of HTTP/2 and frames up to the first that has a header.
    HearTwo,
    /// Reads what comes at once, whatever it is.
    Take,
    /// Sends these bytes.
    Say(Vec<u8>),
    /// Sends these bytes over and over, with a pause between, until the peer has gone.
    Again(Vec<u8>, Duration),
    /// Lets what was sent arrive: a reset throws away what the peer has not read.
    Settle,
    /// Says no more, and reads until the peer has gone.
    Wait,
    /// Ends its own half of the connection, and reads until the peer has gone.
    Finish,
    /// Breaks the connection off.
    Reset,
}

use Step::*;

/// Sends text or bytes.
pub fn say(what: impl AsRef<[u8]>) -> Step {
    Say(what.as_ref().to_vec())
}

/// Sends `piece` for ever, as fast as it is taken.
pub fn flood(piece: impl AsRef<[u8]>) -> Step {
    Again(piece.as_ref().to_vec(), Duration::ZERO)
}

/// Sends `piece` for ever, a few times a second.
pub fn trickle(piece: impl AsRef<[u8]>) -> Step {
    Again(piece.as_ref().to_vec(), Duration::from_millis(200))
}

/// Hears a request, gives this answer and closes.
pub fn answer(what: impl AsRef<[u8]>) -> Vec<Step> {
    vec![Hear, say(what), Finish]
}

/// Plays `steps` on a connection. Whether it is to be broken off, rather than closed.
async fn play<S: AsyncRead + AsyncWrite + Unpin>(stream: &mut S, steps: &[Step]) -> bool {
    for step in steps {
        let alive = match step {
            Hear => hear(stream, |head| head.windows(4).any(|w| w == b"\r\n\r\n")).await,
            HearTwo => hear(stream, has_headers).await,
            Take => matches!(stream.read(&mut [0; 16384]).await, Ok(n) if n > 0),
            Say(bytes) => send(stream, bytes).await,
            Again(piece, pause) => {
                while send(stream, piece).await {
                    match pause.is_zero() {
                        // Leaves the others of this thread their turn.
                        true => tokio::task::yield_now().await,
                        false => tokio::time::sleep(*pause).await,
                    }
                }
                false
            }
            Settle => {
                tokio::time::sleep(Duration::from_millis(200)).await;
                true
            }
            Wait => drain(stream).await,
            Finish => stream.shutdown().await.is_ok() && drain(stream).await,
            Reset => return true,
        };
        if !alive {
            break;
        }
    }
    false
}

async fn send<S: AsyncWrite + Unpin>(stream: &mut S, bytes: &[u8]) -> bool {
    stream.write_all(bytes).await.is_ok() && stream.flush().await.is_ok()
}

async fn drain<S: AsyncRead + Unpin>(stream: &mut S) -> bool {
    let _ = tokio::io::copy(stream, &mut tokio::io::sink()).await;
    false
}

async fn hear<S: AsyncRead + Unpin>(stream: &mut S, whole: impl Fn(&[u8]) -> bool) -> bool {
    let (mut heard, mut buffer) = (Vec::new(), [0; 4096]);
    while !whole(&heard) {
        match stream.read(&mut buffer).await {
            Ok(n) if n > 0 => heard.extend_from_slice(&buffer[..n]),
            _ => return false,
        }
    }
    true
}

/// Whether a whole HEADERS frame is among those after the preface of 24 bytes.
fn has_headers(heard: &[u8]) -> bool {
    let mut rest = heard.get(24..).unwrap_or_default();
    while let [a, b, c, kind, _, _, _, _, _, frames @ ..] = rest {
        let length = u32::from_be_bytes([0, *a, *b, *c]) as usize;
        let Some(after) = frames.get(length..) else { return false };
        if *kind == 1 {
            return true;
        }
        rest = after;
    }
    false
}

/// Plays `steps` with whoever connects, for as long as the test runs.
pub async fn plain(steps: Vec<Step>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    serve(listener, move || steps.clone());
    address
}

/// Plays with each connection that `listener` takes what `steps` says then.
pub fn serve(listener: TcpListener, steps: impl Fn() -> Vec<Step> + Send + 'static) {
    accepting(listener, move |mut stream| {
        let steps = steps();
        async move {
            if play(&mut stream, &steps).await {
                break_off(&stream);
            }
        }
    });
}

/// Plays `steps` with each connection that `listener` takes, and keeps the first that was heard of it.
pub fn serve_keeping(listener: TcpListener, steps: Vec<Step>, heard: Arc<Mutex<String>>) {
    accepting(listener, move |mut stream| {
        let (steps, heard) = (steps.clone(), heard.clone());
        async move {
            let mut first = vec![0; 4096];
            let n = stream.peek(&mut first).await.unwrap_or_default();
            *heard.lock().unwrap() = String::from_utf8_lossy(&first[..n]).into_owned();
            play(&mut stream, &steps).await;
        }
    });
}

/// The same inside TLS, once the handshake is done.
pub async fn within_tls(acceptor: TlsAcceptor, steps: Vec<Step>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    accepting(listener, move |stream| {
        let (acceptor, steps) = (acceptor.clone(), steps.clone());
        async move {
            let Ok(mut stream) = acceptor.accept(stream).await else { return };
            if play(&mut stream, &steps).await {
                break_off(stream.get_ref().0);
            }
        }
    });
    address
}

/// Gives each connection that `listener` takes to `serve`.
fn accepting<F, Fut>(listener: TcpListener, serve: F)
where
    F: Fn(TcpStream) -> Fut + Send + 'static,
    Fut: Future<Output = ()> + Send + 'static,
{
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(stream));
        }
    });
}

fn break_off(stream: &TcpStream) {
    let _ = socket2::SockRef::from(stream).set_linger(Some(Duration::ZERO));
}

/// A port at which nobody listens. It is taken for as long as the tests run, so that no other target gets it.
pub fn closed() -> SocketAddr {
    let socket = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
    socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
    let address = socket.local_addr().unwrap().as_socket().unwrap();
    std::mem::forget(socket);
    address
}

/// A port that never answers a SYN: its queue is full and nobody accepts. To be kept, with the connections in it.
pub struct Silent {
    /// Where.
    pub address: SocketAddr,
    _held: (socket2::Socket, Vec<socket2::Socket>),
}

/// Makes a port at `address` that never answers a SYN.
pub fn silent(address: SocketAddr) -> Silent {
    let socket = || {
        let socket = socket2::Socket::new(
            socket2::Domain::for_address(address),
            socket2::Type::STREAM,
            None,
        );
        socket.unwrap()
    };
    let listener = socket();
    listener.bind(&address.into()).unwrap();
    listener.listen(0).unwrap();
    let address = listener.local_addr().unwrap().as_socket().unwrap();
    let fill = |_| {
        let filler = socket();
        filler.set_nonblocking(true).unwrap();
        let _ = filler.connect(&address.into());
        filler
    };
    Silent { address, _held: (listener, (0..4).map(fill).collect()) }
}
