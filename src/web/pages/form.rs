//! Forms: what a browser posts becomes the same JSON object as the API's, so that one rule gives one message everywhere. Pure.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::error::sentence;
use super::text::Html;
use crate::fields::FieldErrors;

/// The pairs that a browser posted, in their order.
#[derive(Debug, Clone, Default)]
pub struct Input(pub Vec<(String, String)>);

/// How the text of a field becomes JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// Text; empty is the default.
    Text,
    /// Text that is sent on as it is: spaces count, and lines end as they were typed, not as browsers post them (with CR and LF).
    Verbatim,
    /// A whole number; empty is the default.
    Number,
    /// A tick box: absent is false.
    Flag,
    /// Words between commas or on lines of their own.
    Words,
    /// Whole numbers between commas.
    Numbers,
    /// Tick boxes that are ids.
    Ids,
    /// Tick boxes that are words.
    Choices,
    /// Lines of `Name: value`.
    Headers,
    /// A number and, in `<name>_unit`, the seconds that one of it has.
    Seconds,
}

impl Input {
    /// The first value of a field, without space around it.
    pub fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(key, _)| key == name).map_or("", |(_, value)| value.trim())
    }

    /// All values of a field.
    pub fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// Takes the value that was offered for a field (`fix=method=GET`), or for one of several of a name, counted from 0
    /// (`fix=assertion_path#1=$.status`).
    pub fn apply_fix(&mut self) {
        let fix = self.get("fix").to_owned();
        let Some((place, value)) = fix.split_once('=') else { return };
        let (name, n) = place.split_once('#').unwrap_or((place, "0"));
        let Ok(n) = n.parse() else { return };
        let mut named = self.0.iter_mut().filter(|(key, _)| key == name);
        if let Some((_, old)) = named.nth(n) {
            value.clone_into(old);
        }
    }

    /// The JSON object that the API would be sent.
    pub fn to_json(&self, shapes: &[(&str, Shape)]) -> Map<String, Value> {
        shapes.iter().map(|(name, shape)| ((*name).to_owned(), self.value(name, *shape))).collect()
    }

    fn value(&self, name: &str, shape: Shape) -> Value {
        let text = self.get(name);
        match shape {
            Shape::Flag => json!(!text.is_empty()),
            Shape::Ids => {
                json!(self.all(name).filter_map(|id| id.parse().ok()).collect::<Vec<i64>>())
            }
            Shape::Choices => json!(self.all(name).collect::<Vec<_>>()),
            Shape::Words => json!(words(text)),
            Shape::Numbers => Value::Array(words(text).into_iter().map(number).collect()),
            Shape::Verbatim => {
                let text = self.all(name).next().unwrap_or_default().replace("\r\n", "\n");
                if text.trim().is_empty() { Value::Null } else { json!(text) }
            }
            _ if text.is_empty() => Value::Null,
            Shape::Text => json!(text),
            Shape::Number => number(text),
            Shape::Headers => headers(text),
            Shape::Seconds => self.seconds(name, text),
        }
    }

    fn seconds(&self, name: &str, text: &str) -> Value {
        let unit = self.get(&format!("{name}_unit")).parse::<i64>().unwrap_or(1);
        match text.parse::<i64>() {
            Ok(amount) => json!(amount.saturating_mul(unit)),
            Err(_) => json!(text),
        }
    }
}

/// A number, or the text as it stands: then the reader of fields says what is wrong with it.
fn number(text: &str) -> Value {
    text.parse::<i64>().map_or_else(|_| json!(text), |n| json!(n))
}

fn words(text: &str) -> Vec<&str> {
    text.split([',', '\n']).map(str::trim).filter(|word| !word.is_empty()).collect()
}

fn headers(text: &str) -> Value {
    let mut map = Map::new();
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty()) {
        // A line without a colon is all name, which the reader of headers refuses and names.
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let name = if line.contains(':') { name.trim() } else { line };
        let name = if line.contains(':') { name.to_owned() } else { format!("{name} (no colon)") };
        map.insert(name, json!(value.trim()));
    }
    Value::Object(map)
}

/// What is wrong with one field.
pub struct Problem<'a> {
    /// The field's name in the markup.
    pub field: &'a str,
    /// Its name for people.
    pub words: String,
    /// The reason and the fix.
    pub reason: &'a str,
}

/// A form as it is shown: values, and what is wrong with them.
#[derive(Debug, Clone, Default)]
pub struct Form {
    values: BTreeMap<String, String>,
    errors: BTreeMap<String, String>,
    fixes: BTreeMap<String, String>,
}

/// What was probably meant, as a link that puts `value` into the field at `place`; people read it as `shown`.
pub fn fix_link(place: &str, value: &str, shown: &str) -> Html {
    let [place, value, shown] = [place, value, shown].map(Html::escaped);
    Html(format!(
        " Did you mean <button class=\"linkish\" name=\"fix\" value=\"{place}={value}\" data-fix=\"{value}\" \
         formnovalidate>{shown}</button>?"
    ))
}

impl Form {
    /// A form with values.
    pub fn of<const N: usize>(values: [(&str, String); N]) -> Self {
        let values = values.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        Self { values, ..Self::default() }
    }

    /// What was posted, with what is wrong with it; `labels` gives the words that people know the fields by.
    pub fn refused(input: &Input, errors: &FieldErrors, labels: &[(&str, &str)]) -> Self {
        let mut values = BTreeMap::new();
        for (name, value) in &input.0 {
            values.entry(name.clone()).or_insert_with(|| value.clone());
        }
        let explain = |(name, reason): (&String, &String)| {
            let label =
                labels.iter().find(|(known, _)| known == name).map_or(name.as_str(), |l| l.1);
            (name.clone(), sentence(&format!("{label} {reason}")))
        };
        let errors = errors.0.iter().map(explain).collect();
        Self { values, errors, fixes: BTreeMap::new() }
    }

    /// What it holds, as a browser would post it unchanged.
    pub fn to_input(&self) -> Input {
        Input(self.values.iter().map(|(name, value)| (name.clone(), value.clone())).collect())
    }

    /// Sets a value.
    pub fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.values.insert(name.to_owned(), value.into());
        self
    }

    /// Says what is wrong with a field.
    pub fn with_error(mut self, name: &str, error: &str) -> Self {
        self.errors.entry(name.to_owned()).or_insert_with(|| error.to_owned());
        self
    }

    /// Offers a value for a field that is wrong.
    pub fn with_fix(mut self, name: &str, value: Option<String>) -> Self {
        if let Some(value) = value {
            self.fixes.insert(name.to_owned(), value);
        }
        self
    }

    /// The offer for a field, as a link; empty for none.
    pub fn fix(&self, name: &str) -> Html {
        self.fixes.get(name).map_or_else(Html::default, |value| fix_link(name, value, value))
    }

    /// All that was filled in, by name.
    pub fn values(&self) -> impl Iterator<Item = (&String, &String)> {
        self.values.iter()
    }

    /// The value of a field.
    pub fn value(&self, name: &str) -> &str {
        self.values.get(name).map_or("", String::as_str)
    }

    /// Whether a field has a value: whether a tick box is ticked.
    pub fn has(&self, name: &str) -> bool {
        !self.value(name).is_empty()
    }

    /// Whether a field has this very value: which of a list of words is chosen.
    pub fn is_chosen(&self, name: &str, value: &str) -> bool {
        self.value(name) == value
    }

    /// Whether the field `<name><suffix>` has a number as its value: which of a list is chosen.
    pub fn is(&self, name: &str, suffix: &str, value: &u32) -> bool {
        self.values.get(&format!("{name}{suffix}")).is_some_and(|v| *v == value.to_string())
    }

    /// What is wrong with a field; empty for nothing.
    pub fn error(&self, name: &str) -> &str {
        self.errors.get(name).map_or("", String::as_str)
    }

    /// Whether one of these fields is wrong, so that their fold must be open.
    pub fn any_wrong<const N: usize>(&self, names: &[&str; N]) -> bool {
        names.iter().any(|name| self.errors.contains_key(*name))
    }

    /// All that is wrong, for the summary at the button.
    pub fn problems(&self) -> Vec<Problem<'_>> {
        self.errors
            .iter()
            .map(|(field, reason)| Problem { field, words: field.replace('_', " "), reason })
            .collect()
    }

    /// `1 field needs a fix`, `2 fields need a fix`.
    pub fn problem_count(&self) -> String {
        match self.errors.len() {
            1 => "1 field needs a fix".to_owned(),
            n => format!("{n} fields need a fix"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(pairs: &[(&str, &str)]) -> Input {
        Input(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn each_shape_becomes_its_json() {
        let posted = input(&[
            ("name", " Shop "),
            ("retries", "2"),
            ("bad", "two"),
            ("on", "on"),
            ("tags", "a, b\n\nc,"),
            ("days", "30, 7,x"),
            ("ids", "1"),
            ("ids", "2"),
            ("headers", "Accept: */*\nX-Key:  a:b \n"),
            ("period", "5"),
            ("period_unit", "60"),
            ("empty", ""),
            ("body", " a\r\n\r\nb \r\n"),
        ]);
        for (name, shape, expected) in [
            ("name", Shape::Text, json!("Shop")),
            ("body", Shape::Verbatim, json!(" a\n\nb \n")),
            ("empty", Shape::Verbatim, Value::Null),
            ("retries", Shape::Number, json!(2)),
            ("bad", Shape::Number, json!("two")),
            ("on", Shape::Flag, json!(true)),
            ("off", Shape::Flag, json!(false)),
            ("tags", Shape::Words, json!(["a", "b", "c"])),
            ("days", Shape::Numbers, json!([30, 7, "x"])),
            ("none", Shape::Numbers, json!([])),
            ("ids", Shape::Ids, json!([1, 2])),
            ("none", Shape::Ids, json!([])),
            ("headers", Shape::Headers, json!({"Accept": "*/*", "X-Key": "a:b"})),
            ("period", Shape::Seconds, json!(300)),
            ("empty", Shape::Text, Value::Null),
            ("empty", Shape::Number, Value::Null),
        ] {
            assert_eq!(posted.to_json(&[(name, shape)])[name], expected, "{name}");
        }
    }

    #[test]
    fn a_refused_form_keeps_its_values_and_names_its_fields() {
        let errors = FieldErrors::one("retries", "must be a whole number from 0 to 100");
        let form =
            Form::refused(&input(&[("retries", "many")]), &errors, &[("retries", "Retries")]);
        assert_eq!(form.value("retries"), "many");
        assert_eq!(form.error("retries"), "Retries must be a whole number from 0 to 100.");
        assert!(form.any_wrong(&["name", "retries"]) && !form.any_wrong(&["name"]));
        assert_eq!(form.problem_count(), "1 field needs a fix");
        let offered = form.with_fix("retries", Some("<2>".to_owned())).fix("retries").0;
        assert!(offered.contains("value=\"retries=&#60;2&#62;\""), "{offered}");
    }

    #[test]
    fn an_offered_value_goes_where_it_was_offered() {
        for (fix, expected) in [
            ("b=3", ["1", "3", "4"]),
            ("b#1=a=b", ["1", "2", "a=b"]),
            ("b#7=x", ["1", "2", "4"]),
            ("b#x=x", ["1", "2", "4"]),
            ("none=x", ["1", "2", "4"]),
        ] {
            let mut posted = input(&[("a", "1"), ("b", "2"), ("b", "4"), ("fix", fix)]);
            posted.apply_fix();
            let values: Vec<&str> = posted.0.iter().take(3).map(|(_, v)| v.as_str()).collect();
            assert_eq!(values, expected, "{fix}");
        }
    }
}
