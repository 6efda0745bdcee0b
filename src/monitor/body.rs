//! The body of an answer, read as text and as JSON at most once. Pure.

use std::borrow::Cow;
use std::cell::OnceCell;

use serde_json::Value;

use super::assess::BODY_MAX;
use super::json;

/// What reading a body as JSON may take, in bytes: what people assert things of is far smaller.
const MEMORY_MAX: usize = 32 << 20;

/// The decoded body of an answer.
#[derive(Debug)]
pub struct Body<'a> {
    bytes: &'a [u8],
    text: OnceCell<Cow<'a, str>>,
    json: OnceCell<Result<Value, &'static str>>,
}

impl<'a> Body<'a> {
    /// The first [`BODY_MAX`] bytes of `bytes`; what is beyond is not looked at.
    pub fn new(bytes: &'a [u8]) -> Self {
        let bytes = bytes.get(..BODY_MAX).unwrap_or(bytes);
        // A byte order mark is no part of what is said.
        let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
        Self { bytes, text: OnceCell::new(), json: OnceCell::new() }
    }

    /// As text; bytes that are not UTF-8 become U+FFFD.
    pub fn text(&self) -> &str {
        self.text.get_or_init(|| String::from_utf8_lossy(self.bytes))
    }

    /// As JSON.
    ///
    /// # Errors
    /// Why it is none, as part of a sentence: `the body is not JSON`. Nested deeper than serde_json goes (128) it is none.
    pub fn json(&self) -> Result<&Value, &'static str> {
        self.json.get_or_init(|| parse(self.bytes)).as_ref().map_err(|why| *why)
    }

    /// About what it would take in memory as JSON, in bytes.
    pub fn weight(&self) -> usize {
        json::weight(self.bytes)
    }

    /// Whether it may be a JSON object: a look at the first byte spares the parse of every page of HTML.
    pub fn may_be_object(&self) -> bool {
        self.bytes.trim_ascii_start().first() == Some(&b'{')
    }
}

fn parse(bytes: &[u8]) -> Result<Value, &'static str> {
    if bytes.trim_ascii().is_empty() {
        return Err("the body is empty");
    }
    if json::weight(bytes) > MEMORY_MAX {
        return Err("the body is too large to be read as JSON");
    }
    json::parse(bytes, MEMORY_MAX).ok_or({
        if bytes.len() >= BODY_MAX - 3 {
            "the body is longer than 1 MiB"
        } else {
            "the body is not JSON"
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn says_why_it_is_not_json() {
        let long = format!("[\"{}\"]", "x".repeat(BODY_MAX));
        let many = format!("[{}0]", "[],".repeat(BODY_MAX / 4));
        let deep = "[".repeat(200) + &"]".repeat(200);
        for (body, why) in [
            ("", "the body is empty"),
            (" \n", "the body is empty"),
            ("<html>", "the body is not JSON"),
            ("{\"a\":1", "the body is not JSON"),
            ("{\"a\":1} x", "the body is not JSON"),
            (&deep, "the body is not JSON"),
            (&long, "the body is longer than 1 MiB"),
            (&many, "the body is too large to be read as JSON"),
        ] {
            assert_eq!(Body::new(body.as_bytes()).json(), Err(why));
        }
        assert_eq!(Body::new(b"\xef\xbb\xbf {\"a\":1}\n").json(), Ok(&serde_json::json!({"a": 1})));
        assert_eq!(Body::new(b"null").json(), Ok(&Value::Null));
        assert_eq!(Body::new(b"ok \xff").text(), "ok \u{fffd}");
    }
}
