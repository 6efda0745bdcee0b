//! Assertions as requests give them. Pure.

use std::sync::Arc;

use serde_json::{Map, Value};

use super::judge::number_in;
use super::{Assertion, MOST, Op, Ready, Source, Subject, Test};
use crate::fields::parse_text;
use crate::monitor::json_path::Path;
use crate::monitor::pattern;

const KEYS: [&str; 4] = ["source", "path", "op", "value"];
const EXAMPLE: &str =
    r#"such as {"source": "json", "path": "$.status", "op": "eq", "value": "ok"}"#;
/// The longest value, in bytes of JSON.
const VALUE_MAX: usize = 10_000;

/// Reads a list of assertions.
///
/// # Errors
/// Every entry that is wrong, with what is wrong and the fix: `entry 2: path is not a JSONPath: …`.
pub fn parse_assertions(value: &Value) -> Result<Vec<Assertion>, String> {
    let entries = value.as_array().ok_or_else(|| format!("must be a list of objects {EXAMPLE}"))?;
    if entries.len() > MOST {
        return Err(format!("must have at most {MOST} entries"));
    }
    let (mut read, mut wrong) = (Vec::new(), Vec::new());
    for (i, entry) in entries.iter().enumerate() {
        match Assertion::try_from(entry.clone()) {
            Ok(assertion) => read.push(assertion),
            Err(reason) => wrong.push(format!("entry {}: {reason}", i + 1)),
        }
    }
    if wrong.is_empty() { Ok(read) } else { Err(wrong.join("; ")) }
}

impl TryFrom<Value> for Assertion {
    type Error = String;

    /// Reads one assertion; what is wrong is told with the name of its key: `op must be one of …`.
    fn try_from(entry: Value) -> Result<Self, String> {
        let Value::Object(mut entry) = entry else {
            return Err(format!("must be an object {EXAMPLE}"));
        };
        if let Some(key) = entry.keys().find(|key| !KEYS.contains(&key.as_str())) {
            return Err(format!("has the unknown key {key:?}; the keys are {}", KEYS.join(", ")));
        }
        let source: Source = word(&entry, "source")?;
        let op: Op = word(&entry, "op")?;
        let (path, subject) = read_path(source, entry.get("path"))?;
        let value = entry.remove("value");
        let test = read_test(source, op, value.as_ref())?;
        let ready = Arc::new(Ready { subject, test });
        Ok(Self { source, path, op, value: value.unwrap_or_default(), ready })
    }
}

fn word<T: std::str::FromStr<Err = String>>(
    entry: &Map<String, Value>,
    key: &str,
) -> Result<T, String> {
    let text = entry.get(key).and_then(Value::as_str).unwrap_or_default();
    text.parse().map_err(|reason| format!("{key} {reason}"))
}

fn read_path(source: Source, path: Option<&Value>) -> Result<(Option<String>, Subject), String> {
    let path = match path {
        None | Some(Value::Null) => String::new(),
        Some(path) => parse_text(path, 1000).map_err(|reason| format!("path {reason}"))?,
    };
    let path = path.trim();
    let subject = match source {
        Source::Json if path.is_empty() => {
            return Err("path is missing: give a JSONPath such as $.status".to_owned());
        }
        Source::Json => {
            Subject::Json(Path::parse(path).map_err(|reason| format!("path {reason}"))?)
        }
        Source::Header => Subject::Header(header_name(path)?),
        _ if !path.is_empty() => {
            return Err(format!("path must be left out: {source} is looked at as a whole"));
        }
        Source::Body => Subject::Body,
        Source::Status => Subject::Status,
        Source::ResponseMs => Subject::ResponseMs,
    };
    Ok(((!path.is_empty()).then(|| path.to_owned()), subject))
}

fn header_name(path: &str) -> Result<String, String> {
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if path.is_empty() {
        return Err("path is missing: give the name of a header, such as content-type".to_owned());
    }
    if path.len() > 256 || !path.chars().all(is_token) {
        return Err("path is not the name of a header; one is such as content-type".to_owned());
    }
    Ok(path.to_ascii_lowercase())
}

fn read_test(source: Source, op: Op, value: Option<&Value>) -> Result<Test, String> {
    let is_number = matches!(source, Source::Status | Source::ResponseMs);
    if is_number && matches!(op, Op::Contains | Op::Matches | Op::Exists) {
        return Err(format!("op must be eq, ne, lt or gt: {source} is a number"));
    }
    if op == Op::Exists {
        return match value {
            None | Some(Value::Null | Value::Bool(true)) => Ok(Test::Exists(true)),
            Some(Value::Bool(false)) => Ok(Test::Exists(false)),
            Some(_) => {
                Err("value must be left out with exists, or be false: it is not there".to_owned())
            }
        };
    }
    let value = value.ok_or_else(|| format!("value is missing: {}", what_for(source, op)))?;
    if value.to_string().len() > VALUE_MAX {
        return Err(format!("value must be at most {VALUE_MAX} bytes long"));
    }
    let wrong = || format!("value must be {}", what_for(source, op));
    let is_text = matches!(source, Source::Header | Source::Body);
    Ok(match op {
        Op::Lt => Test::Lt(number_in(value).ok_or_else(wrong)?),
        Op::Gt => Test::Gt(number_in(value).ok_or_else(wrong)?),
        Op::Matches => {
            let text = value.as_str().filter(|text| !text.is_empty()).ok_or_else(wrong)?;
            Test::Matches(pattern::parse(text).map_err(|reason| format!("value {reason}"))?)
        }
        Op::Contains => match value {
            Value::String(text) if !text.is_empty() => Test::Contains(value.clone()),
            Value::Number(_) | Value::Bool(_) if !is_text => Test::Contains(value.clone()),
            _ => return Err(wrong()),
        },
        _ if is_number && number_in(value).is_none() => return Err(wrong()),
        _ if is_text && !value.is_string() => return Err(wrong()),
        // An empty body is nothing that could be compared.
        _ if source == Source::Body && value.as_str().is_none_or(|t| t.trim().is_empty()) => {
            return Err(wrong());
        }
        Op::Eq => Test::Eq(value.clone()),
        _ => Test::Ne(value.clone()),
    })
}

/// What a value must be, and an example.
fn what_for(source: Source, op: Op) -> &'static str {
    match (source, op) {
        (Source::Status, _) => "a status code, such as 200",
        (Source::ResponseMs, _) => "a number of milliseconds, such as 500",
        (_, Op::Lt | Op::Gt) => "a number, such as 10",
        (_, Op::Matches) => "a regular expression, such as ^v2\\.",
        (Source::Json, Op::Contains) => "what must be in the text or list, such as \"ready\"",
        (Source::Json, _) => "what is expected, such as \"ok\", 5 or true",
        (Source::Body, _) => "a text, such as \"ok\"; for an empty body use exists with false",
        _ => "a text, such as \"ok\"",
    }
}
