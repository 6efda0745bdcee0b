//! ICMP echoes, by a datagram socket where the system allows it to everybody, else by a raw one.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;
use tokio::time::timeout;

/// The bytes of a request after its head of eight, as `ping` has them.
const PAYLOAD: usize = 56;
const HEAD: usize = 8;
/// The longest answer that is read, in bytes, with an IPv4 header before it.
const ANSWER_MAX: usize = 60 + HEAD + PAYLOAD;

/// Opens a socket for pings: of a family and a type (`DGRAM` or `RAW`).
pub type Opener = fn(Domain, Type, Protocol) -> io::Result<Socket>;

/// The [`Opener`] that asks the system.
///
/// # Errors
/// The system's.
pub fn open_socket(domain: Domain, kind: Type, protocol: Protocol) -> io::Result<Socket> {
    Socket::new(domain, kind, Some(protocol))
}

/// A socket for pings to one address.
pub(super) struct EchoSocket {
    address: IpAddr,
    socket: Socket,
    /// Whether what is read has the IP header before it.
    with_header: bool,
}

impl EchoSocket {
    /// Opens one.
    ///
    /// # Errors
    /// That of the raw socket, when the system allows neither.
    pub(super) fn open(opener: Opener, address: IpAddr) -> io::Result<Self> {
        let (domain, protocol) = match address {
            IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
            IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
        };
        if let Ok(socket) = opener(domain, Type::DGRAM, protocol) {
            return Ok(Self { address, socket, with_header: false });
        }
        let socket = opener(domain, Type::RAW, protocol)?;
        Ok(Self { address, socket, with_header: address.is_ipv4() })
    }

    /// Waits until the address answers, and sends another request `every` so often.
    ///
    /// # Errors
    /// The system's: there is no way to the address.
    pub(super) async fn answered(self, every: Duration) -> io::Result<()> {
        let Self { address, socket, with_header } = self;
        // From here on the system drops what comes from anybody else, and tells when the address cannot be reached.
        socket.connect(&SocketAddr::new(address, 0).into())?;
        socket.set_nonblocking(true)?;
        let socket = UdpSocket::from_std(socket.into())?;
        let mut echo = Echo { address, nonce: rand::random(), sequence: 0 };
        loop {
            socket.send(&echo.request()).await?;
            match timeout(every, answer(&socket, &echo, with_header)).await {
                Ok(answered) => return answered,
                Err(_) => echo.sequence = echo.sequence.wrapping_add(1),
            }
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
