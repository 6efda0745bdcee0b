//! One check of a port: it is up when it takes a connection.

use std::net::SocketAddr;

use tokio::net::TcpStream;

use super::failure::{failure, of_system};
use super::http::Prober;
use super::phases;
use super::race::first_success;
use crate::monitor::endpoint::Endpoint;
use crate::monitor::{CheckError, ErrorKind, TcpSpec};

impl Prober {
    /// Connects to the port and closes again.
    pub(super) async fn tcp(&self, spec: &TcpSpec) -> Result<(), CheckError> {
        let endpoint = spec.endpoint();
        self.dial(&endpoint, endpoint.port.unwrap_or_default()).await?;
        phases::connected();
        Ok(())
    }

    /// A connection to `port` of the first address of the host that takes one.
    pub(super) async fn dial(
        &self,
        endpoint: &Endpoint,
        port: u16,
    ) -> Result<TcpStream, CheckError> {
        let addresses = self.resolver.addresses_of(endpoint).await?;
        let at_port = addresses.into_iter().map(|address| SocketAddr::new(address, port));
        first_success(at_port.collect(), connect).await
    }
}

async fn connect(address: SocketAddr) -> Result<TcpStream, CheckError> {
    let stream = TcpStream::connect(address).await.map_err(|error| of_system(&error))?;
    // On one machine a socket may get the very port that it connects to, and then speaks to itself.
    if stream.local_addr().is_ok_and(|own| own == address) {
        return Err(failure(ErrorKind::Refused, "connection refused"));
    }
    Ok(stream)
}
