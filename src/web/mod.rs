//! The web: pages, the API, and the gate before them.

pub mod api;
pub mod assets;
pub mod body;
pub mod error;
pub mod guard;
pub mod list;
pub mod pages;
pub mod state;
pub mod table;
