//! Watchbell: a self-hosted uptime monitor.
//!
//! The rooms and who may enter which are in `ARCHITECTURE.md`. Pure rooms (`monitor`, `incident`) decide; the others act.

pub mod account;
pub mod clock;
pub mod fields;
pub mod incident;
pub mod monitor;
pub mod store;
pub mod web;
mod words;
