//! The schemas of regions and probes.

use serde_json::{Value, json};

use super::probes::ProbeStatus;
use super::schemas::{
    flag, id, text, text_or_null, time, time_or_null, whole, whole_or_null, word,
};
use crate::monitor::Status;

/// What a monitor that is checked has beside its settings.
pub fn monitor_regions() -> Value {
    json!({
        "stale": flag("Too few regions have said lately how it is: the status is that of before"),
        "below_quorum": flag("Degraded, but too few regions say so: nobody was alerted"),
        "region_states": { "type": "array", "description": "What each region holds; empty when the server's own is the only one",
            "items": { "type": "object", "properties": {
                "region": text("Which"),
                "status": word(Status::ALL),
                "stale": flag("It has said nothing lately and has no vote"),
                "confirming": flag("It failed from there and is being checked again"),
                "since": time_or_null(),
                "last_checked_at": time_or_null(),
                "response_ms": whole_or_null(),
                "reason": text_or_null("Why it fails from there"),
            }}},
    })
}

/// The settings about regions.
pub fn region_settings() -> Value {
    json!({
        "regions": { "type": "array", "items": { "type": "string" },
            "description": "Where it is checked from, as GET /regions names them; absent: the server's own" },
        "region_quorum": { "type": ["string", "integer"], "default": "majority",
            "description": "How many regions must find it failing before it is down: majority, or a number" },
    })
}

/// A region.
pub fn region() -> Value {
    json!({
        "name": text("What it is called"),
        "is_own": flag("It is the server's own"),
        "probe_id": whole_or_null(),
        "status": word(ProbeStatus::ALL),
    })
}

/// What is set of a new probe.
pub fn probe_fields() -> Value {
    json!({
        "region": text("The place that it checks from, such as eu-west; no other probe has it"),
        "name": text("What it is called; its region when absent"),
    })
}

/// What can be changed of a probe.
pub fn probe_changes() -> Value {
    json!({ "name": text("What it is called"), "enabled": flag("It may work") })
}

/// A probe.
pub fn probe() -> Value {
    json!({
        "id": id(),
        "name": text("What it is called"),
        "region": text("The place that it checks from"),
        "enabled": flag("It may work"),
        "status": word(ProbeStatus::ALL),
        "monitors": whole(),
        "last_contact_at": time_or_null(),
        "silent_seconds": whole_or_null(),
        "lost_at": time_or_null(),
        "version": text_or_null("The version of its program"),
        "latency_ms": whole_or_null(),
        "clock_ahead_ms": whole_or_null(),
        "load": { "type": ["object", "null"], "properties": {
            "monitors": whole(), "in_flight": whole(), "waiting": whole(), "spooled": whole(),
            "dropped": whole(), "lateness_p99_ms": whole(),
        }},
        "created_at": time(),
    })
}
