//! The settings of a monitor that looks at a TLS handshake and its certificate. Pure.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::certificate::read_expiry_days;
use super::pace::Pace;
use crate::fields::{Fields, parse_text};

/// The port of a `tls://` address that names none.
const USUAL_PORT: u16 = 443;

const NO_URL: &str = "is missing: give an address such as tls://example.com:443";

/// How a TLS handshake is checked (contract, section 4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TlsSpec {
    /// `tls://host:port`; the port is always there, and an international name is in its ASCII form.
    pub url: Url,
    /// How often, how long, how sure.
    #[serde(flatten)]
    pub pace: Pace,
    /// Whether the certificate must be valid.
    pub verify_tls: bool,
    /// The days before the end of the certificate at which it is warned of.
    pub tls_expiry_days: Vec<u32>,
}

impl TlsSpec {
    /// Reads it from a request; `current` is what a PATCH edits. `None` when the URL is wrong, which is then noted as are the
    /// others.
    pub(super) fn read(fields: &mut Fields<'_>, current: Option<&Self>) -> Option<Self> {
        let kept = current.map(|c| Some(c.url.clone()));
        let url = fields.read("url", None, kept, |value| parse_url(value).map(Some));
        if url.is_none() {
            fields.wrong("url", NO_URL);
        }
        let pace = Pace::read(fields, current.map(|c| &c.pace));
        let verify_tls = fields.boolean("verify_tls", true, current.map(|c| c.verify_tls));
        let tls_expiry_days = read_expiry_days(fields, current.map(|c| c.tls_expiry_days.clone()));
        Some(Self { url: url?, pace, verify_tls, tls_expiry_days })
    }

    /// The host, without the brackets of an IPv6 address.
    pub fn host(&self) -> &str {
        let host = self.url.host_str().unwrap_or_default();
        host.strip_prefix('[').and_then(|h| h.strip_suffix(']')).unwrap_or(host)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.url.port().unwrap_or(USUAL_PORT)
    }
}

/// `tls://host` or `tls://host:port` and nothing more.
fn parse_url(value: &Value) -> Result<Url, String> {
    let text = parse_text(value, 10_000)?;
    let text = text.trim();
    if text.is_empty() {
        return Err(NO_URL.to_owned());
    }
    let rest = match text.split_once("://") {
        Some((scheme, rest)) if scheme.eq_ignore_ascii_case("tls") => rest,
        Some((scheme, _)) => {
            return Err(format!("starts with {scheme}:, but must start with tls://"));
        }
        None => return Err(format!("has no scheme: write tls://{text}")),
    };
    // Hosts of schemes that the URL standard does not know are left as they are written; read as https, an
    // international name and the odd forms of an IPv4 address become what is asked for on the wire.
    let https =
        Url::parse(&format!("https://{rest}")).map_err(|e| format!("is not an address: {e}"))?;
    let is_bare = https.path() == "/"
        && https.query().is_none()
        && https.fragment().is_none()
        && https.username().is_empty()
        && https.password().is_none();
    if !is_bare {
        return Err("has more than a host and a port: write tls://example.com:443".to_owned());
    }
    let host = https.host_str().ok_or("has no host")?;
    let port = https.port_or_known_default().unwrap_or(USUAL_PORT);
    Url::parse(&format!("tls://{host}:{port}")).map_err(|e| format!("is not an address: {e}"))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn addresses_are_read_into_one_form() {
        for (given, read) in [
            ("tls://example.com", "tls://example.com:443"),
            ("tls://example.com:443", "tls://example.com:443"),
            (" TLS://Example.COM:8443/ ", "tls://example.com:8443"),
            ("tls://bücher.example", "tls://xn--bcher-kva.example:443"),
            ("tls://127.1:99", "tls://127.0.0.1:99"),
            ("tls://[::1]:99", "tls://[::1]:99"),
        ] {
            assert_eq!(parse_url(&json!(given)).as_ref().map(Url::as_str), Ok(read), "{given}");
        }
        for wrong in [
            "",
            "example.com",
            "example.com:443",
            "https://example.com",
            "tls://",
            "tls://:443",
            "tls://example.com:0x1",
            "tls://example.com:65536",
            "tls://example.com/path",
            "tls://example.com?q",
            "tls://me@example.com",
            "tls://exa mple.com",
        ] {
            assert!(parse_url(&json!(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn host_and_port_are_what_is_dialled() {
        for (given, host, port) in
            [("tls://[2001:db8::1]", "2001:db8::1", 443), ("tls://a.example:465", "a.example", 465)]
        {
            let map = json!({ "url": given });
            let mut fields = Fields::new(map.as_object().unwrap());
            let spec = TlsSpec::read(&mut fields, None).unwrap();
            assert_eq!((spec.host(), spec.port()), (host, port));
            assert_eq!(spec.tls_expiry_days, [30, 14, 7, 1]);
        }
    }
}
