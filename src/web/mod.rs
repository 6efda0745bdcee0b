//! The web edge: pages, API, pings, live updates.

pub mod assets;
pub mod pages;
//! The web: pages, the API, and the gate before them.

pub mod api;
pub mod body;
pub mod error;
pub mod guard;
pub mod list;
pub mod state;
pub mod table;
