//! What an answer means for the delivery (contract, section 6). Pure.

use chrono::DateTime;

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
    match status {
        200..=299 => Answer::Accepted,
        400 | 410 | 413 | 422 => Answer::RefusedForGood,
        400..=499 if kind == ChannelType::Slack && slack_gives_up(status, body) => {
            Answer::RefusedForGood
        }
        // These say "not now", not "no" (RFC 9110, 8470, 6585).
        408 | 409 | 425 | 429 => Answer::Unavailable,
        400..=499 => Answer::Refused,
        // A redirect is a failure: what it points to was never agreed on. 5xx is the far end's own trouble.
        _ => Answer::Unavailable,
    }
}

/// What Slack's page on incoming webhooks lists as errors that a repeat cannot mend.
fn slack_gives_up(status: u16, body: &str) -> bool {
    const FOR_GOOD: [&str; 14] = [
        "action_prohibited",
        "channel_is_archived",
        "channel_not_found",
        "invalid_blocks",
        "invalid_payload",
        "invalid_token",
        "no_active_hooks",
        "no_service",
        "no_team",
        "no_text",
        "posting_to_general_channel_denied",
        "team_disabled",
        "too_many_attachments",
        "user_not_found",
    ];
    status == 404 || FOR_GOOD.iter().any(|word| body.trim_start().starts_with(word))
}

/// How a mail server took a message, by its reply code (RFC 5321).
pub fn smtp_answer(code: u16) -> Answer {
    match code {
        200..=399 => Answer::Accepted,
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
        // Only the zone's name is obsolete in RFC 9110's form; RFC 2822's reader takes it.
        Timestamp(DateTime::parse_from_rfc2822(header).ok()?.timestamp_millis()).since(now)
    };
    Some(wait.clamp(SOONEST_MS, HOUR_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_status_has_its_answer() {
        use Answer::*;
        use ChannelType::{Slack, Webhook};
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
