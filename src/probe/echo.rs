//! One ICMP echo, by a datagram socket where the system allows it to everybody, else by a raw one.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use socket2::{Domain, Protocol, Socket, Type};
use tokio::net::UdpSocket;

/// The type of a request and of its reply, by version of IP.
const TYPES_V4: (u8, u8) = (8, 0);
const TYPES_V6: (u8, u8) = (128, 129);
/// Type, code, checksum, identifier, sequence.
const HEADER: usize = 8;

/// Whether `address` answers an echo within `limit`.
///
/// # Errors
/// When no echo can be sent from here: the system does not allow it, or has no way there.
pub(super) async fn echo(address: IpAddr, limit: Duration) -> io::Result<bool> {
    let socket = open(address)?;
    socket.connect(SocketAddr::new(address, 0)).await?;
    let (request, reply) = if address.is_ipv4() { TYPES_V4 } else { TYPES_V6 };
    let token: [u8; 16] = rand::random();
    let packet = packet(request, &token);
    let asking = async {
        // A lost packet is no dead host.
        for _ in 0..2 {
            socket.send(&packet).await?;
            let reading = read_reply(&socket, reply, &token);
            if let Ok(read) = tokio::time::timeout(limit / 2, reading).await {
                return read.map(|()| true);
            }
        }
        Ok(false)
    };
    match tokio::time::timeout(limit, asking).await {
        Ok(answered) => answered,
        Err(_) => Ok(false),
    }
}

fn open(address: IpAddr) -> io::Result<UdpSocket> {
    let (domain, protocol) = match address {
        IpAddr::V4(_) => (Domain::IPV4, Protocol::ICMPV4),
        IpAddr::V6(_) => (Domain::IPV6, Protocol::ICMPV6),
    };
    let socket = Socket::new(domain, Type::DGRAM, Some(protocol))
        .or_else(|_| Socket::new(domain, Type::RAW, Some(protocol)))?;
    socket.set_nonblocking(true)?;
    UdpSocket::from_std(socket.into())
}

async fn read_reply(socket: &UdpSocket, reply: u8, token: &[u8]) -> io::Result<()> {
    let mut buffer = [0; 1024];
    loop {
        let length = socket.recv(&mut buffer).await?;
        let packet = without_ip_header(&buffer[..length]);
        if packet.first() == Some(&reply) && packet.get(HEADER..) == Some(token) {
            return Ok(());
        }
    }
}

/// A raw socket of IPv4 gives the packet with its IP header; no ICMP message begins with its first byte.
fn without_ip_header(packet: &[u8]) -> &[u8] {
    match packet.first() {
        Some(first) if first >> 4 == 4 => {
            packet.get(usize::from(first & 0x0f) * 4..).unwrap_or_default()
        }
        _ => packet,
    }
}

/// An echo request that carries `token`, by which its reply is known. The system fills in the identifier of datagram sockets, and
/// the checksum of IPv6.
fn packet(request: u8, token: &[u8]) -> Vec<u8> {
    let mut packet = vec![request, 0, 0, 0, token[0], token[1], 0, 1];
    packet.extend(token);
    let sum = checksum(&packet);
    packet[2..4].copy_from_slice(&sum.to_be_bytes());
    packet
}

/// The checksum of the internet (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let words = bytes.chunks(2).map(|pair| match pair {
        [a, b] => u32::from(u16::from_be_bytes([*a, *b])),
        [a] => u32::from(*a) << 8,
        _ => 0,
    });
    let mut sum: u32 = words.sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    // Folded above, so that it fits.
    !u16::try_from(sum).unwrap_or(u16::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_of_a_packet_with_its_checksum_is_zero() {
        for length in [2, 15, 16] {
            assert_eq!(checksum(&packet(8, &vec![0xa5; length])), 0);
        }
        // The example of RFC 1071.
        assert_eq!(checksum(&[0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7]), !0xddf2);
    }

    #[test]
    fn an_ip_header_is_left_out() {
        let reply = packet(0, &[7; 16]);
        let mut raw = vec![0x45; 20];
        raw.extend(&reply);
        assert_eq!(without_ip_header(&raw), reply);
        assert_eq!(without_ip_header(&reply), reply);
        assert!(without_ip_header(&[0x4f, 0]).is_empty());
    }

    #[tokio::test]
    async fn this_machine_answers_where_it_is_allowed_to_ask() {
        match echo(IpAddr::from([127, 0, 0, 1]), Duration::from_secs(30)).await {
            Ok(answered) => assert!(answered),
            // Neither unprivileged echoes nor root here.
            Err(error) => assert_eq!(error.kind(), io::ErrorKind::PermissionDenied),
        }
    }
}
