//! Text with what was searched for marked in it. Pure.

use super::text::Html;

/// `text` as markup, with every place marked that is `needle` but for case.
pub fn marked(text: &str, needle: &str) -> Html {
    let needle: Vec<char> = needle.trim().chars().flat_map(char::to_lowercase).collect();
    let mut html = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let length = if needle.is_empty() { None } else { length_of(rest, &needle) };
        match length {
            Some(length) => {
                html.push_str("<mark>");
                escape(&rest[..length], &mut html);
                html.push_str("</mark>");
                rest = &rest[length..];
            }
            None => {
                escape(&rest[..first.len_utf8()], &mut html);
                rest = &rest[first.len_utf8()..];
            }
        }
    }
    Html(html)
}

/// How many bytes of `text` are `needle` but for case, if it begins with it.
fn length_of(text: &str, needle: &[char]) -> Option<usize> {
    let mut wanted = needle.iter();
    for (at, c) in text.char_indices() {
        if wanted.len() == 0 {
            return Some(at);
        }
        for lower in c.to_lowercase() {
            if wanted.next() != Some(&lower) {
                return None;
            }
        }
    }
    (wanted.len() == 0).then_some(text.len())
}

fn escape(text: &str, html: &mut String) {
    for c in text.chars() {
        match c {
            '<' => html.push_str("&lt;"),
            '>' => html.push_str("&gt;"),
            '&' => html.push_str("&amp;"),
            '"' => html.push_str("&quot;"),
            '\'' => html.push_str("&#39;"),
            other => html.push(other),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_found_is_marked_and_markup_stays_text() {
        for (text, needle, html) in [
            ("PayPal payout", "pay", "<mark>Pay</mark>Pal <mark>pay</mark>out"),
            ("<b>pay</b>", "PAY", "&lt;b&gt;<mark>pay</mark>&lt;/b&gt;"),
            ("a&b", "&", "a<mark>&amp;</mark>b"),
            ("ÄRGER", "är", "<mark>ÄR</mark>GER"),
            ("aab", "ab", "a<mark>ab</mark>"),
            ("ab", "abc", "ab"),
            ("\"'", "", "&quot;&#39;"),
            ("x", "  ", "x"),
            ("", "a", ""),
        ] {
            assert_eq!(marked(text, needle).0, html, "{text} with {needle}");
        }
    }
}
