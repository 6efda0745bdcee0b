//! JSON over several lines, as it came: names in their order, numbers and texts as they were written. Pure.

use serde::de::IgnoredAny;

/// An object or an array over several lines; `None` of anything else.
pub fn in_lines(text: &str) -> Option<String> {
    let text = text.trim_matches(is_space);
    if !text.starts_with(['{', '[']) || serde_json::from_str::<IgnoredAny>(text).is_err() {
        return None;
    }
    let mut lines = String::with_capacity(text.len() * 2);
    let mut depth = 0;
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let token = if c == '"' { &rest[..string_end(rest)] } else { &rest[..c.len_utf8()] };
        rest = rest[token.len()..].trim_start_matches(is_space);
        match c {
            '{' | '[' if !rest.starts_with(['}', ']']) => {
                depth += 1;
                lines.push(c);
                begin_line(&mut lines, depth);
            }
            '}' | ']' if !lines.ends_with(['{', '[']) => {
                depth -= 1;
                begin_line(&mut lines, depth);
                lines.push(c);
            }
            ',' => {
                lines.push(c);
                begin_line(&mut lines, depth);
            }
            ':' => lines.push_str(": "),
            _ => lines.push_str(token),
        }
    }
    Some(lines)
}

/// The space of JSON (RFC 8259, section 2).
fn is_space(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\n' | '\r')
}

/// Where the string that `text` begins with ends, in bytes.
fn string_end(text: &str) -> usize {
    let mut is_escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            _ if is_escaped => is_escaped = false,
            '\\' => is_escaped = true,
            '"' => return at + 1,
            _ => {}
        }
    }
    text.len()
}

fn begin_line(lines: &mut String, depth: usize) {
    lines.push('\n');
    lines.extend(std::iter::repeat_n("  ", depth));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_their_order_and_values_as_they_were_written() {
        let text = "{ \"z\":[1.0, {}, [ ]],\r\n\"a\" : {\"b\\\"]\": \"{,:\\\\\"}}";
        let lines = "{\n  \"z\": [\n    1.0,\n    {},\n    []\n  ],\n  \"a\": {\n    \"b\\\"]\": \"{,:\\\\\"\n  }\n}";
        assert_eq!(in_lines(text).unwrap(), lines);
        assert_eq!(in_lines(" [] ").unwrap(), "[]");
        for other in ["", "1", "\"{}\"", "{", "{} {}", "<html>"] {
            assert_eq!(in_lines(other), None, "{other}");
        }
    }

    #[test]
    fn it_says_the_same_as_before() {
        let value = serde_json::json!({"b": ["{\"", "\\", "ü\n"], "a": {"c": [[[]], {"d": null}]}, "": -1e9});
        let lines = in_lines(&value.to_string()).unwrap();
        assert_eq!(lines, serde_json::to_string_pretty(&value).unwrap());
    }
}
