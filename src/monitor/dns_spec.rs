//! What is set of a monitor that asks DNS, and what its answers mean. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::{Host, Url};

use super::endpoint::{Endpoint, parse_url, read_url};
use super::{ErrorKind, Pace};
use crate::fields::{Fields, parse_text};

const EXAMPLE: &str = "dns://example.com?type=A";
/// The port that DNS servers listen on.
pub const DNS_PORT: u16 = 53;
/// Answers that a message names at most.
const NAMED: usize = 8;

crate::words! {
    /// What is asked of a name.
    pub enum RecordKind {
        /// Its IPv4 addresses.
        A = "A",
        /// Its IPv6 addresses.
        Aaaa = "AAAA",
        /// The name that it stands for.
        Cname = "CNAME",
        /// Who takes its mail.
        Mx = "MX",
        /// Who serves its zone.
        Ns = "NS",
        /// Its texts.
        Txt = "TXT",
        /// The head of its zone.
        Soa = "SOA",
        /// Where a service is.
        Srv = "SRV",
        /// Who may issue certificates for it.
        Caa = "CAA",
    }
}

/// How a name is looked up: it is up when there is a record of the kind, and one has the expected value.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct DnsSpec {
    /// `dns://name?type=A`, always with the type.
    pub url: Url,
    /// One of the answers must be this. Case, a trailing dot and quotes do not matter.
    pub expected_value: Option<String>,
    /// The server that is asked, as `host:port`; `None`: those of the system.
    pub resolver: Option<String>,
    /// How often, how long, how sure.
    #[serde(flatten)]
    pub pace: Pace,
}

impl DnsSpec {
    /// Reads it from a request; `current` is what a PATCH edits. `None` when the URL is wrong, which is then noted.
    pub(super) fn read(fields: &mut Fields<'_>, current: Option<&Self>) -> Option<Self> {
        let url = read_url(fields, current.map(|c| &c.url), EXAMPLE, parse);
        let expected_value = fields.optional_text(
            "expected_value",
            10_000,
            current.map(|c| c.expected_value.clone()),
        );
        if let (Some(url), Some(expected)) = (&url, &expected_value)
            && let Err(reason) = can_be(record_kind(url), expected)
        {
            fields.wrong("expected_value", reason);
        }
        let kept = current.map(|c| c.resolver.clone());
        let resolver = fields.read("resolver", None, kept, parse_resolver);
        let pace = Pace::read(fields, current.map(|c| &c.pace));
        Some(Self { url: url?, expected_value, resolver, pace })
    }

    /// The name that is asked about, without a trailing dot.
    pub fn name(&self) -> &str {
        self.url.host_str().unwrap_or_default()
    }

    /// What is asked of it.
    pub fn record_kind(&self) -> RecordKind {
        record_kind(&self.url)
    }

    /// The server that is asked and its port; `None`: those of the system.
    pub fn server(&self) -> Option<(Endpoint, u16)> {
        let server: Endpoint = self.resolver.as_deref()?.parse().ok()?;
        let port = server.port.unwrap_or(DNS_PORT);
        Some((server, port))
    }

    /// What is wrong with `answers`, each as a zone file writes it, if anything is: in a word and in a sentence part.
    pub fn judge(&self, answers: &[String]) -> Option<(ErrorKind, String)> {
        let kind = self.record_kind();
        if answers.is_empty() {
            return Some((ErrorKind::Dns, format!("{} has no {kind} record", self.name())));
        }
        let expected = self.expected_value.as_deref()?;
        if answers.iter().any(|answer| is_same(kind, expected, answer)) {
            return None;
        }
        let mut got: Vec<&str> = answers.iter().take(NAMED).map(String::as_str).collect();
        if answers.len() > NAMED {
            got.push("…");
        }
        Some((ErrorKind::Assertion, format!("expected {expected}, got {}", got.join(", "))))
    }
}

fn record_kind(url: &Url) -> RecordKind {
    let given = url.query_pairs().find(|(name, _)| name == "type");
    given.and_then(|(_, kind)| kind.parse().ok()).unwrap_or(RecordKind::A)
}

fn parse(value: &Value) -> Result<Url, String> {
    let mut url = parse_url(value, "dns", EXAMPLE)?;
    if url.port().is_some() {
        return Err("has a port: the server to ask goes into the field resolver".to_owned());
    }
    if !matches!(Endpoint::of(&url).host, Host::Domain(_)) {
        return Err(format!("has an address where a name must be: write it as {EXAMPLE}"));
    }
    let mut kind = None;
    for (name, value) in url.query_pairs() {
        if name != "type" {
            return Err(format!("has {name} after the question mark, where only type can be"));
        }
        if kind.is_some() {
            return Err("has two types: make a monitor for each".to_owned());
        }
        let word = value.to_ascii_uppercase();
        kind = Some(word.parse().map_err(|why| format!("has a type that {why}"))?);
    }
    url.set_query(Some(&format!("type={}", kind.unwrap_or(RecordKind::A))));
    Ok(url)
}

fn parse_resolver(value: &Value) -> Result<Option<String>, String> {
    let text = parse_text(value, 1_000)?;
    let text = text.trim();
    if text.is_empty() {
        return Ok(None);
    }
    let mut server: Endpoint = text.parse().map_err(|reason: String| {
        format!("{reason}; write a server such as 9.9.9.9 or dns.internal:5353")
    })?;
    if server.port == Some(0) {
        return Err("has the port 0, which nobody can listen on".to_owned());
    }
    server.port = server.port.or(Some(DNS_PORT));
    Ok(Some(server.to_string()))
}

/// Whether a record of `kind` can have the value at all.
fn can_be(kind: RecordKind, expected: &str) -> Result<(), &'static str> {
    let expected = expected.trim();
    match kind {
        RecordKind::A if expected.parse::<Ipv4Addr>().is_err() => {
            Err("must be an IPv4 address, as the type is A")
        }
        RecordKind::Aaaa if expected.parse::<Ipv6Addr>().is_err() => {
            Err("must be an IPv6 address, as the type is AAAA")
        }
        _ => Ok(()),
    }
}

/// The text of a TXT record as zone files and `dig` write it: pieces in quotes, which are joined, with `\"`, `\\` and `\065` in them
/// (RFC 1035, section 5.1). What does not begin with a quote is taken as it stands.
fn unquoted(text: &str) -> String {
    let text = text.trim();
    if !text.starts_with('"') {
        return text.to_owned();
    }
    let (mut joined, mut is_inside) = (String::new(), false);
    let mut rest = text.chars();
    while let Some(c) = rest.next() {
        match c {
            '"' => is_inside = !is_inside,
            '\\' => {
                let digits: String = rest.clone().take(3).collect();
                match digits.parse::<u8>() {
                    Ok(code) if digits.len() == 3 => {
                        joined.push(char::from(code));
                        rest.nth(2);
                    }
                    _ => joined.extend(rest.next()),
                }
            }
            c if is_inside => joined.push(c),
            // Between two pieces.
            _ => {}
        }
    }
    joined
}

/// Whether an answer is the expected one. Of MX and SRV the host alone is enough.
fn is_same(kind: RecordKind, expected: &str, answer: &str) -> bool {
    match kind {
        RecordKind::A | RecordKind::Aaaa => {
            let address = |text: &str| text.trim().parse::<IpAddr>().ok();
            address(expected).is_some() && address(expected) == address(answer)
        }
        RecordKind::Txt => unquoted(expected).trim().to_lowercase() == answer.trim().to_lowercase(),
        RecordKind::Mx | RecordKind::Srv => {
            let (expected, answer) = (plain(expected), plain(answer));
            expected == answer || answer.rsplit(' ').next() == Some(expected.as_str())
        }
        _ => plain(expected) == plain(answer),
    }
}

/// In lower case, without quotes, and each word without a trailing dot.
fn plain(text: &str) -> String {
    let text = text.replace('"', "").to_lowercase();
    text.split_whitespace().map(|word| word.trim_end_matches('.')).collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_compared_as_its_kind_wants() {
        use RecordKind::{A, Aaaa, Caa, Cname, Mx, Soa, Srv, Txt};
        for (kind, expected, answer) in [
            (A, " 192.0.2.1", "192.0.2.1"),
            (Aaaa, "2001:DB8:0:0::1", "2001:db8::1"),
            (Cname, "WWW.Example.com", "www.example.com."),
            (Mx, "10 mail.example.com", "10 mail.example.com."),
            (Mx, "Mail.example.com.", "10 mail.example.com."),
            (Srv, "sip.example.com", "0 5 5060 sip.example.com."),
            (Txt, "\"v=spf1 -all\"", "v=spf1 -all"),
            (Txt, "V=SPF1 -all", "v=spf1 -all"),
            (Txt, r#""v=DKIM1; p=ab" "cd""#, "v=DKIM1; p=abcd"),
            (Txt, r#""a\"b\\\067""#, "a\"b\\C"),
            (Caa, "0 issue letsencrypt.org", "0 issue \"letsencrypt.org\""),
            (Soa, "ns.a.b host.a.b 1 2 3 4 5", "ns.a.b. host.a.b. 1 2 3 4 5"),
        ] {
            assert!(is_same(kind, expected, answer), "{kind} {expected}");
        }
        for (kind, expected, answer) in [
            (A, "192.0.2.1", "192.0.2.10"),
            (Cname, "example.com", "www.example.com."),
            (Mx, "example.com", "10 mail.example.com."),
            (Mx, "20 mail.example.com", "10 mail.example.com."),
            (Txt, "v=spf1", "v=spf1 -all"),
        ] {
            assert!(!is_same(kind, expected, answer), "{kind} {expected}");
        }
    }
}
