//! How one check is made. The only room that measures time spans and talks to targets.
//!
//! [`Prober`] is made once and shared: [`Prober::check`] looks at a target and says what came of it, whatever the
//! target does. It never fails itself: a trouble of our own is a result too, with the verdict `unknown`.

pub mod canary;
mod certs;
mod dial;
mod echo;
pub mod egress;
mod failure;
mod http;
mod phases;
mod reach;
mod redirect;
pub mod resolver;
mod tls;
mod trust;

pub use canary::{Canaries, SystemCanaries};
pub use egress::EgressRules;
pub use http::Prober;
pub use resolver::GuardedResolver;
