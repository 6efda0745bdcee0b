//! The loop: what is due is checked, what was found or signalled becomes state, incident and outbox rows in one transaction.

mod attempt;
pub mod engine;
pub mod ingest;
pub mod judge;
pub mod meter;
mod policies;
pub mod presence;
pub mod queue;
#[cfg(test)]
mod queue_tests;
pub mod record;
pub mod run;
mod slot;
pub mod trial;
pub mod watch;

pub use engine::{Engine, EngineError};
pub use ingest::IncomingPing;
