//! The HTTP client that channels are called with: no proxy, no redirects, and only addresses that may be contacted.

use std::sync::Arc;
use std::time::Duration;

use reqwest::redirect::Policy;
use url::Url;

use crate::probe::GuardedResolver;
use crate::probe::resolver::ResolveError;

/// An HTTP client that contacts only what the egress rules allow.
#[derive(Clone)]
pub struct EgressClient {
    client: reqwest::Client,
    resolver: GuardedResolver,
    limit: Duration,
}

impl EgressClient {
    /// A client whose requests take at most `limit`, from name resolution to the last byte, and obey the rules of `resolver`.
    ///
    /// # Errors
    /// When TLS cannot be set up, such as without any root certificates.
    pub fn new(resolver: GuardedResolver, limit: Duration) -> Result<Self, reqwest::Error> {
        // Fails when it was done before, which is as good.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder()
            .no_proxy()
            .redirect(Policy::none())
            .timeout(limit)
            // Alerts are rare: a connection kept from the last one has mostly been closed by the far end.
            .pool_max_idle_per_host(0)
            .user_agent(concat!("Watchbell/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(resolver.clone()))
            .build()?;
        Ok(Self { client, resolver, limit })
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
    ) -> Result<reqwest::RequestBuilder, ResolveError> {
        self.resolver.check_literal(url)?;
        Ok(self.client.request(method, url.clone()))
    }
}

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr, TcpListener};
    use std::sync::atomic::{AtomicUsize, Ordering};

    use super::*;
    use crate::notify::testing::{Receiver, Reply};
    use crate::probe::EgressRules;
    use crate::probe::resolver::Names;

    const FORBIDDEN: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);

    /// Gives an address that is allowed and one that is not, in turn.
    #[derive(Debug, Default)]
    struct Turning(AtomicUsize);

    impl Names for Turning {
        fn addresses(&self, _: &str) -> Vec<IpAddr> {
            let allowed = self.0.fetch_add(1, Ordering::Relaxed).is_multiple_of(2);
            vec![if allowed { Ipv4Addr::LOCALHOST } else { FORBIDDEN }.into()]
        }
    }

    #[tokio::test]
    async fn a_channel_whose_name_turns_never_leads_to_a_forbidden_address() {
        let receiver = Receiver::start(|_, _| Reply::status(200)).await;
        let port = Url::parse(&receiver.url).unwrap().port().unwrap();
        let forbidden = TcpListener::bind((FORBIDDEN, port)).unwrap();
        let rules = Arc::new(EgressRules::parse("127.0.0.2", "").unwrap());
        let resolver = GuardedResolver::with_names(rules, Arc::new(Turning::default()));
        let client = EgressClient::new(resolver, Duration::from_secs(60)).unwrap();
        let url = Url::parse(&format!("http://hooks.example:{port}/")).unwrap();
        for turn in 0..100 {
            let sent = client.request(reqwest::Method::POST, &url).unwrap().send().await;
            assert_eq!(sent.is_ok(), turn % 2 == 0, "{turn}: {sent:?}");
        }
        for literal in ["http://127.0.0.2/", "http://2130706434/", "http://[::ffff:127.0.0.2]/"] {
            let blocked = client.request(reqwest::Method::POST, &Url::parse(literal).unwrap());
            assert!(matches!(blocked, Err(ResolveError::Blocked(_))), "{literal}");
        }
        forbidden.set_nonblocking(true).unwrap();
        let contact = forbidden.accept().map(|_| ()).map_err(|error| error.kind());
        assert_eq!(contact, Err(std::io::ErrorKind::WouldBlock), "somebody connected");
    }
}
