//! The answer of a check as it came, as far as it is kept: its status line, the headers that tell something and hold no secret, and
//! the start of its body. Pure.

use encoding_rs::{Encoding, UTF_8, UTF_16BE, UTF_16LE};
use serde::{Deserialize, Serialize};

use super::confidence::Secrets;
use super::header::{Header, SECRET_MASK};
use crate::characters::spoils_a_line;

/// How much of a body is kept, in bytes of its text.
pub const BODY_KEPT: usize = 4096;
/// How much of status line and headers together, in bytes.
const HEAD_KEPT: usize = 2048;

/// The headers that are kept. A list of those that may be: nobody can list all that hold a secret.
const KEPT: [&str; 33] = [
    "age",
    "allow",
    "cache-control",
    "cf-cache-status",
    "cf-ray",
    "content-encoding",
    "content-language",
    "content-length",
    "content-type",
    "date",
    "etag",
    "expires",
    "last-modified",
    "ratelimit-limit",
    "ratelimit-remaining",
    "ratelimit-reset",
    "retry-after",
    "server",
    "server-timing",
    "traceparent",
    "transfer-encoding",
    "vary",
    "via",
    "x-amz-cf-id",
    "x-amz-request-id",
    "x-amzn-requestid",
    "x-amzn-trace-id",
    "x-cache",
    "x-correlation-id",
    "x-powered-by",
    "x-ratelimit-remaining",
    "x-request-id",
    "x-served-by",
];

/// What is kept of an answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RawAnswer {
    /// Its status line and headers, a line each.
    pub head: String,
    /// The start of its decoded body.
    pub body: String,
    /// Whether the body went on.
    pub is_cut: bool,
    /// How long the decoded body was, in bytes, as far as it came; `None` when it went on, and in answers of before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body_bytes: Option<u64>,
    /// Whether the body could not be read, or not to its end.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_broken: bool,
}

/// An answer as it came.
#[derive(Debug, Clone, Copy)]
pub struct Came<'a> {
    /// Its status line: `HTTP/1.1 503 Service Unavailable`.
    pub status_line: &'a str,
    /// Its headers, their names in lower case.
    pub headers: &'a [Header],
    /// The start of its decoded body, at least [`BODY_KEPT`] bytes if it has so many.
    pub body: &'a [u8],
    /// Whether the body could not be read, or not to its end.
    pub is_broken: bool,
}

impl RawAnswer {
    /// What is kept of `came`, without what it repeats of the `secrets` of the request.
    pub fn of(came: Came<'_>, secrets: &Secrets) -> Self {
        let mut head = plain(came.status_line);
        for header in came.headers.iter().filter(|h| KEPT.contains(&h.name.as_str())) {
            head.push_str(&format!("\n{}: {}", header.name, plain(&header.value)));
        }
        if let Some(header) = came.headers.iter().find(|header| header.name == "location") {
            head.push_str(&format!("\nlocation: {}", plain(&place_of(&header.value))));
        }
        let start = came.body.get(..BODY_KEPT).unwrap_or(came.body);
        head = secrets.mask_cut(&head);
        let goes_on = start.len() < came.body.len();
        let encoding = encoding_of(came.headers, start);
        let text = text_of(start, encoding, !goes_on);
        let mut body = secrets.as_read_in(encoding).mask_cut(&plain(&text));
        cut(&mut head, HEAD_KEPT);
        // What was no UTF-8 may have grown.
        let is_cut = goes_on || body.len() > BODY_KEPT;
        cut(&mut body, BODY_KEPT);
        let body_bytes = u64::try_from(came.body.len()).ok().filter(|_| !goes_on);
        Self { head, body, is_cut, body_bytes, is_broken: came.is_broken }
    }

    /// Whether it is such as [`RawAnswer::of`] makes them: what a probe sends may be anything.
    pub fn is_well_formed(&self) -> bool {
        let texts = [(&self.head, HEAD_KEPT), (&self.body, BODY_KEPT)];
        texts.iter().all(|(text, most)| text.len() <= *most && !text.contains('\0'))
    }
}

/// The encoding that the `content-type` names, if it is one that people read; else the one that `body` looks like.
fn encoding_of(headers: &[Header], body: &[u8]) -> &'static Encoding {
    let content_type = headers.iter().find(|header| header.name == "content-type");
    let charset = content_type.and_then(|header| {
        let mut parameters = header.value.split(';').skip(1).filter_map(|p| p.split_once('='));
        let charset = parameters.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"));
        charset.map(|(_, value)| value.trim().trim_matches('"'))
    });
    let known = charset.and_then(|name| Encoding::for_label_no_replacement(name.as_bytes()));
    known.unwrap_or_else(|| {
        let zeros =
            |odd: usize| body.iter().skip(odd).step_by(2).filter(|byte| **byte == 0).count();
        match (zeros(0), zeros(1)) {
            (_, odd) if odd > 0 && odd >= body.len() / 4 => UTF_16LE,
            (even, _) if even > 0 && even >= body.len() / 4 => UTF_16BE,
            _ => UTF_8,
        }
    })
}

/// `bytes` as text, by the byte order mark if there is one; the last character may be cut off unless they are `whole`.
fn text_of(bytes: &[u8], encoding: &'static Encoding, whole: bool) -> String {
    let mut decoder = encoding.new_decoder();
    let room = decoder.max_utf8_buffer_length(bytes.len()).unwrap_or_default();
    let mut text = String::with_capacity(room);
    // There is room for all of it, and what is no text becomes U+FFFD.
    let _ = decoder.decode_to_string(bytes, &mut text, whole);
    text
}

/// Where a `location` leads, without what may be secret of it: user, parameters, query and fragment.
fn place_of(location: &str) -> String {
    let (place, rest) = location.split_at(location.find(['?', '#', ';']).unwrap_or(location.len()));
    let mut place = place.to_owned();
    if let Some((start, end)) = authority_of(&place) {
        // A `?` in a password ends the authority for us, but not for everybody.
        let is_torn = end == place.len() && rest.contains('@');
        let user =
            if is_torn { Some(end) } else { place[start..end].rfind('@').map(|at| start + at) };
        if let Some(user) = user {
            place.replace_range(start..user, SECRET_MASK);
        }
    }
    if !rest.is_empty() {
        place.push('?');
        place.push_str(SECRET_MASK);
    }
    place
}

/// Where the authority of a URL stands, as browsers find it: behind the scheme and any slashes, of either kind.
/// <https://url.spec.whatwg.org/#special-authority-slashes-state>
fn authority_of(place: &str) -> Option<(usize, usize)> {
    let is_slash = |c: char| c == '/' || c == '\\';
    let scheme =
        place.find(':').filter(|end| place[..*end].chars().all(|c| c.is_ascii_alphanumeric()));
    let begin = scheme.map_or(0, |end| end + 1);
    let start = place.len() - place[begin..].trim_start_matches(is_slash).len();
    let slashes = start - begin;
    let has_one = slashes >= 2 || scheme.is_some() && slashes == 1;
    let end = place[start..].find(is_slash).map_or(place.len(), |end| start + end);
    has_one.then_some((start, end))
}

/// `text` without control characters, which some databases and viewers stop at, and without what turns a line round.
fn plain(text: &str) -> String {
    let text = text.replace("\r\n", "\n");
    text.replace(|c: char| spoils_a_line(c) && c != '\n' && c != '\t', "\u{fffd}")
}

fn cut(text: &mut String, most: usize) {
    let end = (0..=most.min(text.len())).rev().find(|end| text.is_char_boundary(*end));
    text.truncate(end.unwrap_or_default());
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header(name: &str, value: &str) -> Header {
        Header { name: name.to_owned(), value: value.to_owned() }
    }

    fn raw(headers: &[Header], body: &[u8], sent: &[Header]) -> RawAnswer {
        let status_line = "HTTP/1.1 503 Service Unavailable";
        RawAnswer::of(Came { status_line, headers, body, is_broken: false }, &Secrets::of(sent))
    }

    #[test]
    fn only_headers_that_hold_no_secret_are_kept() {
        let headers = [
            header("content-type", "text/plain"),
            header("set-cookie", "session=s3cret"),
            header("authorization", "Bearer s3cret"),
            header("x-csrf-token", "s3cret"),
            header("retry-after", "120"),
        ];
        let kept = raw(&headers, b"busy\r\n<b>", &[]);
        assert_eq!(
            kept.head,
            "HTTP/1.1 503 Service Unavailable\ncontent-type: text/plain\nretry-after: 120"
        );
        assert_eq!((kept.body.as_str(), kept.is_cut), ("busy\n<b>", false));
    }

    #[test]
    fn where_a_redirect_leads_is_kept_without_what_may_be_secret_of_it() {
        for (location, kept) in [
            ("https://a.example/in?token=s3cret", "https://a.example/in?***"),
            ("https://me:s3c@ret@a.example:8443/in#s3cret", "https://***@a.example:8443/in?***"),
            ("https://me:s3cret@a.example", "https://***@a.example"),
            ("//me@a.example/@b", "//***@a.example/@b"),
            ("/in", "/in"),
            ("?s3cret", "?***"),
            ("/in;jsessionid=9F3A/on", "/in?***"),
            ("https:\\\\me:s3c@a.example/in", "https:\\\\***@a.example/in"),
            ("https:/me:s3c@a.example/in", "https:/***@a.example/in"),
            ("https://me:s3?cret@a.example/in", "https://***?***"),
        ] {
            let head = raw(&[header("location", location)], b"", &[]).head;
            assert_eq!(head.split_once("location: ").unwrap().1, kept);
        }
    }

    #[test]
    fn a_body_is_read_in_the_encoding_that_it_names() {
        let utf_16: Vec<u8> = "\u{feff}größer".encode_utf16().flat_map(u16::to_le_bytes).collect();
        for (content_type, body, text) in [
            ("text/plain; charset=ISO-8859-1", &b"gr\xf6\xdfer"[..], "größer"),
            ("text/plain;x=y; Charset=\"windows-1252\"", b"\x80 5", "€ 5"),
            ("text/plain; charset=utf-8", &utf_16, "größer"),
            ("text/plain; charset=utf-16be", b"\0g\0r", "gr"),
            ("text/plain; charset=no-such", "größer".as_bytes(), "größer"),
            ("text/plain", "größer".as_bytes(), "größer"),
            ("text/plain", b"g\0r\0", "gr"),
            ("text/plain", b"\0g\0r", "gr"),
        ] {
            let kept = raw(&[header("content-type", content_type)], body, &[]);
            assert_eq!((kept.body.as_str(), kept.is_cut), (text, false), "{content_type}");
            assert_eq!(kept.body_bytes, Some(body.len() as u64), "as it came, not as it is shown");
        }
        let secret = [header("Authorization", "Bearer s3cret-token")];
        let kept = raw(&[], b"Bearer s3cret-token", &secret);
        assert_eq!((kept.body.as_str(), kept.body_bytes), ("***", Some(19)));
        let basic = [header("Authorization", "Basic bWU6UMOkc3N3b3J0LTE=")];
        let latin = [header("content-type", "text/plain; charset=ISO-8859-1")];
        let kept = raw(&latin, "no such user: Pässwort-1".as_bytes(), &basic);
        assert_eq!(kept.body, "no such user: ***");
        let long = [b"\xe4".repeat(BODY_KEPT), b"x".to_vec()].concat();
        let latin = raw(&[header("content-type", "a/b;charset=latin1")], &long, &[]);
        assert_eq!((latin.body.len(), latin.is_cut, latin.body_bytes), (BODY_KEPT, true, None));
        assert!(latin.is_well_formed());
    }

    #[test]
    fn it_is_bounded_and_of_text_alone() {
        let kept = raw(&[], "ä".repeat(BODY_KEPT).as_bytes(), &[]);
        assert_eq!((kept.body.len(), kept.is_cut), (BODY_KEPT, true));
        let bytes = raw(&[header("server", &"x".repeat(9000))], &[0xff; BODY_KEPT], &[]);
        assert_eq!((bytes.head.len(), bytes.is_cut), (HEAD_KEPT, true));
        assert!(bytes.body.len() <= BODY_KEPT && bytes.is_well_formed());
        assert_eq!(raw(&[], b"a\0b\x1b[31m\tc", &[]).body, "a\u{fffd}b\u{fffd}[31m\tc");
        assert_eq!(raw(&[], "a\u{202e}gnp.exe".as_bytes(), &[]).body, "a\u{fffd}gnp.exe");
        assert!(!RawAnswer { body: "a\0".to_owned(), ..kept.clone() }.is_well_formed());
        assert!(!RawAnswer { body: kept.body + "x", ..bytes }.is_well_formed());
    }

    #[test]
    fn what_the_request_said_in_confidence_is_not_kept_where_it_comes_back() {
        let sent = [header("Authorization", "Bearer s3cret-token")];
        let echo =
            raw(&[header("via", "s3cret-token")], b"{\"you\":\"Bearer s3cret-token\"}", &sent);
        assert_eq!(echo.body, "{\"you\":\"***\"}");
        assert!(echo.head.ends_with("via: ***"), "{}", echo.head);
        let long = format!("{}s3cret-token", "x".repeat(BODY_KEPT - 8));
        let half = raw(&[], long.as_bytes(), &sent);
        assert!(half.body.ends_with("xxx***") && half.is_cut, "{}", half.body);
    }
}
