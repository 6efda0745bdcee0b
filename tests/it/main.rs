//! One binary for all integration tests: each further one links everything again.

mod probe;
mod settings;
