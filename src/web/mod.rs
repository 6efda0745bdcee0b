//! The web edge: pages, API, pings, live updates.

pub mod assets;
pub mod pages;
