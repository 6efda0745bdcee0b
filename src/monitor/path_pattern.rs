//! The functions `match()` and `search()` of JSONPath (RFC 9535, sections 2.4.6 and 2.4.7), with the patterns of
//! [`pattern`]. Pure.

use std::cell::RefCell;
use std::collections::HashMap;

use regex::Regex;
use serde_json::Value;
use serde_json_path::function;
use serde_json_path::functions::{LogicalType, ValueType};

use super::line::one_line;
use super::pattern;

/// The longest pattern in a message, in characters.
const SHOWN: usize = 80;
/// How many patterns each thread keeps ready.
const KEPT: usize = 64;

thread_local! {
    /// The patterns that filters used last: they are asked of every node, and reading one takes far longer than matching it.
    static PATTERNS: RefCell<HashMap<(String, bool), Option<Regex>>> = RefCell::new(HashMap::new());
}

fn is_match(value: &ValueType<'_>, written: &ValueType<'_>, whole: bool) -> LogicalType {
    // [`check`] lets only patterns in quotes through; one out of the body would be read anew for each node.
    let (Some(Value::String(text)), ValueType::Value(Value::String(written))) =
        (value.as_value(), written)
    else {
        return LogicalType::False;
    };
    PATTERNS.with_borrow_mut(|patterns| {
        if patterns.len() > KEPT {
            patterns.clear();
        }
        let ready = patterns.entry((written.clone(), whole)).or_insert_with(|| {
            let alone = pattern::parse(written).ok()?;
            if whole { pattern::parse(&format!("^(?:{written})$")).ok() } else { Some(alone) }
        });
        ready.as_ref().is_some_and(|pattern| pattern.is_match(text)).into()
    })
}

#[function(name = "match")]
fn match_whole(value: ValueType, pattern: ValueType) -> LogicalType {
    is_match(&value, &pattern, true)
}

#[function(name = "search")]
fn search_within(value: ValueType, pattern: ValueType) -> LogicalType {
    is_match(&value, &pattern, false)
}

/// Whether each `match()` and `search()` of a path has a pattern that can be used. The path has been parsed: its quotes and
/// parentheses are in pairs.
///
/// # Errors
/// What follows on "path": `has a pattern …`, `has a search() without …`.
pub(super) fn check(path: &str) -> Result<(), String> {
    for call in calls(path) {
        let Some(text) = call.pattern.and_then(unquoted) else {
            let name = call.name;
            return Err(format!(
                "has a {name}() without a pattern in quotes; write it as {name}(@.name, 'db.*')"
            ));
        };
        pattern::parse(&text)
            .map_err(|why| format!("has a pattern '{}' that {why}", one_line(&text, SHOWN)))?;
    }
    Ok(())
}

/// The characters of a path that stand outside of its string literals, with their places in bytes. Of each literal the first quote
/// is among them.
pub(super) fn outside_quotes(path: &str) -> impl Iterator<Item = (usize, char)> {
    let (mut quote, mut escaped) = (None, false);
    path.char_indices().filter(move |(_, c)| {
        let Some(mark) = quote else {
            quote = matches!(c, '\'' | '"').then_some(*c);
            return true;
        };
        if *c == mark && !escaped {
            quote = None;
        }
        escaped = *c == '\\' && !escaped;
        false
    })
}

/// A call of one of the two functions in a path.
struct Call<'a> {
    name: &'static str,
    /// Its second argument, as it is written.
    pattern: Option<&'a str>,
}

fn calls(path: &str) -> Vec<Call<'_>> {
    let mut found = Vec::new();
    // For each open bracket: the call that it belongs to, and where the latest argument of that begins.
    let mut open: Vec<Option<(&'static str, usize, usize)>> = Vec::new();
    for (at, c) in outside_quotes(path) {
        match c {
            '[' => open.push(None),
            '(' => open.push(name_before(path, at).map(|name| (name, 0, at + 1))),
            ',' => {
                if let Some(Some((_, arguments, from))) = open.last_mut() {
                    (*arguments, *from) = (*arguments + 1, at + 1);
                }
            }
            ']' | ')' => {
                if let Some(Some((name, arguments, from))) = open.pop() {
                    let pattern = path.get(from..at).filter(|_| arguments == 1);
                    found.push(Call { name, pattern });
                }
            }
            _ => {}
        }
    }
    found
}

fn name_before(path: &str, at: usize) -> Option<&'static str> {
    let before = path.get(..at)?;
    ["match", "search"].into_iter().find(|name| before.ends_with(name))
}

/// The text that a string literal of JSONPath (RFC 9535, section 2.3.1.1) stands for: JSON's, but for the single quotes.
fn unquoted(literal: &str) -> Option<String> {
    let literal = literal.trim();
    let single = literal.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    let Some(inner) = single else { return serde_json::from_str(literal).ok() };
    let mut json = String::from('"');
    let mut escaped = false;
    for c in inner.chars() {
        match c {
            // In single quotes JSONPath knows \' and a bare ", JSON the reverse.
            '\'' if escaped => drop(json.pop()),
            '"' if !escaped => json.push('\\'),
            _ => {}
        }
        escaped = c == '\\' && !escaped;
        json.push(c);
    }
    json.push('"');
    serde_json::from_str(&json).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_are_read_as_the_rfc_says() {
        for (literal, text) in [
            ("'a'", Some("a")),
            ("\"a'\"", Some("a'")),
            (r#"'a"b'"#, Some("a\"b")),
            (r"'it\'s'", Some("it's")),
            (r"'a\\'", Some("a\\")),
            (r"'\\d\u0041'", Some("\\dA")),
            ("@.a", None),
            ("5", None),
        ] {
            assert_eq!(unquoted(literal).as_deref(), text, "{literal}");
        }
    }

    #[test]
    fn all_calls_are_found_and_no_other_function_is_taken_for_one() {
        for (path, patterns) in [
            ("$[?search(@.a, 'x,(') && match(@[1], \"y\")]", vec!["'x,('", "\"y\""]),
            ("$[?length(@.a) == 2 && count(@.*) == 1]", vec![]),
            ("$['search(@.a, @.b)']", vec![]),
        ] {
            let found: Vec<_> =
                calls(path).into_iter().filter_map(|call| call.pattern.map(str::trim)).collect();
            assert_eq!(found, patterns, "{path}");
        }
    }
}
