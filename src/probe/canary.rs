//! Canaries: what tells a trouble of our own network from one of the targets. Asked only when a failure may be our own.

pub mod system;

use std::collections::HashSet;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use futures_util::StreamExt;
use futures_util::stream::FuturesUnordered;
use tokio::net::{TcpStream, UdpSocket};
use tokio::time::timeout;

use super::echo::{EchoSocket, open_socket};
use super::failure::is_scarcity;
use super::system_dns::named_servers;
pub use crate::monitor::cutoff::CanaryReport;

/// How long a canary may take to answer.
const ANSWER: Duration = Duration::from_millis(1_000);
/// How long "none answers" is believed, from the beginning of the look.
const SILENCE_HOLDS: Duration = Duration::from_secs(2);
/// The shortest time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// Where a host is tried by TCP, when it does not answer an echo: most gateways and resolvers listen there.
const TCP_PORT: u16 = 53;

/// Who is asked whether our own network works.
#[async_trait]
pub trait Canaries: Send + Sync + 'static {
    /// Asks, or gives an answer that is still true: "answers" is never older than the call, "silent" at most two seconds.
    async fn ask(&self) -> CanaryReport;

    /// Takes others in their place, from now on.
    async fn set(&self, _list: Vec<Canary>) {}

    /// Called once at the start: says in the log who they are and whether they answer.
    async fn introduce(&self) {}
}

/// One word of the setting.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Canary {
    /// The resolvers of the system: any answer to a query counts.
    Resolver,
    /// The default gateway.
    Gateway,
    /// A machine: an answer to an echo counts, and so does any to a TCP connection, also a refusal.
    Address(IpAddr),
    /// A service: a TCP connection counts.
    Service(String),
}

/// Reads the setting: words with commas between.
///
/// # Errors
/// The word that is none.
pub fn parse(list: &str) -> Result<Vec<Canary>, String> {
    list.split(',').map(str::trim).filter(|word| !word.is_empty()).map(parse_one).collect()
}

fn parse_one(word: &str) -> Result<Canary, String> {
    match word.to_ascii_lowercase().as_str() {
        "resolver" => return Ok(Canary::Resolver),
        "gateway" => return Ok(Canary::Gateway),
        _ => {}
    }
    let bare = word.strip_prefix('[').and_then(|w| w.strip_suffix(']')).unwrap_or(word);
    if let Ok(address) = bare.parse() {
        return Ok(Canary::Address(address));
    }
    let is_service = word.parse::<SocketAddr>().is_ok_and(|address| address.port() > 0)
        || word.rsplit_once(':').is_some_and(|(host, port)| {
            let is_name = |c: char| c.is_alphanumeric() || matches!(c, '.' | '-' | '_');
            !host.is_empty()
                && host.chars().all(is_name)
                && port.parse::<u16>().is_ok_and(|p| p > 0)
        });
    if is_service {
        return Ok(Canary::Service(word.to_owned()));
    }
    Err(format!("{word:?} must be resolver, gateway, an address, or host:port"))
}

/// What is asked, after the system was asked what `resolver` and `gateway` are.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Asked {
    Resolver(SocketAddr),
    Gateway(IpAddr),
    Address(IpAddr),
    Service(String),
}

impl Asked {
    fn name(&self) -> String {
        match self {
            Self::Resolver(address) => format!("resolver {}", address.ip()),
            Self::Gateway(address) => format!("gateway {address}"),
            Self::Address(address) => address.to_string(),
            Self::Service(service) => service.clone(),
        }
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outcome {
    Answers,
    Silent,
    /// We cannot ask, for want of descriptors or memory: that says nothing.
    Unable,
}

/// The canaries of the setting. Those who ask at once share one look.
pub struct SystemCanaries {
    list: Mutex<Vec<Canary>>,
    /// The last look: when it began, and what it found. Held while looking.
    last: tokio::sync::Mutex<Option<(Instant, CanaryReport)>>,
    memory: Mutex<Memory>,
}

/// What was true while the network was there. A cut may take the routes and the resolvers' list with it.
#[derive(Default)]
struct Memory {
    resolvers: Vec<SocketAddr>,
    gateway: Option<IpAddr>,
    /// Those that have answered an echo or a connection: the neighbour table is no evidence of them.
    answered: HashSet<IpAddr>,
}

impl SystemCanaries {
    /// Canaries that have not been asked yet.
    pub fn new(list: Vec<Canary>) -> Self {
        Self { list: Mutex::new(list), last: Default::default(), memory: Default::default() }
    }

    fn to_ask(&self) -> Vec<Asked> {
        let (resolvers, gateway) = (named_servers(), system::gateway());
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        if !resolvers.is_empty() {
            memory.resolvers = resolvers;
        }
        memory.gateway = gateway.or(memory.gateway);
        let mut asked = Vec::new();
        let list = self.list.lock().unwrap_or_else(PoisonError::into_inner);
        for canary in list.iter() {
            match canary {
                Canary::Resolver => {
                    asked.extend(memory.resolvers.iter().copied().map(Asked::Resolver));
                }
                Canary::Gateway => asked.extend(memory.gateway.map(Asked::Gateway)),
                Canary::Address(address) => asked.push(Asked::Address(*address)),
                Canary::Service(service) => asked.push(Asked::Service(service.clone())),
            }
        }
        asked
    }

    async fn outcome(&self, asked: &Asked) -> Outcome {
        let answered = match asked {
            Asked::Resolver(address) => query(*address).await,
            Asked::Service(service) => connect(service).await,
            Asked::Address(address) => reach(*address).await,
            Asked::Gateway(address) => match reach(*address).await {
                Ok(false) => Ok(!self.has_answered(*address) && system::is_neighbour(*address)),
                other => {
                    if other.as_ref().is_ok_and(|answers| *answers) {
                        self.remember(*address);
                    }
                    other
                }
            },
        };
        match answered {
            Ok(true) => Outcome::Answers,
            Ok(false) => Outcome::Silent,
            Err(error) if is_scarcity(&error) => Outcome::Unable,
            Err(_) => Outcome::Silent,
        }
    }

    fn has_answered(&self, address: IpAddr) -> bool {
        let memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.answered.contains(&address)
    }

    fn remember(&self, address: IpAddr) {
        let mut memory = self.memory.lock().unwrap_or_else(PoisonError::into_inner);
        memory.answered.insert(address);
    }

    /// Asks all at once; the first that answers settles it.
    async fn look(&self) -> CanaryReport {
        let asked = self.to_ask();
        let mut running: FuturesUnordered<_> =
            asked.iter().map(|one| async move { (one, self.outcome(one).await) }).collect();
        let mut silent = Vec::new();
        while let Some((one, outcome)) = running.next().await {
            match outcome {
                Outcome::Answers => return CanaryReport::Answering,
                Outcome::Silent => silent.push(one.name()),
                Outcome::Unable => {}
            }
        }
        if silent.is_empty() { CanaryReport::Answering } else { CanaryReport::Silent(silent) }
    }
}

#[async_trait]
impl Canaries for SystemCanaries {
    #[allow(clippy::disallowed_methods, reason = "probe measures spans")]
    async fn ask(&self) -> CanaryReport {
        let called = Instant::now();
        let mut last = self.last.lock().await;
        if let Some((began, report)) = &*last {
            let is_true_still = match report {
                // An answer from before the failure does not excuse the network at the time of it.
                CanaryReport::Answering => *began >= called,
                CanaryReport::Silent(_) => began.elapsed() < SILENCE_HOLDS,
            };
            if is_true_still {
                return report.clone();
            }
            // So that many failures, one after the other, share a few looks.
            tokio::time::sleep(LOOK_EVERY.saturating_sub(began.elapsed())).await;
        }
        let began = Instant::now();
        let report = self.look().await;
        *last = Some((began, report.clone()));
        report
    }

    async fn set(&self, list: Vec<Canary>) {
        let mut last = self.last.lock().await;
        *self.list.lock().unwrap_or_else(PoisonError::into_inner) = list;
        // What the others said is no word of these.
        *last = None;
    }

    async fn introduce(&self) {
        let asked = self.to_ask();
        if asked.is_empty() {
            tracing::warn!(
                "no canary is known (no resolver, no default gateway): errors that may be our own count as the target's. \
                 Give some with WATCHBELL_CANARIES, or on the settings page"
            );
        }
        for one in &asked {
            let canary = one.name();
            if self.outcome(one).await == Outcome::Answers {
                tracing::info!(canary, "a canary answers");
            } else {
                tracing::warn!(canary, "a canary does not answer");
            }
        }
    }
}

/// Whether a host answers an echo, or a TCP connection with anything at all.
async fn reach(address: IpAddr) -> io::Result<bool> {
    let by_tcp = async {
        match timeout(ANSWER, TcpStream::connect((address, TCP_PORT))).await {
            Ok(Ok(_)) => Ok(true),
            Ok(Err(error)) => match error.kind() {
                io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset => Ok(true),
                _ => Err(error),
            },
            Err(_) => Ok(false),
        }
    };
    let (by_tcp, by_echo) = (std::pin::pin!(by_tcp), std::pin::pin!(echo(address)));
    match futures_util::future::select(by_tcp, by_echo).await {
        futures_util::future::Either::Left((Ok(true), _)) => Ok(true),
        futures_util::future::Either::Right((Ok(true), _)) => Ok(true),
        futures_util::future::Either::Left((first, other)) => either(first, other.await),
        futures_util::future::Either::Right((first, other)) => either(first, other.await),
    }
}

/// Whether a host answers an echo. An error when none can be sent: the system does not allow it, or has no way there.
async fn echo(address: IpAddr) -> io::Result<bool> {
    let socket = EchoSocket::open(open_socket, address)?;
    // A lost packet is no dead host, so there are two.
    match timeout(ANSWER, socket.answered(ANSWER / 2)).await {
        Ok(answered) => answered.map(|()| true),
        Err(_) => Ok(false),
    }
}

/// Two ways to ask the same host: one answer is enough, and one that could not be asked says nothing beside one that could.
fn either(one: io::Result<bool>, other: io::Result<bool>) -> io::Result<bool> {
    match (one, other) {
        (Ok(a), Ok(b)) => Ok(a || b),
        (Ok(known), Err(_)) | (Err(_), Ok(known)) => Ok(known),
        (Err(error), Err(_)) => Err(error),
    }
}

async fn connect(service: &str) -> io::Result<bool> {
    match timeout(ANSWER, TcpStream::connect(service)).await {
        Ok(connected) => connected.map(|_| true),
        Err(_) => Ok(false),
    }
}

/// Whether a resolver answers a query about a name that is in no cache.
async fn query(resolver: SocketAddr) -> io::Result<bool> {
    let own = if resolver.is_ipv4() { "0.0.0.0:0" } else { "[::]:0" };
    let socket = UdpSocket::bind(own).await?;
    socket.connect(resolver).await?;
    let (id, label) = (rand::random::<u16>(), rand::random::<u64>());
    let question = system::question(id, label);
    // A lost packet is no dead resolver.
    for _ in 0..2 {
        socket.send(&question).await?;
        let mut answer = [0; 512];
        let half = ANSWER / 2;
        if let Ok(length) = timeout(half, socket.recv(&mut answer)).await
            && system::is_answer(&answer[..length?], id, resolver.ip().is_loopback())
        {
            return Ok(true);
        }
    }
    Ok(false)
}

#[cfg(test)]
mod tests;
