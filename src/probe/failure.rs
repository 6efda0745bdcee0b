//! What went wrong, from the errors of the libraries to a kind and words. Everything a target can do ends here.

use std::error::Error as StdError;
use std::io::{self, ErrorKind as Io};

use rustls::{AlertDescription, CertificateError, Error as Tls, PeerIncompatible};

use super::certs::Fault;
use super::resolver::ResolveError;
use crate::incident::message::one_line;
use crate::monitor::{CheckError, ErrorKind};

/// Why a request to `host` failed.
pub(super) fn of_request(error: &reqwest::Error, host: &str) -> CheckError {
    let chain = chain(error);
    if error.is_builder() {
        return failure(ErrorKind::InvalidResponse, "the address cannot be requested");
    }
    chain
        .iter()
        .find_map(|cause| of_resolver(*cause).or_else(|| of_tls(*cause, host)))
        // The innermost says what the system said; what is around it only repeats or hides that.
        .or_else(|| chain.iter().rev().find_map(|cause| of_http(*cause)))
        .or_else(|| of_decoder(error, &chain))
        .or_else(|| chain.iter().rev().find_map(|cause| of_io(*cause)))
        .unwrap_or_else(|| other(error, chain.last().copied().unwrap_or(error)))
}

/// Why a TLS handshake with `host` did not come about.
pub(super) fn of_handshake(error: &io::Error, host: &str) -> CheckError {
    let chain = chain(error);
    chain
        .iter()
        .find_map(|cause| of_tls(*cause, host))
        .or_else(|| chain.iter().rev().find_map(|cause| of_io(*cause)))
        .unwrap_or_else(|| of_system(error))
}

/// A failure of `kind` that says `text`.
pub(super) fn failure(kind: ErrorKind, text: impl AsRef<str>) -> CheckError {
    CheckError::new(kind, one_line(text.as_ref()))
}

/// The same, of a trouble that may as well be our side's: the canaries decide.
pub(super) fn doubtful(kind: ErrorKind, text: impl AsRef<str>) -> CheckError {
    CheckError { doubtful: true, ..failure(kind, text) }
}

impl From<ResolveError> for CheckError {
    fn from(error: ResolveError) -> Self {
        let kind = match error {
            ResolveError::NoAnswer { .. } => return doubtful(ErrorKind::Dns, error.to_string()),
            ResolveError::NoSuchName(_) => ErrorKind::Dns,
            ResolveError::Blocked(_) => ErrorKind::Blocked,
            ResolveError::Internal(_) => ErrorKind::Internal,
        };
        failure(kind, error.to_string())
    }
}

/// What the system said of a socket.
pub(super) fn of_system(error: &io::Error) -> CheckError {
    of_io(error)
        .unwrap_or_else(|| failure(ErrorKind::Refused, format!("connection failed: {error}")))
}

/// That a check took its whole time, in seconds. While a name is being looked up it is the resolver that is slow, which
/// says little about the target.
pub(super) fn timed_out(resolving: Option<String>, seconds: u32) -> CheckError {
    match resolving {
        Some(name) => {
            let why = format!("the resolver did not answer within {seconds}s");
            ResolveError::NoAnswer { name, why }.into()
        }
        None => failure(ErrorKind::Timeout, format!("timeout after {seconds}s")),
    }
}

/// An error and all that is inside it. `io::Error` names what it wraps as `get_ref`, not as `source`.
fn chain<'a>(error: &'a (dyn StdError + 'static)) -> Vec<&'a (dyn StdError + 'static)> {
    let mut chain: Vec<&'a (dyn StdError + 'static)> = Vec::new();
    let mut next = Some(error);
    // The cap is for a source that names itself.
    while let Some(cause) = next.filter(|_| chain.len() < 32) {
        chain.push(cause);
        let wrapped = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        next = match wrapped {
            Some(inner) => Some(inner),
            None => cause.source(),
        };
    }
    chain
}

fn of_resolver(cause: &(dyn StdError + 'static)) -> Option<CheckError> {
    cause.downcast_ref::<ResolveError>().map(|error| error.clone().into())
}

fn of_tls(cause: &(dyn StdError + 'static), host: &str) -> Option<CheckError> {
    let text = match cause.downcast_ref::<Tls>()? {
        Tls::InvalidCertificate(why) => certificate(why, host),
        Tls::AlertReceived(AlertDescription::ProtocolVersion)
        | Tls::PeerIncompatible(
            PeerIncompatible::ServerDoesNotSupportTls12Or13
            | PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig,
        ) => "the server does not support TLS 1.2 or newer".to_owned(),
        Tls::AlertReceived(
            AlertDescription::CertificateRequired | AlertDescription::NoCertificate,
        ) => "the server asks for a client certificate".to_owned(),
        Tls::AlertReceived(AlertDescription::UnrecognisedName) => {
            format!("the server does not know the host {host}")
        }
        Tls::AlertReceived(AlertDescription::HandshakeFailure) => {
            "TLS handshake failed: the server refuses our versions and ciphers".to_owned()
        }
        Tls::InvalidMessage(_) | Tls::InappropriateMessage { .. } => {
            "the server does not speak TLS".to_owned()
        }
        other => format!("TLS handshake failed: {other}"),
    };
    Some(failure(ErrorKind::Tls, text))
}

fn certificate(why: &CertificateError, host: &str) -> String {
    match why {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            "certificate has expired".to_owned()
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            "certificate is not valid yet".to_owned()
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            format!("certificate is not valid for host {host}")
        }
        CertificateError::Revoked => "certificate has been revoked".to_owned(),
        CertificateError::BadEncoding => "certificate cannot be read".to_owned(),
        CertificateError::Other(inner) => match inner.0.downcast_ref::<Fault>() {
            Some(fault) => fault.to_string(),
            None => format!("certificate is not valid: {inner}"),
        },
        other => format!("certificate is not valid: {other}"),
    }
}

fn of_http(cause: &(dyn StdError + 'static)) -> Option<CheckError> {
    if let Some(error) = cause.downcast_ref::<h2::Error>() {
        return Some(of_http_2(error));
    }
    let error = cause.downcast_ref::<hyper::Error>()?;
    if error.is_incomplete_message() {
        return Some(failure(ErrorKind::Reset, CUT_SHORT));
    }
    // hyper has no question for these on the client's side; the tests hold its words.
    let words = error.to_string();
    if words == "received unexpected message from connection" {
        return Some(failure(ErrorKind::InvalidResponse, "the server spoke before it was asked"));
    }
    if !error.is_parse() {
        return None;
    }
    Some(failure(
        ErrorKind::InvalidResponse,
        match words.as_str() {
            "message head is too large" => "the header of the answer is too large",
            "invalid HTTP header parsed" => "the header of the answer is not HTTP",
            "invalid content-length parsed" => "the content-length of the answer is not valid",
            "unexpected transfer-encoding parsed" => {
                "the transfer-encoding of the answer is not valid"
            }
            "invalid HTTP status-code parsed" => "the status code of the answer is not valid",
            _ => "the answer is not HTTP",
        },
    ))
}

fn of_http_2(error: &h2::Error) -> CheckError {
    match error.get_io() {
        Some(io) => of_io(io).unwrap_or_else(|| failure(ErrorKind::Reset, io.to_string())),
        None if error.is_remote() => failure(ErrorKind::Reset, format!("HTTP/2: {error}")),
        None => failure(ErrorKind::InvalidResponse, format!("HTTP/2: {error}")),
    }
}

/// A body that came whole, but is not whole inside: without an error of the connection, an early end is the decoder's.
fn of_decoder(error: &reqwest::Error, chain: &[&(dyn StdError + 'static)]) -> Option<CheckError> {
    let by_connection =
        |cause: &&(dyn StdError + 'static)| cause.is::<hyper::Error>() || cause.is::<h2::Error>();
    let own = error.is_decode() && !chain.iter().any(by_connection);
    let cause = chain.last().filter(|_| own)?;
    Some(failure(ErrorKind::InvalidResponse, format!("the body cannot be read: {cause}")))
}

const CUT_SHORT: &str = "connection closed before the answer was complete";

fn of_io(cause: &(dyn StdError + 'static)) -> Option<CheckError> {
    let error = cause.downcast_ref::<io::Error>()?;
    let (kind, text) = match error.kind() {
        // Not the system's: what h2 makes of a connection that was closed.
        Io::BrokenPipe if error.raw_os_error().is_none() => {
            (ErrorKind::Reset, CUT_SHORT.to_owned())
        }
        Io::ConnectionRefused => (ErrorKind::Refused, "connection refused".to_owned()),
        Io::ConnectionReset | Io::ConnectionAborted | Io::BrokenPipe | Io::NotConnected => {
            (ErrorKind::Reset, "connection reset".to_owned())
        }
        // tokio-rustls says so when the peer leaves in the middle of the handshake.
        Io::UnexpectedEof if error.to_string().contains("handshake") => {
            (ErrorKind::Tls, "connection closed during the TLS handshake".to_owned())
        }
        Io::UnexpectedEof => (ErrorKind::Reset, CUT_SHORT.to_owned()),
        Io::TimedOut => (ErrorKind::Timeout, "connection timed out".to_owned()),
        Io::HostUnreachable => return Some(doubtful(ErrorKind::Refused, "no route to host")),
        Io::InvalidData | Io::InvalidInput if error.raw_os_error().is_none() => {
            (ErrorKind::InvalidResponse, format!("the body cannot be read: {error}"))
        }
        _ => return own_trouble(error),
    };
    Some(failure(kind, text))
}

/// What the system refuses us, which says nothing about the target.
fn own_trouble(error: &io::Error) -> Option<CheckError> {
    let ours = matches!(
        error.kind(),
        Io::NetworkUnreachable | Io::NetworkDown | Io::AddrNotAvailable | Io::PermissionDenied
    ) || is_scarcity(error);
    ours.then(|| failure(ErrorKind::Internal, format!("cannot check from here: {error}")))
}

/// Whether the system has run out of something: descriptors, buffers, memory.
pub(super) fn is_scarcity(error: &io::Error) -> bool {
    /// `ENOMEM`, `ENFILE`, `EMFILE`, `ENOBUFS` of Linux, which std gives no stable kind.
    const SCARCE: [i32; 4] = [12, 23, 24, 105];
    error.kind() == Io::OutOfMemory
        || error.raw_os_error().is_some_and(|code| SCARCE.contains(&code))
}

fn other(error: &reqwest::Error, cause: &dyn StdError) -> CheckError {
    if error.is_connect() {
        failure(ErrorKind::Refused, format!("connection failed: {cause}"))
    } else if error.is_decode() || error.is_body() {
        failure(ErrorKind::InvalidResponse, format!("the body cannot be read: {cause}"))
    } else {
        failure(ErrorKind::InvalidResponse, format!("the answer cannot be read: {cause}"))
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::ResponseCode;

    use super::*;
    use crate::probe::dns_wire::AskError;

    #[test]
    fn our_own_troubles_are_internal() {
        for code in [12, 23, 24, 99, 100, 101, 105] {
            let error = io::Error::from_raw_os_error(code);
            assert_eq!(of_io(&error).map(|e| e.kind), Some(ErrorKind::Internal), "{error}");
        }
        for (code, kind) in [
            (111, ErrorKind::Refused),
            (113, ErrorKind::Refused),
            (104, ErrorKind::Reset),
            (110, ErrorKind::Timeout),
        ] {
            let error = io::Error::from_raw_os_error(code);
            assert_eq!(of_io(&error).map(|e| e.kind), Some(kind), "{error}");
        }
    }

    #[test]
    fn only_what_may_be_either_sides_is_doubtful() {
        for (code, expected) in [(113, true), (111, false), (110, false), (101, false)] {
            let error = of_io(&io::Error::from_raw_os_error(code)).unwrap();
            assert_eq!(error.doubtful, expected, "{}", error.text);
        }
        let of = |error: ResolveError| CheckError::from(error).doubtful;
        assert!(of(ResolveError::of("a.example", AskError::Silent)));
        assert!(of(ResolveError::of("a.example", AskError::Failed(ResponseCode::ServFail))));
        assert!(!of(ResolveError::NoSuchName("a.example".to_owned())));
        assert!(timed_out(Some("a.example".to_owned()), 10).doubtful);
        assert!(!timed_out(None, 10).doubtful);
    }

    #[test]
    fn what_an_io_error_wraps_is_found() {
        let inner =
            io::Error::new(Io::InvalidData, Tls::InvalidCertificate(CertificateError::Expired));
        let outer = io::Error::other(inner);
        let found = chain(&outer).into_iter().find_map(|cause| of_tls(cause, "a.example"));
        assert_eq!(found, Some(failure(ErrorKind::Tls, "certificate has expired")));
    }
}
