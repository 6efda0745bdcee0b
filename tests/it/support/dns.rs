//! A DNS server on loopback, over UDP and TCP, that answers as it is told.
#![allow(clippy::expect_used, reason = "a test fails by panicking")]

use std::net::SocketAddr;
use std::sync::Arc;

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CAA, CNAME, MX, NS, SOA, SRV, TXT};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

/// What the server does with the questions for a name, which it tells by its first label.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manner {
    /// Answers with the records of [`records`].
    Answers,
    /// The same, but over UDP it says that the answer is too long.
    CutsOff,
    /// The same after two answers that are none: with another id, and to another question.
    IsForgedFirst,
    /// There is no such name.
    NoSuchName,
    /// The name has no such record.
    Empty,
    /// It answers with this code.
    Fails(ResponseCode),
    /// It says nothing.
    Silent,
    /// It sends what is no DNS.
    Rubbish,
    /// It answers some other question than it was asked, and goes on so.
    Mumbles,
    /// It sends records of others along, and has none of the name itself.
    OthersOnly,
}

/// What the server of a test does: the same for every name, or by the name.
pub type Rule = Arc<dyn Fn(&str) -> Manner + Send + Sync>;

/// A server that behaves in one `manner`.
pub async fn server(manner: Manner) -> SocketAddr {
    server_by_name(Arc::new(move |_| manner)).await
}

/// A server that behaves by the name, as `rule` says. It runs as long as the runtime of the test.
#[allow(clippy::disallowed_methods, reason = "ends with the runtime of the test")]
pub async fn server_by_name(rule: Rule) -> SocketAddr {
    let (udp, tcp) = sockets().await;
    let address = udp.local_addr().expect("bound");
    let by_udp = rule.clone();
    tokio::spawn(async move {
        let mut buffer = [0; 1500];
        while let Ok((length, from)) = udp.recv_from(&mut buffer).await {
            for answer in answers(&buffer[..length], &by_udp, true) {
                let _ = udp.send_to(&answer, from).await;
            }
        }
    });
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = tcp.accept().await {
            let Ok(length) = stream.read_u16().await else { continue };
            let mut query = vec![0; length.into()];
            if stream.read_exact(&mut query).await.is_err() {
                continue;
            }
            for answer in answers(&query, &rule, false) {
                let length = u16::try_from(answer.len()).expect("short");
                let _ = stream.write_all(&[&length.to_be_bytes(), &answer[..]].concat()).await;
            }
        }
    });
    address
}

/// A port that is free for both.
async fn sockets() -> (UdpSocket, TcpListener) {
    loop {
        let tcp = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        if let Ok(udp) = UdpSocket::bind(tcp.local_addr().expect("bound")).await {
            return (udp, tcp);
        }
    }
}

fn answers(query: &[u8], rule: &Rule, is_udp: bool) -> Vec<Vec<u8>> {
    let Ok(query) = Message::from_vec(query) else { return Vec::new() };
    let asked = query.queries[0].clone();
    let mut answer = query.clone().into_response();
    answer.answers.clear();
    let bytes = |message: &Message| message.to_vec().expect("a message");
    let manner = rule(&asked.name().to_ascii());
    match manner {
        Manner::Silent => return Vec::new(),
        Manner::Rubbish => {
            let [high, low] = query.metadata.id.to_be_bytes();
            return vec![[&[high, low, 0x80, 0][..], &[0xff; 20]].concat()];
        }
        Manner::CutsOff if is_udp => answer.metadata.truncation = true,
        Manner::Answers | Manner::CutsOff | Manner::IsForgedFirst => {
            answer.add_answers(records(asked.name(), asked.query_type()));
        }
        Manner::Mumbles => answer.metadata.id = answer.metadata.id.wrapping_add(1),
        Manner::OthersOnly => {
            answer.add_answers(records(&name("other.example."), asked.query_type()));
        }
        Manner::NoSuchName => answer.metadata.response_code = ResponseCode::NXDomain,
        Manner::Empty => {}
        Manner::Fails(code) => answer.metadata.response_code = code,
    }
    if manner != Manner::IsForgedFirst {
        return vec![bytes(&answer)];
    }
    let forged = |change: fn(&mut Message)| {
        let mut forged = answer.clone();
        forged.answers = vec![record(asked.name(), RData::A(A::new(203, 0, 113, 66)))];
        change(&mut forged);
        bytes(&forged)
    };
    vec![
        forged(|message| message.metadata.id = message.metadata.id.wrapping_add(1)),
        forged(|message| message.queries[0].name = name("other.example.")),
        bytes(&answer),
    ]
}

fn name(text: &str) -> Name {
    Name::from_ascii(text).expect("a name")
}

fn record(owner: &Name, data: RData) -> Record {
    Record::from_rdata(owner.clone(), 60, data)
}

/// What every name has here. The records of type A come by way of a CNAME.
fn records(owner: &Name, kind: RecordType) -> Vec<Record> {
    let canonical = name("canonical.example.");
    let host = RData::CNAME(CNAME(canonical.clone()));
    match kind {
        RecordType::A => vec![
            record(owner, host),
            record(&canonical, RData::A(A::new(127, 0, 0, 1))),
            record(&canonical, RData::A(A::new(192, 0, 2, 7))),
        ],
        RecordType::AAAA => vec![record(owner, RData::AAAA(AAAA::new(0, 0, 0, 0, 0, 0, 0, 1)))],
        RecordType::CNAME => vec![record(owner, host)],
        RecordType::MX => vec![
            record(owner, RData::MX(MX::new(10, name("Mail.example.")))),
            record(owner, RData::MX(MX::new(20, name("backup.example.")))),
        ],
        RecordType::NS => vec![record(owner, RData::NS(NS(name("ns1.example."))))],
        RecordType::TXT => {
            let pieces = vec!["v=spf1 include:_spf.".to_owned(), "example -all".to_owned()];
            vec![record(owner, RData::TXT(TXT::new(pieces)))]
        }
        RecordType::SOA => {
            let (primary, mail) = (name("ns1.example."), name("hostmaster.example."));
            vec![record(owner, RData::SOA(SOA::new(primary, mail, 2026, 3600, 900, 86_400, 60)))]
        }
        RecordType::SRV => {
            vec![record(owner, RData::SRV(SRV::new(0, 5, 5060, name("sip.example."))))]
        }
        RecordType::CAA => {
            let issuer = Some(name("letsencrypt.org"));
            vec![record(owner, RData::CAA(CAA::new_issue(false, issuer, Vec::new())))]
        }
        _ => Vec::new(),
    }
}
