//! One check by ICMP echo, as `ping` makes it: on an unprivileged socket where the system allows that, else on a raw one.

use std::io::{self, ErrorKind as Io};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::failure::{failure, of_system};
use super::http::Prober;
use super::phases;
use super::race::first_success;
use crate::monitor::{CheckError, ErrorKind, IcmpSpec};

/// How long an answer is waited for before another request is sent.
const AGAIN: Duration = Duration::from_secs(1);
/// The bytes of a request after its head of eight, as `ping` has them.
const PAYLOAD: usize = 56;
const HEAD: usize = 8;
/// The longest answer that is read, in bytes, with an IPv4 header before it.
const ANSWER_MAX: usize = 60 + HEAD + PAYLOAD;

/// How pings are allowed when the system does not.
const NOT_ALLOWED: &str = "this system does not allow pings (ICMP): set the sysctl net.ipv4.ping_group_range \
    to \"0 2147483647\", or give Watchbell the capability CAP_NET_RAW";

/// Opens a socket for pings: of a family and a type (`DGRAM` or `RAW`).
pub type Opener = fn(Domain, Type, Protocol) -> io::Result<Socket>;

/// The [`Opener`] that asks the system.
///
/// # Errors
/// The system's.
pub fn open_socket(domain: Domain, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    Socket::new(domain, kind, Some(protocol))
}

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

/// A socket for pings to one address.
struct EchoSocket {
    socket: Socket,
    /// Whether what is read has the IP header before it.
    with_header: bool,
}

fn open(opener: Opener, address: IpAddr) -> Result<EchoSocket, CheckError> {
    let (domain, protocol) = match address {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    if let Ok(socket) = opener(domain, Type::DGRAM, protocol) {
        return Ok(EchoSocket { socket, with_header: false });
    }
    match opener(domain, Type::RAW, protocol) {
        Ok(socket) => Ok(EchoSocket { socket, with_header: address.is_ipv4() }),
        Err(error) if error.kind() == Io::PermissionDenied => {
            Err(failure(ErrorKind::Internal, NOT_ALLOWED))
        }
        // No descriptors, no such family: a trouble of our own all the same.
        Err(error) => Err(failure(ErrorKind::Internal, format!("cannot check from here: {error}"))),
    }
}

async fn ping(opener: Opener, address: IpAddr) -> Result<(), CheckError> {
    let wrong = |error: io::Error| of_system(&error);
    let EchoSocket { socket, with_header } = open(opener, address)?;
    // From here on the system drops what comes from anybody else, and tells when the address cannot be reached.
    socket.connect(&SocketAddr::new(address, 0).into()).map_err(wrong)?;
    socket.set_nonblocking(true).map_err(wrong)?;
    let socket = UdpSocket::from_std(socket.into()).map_err(wrong)?;
    let mut echo = Echo { address, nonce: rand::random(), sequence: 0 };
    loop {
        socket.send(&echo.request()).await.map_err(wrong)?;
        match timeout(AGAIN, answer(&socket, &echo, with_header)).await {
            Ok(answered) => return answered.map_err(wrong),
            Err(_) => echo.sequence = echo.sequence.wrapping_add(1),
        }
    }
}

/// Waits for the answer to any request of `echo`; other pings of this machine pass by on a raw socket.
async fn answer(socket: &UdpSocket, echo: &Echo, with_header: bool) -> io::Result<()> {
    let mut buffer = [0; ANSWER_MAX];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let packet = buffer.get(..length).unwrap_or_default();
        let packet = if with_header { after_header(packet) } else { packet };
        if echo.is_answered_by(packet) {
            return Ok(());
        }
    }
}

/// What follows the IPv4 header, whose length is in its first byte.
fn after_header(packet: &[u8]) -> &[u8] {
    let words = packet.first().map_or(0, |first| first & 0x0f);
    packet.get(usize::from(words) * 4..).unwrap_or_default()
}

/// The requests of one check.
struct Echo {
    address: IpAddr,
    /// In every request and answer, so that nobody can guess an answer.
    nonce: [u8; 16],
    sequence: u16,
}

impl Echo {
    fn request(&self) -> [u8; HEAD + PAYLOAD] {
        let mut packet = [0; HEAD + PAYLOAD];
        let [a, b, ..] = self.nonce;
        let [c, d] = self.sequence.to_be_bytes();
        let kind = if self.address.is_ipv4() { 8 } else { 128 };
        packet[..HEAD].copy_from_slice(&[kind, 0, 0, 0, a, b, c, d]);
        packet[HEAD..HEAD + 16].copy_from_slice(&self.nonce);
        // That of ICMPv6 covers addresses too and is filled in by the system, as the identifier may be.
        if self.address.is_ipv4() {
            let [high, low] = checksum(&packet).to_be_bytes();
            packet[2..4].copy_from_slice(&[high, low]);
        }
        packet
    }

    fn is_answered_by(&self, packet: &[u8]) -> bool {
        let kind = if self.address.is_ipv4() { 0 } else { 129 };
        packet.get(..2) == Some(&[kind, 0]) && packet.get(HEAD..HEAD + 16) == Some(&self.nonce)
    }
}

/// RFC 1071: the complement of the sum of the 16-bit words, with the carries added back.
fn checksum(packet: &[u8]) -> u16 {
    let words = packet.chunks(2).map(|word| match *word {
        [high, low] => u32::from(u16::from_be_bytes([high, low])),
        [high] => u32::from(u16::from_be_bytes([high, 0])),
        _ => 0,
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn echo(address: &str) -> Echo {
        Echo { address: address.parse().unwrap(), nonce: [7; 16], sequence: 258 }
    }

    #[test]
    fn a_request_is_what_ping_sends() {
        let request = echo("192.0.2.1").request();
        assert_eq!(request[..2], [8, 0]);
        assert_eq!(request[6..8], [1, 2]);
        assert_eq!(checksum(&request), 0, "a packet with its checksum sums up to nothing");
        assert_eq!(echo("2001:db8::1").request()[..4], [128, 0, 0, 0]);
        // The example of RFC 1071, section 3.
        assert_eq!(checksum(&[0, 1, 0xf2, 3, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    }

    #[test]
    fn only_an_answer_to_this_very_check_counts() {
        for (address, answer) in [("192.0.2.1", 0), ("2001:db8::1", 129)] {
            let echo = echo(address);
            let mut packet = echo.request();
            assert!(!echo.is_answered_by(&packet), "its own request, as loopback shows it");
            packet[0] = answer;
            assert!(echo.is_answered_by(&packet));
            assert!(!echo.is_answered_by(&packet[..20]) && !echo.is_answered_by(&[]));
            packet[HEAD] ^= 1;
            assert!(!echo.is_answered_by(&packet));
        }
        assert_eq!(after_header(&[0x46; 25]), [0x46; 1]);
        assert_eq!(after_header(&[]), [0_u8; 0]);
    }
}
