//! Targets that do all that a server must not: each gives its own documented kind, in time and in bounded memory.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::disallowed_methods,
    reason = "a test fails by panicking, and its tasks end with its runtime"
)]

mod answers;
mod hops;
mod memory;
mod onwards;
mod over_tls;
mod over_two;
mod table;
pub mod wire;

use std::net::SocketAddr;

use serde_json::{Value, json};
use watchbell::monitor::ErrorKind;

use wire::{Silent, Step};

/// What a check of a target has to say.
#[derive(Debug, Clone, Copy)]
pub enum Expected {
    /// It is up.
    Up,
    /// It is down, with this kind and this text; a text that ends in `…` is the beginning.
    Down(ErrorKind, &'static str),
    /// Either of two, as the bytes happen to come.
    Either(&'static [Expected]),
}

use Expected::{Down, Up};

/// A target and what is expected of a check of it.
pub struct Case {
    /// What it does.
    pub name: String,
    /// Where it is.
    pub url: String,
    /// The fields of its monitor, beside the URL.
    pub fields: Value,
    /// What the check says.
    pub expected: Expected,
}

/// All targets.
pub struct Targets {
    /// What they are.
    pub cases: Vec<Case>,
    /// The authority that signs their certificates, in PEM.
    pub authority: String,
    _silent: Silent,
}

impl Expected {
    /// Whether a check that came to this kind and text, or to neither, is as expected.
    pub fn is(&self, error: Option<(&str, &str)>) -> bool {
        match (self, error) {
            (Up, None) => true,
            (Down(kind, text), Some((found, words))) => {
                let as_said = match text.strip_suffix('…') {
                    Some(beginning) => words.starts_with(beginning),
                    None => words == *text,
                };
                kind.as_str() == found && as_said
            }
            (Expected::Either(some), _) => some.iter().any(|one| one.is(error)),
            _ => false,
        }
    }
}

/// Adds a target that plays `steps` over a plain connection.
async fn add(
    cases: &mut Vec<Case>,
    name: &str,
    steps: Vec<Step>,
    fields: Value,
    expected: Expected,
) {
    let address = wire::plain(steps).await;
    put(cases, name, format!("http://{address}/"), fields, expected);
}

/// Adds a case. Its check has two minutes, so that a busy machine fails none, unless the case is about time.
fn put(cases: &mut Vec<Case>, name: &str, url: String, fields: Value, expected: Expected) {
    let mut all = json!({"timeout_seconds": 120, "retries": 0});
    all.as_object_mut().unwrap().extend(fields.as_object().cloned().unwrap_or_default());
    cases.push(Case { name: name.to_owned(), url, fields: all, expected });
}

/// Starts all targets.
async fn start() -> Targets {
    let mut cases = Vec::new();
    let anywhere: SocketAddr = ([127, 0, 0, 1], 0).into();
    let silent = wire::silent(anywhere);
    put(
        &mut cases,
        "no answer to the SYN",
        format!("http://{}/", silent.address),
        in_a_second(),
        LATE,
    );
    answers::add_all(&mut cases).await;
    hops::add_all(&mut cases).await;
    let authority = over_tls::add_all(&mut cases).await;
    over_two::add_all(&mut cases).await;
    Targets { cases, authority, _silent: silent }
}

/// The fields of a monitor whose target never comes to an end.
fn in_a_second() -> Value {
    json!({"timeout_seconds": 1})
}

const LATE: Expected = Down(ErrorKind::Timeout, "timeout after 1s");
const CUT: Expected = Down(ErrorKind::Reset, "connection closed before the answer was complete");
const RESET: Expected = Down(ErrorKind::Reset, "connection reset");
const TOO_LARGE: Expected =
    Down(ErrorKind::InvalidResponse, "the header of the answer is too large");
const NOT_HTTP: Expected = Down(ErrorKind::InvalidResponse, "the answer is not HTTP");
const BAD_HEADER: Expected =
    Down(ErrorKind::InvalidResponse, "the header of the answer is not HTTP");
const BAD_LENGTH: Expected =
    Down(ErrorKind::InvalidResponse, "the content-length of the answer is not valid");
const BAD_BODY: Expected = Down(ErrorKind::InvalidResponse, "the body cannot be read: …");
