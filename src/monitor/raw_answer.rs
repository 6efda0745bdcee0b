//! The answer of a check as it came, as far as it is kept: its status line, the headers that tell something and hold no secret, and
//! the start of its body. Pure.

use serde::{Deserialize, Serialize};

use super::confidence::Secrets;
use super::header::Header;
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
}

impl RawAnswer {
    /// What is kept of `came`, without what it repeats of the `secrets` of the request.
    pub fn of(came: Came<'_>, secrets: &Secrets) -> Self {
        let mut head = plain(came.status_line);
        for header in came.headers.iter().filter(|h| KEPT.contains(&h.name.as_str())) {
            head.push_str(&format!("\n{}: {}", header.name, plain(&header.value)));
        }
        let start = came.body.get(..BODY_KEPT).unwrap_or(came.body);
        head = secrets.mask_cut(&head);
        let mut body = secrets.mask_cut(&plain(&String::from_utf8_lossy(start)));
        cut(&mut head, HEAD_KEPT);
        // What was no UTF-8 has grown.
        let is_cut = start.len() < came.body.len() || body.len() > BODY_KEPT;
        cut(&mut body, BODY_KEPT);
        Self { head, body, is_cut }
    }

    /// Whether it is such as [`RawAnswer::of`] makes them: what a probe sends may be anything.
    pub fn is_well_formed(&self) -> bool {
        let texts = [(&self.head, HEAD_KEPT), (&self.body, BODY_KEPT)];
        texts.iter().all(|(text, most)| text.len() <= *most && !text.contains('\0'))
    }
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
        RawAnswer::of(Came { status_line, headers, body }, &Secrets::of(sent))
    }

    #[test]
    fn only_headers_that_hold_no_secret_are_kept() {
        let headers = [
            header("content-type", "text/plain"),
            header("set-cookie", "session=s3cret"),
            header("authorization", "Bearer s3cret"),
            header("x-csrf-token", "s3cret"),
            header("location", "https://a.example/?token=s3cret"),
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
