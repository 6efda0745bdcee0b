//! What history says: uptime, latency, the roll-ups they come from; and keeping history small.

pub mod latency;
pub mod record;
pub mod retention;
pub mod roller;
pub mod rollup;
pub mod uptime;
