//! Which of a target's addresses this machine has a way to.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};

/// `addresses` without those that the system has no route to, unless it has one to none.
///
/// A machine without IPv6 (most containers) cannot contact half of the addresses of most names. That is no news about
/// the target: were such an address tried after the others had failed, its failure, which is our own, would hide theirs.
pub(super) fn reachable(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    only_routed(addresses, has_route)
}

fn only_routed(addresses: Vec<IpAddr>, routed: impl Fn(IpAddr) -> bool) -> Vec<IpAddr> {
    // With one family a look at the routes could change nothing.
    let mixed = addresses.iter().any(IpAddr::is_ipv4) && addresses.iter().any(IpAddr::is_ipv6);
    if !mixed {
        return addresses;
    }
    let some: Vec<_> = addresses.iter().copied().filter(|a| routed(*a)).collect();
    if some.is_empty() { addresses } else { some }
}

/// Whether the system would know how to send to `address`. Sends nothing.
fn has_route(address: IpAddr) -> bool {
    let any: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    UdpSocket::bind((any, 0)).and_then(|socket| socket.connect((address, 53))).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn routed(addresses: &[&str], v4: bool, v6: bool) -> Vec<String> {
        let all = addresses.iter().map(|a| a.parse().unwrap()).collect();
        let left = only_routed(all, |address| if address.is_ipv4() { v4 } else { v6 });
        left.iter().map(|address| address.to_string()).collect()
    }

    #[test]
    fn a_family_without_a_route_is_left_out_while_there_is_another() {
        assert_eq!(routed(&["192.0.2.1", "2001:db8::1"], true, false), ["192.0.2.1"]);
        assert_eq!(routed(&["192.0.2.1", "2001:db8::1"], false, true), ["2001:db8::1"]);
        assert_eq!(routed(&["2001:db8::1", "192.0.2.1"], true, true).len(), 2);
        assert_eq!(routed(&["2001:db8::1", "192.0.2.1"], false, false).len(), 2);
        assert_eq!(routed(&["2001:db8::1"], true, false), ["2001:db8::1"]);
        assert!(has_route(Ipv4Addr::LOCALHOST.into()));
    }
}
