//! How one check is made. The only room that measures time spans and talks to targets.
//!
//! [`Prober`] is made once and shared: [`Prober::check`] makes one check of any kind and says what came of it, whatever the
//! target does. It never fails itself: a trouble of our own is a result too, with the verdict `unknown`.

pub mod canary;
mod certs;
mod dns;
mod dns_wire;
mod echo;
pub mod egress;
mod failure;
mod http;
pub mod icmp;
mod phases;
mod plain;
mod race;
mod reach;
mod redirect;
pub mod resolver;
pub mod system_dns;
mod tcp;
mod tls;
mod trust;

pub use canary::{Canaries, SystemCanaries};
pub use egress::EgressRules;
pub use http::{Prober, server_client};
pub use resolver::GuardedResolver;
