//! The fields of a monitor's form: from settings to what is shown, and from what is posted to what the API would be sent.

use serde_json::{Map, Value, json};

use super::assertion_rows;
use super::error::PageError;
use super::form::{Form, Input, Shape};
use super::heartbeat_form;
use super::kinds;
use super::text::Viewer;
use crate::monitor::certificate::EXPIRY_DAYS;
use crate::monitor::header::shown_url;
use crate::monitor::{Header, HttpSpec, Kind, RecordKind, Settings, Target};
use crate::store::{Conn, channels};

const COMMON: [(&str, Shape); 6] = [
    ("name", Shape::Text),
    ("tags", Shape::Words),
    ("channel_ids", Shape::Ids),
    ("escalation_policy_id", Shape::Number),
    ("notify_on", Shape::Choices),
    ("depends_on", Shape::Ids),
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
/// The words that people know the fields by.
pub const LABELS: [(&str, &str); 33] = [
    ("url", "The URL"),
    ("name", "The name"),
    ("tags", "The list of tags"),
    ("channel_ids", "The choice of channels"),
    ("escalation_policy_id", "The escalation policy"),
    ("notify_on", "The choice of changes"),
    ("depends_on", "The choice of monitors"),
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
    ("expected_value", "The expected value"),
    ("resolver", "The DNS server"),
    ("regions", "The choice of regions"),
    ("region_quorum", "The number of regions that must agree"),
];

/// The form of a monitor as it is set.
pub fn form_of(settings: &Settings, viewer: Viewer) -> Form {
    let form = match &settings.target {
        Target::Http(spec) => http_form(spec),
        Target::Heartbeat(spec) => heartbeat_form::values(spec, viewer),
        Target::Tcp(spec) => kinds::tcp_form(spec),
        Target::Dns(spec) => kinds::dns_form(spec),
        Target::Tls(spec) => kinds::tls_form(spec),
        Target::Icmp(spec) => kinds::icmp_form(spec),
    };
    let policy = settings.escalation_policy_id.map(|id| id.to_string());
    form.with("name", settings.name.clone())
        .with("tags", settings.tags.join(", "))
        .with("escalation_policy_id", policy.unwrap_or_default())
}

fn http_form(spec: &HttpSpec) -> Form {
    let form = Form::of([
        ("url", shown_url(&spec.url).to_string()),
        ("method", spec.method.clone()),
        ("headers", header_lines(&spec.headers)),
        ("body", spec.body.clone().unwrap_or_default()),
        ("expected_status", spec.expected_status.to_string()),
        ("keyword", spec.keyword.clone().unwrap_or_default()),
        ("keyword_absent", spec.keyword_absent.clone().unwrap_or_default()),
        ("follow_redirects", kinds::flag(spec.follow_redirects)),
    ]);
    let form = kinds::with_certificate(form, spec.verify_tls, &spec.tls_expiry_days);
    kinds::with_pace(form, &spec.pace)
}

/// Secrets are not sent to the browser; the mask that is sent back keeps them.
fn header_lines(headers: &[Header]) -> String {
    let line = |h: &Header| format!("{}: {}", h.name, h.shown());
    headers.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// The form of a monitor that is yet to be made.
pub fn new_form(kind: Kind, url: &str, viewer: Viewer) -> Form {
    let form = match kind {
        Kind::Http => Form::of([
            ("url", url.to_owned()),
            ("method", "GET".to_owned()),
            ("expected_status", "200-299".to_owned()),
            ("follow_redirects", "on".to_owned()),
        ]),
        Kind::Dns => {
            Form::of([("url", url.to_owned()), ("record_type", RecordKind::A.to_string())])
        }
        Kind::Tcp | Kind::Tls | Kind::Icmp => Form::of([("url", url.to_owned())]),
        Kind::Heartbeat => heartbeat_form::new_values(viewer),
    };
    let form = if kind == Kind::Heartbeat { form } else { kinds::with_usual_pace(form) };
    let form = if kind.has_certificate() {
        kinds::with_certificate(form, true, &EXPIRY_DAYS)
    } else {
        form
    };
    form.with("channels_shown", "1")
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
        Kind::Heartbeat => heartbeat_form::fields(input),
        Kind::Dns => input.to_json(&kinds::DNS),
        Kind::Tcp | Kind::Tls | Kind::Icmp => Map::new(),
    });
    if kind == Kind::Http {
        let assertions = assertion_rows::to_json(&assertion_rows::posted(input));
        map.insert("assertions".to_owned(), assertions);
    }
    if kind.has_certificate() {
        map.append(&mut input.to_json(&kinds::CERTIFICATE));
    }
    if kind != Kind::Heartbeat {
        map.append(&mut input.to_json(&kinds::PACE));
        // Without the choice in the form what is set stays.
        if !input.get("regions_shown").is_empty() {
            map.append(&mut input.to_json(&kinds::REGIONS));
        }
        map.insert("url".to_owned(), kinds::url(kind, input));
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
    // What is ticked beside a policy does not count: the form says so.
    if map.get("escalation_policy_id").is_some_and(|id| !id.is_null()) {
        map.insert("channel_ids".to_owned(), Value::Null);
    }
    Ok(map)
}
