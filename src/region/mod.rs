//! Places beside the server's own to check from: what the server and its probes say to each other, and both ends of it.

pub mod agent;
pub mod hub;
pub mod liveness;
pub mod spool;
pub mod wire;

use serde::{Deserialize, Serialize};

use crate::clock::Timestamp;

/// What every probe's token starts with.
pub const TOKEN_PREFIX: &str = "wbp_";

/// A remote checker, without its token: only a hash of that is stored.
#[derive(Debug, Clone, PartialEq)]
pub struct Probe {
    /// Its number.
    pub id: i64,
    /// What it is called.
    pub name: String,
    /// The region that it checks from; no other probe has it.
    pub region: String,
    /// Whether it may work.
    pub enabled: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last heard of.
    pub last_contact_at: Option<Timestamp>,
    /// What it said of itself then.
    pub seen: Option<Seen>,
    /// Since when it is lost.
    pub lost_at: Option<Timestamp>,
    /// The channels that were told so.
    pub lost_told: Vec<i64>,
}

/// What a probe says of itself.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// The version of its program.
    pub version: String,
    /// How long a request of it takes beside the work, in ms.
    pub latency_ms: Option<i64>,
    /// How far its clock is ahead of the server's, in ms; its results are corrected by it.
    pub clock_ahead_ms: i64,
    /// What it has to do.
    pub load: wire::Load,
}
