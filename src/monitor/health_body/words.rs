//! Which words say that a part is not well, and which fields say why. Pure.

use serde_json::{Map, Value};

use super::text;

/// Fields that explain a status, the most telling first. The last ones are those of one dialect each: ASP.NET, MicroProfile.
const WHY: [&str; 8] =
    ["output", "error", "message", "detail", "reason", "description", "exception", "rootCause"];

/// What a status says if it is one of failure: the word itself, or a plain `false`.
pub(super) fn failure(status: &Value) -> Option<String> {
    match status {
        Value::Bool(false) => Some("false".to_owned()),
        Value::String(text) if is_failure(text) => Some(text.clone()),
        _ => None,
    }
}

/// Whether a text begins with a recognised word of failure (contract, section 4): `error…` and `fail…` with any
/// ending, the others as whole words.
fn is_failure(text: &str) -> bool {
    let begins = ["error", "fail"].iter().any(|word| after(text, word).is_some());
    begins || ["down", "unhealthy", "critical"].iter().any(|word| is_word(text, word))
}

/// Whether a text is one of `words` or begins with it as a whole word, in any case.
pub(super) fn is_one_of(text: &str, words: &[&str]) -> bool {
    words.iter().any(|word| is_word(text, word))
}

fn is_word(text: &str, word: &str) -> bool {
    let ends = |rest: &str| !rest.starts_with(|c: char| c.is_alphanumeric() || c == '_');
    after(text, word).is_some_and(ends)
}

/// What follows on `word` at the start of `text`.
pub(super) fn after<'a>(text: &'a str, word: &str) -> Option<&'a str> {
    let text = text.trim_start();
    let head = text.get(..word.len())?;
    head.eq_ignore_ascii_case(word).then(|| &text[word.len()..])
}

/// The reason that `fields` give for a failure.
pub(super) fn why(fields: &Map<String, Value>) -> Option<&str> {
    WHY.iter().find_map(|key| text(fields, key))
}

/// A status with what explains it.
pub(super) fn explained(status: &str, why: Option<&str>) -> String {
    why.map_or_else(|| status.to_owned(), |why| format!("{status}: {why}"))
}
