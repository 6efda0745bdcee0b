//! The settings of a monitor that looks at a TLS handshake and its certificate. Pure.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use super::certificate::read_expiry_days;
use super::endpoint::{Endpoint, parse_host_and_port, read_url};
use super::pace::Pace;
use crate::fields::Fields;

/// The port of a `tls://` address that names none.
const USUAL_PORT: u16 = 443;

const EXAMPLE: &str = "tls://example.com:443";

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
        let url = read_url(fields, current.map(|c| &c.url), EXAMPLE, parse);
        let pace = Pace::read(fields, current.map(|c| &c.pace));
        let verify_tls = fields.boolean("verify_tls", true, current.map(|c| c.verify_tls));
        let tls_expiry_days = read_expiry_days(fields, current.map(|c| c.tls_expiry_days.clone()));
        Some(Self { url: url?, pace, verify_tls, tls_expiry_days })
    }

    /// What is connected to.
    pub fn endpoint(&self) -> Endpoint {
        Endpoint::of(&self.url)
    }

    /// The port.
    pub fn port(&self) -> u16 {
        self.url.port().unwrap_or(USUAL_PORT)
    }
}

/// `tls://host` or `tls://host:port`; the port is added when it is missing.
fn parse(value: &Value) -> Result<Url, String> {
    let mut url = parse_host_and_port(value, "tls", EXAMPLE)?;
    if url.port().is_none() {
        url.set_port(Some(USUAL_PORT)).map_err(|()| "has no host".to_owned())?;
    }
    Ok(url)
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
            assert_eq!(parse(&json!(given)).as_ref().map(Url::as_str), Ok(read), "{given}");
        }
        for wrong in [
            "",
            "example.com",
            "example.com:443",
            "https://example.com",
            "tls://",
            "tls://:443",
            "tls://example.com:0",
            "tls://example.com:0x1",
            "tls://example.com:65536",
            "tls://example.com/path",
            "tls://example.com?q",
            "tls://me@example.com",
            "tls://exa mple.com",
        ] {
            assert!(parse(&json!(wrong)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn host_and_port_are_what_is_dialled() {
        for (given, host, port) in [
            ("tls://[2001:db8::1]", "[2001:db8::1]", 443),
            ("tls://a.example:465", "a.example", 465),
        ] {
            let map = json!({ "url": given });
            let mut fields = Fields::new(map.as_object().unwrap());
            let spec = TlsSpec::read(&mut fields, None).unwrap();
            assert_eq!((spec.endpoint().host.to_string().as_str(), spec.port()), (host, port));
            assert_eq!(spec.tls_expiry_days, [30, 14, 7, 1]);
        }
    }
}
