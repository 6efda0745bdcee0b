//! Network namespaces, for tests that cut a network. They need root and `ip`.
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test fails by panicking")]

use std::io::Write;
use std::process::{Command, Stdio};

/// Runs `ip`; gives whether it did what it should.
pub fn ip(args: &[&str]) -> bool {
    Command::new("ip")
        .args(args)
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// A namespace whose only way out is a pair of interfaces, one end of it here. Gone when dropped.
pub struct Namespace {
    /// Its name.
    pub name: String,
    here: String,
    /// The first three numbers of its addresses.
    pub net: String,
}

impl Namespace {
    /// The `n`th of a test (of 8), with the gateway, and the addresses of `hosts` targets, at our end. `None` where that is not to
    /// be had.
    pub fn new(n: u32, hosts: usize) -> Option<Self> {
        let number = std::process::id() * 8 + n;
        let this = Self {
            name: format!("watchbell-{number}"),
            here: format!("wb{number}"),
            net: format!("10.{}.{}", 200 + number % 50, number / 50 % 250),
        };
        ip(&["netns", "add", &this.name]).then_some(())?;
        let there = format!("wn{number}");
        let (name, here, net) = (&this.name, &this.here, &this.net);
        let mut lines = format!("link add {here} type veth peer name {there} netns {name}\n");
        for host in std::iter::once(1).chain(10..10 + hosts) {
            lines.push_str(&format!("addr add {net}.{host}/24 dev {here}\n"));
        }
        lines.push_str(&format!("link set {here} up\n"));
        batch(&["-batch", "-"], &lines);
        let inside = format!(
            "link set lo up\naddr add {net}.2/24 dev {there}\nlink set {there} up\nroute add default via {net}.1\n"
        );
        batch(&["-n", name, "-batch", "-"], &inside);
        Some(this)
    }

    /// Cuts its only way out.
    pub fn cut(&self) {
        assert!(ip(&["link", "set", &self.here, "down"]));
    }

    /// Opens it again.
    pub fn heal(&self) {
        assert!(ip(&["link", "set", &self.here, "up"]));
    }
}

fn batch(args: &[&str], lines: &str) {
    let mut child = Command::new("ip").args(args).stdin(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(lines.as_bytes()).unwrap();
    assert!(child.wait().unwrap().success(), "{lines}");
}

impl Drop for Namespace {
    fn drop(&mut self) {
        ip(&["link", "del", &self.here]);
        ip(&["netns", "del", &self.name]);
    }
}
