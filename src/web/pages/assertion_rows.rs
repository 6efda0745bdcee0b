//! The rows of a monitor's form that say what must be true of an answer: a row for each assertion, and some empty ones. Pure.

use serde_json::{Value, json};

use super::error::sentence;
use super::form::{Input, fix_link};
use super::text::Html;
use crate::monitor::assertion::{Assertion, Op};
use crate::monitor::rules::Rule;

/// How many empty rows there are for people without script; with it there is a button that adds one.
const EMPTY: usize = 3;
/// What a row that was not touched says.
const UNTOUCHED: (&str, &str) = ("json", "eq");
/// The word of the form for `exists` with the value `false`.
const ABSENT: &str = "absent";

/// What can be looked at, and what people call it.
pub const SOURCES: [(&str, &str); 5] = [
    ("json", "JSON path"),
    ("header", "Header"),
    ("body", "Body text"),
    ("status", "Status code"),
    ("response_ms", "Time in ms"),
];

/// How it can be compared, and what people call that.
pub const OPS: [(&str, &str); 8] = [
    ("eq", "equals"),
    ("ne", "is not"),
    ("lt", "less than"),
    ("gt", "more than"),
    ("contains", "contains"),
    ("matches", "matches"),
    ("exists", "exists"),
    (ABSENT, "is absent"),
];

/// One row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Row {
    /// What is looked at: a word of [`SOURCES`].
    pub source: String,
    /// Where.
    pub path: String,
    /// How it is compared: a word of [`OPS`].
    pub op: String,
    /// With what: JSON, or text as it is.
    pub value: String,
    /// What is wrong with it; empty for nothing.
    pub error: String,
    /// What was probably meant: the column, the value, and how people read it.
    pub fix: Option<(&'static str, String, String)>,
}

impl Row {
    fn untouched() -> Self {
        Self { source: UNTOUCHED.0.into(), op: UNTOUCHED.1.into(), ..Self::default() }
    }

    /// Whether it asserts nothing: it was left as it was, or its fields were cleared.
    pub fn is_empty(&self) -> bool {
        let asks_for_body = self.source == "body" && [ABSENT, "exists"].contains(&self.op.as_str());
        self.path.is_empty() && self.value.is_empty() && !asks_for_body
    }

    /// Whether what is wrong is, or may be, the path.
    pub fn path_is_wrong(&self) -> bool {
        !self.error.is_empty() && !self.error.starts_with("Value ")
    }

    /// Whether what is wrong is, or may be, the value.
    pub fn value_is_wrong(&self) -> bool {
        !self.error.is_empty() && !self.error.starts_with("Path ")
    }

    /// Says of a row that it does not hold, and offers what was probably meant.
    pub fn note_failure(&mut self, rule: &Rule) {
        self.error = match &rule.fix {
            Some(fix) if fix.is_value => format!("Value is another: {}.", fix.fact),
            Some(fix) => format!("Path finds nothing: {}.", fix.fact),
            // It was found, so that it is not the path that is wrong.
            None => sentence(&rule.words),
        };
        if let Some(fix) = &rule.fix {
            let name = if fix.is_value { "value" } else { "path" };
            self.fix = Some((column(name), fix.value.clone(), fix.meant.clone()));
        }
    }

    /// The offer as a link; `n` is the number of the row, from 0.
    pub fn fix_link(&self, n: &usize) -> Html {
        let link = |(column, value, meant): &(&str, String, String)| {
            fix_link(&format!("{column}#{n}"), value, meant)
        };
        self.fix.as_ref().map_or_else(Html::default, link)
    }

    fn of(assertion: &Assertion) -> Self {
        let is_absent = assertion.op() == Op::Exists && *assertion.value() == json!(false);
        let is_raw = takes_text(assertion.source().as_str(), assertion.op().as_str());
        let value = match assertion.value() {
            _ if assertion.op() == Op::Exists => String::new(),
            // Text that would be read as something else is written as JSON.
            Value::String(text) if is_raw || json_of(text) == json!(text) => text.clone(),
            other => other.to_string(),
        };
        Self {
            source: assertion.source().to_string(),
            path: assertion.path().unwrap_or_default().to_owned(),
            op: if is_absent { ABSENT.to_owned() } else { assertion.op().to_string() },
            value,
            ..Self::default()
        }
    }

    /// The row as the API would be sent it.
    fn to_json(&self) -> Value {
        let (op, value) = match self.op.as_str() {
            ABSENT => ("exists", json!(false)),
            "exists" => ("exists", Value::Null),
            op if takes_text(&self.source, op) => (op, json!(self.value)),
            op => (op, json_of(&self.value)),
        };
        let path = (!self.path.is_empty()).then_some(&self.path);
        json!({ "source": self.source, "path": path, "op": op, "value": value })
    }
}

/// Whether the value is text as it is, never JSON.
fn takes_text(source: &str, op: &str) -> bool {
    ["header", "body"].contains(&source) || ["contains", "matches"].contains(&op)
}

/// `5`, `true`, `null` and `"text"` are JSON; anything else is text as it is, and nothing is the empty text.
fn json_of(text: &str) -> Value {
    serde_json::from_str(text).unwrap_or_else(|_| json!(text))
}

/// The rows of a monitor.
pub fn rows(assertions: &[Assertion]) -> Vec<Row> {
    assertions.iter().map(Row::of).collect()
}

/// The rows that were posted, each with what is wrong with it; empty ones are left out.
pub fn posted(input: &Input) -> Vec<Row> {
    let mut columns =
        ["source", "path", "op", "value"].map(|name| input.all(column(name)).map(str::trim));
    let mut rows = Vec::new();
    while let [Some(source), Some(path), Some(op), Some(value)] =
        columns.each_mut().map(Iterator::next)
    {
        let text = str::to_owned;
        let mut row = Row {
            source: text(source),
            path: text(path),
            op: text(op),
            value: text(value),
            ..Row::default()
        };
        if !row.is_empty() {
            row.error =
                Assertion::try_from(row.to_json()).err().map(|e| sentence(&e)).unwrap_or_default();
            rows.push(row);
        }
    }
    rows
}

fn column(name: &str) -> &'static str {
    match name {
        "source" => "assertion_source",
        "path" => "assertion_path",
        "op" => "assertion_op",
        _ => "assertion_value",
    }
}

/// The list of assertions that the API would be sent.
pub fn to_json(rows: &[Row]) -> Value {
    rows.iter().map(Row::to_json).collect()
}

/// The rows with empty ones after them.
pub fn with_empty(mut rows: Vec<Row>) -> Vec<Row> {
    rows.extend(std::iter::repeat_n(Row::untouched(), EMPTY));
    rows
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::assertion::parse_assertions;

    fn input(rows: &[Row]) -> Input {
        let mut pairs = Vec::new();
        for row in rows {
            for (name, value) in [
                ("source", &row.source),
                ("path", &row.path),
                ("op", &row.op),
                ("value", &row.value),
            ] {
                pairs.push((column(name).to_owned(), value.clone()));
            }
        }
        Input(pairs)
    }

    fn row(source: &str, path: &str, op: &str, value: &str) -> Row {
        let text = str::to_owned;
        Row {
            source: text(source),
            path: text(path),
            op: text(op),
            value: text(value),
            ..Row::default()
        }
    }

    #[test]
    fn what_is_shown_and_posted_again_stays_as_it_is() {
        let given = json!([
            {"source": "json", "path": "$.a", "op": "eq", "value": "ok"},
            {"source": "json", "path": "$.a", "op": "eq", "value": 5},
            {"source": "json", "path": "$.a", "op": "eq", "value": "5"},
            {"source": "json", "path": "$.a", "op": "ne", "value": null},
            {"source": "json", "path": "$.a", "op": "ne", "value": "null"},
            {"source": "json", "path": "$.a", "op": "eq", "value": ""},
            {"source": "json", "path": "$.a", "op": "eq", "value": "\"quoted\""},
            {"source": "json", "path": "$.a", "op": "eq", "value": {"b": [1, "x"]}},
            {"source": "json", "path": "$.a", "op": "contains", "value": "1.10"},
            {"source": "json", "path": "$.a", "op": "matches", "value": "[0]"},
            {"source": "json", "path": "$.a", "op": "exists", "value": false},
            {"source": "json", "path": "$.a", "op": "exists", "value": null},
            {"source": "header", "path": "X-A", "op": "eq", "value": "5"},
            {"source": "body", "path": null, "op": "exists", "value": null},
            {"source": "status", "path": null, "op": "eq", "value": "204"},
        ]);
        let shown = with_empty(rows(&parse_assertions(&given).unwrap()));
        assert_eq!(shown.len(), 15 + EMPTY);
        let posted = posted(&input(&shown));
        assert!(posted.iter().all(|row| row.error.is_empty()), "{posted:?}");
        assert_eq!(to_json(&posted), given);
    }

    #[test]
    fn a_wrong_row_says_what_is_wrong_and_an_empty_one_counts_for_nothing() {
        let posted = posted(&input(&[
            row("json", "", "eq", ""),
            row("json", "status", "eq", "ok"),
            row("header", " ", "contains", " "),
            row("status", "", "lt", "many"),
            row("xml", "a", "is", ""),
        ]));
        let errors: Vec<&str> = posted.iter().map(|row| row.error.as_str()).collect();
        assert_eq!(
            errors,
            [
                "Path must start with $, as $.status.",
                "Value must be a status code, such as 200.",
                "Source must be one of json, header, body, status, response_ms.",
            ]
        );
    }
}
