//! The rules of an HTTP monitor one by one, as a live test shows them: how an answer stands to each, and what may have been meant
//! by one that fails. Pure.

use serde_json::Value;

use super::assertion::{Answer, Assertion, Op, Source};
use super::assess::Observation;
use super::body::Body;
use super::json_path::{Step, steps};
use super::line::one_line;
use super::{Header, HttpSpec};

/// The longest keyword in a rule, in characters.
const SHOWN: usize = 80;
/// The most keys that a name is compared with.
const KEYS_MAX: usize = 1_000;

/// Which part of the settings a rule is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// `expected_status`.
    Status,
    /// `keyword`.
    Keyword,
    /// `keyword_absent`.
    KeywordAbsent,
    /// One of `assertions`, from 0.
    Assertion(usize),
    /// `degraded_after_ms`: it does not make a monitor down.
    Time,
}

/// One rule, and how an answer stands to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// Which.
    pub part: Part,
    /// What is so, in words: `Status is 200, in 200-299`, `$.checks.databse is missing`.
    pub words: String,
    /// Whether the answer is as it should be.
    pub holds: bool,
    /// What may have been meant.
    pub fix: Option<Fix>,
}

/// A value that may have been meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fix {
    /// The fact: `The response has no checks.databse`.
    pub fact: String,
    /// What may have been meant, as people read it: `checks.database`.
    pub meant: String,
    /// What the field would hold then.
    pub value: String,
    /// Whether it is the value of an assertion, not its path.
    pub is_value: bool,
}

/// How an answer stands to every rule of `spec`, in the order of judging.
pub fn rules(spec: &HttpSpec, seen: &Observation<'_>) -> Vec<Rule> {
    let body = Body::new(seen.body);
    let plain = |part, words, holds| Rule { part, words, holds, fix: None };
    let mut rules = vec![status(spec, seen.status)];
    if let Some(word) = &spec.keyword {
        let holds = body.text().contains(word);
        let verb = if holds { "has" } else { "does not have" };
        rules.push(plain(Part::Keyword, format!("The body {verb} {}", quoted(word)), holds));
    }
    if let Some(word) = &spec.keyword_absent {
        let holds = !body.text().contains(word);
        let verb = if holds { "does not have" } else { "has" };
        rules.push(plain(Part::KeywordAbsent, format!("The body {verb} {}", quoted(word)), holds));
    }
    let answer =
        Answer { status: seen.status, headers: seen.headers, body: &body, total_ms: seen.total_ms };
    let judged = |(n, assertion)| asserted(n, assertion, &answer);
    rules.extend(spec.assertions.iter().enumerate().map(judged));
    if let Some(limit) = spec.pace.degraded_after_ms {
        let holds = seen.total_ms <= limit;
        let side = if holds { "under" } else { "over" };
        rules.push(plain(Part::Time, format!("Response {side} {limit} ms"), holds));
    }
    rules
}

fn quoted(word: &str) -> String {
    format!("\"{}\"", one_line(word, SHOWN))
}

fn status(spec: &HttpSpec, code: u16) -> Rule {
    let holds = spec.expected_status.contains(code);
    let side = if holds { "in" } else { "not in" };
    let words = format!("Status is {code}, {side} {}", spec.expected_status);
    // That a page asks who is there, or leads elsewhere, is often right; that it is missing or broken never is.
    let is_often_meant = matches!(code, 300..=399 | 401 | 403 | 405);
    let fix = (!holds && is_often_meant).then(|| Fix {
        fact: format!("The status is {code}"),
        meant: format!("{},{code}", spec.expected_status),
        value: format!("{},{code}", spec.expected_status),
        is_value: false,
    });
    Rule { part: Part::Status, words, holds, fix }
}

fn asserted(n: usize, assertion: &Assertion, answer: &Answer<'_, '_>) -> Rule {
    let failure = assertion.failure(answer);
    let fix = failure.as_ref().and_then(|_| meant(assertion, answer));
    let holds = failure.is_none();
    let words = match failure {
        Some(text) => text.trim_start_matches("assertion failed: ").to_owned(),
        None => assertion.to_string(),
    };
    Rule { part: Part::Assertion(n), words, holds, fix }
}

/// What an assertion that fails may have meant: a name that is nearly one of those that there are, or a value that is nearly the
/// one that was found.
fn meant(assertion: &Assertion, answer: &Answer<'_, '_>) -> Option<Fix> {
    // Whoever says that it is not there has no slip of the pen to mend.
    if assertion.op() == Op::Exists && *assertion.value() == Value::Bool(false) {
        return None;
    }
    let path = assertion.path().unwrap_or_default();
    match assertion.source() {
        Source::Json => {
            let json = answer.body.json().ok()?;
            meant_path(path, json).or_else(|| meant_value(assertion, path, json))
        }
        Source::Header => meant_header(path, answer.headers),
        Source::Body | Source::Status | Source::ResponseMs => None,
    }
}

fn meant_path(path: &str, json: &Value) -> Option<Fix> {
    let mut at = json;
    let mut before = String::new();
    for Step { name, from, to } in steps(path)? {
        let Value::Object(object) = at else {
            let index: usize = name.parse().ok()?;
            at = at.as_array()?.get(index)?;
            before.push_str(&format!("[{index}]"));
            continue;
        };
        let dot = if before.is_empty() { "" } else { "." };
        if let Some(next) = object.get(&name) {
            before.push_str(&format!("{dot}{name}"));
            at = next;
            continue;
        }
        let found = nearest(&name, object.keys().map(String::as_str))?;
        return Some(Fix {
            fact: one_line(&format!("The response has no {before}{dot}{name}"), SHOWN),
            meant: format!("{before}{dot}{found}"),
            value: format!("{}{}{}", path.get(..from)?, as_step(found), path.get(to..)?),
            is_value: false,
        });
    }
    None
}

/// A key as a step of a path.
fn as_step(key: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let starts_well = key.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    match starts_well && key.chars().all(is_plain) {
        true => format!(".{key}"),
        false => format!("['{}']", key.replace('\\', "\\\\").replace('\'', "\\'")),
    }
}

fn meant_value(assertion: &Assertion, path: &str, json: &Value) -> Option<Fix> {
    let (Op::Eq, Value::String(expected)) = (assertion.op(), assertion.value()) else {
        return None;
    };
    let mut at = json;
    for Step { name, .. } in steps(path)? {
        at = match at {
            Value::Array(items) => items.get(name.parse::<usize>().ok()?)?,
            other => other.get(&name)?,
        };
    }
    let found = nearest(expected, [at.as_str()?])?.to_owned();
    let fact = one_line(&format!("The response has {path} as {}", quoted(&found)), SHOWN);
    Some(Fix { fact, meant: found.clone(), value: found, is_value: true })
}

fn meant_header(name: &str, headers: &[Header]) -> Option<Fix> {
    let is_there = headers.iter().any(|header| header.name.eq_ignore_ascii_case(name));
    let found = nearest(name, headers.iter().map(|header| header.name.as_str()))?;
    (!is_there).then(|| Fix {
        fact: one_line(&format!("The response has no header {name}"), SHOWN),
        meant: found.to_owned(),
        value: found.to_owned(),
        is_value: false,
    })
}

/// The word that `word` is a slip of the pen of: other by case only, or by one letter, or by two when it is long.
pub fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let folded = word.to_lowercase();
    let length = folded.chars().count();
    // The comparison takes the product of the lengths; nobody's name is that long.
    if length > 100 {
        return None;
    }
    let allowed = if length > 5 { 2 } else { 1 };
    let other =
        known.into_iter().take(KEYS_MAX).filter(|other| *other != word && other.len() < 400);
    let measured = other.map(|other| (strsim::osa_distance(&folded, &other.to_lowercase()), other));
    let near = measured.filter(|(distance, _)| *distance <= allowed && *distance < length);
    near.min_by_key(|(distance, _)| *distance).map(|(_, other)| other)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::monitor::{Kind, Settings, Target};

    fn judged(extra: Value, status: u16, body: &str) -> Vec<Rule> {
        let mut map = json!({"url": "http://a.example/"}).as_object().unwrap().clone();
        map.extend(extra.as_object().unwrap().clone());
        let Target::Http(spec) = Settings::read(&map, Kind::Http, None).unwrap().target else {
            unreachable!()
        };
        let headers = [Header { name: "content-type".into(), value: "application/json".into() }];
        let seen = Observation { status, headers: &headers, body: body.as_bytes(), total_ms: 182 };
        rules(&spec, &seen)
    }

    fn json_is(path: &str, value: &str) -> Value {
        json!({"assertions": [{"source": "json", "path": path, "op": "eq", "value": value}]})
    }

    #[test]
    fn every_rule_says_how_it_stands() {
        let all = json!({
            "keyword": "pass", "keyword_absent": "fail", "degraded_after_ms": 100,
            "assertions": [{"source": "header", "path": "content-type", "op": "contains", "value": "json"}],
        });
        let rules = judged(all, 200, r#"{"status":"pass"}"#);
        let said: Vec<_> = rules.iter().map(|rule| (rule.words.as_str(), rule.holds)).collect();
        assert_eq!(
            said,
            [
                ("Status is 200, in 200-299", true),
                ("The body has \"pass\"", true),
                ("The body does not have \"fail\"", true),
                ("header content-type contains \"json\"", true),
                ("Response over 100 ms", false),
            ]
        );
    }

    #[test]
    fn a_slip_of_the_pen_is_found_and_the_mended_path_holds() {
        let body = r#"{"status":"pass","checks":{"database":{"status":"pass"},"my cdn":{"a":[{"ok":"yes"}]}}}"#;
        for (path, value, meant, mended) in [
            ("$.checks.databse.status", "pass", "checks.database", "$.checks.database.status"),
            ("$.check.database.status", "pass", "checks", "$.checks.database.status"),
            ("$['statsu']", "pass", "status", "$.status"),
            ("$.checks['my-cdn'].a[0].ok", "yes", "checks.my cdn", "$.checks['my cdn'].a[0].ok"),
            (
                "$.checks['my cdn'].a[0].okk",
                "yes",
                "checks.my cdn.a[0].ok",
                "$.checks['my cdn'].a[0].ok",
            ),
        ] {
            let rules = judged(json_is(path, value), 200, body);
            let fix = rules[1].fix.clone().unwrap_or_else(|| panic!("{path}"));
            assert_eq!((fix.meant.as_str(), fix.value.as_str()), (meant, mended), "{path}");
            assert!(judged(json_is(&fix.value, value), 200, body)[1].holds, "{mended}");
        }
        let value = judged(json_is("$.status", "Pass"), 200, body);
        assert_eq!(
            value[1].fix.as_ref().map(|fix| (fix.value.as_str(), fix.is_value)),
            Some(("pass", true))
        );
        for (path, value) in
            [("$.nothing", "x"), ("$..databse", "x"), ("$.status", "up"), ("$.status.deep", "x")]
        {
            assert_eq!(judged(json_is(path, value), 200, body)[1].fix, None, "{path}");
        }
    }

    #[test]
    fn a_code_that_is_often_right_is_offered_and_an_outage_is_not() {
        let fix = |status| judged(json!({}), status, "")[0].fix.clone().map(|fix| fix.value);
        assert_eq!(fix(401).as_deref(), Some("200-299,401"));
        assert_eq!(fix(503), None);
        assert_eq!(fix(404), None);
        assert_eq!(fix(200), None);
    }

    #[test]
    fn the_nearest_word_is_near() {
        let words = ["GET", "HEAD", "POST"];
        assert_eq!(nearest("GTE", words), Some("GET"));
        assert_eq!(nearest("PSOT", words), Some("POST"));
        assert_eq!(nearest("XY", words), None);
        assert_eq!(nearest("", words), None);
        assert_eq!(nearest(&"x".repeat(10_000), words), None);
    }
}
