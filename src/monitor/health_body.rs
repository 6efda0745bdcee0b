//! Which parts of a health body are not well. Pure.
//!
//! A body is read as what it can be recognised as; of an unknown shape nothing is said, for a wrong word
//! in an alert is worse than none.

mod django;
mod keyed;
mod listed;
#[cfg(test)]
mod tests;
mod words;

use serde_json::{Map, Value};

use super::FailedChecks;
use super::body::Body;
use super::line::one_line;

/// What reading a body may take, in bytes: a hundred times what health bodies need.
const MEMORY_MAX: usize = 8 << 20;
/// The most parts that are named; who reads more than these looks at the body.
const MOST: usize = 20;
/// The longest text of a part, in characters.
const TEXT_MAX: usize = 300;
/// The longest name of a part, in characters.
const NAME_MAX: usize = 100;
/// The longest path of a part, in characters: parts may lie in parts.
const PATH_MAX: usize = 250;

/// The parts of `body` that are not well, as dotted paths with their texts; empty when it is not a health body.
///
/// `tests/health_bodies/` has a real sample of each form that is read. A body that is cut off, not JSON, or nested deeper than
/// serde_json goes (128) says nothing.
pub fn failed_checks(body: &Body<'_>) -> FailedChecks {
    if !body.may_be_object() || body.weight() > MEMORY_MAX {
        return FailedChecks::new();
    }
    let Ok(Value::Object(body)) = body.json() else { return FailedChecks::new() };
    let mut parts = Parts::default();
    keyed::read(body, &mut parts);
    listed::read(body, &mut parts);
    django::read(body, &mut parts);
    parts.0
}

/// The parts found so far.
#[derive(Default)]
struct Parts(FailedChecks);

impl Parts {
    /// Notes that the part at `path` is not well. A second part of the same name gets a number.
    fn add(&mut self, path: &str, text: &str) {
        if self.0.len() >= MOST {
            return;
        }
        let path = one_line(path, PATH_MAX);
        let mut key = path.clone();
        let mut n = 1;
        while self.0.contains_key(&key) {
            n += 1;
            key = format!("{path} ({n})");
        }
        self.0.insert(key, one_line(text, TEXT_MAX));
    }
}

/// The path of a part called `name` within `parent`.
fn path(parent: &str, name: &str) -> String {
    let name = one_line(name, NAME_MAX);
    if parent.is_empty() { name } else { format!("{parent}.{name}") }
}

fn object<'a>(body: &'a Map<String, Value>, key: &str) -> Option<&'a Map<String, Value>> {
    body.get(key)?.as_object()
}

fn text<'a>(body: &'a Map<String, Value>, key: &str) -> Option<&'a str> {
    body.get(key)?.as_str().map(str::trim).filter(|text| !text.is_empty())
}
