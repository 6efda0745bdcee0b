//! One question to one DNS server, and its answer: over UDP, and over TCP when the answer is too long for that.
//!
//! Not the resolver of the crate whose messages these are: a check must see what the server says now, so there is no
//! cache and no sharing of questions; the servers are asked in the order of the system; and a socket that is connected
//! learns at once that nobody listens at the port.

use std::io;
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::Duration;

use hickory_proto::op::{Message, MessageType, Query, ResponseCode};
use hickory_proto::rr::{Name, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::failure::of_system;
use crate::monitor::CheckError;

/// How long an answer is waited for before the question is sent again; then twice as long, and so on.
const FIRST_WAIT: Duration = Duration::from_secs(1);
const LONGEST_WAIT: Duration = Duration::from_secs(4);
/// After so many questions, a server that sent only what answers something else does not speak DNS.
const QUESTIONS: u32 = 2;
/// The longest datagram that is read, in bytes. We do not offer to take more than 512, but some send it.
const DATAGRAM_MAX: usize = 4096;
/// The length of a message's head, in bytes.
const HEAD: usize = 12;

/// Why a server gave no answer that says something about the name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum AskError {
    /// Nothing came in time.
    Silent,
    /// It says that it cannot answer: `SERVFAIL`, `REFUSED` and the like.
    Failed(ResponseCode),
    /// It sent what is no DNS message.
    Malformed,
    /// It cannot be reached.
    Unreachable(CheckError),
}

/// A question for `name`, which is taken as it is, whether or not it ends with a dot.
pub(super) fn question(name: &str, record: RecordType) -> Option<Query> {
    let mut name = Name::from_ascii(name).ok()?;
    name.set_fqdn(true);
    Some(Query::query(name, record))
}

/// Asks `server` and gives its answer, which may be that there is no such name. Asks again while nothing comes.
pub(super) async fn ask(server: SocketAddr, question: &Query) -> Result<Message, AskError> {
    let mut query = Message::query();
    query.metadata.recursion_desired = true;
    query.add_query(question.clone());
    let bytes = query.to_vec().map_err(|_| AskError::Malformed)?;
    let answer = match over_udp(server, &query, &bytes).await? {
        Some(answer) => answer,
        None => over_tcp(server, &query, &bytes).await?,
    };
    match answer.metadata.response_code {
        ResponseCode::NoError | ResponseCode::NXDomain => Ok(answer),
        code => Err(AskError::Failed(code)),
    }
}

/// The answer over UDP; `None` when it was cut off.
async fn over_udp(
    server: SocketAddr,
    query: &Message,
    bytes: &[u8],
) -> Result<Option<Message>, AskError> {
    let any: SocketAddr = match server {
        SocketAddr::V4(_) => (Ipv4Addr::UNSPECIFIED, 0).into(),
        SocketAddr::V6(_) => (Ipv6Addr::UNSPECIFIED, 0).into(),
    };
    let socket = UdpSocket::bind(any).await.map_err(unreachable)?;
    // From here on the system drops what comes from anybody else.
    socket.connect(server).await.map_err(unreachable)?;
    let (mut wait, mut asked, mut heard_else) = (FIRST_WAIT, 0, false);
    loop {
        socket.send(bytes).await.map_err(unreachable)?;
        asked += 1;
        match timeout(wait, datagram(&socket, query, &mut heard_else)).await {
            Ok(answer) => return answer,
            Err(_) if heard_else && asked >= QUESTIONS => return Err(AskError::Malformed),
            Err(_) => wait = (wait * 2).min(LONGEST_WAIT),
        }
    }
}

/// Waits for the datagram that answers `query`. What answers something else may be forged or late, so that it only counts when
/// nothing better comes: it is noted in `heard_else`.
async fn datagram(
    socket: &UdpSocket,
    query: &Message,
    heard_else: &mut bool,
) -> Result<Option<Message>, AskError> {
    loop {
        match next_datagram(socket, query).await? {
            Heard::Answer(answer) => return Ok(answer.map(|answer| *answer)),
            Heard::SomethingElse => *heard_else = true,
        }
    }
}

/// What one datagram is.
enum Heard {
    /// `None`: it is too long for a datagram.
    Answer(Option<Box<Message>>),
    SomethingElse,
}

async fn next_datagram(socket: &UdpSocket, query: &Message) -> Result<Heard, AskError> {
    let mut buffer = vec![0; DATAGRAM_MAX];
    let length = socket.recv(&mut buffer).await.map_err(unreachable)?;
    let datagram = buffer.get(..length).unwrap_or_default();
    let head = datagram.get(..HEAD).unwrap_or_default();
    let [a, b, flags, ..] = *head else { return Ok(Heard::SomethingElse) };
    let is_answer = flags & 0x80 != 0;
    if u16::from_be_bytes([a, b]) != query.metadata.id || !is_answer {
        return Ok(Heard::SomethingElse);
    }
    let is_cut_off = flags & 0x02 != 0;
    if is_cut_off {
        return Ok(Heard::Answer(None));
    }
    let answer = Message::from_vec(datagram).map_err(|_| AskError::Malformed)?;
    let fits = answers(&answer, query);
    Ok(if fits { Heard::Answer(Some(Box::new(answer))) } else { Heard::SomethingElse })
}

async fn over_tcp(server: SocketAddr, query: &Message, bytes: &[u8]) -> Result<Message, AskError> {
    let mut stream = TcpStream::connect(server).await.map_err(unreachable)?;
    let length = u16::try_from(bytes.len()).map_err(|_| AskError::Malformed)?;
    let framed = [&length.to_be_bytes(), bytes].concat();
    stream.write_all(&framed).await.map_err(unreachable)?;
    let length = stream.read_u16().await.map_err(unreachable)?;
    let mut answer = vec![0; length.into()];
    stream.read_exact(&mut answer).await.map_err(unreachable)?;
    let answer = Message::from_vec(&answer).map_err(|_| AskError::Malformed)?;
    if answers(&answer, query) { Ok(answer) } else { Err(AskError::Malformed) }
}

/// Whether `answer` is to `query`. A server that fails may leave the question out.
fn answers(answer: &Message, query: &Message) -> bool {
    let repeats = answer.queries == query.queries;
    let failed = answer.metadata.response_code != ResponseCode::NoError;
    answer.metadata.message_type == MessageType::Response
        && answer.metadata.id == query.metadata.id
        && (repeats || failed && answer.queries.is_empty())
}

fn unreachable(error: io::Error) -> AskError {
    AskError::Unreachable(of_system(&error))
}
