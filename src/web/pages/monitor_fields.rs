//! The fields of a monitor's form: from settings to what is shown, and from what is posted to what the API would be sent.

use serde_json::{Map, Value, json};

use super::assertion_rows;
use super::error::PageError;
use super::form::{Form, Input, Shape};
use super::heartbeat_form;
use super::monitor_form::INTERVALS;
use super::text::Viewer;
use crate::monitor::certificate::EXPIRY_DAYS;
use crate::monitor::spec::SECRET_MASK;
use crate::monitor::{Header, HeartbeatSpec, HttpSpec, Kind, Pace, Settings, TlsSpec};
use crate::store::{Conn, channels};

const COMMON: [(&str, Shape); 4] = [
    ("name", Shape::Text),
    ("tags", Shape::Words),
    ("channel_ids", Shape::Ids),
    ("notify_on", Shape::Choices),
];
const HTTP: [(&str, Shape); 8] = [
    ("url", Shape::Text),
    ("method", Shape::Text),
    ("headers", Shape::Headers),
    ("body", Shape::Text),
    ("expected_status", Shape::Text),
    ("keyword", Shape::Text),
    ("keyword_absent", Shape::Text),
    ("follow_redirects", Shape::Flag),
];
const TLS: [(&str, Shape); 2] = [("verify_tls", Shape::Flag), ("tls_expiry_days", Shape::Numbers)];
const PACE: [(&str, Shape); 6] = [
    ("check_interval_seconds", Shape::Number),
    ("timeout_seconds", Shape::Number),
    ("degraded_after_ms", Shape::Number),
    ("retries", Shape::Number),
    ("retry_interval_seconds", Shape::Number),
    ("recovery_checks", Shape::Number),
];
/// The words that people know the fields by.
pub const LABELS: [(&str, &str); 27] = [
    ("url", "The URL"),
    ("name", "The name"),
    ("tags", "The list of tags"),
    ("channel_ids", "The choice of channels"),
    ("notify_on", "The choice of changes"),
    ("method", "The method"),
    ("headers", "The list of headers"),
    ("body", "The body"),
    ("check_interval_seconds", "The interval in seconds"),
    ("timeout_seconds", "The timeout in seconds"),
    ("expected_status", "The list of status codes"),
    ("keyword", "The text that must be there"),
    ("keyword_absent", "The text that must not be there"),
    ("assertions", "The list of assertions"),
    ("degraded_after_ms", "The limit in ms"),
    ("tls_expiry_days", "The list of days"),
    ("retries", "The number of re-checks"),
    ("retry_interval_seconds", "The time before a re-check in seconds"),
    ("recovery_checks", "The number of good checks"),
    ("period_seconds", "The period in seconds"),
    ("grace_seconds", "The grace in seconds"),
    ("cron", "The cron expression"),
    ("timezone", "The time zone"),
    ("max_runtime_seconds", "The longest run in seconds"),
    ("first_ping_within_seconds", "The limit for the first ping in seconds"),
    ("allowed_methods", "The list of methods"),
    ("type", "The type"),
];

/// The form of a monitor that checks a URL.
pub fn http_form(settings: &Settings, spec: &HttpSpec) -> Form {
    let form = Form::of([
        ("url", spec.url.to_string()),
        ("method", spec.method.clone()),
        ("headers", header_lines(&spec.headers)),
        ("body", spec.body.clone().unwrap_or_default()),
        ("expected_status", spec.expected_status.to_string()),
        ("keyword", spec.keyword.clone().unwrap_or_default()),
        ("keyword_absent", spec.keyword_absent.clone().unwrap_or_default()),
        ("follow_redirects", flag(spec.follow_redirects)),
    ]);
    let form = with_certificate(form, spec.verify_tls, &spec.tls_expiry_days);
    common(settings, with_pace(form, &spec.pace))
}

/// The form of a monitor that looks at a certificate.
pub fn tls_form(settings: &Settings, spec: &TlsSpec) -> Form {
    let form = Form::of([("url", spec.url.to_string())]);
    let form = with_certificate(form, spec.verify_tls, &spec.tls_expiry_days);
    common(settings, with_pace(form, &spec.pace))
}

fn with_certificate(form: Form, verify_tls: bool, expiry_days: &[u32]) -> Form {
    let days: Vec<String> = expiry_days.iter().map(u32::to_string).collect();
    form.with("verify_tls", flag(verify_tls)).with("tls_expiry_days", days.join(", "))
}

fn with_pace(form: Form, pace: &Pace) -> Form {
    let is_usual = INTERVALS.iter().any(|(s, _)| *s == pace.check_interval_seconds);
    let choice =
        if is_usual { pace.check_interval_seconds.to_string() } else { "other".to_owned() };
    form.with("interval_choice", choice)
        .with("check_interval_seconds", pace.check_interval_seconds.to_string())
        .with("timeout_seconds", pace.timeout_seconds.to_string())
        .with(
            "degraded_after_ms",
            pace.degraded_after_ms.map_or_else(String::new, |n| n.to_string()),
        )
        .with("retries", pace.retries.to_string())
        .with("retry_interval_seconds", pace.retry_interval_seconds.to_string())
        .with("recovery_checks", pace.recovery_checks.to_string())
}

fn flag(on: bool) -> String {
    if on { "on".to_owned() } else { String::new() }
}

/// Secrets are not sent to the browser; the mask that is sent back keeps them.
fn header_lines(headers: &[Header]) -> String {
    let line = |h: &Header| {
        format!("{}: {}", h.name, if h.is_secret() { SECRET_MASK } else { h.value.as_str() })
    };
    headers.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The form of a heartbeat.
pub fn heartbeat_form(settings: &Settings, spec: &HeartbeatSpec, viewer: Viewer) -> Form {
    common(settings, heartbeat_form::values(spec, viewer))
}

fn common(settings: &Settings, form: Form) -> Form {
    form.with("name", settings.name.clone()).with("tags", settings.tags.join(", "))
}

/// The form of a monitor that is yet to be made.
pub fn new_form(kind: Kind, url: &str, viewer: Viewer) -> Form {
    let form = match kind {
        Kind::Http => new_checked(Form::of([
            ("url", url.to_owned()),
            ("method", "GET".to_owned()),
            ("expected_status", "200-299".to_owned()),
            ("follow_redirects", "on".to_owned()),
        ])),
        Kind::Tls => new_checked(Form::of([("url", url.to_owned())])),
        Kind::Heartbeat => heartbeat_form::new_values(viewer),
    };
    form.with("channels_shown", "1")
}

fn new_checked(form: Form) -> Form {
    with_certificate(form, true, &EXPIRY_DAYS)
        .with("interval_choice", "60")
        .with("timeout_seconds", "10")
        .with("retries", "1")
        .with("retry_interval_seconds", "5")
        .with("recovery_checks", "1")
}

/// What was posted, as the API would be sent it.
///
/// # Errors
/// When the database fails.
pub async fn fields(
    conn: &mut Conn<'_>,
    input: &Input,
    kind: Kind,
) -> Result<Map<String, Value>, PageError> {
    let mut map = input.to_json(&COMMON);
    map.append(&mut match kind {
        Kind::Http => input.to_json(&HTTP),
        Kind::Tls => Map::new(),
        Kind::Heartbeat => heartbeat_form::fields(input),
    });
    if kind == Kind::Http {
        let assertions = assertion_rows::to_json(&assertion_rows::posted(input));
        map.insert("assertions".to_owned(), assertions);
    }
    if kind != Kind::Heartbeat {
        map.append(&mut input.to_json(&TLS));
        map.append(&mut input.to_json(&PACE));
        map.insert("url".to_owned(), with_scheme(input.get("url"), kind));
        if let Ok(seconds) = input.get("interval_choice").parse::<u32>() {
            map.insert("check_interval_seconds".to_owned(), json!(seconds));
        }
    }
    // A monitor that was left with the default channels follows them when they change.
    let mut defaults = channels::defaults(conn).await?;
    defaults.sort_unstable();
    if map.get("channel_ids") == Some(&json!(defaults)) {
        map.insert("channel_ids".to_owned(), Value::Null);
    }
    Ok(map)
}

/// People paste hosts: they get the scheme of their kind. A browser would try https too.
pub fn with_scheme(url: &str, kind: Kind) -> Value {
    let scheme = if kind == Kind::Tls { "tls" } else { "https" };
    match url {
        "" => Value::Null,
        url if url.contains("://") => json!(url),
        url => json!(format!("{scheme}://{url}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_host_is_tried_with_https() {
        assert_eq!(
            with_scheme("example.com/health", Kind::Http),
            json!("https://example.com/health")
        );
        assert_eq!(with_scheme("http://example.com", Kind::Http), json!("http://example.com"));
        assert_eq!(with_scheme("example.com:465", Kind::Tls), json!("tls://example.com:465"));
        assert_eq!(with_scheme("", Kind::Http), Value::Null);
    }
}
