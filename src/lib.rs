//! Watchbell: a self-hosted uptime monitor.
//!
//! The rooms and who may enter which are in `ARCHITECTURE.md`. Pure rooms (`monitor`, `incident`) decide; the others act.

pub mod account;
pub mod app;
pub mod base_url;
pub mod characters;
pub mod checker;
pub mod cli;
pub mod clock;
pub mod config;
pub mod fields;
pub mod incident;
pub mod live;
pub mod metrics;
pub mod monitor;
pub mod notify;
pub mod probe;
pub mod region;
pub mod report;
pub mod seal;
pub mod server_settings;
pub mod store;
pub mod supervise;
pub mod telemetry;
pub mod web;
mod words;
