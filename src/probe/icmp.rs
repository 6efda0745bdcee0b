//! One check by ICMP echo, as `ping` makes it: on an unprivileged socket where the system allows that, else on a raw one.

use std::io::ErrorKind as Io;
use std::net::IpAddr;
use std::time::Duration;

use super::echo::EchoSocket;
pub use super::echo::{Opener, open_socket};
use super::failure::{failure, of_system};
use super::http::Prober;
use super::phases;
use super::race::first_success;
use crate::monitor::{CheckError, ErrorKind, IcmpSpec};

/// How long an answer is waited for before another request is sent.
const AGAIN: Duration = Duration::from_secs(1);

/// How pings are allowed when the system does not.
const NOT_ALLOWED: &str = "this system does not allow pings (ICMP): set the sysctl net.ipv4.ping_group_range \
    to \"0 2147483647\", or give Watchbell the capability CAP_NET_RAW";

impl Prober {
    /// What to tell people at the start when the system does not allow pings: one line.
    pub fn icmp_refusal(&self) -> Option<&'static str> {
        let refused = open(self.icmp, IpAddr::from([127, 0, 0, 1])).err();
        refused.is_some_and(|error| error.text == NOT_ALLOWED).then_some(NOT_ALLOWED)
    }

    /// Pings the host until it answers. The phase `first_byte` is the time from the first request to the answer.
    pub(super) async fn icmp(&self, spec: &IcmpSpec) -> Result<(), CheckError> {
        let addresses = self.resolver.addresses_of(&spec.endpoint()).await?;
        first_success(addresses, |address| ping(self.icmp, address)).await?;
        phases::answered();
        Ok(())
    }
}

fn open(opener: Opener, address: IpAddr) -> Result<EchoSocket, CheckError> {
    EchoSocket::open(opener, address).map_err(|error| match error.kind() {
        Io::PermissionDenied => failure(ErrorKind::Internal, NOT_ALLOWED),
        // No descriptors, no such family: a trouble of our own all the same.
        _ => failure(ErrorKind::Internal, format!("cannot check from here: {error}")),
    })
}

async fn ping(opener: Opener, address: IpAddr) -> Result<(), CheckError> {
    let socket = open(opener, address)?;
    socket.answered(AGAIN).await.map_err(|error| of_system(&error))
}
