//! Which addresses may be contacted. Pure.
//!
//! The rules are asked about the address that is connected to, never about a name, so that a name whose
//! answer changes between two look-ups (DNS rebinding) cannot pass. An IPv6 address that carries an
//! IPv4 address inside is judged by both.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// The default of `WATCHBELL_EGRESS_DENY` (contract, section 2).
pub const DEFAULT_DENY: &str = "metadata,link-local,multicast,unspecified";

/// Where clouds answer with credentials to whoever asks from inside.
const METADATA: &[&str] = &[
    "169.254.169.254/32", // AWS, Azure, Google Cloud, OpenStack, DigitalOcean, Hetzner, Oracle
    "169.254.170.2/32",   // AWS ECS task credentials
    "169.254.170.23/32",  // AWS EKS pod identity
    "fd00:ec2::254/128",  // AWS
    "fd00:ec2::23/128",   // AWS EKS pod identity
    "fd20:ce::254/128",   // Google Cloud
    "100.100.100.200/32", // Alibaba Cloud
    "168.63.129.16/32",   // Azure WireServer
    "192.0.0.192/32",     // Oracle Cloud Classic
];
/// RFC 3927 and RFC 4291, section 2.5.6.
const LINK_LOCAL: &[&str] = &["169.254.0.0/16", "fe80::/10"];
/// RFC 5771 and RFC 4291, section 2.7; with the limited broadcast address of RFC 919.
const MULTICAST: &[&str] = &["224.0.0.0/4", "ff00::/8", "255.255.255.255/32"];
/// "This network" of RFC 1122, section 3.2.1.3, which Linux connects to itself; RFC 4291, section 2.5.2.
const UNSPECIFIED: &[&str] = &["0.0.0.0/8", "::/128"];
/// RFC 1918, RFC 6598 (shared, also of overlay networks), RFC 4193, and the old site-local of RFC 3879.
const PRIVATE: &[&str] =
    &["10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7", "fec0::/10"];
/// RFC 1122, section 3.2.1.3 and RFC 4291, section 2.5.3.
const LOOPBACK: &[&str] = &["127.0.0.0/8", "::1/128"];

/// Which addresses checks and channels may contact. All are allowed but the denied; allowing wins over denying.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EgressRules {
    deny: Vec<IpNet>,
    allow: Vec<IpNet>,
}

impl EgressRules {
    /// Reads the two settings: lists, parted by commas, of `metadata`, `link-local`, `multicast`, `unspecified`,
    /// `private`, `loopback`, addresses or CIDRs. Empty lists are fine.
    ///
    /// # Errors
    /// One line that names the word which is neither.
    pub fn parse(deny: &str, allow: &str) -> Result<Self, String> {
        Ok(Self { deny: parse_list(deny)?, allow: parse_list(allow)? })
    }

    /// Whether `address` may be contacted. An address that carries another one inside must pass with both.
    pub fn allows(&self, address: IpAddr) -> bool {
        match address {
            IpAddr::V4(_) => self.allows_plain(address),
            IpAddr::V6(v6) => match v6.to_ipv4_mapped() {
                // The system sends it to the IPv4 address itself: nothing else is asked.
                Some(v4) => self.allows_plain(v4.into()),
                None => {
                    self.allows_plain(address)
                        && embedded(v6).into_iter().all(|v4| self.allows_plain(v4.into()))
                }
            },
        }
    }

    fn allows_plain(&self, address: IpAddr) -> bool {
        let within = |nets: &[IpNet]| nets.iter().any(|net| net.contains(&address));
        within(&self.allow) || !within(&self.deny)
    }
}

impl Default for EgressRules {
    fn default() -> Self {
        // The words of DEFAULT_DENY, without a parse that could fail.
        let deny = [METADATA, LINK_LOCAL, MULTICAST, UNSPECIFIED].into_iter().flat_map(nets);
        Self { deny: deny.collect(), allow: Vec::new() }
    }
}

fn nets(list: &[&str]) -> Vec<IpNet> {
    list.iter().filter_map(|net| net.parse().ok()).collect()
}

fn parse_list(list: &str) -> Result<Vec<IpNet>, String> {
    let words = list.split(',').map(str::trim).filter(|word| !word.is_empty());
    Ok(words.map(parse_word).collect::<Result<Vec<_>, _>>()?.concat())
}

fn parse_word(word: &str) -> Result<Vec<IpNet>, String> {
    Ok(match word.to_ascii_lowercase().as_str() {
        "metadata" => nets(METADATA),
        "link-local" => nets(LINK_LOCAL),
        "multicast" => nets(MULTICAST),
        "unspecified" => nets(UNSPECIFIED),
        "private" => nets(PRIVATE),
        "loopback" => nets(LOOPBACK),
        other => {
            let single = || other.parse::<IpAddr>().ok().map(IpNet::from);
            let net = other.parse().ok().or_else(single).ok_or_else(|| {
                format!(
                    "{word:?} is not an address range: use metadata, link-local, multicast, \
                     unspecified, private, loopback, or a CIDR such as 10.0.0.0/8"
                )
            })?;
            vec![net]
        }
    })
}

/// The IPv4 addresses that an IPv6 address carries, by each of the ways in which a gateway may unwrap it.
fn embedded(address: Ipv6Addr) -> Vec<Ipv4Addr> {
    let o = address.octets();
    let v4 = |a: usize| Ipv4Addr::new(o[a], o[a + 1], o[a + 2], o[a + 3]);
    let mut found = Vec::new();
    // IPv4-compatible, RFC 4291, section 2.5.5.1; `::` and `::1` are not among them.
    if o[..12] == [0; 12] && u128::from(address) > 1 {
        found.push(v4(12));
    }
    // IPv4-translated: the prefix of RFC 7915's elder, RFC 2765, section 2.1 (`::ffff:0:a.b.c.d`).
    if o[..12] == [0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0, 0] {
        found.push(v4(12));
    }
    // NAT64: the well-known prefix of RFC 6052, section 2.1.
    if o[..12] == [0, 0x64, 0xff, 0x9b, 0, 0, 0, 0, 0, 0, 0, 0] {
        found.push(v4(12));
    }
    // NAT64 of local use, RFC 8215: which of the forms of RFC 6052, section 2.2 (/48, /56, /64, /96), only the gateway
    // knows. What reads as 0.0.0.0/8, which no gateway sends to, is another form's padding.
    if o[..6] == [0, 0x64, 0xff, 0x9b, 0, 1] {
        let forms = [
            Ipv4Addr::new(o[6], o[7], o[9], o[10]),
            Ipv4Addr::new(o[7], o[9], o[10], o[11]),
            v4(9),
            v4(12),
        ];
        found.extend(forms.into_iter().filter(|form| form.octets()[0] != 0));
    }
    // 6to4, RFC 3056, section 2.
    if o[..2] == [0x20, 0x02] {
        found.push(v4(2));
    }
    // Teredo, RFC 4380, section 4: the server, and the client with its bits turned.
    if o[..4] == [0x20, 0x01, 0, 0] {
        found.extend([v4(4), Ipv4Addr::new(!o[12], !o[13], !o[14], !o[15])]);
    }
    // ISATAP, RFC 5214, section 6.1.
    if o[8] & 0xfd == 0 && o[9..12] == [0, 0x5e, 0xfe] {
        found.push(v4(12));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    fn verdicts(rules: &EgressRules, addresses: &str, allowed: bool) {
        for address in addresses.split_whitespace() {
            let parsed: IpAddr = address.parse().unwrap();
            assert_eq!(rules.allows(parsed), allowed, "{address}");
        }
    }

    #[test]
    fn the_default_rules_are_the_default_setting() {
        assert_eq!(EgressRules::default(), EgressRules::parse(DEFAULT_DENY, "").unwrap());
    }

    #[test]
    fn the_default_blocks_metadata_and_its_disguises() {
        let blocked = "169.254.169.254 169.254.170.2 169.254.170.23 fd00:ec2::254 fd00:ec2::23
            fd20:ce::254 100.100.100.200 168.63.129.16 192.0.0.192
            ::ffff:169.254.169.254 ::169.254.169.254 64:ff9b::169.254.169.254 64:ff9b::a9fe:a9fe
            64:ff9b:1::169.254.169.254 64:ff9b:1:a9fe:a9:fe00::
            64:ff9b:1:a9:fe:a9fe:: 64:ff9b:1:77:a9:fea9:fe00:: 2002:a9fe:a9fe:: 2002:a9fe:a9fe::1
            2001:0:a9fe:a9fe::1 2001:0:808:808:0:0:5601:5601 2001:db8::5efe:a9fe:a9fe
            fe80::5efe:a9fe:a9fe 2001:db8::200:5efe:169.254.169.254
            ::ffff:100.100.100.200 64:ff9b::100.100.100.200 2002:6464:64c8:: ::ffff:168.63.129.16
            64:ff9b::168.63.129.16 2002:a83f:8110:: ::ffff:0:169.254.169.254";
        verdicts(&EgressRules::default(), blocked, false);
    }

    #[test]
    fn the_default_blocks_link_local_multicast_and_unspecified() {
        let blocked = "169.254.0.0 169.254.0.1 169.254.255.255 fe80:: fe80::1 febf::ffff
            224.0.0.1 239.255.255.255 232.1.1.1 255.255.255.255 ff00:: ff02::1 ff0e::1:2
            0.0.0.0 0.0.0.1 0.255.255.255 :: ::ffff:0.0.0.0 ::ffff:224.0.0.1 ::ffff:169.254.1.1
            64:ff9b::0.0.0.0 64:ff9b::224.0.0.1 2002:e000:1:: 2002:0:0::";
        verdicts(&EgressRules::default(), blocked, false);
    }

    #[test]
    fn the_default_allows_the_rest() {
        let allowed = "1.1.1.1 93.184.216.34 10.0.0.1 192.168.1.1 127.0.0.1 ::1 100.100.100.201
            2606:4700::1111 fd00::1 64:ff9b::8.8.8.8 64:ff9b:1::8.8.8.8
            64:ff9b:1:808:8:800:: 2002:808:808:: ::ffff:10.0.0.1 169.253.255.255
            169.255.0.0 223.255.255.255 fec0::1 2001:0:808:808:0:0:f7f7:f7f7";
        verdicts(&EgressRules::default(), allowed, true);
    }

    #[test]
    fn private_and_loopback_can_be_denied() {
        let rules = EgressRules::parse("private, LOOPBACK ,203.0.113.9,2001:db8::/32", "").unwrap();
        let blocked = "10.0.0.0 10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1 100.64.0.1
            100.127.255.255 fc00::1 fdff::1 fec0::1 127.0.0.1 127.255.255.254 ::1
            ::ffff:127.0.0.1 ::ffff:10.1.2.3 ::127.0.0.1 ::10.0.0.1 64:ff9b::10.0.0.1
            64:ff9b::127.0.0.1 64:ff9b:1::10.0.0.1 2002:a00:1:: 2002:7f00:1:: 2002:c0a8:101::
            2001:0:a00:1::1 2001:0:808:808:0:0:80ff:fffe 2606:4700::5efe:10.0.0.1
            ::ffff:0:10.0.0.1
            203.0.113.9 ::ffff:203.0.113.9 2001:db8::1";
        verdicts(&rules, blocked, false);
        let allowed = "172.15.255.255 172.32.0.1 11.0.0.1 100.63.255.255 100.128.0.1 8.8.8.8
            203.0.113.8 2606:4700::1 126.255.255.255 128.0.0.1";
        verdicts(&rules, allowed, true);
    }

    #[test]
    fn allowing_wins_over_denying() {
        let rules = EgressRules::parse("0.0.0.0/0,::/0", "private,1.1.1.1,2001:db8::1").unwrap();
        verdicts(&rules, "10.0.0.1 ::ffff:10.0.0.1 1.1.1.1 2001:db8::1 fd00::1", true);
        // Through a gateway both must pass: the gateway's prefix is not among the allowed.
        verdicts(&rules, "1.1.1.2 ::ffff:1.1.1.2 127.0.0.1 64:ff9b::10.0.0.1 2001:db8::2", false);
    }

    #[test]
    fn a_wrong_word_is_named_in_one_line() {
        for (deny, allow, word) in [
            ("metadata,privat", "", "privat"),
            ("", "10.0.0.0/33", "10.0.0.0/33"),
            ("10.0.0", "", "10.0.0"),
            ("example.com", "", "example.com"),
        ] {
            let reason = EgressRules::parse(deny, allow).unwrap_err();
            assert!(reason.starts_with(&format!("{word:?}")), "{reason}");
            assert!(!reason.contains('\n'), "{reason}");
        }
        verdicts(&EgressRules::parse(" , ", "").unwrap(), "169.254.169.254 0.0.0.0", true);
    }
}
