//! How a request becomes the settings of a heartbeat. Pure.

use chrono_tz::Tz;
use serde_json::Value;

use super::expect::{CronSchedule, Expected};
use super::spec::{DAY, HeartbeatSpec};
use crate::fields::Fields;

/// The longest span of a heartbeat: 400 days.
const LONGEST: u32 = 400 * DAY;
/// The methods that record a signal.
const METHODS: [&str; 3] = ["GET", "HEAD", "POST"];

pub(super) fn read_heartbeat(
    fields: &mut Fields<'_>,
    current: Option<&HeartbeatSpec>,
) -> HeartbeatSpec {
    let expected = read_expected(fields, current.map(|c| &c.expected));
    let usual_grace = expected.usual_gap_seconds().clamp(60, 3600);
    HeartbeatSpec {
        grace_seconds: fields.integer(
            "grace_seconds",
            0..=LONGEST,
            usual_grace,
            current.map(|c| c.grace_seconds),
        ),
        max_runtime_seconds: fields.optional_integer(
            "max_runtime_seconds",
            1..=LONGEST,
            current.map(|c| c.max_runtime_seconds),
        ),
        first_ping_within_seconds: fields.optional_integer(
            "first_ping_within_seconds",
            1..=LONGEST,
            current.map(|c| c.first_ping_within_seconds),
        ),
        allowed_methods: fields.read(
            "allowed_methods",
            Vec::new(),
            current.map(|c| c.allowed_methods.clone()),
            parse_methods,
        ),
        expected,
    }
}

/// Exactly one of a period and a cron expression. In a PATCH the one that is given takes the place of the other.
fn read_expected(fields: &mut Fields<'_>, current: Option<&Expected>) -> Expected {
    let has_period = fields.given("period_seconds");
    let has_cron = fields.given("cron");
    let has_timezone = fields.given("timezone");
    let (old_period, old_cron) = match current {
        Some(Expected::Every { period_seconds }) => (Some(*period_seconds), None),
        Some(Expected::At(schedule)) => (None, Some(schedule)),
        None => (None, None),
    };
    if has_period && has_cron {
        fields.wrong("cron", "cannot stand beside period_seconds; give one of them");
    }
    // Null takes away what was there.
    let keeps_cron = old_cron.is_some() && fields.raw("cron").is_none() && !has_period;
    if has_cron || keeps_cron {
        return read_cron(fields, old_cron).map_or(UNREAD, Expected::At);
    }
    if has_timezone {
        fields.wrong("timezone", "goes with cron only; leave it out with period_seconds");
    }
    let keeps_period = old_period.is_some() && fields.raw("period_seconds").is_none();
    if !has_period && !keeps_period {
        fields.wrong(
            "period_seconds",
            "is missing: give the seconds between two pings, such as 60, or a cron expression in cron",
        );
    }
    Expected::Every {
        period_seconds: fields.integer("period_seconds", 1..=LONGEST, 60, old_period),
    }
}

/// Reads `cron` and `timezone` (UTC unless given); `None` when they are wrong, which is then noted.
pub(crate) fn read_cron(
    fields: &mut Fields<'_>,
    old: Option<&CronSchedule>,
) -> Option<CronSchedule> {
    let timezone =
        fields.read("timezone", Tz::UTC, old.map(CronSchedule::timezone), parse_timezone);
    let schedule = fields.read("cron", None, old.cloned().map(Some), |value| {
        let text = value.as_str().ok_or("must be text, such as \"30 4 * * *\"")?;
        CronSchedule::parse(text, timezone).map(Some)
    });
    match schedule {
        // The expression stays and the zone is another one.
        Some(schedule) if schedule.timezone() != timezone => {
            CronSchedule::parse(schedule.expression(), timezone)
                .map_err(|reason| fields.wrong("cron", reason))
                .ok()
        }
        read => read,
    }
}

/// Stands in for a cron expression that was wrong, so that the other fields can still be read; never leaves the reading.
const UNREAD: Expected = Expected::Every { period_seconds: 60 };

/// Reads the name of a time zone.
///
/// # Errors
/// What one looks like.
pub(crate) fn parse_timezone(value: &Value) -> Result<Tz, String> {
    let fix = "must be the name of a time zone, such as Europe/Riga or UTC";
    value.as_str().and_then(|name| name.parse().ok()).ok_or_else(|| fix.to_owned())
}

fn parse_methods(value: &Value) -> Result<Vec<String>, String> {
    let fix = "must be a list of GET, HEAD and POST, such as [\"POST\"]";
    let mut methods = Vec::new();
    for item in value.as_array().ok_or(fix)? {
        let method = item.as_str().map(str::to_ascii_uppercase).ok_or(fix)?;
        if !METHODS.contains(&method.as_str()) {
            return Err(fix.to_owned());
        }
        if !methods.contains(&method) {
            methods.push(method);
        }
    }
    Ok(methods)
}
