//! Hosts and ports as people write them, in `tcp://host:port` and its kin. Pure.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use serde_json::Value;
use url::{Host, Url};

use crate::fields::{Fields, parse_text};

/// A host and perhaps a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Endpoint {
    /// A name in ASCII without a trailing dot, or an address.
    pub host: Host<String>,
    /// The port, if one was given.
    pub port: Option<u16>,
}

impl Endpoint {
    /// The host and port of an address that [`parse_url`] has read.
    pub fn of(url: &Url) -> Self {
        let text = url.host_str().unwrap_or_default();
        // What was read once can be read again; else it is a name that does not resolve.
        let host = parse_host(text).unwrap_or_else(|_| Host::Domain(text.to_owned()));
        Self { host, port: url.port() }
    }

    /// The address, when the host is one.
    pub fn address(&self) -> Option<IpAddr> {
        match self.host {
            Host::Ipv4(address) => Some(address.into()),
            Host::Ipv6(address) => Some(address.into()),
            Host::Domain(_) => None,
        }
    }
}

impl FromStr for Endpoint {
    type Err = String;

    /// Reads `host`, `host:port` or `[::1]:port`; a bare IPv6 address has no port.
    fn from_str(text: &str) -> Result<Self, String> {
        if let Ok(address) = text.parse::<IpAddr>() {
            let host = match address {
                IpAddr::V4(address) => Host::Ipv4(address),
                IpAddr::V6(address) => Host::Ipv6(address),
            };
            return Ok(Self { host, port: None });
        }
        let url = Url::parse(&format!("any://{text}")).map_err(wrong)?;
        let is_bare = url.username().is_empty() && url.password().is_none();
        if !is_bare || !url.path().is_empty() || url.query().is_some() || url.fragment().is_some() {
            return Err("must be a host, or host:port".to_owned());
        }
        let host = parse_host(url.host_str().unwrap_or_default())?;
        Ok(Self { host, port: url.port() })
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.port {
            Some(port) => write!(f, "{}:{port}", self.host),
            None => write!(f, "{}", self.host),
        }
    }
}

/// A name or address in any of the notations that browsers take, `127.1` and `0x7f000001` among them.
fn parse_host(text: &str) -> Result<Host<String>, String> {
    let host = Host::parse(text.trim_end_matches('.')).map_err(wrong)?;
    if let Host::Domain(name) = &host {
        let fits = |label: &str| (1..=63).contains(&label.len());
        if name.len() > 253 || !name.split('.').all(fits) {
            return Err("has a host name that DNS does not allow".to_owned());
        }
    }
    Ok(host)
}

fn wrong(error: url::ParseError) -> String {
    match error {
        url::ParseError::EmptyHost => "has no host".to_owned(),
        other => format!("is not an address: {other}"),
    }
}

/// Reads an address that starts with `scheme`, such as `example`: host, port and query may be there, nothing else.
pub(super) fn parse_url(value: &Value, scheme: &str, example: &str) -> Result<Url, String> {
    let text = parse_text(value, 10_000)?;
    let text = text.trim();
    if text.is_empty() {
        return Err(missing(example));
    }
    let Some((given, _)) = text.split_once("://") else {
        return Err(format!("has no scheme: write {scheme}://{text}"));
    };
    if !given.eq_ignore_ascii_case(scheme) {
        return Err(format!("starts with {given}:, but must start with {scheme}://"));
    }
    let mut url = Url::parse(text).map_err(wrong)?;
    if !url.username().is_empty() || url.password().is_some() {
        return Err("has a user or password, which nobody is sent".to_owned());
    }
    if !matches!(url.path(), "" | "/") || url.fragment().is_some() {
        return Err(format!("has more than a host: write it as {example}"));
    }
    let host = parse_host(url.host_str().unwrap_or_default())?;
    url.set_path("");
    url.set_host(Some(&host.to_string())).map_err(wrong)?;
    Ok(url)
}

/// Reads `scheme://host` or `scheme://host:port` and nothing more.
pub(super) fn parse_host_and_port(
    value: &Value,
    scheme: &str,
    example: &str,
) -> Result<Url, String> {
    let url = parse_url(value, scheme, example)?;
    if url.query().is_some() {
        return Err(format!("has more than a host and a port: write it as {example}"));
    }
    if url.port() == Some(0) {
        return Err("has the port 0, which nobody can listen on".to_owned());
    }
    Ok(url)
}

/// Reads the field `url` with `parse`; `None` when it is wrong or missing, which is then noted.
pub(super) fn read_url(
    fields: &mut Fields<'_>,
    current: Option<&Url>,
    example: &str,
    parse: impl FnOnce(&Value) -> Result<Url, String>,
) -> Option<Url> {
    // Null is the default, and a URL has none, so it is as wrong in a PATCH as in a POST.
    let kept = current.map(|url| Some(url.clone()));
    let url = fields.read("url", None, kept, |value| parse(value).map(Some));
    if url.is_none() {
        fields.wrong("url", missing(example));
    }
    url
}

/// What is said when there is no address.
pub(super) fn missing(example: &str) -> String {
    format!("is missing: give an address such as {example}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_and_ports_are_read_and_written_alike() {
        for (text, shown) in [
            ("9.9.9.9", "9.9.9.9"),
            ("9.9.9.9:5353", "9.9.9.9:5353"),
            ("::1", "[::1]"),
            ("[2620:fe::fe]:53", "[2620:fe::fe]:53"),
            ("DNS.Example.com.", "dns.example.com"),
            ("bücher.example:53", "xn--bcher-kva.example:53"),
            ("_sip._tcp.example.com", "_sip._tcp.example.com"),
            ("0x7f.1", "127.0.0.1"),
        ] {
            assert_eq!(text.parse::<Endpoint>().unwrap().to_string(), shown);
        }
        for wrong in ["", "a b", "a/b", "user@a", "a:99999", "a?b", "a#b", "a..b", ":53"] {
            assert!(wrong.parse::<Endpoint>().is_err(), "{wrong}");
        }
        assert!("a".repeat(64).parse::<Endpoint>().is_err());
    }
}
