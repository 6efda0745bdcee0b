//! Which parts of a health body are not well. Pure.
//!
//! A body is read as what it can be recognised as; of an unknown shape nothing is said, for a wrong word
//! in an alert is worse than none.

use serde_json::{Map, Value};

use super::{FailedChecks, json};

/// What reading a body may take, in bytes: a hundred times what health bodies need.
const MEMORY_MAX: usize = 8 << 20;
/// The most parts that are named; who reads more than these looks at the body.
const MOST: usize = 20;
/// The longest text of a part, in characters.
const TEXT_MAX: usize = 300;
/// The longest name of a part, in characters.
const NAME_MAX: usize = 100;

/// The parts of `body` that are not well, as dotted paths with their texts; empty when it is not a health body.
///
/// Read are the plain form, `{"checks":{name: "ok" | "error: …" | true | {"status": …}}}`, and that of IETF
/// health+json (draft-inadarei-api-health-check-06), where each name has a list of objects. A body that is
/// cut off, not JSON, or nested deeper than serde_json goes (128) says nothing.
pub fn failed_checks(body: &[u8]) -> FailedChecks {
    let body = body.strip_prefix(b"\xef\xbb\xbf").unwrap_or(body);
    // A look at the first byte spares the parse of every page of HTML.
    if body.trim_ascii_start().first() != Some(&b'{') {
        return FailedChecks::new();
    }
    match json::parse(body, MEMORY_MAX) {
        Some(Value::Object(body)) => in_checks(&body),
        _ => FailedChecks::new(),
    }
}

fn in_checks(body: &Map<String, Value>) -> FailedChecks {
    let Some(Value::Object(checks)) = body.get("checks") else { return FailedChecks::new() };
    checks
        .iter()
        .filter_map(|(name, part)| {
            let text = part_failure(part)?;
            Some((format!("checks.{}", one_line(name, NAME_MAX)), one_line(&text, TEXT_MAX)))
        })
        .take(MOST)
        .collect()
}

/// What is wrong with one part, if anything is.
fn part_failure(part: &Value) -> Option<String> {
    match part {
        Value::Object(object) => object_failure(object),
        // IETF: one object for each component behind the name.
        Value::Array(items) => {
            let failed: Vec<String> = items
                .iter()
                .filter_map(Value::as_object)
                .filter_map(object_failure)
                .take(MOST)
                .collect();
            (!failed.is_empty()).then(|| failed.join(", "))
        }
        plain => word_failure(plain),
    }
}

/// `{"status": "fail", "output": "…"}`: the status, then what explains it.
fn object_failure(object: &Map<String, Value>) -> Option<String> {
    let status = word_failure(object.get("status")?)?;
    let why = ["output", "error", "message", "detail", "reason"]
        .iter()
        .filter_map(|key| object.get(*key)?.as_str())
        .find(|why| !why.trim().is_empty());
    Some(why.map_or_else(|| status.clone(), |why| format!("{status}: {why}")))
}

/// A word of failure, or a plain `false`.
fn word_failure(value: &Value) -> Option<String> {
    match value {
        Value::Bool(false) => Some("false".to_owned()),
        Value::String(text) if is_failure(text) => Some(text.clone()),
        _ => None,
    }
}

/// Whether a text begins with a recognised word of failure (contract, section 4): `error…` and `fail…` with any
/// ending, the others as whole words.
fn is_failure(text: &str) -> bool {
    let text = text.trim_start();
    let after = |word: &str| {
        let head = text.get(..word.len())?;
        head.eq_ignore_ascii_case(word).then(|| &text[word.len()..])
    };
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    ["error", "fail"].iter().any(|word| after(word).is_some())
        || ["down", "unhealthy", "critical"].iter().any(|word| after(word).is_some_and(ends))
}

/// One line of at most `longest` characters: whatever controls a terminal or breaks a line becomes a space.
fn one_line(text: &str, longest: usize) -> String {
    let plain = |c: char| !(c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'));
    let mut line: String =
        text.trim().chars().take(longest).map(|c| if plain(c) { c } else { ' ' }).collect();
    if text.trim().chars().nth(longest).is_some() {
        line.pop();
        line.push('…');
    }
    line
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn failed(body: &str) -> Vec<(String, String)> {
        failed_checks(body.as_bytes()).into_iter().collect()
    }

    fn checks(parts: &str) -> Vec<(String, String)> {
        failed(&format!(r#"{{"status":"error","checks":{parts}}}"#))
    }

    fn pair(path: &str, text: &str) -> (String, String) {
        (path.to_owned(), text.to_owned())
    }

    #[test]
    fn reads_the_plain_form() {
        let body = r#"{"database":"error: FATAL: remaining connection slots reserved",
            "redis":{"status":"DOWN","error":"connection refused"},"queue":false,"disk":true,
            "mail":"not_configured","cache":"ok","search":{"status":"ok","error":""}}"#;
        let database = "error: FATAL: remaining connection slots reserved";
        assert_eq!(
            checks(body),
            [
                pair("checks.database", database),
                pair("checks.queue", "false"),
                pair("checks.redis", "DOWN: connection refused"),
            ]
        );
    }

    #[test]
    fn reads_ietf_health_json() {
        let body = include_str!("../../tests/health_bodies/ietf.json");
        assert_eq!(
            failed(body),
            [
                pair("checks.cassandra:responseTime", "fail: Timed out after 5 s"),
                pair("checks.uptime", "fail, error: clock stepped"),
            ]
        );
    }

    #[test]
    fn only_recognised_words_of_failure_count() {
        for bad in [
            "error",
            "ERROR: x",
            "errored",
            "fail",
            "Failed",
            "failing: x",
            "failure",
            "down",
            "DOWN",
            "down: x",
            "unhealthy",
            "Unhealthy (503)",
            "critical",
            "critical: disk",
            " error",
        ] {
            assert_eq!(checks(&format!("{{\"x\":\"{bad}\"}}")).len(), 1, "{bad}");
        }
        for fine in [
            "ok",
            "up",
            "pass",
            "warn",
            "healthy",
            "not_configured",
            "skipped",
            "unknown",
            "disabled",
            "downloading",
            "down_to_two",
            "no error",
            "0 failures",
            "",
            "degraded",
            "criticality 2",
            "é",
            "fäil",
        ] {
            assert_eq!(checks(&format!("{{\"x\":\"{fine}\"}}")), [], "{fine}");
        }
    }

    #[test]
    fn unknown_shapes_say_nothing() {
        for body in [
            "",
            "null",
            "[]",
            "error",
            "{",
            r#"{"status":"error"}"#,
            r#"{"checks":"error"}"#,
            r#"{"checks":["error"]}"#,
            r#"{"checks":{"a":1,"b":null,"c":{"error":"x"}}}"#,
            r#"{"checks":{"a":["error"],"b":[[{"status":"fail"}]],"c":{"status":{"status":"fail"}}}}"#,
            "<html>error</html>",
            r#"{"services":{"a":"error"}}"#,
            r#"{"checks":{"a":"error"}"#,
        ] {
            assert_eq!(failed(body), [], "{body}");
        }
    }

    #[test]
    fn texts_are_one_line_and_bounded() {
        let long = "x".repeat(1000);
        let found = checks(&format!(r#"{{"a\nb":"error: a\u0000b\r\nc","{long}":"fail {long}"}}"#));
        assert_eq!(found[0], pair("checks.a b", "error: a b  c"));
        assert_eq!(found[1].1.chars().count(), 300);
        assert!(found[1].0.chars().count() <= 107 && found[1].1.ends_with('…'));
        let many: Vec<String> = (0..100).map(|i| format!("\"{i}\":\"down\"")).collect();
        assert_eq!(checks(&format!("{{{}}}", many.join(","))).len(), 20);
        assert_eq!(failed("\u{feff} {\"checks\":{\"a\":\"down\"}}").len(), 1);
    }

    #[test]
    fn deep_nesting_says_nothing() {
        for (open, close) in [("[", "]"), ("{\"checks\":", "}")] {
            let body = format!("{{\"checks\":{}1{}}}", open.repeat(200_000), close.repeat(200_000));
            assert_eq!(failed(&body), []);
        }
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let text =
            prop::sample::select(vec!["error", "status", "checks", "down\u{0}", "output", "é"]);
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(Value::from),
            text.clone().prop_map(Value::from),
            ".*".prop_map(Value::from),
        ];
        leaf.prop_recursive(5, 64, 6, move |inner| {
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..6).prop_map(Value::from),
                prop::collection::btree_map(text.clone().prop_map(str::to_owned), inner, 0..6)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn any_bytes_are_borne(body in prop::collection::vec(any::<u8>(), 0..300)) {
            failed_checks(&body);
        }

        #[test]
        fn any_json_gives_bounded_lines(parts in any_json()) {
            let body = serde_json::json!({"checks": parts}).to_string();
            let failed = failed_checks(body.as_bytes());
            prop_assert!(failed.len() <= MOST);
            for (path, text) in failed {
                prop_assert!(path.starts_with("checks."));
                let line = format!("{path}{text}");
                prop_assert!(!line.chars().any(char::is_control));
                prop_assert!(text.chars().count() <= TEXT_MAX && !text.is_empty());
            }
        }
    }
}
