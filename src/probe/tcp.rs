//! One check of a port: it is up when it takes a connection.

use std::net::SocketAddr;

use tokio::net::TcpStream;

use super::failure::{failure, of_system};
use super::http::Prober;
use super::phases;
use super::race::first_success;
use crate::monitor::{CheckError, ErrorKind, TcpSpec};

impl Prober {
    /// Connects to the port and closes again.
    pub(super) async fn tcp(&self, spec: &TcpSpec) -> Result<(), CheckError> {
        let endpoint = spec.endpoint();
        let port = endpoint.port.unwrap_or_default();
        let addresses = self.resolver.addresses_of(&endpoint).await?;
        let at_port = addresses.into_iter().map(|address| SocketAddr::new(address, port));
        first_success(at_port.collect(), connect).await?;
        phases::connected();
        Ok(())
    }
}

async fn connect(address: SocketAddr) -> Result<(), CheckError> {
    let stream = TcpStream::connect(address).await.map_err(|error| of_system(&error))?;
    // On one machine a socket may get the very port that it connects to, and then speaks to itself.
    if stream.local_addr().is_ok_and(|own| own == address) {
        return Err(failure(ErrorKind::Refused, "connection refused"));
    }
    Ok(())
}
