//! The JSON schemas of the OpenAPI document. A test compares them with what the server really answers.

use serde_json::{Map, Value, json};

use super::schema_fields::{
    channel_settings, dns_settings, escalation_policy, heartbeat_settings, http_settings,
};
use super::schema_probes::{
    monitor_regions, probe, probe_changes, probe_fields, region, region_settings,
};
use crate::account::Role;
use crate::incident::message::AlertEvent;
use crate::incident::{IncidentState, TimelineKind};
use crate::monitor::{ErrorKind, Kind, Status, Verdict};
use crate::notify::DeliveryState;

/// Every schema by its name.
pub fn schemas() -> Map<String, Value> {
    let mut all = Map::new();
    let mut add = |name: &str, properties: Value| {
        all.insert(name.to_owned(), json!({ "type": "object", "properties": properties }));
    };
    let settings =
        joined(&[http_settings(), dns_settings(), heartbeat_settings(), region_settings()]);
    add(
        "Monitor",
        joined(&[monitor(), settings.clone(), certificate(), monitor_regions(), heartbeat()]),
    );
    add("MonitorFields", joined(&[kind(), settings]));
    add("Heartbeat", joined(&[monitor(), heartbeat_settings(), heartbeat()]));
    add("HeartbeatFields", joined(&[kind(), heartbeat_settings()]));
    add("Result", result());
    add("Ping", ping());
    add("Incident", incident());
    add("IncidentDetail", joined(&[incident(), timeline()]));
    add("CommentFields", json!({ "text": text("What to note") }));
    add("Channel", joined(&[channel_settings(), channel()]));
    add("ChannelFields", channel_settings());
    add("TestOutcome", test_outcome());
    add("Delivery", delivery());
    add("EscalationPolicy", joined(&[json!({ "id": id() }), escalation_policy()]));
    add("EscalationPolicyFields", escalation_policy());
    add("MaintenanceWindow", joined(&[window_fields(), window_duration(), window()]));
    add("MaintenanceWindowFields", joined(&[window_fields(), window_duration()]));
    add("Token", joined(&[token_fields(), token()]));
    add("NewToken", joined(&[token_fields(), token(), json!({ "token": text("The secret") })]));
    add("TokenFields", token_fields());
    add(
        "User",
        json!({ "id": id(), "email": text("To sign in with"), "role": word(Role::ALL), "created_at": time() }),
    );
    add(
        "UserFields",
        json!({ "email": text("To sign in with"), "password": text("8 to 1,000 characters"), "role": word(Role::ALL) }),
    );
    add(
        "UserChanges",
        json!({ "password": text("8 to 1,000 characters; ends the user's sessions"), "role": word(Role::ALL) }),
    );
    add("Status", status());
    add("Region", region());
    add("Probe", probe());
    add("NewProbe", joined(&[probe(), json!({ "token": text("What the probe is started with") })]));
    add("ProbeFields", probe_fields());
    add("ProbeChanges", probe_changes());
    add("Meta", json!({ "current_page": whole(), "per_page": whole(), "total": whole() }));
    add("Problem", problem());
    all
}

fn joined(parts: &[Value]) -> Value {
    let fields = parts.iter().filter_map(Value::as_object).flatten();
    Value::Object(fields.map(|(name, about)| (name.clone(), about.clone())).collect())
}

fn monitor() -> Value {
    json!({
        "id": id(),
        "type": word(Kind::ALL),
        "current_status": word(Status::ALL),
        "status_since": time(),
        "in_maintenance": flag("A maintenance window is open: alerts are held"),
        "confirming": flag("It failed and is being checked again"),
        "late": flag("A heartbeat in its grace"),
        "last_checked_at": time_or_null(),
        "last_result": { "type": ["object", "null"], "properties": {
            "verdict": word(Verdict::ALL), "status_code": whole_or_null(), "response_ms": whole_or_null(),
        }},
        "uptime": { "type": "object", "description": "Per cent, null when nothing is known; in the detail only",
            "properties": { "24h": percent(), "7d": percent(), "30d": percent(), "90d": percent() } },
        "created_at": time(),
        "updated_at": time(),
    })
}

fn certificate() -> Value {
    json!({ "certificate": {
        "type": ["object", "null"],
        "description": "The one that was seen last; not of heartbeats. In the detail only",
        "properties": {
            "subject": text("Whom it was made out to"),
            "issuer": text("Who made it"),
            "names": texts("What it is valid for"),
            "not_before": time(),
            "not_after": time(),
            "fingerprint": text("SHA-256, hexadecimal"),
            "days_left": whole(),
        },
    }})
}

fn kind() -> Value {
    json!({ "type": word(Kind::ALL) })
}

fn heartbeat() -> Value {
    json!({
        "uuid": { "type": "string", "format": "uuid" },
        "ping_url": { "type": "string", "format": "uri", "description": "What the job calls" },
        "last_ping_at": time_or_null(),
        "next_due_at": time_or_null(),
        "deadline_at": time_or_null(),
    })
}

fn result() -> Value {
    json!({
        "id": id(),
        "region": text("Where it was made"),
        "started_at": time(),
        "verdict": word(Verdict::ALL),
        "phases": { "type": "object", "description": "In ms; null for what did not happen", "properties": {
            "dns": whole_or_null(), "connect": whole_or_null(), "tls": whole_or_null(),
            "first_byte": whole_or_null(), "total": whole_or_null(),
        }},
        "status_code": whole_or_null(),
        "error_kind": word_or_null(ErrorKind::ALL),
        "error": text_or_null("What was wrong"),
        "failed_checks": { "type": "object", "additionalProperties": { "type": "string" },
            "description": "The parts of a health body that are not well, by dotted path" },
        "in_maintenance": flag("A maintenance window was open"),
    })
}

fn ping() -> Value {
    json!({
        "n": whole(),
        "at": time(),
        "kind": text("success, fail, start, log or ignored"),
        "method": text("The HTTP method"),
        "remote_addr": text("Who sent it"),
        "user_agent": text("What sent it"),
        "rid": { "type": ["string", "null"], "format": "uuid" },
        "exit_status": whole_or_null(),
        "duration_ms": whole_or_null(),
        "body_bytes": whole(),
        "note": text_or_null("What was odd about it"),
    })
}

fn incident() -> Value {
    json!({
        "id": id(),
        // Null for Watchbell's own, and when the monitor was deleted.
        "monitor_id": whole_or_null(),
        "monitor_name": text("What the monitor was called"),
        "state": word(IncidentState::ALL),
        "started_at": time(),
        "confirmed_at": time(),
        "acknowledged_at": time_or_null(),
        "acknowledged_by": text_or_null("Who took it"),
        "resolved_at": time_or_null(),
        "duration_seconds": whole(),
        "cause": text("A word: an error kind, no_ping, still_running, reported_failure or cut_off"),
        "summary": text("The reason line"),
        "regions": texts("Where it was seen"),
    })
}

fn timeline() -> Value {
    json!({ "timeline": { "type": "array", "items": { "type": "object", "properties": {
        "at": time(), "kind": word(TimelineKind::ALL), "detail": text("One line"),
    }}}})
}

fn channel() -> Value {
    json!({ "id": id(), "last_delivery_at": time_or_null(),
        "last_error": text_or_null("What went wrong last; null once an alert arrived") })
}

fn test_outcome() -> Value {
    json!({ "ok": flag("The far end took it"), "status": whole_or_null(), "latency_ms": whole(),
        "response": text("The far end's words") })
}

fn delivery() -> Value {
    json!({
        "id": id(),
        "event": word(AlertEvent::ALL),
        "incident_id": whole_or_null(),
        "monitor_id": whole_or_null(),
        "channel_id": id(),
        "state": word(DeliveryState::ALL),
        "attempts": whole(),
        "created_at": time(),
        "next_attempt_at": time_or_null(),
        "delivered_at": time_or_null(),
        "last_error": text_or_null("What went wrong last"),
        "last_status": whole_or_null(),
    })
}

fn window_fields() -> Value {
    json!({
        "name": text("What it is called"),
        "monitor_ids": ids("The monitors it covers"),
        "tags": texts("It covers monitors with one of these tags too"),
        "starts_at": time(),
        "ends_at": time(),
        "cron": text_or_null("When it opens again and again: five fields; starts_at and ends_at are then the time that is open or comes next"),
        "timezone": text_or_null("The zone whose wall clock cron follows"),
    })
}

fn window_duration() -> Value {
    json!({ "duration_minutes": { "type": ["integer", "null"], "minimum": 1, "maximum": 527_040,
        "description": "Instead of ends_at; with cron, how long it stays open each time" } })
}

fn window() -> Value {
    json!({ "id": id(), "is_active": flag("It is open now"), "next_starts_at": time_or_null() })
}

fn token_fields() -> Value {
    json!({ "name": text("What it is called"), "role": word(Role::ALL) })
}

fn token() -> Value {
    json!({ "id": id(), "created_at": time(), "last_used_at": time_or_null() })
}

fn status() -> Value {
    let words = Status::ALL.iter().map(|status| status.as_str());
    let all = words.chain(["total", "open_incidents"]);
    let mut fields: Map<_, _> = all.map(|name| (name.to_owned(), whole())).collect();
    let checker = json!({ "type": "object", "properties": {
        "in_flight": whole(), "waiting": whole(), "lateness_p99_ms": whole(), "skipped": whole(),
        "is_overloaded": flag("There is more work than WATCHBELL_CHECK_PERMITS allows"),
    }});
    fields.insert("checker".to_owned(), checker);
    Value::Object(fields)
}

fn problem() -> Value {
    json!({
        "type": text("about:blank"), "title": text("The status in words"), "status": whole(),
        "detail": text("What went wrong"),
        "errors": { "type": "object", "additionalProperties": { "type": "string" },
            "description": "Field name to reason" },
    })
}

pub(super) fn id() -> Value {
    json!({ "type": "integer", "format": "int64" })
}

pub(super) fn whole() -> Value {
    json!({ "type": "integer" })
}

pub(super) fn whole_or_null() -> Value {
    json!({ "type": ["integer", "null"] })
}

fn percent() -> Value {
    json!({ "type": ["number", "null"] })
}

/// A flag.
pub(super) fn flag(about: &str) -> Value {
    json!({ "type": "boolean", "description": about })
}

/// A text.
pub(super) fn text(about: &str) -> Value {
    json!({ "type": "string", "description": about })
}

/// A text or null.
pub(super) fn text_or_null(about: &str) -> Value {
    json!({ "type": ["string", "null"], "description": about })
}

/// A list of texts.
pub(super) fn texts(about: &str) -> Value {
    json!({ "type": "array", "items": { "type": "string" }, "description": about })
}

/// A list of ids.
pub(super) fn ids(about: &str) -> Value {
    json!({ "type": "array", "items": id(), "description": about })
}

pub(super) fn time() -> Value {
    json!({ "type": "string", "format": "date-time" })
}

pub(super) fn time_or_null() -> Value {
    json!({ "type": ["string", "null"], "format": "date-time" })
}

/// One of the words of a `words!` enum.
pub(super) fn word<T: serde::Serialize>(all: &[T]) -> Value {
    json!({ "type": "string", "enum": all })
}

fn word_or_null<T: serde::Serialize>(all: &[T]) -> Value {
    let mut options = vec![Value::Null];
    options.extend(all.iter().map(|word| json!(word)));
    json!({ "type": ["string", "null"], "enum": options })
}
