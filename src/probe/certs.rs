//! Certificates as servers send them: reading them, judging a chain, and saying what is wrong with it.

use std::error::Error as StdError;
use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;

use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::WebPkiSupportedAlgorithms;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, Error, OtherError, RootCertStore};
use sha2::{Digest, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer, X509Certificate};
use x509_parser::x509::{AttributeTypeAndValue, X509Name};

use crate::clock::Timestamp;
use crate::incident::message::one_line;
use crate::monitor::Certificate;

/// The most names of a certificate that are kept: they are stored with the state of the monitor, after each check.
const NAMES_MAX: usize = 50;

/// The longest of the words that a certificate says of itself, in characters.
const WORDS_MAX: usize = 120;

/// Reads a certificate in DER; `None` when it is none.
pub(super) fn read(der: &[u8]) -> Option<Certificate> {
    let (_, parsed) = X509Certificate::from_der(der).ok()?;
    let names = parsed.subject_alternative_name().ok().flatten();
    let names = names.iter().flat_map(|list| &list.value.general_names).filter_map(name);
    let digest = Sha256::digest(der);
    Some(Certificate {
        subject: title(parsed.subject()),
        issuer: title(parsed.issuer()),
        names: names.take(NAMES_MAX).collect(),
        not_before: Timestamp(parsed.validity().not_before.timestamp().saturating_mul(1000)),
        not_after: Timestamp(parsed.validity().not_after.timestamp().saturating_mul(1000)),
        fingerprint: digest.iter().map(|byte| format!("{byte:02x}")).collect(),
    })
}

/// Of the certificates that a check met, the one that ends first.
pub(super) fn first_to_end(leaves: &[Vec<u8>]) -> Option<Arc<Certificate>> {
    leaves.iter().filter_map(|der| read(der)).min_by_key(|found| found.not_after).map(Arc::new)
}

fn name(general: &GeneralName<'_>) -> Option<String> {
    match general {
        GeneralName::DNSName(name) => Some(words(name)),
        GeneralName::IPAddress(bytes) => match bytes.len() {
            4 => <[u8; 4]>::try_from(*bytes).ok().map(|b| IpAddr::from(b).to_string()),
            _ => <[u8; 16]>::try_from(*bytes).ok().map(|b| IpAddr::from(b).to_string()),
        },
        _ => None,
    }
}

/// `R11 (Let's Encrypt)`: the common name, and the organisation if there is another one.
fn title(name: &X509Name<'_>) -> String {
    let text = |part: Option<&AttributeTypeAndValue<'_>>| {
        part.and_then(|part| part.as_str().ok()).map(words).unwrap_or_default()
    };
    let common = text(name.iter_common_name().next());
    let organisation = text(name.iter_organization().next());
    match (common.is_empty(), organisation.is_empty() || organisation == common) {
        (true, _) => organisation,
        (false, true) => common,
        (false, false) => format!("{common} ({organisation})"),
    }
}

fn words(text: &str) -> String {
    one_line(&text.chars().take(WORDS_MAX).collect::<String>())
}

/// What is wrong with a chain, in words that rustls has none for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Fault(pub(super) String);

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl StdError for Fault {}

/// Judges the chain that a server sent, as rustls does it: by authority, time and name.
///
/// # Errors
/// What is wrong with it: where rustls only says that no authority was found, a [`Fault`] that says why.
pub(super) fn judge(
    leaf: &CertificateDer<'_>,
    sent: &[CertificateDer<'_>],
    roots: &RootCertStore,
    server: &ServerName<'_>,
    algorithms: &WebPkiSupportedAlgorithms,
    now: UnixTime,
) -> Result<(), Error> {
    let parsed = ParsedCertificate::try_from(leaf)?;
    verify_server_cert_signed_by_trust_anchor(&parsed, roots, sent, now, algorithms.all)
        .map_err(|error| explain(error, leaf, sent, roots, now))?;
    verify_server_name(&parsed, server)
}

fn explain(
    error: Error,
    leaf: &[u8],
    sent: &[CertificateDer<'_>],
    roots: &RootCertStore,
    now: UnixTime,
) -> Error {
    let Error::InvalidCertificate(why) = &error else { return error };
    let Ok((_, leaf)) = X509Certificate::from_der(leaf) else { return error };
    let sent: Vec<_> =
        sent.iter().filter_map(|der| X509Certificate::from_der(der).ok()).map(|(_, c)| c).collect();
    let fault = match why {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            Some(untrusted(&leaf, &sent, roots))
        }
        // What `openssl req -x509` makes: its own authority, which webpki names by this and not as unknown.
        CertificateError::Other(inner) if format!("{inner:?}").contains("CaUsedAsEndEntity") => {
            Some(untrusted(&leaf, &sent, roots))
        }
        CertificateError::Expired
        | CertificateError::ExpiredContext { .. }
        | CertificateError::NotValidYet
        | CertificateError::NotValidYetContext { .. } => out_of_time(&leaf, &sent, now),
        _ => None,
    };
    match fault {
        Some(fault) => {
            Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(fault))))
        }
        None => error,
    }
}

/// Why no authority that is trusted was found: follows the chain from the server's own certificate upwards, by names.
fn untrusted(
    leaf: &X509Certificate<'_>,
    sent: &[X509Certificate<'_>],
    roots: &RootCertStore,
) -> Fault {
    let why = |why: String| Fault(format!("certificate is not trusted: {why}"));
    if is_own_issuer(leaf) {
        return why("it is self-signed".to_owned());
    }
    let mut last = leaf;
    // A step for each certificate at most, as they may name each other in a circle.
    for _ in sent {
        match sent.iter().find(|c| c.subject().as_raw() == last.issuer().as_raw()) {
            Some(next) if !is_own_issuer(last) => last = next,
            _ => break,
        }
    }
    let issuer = title(last.issuer());
    let is_known = roots.roots.iter().any(|root| last.issuer().as_raw().ends_with(&root.subject));
    if is_known {
        why(format!("it is not signed by the authority \"{issuer}\" that it names"))
    } else if is_own_issuer(last) {
        why(format!("the authority \"{issuer}\" is not a trusted one"))
    } else if std::ptr::eq(last, leaf) && !sent.is_empty() {
        why(format!("the chain is broken, what is sent along is not its issuer \"{issuer}\""))
    } else {
        why(format!(
            "the chain is incomplete, the issuer \"{issuer}\" is neither sent along nor an authority that is trusted"
        ))
    }
}

/// Whose time is over, or has not come, when that is not the server's own certificate.
fn out_of_time(
    leaf: &X509Certificate<'_>,
    sent: &[X509Certificate<'_>],
    now: UnixTime,
) -> Option<Fault> {
    let now = i64::try_from(now.as_secs()).unwrap_or(i64::MAX);
    let over = |c: &X509Certificate<'_>| c.validity().not_after.timestamp() < now;
    let to_come = |c: &X509Certificate<'_>| c.validity().not_before.timestamp() > now;
    if over(leaf) || to_come(leaf) {
        return None;
    }
    let which = sent.iter().find(|c| over(c) || to_come(c))?;
    let what = if over(which) { "has expired" } else { "is not valid yet" };
    Some(Fault(format!("the intermediate certificate \"{}\" {what}", title(which.subject()))))
}

fn is_own_issuer(certificate: &X509Certificate<'_>) -> bool {
    certificate.subject().as_raw() == certificate.issuer().as_raw()
}
