//! What the request of a check says in confidence, and how that is kept out of what is told of the answer. Pure.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use encoding_rs::Encoding;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

use super::header::{Header, SECRET_MASK};

/// A shorter text says little, and stands in any other.
const SHORTEST: usize = 4;
/// What a part of a URL need not escape (RFC 3986, section 2.3).
const RESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// The secrets of a request in the forms that an answer may repeat them in.
#[derive(Debug, Clone, Default)]
pub struct Secrets {
    /// In lower case, the longest first.
    forms: Vec<String>,
}

impl Secrets {
    /// Those of a request with these headers.
    pub fn of(headers: &[Header]) -> Self {
        let texts = headers.iter().filter(|header| header.is_secret()).flat_map(texts_of);
        let mut forms: Vec<String> = texts.flat_map(|text| forms_of(&text)).collect();
        forms.sort_unstable_by(|a, b| b.len().cmp(&a.len()).then_with(|| a.cmp(b)));
        forms.dedup();
        Self { forms }
    }

    /// `text` with [`SECRET_MASK`] in the place of each secret.
    pub fn mask(&self, text: &str) -> String {
        let (mut text, mut lower) = (text.to_owned(), text.to_ascii_lowercase());
        for form in &self.forms {
            while let Some(at) = lower.find(form.as_str()) {
                let place = at..at + form.len();
                text.replace_range(place.clone(), SECRET_MASK);
                lower.replace_range(place, SECRET_MASK);
            }
        }
        text
    }

    /// The same of a text that was cut: its end may be the beginning of a secret.
    pub fn mask_cut(&self, text: &str) -> String {
        let mut text = self.mask(text);
        let lower = text.to_ascii_lowercase();
        let begun = |form: &String| {
            let mut ends = (SHORTEST..form.len()).rev().filter(|end| form.is_char_boundary(*end));
            ends.find(|end| lower.ends_with(&form[..*end]))
        };
        if let Some(length) = self.forms.iter().filter_map(begun).max() {
            text.truncate(text.len() - length);
            text.push_str(SECRET_MASK);
        }
        text
    }
}

impl Secrets {
    /// The same where a text of UTF-8 was read in another encoding.
    pub fn as_read_in(&self, encoding: &'static Encoding) -> Self {
        let misread =
            |form: &String| encoding.decode_without_bom_handling(form.as_bytes()).0.into_owned();
        let mut forms = self.forms.clone();
        if encoding.is_single_byte() {
            forms.extend(self.forms.iter().filter(|form| !form.is_ascii()).map(misread));
            forms.sort_by_key(|form| std::cmp::Reverse(form.len()));
        }
        Self { forms }
    }
}

/// What is secret of a header: its value, what follows the scheme in it, of `Basic` user and password, and the value of each cookie.
fn texts_of(header: &Header) -> Vec<String> {
    let value = header.value.trim();
    let mut texts = vec![value.to_owned()];
    if let Some((scheme, rest)) = value.split_once(' ') {
        texts.push(rest.trim().to_owned());
        let decoded =
            STANDARD.decode(rest.trim()).ok().filter(|_| scheme.eq_ignore_ascii_case("basic"));
        if let Some(pair) = decoded.and_then(|bytes| String::from_utf8(bytes).ok()) {
            texts.extend(pair.split_once(':').map(|(_, password)| password.to_owned()));
            texts.push(pair);
        }
    }
    if header.name.eq_ignore_ascii_case("cookie") {
        let values = value.split(';').filter_map(|cookie| cookie.split_once('='));
        texts.extend(values.map(|(_, value)| value.trim().trim_matches('"').to_owned()));
    }
    texts.retain(|text| text.len() >= SHORTEST);
    texts
}

/// How programs write a text: as it is, in JSON, in a URL, in HTML, and in Base64.
fn forms_of(text: &str) -> Vec<String> {
    let json = serde_json::to_string(text).unwrap_or_default();
    let html =
        text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;");
    let url = utf8_percent_encode(text, RESERVED).to_string();
    let forms = [
        text.to_owned(),
        json.get(1..json.len().saturating_sub(1)).unwrap_or_default().to_owned(),
        url.replace("%20", "+"),
        url,
        html.replace('\'', "&#39;"),
        html.replace('\'', "&#x27;"),
        html,
        STANDARD.encode(text),
    ];
    forms
        .into_iter()
        .filter(|form| !form.is_empty())
        .map(|form| form.to_ascii_lowercase())
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn secrets(name: &str, value: &str) -> Secrets {
        Secrets::of(&[Header { name: name.to_owned(), value: value.to_owned() }])
    }

    #[test]
    fn a_secret_is_masked_in_each_form() {
        let key = secrets("X-Api-Key", "qu\"ote&s3cret/KEY+val=1");
        for text in [
            "qu\"ote&s3cret/KEY+val=1",
            "QU\"OTE&S3CRET/key+VAL=1",
            r#"qu\"ote&s3cret/KEY+val=1"#,
            "qu%22ote%26s3cret%2FKEY%2Bval%3D1",
            "qu&quot;ote&amp;s3cret/KEY+val=1",
            "cXUib3RlJnMzY3JldC9LRVkrdmFsPTE=",
        ] {
            assert_eq!(key.mask(&format!("<{text}> {text}")), "<***> ***", "{text}");
        }
        assert_eq!(key.mask("nothing of it"), "nothing of it");
    }

    #[test]
    fn the_parts_of_a_header_are_secret_too() {
        let basic = secrets("Authorization", "Basic Ym9iOmh1bnRlcjJwYXNz");
        assert_eq!(basic.mask("bob:hunter2pass, hunter2pass, bob"), "***, ***, bob");
        let bearer = secrets("Authorization", "Bearer s3cret-token");
        assert_eq!(
            bearer.mask("you said Bearer s3cret-token or s3cret-token"),
            "you said *** or ***"
        );
        let cookie = secrets("Cookie", "theme=light; session=COOKIEs3cret; a=b");
        assert_eq!(
            cookie.mask(r#"{"session":"COOKIEs3cret","a":"b"}"#),
            r#"{"session":"***","a":"b"}"#
        );
        assert_eq!(secrets("Accept", "text/html").mask("text/html"), "text/html");
        assert_eq!(secrets("X-Key", "no").mask("no"), "no", "it would be found everywhere");
    }

    #[test]
    fn one_that_a_cut_goes_through_is_masked() {
        let key = secrets("X-Api-Key", "s3cret-token");
        assert_eq!(key.mask_cut("it was s3cret-to"), "it was ***");
        assert_eq!(key.mask_cut("it was s3c"), "it was s3c");
        assert_eq!(key.mask("it was s3cret-to"), "it was s3cret-to");
    }
}
