//! What the system says about names: `/etc/hosts` and `/etc/resolv.conf`, read again when they change.
#![allow(clippy::disallowed_methods, reason = "probe measures spans")]

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, SocketAddrV6};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant, SystemTime};

use resolv_conf::ScopedIp;

use crate::monitor::dns_spec::DNS_PORT;

const RESOLV_CONF: &str = "/etc/resolv.conf";
const HOSTS: &str = "/etc/hosts";
/// How long the files are trusted without a look at their dates.
const TRUSTED: Duration = Duration::from_secs(1);

/// Whom to ask, and what is known without asking.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DnsConf {
    /// The servers, in the order in which they are asked.
    pub servers: Vec<SocketAddr>,
    /// The domains in which short names are looked for.
    pub search: Vec<String>,
    /// A name with at least so many dots is asked for as it is first.
    pub ndots: usize,
    /// How long one server may take.
    pub timeout: Duration,
    /// How often all servers are asked.
    pub attempts: u32,
    /// Names in lower case and their addresses, of the hosts file.
    pub hosts: HashMap<String, Vec<IpAddr>>,
}

impl DnsConf {
    /// Reads the text of the two files as the C library does. What it does not understand it passes over.
    pub fn parse(resolv_conf: &[u8], hosts: &str) -> Self {
        let conf = parse_resolv_conf(resolv_conf);
        let mut servers: Vec<_> = conf.nameservers.iter().map(server).collect();
        if servers.is_empty() {
            servers.push((Ipv4Addr::LOCALHOST, DNS_PORT).into());
        }
        let search = conf.get_last_search_or_domain().map(|domain| domain.trim_matches('.'));
        Self {
            servers,
            search: search.filter(|d| !d.is_empty()).map(str::to_ascii_lowercase).collect(),
            ndots: conf.ndots.min(15) as usize,
            timeout: Duration::from_secs(conf.timeout.clamp(1, 30).into()),
            attempts: conf.attempts.clamp(1, 5),
            hosts: parse_hosts(hosts),
        }
    }

    /// The full names that `name` may stand for, in the order in which they are asked for.
    pub fn candidates(&self, name: &str) -> Vec<String> {
        if let Some(full) = name.strip_suffix('.') {
            return vec![full.to_owned()];
        }
        let mut all: Vec<_> = self.search.iter().map(|domain| format!("{name}.{domain}")).collect();
        let dots = name.matches('.').count();
        let place = if dots >= self.ndots { 0 } else { all.len() };
        all.insert(place, name.to_owned());
        all
    }

    /// The addresses that need no asking: of the hosts file, and of this machine itself (RFC 6761).
    pub fn known(&self, name: &str) -> Option<Vec<IpAddr>> {
        let name = name.trim_end_matches('.').to_ascii_lowercase();
        if let Some(found) = self.hosts.get(&name) {
            return Some(found.clone());
        }
        let is_local = name == "localhost" || name.ends_with(".localhost");
        is_local.then(|| vec![Ipv4Addr::LOCALHOST.into(), std::net::Ipv6Addr::LOCALHOST.into()])
    }
}

fn parse_resolv_conf(text: &[u8]) -> resolv_conf::Config {
    let (mut conf, _) = resolv_conf::Config::parse_with_errors(text);
    conf.glibc_normalize();
    conf
}

/// The servers that the system names now; none when it names none.
pub(super) fn named_servers() -> Vec<SocketAddr> {
    let text = std::fs::read(RESOLV_CONF).unwrap_or_default();
    parse_resolv_conf(&text).nameservers.iter().map(server).collect()
}

fn server(address: &ScopedIp) -> SocketAddr {
    match address {
        ScopedIp::V4(address) => (*address, DNS_PORT).into(),
        ScopedIp::V6(address, scope) => {
            let scope = scope.as_deref().map_or(0, scope_id);
            SocketAddrV6::new(*address, DNS_PORT, 0, scope).into()
        }
    }
}

/// The number of an interface: a link-local server is known by `fe80::1%eth0`.
fn scope_id(name: &str) -> u32 {
    let index = || {
        let path = Path::new("/sys/class/net").join(name).join("ifindex");
        std::fs::read_to_string(path).ok()?.trim().parse().ok()
    };
    name.parse().ok().or_else(index).unwrap_or(0)
}

fn parse_hosts(text: &str) -> HashMap<String, Vec<IpAddr>> {
    let mut hosts: HashMap<String, Vec<IpAddr>> = HashMap::new();
    for line in text.lines() {
        let mut words = line.split('#').next().unwrap_or_default().split_whitespace();
        let Some(address) = words.next().and_then(|word| word.parse().ok()) else { continue };
        for name in words {
            let known = hosts.entry(name.trim_end_matches('.').to_ascii_lowercase()).or_default();
            if !known.contains(&address) {
                known.push(address);
            }
        }
    }
    hosts
}

/// The system's answer to "whom do I ask", kept current.
#[derive(Debug)]
pub struct SystemDns {
    // A std Mutex, because nothing is awaited while it is held. `None`: given by a test, and never read.
    loaded: Option<Mutex<Loaded>>,
    given: Arc<DnsConf>,
}

#[derive(Debug)]
struct Loaded {
    looked_at: Instant,
    stamps: [Stamp; 2],
    conf: Arc<DnsConf>,
}

/// When a file was last written and how long it is; `None` when it is not there.
type Stamp = Option<(SystemTime, u64)>;

impl SystemDns {
    /// That of this machine.
    pub fn of_system() -> Self {
        let loaded = Loaded::read();
        Self { given: loaded.conf.clone(), loaded: Some(Mutex::new(loaded)) }
    }

    /// One that says what it is told.
    pub fn given(conf: DnsConf) -> Self {
        Self { given: Arc::new(conf), loaded: None }
    }

    /// What holds now. Looks at the files at most once a second; that is a matter of microseconds.
    pub fn current(&self) -> Arc<DnsConf> {
        let Some(loaded) = &self.loaded else { return self.given.clone() };
        let mut loaded = loaded.lock().unwrap_or_else(PoisonError::into_inner);
        if loaded.looked_at.elapsed() >= TRUSTED {
            if loaded.stamps == stamps() {
                loaded.looked_at = Instant::now();
            } else {
                *loaded = Loaded::read();
            }
        }
        loaded.conf.clone()
    }
}

impl Loaded {
    fn read() -> Self {
        // The dates first: a change in between is seen at the next look.
        let stamps = stamps();
        let resolv_conf = std::fs::read(RESOLV_CONF).unwrap_or_default();
        let hosts = std::fs::read(HOSTS).unwrap_or_default();
        let conf = DnsConf::parse(&resolv_conf, &String::from_utf8_lossy(&hosts));
        Self { looked_at: Instant::now(), stamps, conf: Arc::new(conf) }
    }
}

fn stamps() -> [Stamp; 2] {
    [RESOLV_CONF, HOSTS].map(|path| {
        let about = std::fs::metadata(path).ok()?;
        Some((about.modified().ok()?, about.len()))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_files_are_read_as_the_c_library_does() {
        let conf = DnsConf::parse(
            b"# made by hand\nsearch corp.example Lab.Example.\nnameserver 10.0.0.1\n\
              nameserver fe80::1%7\nnonsense here\noptions ndots:2 timeout:3 attempts:4\n",
            "127.0.0.1 localhost\n::1 localhost # both\n10.1.2.3 DB db.internal.\nrubbish name\n",
        );
        let servers: Vec<_> = conf.servers.iter().map(ToString::to_string).collect();
        assert_eq!(servers, ["10.0.0.1:53", "[fe80::1%7]:53"]);
        assert_eq!(conf.search, ["corp.example", "lab.example"]);
        assert_eq!((conf.ndots, conf.timeout.as_secs(), conf.attempts), (2, 3, 4));
        assert_eq!(conf.known("Localhost").unwrap().len(), 2);
        assert_eq!(conf.known("db"), Some(vec!["10.1.2.3".parse().unwrap()]));
        assert_eq!(conf.known("db.internal"), conf.known("DB.internal."));
        assert_eq!(conf.known("name"), None);
    }

    #[test]
    fn without_files_the_usual_holds() {
        let conf = DnsConf::parse(b"", "");
        assert_eq!(conf.servers, ["127.0.0.1:53".parse().unwrap()]);
        assert_eq!((conf.ndots, conf.timeout.as_secs(), conf.attempts), (1, 5, 2));
        assert_eq!(conf.known("app.localhost").unwrap().len(), 2);
        assert_eq!(conf.known("example.com"), None);
    }

    #[test]
    fn short_names_are_looked_for_in_the_search_domains() {
        let conf = DnsConf::parse(b"search a.example b.example\noptions ndots:2\n", "");
        assert_eq!(conf.candidates("db"), ["db.a.example", "db.b.example", "db"]);
        assert_eq!(conf.candidates("x.y"), ["x.y.a.example", "x.y.b.example", "x.y"]);
        assert_eq!(conf.candidates("x.y.z"), ["x.y.z", "x.y.z.a.example", "x.y.z.b.example"]);
        assert_eq!(conf.candidates("db."), ["db"]);
    }

    #[test]
    fn the_files_of_this_machine_are_read_once_while_they_do_not_change() {
        let system = SystemDns::of_system();
        assert!(Arc::ptr_eq(&system.current(), &system.current()));
    }
}
