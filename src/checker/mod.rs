//! The loop: what is due is checked, what was found or signalled becomes state, incident and outbox rows in one transaction.

pub mod engine;
pub mod ingest;
pub mod judge;
mod presence;
pub mod queue;
pub mod run;
pub mod watch;

pub use engine::{Engine, EngineError};
pub use ingest::IncomingPing;
