//! One look at a TLS handshake: whether it comes about, and the certificate that is shown in it.

use std::fmt;
use std::sync::Arc;

use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::AsyncWriteExt;
use tokio_rustls::TlsConnector;

use super::failure::{failure, of_handshake};
use super::http::Prober;
use super::phases;
use crate::monitor::{CheckError, ErrorKind, TlsSpec};

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
    /// Makes one TLS handshake and closes again.
    pub(super) async fn tls(&self, spec: &TlsSpec) -> Result<(), CheckError> {
        let endpoint = spec.endpoint();
        let stream = self.dial(&endpoint, spec.port()).await?;
        // As certificates write it: an IPv6 address without its brackets.
        let host = match endpoint.address() {
            Some(address) => address.to_string(),
            None => endpoint.host.to_string(),
        };
        let name = ServerName::try_from(host.clone()).map_err(|_| {
            failure(ErrorKind::Tls, format!("a certificate cannot be for the host {host}"))
        })?;
        let connector = self.handshaker.connector(spec.verify_tls);
        let shaking = connector.connect(name, stream).await;
        let mut stream = shaking.map_err(|error| of_handshake(&error, &host))?;
        phases::connected();
        // The handshake was what we came for; a server that cannot bear the farewell is no worse for it.
        let _ = stream.shutdown().await;
        Ok(())
    }
}
