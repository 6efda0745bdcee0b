//! The headers of a request: of a check, and of a webhook. Pure.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::fields::Fields;

/// The most headers of a request.
const HEADERS_MAX: usize = 100;

/// What makes a header's value a secret, wherever it stands in the name.
const SECRET_PARTS: [&str; 17] = [
    "auth",
    "bearer",
    "cookie",
    "credential",
    "csrf",
    "hmac",
    "jwt",
    "key",
    "pass",
    "pwd",
    "saml",
    "secret",
    "session",
    "sessid",
    "signature",
    "token",
    "xsrf",
];
/// The same, of words that are parts of harmless ones too.
const SECRET_WORDS: [&str; 7] = ["assertion", "otp", "pin", "psk", "sid", "sig", "totp"];

/// One request header.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Header {
    /// Its name, as it was written.
    pub name: String,
    /// Its value.
    pub value: String,
}

impl Header {
    /// Whether the value is a secret by its name: it is then shown as [`SECRET_MASK`] and dropped on a redirect to another host.
    pub fn is_secret(&self) -> bool {
        let name = self.name.to_ascii_lowercase();
        SECRET_PARTS.iter().any(|part| name.contains(part))
            || name.split(['-', '_', '.']).any(|word| SECRET_WORDS.contains(&word))
    }

    /// The value as people may see it.
    pub fn shown(&self) -> &str {
        if self.is_secret() { SECRET_MASK } else { &self.value }
    }
}

/// What stands in for a secret when it is read back; sent back in a PATCH it keeps the stored value.
pub const SECRET_MASK: &str = "***";

/// The address as people may see it: without its password.
pub fn shown_url(url: &Url) -> Url {
    let mut url = url.clone();
    if url.password().is_some() {
        // Fails only for URLs that cannot have a password.
        let _ = url.set_password(Some(SECRET_MASK));
    }
    url
}

/// The address with its password: one of [`SECRET_MASK`] stands for that of `stored`, for the same user.
///
/// # Errors
/// As what follows on "url": that nothing is stored that the mask could stand for.
pub(crate) fn unmasked_url(mut url: Url, stored: Option<&Url>) -> Result<Url, String> {
    if url.password() != Some(SECRET_MASK) {
        return Ok(url);
    }
    let kept = stored.filter(|stored| stored.username() == url.username());
    let password = kept
        .and_then(Url::password)
        .ok_or_else(|| format!("has a password that {}", nothing_stored()))?;
    let _ = url.set_password(Some(password));
    Ok(url)
}

/// Why a mask is refused that stands for nothing.
pub(crate) fn nothing_stored() -> String {
    format!("is {SECRET_MASK}, but nothing is stored that it could stand for; give the value")
}

/// The headers of a check; `stored` are those that a PATCH edits.
pub(super) fn read_headers(fields: &mut Fields<'_>, stored: Option<&[Header]>) -> Vec<Header> {
    fields.read("headers", Vec::new(), stored.map(<[Header]>::to_vec), |value| {
        let headers = parse_headers(value, stored.unwrap_or_default())?;
        refuse(&headers, &["content-length", "transfer-encoding"])?;
        Ok(headers)
    })
}

/// Refuses headers that say how the request is framed or signed: only Watchbell can know that. `own` are their names in lower case.
pub(crate) fn refuse(headers: &[Header], own: &[&str]) -> Result<(), String> {
    match headers.iter().find(|h| own.iter().any(|own| h.name.eq_ignore_ascii_case(own))) {
        Some(header) => {
            Err(format!("has {}, which Watchbell sets itself; leave it out", header.name))
        }
        None => Ok(()),
    }
}

/// Headers are an object of name to value; a value of [`SECRET_MASK`] keeps the `stored` one.
pub(crate) fn parse_headers(value: &Value, stored: &[Header]) -> Result<Vec<Header>, String> {
    let object = value
        .as_object()
        .ok_or("must be an object of name to value, such as {\"Accept\": \"*/*\"}")?;
    if object.len() > HEADERS_MAX {
        return Err(format!("must have at most {HEADERS_MAX} headers"));
    }
    object.iter().map(|(name, value)| parse_header(name, value, stored)).collect()
}

fn parse_header(name: &str, value: &Value, stored: &[Header]) -> Result<Header, String> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if name.is_empty() || name.len() > 256 || !name.chars().all(is_token) {
        return Err(format!("has a name that HTTP does not allow: {name:?}"));
    }
    let value = value.as_str().ok_or_else(|| format!("has a value for {name} that is not text"))?;
    if value.len() > 10_000 || value.chars().any(|c| c.is_control() && c != '\t') {
        return Err(format!(
            "has a value for {name} with a line break, a control character or over 10000 bytes"
        ));
    }
    let given = Header { name: name.to_owned(), value: value.to_owned() };
    if value != SECRET_MASK {
        return Ok(given);
    }
    match stored.iter().find(|h| h.name.eq_ignore_ascii_case(name)) {
        Some(kept) => Ok(Header { value: kept.value.clone(), ..given }),
        None if given.is_secret() => {
            Err(format!("has a value for {name} that {}", nothing_stored()))
        }
        None => Ok(given),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn header(name: &str, value: &str) -> Header {
        Header { name: name.to_owned(), value: value.to_owned() }
    }

    #[test]
    fn a_mask_stands_for_the_stored_value_or_is_refused() {
        let stored = [header("X-Api-Key", "s3cret")];
        let kept = parse_headers(&json!({"x-api-key": "***"}), &stored).unwrap();
        assert_eq!(kept, [header("x-api-key", "s3cret")]);
        let refused = parse_headers(&json!({"Authorization": "***"}), &stored).unwrap_err();
        assert!(refused.contains("Authorization") && refused.contains("nothing is stored"));
        assert_eq!(
            parse_headers(&json!({"Accept": "***"}), &[]),
            Ok(vec![header("Accept", "***")])
        );
    }

    #[test]
    fn what_is_secret_by_its_name_is_not_shown() {
        let shown = |name: &str| header(name, "s3cret").shown().to_owned();
        for name in [
            "Authorization",
            "Cookie",
            "X-Vault-Token",
            "x-jwt-assertion",
            "X-Bearer",
            "x-vercel-protection-bypass",
            "X-OTP",
            "X_PSK",
            "PHPSESSID",
            "X-SID",
            "X-SAML-Response",
            "X-Amz-Signature",
            "X-Passphrase",
        ] {
            assert_eq!(shown(name), SECRET_MASK, "{name}");
        }
        for name in ["Accept", "X-Inside", "X-Spin", "Content-Type", "X-Designer", "X-Opinion"] {
            assert_eq!(shown(name), "s3cret", "{name}");
        }
    }

    #[test]
    fn the_password_of_an_address_is_masked_and_kept() {
        let stored = Url::parse("https://ann:p%40ss@a.example/x").unwrap();
        let shown = shown_url(&stored);
        assert_eq!(shown.as_str(), "https://ann:***@a.example/x");
        assert_eq!(unmasked_url(shown.clone(), Some(&stored)), Ok(stored.clone()));
        let bob = Url::parse("https://bob:***@a.example/x").unwrap();
        for (url, stored) in [(shown, None), (bob, Some(&stored))] {
            assert!(unmasked_url(url, stored).unwrap_err().contains("nothing is stored"));
        }
        let plain = Url::parse("https://a.example/").unwrap();
        assert_eq!(shown_url(&plain), plain);
    }

    #[test]
    fn what_says_how_long_the_body_is_cannot_be_set() {
        for name in ["Content-Length", "transfer-encoding"] {
            let map = json!({"headers": {name: "1"}});
            let mut fields = Fields::new(map.as_object().unwrap());
            read_headers(&mut fields, None);
            let reason = fields.finish().unwrap_err().0["headers"].clone();
            assert_eq!(reason, format!("has {name}, which Watchbell sets itself; leave it out"));
        }
    }
}
