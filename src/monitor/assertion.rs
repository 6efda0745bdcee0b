//! What must be true of an answer beside its status code and keywords (contract, section 4): reading and judging. Pure.

mod judge;
#[cfg(test)]
mod random_tests;
mod read;
#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::Arc;

use regex::Regex;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::Header;
use super::body::Body;
use super::json_path::Path;
use super::line::one_line;

pub use read::parse_assertions;

/// The most assertions of one monitor.
pub const MOST: usize = 50;
/// The longest path, value or found text in a message, in characters.
const SHOWN: usize = 80;

crate::words! {
    /// What of an answer is looked at.
    pub enum Source {
        /// The nodes that a JSONPath finds in the body. All of them must be as asserted, and there must be one.
        Json = "json",
        /// A header, by name. Of several values, one must be as asserted.
        Header = "header",
        /// The text of the body, without space around it.
        Body = "body",
        /// The status code.
        Status = "status",
        /// The whole time of the check, in ms.
        ResponseMs = "response_ms",
    }
}

crate::words! {
    /// How what is found is compared with the value.
    pub enum Op {
        /// It is the value.
        Eq = "eq",
        /// It is there, and is not the value.
        Ne = "ne",
        /// It is a number below the value.
        Lt = "lt",
        /// It is a number above the value.
        Gt = "gt",
        /// It is a text with the value in it, or a list with the value among its items. A number, `true` and `false` are the
        /// text that they are written as.
        Contains = "contains",
        /// It is a text, as for `contains`, in which the value, a regular expression, is found.
        Matches = "matches",
        /// It is there; with the value `false`: it is not.
        Exists = "exists",
    }
}

/// One assertion: as it was given, and ready to be judged by.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub struct Assertion {
    source: Source,
    path: Option<String>,
    op: Op,
    value: Value,
    /// Read once, and shared by all copies.
    ready: Arc<Ready>,
}

/// What an assertion is judged by.
#[derive(Debug)]
struct Ready {
    subject: Subject,
    test: Test,
}

#[derive(Debug)]
enum Subject {
    Json(Path),
    Header(String),
    Body,
    Status,
    ResponseMs,
}

#[derive(Debug)]
enum Test {
    Eq(Value),
    Ne(Value),
    Lt(f64),
    Gt(f64),
    Contains(Value),
    Matches(Regex),
    Exists(bool),
}

/// What an answer is judged by.
#[derive(Debug, Clone, Copy)]
pub struct Answer<'a, 'b> {
    /// The status code.
    pub status: u16,
    /// The headers that are asked for; others may be missing.
    pub headers: &'a [Header],
    /// The body.
    pub body: &'a Body<'b>,
    /// The whole time of the check, in ms.
    pub total_ms: u32,
}

impl Assertion {
    /// What is looked at.
    pub fn source(&self) -> Source {
        self.source
    }

    /// Where: a JSONPath, or the name of a header; `None` for the other sources.
    pub fn path(&self) -> Option<&str> {
        self.path.as_deref()
    }

    /// How it is compared.
    pub fn op(&self) -> Op {
        self.op
    }

    /// With what; null for [`Op::Exists`] unless it was given.
    pub fn value(&self) -> &Value {
        &self.value
    }

    /// The part of an answer that is looked at, as messages name it: `$.status`, `header content-type`, `the body`.
    fn subject(&self) -> String {
        let path = one_line(self.path.as_deref().unwrap_or_default(), SHOWN);
        match self.source {
            Source::Json => path,
            Source::Header => format!("header {path}"),
            Source::Body => "the body".to_owned(),
            Source::Status => "the status code".to_owned(),
            Source::ResponseMs => "the response time in ms".to_owned(),
        }
    }
}

impl fmt::Display for Assertion {
    /// In words: `$.status equals "ok"`, `header content-type contains "json"`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = shown(&self.value);
        let verb = match &self.ready.test {
            Test::Eq(_) => format!("equals {value}"),
            Test::Ne(_) => format!("is not {value}"),
            Test::Lt(_) => format!("is less than {}", shown_limit(&self.value)),
            Test::Gt(_) => format!("is more than {}", shown_limit(&self.value)),
            Test::Contains(_) => format!("contains {value}"),
            Test::Matches(pattern) => format!("matches {}", one_line(pattern.as_str(), SHOWN)),
            Test::Exists(true) => "exists".to_owned(),
            Test::Exists(false) => "is absent".to_owned(),
        };
        write!(f, "{} {verb}", self.subject())
    }
}

impl PartialEq for Assertion {
    fn eq(&self, other: &Self) -> bool {
        let given = |a: &Self| (a.source, a.op);
        given(self) == given(other) && self.path == other.path && self.value == other.value
    }
}

impl From<Assertion> for Value {
    fn from(given: Assertion) -> Self {
        json!({ "source": given.source, "path": given.path, "op": given.op, "value": given.value })
    }
}

/// A value as messages show it: JSON on one line, cut off when it is long.
fn shown(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        other => one_line(&other.to_string(), SHOWN),
    }
}

/// A limit as messages show it: it is a number, also when it was given as text.
fn shown_limit(value: &Value) -> String {
    value.as_str().map_or_else(|| shown(value), |text| one_line(text, SHOWN))
}

fn quoted(text: &str) -> String {
    format!("\"{}\"", one_line(text, SHOWN))
}
