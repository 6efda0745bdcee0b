//! Everything that is tested from outside, in one binary: each further one would link the whole crate again.

mod account;
mod addresses;
mod alerts;
mod api_admin;
mod api_channels;
mod api_errors;
mod api_gate;
mod api_monitors;
mod api_openapi;
mod api_windows;
mod beats;
mod cli;
mod crash;
mod heartbeats;
mod hostile;
mod kinds;
mod maintenance;
mod pages;
mod pausing;
mod probe;
mod serve;
mod settings;
mod snippets;
mod store;
mod support;
