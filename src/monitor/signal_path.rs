//! What a ping URL says: the one parser of all its forms (contract, section 3). Pure.
//!
//! A signal is never lost to its form: whatever names a heartbeat and is not plainly something else is read.

use uuid::Uuid;

use super::heartbeat::SignalKind;

/// What a ping URL says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SignalPath {
    /// The secret that names the heartbeat.
    pub uuid: Uuid,
    /// What is signalled.
    pub kind: SignalKind,
    /// The exit status, if one was given.
    pub exit_status: Option<i64>,
    /// The run that it belongs to.
    pub rid: Option<Uuid>,
    /// How long the run took, in ms, if the caller says so.
    pub duration_ms: Option<i64>,
    /// What the caller says in words, where that is part of the URL.
    pub message: Option<String>,
    /// What was odd about it.
    pub note: Option<&'static str>,
}

impl SignalPath {
    /// Reads what stands behind `/api/heartbeats/` or `/ping/`: `<uuid>`, `<uuid>/ping`, `<uuid>/start`, `<uuid>/ping/fail`,
    /// `<uuid>/log`, `<uuid>/<exit status>`; and the `?rid=` of `query`. `None` if it is none of them.
    pub fn parse(path: &str, query: &str) -> Option<Self> {
        let (uuid, suffix) = split(path)?;
        let (kind, exit_status) = match suffix {
            "" => (SignalKind::Success, None),
            "start" => (SignalKind::Start, None),
            "fail" => (SignalKind::Fail, None),
            "log" => (SignalKind::Log, None),
            status => parse_exit_status(status)?,
        };
        let mut signal = Self::of(uuid, kind);
        signal.exit_status = exit_status;
        signal.read_rid(query);
        Some(signal)
    }

    /// Reads what stands behind `/api/push/`, as Uptime Kuma has it: `<token>?status=up|down&msg=&ping=`. Every status but `up`
    /// is a failure, as there. `None` if the token names no heartbeat.
    pub fn parse_push(token: &str, query: &str) -> Option<Self> {
        let token = token.strip_suffix('/').unwrap_or(token);
        let mut signal = Self::of(parse_uuid(token)?, SignalKind::Success);
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            match &*name {
                "status" if !value.is_empty() && value != "up" => signal.kind = SignalKind::Fail,
                "msg" if !value.is_empty() => signal.message = Some(value.into_owned()),
                "ping" => signal.duration_ms = parse_duration_ms(&value),
                _ => {}
            }
        }
        Some(signal)
    }

    fn of(uuid: Uuid, kind: SignalKind) -> Self {
        Self {
            uuid,
            kind,
            exit_status: None,
            rid: None,
            duration_ms: None,
            message: None,
            note: None,
        }
    }

    fn read_rid(&mut self, query: &str) {
        let rid = form_urlencoded::parse(query.as_bytes()).find(|(name, _)| name == "rid");
        if let Some((_, text)) = rid {
            self.rid = parse_uuid(text.trim());
            if self.rid.is_none() {
                self.note = Some("the rid is not a UUID and was passed over");
            }
        }
    }
}

/// The UUID, and what is behind it and an optional `/ping`.
fn split(path: &str) -> Option<(Uuid, &str)> {
    let path = path.strip_suffix('/').unwrap_or(path);
    let (uuid, rest) = path.split_once('/').unwrap_or((path, ""));
    let suffix = match rest.strip_prefix("ping") {
        Some("") => "",
        Some(rest) => rest.strip_prefix('/')?,
        None => rest,
    };
    Some((parse_uuid(uuid)?, suffix))
}

/// A UUID in either case, with or without dashes, but not in braces or as a URN.
fn parse_uuid(text: &str) -> Option<Uuid> {
    matches!(text.len(), 32 | 36).then(|| Uuid::try_parse(text).ok()).flatten()
}

/// 0 is success, any other integer a failure; one beyond 64 bits is a failure without a number.
fn parse_exit_status(text: &str) -> Option<(SignalKind, Option<i64>)> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(match text.parse::<i64>() {
        Ok(0) => (SignalKind::Success, Some(0)),
        Ok(status) => (SignalKind::Fail, Some(status)),
        Err(_) => (SignalKind::Fail, None),
    })
}

fn parse_duration_ms(text: &str) -> Option<i64> {
    let ms = text.trim().parse::<f64>().ok().filter(|ms| (0.0..9e15).contains(ms))?;
    Some(ms.round() as i64)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const UUID: &str = "a1b2c3d4-e5f6-4711-8899-aabbccddeeff";

    #[test]
    fn reads_every_form() {
        use SignalKind::{Fail, Log, Start, Success};
        for (suffix, expected) in [
            ("", Some((Success, None))),
            ("/", Some((Success, None))),
            ("/ping", Some((Success, None))),
            ("/ping/", Some((Success, None))),
            ("/start", Some((Start, None))),
            ("/ping/start", Some((Start, None))),
            ("/fail", Some((Fail, None))),
            ("/ping/fail/", Some((Fail, None))),
            ("/log", Some((Log, None))),
            ("/ping/log", Some((Log, None))),
            ("/0", Some((Success, Some(0)))),
            ("/ping/0", Some((Success, Some(0)))),
            ("/ping/2", Some((Fail, Some(2)))),
            ("/-1", Some((Fail, Some(-1)))),
            ("/99999999999999999999", Some((Fail, None))),
            ("//", Some((Success, None))),
            ("/pingfail", None),
            ("/nonsense", None),
            ("/ping/ping", None),
            ("/-", None),
            ("/1.5", None),
        ] {
            let found = SignalPath::parse(&format!("{UUID}{suffix}"), "");
            assert_eq!(found.map(|p| (p.kind, p.exit_status)), expected, "{suffix}");
        }
    }

    #[test]
    fn reads_uuids_in_either_case_with_or_without_dashes() {
        let uuid: Uuid = UUID.parse().unwrap();
        for text in [UUID.to_owned(), UUID.to_uppercase(), UUID.replace('-', "")] {
            assert_eq!(SignalPath::parse(&text, "").map(|p| p.uuid), Some(uuid), "{text}");
            assert_eq!(SignalPath::parse_push(&text, "").map(|p| p.uuid), Some(uuid), "{text}");
        }
        for text in ["", "ping", &format!("{{{UUID}}}"), &format!("urn:uuid:{UUID}"), &UUID[1..]] {
            assert_eq!(SignalPath::parse(text, ""), None, "{text}");
        }
    }

    #[test]
    fn a_malformed_rid_is_noted_and_the_ping_counts() {
        let good = SignalPath::parse(UUID, &format!("x=1&rid={UUID}")).unwrap();
        assert_eq!((good.rid, good.note), (Some(UUID.parse().unwrap()), None));
        for query in ["rid=", "rid=run-7", "rid=%FF%00"] {
            let odd = SignalPath::parse(UUID, query).unwrap();
            assert_eq!((odd.kind, odd.rid), (SignalKind::Success, None), "{query}");
            assert!(odd.note.is_some(), "{query}");
        }
    }

    #[test]
    fn reads_uptime_kumas_push() {
        use SignalKind::{Fail, Success};
        for (query, kind, message, duration_ms) in [
            ("", Success, None, None),
            ("status=up&msg=OK&ping=", Success, Some("OK"), None),
            ("status=down&msg=disk+full&ping=12.4", Fail, Some("disk full"), Some(12)),
            ("status=&msg=", Success, None, None),
            ("status=broken&ping=-1", Fail, None, None),
            ("ping=NaN", Success, None, None),
        ] {
            let signal = SignalPath::parse_push(UUID, query).unwrap();
            let found = (signal.kind, signal.message.as_deref(), signal.duration_ms);
            assert_eq!(found, (kind, message, duration_ms), "{query}");
        }
    }

    /// Inputs made of the pieces that the parser looks for, by a fixed seed: what names a heartbeat and a signal is read
    /// whatever the query, and nothing panics.
    fn fuzz(inputs: u32) {
        const PIECES: [&str; 24] = [
            UUID,
            "a1b2c3d4e5f647118899aabbccddeeff",
            "A1B2",
            "/",
            "//",
            "ping",
            "start",
            "fail",
            "log",
            "0",
            "-1",
            "99999999999999999999",
            "-",
            "%2F",
            "%00",
            "\0",
            "é",
            "\u{1F600}",
            "rid=",
            "status=",
            "up",
            "&",
            "=",
            "?",
        ];
        let mut seed = 0x9e37_79b9_7f4a_7c15_u64;
        let mut random = |below: usize| {
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            (seed % below as u64) as usize
        };
        let (mut path, mut query) = (String::new(), String::new());
        for _ in 0..inputs {
            for text in [&mut path, &mut query] {
                text.clear();
                for _ in 0..random(7) {
                    text.push_str(PIECES[random(PIECES.len())]);
                }
            }
            let bare = SignalPath::parse(&path, "");
            let asked = SignalPath::parse(&path, &query);
            assert_eq!(bare.map(|p| p.kind), asked.map(|p| p.kind), "{path:?} {query:?}");
            assert!(SignalPath::parse(UUID, &query).is_some(), "{query:?}");
            assert!(SignalPath::parse_push(UUID, &query).is_some(), "{query:?}");
            let _ = SignalPath::parse_push(&path, &query);
        }
    }

    #[test]
    fn a_fuzz_of_path_and_query_finds_nothing() {
        fuzz(500_000);
    }

    #[test]
    #[ignore = "a minute"]
    fn a_long_fuzz_of_path_and_query_finds_nothing() {
        fuzz(5_000_000);
    }

    proptest! {
        #[test]
        fn never_panics(path in ".*", query in ".*") {
            let _ = SignalPath::parse(&path, &query);
            let _ = SignalPath::parse(&format!("{UUID}/{path}"), &query);
            let _ = SignalPath::parse_push(UUID, &query);
        }
    }
}
