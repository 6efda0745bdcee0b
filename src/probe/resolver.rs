//! Names to addresses: the system's hosts file, the system's DNS servers, and the egress rules.
//!
//! Asked in this process and not through the C library, whose look-ups each hold a thread while they wait, so that a
//! hundred names of a dead zone would hold up all others; and which does not tell a name that does not exist from a server
//! that does not answer. What only `nsswitch.conf` knows (LDAP, mDNS) is not found.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::{Either, select};
use hickory_proto::op::{Message, Query, ResponseCode};
use hickory_proto::rr::{RData, RecordType};
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use tokio::time::timeout;
use url::{Host, Url};

use super::dns_wire::{AskError, ask, question};
use super::egress::EgressRules;
use super::phases;
use super::reach::reachable;
use super::system_dns::{DnsConf, SystemDns};
use crate::monitor::ErrorKind;
use crate::monitor::endpoint::Endpoint;

/// How long the addresses of the one family are waited for when those of the other are there (RFC 8305, section 3, has
/// 50 ms; a check has more time than a person).
const STRAGGLER: Duration = Duration::from_millis(250);

/// Why a name gave no address to connect to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// There is no such name, or it has no address: the name's own failure.
    #[error("could not resolve {0}")]
    NoSuchName(String),
    /// The resolver did not answer, or could not: its fault, ours, or that of the name's own servers.
    #[error("could not resolve {name}: {why}")]
    NoAnswer {
        /// What was asked for.
        name: String,
        /// What the resolver did.
        why: String,
    },
    /// It has addresses, but the egress rules allow none of them; this is the first.
    #[error("address {0} is not allowed by the egress rules")]
    Blocked(IpAddr),
    /// We cannot ask: a trouble of our own.
    #[error("cannot ask the resolver: {0}")]
    Internal(String),
}

impl ResolveError {
    /// What a failure of the resolver says of a look-up of `name`.
    pub(super) fn of(name: &str, error: AskError) -> Self {
        let why = match error {
            AskError::Unreachable(error) if error.kind == ErrorKind::Internal => {
                return Self::Internal(error.text);
            }
            AskError::Silent => "the resolver did not answer".to_owned(),
            AskError::Failed(code) => format!("the resolver answered {}", code_word(code)),
            AskError::Malformed => "the resolver sent no valid answer".to_owned(),
            AskError::Unreachable(error) => format!("the resolver: {}", error.text),
        };
        Self::NoAnswer { name: name.to_owned(), why }
    }
}

/// A response code as people know it.
pub(super) fn code_word(code: ResponseCode) -> String {
    match code {
        ResponseCode::ServFail => "SERVFAIL".to_owned(),
        ResponseCode::Refused => "REFUSED".to_owned(),
        ResponseCode::FormErr => "FORMERR".to_owned(),
        ResponseCode::NotImp => "NOTIMP".to_owned(),
        other => format!("code {}", u16::from(other)),
    }
}

/// A resolver that gives only addresses which the egress rules allow.
///
/// What it gives is what is connected to: no second look-up can give another address. reqwest does not ask it
/// about literal addresses; for those there is [`GuardedResolver::check_literal`].
#[derive(Debug, Clone)]
pub struct GuardedResolver {
    rules: Arc<EgressRules>,
    system: Arc<SystemDns>,
    /// `None`: the system.
    names: Option<Arc<dyn Names>>,
}

/// Says what the addresses of a name are, in place of the system: tests make it as hostile as a name server can be.
pub trait Names: std::fmt::Debug + Send + Sync {
    /// The addresses of `name` at this moment.
    fn addresses(&self, name: &str) -> Vec<IpAddr>;
}

impl GuardedResolver {
    /// A resolver that obeys `rules` and asks as the system does.
    pub fn new(rules: Arc<EgressRules>) -> Self {
        Self::with_system(rules, Arc::new(SystemDns::of_system()))
    }

    /// A resolver that obeys `rules` and asks as `system` says.
    pub fn with_system(rules: Arc<EgressRules>, system: Arc<SystemDns>) -> Self {
        Self { rules, system, names: None }
    }

    /// A resolver that obeys `rules` and asks `names`.
    pub fn with_names(rules: Arc<EgressRules>, names: Arc<dyn Names>) -> Self {
        Self { names: Some(names), ..Self::new(rules) }
    }

    /// Whether the rules allow the host of `url`, if that is a literal address, which is never looked up.
    ///
    /// # Errors
    /// [`ResolveError::Blocked`].
    pub fn check_literal(&self, url: &Url) -> Result<(), ResolveError> {
        check_literal(&self.rules, url)
    }

    /// The addresses of `name` that may be contacted, the most promising first. Marks the phase `dns`.
    ///
    /// # Errors
    /// There is none.
    pub async fn resolve_name(&self, name: &str) -> Result<Vec<IpAddr>, ResolveError> {
        phases::resolving(name);
        let addresses = match &self.names {
            Some(names) => names.addresses(name),
            None => look_up(&self.system.current(), name).await?,
        };
        phases::resolved();
        filter(&self.rules, name, addresses).map(reachable)
    }

    /// The addresses of a target that may be contacted: itself if it is an address, else those of its name.
    ///
    /// # Errors
    /// There is none.
    pub async fn addresses_of(&self, target: &Endpoint) -> Result<Vec<IpAddr>, ResolveError> {
        match (&target.host, target.address()) {
            (_, Some(address)) if self.rules.allows(address) => Ok(vec![address]),
            (_, Some(address)) => Err(ResolveError::Blocked(address)),
            (Host::Domain(name), None) => self.resolve_name(name).await,
            (host, None) => Err(ResolveError::NoSuchName(host.to_string())),
        }
    }

    /// What the system's servers answer now.
    pub(super) async fn ask_system(&self, question: &Query) -> Result<Message, AskError> {
        ask_each(&self.system.current(), question).await
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let this = self.clone();
        Box::pin(async move {
            let allowed = this.resolve_name(name.as_str()).await?;
            let with_port = allowed.into_iter().map(|address| SocketAddr::new(address, 0));
            Ok(Box::new(with_port) as Addrs)
        })
    }
}

/// Names pass, since [`GuardedResolver`] sees them.
fn check_literal(rules: &EgressRules, url: &Url) -> Result<(), ResolveError> {
    let address = match url.host() {
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address),
        Some(Host::Domain(_)) | None => return Ok(()),
    };
    if rules.allows(address) { Ok(()) } else { Err(ResolveError::Blocked(address)) }
}

async fn look_up(conf: &DnsConf, name: &str) -> Result<Vec<IpAddr>, ResolveError> {
    if let Some(known) = conf.known(name) {
        return Ok(known);
    }
    let none = || ResolveError::NoSuchName(name.to_owned());
    // RFC 6761, section 6.4: nobody is asked for these.
    if name.trim_end_matches('.').ends_with(".invalid") {
        return Err(none());
    }
    let mut failed = None;
    for candidate in conf.candidates(name) {
        match addresses(conf, &candidate).await {
            Ok(found) if found.is_empty() => {}
            Ok(found) => return Ok(by_family(found)),
            // Another candidate may be in a zone that works.
            Err(error @ AskError::Failed(_)) => failed = Some(error),
            Err(error) => return Err(ResolveError::of(name, error)),
        }
    }
    Err(failed.map_or_else(none, |error| ResolveError::of(name, error)))
}

/// The addresses of both families; none when the name has none or does not exist.
async fn addresses(conf: &DnsConf, name: &str) -> Result<Vec<IpAddr>, AskError> {
    // What is no name in DNS has no addresses in it.
    let Some(v4) = question(name, RecordType::A) else { return Ok(Vec::new()) };
    let Some(v6) = question(name, RecordType::AAAA) else { return Ok(Vec::new()) };
    let either = select(Box::pin(ask_each(conf, &v4)), Box::pin(ask_each(conf, &v6))).await;
    let (first, rest) = match either {
        Either::Left(ended) | Either::Right(ended) => ended,
    };
    let first = first.map(|answer| addresses_in(&answer));
    let second = match &first {
        Ok(found) if !found.is_empty() => {
            timeout(STRAGGLER, rest).await.unwrap_or(Err(AskError::Silent))
        }
        _ => rest.await,
    };
    let second = second.map(|answer| addresses_in(&answer));
    match (first, second) {
        (Ok(first), Ok(second)) => Ok([first, second].concat()),
        (Ok(found), Err(_)) | (Err(_), Ok(found)) if !found.is_empty() => Ok(found),
        (Err(error), _) | (_, Err(error)) => Err(error),
    }
}

fn addresses_in(answer: &Message) -> Vec<IpAddr> {
    let address = |data: &RData| match data {
        RData::A(address) => Some(IpAddr::V4(address.0)),
        RData::AAAA(address) => Some(IpAddr::V6(address.0)),
        _ => None,
    };
    answer.answers.iter().filter_map(|record| address(&record.data)).collect()
}

/// Asks one server after the other, as the C library does: the next one when a server is silent or fails.
async fn ask_each(conf: &DnsConf, question: &Query) -> Result<Message, AskError> {
    let mut error = AskError::Silent;
    for _ in 0..conf.attempts {
        for server in &conf.servers {
            match timeout(conf.timeout, ask(*server, question)).await {
                Ok(Ok(answer)) => return Ok(answer),
                Ok(Err(new)) => error = new,
                Err(_) => {}
            }
        }
    }
    Err(error)
}

/// IPv6 first, as RFC 6724 has it; what this machine has no way to is left out later.
fn by_family(mut addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    addresses.sort_by_key(IpAddr::is_ipv4);
    addresses
}

fn filter(
    rules: &EgressRules,
    name: &str,
    addresses: Vec<IpAddr>,
) -> Result<Vec<IpAddr>, ResolveError> {
    let first = addresses.first().copied();
    let allowed: Vec<_> = addresses.into_iter().filter(|address| rules.allows(*address)).collect();
    match first {
        Some(first) if allowed.is_empty() => Err(ResolveError::Blocked(first)),
        None => Err(ResolveError::NoSuchName(name.to_owned())),
        Some(_) => Ok(allowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_allowed_addresses_are_given() {
        let rules = EgressRules::default();
        let of =
            |texts: &[&str]| -> Vec<IpAddr> { texts.iter().map(|t| t.parse().unwrap()).collect() };
        let good = of(&["10.0.0.1"]);
        assert_eq!(filter(&rules, "x", of(&["169.254.169.254", "10.0.0.1"])), Ok(good));
        let metadata: IpAddr = "169.254.169.254".parse().unwrap();
        let blocked = filter(&rules, "x", of(&["169.254.169.254", "::"]));
        assert_eq!(blocked, Err(ResolveError::Blocked(metadata)));
        assert_eq!(filter(&rules, "x", vec![]), Err(ResolveError::NoSuchName("x".to_owned())));
    }

    #[test]
    fn literal_addresses_in_any_notation_are_judged() {
        let rules = EgressRules::parse("metadata,loopback,unspecified", "").unwrap();
        for blocked in [
            "http://169.254.169.254/latest",
            "http://2852039166/",
            "http://0xa9fea9fe/",
            "http://0251.0376.0251.0376/",
            "http://0xa9.254.0251.254/",
            "http://169.254.43518/",
            "http://[::ffff:169.254.169.254]/",
            "http://[fd00:ec2::254]/",
            "http://127.1/",
            "http://0/",
            "http://[::1]:8080/",
            "http://①②⑦.0.0.1/",
        ] {
            let url = Url::parse(blocked).unwrap();
            assert!(check_literal(&rules, &url).is_err(), "{blocked}");
        }
        for allowed in ["http://10.0.0.1/", "http://example.com/", "http://[2606:4700::1]/"] {
            let url = Url::parse(allowed).unwrap();
            assert_eq!(check_literal(&rules, &url), Ok(()), "{allowed}");
        }
    }
}
