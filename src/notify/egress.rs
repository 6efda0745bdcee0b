//! The HTTP client that channels are called with: no proxy, no redirects, and only addresses that may be contacted.

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use reqwest::redirect::Policy;
use url::{Host, Url};

/// Whether an address may be contacted (`WATCHBELL_EGRESS_DENY` and `_ALLOW`).
pub type Allows = Arc<dyn Fn(IpAddr) -> bool + Send + Sync>;

/// Why a request could not be made.
#[derive(Debug, thiserror::Error)]
#[error("the address {0} is blocked by the egress rules (WATCHBELL_EGRESS_DENY)")]
pub struct Blocked(String);

/// An HTTP client that contacts only what the egress rules allow.
#[derive(Clone)]
pub struct EgressClient {
    client: reqwest::Client,
    allows: Allows,
    limit: Duration,
}

impl EgressClient {
    /// A client whose requests take at most `limit`, from name resolution to the last byte.
    ///
    /// # Errors
    /// When TLS cannot be set up, such as without any root certificates.
    pub fn new(allows: Allows, limit: Duration) -> Result<Self, reqwest::Error> {
        // Fails when it was done before, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .timeout(limit)
            // Alerts are rare: a connection kept from the last one has mostly been closed by the far end.
            .pool_max_idle_per_host(0)
            .user_agent(concat!("Watchbell/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(FilteringResolver(Arc::clone(&allows))))
            .build()?;
        Ok(Self { client, allows, limit })
    }

    /// The longest that a request may take.
    pub fn limit(&self) -> Duration {
        self.limit
    }

    /// Begins a request.
    ///
    /// # Errors
    /// When the URL has a literal address that is not allowed: those never reach the resolver.
    pub fn request(
        &self,
        method: reqwest::Method,
        url: &Url,
    ) -> Result<reqwest::RequestBuilder, Blocked> {
        let literal = match url.host() {
            Some(Host::Ipv4(ip)) => Some(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => Some(IpAddr::V6(ip)),
            _ => None,
        };
        match literal {
            Some(ip) if !(self.allows)(ip) => Err(Blocked(ip.to_string())),
            _ => Ok(self.client.request(method, url.clone())),
        }
    }
}

/// The system's resolver, less the addresses that may not be contacted.
struct FilteringResolver(Allows);

impl Resolve for FilteringResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let allows = Arc::clone(&self.0);
        Box::pin(async move {
            let found: Vec<SocketAddr> =
                tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            let allowed: Vec<SocketAddr> =
                found.iter().copied().filter(|a| allows(a.ip())).collect();
            if let (Some(first), true) = (found.first(), allowed.is_empty()) {
                return Err(Blocked(format!("{} of {}", first.ip(), name.as_str())).into());
            }
            Ok(Box::new(allowed.into_iter()) as Addrs)
        })
    }
}
