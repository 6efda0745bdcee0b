//! The request that each hop of a check sends. Pure.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use url::Url;

use crate::monitor::{CheckError, ErrorKind, Header, HttpSpec};

/// The most redirects that are followed (contract, section 4).
pub(super) const MAX_HOPS: usize = 10;

/// One request, as it goes out.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Hop {
    /// Where to, without user and password.
    pub(super) url: Url,
    /// How.
    pub(super) method: String,
    /// What is said along.
    pub(super) headers: Vec<Header>,
    /// What is sent along.
    pub(super) body: Option<String>,
}

impl Hop {
    /// The first request of a check: user and password in the URL become basic authentication (RFC 7617), and a body
    /// that is JSON says so, unless the headers of the monitor say otherwise.
    pub(super) fn first(spec: &HttpSpec) -> Self {
        let mut hop = Self {
            url: spec.url.clone(),
            method: spec.method.clone(),
            headers: spec.headers.clone(),
            body: spec.body.clone(),
        };
        hop.take_credentials();
        if hop.body.as_deref().is_some_and(is_json) {
            hop.add_unless_there("Content-Type", "application/json");
        }
        hop
    }

    /// The same after `hops` redirects.
    ///
    /// # Errors
    /// They were enough, or [`Hop::next`] fails.
    pub(super) fn onwards(
        self,
        hops: usize,
        status: u16,
        location: &str,
    ) -> Result<Self, CheckError> {
        if hops == MAX_HOPS {
            return Err(CheckError::new(ErrorKind::TooManyRedirects, "too many redirects"));
        }
        self.next(status, location)
    }

    /// The request that an answer of `status` with `location` leads to.
    ///
    /// # Errors
    /// The location cannot be read, or is not of http or https.
    pub(super) fn next(self, status: u16, location: &str) -> Result<Self, CheckError> {
        let url = self.url.join(location).map_err(|_| {
            let text = "the redirect leads to an address that cannot be read";
            CheckError::new(ErrorKind::InvalidResponse, text)
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            let text = format!("a redirect to {}: is not allowed", url.scheme());
            return Err(CheckError::new(ErrorKind::Blocked, text));
        }
        let mut next = self;
        if !may_share_secrets(&next.url, &url) {
            next.headers.retain(|h| !h.is_secret() && !h.name.eq_ignore_ascii_case("host"));
        }
        if becomes_get(status, &next.method) {
            next.method = "GET".to_owned();
            next.body = None;
            next.headers.retain(|h| !h.name.to_ascii_lowercase().starts_with("content-"));
        }
        next.url = url;
        next.take_credentials();
        Ok(next)
    }

    fn take_credentials(&mut self) {
        if self.url.username().is_empty() && self.url.password().is_none() {
            return;
        }
        let decode = |text: &str| percent_decode(text.as_bytes());
        let mut pair = decode(self.url.username());
        pair.push(b':');
        pair.extend(decode(self.url.password().unwrap_or_default()));
        // Both fail only for URLs without a host, and those of http always have one.
        let _ = self.url.set_username("");
        let _ = self.url.set_password(None);
        self.add_unless_there("Authorization", &format!("Basic {}", STANDARD.encode(pair)));
    }

    fn add_unless_there(&mut self, name: &str, value: &str) {
        if !self.headers.iter().any(|h| h.name.eq_ignore_ascii_case(name)) {
            self.headers.push(Header { name: name.to_owned(), value: value.to_owned() });
        }
    }
}

/// Whether an answer of `status` redirects if it has a location (RFC 9110, section 15.4).
pub(super) fn is_redirect(status: u16) -> bool {
    matches!(status, 301 | 302 | 303 | 307 | 308)
}

/// RFC 9110, section 15.4: 303 is fetched with GET, and so is, as every client does it, 301 or 302 after POST.
fn becomes_get(status: u16, method: &str) -> bool {
    match status {
        303 => !matches!(method, "GET" | "HEAD"),
        301 | 302 => method == "POST",
        _ => false,
    }
}

/// Secrets stay with their host and port, and never go from https to http. The step from http to https at the
/// usual ports is the one change of port that stays with the same server.
fn may_share_secrets(from: &Url, to: &Url) -> bool {
    let port = |url: &Url| url.port_or_known_default();
    let same_port = port(from) == port(to);
    let step_up = port(from) == Some(80) && port(to) == Some(443);
    from.host() == to.host()
        && match (from.scheme(), to.scheme()) {
            ("https", "http") => false,
            ("http", "https") => same_port || step_up,
            _ => same_port,
        }
}

fn is_json(body: &str) -> bool {
    serde_json::from_str::<serde::de::IgnoredAny>(body).is_ok()
}

/// RFC 3986, section 2.1; a `%` that is not followed by two digits stands for itself.
fn percent_decode(text: &[u8]) -> Vec<u8> {
    let digit = |i: usize| text.get(i).and_then(|b| char::from(*b).to_digit(16));
    let mut decoded = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match (byte, digit(at + 1), digit(at + 2)) {
            (b'%', Some(high), Some(low)) => {
                decoded.extend(u8::try_from(high * 16 + low));
                at += 3;
            }
            _ => {
                decoded.push(*byte);
                at += 1;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn hop(url: &str, method: &str) -> Hop {
        let header = |name: &str| Header { name: name.to_owned(), value: "v".to_owned() };
        Hop {
            url: Url::parse(url).unwrap(),
            method: method.to_owned(),
            headers: ["Authorization", "X-Api-Key", "Cookie", "Accept", "Content-Type", "Host"]
                .map(header)
                .to_vec(),
            body: Some("{}".to_owned()),
        }
    }

    #[test]
    fn secrets_stay_with_their_host() {
        for (from, to, kept) in [
            ("http://a.example/", "/b", true),
            ("http://a.example/", "http://a.example:80/b", true),
            ("http://a.example/", "https://a.example/b", true),
            ("http://a.example/", "http://A.EXAMPLE/b", true),
            ("https://a.example/", "http://a.example/b", false),
            ("https://a.example:8443/", "http://a.example:8443/", false),
            ("https://a.example/", "https://b.example/", false),
            ("https://a.example/", "https://a.example.b.example/", false),
            ("https://a.example/", "https://a.example@b.example/", false),
            ("https://a.example/", "//b.example/", false),
            ("https://a.example/", "\\\\b.example\\", false),
            ("http://a.example:8080/", "http://a.example:8081/", false),
            ("http://127.0.0.1/", "http://2130706433/", true),
            ("http://127.0.0.1/", "http://localhost/", false),
        ] {
            let next = hop(from, "GET").next(302, to).unwrap();
            let names: Vec<_> = next.headers.iter().map(|h| h.name.as_str()).collect();
            let has = |name| next.headers.iter().any(|h: &Header| h.name == name && h.value == "v");
            for secret in ["Authorization", "X-Api-Key", "Cookie", "Host"] {
                assert_eq!(has(secret), kept, "{from} to {to}: {names:?}");
            }
            assert!(has("Accept"));
        }
    }

    #[test]
    fn the_method_follows_the_rules() {
        for (status, method, then) in [
            (301, "POST", "GET"),
            (302, "POST", "GET"),
            (301, "PUT", "PUT"),
            (302, "DELETE", "DELETE"),
            (301, "HEAD", "HEAD"),
            (303, "PUT", "GET"),
            (303, "HEAD", "HEAD"),
            (303, "GET", "GET"),
            (307, "POST", "POST"),
            (308, "POST", "POST"),
        ] {
            let next = hop("http://a.example/", method).next(status, "/b").unwrap();
            assert_eq!(next.method, then, "{status} after {method}");
            assert_eq!(next.body.is_some(), method == then, "{status} after {method}");
            let typed = next.headers.iter().any(|h| h.name == "Content-Type");
            assert_eq!(typed, method == then, "{status} after {method}");
        }
    }

    #[test]
    fn other_schemes_and_unreadable_addresses_end_the_way() {
        for (location, kind) in [
            ("file:///etc/passwd", ErrorKind::Blocked),
            ("ftp://a.example/", ErrorKind::Blocked),
            ("javascript:alert(1)", ErrorKind::Blocked),
            ("http://", ErrorKind::InvalidResponse),
            ("http://a.example:99999/", ErrorKind::InvalidResponse),
        ] {
            let error = hop("http://a.example/", "GET").next(302, location).unwrap_err();
            assert_eq!(error.kind, kind, "{location}: {}", error.text);
        }
    }

    #[test]
    fn credentials_of_a_url_become_basic_authentication() {
        let mut hop = hop("https://us%40er:p%C3%A4%zz@a.example/", "GET");
        hop.headers.clear();
        hop.take_credentials();
        assert_eq!(hop.url.as_str(), "https://a.example/");
        assert_eq!(hop.headers[0].value, format!("Basic {}", STANDARD.encode("us@er:pä%zz")));
    }

    proptest! {
        #[test]
        fn no_secret_reaches_another_host(
            from in "https?://[a-c]\\.example(:8[0-1])?/",
            to in "(https?:)?//([a-c]@)?[a-c]\\.example(:8[0-1])?/x|/[a-z@:/]{0,8}",
            status in prop::sample::select(vec![301, 302, 303, 307, 308]),
        ) {
            let before = hop(&from, "POST");
            if let Ok(after) = before.clone().next(status, &to) {
                let own = after.headers.iter().any(|h| h.is_secret() && h.value == "v");
                let same_host = before.url.host() == after.url.host();
                let downgrade = before.url.scheme() == "https" && after.url.scheme() == "http";
                prop_assert!(!own || (same_host && !downgrade));
                prop_assert!(after.url.username().is_empty());
            }
        }

        #[test]
        fn any_location_is_borne(location in ".*", status in 300_u16..310) {
            let _ = hop("https://a.example/x", "POST").next(status, &location);
        }
    }
}
