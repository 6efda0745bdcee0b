//! What the system says of its network: default gateway, neighbours; and the query that a resolver is asked with.

use std::net::{IpAddr, Ipv4Addr};

/// The answer code of a resolver that cannot reach those it asks.
const SERVER_FAILURE: u8 = 2;

/// The default gateway.
pub(super) fn gateway() -> Option<IpAddr> {
    parse_gateway(&read("/proc/net/route"))
}

/// Whether the system knows where a neighbour is. It forgets some seconds after that one has fallen silent.
pub(super) fn is_neighbour(address: IpAddr) -> bool {
    parse_neighbours(&read("/proc/net/arp")).contains(&address)
}

fn read(path: &str) -> String {
    // Elsewhere than on Linux there are none of these.
    std::fs::read_to_string(path).unwrap_or_default()
}

/// The gateway of the default route with the lowest metric. Columns: interface, destination, gateway, flags, …, metric, mask; numbers
/// are hexadecimal, addresses in the byte order of the machine.
fn parse_gateway(text: &str) -> Option<IpAddr> {
    const IS_GATEWAY: u32 = 2;
    let hex = |word: Option<&&str>| word.and_then(|word| u32::from_str_radix(word, 16).ok());
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let words: Vec<&str> = line.split_whitespace().collect();
            let (destination, gateway) = (hex(words.get(1))?, hex(words.get(2))?);
            let (flags, mask) = (hex(words.get(3))?, hex(words.get(7))?);
            let metric: u32 = words.get(6)?.parse().ok()?;
            let is_default = destination == 0 && mask == 0 && flags & IS_GATEWAY != 0;
            is_default.then(|| (metric, Ipv4Addr::from(gateway.to_ne_bytes())))
        })
        .min()
        .map(|(_, gateway)| IpAddr::V4(gateway))
}

/// The neighbours whose hardware address is known. Columns: address, type, flags, hardware address, …
fn parse_neighbours(text: &str) -> Vec<IpAddr> {
    const IS_COMPLETE: u32 = 2;
    text.lines()
        .skip(1)
        .filter_map(|line| {
            let mut words = line.split_whitespace();
            let address = words.next()?.parse().ok()?;
            let flags = u32::from_str_radix(words.nth(1)?.trim_start_matches("0x"), 16).ok()?;
            (flags & IS_COMPLETE != 0).then_some(address)
        })
        .collect()
}

/// A query for the address of `<label>.example.com`: a name that is nowhere, so that no cache answers for a network that is gone.
pub(super) fn question(id: u16, label: u64) -> Vec<u8> {
    let mut packet = Vec::with_capacity(64);
    packet.extend(id.to_be_bytes());
    // A standard query, recursion desired, one question.
    packet.extend([0x01, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in [format!("watchbell-{label:016x}").as_str(), "example", "com"] {
        // None is longer than 26.
        packet.push(label.len().to_le_bytes()[0]);
        packet.extend(label.as_bytes());
    }
    packet.extend([0, 0, 1, 0, 1]);
    packet
}

/// Whether a packet answers the query `id`. Of a resolver on this machine, that it has no way to others is no answer.
pub(super) fn is_answer(packet: &[u8], id: u16, is_local: bool) -> bool {
    let [a, b, flags, code, _, ..] = packet else { return false };
    let is_reply = [*a, *b] == id.to_be_bytes() && flags & 0x80 != 0;
    is_reply && !(is_local && code & 0x0f == SERVER_FAILURE)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_default_route_with_the_lowest_metric_wins() {
        let of = |address: [u8; 4]| format!("{:08X}", u32::from_ne_bytes(address));
        let head = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\n";
        let route = |gateway: &str, flags: &str, metric: u32, mask: &str| {
            format!("eth0\t00000000\t{gateway}\t{flags}\t0\t0\t{metric}\t{mask}\t0\t0\t0\n")
        };
        let (slow, quick) = (of([10, 0, 0, 1]), of([10, 0, 0, 2]));
        let text = [
            head.to_owned(),
            route(&slow, "0003", 600, "00000000"),
            route(&of([10, 0, 0, 9]), "0003", 0, "000000FF"),
            route(&quick, "0003", 100, "00000000"),
            route("00000000", "0001", 1, "00000000"),
        ];
        assert_eq!(parse_gateway(&text.concat()), Some("10.0.0.2".parse().unwrap()));
        assert_eq!(parse_gateway(head), None);
        assert_eq!(parse_gateway("garbage\nmore garbage\n"), None);
    }

    #[test]
    fn neighbours_are_those_whose_address_is_known() {
        let text = "IP address       HW type     Flags       HW address            Mask     Device\n\
                    10.0.0.1         0x1         0x2         02:42:0a:00:00:01     *        eth0\n\
                    10.0.0.2         0x1         0x0         00:00:00:00:00:00     *        eth0\n";
        assert_eq!(parse_neighbours(text), ["10.0.0.1".parse::<IpAddr>().unwrap()]);
    }

    #[test]
    fn any_reply_is_an_answer_but_a_local_failure() {
        let question = question(0x1234, 7);
        assert_eq!(&question[12..39], b"\x1awatchbell-0000000000000007");
        assert!(!is_answer(&question, 0x1234, false), "a question is none");
        let mut answer = question;
        answer[2] |= 0x80;
        for (code, by_others, by_us) in [(0, true, true), (3, true, true), (2, true, false)] {
            answer[3] = code;
            assert_eq!(is_answer(&answer, 0x1234, false), by_others);
            assert_eq!(is_answer(&answer, 0x1234, true), by_us);
        }
        assert!(!is_answer(&answer, 0x1235, false));
        assert!(!is_answer(&answer[..3], 0x1234, false));
    }
}
