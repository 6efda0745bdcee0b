//! Names to addresses, through the system's resolver and the egress rules.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::{Host, Url};

use super::egress::EgressRules;
use super::phases;
use super::reach::reachable;

/// Why a name gave no address to connect to.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResolveError {
    /// The resolver knows no address of it.
    #[error("could not resolve {0}")]
    Unresolvable(String),
    /// The resolver did not answer: its fault, ours, or that of the name's own servers.
    #[error("could not resolve {0}: the resolver did not answer")]
    NoAnswer(String),
    /// It has addresses, but the egress rules allow none of them; this is the first.
    #[error("address {0} is not allowed by the egress rules")]
    Blocked(IpAddr),
    /// We cannot ask: a trouble of our own.
    #[error("cannot ask the resolver: {0}")]
    Internal(String),
}

/// A resolver for reqwest that gives only addresses which the egress rules allow.
///
/// What it gives is what is connected to: no second look-up can give another address. reqwest does not ask it
/// about literal addresses; for those there is [`GuardedResolver::check_literal`].
#[derive(Debug, Clone)]
pub struct GuardedResolver {
    rules: Arc<EgressRules>,
    /// `None`: the system.
    names: Option<Arc<dyn Names>>,
}

/// Says what the addresses of a name are, in place of the system: tests make it as hostile as a name server can be.
pub trait Names: std::fmt::Debug + Send + Sync {
    /// The addresses of `name` at this moment.
    fn addresses(&self, name: &str) -> Vec<IpAddr>;
}

impl GuardedResolver {
    /// A resolver that obeys `rules`.
    pub fn new(rules: Arc<EgressRules>) -> Self {
        Self { rules, names: None }
    }

    /// A resolver that obeys `rules` and asks `names`.
    pub fn with_names(rules: Arc<EgressRules>, names: Arc<dyn Names>) -> Self {
        Self { rules, names: Some(names) }
    }

    /// Whether the rules allow the host of `url`, if that is a literal address, which is never looked up.
    ///
    /// # Errors
    /// [`ResolveError::Blocked`].
    pub fn check_literal(&self, url: &Url) -> Result<(), ResolveError> {
        check_literal(&self.rules, url)
    }

    /// The addresses of `host`, a name or a literal address, that the rules allow and that can be reached, with `port`.
    ///
    /// # Errors
    /// There is none.
    pub async fn addresses_of(
        &self,
        host: &str,
        port: u16,
    ) -> Result<Vec<SocketAddr>, ResolveError> {
        if let Ok(address) = host.parse::<IpAddr>() {
            return filter(&self.rules, host, vec![SocketAddr::new(address, port)]);
        }
        let mut addresses = match &self.names {
            Some(names) => {
                names.addresses(host).into_iter().map(|a| SocketAddr::new(a, port)).collect()
            }
            None => look_up(host).await?,
        };
        phases::resolved();
        addresses.iter_mut().for_each(|address| address.set_port(port));
        Ok(reachable(filter(&self.rules, host, addresses)?))
    }
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let this = self.clone();
        Box::pin(async move {
            let allowed = this.addresses_of(name.as_str(), 0).await?;
            Ok(Box::new(allowed.into_iter()) as Addrs)
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

async fn look_up(name: &str) -> Result<Vec<SocketAddr>, ResolveError> {
    match tokio::net::lookup_host((name, 0)).await {
        Ok(addresses) => Ok(addresses.collect()),
        // The C library reports a lack of descriptors as an unknown name; trying to open one tells the two apart.
        Err(error) => Err(match std::net::UdpSocket::bind((IpAddr::from([0, 0, 0, 0]), 0)) {
            Ok(_) if is_no_answer(&error) => ResolveError::NoAnswer(name.to_owned()),
            Ok(_) => ResolveError::Unresolvable(name.to_owned()),
            Err(own) => ResolveError::Internal(own.to_string()),
        }),
    }
}

/// Whether the C library says `EAI_AGAIN`. std gives no code of it, but the C library's words, which it does not translate.
fn is_no_answer(error: &std::io::Error) -> bool {
    error.to_string().contains("Temporary failure in name resolution")
}

fn filter(
    rules: &EgressRules,
    name: &str,
    addresses: Vec<SocketAddr>,
) -> Result<Vec<SocketAddr>, ResolveError> {
    let first = addresses.first().map(SocketAddr::ip);
    let allowed: Vec<_> = addresses.into_iter().filter(|a| rules.allows(a.ip())).collect();
    match first {
        Some(first) if allowed.is_empty() => Err(ResolveError::Blocked(first)),
        None => Err(ResolveError::Unresolvable(name.to_owned())),
        Some(_) => Ok(allowed),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_allowed_addresses_are_given() {
        let rules = EgressRules::default();
        let of = |texts: &[&str]| -> Vec<SocketAddr> {
            texts.iter().map(|t| SocketAddr::new(t.parse().unwrap(), 0)).collect()
        };
        let good = of(&["10.0.0.1"]);
        assert_eq!(filter(&rules, "x", of(&["169.254.169.254", "10.0.0.1"])), Ok(good));
        let metadata: IpAddr = "169.254.169.254".parse().unwrap();
        let blocked = filter(&rules, "x", of(&["169.254.169.254", "::"]));
        assert_eq!(blocked, Err(ResolveError::Blocked(metadata)));
        assert_eq!(filter(&rules, "x", vec![]), Err(ResolveError::Unresolvable("x".to_owned())));
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
