//! Whether an answer is as asserted, and if not, what it is instead. Pure.

use std::borrow::Cow;

use serde_json::{Number, Value};

use super::{Answer, Assertion, Source, Subject, Test, quoted, shown, shown_limit};
use crate::monitor::line::one_line;

/// The longest message, in characters.
const LONGEST: usize = 300;

/// One thing that was found.
enum Found<'a> {
    Json(&'a Value),
    Text(&'a str),
    Number(u32),
}

impl Assertion {
    /// What is wrong with `answer`, on one line of at most 300 characters: `assertion failed: $.status is "degraded", expected
    /// "ok"`. `None` when it is as asserted.
    ///
    /// Where nothing is found every assertion fails but `exists` with `false`: an answer that lacks what it should be judged by
    /// is not well.
    pub fn failure(&self, answer: &Answer<'_, '_>) -> Option<String> {
        let mut reason = None;
        let found = match &self.ready.subject {
            Subject::Json(path) => match answer.body.json() {
                Ok(json) => path.find(json).into_iter().map(Found::Json).collect(),
                Err(why) => {
                    reason = Some(why);
                    Vec::new()
                }
            },
            Subject::Header(name) => header_values(answer, name),
            Subject::Body => Some(answer.body.text().trim())
                .filter(|text| !text.is_empty())
                .map(Found::Text)
                .into_iter()
                .collect(),
            Subject::Status => vec![Found::Number(answer.status.into())],
            Subject::ResponseMs => vec![Found::Number(answer.total_ms)],
        };
        let state = self.fault(&found)?;
        let reason = reason.map(|why| format!(" as {why}")).unwrap_or_default();
        let text =
            format!("assertion failed: {}{state}{reason}{}", self.subject(), self.expected());
        Some(one_line(&text, LONGEST))
    }

    /// What follows on the subject when what is found is not as asserted: ` is "degraded"`, ` (2 of 5) is "down"`.
    fn fault(&self, found: &[Found<'_>]) -> Option<String> {
        let test = &self.ready.test;
        match (test, found) {
            (Test::Exists(false), []) | (Test::Exists(true), [_, ..]) => return None,
            (_, []) if self.source == Source::Body => return Some(" is empty".to_owned()),
            (_, []) => return Some(" is missing".to_owned()),
            _ => {}
        }
        let wrong = |value: &&Found<'_>| !value.passes(test);
        // A header that is sent several times is right when one of its values is; but each must be other than a wrong one.
        let one_is_enough = self.source == Source::Header && !matches!(test, Test::Ne(_));
        if one_is_enough && !found.iter().all(|value| wrong(&value)) {
            return None;
        }
        let first = found.iter().position(|value| wrong(&value))?;
        let which = match found.len() {
            many if many > 1 => format!(" ({} of {many})", first + 1),
            _ => String::new(),
        };
        Some(format!("{which} is {}", found.get(first)?.shown()))
    }

    fn expected(&self) -> String {
        let value = shown(&self.value);
        match &self.ready.test {
            Test::Eq(_) => format!(", expected {value}"),
            Test::Ne(_) => format!(", expected other than {value}"),
            Test::Lt(_) => format!(", expected less than {}", shown_limit(&self.value)),
            Test::Gt(_) => format!(", expected more than {}", shown_limit(&self.value)),
            Test::Contains(_) => format!(", expected to contain {value}"),
            Test::Matches(pattern) => {
                format!(", expected to match {}", one_line(pattern.as_str(), super::SHOWN))
            }
            Test::Exists(true) => String::new(),
            Test::Exists(false) => ", expected to be absent".to_owned(),
        }
    }
}

fn header_values<'a>(answer: &Answer<'a, '_>, name: &str) -> Vec<Found<'a>> {
    let named = answer.headers.iter().filter(|header| header.name.eq_ignore_ascii_case(name));
    named.map(|header| Found::Text(header.value.trim())).collect()
}

impl Found<'_> {
    fn shown(&self) -> String {
        match self {
            Self::Json(value) => shown(value),
            Self::Text(text) => quoted(text),
            Self::Number(number) => number.to_string(),
        }
    }

    fn passes(&self, test: &Test) -> bool {
        match test {
            Test::Eq(value) => self.equals(value),
            Test::Ne(value) => !self.equals(value),
            Test::Lt(limit) => self.number().is_some_and(|number| number < *limit),
            Test::Gt(limit) => self.number().is_some_and(|number| number > *limit),
            Test::Contains(value) => self.contains(value),
            Test::Matches(pattern) => self.text().is_some_and(|text| pattern.is_match(&text)),
            Test::Exists(should) => *should,
        }
    }

    fn equals(&self, value: &Value) -> bool {
        match self {
            Self::Json(found) => equal(found, value),
            Self::Text(text) => value.as_str().is_some_and(|value| value.trim() == *text),
            Self::Number(number) => number_in(value) == Some(f64::from(*number)),
        }
    }

    fn number(&self) -> Option<f64> {
        match self {
            Self::Json(value) => number_in(value),
            Self::Text(text) => number_of(text),
            Self::Number(number) => Some(f64::from(*number)),
        }
    }

    /// As text; a number or a truth value as it is written. `None` of null, lists and objects.
    fn text(&self) -> Option<Cow<'_, str>> {
        match self {
            Self::Json(Value::String(text)) => Some(Cow::Borrowed(text)),
            Self::Json(value @ (Value::Number(_) | Value::Bool(_))) => {
                Some(Cow::Owned(value.to_string()))
            }
            Self::Json(_) => None,
            Self::Text(text) => Some(Cow::Borrowed(text)),
            Self::Number(number) => Some(Cow::Owned(number.to_string())),
        }
    }

    fn contains(&self, value: &Value) -> bool {
        if let Self::Json(Value::Array(items)) = self {
            return items.iter().any(|item| equal(item, value));
        }
        let part = Found::Json(value).text().unwrap_or_default().into_owned();
        self.text().is_some_and(|text| text.contains(&part))
    }
}

/// Whether two values are the same: numbers by value, and a text that holds a number, `true`, `false` or `null` is the same as
/// that itself.
fn equal(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => same_number(a, b),
        (Value::Array(a), Value::Array(b)) => {
            a.len() == b.len() && a.iter().zip(b).all(|(a, b)| equal(a, b))
        }
        (Value::Object(a), Value::Object(b)) => {
            let same = |(key, a): (&String, &Value)| b.get(key).is_some_and(|b| equal(a, b));
            a.len() == b.len() && a.iter().all(same)
        }
        (Value::String(text), scalar @ (Value::Number(_) | Value::Bool(_) | Value::Null))
        | (scalar @ (Value::Number(_) | Value::Bool(_) | Value::Null), Value::String(text)) => {
            let held = serde_json::from_str::<Value>(text);
            held.is_ok_and(|held| !held.is_string() && equal(&held, scalar))
        }
        _ => a == b,
    }
}

fn same_number(a: &Number, b: &Number) -> bool {
    match (a.as_i128(), b.as_i128()) {
        (Some(a), Some(b)) => a == b,
        _ => a.as_f64() == b.as_f64(),
    }
}

/// The number that a value is, or that its text holds.
pub(super) fn number_in(value: &Value) -> Option<f64> {
    match value {
        Value::String(text) => number_of(text),
        other => other.as_f64(),
    }
}

fn number_of(text: &str) -> Option<f64> {
    serde_json::from_str::<Number>(text.trim()).ok()?.as_f64()
}
