//! The schemas of a monitor's settings: the fields of contract, section 4, with their bounds and defaults.

use serde_json::{Value, json};

use super::schemas::{flag, ids, text, text_or_null, texts, word};
use crate::incident::escalation_fields::{MINUTES_MAX, REPEATS_MAX, STEP_NAME_MAX, STEPS_MAX};
use crate::monitor::NotifyOn;
use crate::monitor::assertion::{self, Op, Source};
use crate::monitor::certificate::EXPIRY_DAYS;
use crate::monitor::pace::TIMEOUT_SECONDS_MAX;
use crate::notify::ChannelType;
use crate::notify::channel::Method;
use crate::notify::channel::field::{Field, Shape};

const DAY: u32 = 86_400;

/// What every monitor has.
fn common() -> [(&'static str, Value); 6] {
    [
        ("name", text("What it is called; the URL's host when absent")),
        ("tags", texts("Words to find and group it by")),
        (
            "channel_ids",
            json!({ "type": ["array", "null"], "items": { "type": "integer", "format": "int64" },
            "description": "Who is told; absent: the default channels; empty: nobody; null beside a policy" }),
        ),
        (
            "escalation_policy_id",
            json!({ "type": ["integer", "null"], "format": "int64",
            "description": "The policy that says who is told and when, instead of channel_ids" }),
        ),
        ("notify_on", json!({ "type": "array", "items": word(NotifyOn::ALL) })),
        (
            "depends_on",
            ids("The monitors that it depends on: while one of them is down, its alerts are held"),
        ),
    ]
}

/// The settings of an HTTP monitor. Those of the other kinds that are checked are among them.
pub fn http_settings() -> Value {
    let own = [
        (
            "url",
            json!({ "type": "string", "format": "uri",
            "description": "By type: http(s)://…, tcp://host:port, dns://name?type=A, tls://host:port, icmp://host" }),
        ),
        ("method", preset(text("Any HTTP method"), json!("GET"))),
        (
            "headers",
            json!({ "type": "object", "additionalProperties": { "type": "string" },
            "description": "Sent with the request; secret values read back as ***. Not in lists" }),
        ),
        ("body", text_or_null("Sent with the request")),
        ("check_interval_seconds", whole(1, DAY, 60, "From one check to the next")),
        (
            "timeout_seconds",
            whole(1, TIMEOUT_SECONDS_MAX, 10, "From name resolution to the last byte"),
        ),
        ("expected_status", preset(text("Codes and ranges"), json!("200-299"))),
        (
            "expected_status_code",
            json!({ "type": "integer", "minimum": 100, "maximum": 599,
            "writeOnly": true, "description": "Exactly one, instead of expected_status" }),
        ),
        ("keyword", text_or_null("Must be in the body")),
        ("keyword_absent", text_or_null("Must not be in the body")),
        ("assertions", assertions()),
        (
            "degraded_after_ms",
            json!({ "type": ["integer", "null"], "minimum": 1, "maximum": TIMEOUT_SECONDS_MAX * 1000,
            "description": "Slower than this is degraded" }),
        ),
        ("follow_redirects", preset(flag("Ten at most"), json!(true))),
        ("verify_tls", preset(flag("The certificate must be valid"), json!(true))),
        (
            "tls_expiry_days",
            json!({ "type": "array", "items": { "type": "integer", "minimum": 0, "maximum": 1000 },
            "default": EXPIRY_DAYS, "description": "One warning at each, before the certificate ends" }),
        ),
        ("retries", whole(0, 100, 1, "Checks again before it is down")),
        ("retry_interval_seconds", whole(1, DAY, 5, "From a failed check to the next try")),
        ("recovery_checks", whole(1, 100, 1, "Successes in a row before it is up")),
    ];
    object(own.into_iter().chain(common()))
}

/// What only a DNS monitor has. A TCP or ICMP monitor has nothing of its own: its `url` says all.
pub fn dns_settings() -> Value {
    let own = [
        (
            "expected_value",
            text_or_null("dns: one of the records must be this; absent: any record will do"),
        ),
        ("resolver", text_or_null("dns: the server to ask, as host:port; absent: the system's")),
    ];
    object(own.into_iter())
}

fn assertions() -> Value {
    json!({ "type": "array", "maxItems": assertion::MOST, "default": [],
        "description": "What else must be true of the answer: all of them",
        "items": { "type": "object", "required": ["source", "op"], "additionalProperties": false,
            "properties": {
                "source": word(Source::ALL),
                "path": text_or_null("json: a JSONPath (RFC 9535); header: its name; else null"),
                "op": word(Op::ALL),
                "value": { "description": "What is compared with; with exists, false: it is not there" },
            } } })
}

/// The settings of a heartbeat.
pub fn heartbeat_settings() -> Value {
    let own = [
        (
            "period_seconds",
            json!({ "type": "integer", "minimum": 1, "maximum": 400 * DAY,
            "description": "From one success to the next; this or cron" }),
        ),
        ("cron", text("Five fields, or @hourly and the like; this or period_seconds")),
        ("timezone", text("With cron: the zone whose wall clock it follows; UTC unless given")),
        ("max_runtime_seconds", optional(1, 400 * DAY, "From the start of a run to its end")),
        ("first_ping_within_seconds", optional(1, 400 * DAY, "From creation to the first ping")),
        ("allowed_methods", texts("The methods that count, of GET, HEAD and POST; empty: all")),
        (
            "grace_seconds",
            json!({ "type": "integer", "minimum": 0, "maximum": 400 * DAY,
            "description": "On top before it is down; absent: the period, but 60 to 3,600" }),
        ),
    ];
    object(own.into_iter().chain(common()))
}

/// The settings of a channel: those of all types, each of which takes its own.
pub fn channel_settings() -> Value {
    let mut all = object(
        [
            ("type", word(ChannelType::ALL)),
            ("name", text("What it is called")),
            ("enabled", preset(flag("Alerts are sent to it"), json!(true))),
            ("is_default", preset(flag("Ticked on new monitors"), json!(false))),
        ]
        .into_iter(),
    );
    for kind in ChannelType::ALL {
        for field in kind.about().fields {
            let about = channel_field(field);
            match all[field.name]["description"].as_str() {
                // The same name in two types: it takes what either does, and says what it is in each.
                Some(known) => {
                    all[field.name] = json!({ "description": format!("{known}; {kind}: {}", said(field)),
                        "type": all[field.name]["type"] });
                }
                None => {
                    all[field.name] = about;
                    all[field.name]["description"] = json!(format!("{kind}: {}", said(field)));
                }
            }
        }
    }
    all
}

/// What a field is, in a few words.
fn said(field: &Field) -> String {
    let mut words = field.label.to_owned();
    if !field.required {
        words.push_str(" (optional)");
    }
    if field.secret {
        words.push_str(", reads back as ***");
    }
    words
}

fn channel_field(field: &Field) -> Value {
    match field.shape {
        Shape::Addresses => texts(""),
        Shape::Headers => {
            json!({ "type": "object", "additionalProperties": { "type": "string" } })
        }
        Shape::Number => json!({ "type": ["integer", "null"], "minimum": 1 }),
        Shape::Word(words) => preset(word(words), json!(field.default)),
        Shape::Method => preset(word(Method::ALL), json!(field.default)),
        _ => json!({ "type": ["string", "null"] }),
    }
}

/// An escalation policy, without its number.
pub fn escalation_policy() -> Value {
    object(
        [
            ("name", text("What it is called")),
            (
                "steps",
                json!({ "type": "array", "minItems": 1, "maxItems": STEPS_MAX,
                "description": "Who is told, in order; a step whose channels are all gone or disabled is skipped at once",
                "items": { "type": "object", "required": ["channel_ids"], "additionalProperties": false,
                    "properties": {
                        "name": { "type": "string", "maxLength": STEP_NAME_MAX, "description": "What the step is called; absent where nobody said" },
                        "after_minutes": whole(0, MINUTES_MAX, 0, "From the beginning, or from that of the round"),
                        "channel_ids": ids("Who is told then; at least one"),
                    } } }),
            ),
            ("repeat_every_minutes", optional(1, MINUTES_MAX, "From the beginning of one round to that of the next; null: one round")),
            ("repeat_times", optional(0, REPEATS_MAX, "How many rounds follow the first; null: until acknowledged or over")),
            ("ack_timeout_minutes", optional(1, MINUTES_MAX, "After which an acknowledgement runs out; null: never")),
        ]
        .into_iter(),
    )
}

fn object(fields: impl Iterator<Item = (&'static str, Value)>) -> Value {
    Value::Object(fields.map(|(name, about)| (name.to_owned(), about)).collect())
}

fn preset(mut about: Value, default: Value) -> Value {
    about["default"] = default;
    about
}

fn optional(min: u32, max: u32, about: &str) -> Value {
    json!({ "type": ["integer", "null"], "minimum": min, "maximum": max, "description": about })
}

fn whole(min: u32, max: u32, default: u32, about: &str) -> Value {
    json!({ "type": "integer", "minimum": min, "maximum": max, "default": default,
        "description": about })
}
