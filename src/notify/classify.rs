//! What an answer means for the delivery (contract, section 6). Pure.

use chrono::{DateTime, NaiveDateTime};
use serde_json::Value;

use super::ChannelType;
use super::attempt::{Answer, Attempt};
use crate::clock::Timestamp;

const HOUR_MS: i64 = 3_600_000;
/// Never come back sooner than this, whatever `Retry-After` says: a `0` must not become a hot loop.
const SOONEST_MS: i64 = 1000;

/// What becomes of a delivery after an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It has arrived.
    Delivered,
    /// It is tried again: after so many milliseconds if the far end asked for it, else on the schedule.
    Retry {
        /// What the far end asked for.
        after_ms: Option<i64>,
    },
    /// It is given up.
    Failed,
}

/// What becomes of a delivery that has been tried for `trying_ms` after this attempt.
pub fn fate(attempt: &Attempt, trying_ms: i64) -> Fate {
    match attempt.answer {
        Answer::Accepted => Fate::Delivered,
        Answer::RefusedForGood => Fate::Failed,
        Answer::Refused if trying_ms >= HOUR_MS => Fate::Failed,
        Answer::Refused | Answer::Unavailable => Fate::Retry { after_ms: attempt.retry_after_ms },
    }
}

/// How a receiver of HTTP took an alert, by its status and the beginning of its answer.
pub fn http_answer(kind: ChannelType, status: u16, body: &str) -> Answer {
    (kind.about().answer)(status, body).unwrap_or_else(|| status_answer(status))
}

/// How an alert was taken, by the status alone (contract, section 6).
fn status_answer(status: u16) -> Answer {
    match status {
        200..=299 => Answer::Accepted,
        400 | 410 | 413 | 422 => Answer::RefusedForGood,
        // These say "not now", not "no" (RFC 9110, 8470, 6585).
        408 | 409 | 425 | 429 => Answer::Unavailable,
        400..=499 => Answer::Refused,
        // A redirect is a failure: what it points to was never agreed on. 5xx is the far end's own trouble.
        _ => Answer::Unavailable,
    }
}

/// An answer that calls itself a success while its JSON tells of an error: `code` gives the status that the error
/// stands for, if there is one.
pub fn by_error_code(
    status: u16,
    body: &str,
    code: impl FnOnce(&Value) -> Option<u64>,
) -> Option<Answer> {
    let json: Value = (200..=299).contains(&status).then(|| serde_json::from_str(body).ok())??;
    let code = u16::try_from(code(&json)?).unwrap_or(500);
    // What tells of an error is none, whatever number it gives it.
    Some(if code < 300 { Answer::Refused } else { status_answer(code) })
}

/// How long an answer asks to wait in its JSON: Discord in seconds, Telegram in seconds below `parameters`, Matrix in
/// milliseconds. In milliseconds, at most an hour.
pub fn retry_after_in(kind: ChannelType, body: &str) -> Option<i64> {
    let json = || serde_json::from_str::<Value>(body).ok();
    let ms = match kind {
        ChannelType::Discord => json()?["retry_after"].as_f64()? * 1000.0,
        ChannelType::Telegram => json()?["parameters"]["retry_after"].as_f64()? * 1000.0,
        ChannelType::Matrix => json()?["retry_after_ms"].as_f64()?,
        _ => return None,
    };
    // Rounded up, and beyond what a number holds it is a long time.
    Some((ms.ceil() as i64).clamp(SOONEST_MS, HOUR_MS))
}

/// How a mail server took a message, by its reply code (RFC 5321).
pub fn smtp_answer(code: u16) -> Answer {
    match code {
        200..=299 => Answer::Accepted,
        // Our own credentials (RFC 4954): whoever runs Watchbell may be changing them right now.
        530 | 534 | 535 | 538 => Answer::Refused,
        500..=599 => Answer::RefusedForGood,
        _ => Answer::Unavailable,
    }
}

/// Reads `Retry-After` (seconds or an HTTP date): milliseconds to wait, at most an hour; `None` for anything else.
pub fn retry_after_ms(header: &str, now: Timestamp) -> Option<i64> {
    let header = header.trim();
    let wait = if !header.is_empty() && header.bytes().all(|b| b.is_ascii_digit()) {
        // More digits than a number holds is a long time.
        header.parse::<i64>().unwrap_or(i64::MAX).saturating_mul(1000)
    } else {
        http_date(header)?.since(now)
    };
    Some(wait.clamp(SOONEST_MS, HOUR_MS))
}

/// Reads a date in the three forms of RFC 9110, section 5.6.7: two of them are obsolete, and whoever reads must know them.
fn http_date(text: &str) -> Option<Timestamp> {
    const RFC_850: &str = "%A, %d-%b-%y %H:%M:%S GMT";
    const ASCTIME: &str = "%a %b %e %H:%M:%S %Y";
    let old = |form| NaiveDateTime::parse_from_str(text, form).map(|date| date.and_utc());
    // Only the zone's name is obsolete in RFC 9110's form; RFC 2822's reader takes it.
    let date = DateTime::parse_from_rfc2822(text).map(|date| date.to_utc());
    let date = date.or_else(|_| old(RFC_850)).or_else(|_| old(ASCTIME));
    Some(Timestamp(date.ok()?.timestamp_millis()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_answer() {
        use Answer::*;
        use ChannelType::*;
        for (kind, status, body, expected) in [
            (Webhook, 200, "", Accepted),
            (Webhook, 204, "", Accepted),
            (Webhook, 301, "", Unavailable),
            (Webhook, 302, "", Unavailable),
            (Webhook, 400, "", RefusedForGood),
            (Webhook, 401, "", Refused),
            (Webhook, 403, "action_prohibited", Refused),
            (Webhook, 404, "", Refused),
            (Webhook, 408, "", Unavailable),
            (Webhook, 409, "", Unavailable),
            (Webhook, 410, "", RefusedForGood),
            (Webhook, 413, "", RefusedForGood),
            (Webhook, 418, "", Refused),
            (Webhook, 422, "", RefusedForGood),
            (Webhook, 425, "", Unavailable),
            (Webhook, 429, "", Unavailable),
            (Webhook, 500, "", Unavailable),
            (Webhook, 503, "", Unavailable),
            (Webhook, 599, "", Unavailable),
            (Slack, 200, "ok", Accepted),
            (Slack, 403, "action_prohibited", RefusedForGood),
            (Slack, 403, "invalid_token", RefusedForGood),
            (Slack, 403, "something else", Refused),
            (Slack, 404, "no_service", RefusedForGood),
            (Slack, 404, "", RefusedForGood),
            (Slack, 410, "channel_is_archived", RefusedForGood),
            (Slack, 429, "", Unavailable),
            (Slack, 500, "rollup_error", Unavailable),
            (Slack, 500, "no_service", Unavailable),
            (Slack, 200, "invalid_token", RefusedForGood),
            (Slack, 200, r#"{"ok":false,"error":"no_team"}"#, RefusedForGood),
            (Slack, 200, r#"{"ok":false,"error":"busy"}"#, Refused),
            (Teams, 202, "", Accepted),
            (Teams, 404, "", RefusedForGood),
            (Teams, 429, "", Unavailable),
            (
                Teams,
                200,
                "Webhook message delivery failed with error: Microsoft Teams endpoint returned HTTP error 429 with ContextId x",
                Unavailable,
            ),
            (Discord, 204, "", Accepted),
            (Discord, 401, r#"{"code":50027}"#, Refused),
            (Discord, 404, r#"{"code":10015}"#, RefusedForGood),
            (Discord, 429, r#"{"retry_after":0.65}"#, Unavailable),
            (Telegram, 200, r#"{"ok":true,"result":{}}"#, Accepted),
            (Telegram, 200, r#"{"ok":false,"error_code":429}"#, Unavailable),
            (Telegram, 200, r#"{"ok":false,"error_code":400}"#, RefusedForGood),
            (Telegram, 200, r#"{"ok":false}"#, RefusedForGood),
            (Telegram, 403, r#"{"ok":false,"error_code":403}"#, Refused),
            (Mattermost, 200, "ok", Accepted),
            (Googlechat, 200, r#"{"error":{"code":404}}"#, Refused),
            (Googlechat, 200, r#"{"error":{"code":200}}"#, Refused),
            (Googlechat, 200, r#"{"name":"spaces/a/messages/b"}"#, Accepted),
            (Matrix, 200, r#"{"event_id":"$a"}"#, Accepted),
            (Matrix, 200, r#"{"errcode":"M_LIMIT_EXCEEDED"}"#, Unavailable),
            (Matrix, 200, r#"{"errcode":"M_FORBIDDEN"}"#, Refused),
            (Matrix, 200, r#"{"errcode":"M_TOO_LARGE"}"#, RefusedForGood),
            (Ntfy, 200, "{}", Accepted),
            (Ntfy, 429, "{}", Unavailable),
            (Gotify, 401, "{}", Refused),
            (Pushover, 200, r#"{"status":1,"request":"x"}"#, Accepted),
            (Pushover, 200, r#"{"status":0,"errors":["x"]}"#, RefusedForGood),
            (Pushover, 401, "", RefusedForGood),
            (Pushover, 429, r#"{"status":0}"#, Unavailable),
            (Pushover, 500, "", Unavailable),
            (Opsgenie, 202, r#"{"result":"Request will be processed"}"#, Accepted),
            (Opsgenie, 422, "", RefusedForGood),
            (Opsgenie, 401, "", Refused),
            (Pagerduty, 202, r#"{"status":"success"}"#, Accepted),
            (Pagerduty, 202, r#"{"status":"invalid event"}"#, RefusedForGood),
            (Pagerduty, 400, "", RefusedForGood),
            (Pagerduty, 429, "", Unavailable),
        ] {
            assert_eq!(http_answer(kind, status, body), expected, "{kind} {status} {body}");
        }
        for (code, expected) in [
            (250, Accepted),
            (421, Unavailable),
            (451, Unavailable),
            (535, Refused),
            (550, RefusedForGood),
            (554, RefusedForGood),
        ] {
            assert_eq!(smtp_answer(code), expected, "{code}");
        }
    }

    #[test]
    fn a_wait_may_be_asked_for_in_the_body() {
        use ChannelType::*;
        for (kind, body, expected) in [
            (Discord, r#"{"message":"x","retry_after":64.57,"global":false}"#, Some(64_570)),
            (Discord, r#"{"retry_after":0.1}"#, Some(1000)),
            (Discord, r#"{"retry_after":1e300}"#, Some(HOUR_MS)),
            (Discord, "<html>", None),
            (Telegram, r#"{"ok":false,"parameters":{"retry_after":31}}"#, Some(31_000)),
            (Telegram, r#"{"ok":false,"parameters":{"migrate_to_chat_id":-1}}"#, None),
            (Matrix, r#"{"errcode":"M_LIMIT_EXCEEDED","retry_after_ms":2500}"#, Some(2500)),
            (Webhook, r#"{"retry_after":5}"#, None),
        ] {
            assert_eq!(retry_after_in(kind, body), expected, "{kind} {body}");
        }
    }

    #[test]
    fn each_answer_has_its_fate() {
        let hour = HOUR_MS;
        for (answer, trying_ms, expected) in [
            (Answer::Accepted, 0, Fate::Delivered),
            (Answer::RefusedForGood, 0, Fate::Failed),
            (Answer::Refused, 0, Fate::Retry { after_ms: None }),
            (Answer::Refused, hour - 1, Fate::Retry { after_ms: None }),
            (Answer::Refused, hour, Fate::Failed),
            (Answer::Unavailable, 23 * hour, Fate::Retry { after_ms: None }),
        ] {
            let attempt = Attempt { answer, ..Attempt::unanswered("") };
            assert_eq!(fate(&attempt, trying_ms), expected, "{answer:?} after {trying_ms}");
        }
        let asked = Attempt { retry_after_ms: Some(7000), ..Attempt::unanswered("") };
        assert_eq!(fate(&asked, 0), Fate::Retry { after_ms: Some(7000) });
    }

    #[test]
    fn retry_after_is_seconds_or_a_date_and_an_hour_at_most() {
        let now = Timestamp::parse_rfc3339("2015-10-21T07:28:00Z").unwrap();
        for (header, expected) in [
            ("7", Some(7000)),
            (" 120 ", Some(120_000)),
            ("0", Some(1000)),
            ("86400", Some(HOUR_MS)),
            ("99999999999999999999999", Some(HOUR_MS)),
            ("Wed, 21 Oct 2015 07:28:30 GMT", Some(30_000)),
            ("Wed, 21 Oct 2015 09:28:00 GMT", Some(HOUR_MS)),
            ("Wed, 21 Oct 2015 07:27:00 GMT", Some(1000)),
            ("", None),
            ("-5", None),
            ("1.5", None),
            ("soon", None),
        ] {
            assert_eq!(retry_after_ms(header, now), expected, "{header:?}");
        }
    }
}
