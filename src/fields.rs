//! Reading the fields of a request body: every wrong field is named at once, with the reason and the fix.
//!
//! The API's JSON and the pages' forms both become a JSON object and pass through here, so that
//! one rule gives one message everywhere.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::characters::is_unseen;

/// What is wrong with a request, by field name. Empty means that nothing is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FieldErrors(pub BTreeMap<String, String>);

impl FieldErrors {
    /// One wrong field.
    pub fn one(field: &str, reason: impl Into<String>) -> Self {
        Self(BTreeMap::from([(field.to_owned(), reason.into())]))
    }

    /// Adds a wrong field; the first reason given for a field stands.
    pub fn add(&mut self, field: &str, reason: impl Into<String>) {
        self.0.entry(field.to_owned()).or_insert_with(|| reason.into());
    }

    /// Whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

/// The longest name, in characters (contract, section 5).
pub const NAME_MAX: usize = 10_000;

/// The longest name of a region, in characters.
pub const REGION_MAX: usize = 100;

/// What a region's name may have of ASCII beside letters and digits: nothing that an address, a shell or markup reads its own way.
const REGION_MARKS: &str = " -_.,:()+";

/// What the API shows of things and nobody sets.
const READ_ONLY: [&str; 34] = [
    "id",
    "uuid",
    "ping_url",
    "created_at",
    "updated_at",
    "current_status",
    "status_since",
    "in_maintenance",
    "confirming",
    "late",
    "stale",
    "certificate",
    "uptime",
    "last_result",
    "last_checked_at",
    "last_ping_at",
    "last_contact_at",
    "last_used_at",
    "last_delivery_at",
    "last_error",
    "next_due_at",
    "next_starts_at",
    "deadline_at",
    "is_active",
    "below_quorum",
    "region_states",
    "status",
    "monitors",
    "silent_seconds",
    "lost_at",
    "version",
    "latency_ms",
    "clock_ahead_ms",
    "load",
];

/// Takes out of a change what is only shown, so that an object can be sent back as it was read: with the `id` that it has, all of
/// that, as much of it moves on by itself; else what is still as it is `shown`.
pub fn leave_out_shown(map: &mut Map<String, Value>, shown: &Value) {
    let is_whole = map.get("id").is_some_and(|id| Some(id) == shown.get("id"));
    map.retain(|name, value| {
        let is_shown_only = READ_ONLY.contains(&name.as_str()) && shown.get(name).is_some();
        !(is_shown_only && (is_whole || shown.get(name) == Some(value)))
    });
}

/// A reader over one JSON object. Ask for each known field, then call [`Fields::finish`].
///
/// Absent keeps `current` (a PATCH) or takes the default (a POST, where `current` is `None`); `null` is the default in both.
pub struct Fields<'a> {
    map: &'a Map<String, Value>,
    known: BTreeSet<&'static str>,
    errors: FieldErrors,
}

impl<'a> Fields<'a> {
    /// Starts reading `map`.
    pub fn new(map: &'a Map<String, Value>) -> Self {
        Self { map, known: BTreeSet::new(), errors: FieldErrors::default() }
    }

    /// The raw value: `None` when absent, `Some(Value::Null)` for null. Marks the field as known.
    pub fn raw(&mut self, name: &'static str) -> Option<&'a Value> {
        self.known.insert(name);
        self.map.get(name)
    }

    /// Whether the field is in the object and not null. Marks it as known.
    pub fn given(&mut self, name: &'static str) -> bool {
        self.raw(name).is_some_and(|v| !v.is_null())
    }

    /// Notes that a field is wrong.
    pub fn wrong(&mut self, name: &str, reason: impl Into<String>) {
        self.errors.add(name, reason);
    }

    /// Reads a field with `parse`, which says the reason when the value does not fit.
    pub fn read<T>(
        &mut self,
        name: &'static str,
        default: T,
        current: Option<T>,
        parse: impl FnOnce(&Value) -> Result<T, String>,
    ) -> T {
        match self.raw(name) {
            None => current.unwrap_or(default),
            Some(Value::Null) => default,
            Some(value) => parse(value).unwrap_or_else(|reason| {
                self.errors.add(name, reason);
                default
            }),
        }
    }

    /// A whole number within `range`.
    pub fn integer(
        &mut self,
        name: &'static str,
        range: RangeInclusive<u32>,
        default: u32,
        current: Option<u32>,
    ) -> u32 {
        self.read(name, default, current, |value| parse_integer(value, &range))
    }

    /// A whole number within `range`, or nothing.
    pub fn optional_integer(
        &mut self,
        name: &'static str,
        range: RangeInclusive<u32>,
        current: Option<Option<u32>>,
    ) -> Option<u32> {
        self.read(name, None, current, |value| parse_integer(value, &range).map(Some))
    }

    /// `true` or `false`.
    pub fn boolean(&mut self, name: &'static str, default: bool, current: Option<bool>) -> bool {
        self.read(name, default, current, |value| {
            value.as_bool().ok_or_else(|| "must be true or false".to_owned())
        })
    }

    /// Text of at most `max` characters and without NUL, or nothing. Empty text is nothing.
    pub fn optional_text(
        &mut self,
        name: &'static str,
        max: usize,
        current: Option<Option<String>>,
    ) -> Option<String> {
        self.read(name, None, current, |value| {
            parse_text(value, max).map(|text| (!text.is_empty()).then_some(text))
        })
    }

    /// A name: any characters but NUL, 1 to [`NAME_MAX`] of them; `default` when not given (`None`: it must be).
    pub fn name(
        &mut self,
        field: &'static str,
        default: Option<String>,
        current: Option<String>,
    ) -> String {
        let name = self.read(field, default.unwrap_or_default(), current, |value| {
            parse_text(value, NAME_MAX).map(|text| text.trim().to_owned())
        });
        if name.is_empty() && !self.errors.0.contains_key(field) {
            self.wrong(field, "is missing: give a name");
        }
        name
    }

    /// A name that tells things apart: as [`Fields::name`], and every character of it can be seen.
    pub fn seen_name(
        &mut self,
        field: &'static str,
        default: Option<String>,
        current: Option<String>,
    ) -> String {
        let name = self.name(field, default, current);
        if self.given(field)
            && let Err(reason) = refuse_unseen(&name)
        {
            self.wrong(field, reason);
        }
        name
    }

    /// A list of positive ids without repetition, or nothing.
    pub fn optional_ids(
        &mut self,
        name: &'static str,
        current: Option<Option<Vec<i64>>>,
    ) -> Option<Vec<i64>> {
        self.read(name, None, current, |value| parse_ids(value).map(Some))
    }

    /// A list of positive ids without repetition.
    pub fn ids(&mut self, name: &'static str, current: Option<Vec<i64>>) -> Vec<i64> {
        self.read(name, Vec::new(), current, parse_ids)
    }

    /// A list of tags: trimmed, 1 to 100 characters each, without repetition, at most 50.
    pub fn tags(&mut self, name: &'static str, current: Option<Vec<String>>) -> Vec<String> {
        self.read(name, Vec::new(), current, parse_tags)
    }

    /// Ends the reading: unknown fields are wrong too. Gives all that is wrong, or nothing.
    pub fn finish(mut self) -> Result<(), FieldErrors> {
        for key in self.map.keys() {
            if !self.known.contains(key.as_str()) {
                self.errors.add(key, unknown_reason(key, &self.known));
            }
        }
        if self.errors.is_empty() { Ok(()) } else { Err(self.errors) }
    }
}

fn unknown_reason(key: &str, known: &BTreeSet<&'static str>) -> String {
    if READ_ONLY.contains(&key) {
        return "cannot be set; leave it out".to_owned();
    }
    let near = known.iter().find(|k| {
        let k = k.trim_end_matches("_seconds");
        k.starts_with(key) || key.starts_with(k)
    });
    match near {
        Some(near) => format!("is not a field here; did you mean {near}?"),
        None => "is not a field here".to_owned(),
    }
}

/// A whole number within `range`.
pub fn parse_integer(value: &Value, range: &RangeInclusive<u32>) -> Result<u32, String> {
    let fix = || format!("must be a whole number from {} to {}", range.start(), range.end());
    // A float such as 60.0 is a whole number to JSON's writers in several languages.
    let number = value
        .as_i64()
        .or_else(|| value.as_f64().filter(|f| f.fract() == 0.0 && f.abs() < 9e15).map(|f| f as i64))
        .ok_or_else(fix)?;
    u32::try_from(number).ok().filter(|n| range.contains(n)).ok_or_else(fix)
}

/// Text without NUL of at most `max` characters.
pub fn parse_text(value: &Value, max: usize) -> Result<String, String> {
    let text = value.as_str().ok_or("must be text")?;
    if text.contains('\0') {
        return Err("must not contain the NUL character".to_owned());
    }
    if text.chars().count() > max {
        return Err(format!("must be at most {max} characters long"));
    }
    Ok(text.to_owned())
}

/// The name of a region: one short line, as it stands in messages and addresses, of characters that can be seen and that mean nothing
/// there. One that was stored before there was this rule stays as it is.
///
/// # Errors
/// What is wrong with it.
pub fn parse_region(text: &str) -> Result<String, String> {
    let name = one_line_region(text)?;
    refuse_unseen(name)?;
    let is_fit = |c: char| !c.is_ascii() || c.is_ascii_alphanumeric() || REGION_MARKS.contains(c);
    if let Some(c) = name.chars().find(|c| !is_fit(*c)) {
        return Err(format!(
            "must have only letters, digits, spaces and - _ . , : ( ) +, such as eu-west; it has {c}"
        ));
    }
    if !name.chars().any(|c| c.is_alphanumeric() || !c.is_ascii()) {
        return Err("must have a letter or a digit, such as eu-west".to_owned());
    }
    Ok(name.to_owned())
}

pub(crate) fn one_line_region(text: &str) -> Result<&str, String> {
    let name = text.trim();
    if name.is_empty() || name.chars().count() > REGION_MAX {
        return Err(format!(
            "must be a name of 1 to {REGION_MAX} characters on one line, such as eu-west"
        ));
    }
    Ok(name)
}

/// Nobody could tell a name with such a character from another.
pub(crate) fn refuse_unseen(name: &str) -> Result<(), String> {
    match name.chars().find(|c| is_unseen(*c)) {
        None => Ok(()),
        Some(c) => Err(format!(
            "must have only characters that can be seen, and plain spaces; it has U+{:04X}",
            u32::from(c)
        )),
    }
}

fn parse_ids(value: &Value) -> Result<Vec<i64>, String> {
    let fix = "must be a list of ids, such as [1, 2]";
    let mut ids = Vec::new();
    for item in value.as_array().ok_or(fix)? {
        let id = item.as_i64().filter(|id| *id > 0).ok_or(fix)?;
        if !ids.contains(&id) {
            ids.push(id);
        }
    }
    if ids.len() > 1000 {
        return Err("must have at most 1000 ids".to_owned());
    }
    Ok(ids)
}

fn parse_tags(value: &Value) -> Result<Vec<String>, String> {
    let mut tags = Vec::new();
    for item in value.as_array().ok_or("must be a list of texts, such as [\"tier-1\"]")? {
        let tag = parse_text(item, 100).map_err(|reason| format!("each tag {reason}"))?;
        let tag = tag.trim().to_owned();
        if tag.is_empty() {
            return Err("a tag must not be empty".to_owned());
        }
        if !tags.contains(&tag) {
            tags.push(tag);
        }
    }
    if tags.len() > 50 {
        return Err("must have at most 50 tags".to_owned());
    }
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn left(change: Value) -> Value {
        let Value::Object(mut map) = change else { panic!("an object") };
        let shown = json!({"id": 7, "name": "shop", "late": false, "created_at": "then"});
        leave_out_shown(&mut map, &shown);
        Value::Object(map)
    }

    #[test]
    fn a_region_has_a_name_that_nothing_reads_another_way() {
        for name in
            ["eu-west", "São Paulo 東京 القاهرة 🇪🇺", "eu, west", " Rack 7 (B): v1.2_x+ ", "☁"]
        {
            assert_eq!(parse_region(name).unwrap(), name.trim());
        }
        for (name, c) in [("/../?a=b", '/'), ("<i>eu</i>", '<'), ("a\"b", '"'), ("a%20b", '%')] {
            let reason = parse_region(name).unwrap_err();
            assert!(reason.ends_with(&format!("such as eu-west; it has {c}")), "{reason}");
        }
        for name in ["", " ", "..", "-"] {
            assert!(parse_region(name).unwrap_err().contains("such as eu-west"), "{name}");
        }
    }

    #[test]
    fn what_is_only_shown_may_be_sent_back() {
        let whole = json!({"id": 7, "name": "shop", "late": true, "created_at": "then"});
        assert_eq!(left(whole), json!({"name": "shop"}), "it was late when it was read");
        assert_eq!(left(json!({"created_at": "then", "late": true})), json!({"late": true}));
        let other = json!({"id": 8, "late": true});
        assert_eq!(left(other.clone()), other, "another thing");
        assert_eq!(left(json!({"id": 7, "uuid": "x"})), json!({"uuid": "x"}), "it has none");
        let map = json!({"id": 8, "nam": 1});
        let mut fields = Fields::new(map.as_object().unwrap());
        fields.raw("name");
        let errors = fields.finish().unwrap_err().0;
        assert_eq!(errors["id"], "cannot be set; leave it out");
        assert_eq!(errors["nam"], "is not a field here; did you mean name?");
    }
}
