//! What history says: uptime, and keeping history small.

pub mod retention;
pub mod uptime;
