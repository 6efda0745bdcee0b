//! What an answer means: observation and expectations in, verdict out. Pure.

use super::assertion::Answer;
use super::body::Body;
use super::confidence::Secrets;
use super::health_body::failed_checks;
use super::line::one_line;
use super::{CheckError, ErrorKind, FailedChecks, Header, HttpSpec, Verdict};

/// How much of a decoded body is looked at, in bytes (contract, section 4).
pub const BODY_MAX: usize = 1 << 20;

/// What came back from a target.
#[derive(Debug, Clone, Copy)]
pub struct Observation<'a> {
    /// The status code of the final answer.
    pub status: u16,
    /// Its headers; those that no assertion asks for may be missing.
    pub headers: &'a [Header],
    /// The decoded body, as far as it was read; only its first [`BODY_MAX`] bytes are judged.
    pub body: &'a [u8],
    /// The whole time of the check, in ms.
    pub total_ms: u32,
}

/// What it means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// In one word.
    pub verdict: Verdict,
    /// Why it is not `up` or `degraded`.
    pub error: Option<CheckError>,
    /// The parts of a health body that are not well. They never change the verdict.
    pub failed_checks: FailedChecks,
}

impl Assessment {
    /// A check that ended in `error`; `status` is the code of the final answer if its head had come.
    ///
    /// A wrong status code is told rather than the trouble with the body after it: it came first and says more.
    pub fn failed(spec: &HttpSpec, status: Option<u16>, error: CheckError) -> Self {
        let ours = error.kind == ErrorKind::Internal;
        let wrong_status = status.filter(|_| !ours).and_then(|code| wrong_status(spec, code));
        Self {
            verdict: if ours { Verdict::Unknown } else { Verdict::Down },
            error: Some(wrong_status.unwrap_or(error)),
            failed_checks: FailedChecks::new(),
        }
    }

    /// Keeps what the answer repeats of the request's secrets out of what is told of it.
    pub fn mask(&mut self, secrets: &Secrets) {
        if let Some(error) = &mut self.error {
            error.text = secrets.mask(&error.text);
        }
        let checks = std::mem::take(&mut self.failed_checks).into_iter();
        self.failed_checks =
            checks.map(|(name, text)| (secrets.mask(&name), secrets.mask(&text))).collect();
    }
}

/// Judges an answer: by its status code, then its keywords, then what is asserted of it, then its time.
pub fn assess(spec: &HttpSpec, seen: &Observation<'_>) -> Assessment {
    let body = Body::new(seen.body);
    let error = wrong_status(spec, seen.status)
        .or_else(|| wrong_keyword(spec, &body))
        .or_else(|| failed_assertion(spec, seen, &body));
    let slow = spec.pace.degraded_after_ms.is_some_and(|limit| seen.total_ms > limit);
    Assessment {
        verdict: match (&error, slow) {
            (Some(_), _) => Verdict::Down,
            (None, true) => Verdict::Degraded,
            (None, false) => Verdict::Up,
        },
        error,
        failed_checks: failed_checks(&body),
    }
}

fn wrong_status(spec: &HttpSpec, code: u16) -> Option<CheckError> {
    (!spec.expected_status.contains(code)).then(|| status_error(code))
}

fn status_error(code: u16) -> CheckError {
    CheckError::new(ErrorKind::Status, format!("status {code}"))
}

fn wrong_keyword(spec: &HttpSpec, body: &Body<'_>) -> Option<CheckError> {
    let missing = spec.keyword.as_deref().filter(|word| !body.text().contains(word));
    let unwanted = spec.keyword_absent.as_deref().filter(|word| body.text().contains(word));
    let text = match (missing, unwanted) {
        (Some(word), _) => format!("keyword \"{}\" is missing", one_line(word, SHOWN)),
        (None, Some(word)) => format!("keyword \"{}\" is in the body", one_line(word, SHOWN)),
        (None, None) => return None,
    };
    Some(CheckError::new(ErrorKind::Keyword, text))
}

/// The longest keyword in a message, in characters.
const SHOWN: usize = 100;

fn failed_assertion(
    spec: &HttpSpec,
    seen: &Observation<'_>,
    body: &Body<'_>,
) -> Option<CheckError> {
    let Observation { status, headers, total_ms, .. } = *seen;
    let answer = Answer { status, headers, body, total_ms };
    let text = spec.assertions.iter().find_map(|assertion| assertion.failure(&answer))?;
    Some(CheckError::new(ErrorKind::Assertion, text))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;
    use crate::monitor::{Kind, Settings, Target};

    fn spec(extra: Value) -> HttpSpec {
        let mut map = json!({"url": "http://a.example/"});
        for (key, value) in extra.as_object().unwrap() {
            map[key] = value.clone();
        }
        let settings = Settings::read(map.as_object().unwrap(), Kind::Http, None).unwrap();
        match settings.target {
            Target::Http(spec) => spec,
            _ => unreachable!(),
        }
    }

    fn judge(extra: Value, status: u16, body: &[u8], total_ms: u32) -> (Verdict, String) {
        let assessed = assess(&spec(extra), &Observation { status, headers: &[], body, total_ms });
        (
            assessed.verdict,
            assessed.error.map(|e| format!("{}: {}", e.kind, e.text)).unwrap_or_default(),
        )
    }

    #[test]
    fn status_then_keyword_then_time() {
        let up = (Verdict::Up, String::new());
        let down = |text: &str| (Verdict::Down, text.to_owned());
        assert_eq!(judge(json!({}), 204, b"", 9000), up);
        assert_eq!(judge(json!({}), 503, b"", 1), down("status: status 503"));
        assert_eq!(judge(json!({"expected_status": "503"}), 503, b"", 1), up);
        let both = json!({"keyword": "ok", "keyword_absent": "error", "degraded_after_ms": 100});
        assert_eq!(judge(both.clone(), 200, b"all ok", 100), up);
        assert_eq!(judge(both.clone(), 200, b"all ok", 101), (Verdict::Degraded, String::new()));
        assert_eq!(judge(both.clone(), 200, b"OK", 1), down("keyword: keyword \"ok\" is missing"));
        let unwanted = down("keyword: keyword \"error\" is in the body");
        assert_eq!(judge(both.clone(), 200, b"ok error", 500), unwanted);
        assert_eq!(judge(both, 500, b"error", 500), down("status: status 500"));
    }

    #[test]
    fn bytes_that_are_not_text_do_not_hide_a_keyword() {
        let up = (Verdict::Up, String::new());
        assert_eq!(judge(json!({"keyword": "grün"}), 200, "\u{0}grün".as_bytes(), 1), up);
        assert_eq!(judge(json!({"keyword": "ok"}), 200, b"\xff\xfe ok \xc3", 1), up);
    }

    #[test]
    fn only_the_first_mebibyte_is_looked_at() {
        let mut body = vec![b' '; BODY_MAX];
        body.extend(b"needle");
        let missing = (Verdict::Down, "keyword: keyword \"needle\" is missing".to_owned());
        assert_eq!(judge(json!({"keyword": "needle"}), 200, &body, 1), missing);
        assert_eq!(judge(json!({"keyword": "needle"}), 200, &body[6..], 1).0, Verdict::Up);
    }

    #[test]
    fn failed_checks_are_named_and_never_change_the_verdict() {
        let body = br#"{"status":"error","checks":{"database":"error: full","redis":"ok"}}"#;
        for (status, verdict) in [(200, Verdict::Up), (503, Verdict::Down)] {
            let assessed =
                assess(&spec(json!({})), &Observation { status, headers: &[], body, total_ms: 1 });
            assert_eq!(assessed.verdict, verdict);
            let failed: Vec<_> = assessed.failed_checks.into_iter().collect();
            assert_eq!(failed, [("checks.database".to_owned(), "error: full".to_owned())]);
        }
    }

    #[test]
    fn a_wrong_status_is_told_rather_than_a_broken_body() {
        let reset = CheckError::new(ErrorKind::Reset, "connection reset");
        let told = |status, error: &CheckError| {
            let failed = Assessment::failed(&spec(json!({})), status, error.clone());
            (failed.verdict, failed.error.map(|e| e.kind))
        };
        assert_eq!(told(Some(503), &reset), (Verdict::Down, Some(ErrorKind::Status)));
        assert_eq!(told(Some(200), &reset), (Verdict::Down, Some(ErrorKind::Reset)));
        assert_eq!(told(None, &reset), (Verdict::Down, Some(ErrorKind::Reset)));
        let own = CheckError::new(ErrorKind::Internal, "no descriptors");
        assert_eq!(told(Some(503), &own), (Verdict::Unknown, Some(ErrorKind::Internal)));
    }

    proptest! {
        #[test]
        fn any_answer_gets_a_verdict_and_one_line(
            status in 0_u16..1000,
            body in prop::collection::vec(any::<u8>(), 0..200),
            word in "[^\u{0}]{1,400}",
        ) {
            let (verdict, text) = judge(json!({"keyword": word}), status, &body, 1);
            prop_assert_eq!(verdict == Verdict::Up, text.is_empty());
            prop_assert!(!text.chars().any(char::is_control) && text.chars().count() <= 300);
        }
    }
}
