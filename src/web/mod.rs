//! The web: pages, the API, and the gate before them.

pub mod api;
pub mod body;
pub mod client;
pub mod error;
pub mod guard;
pub mod list;
pub mod ping;
pub mod state;
pub mod table;
