//! One look at a TLS handshake: whether it comes about, and the certificate that is shown in it.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsConnector;

use super::certs;
use super::dial::dial;
use super::failure::{failure, of_connection};
use super::http::Prober;
use super::phases::{self, Marks};
use crate::clock::Timestamp;
use crate::monitor::{CheckError, CheckResult, ErrorKind, FailedChecks, TlsSpec, Verdict};

/// Makes handshakes that offer no protocol, as nobody knows what is spoken after them.
#[derive(Clone)]
pub(super) struct Handshaker {
    strict: Arc<ClientConfig>,
    lax: Arc<ClientConfig>,
}

impl fmt::Debug for Handshaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Handshaker")
    }
}

impl Handshaker {
    /// One that verifies certificates by `strict`, and one that does not by `lax`.
    pub(super) fn new(strict: ClientConfig, lax: ClientConfig) -> Self {
        Self { strict: Arc::new(strict), lax: Arc::new(lax) }
    }

    fn connector(&self, verify: bool) -> TlsConnector {
        TlsConnector::from(Arc::clone(if verify { &self.strict } else { &self.lax }))
    }
}

impl Prober {
    /// Makes one TLS handshake, from `region`; `started_at` is the time that the result bears. Ends within
    /// `timeout_seconds`, and leaves no connection behind.
    pub async fn check_tls(
        &self,
        spec: &TlsSpec,
        region: &str,
        started_at: Timestamp,
    ) -> CheckResult {
        let marks = Marks::start();
        let limit = Duration::from_secs(spec.pace.timeout_seconds.into());
        let shaking = Arc::clone(&marks).watch(self.shake_hands(spec));
        let outcome = tokio::time::timeout(limit, shaking).await.unwrap_or_else(|_| {
            let text = format!("timeout after {}s", spec.pace.timeout_seconds);
            Err(failure(ErrorKind::Timeout, text))
        });
        let phases = marks.phases();
        let took = phases.total.unwrap_or_default();
        let is_slow = spec.pace.degraded_after_ms.is_some_and(|limit| took > limit);
        CheckResult {
            region: region.to_owned(),
            started_at,
            phases,
            status_code: None,
            verdict: match &outcome {
                Err(error) if error.kind == ErrorKind::Internal => Verdict::Unknown,
                Err(_) => Verdict::Down,
                Ok(()) if is_slow => Verdict::Degraded,
                Ok(()) => Verdict::Up,
            },
            error: outcome.err(),
            failed_checks: FailedChecks::new(),
            certificate: certs::first_to_end(&marks.take_certificates()),
        }
    }

    async fn shake_hands(&self, spec: &TlsSpec) -> Result<(), CheckError> {
        let host = spec.host();
        let addresses = self.resolver.addresses_of(host, spec.port()).await?;
        let of = |error| of_connection(&error, host);
        let stream = dial(&addresses).await.map_err(of)?;
        let name = ServerName::try_from(host.to_owned()).map_err(|_| {
            failure(ErrorKind::Tls, format!("a certificate cannot be for the host {host}"))
        })?;
        let connector = self.handshaker.connector(spec.verify_tls);
        let mut stream = connector.connect(name, stream).await.map_err(of)?;
        phases::connected();
        // The handshake was what we came for; a server that cannot bear the farewell is no worse for it.
        let _ = stream.shutdown().await;
        Ok(())
    }
}
