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
mod long_body;
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

use async_trait::async_trait;

use crate::clock::Timestamp;
use crate::monitor::{CheckResult, Target};

pub use canary::{Canaries, SystemCanaries};
pub use egress::EgressRules;
pub use http::{Look, Prober, server_client};
pub use long_body::Answer;
pub use resolver::GuardedResolver;

/// Who makes the checks: a [`Prober`], or what stands in for one where nothing may be contacted.
#[async_trait]
pub trait Checks: Send + Sync + 'static {
    /// Checks `target` once, from `region`; `started_at` is the time that the result bears. `None` of what is not checked.
    async fn check(
        &self,
        target: &Target,
        region: &str,
        started_at: Timestamp,
    ) -> Option<CheckResult>;
}

#[async_trait]
impl Checks for Prober {
    async fn check(
        &self,
        target: &Target,
        region: &str,
        started_at: Timestamp,
    ) -> Option<CheckResult> {
        Prober::check(self, target, region, started_at).await
    }
}
