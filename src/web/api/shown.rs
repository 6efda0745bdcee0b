//! What the API shows of the product's types, as JSON.

use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
use crate::incident::Incident;
use crate::incident::escalation::{EscalationPolicy, EscalationStep};
use crate::incident::maintenance::{MaintenanceWindow, active_window};
use crate::incident::message::{self, cause_word};
use crate::monitor::header::shown_url;
use crate::monitor::state::Policy;
use crate::monitor::{CheckResult, Header, Phases, RegionState, Settings, Status, Target};
use crate::store::history::Ping;
use crate::store::monitors::Watched;
use crate::store::results::StoredResult;

/// What monitors are shown beside: read once for a whole list.
pub struct Beside {
    /// The present moment.
    pub now: Timestamp,
    /// What ping URLs start with.
    pub base_url: String,
    /// The server's own region.
    pub own_region: String,
    /// The windows that may be open.
    pub windows: Vec<MaintenanceWindow>,
    /// The channels there are.
    pub channels: Channels,
}

/// The numbers of channels.
pub struct Channels {
    /// All of them.
    pub all: Vec<i64>,
    /// The enabled ones that monitors without a choice of their own use.
    pub default: Vec<i64>,
}

impl Beside {
    /// A monitor without its request headers, as lists show it.
    pub fn summary(&self, watched: &Watched) -> Map<String, Value> {
        let Watched { monitor, state } = watched;
        let settings = &monitor.settings;
        let mut shown = target_fields(&settings.target);
        let window = active_window(&self.windows, monitor.id, &settings.tags, self.now);
        let fields = [
            ("id", json!(monitor.id)),
            ("type", json!(monitor.kind())),
            ("name", json!(settings.name)),
            ("tags", json!(settings.tags)),
            ("channel_ids", json!(self.channel_ids(settings))),
            ("escalation_policy_id", json!(settings.escalation_policy_id)),
            ("notify_on", json!(settings.notify_on)),
            ("depends_on", json!(settings.depends_on)),
            ("current_status", json!(state.status)),
            ("status_since", json!(state.since)),
            ("in_maintenance", json!(window.is_some())),
            ("confirming", json!(state.is_confirming())),
            ("late", json!(state.is_late(self.now))),
            ("last_checked_at", json!(state.last_check.map(|last| last.at))),
            (
                "last_result",
                json!(state.last_check.map(|last| json!({
                    "verdict": last.verdict,
                    "status_code": last.status_code,
                    "response_ms": last.total_ms,
                }))),
            ),
            ("created_at", json!(monitor.created_at)),
            ("updated_at", json!(monitor.updated_at)),
        ];
        shown.extend(fields.map(|(name, value)| (name.to_owned(), value)));
        shown.extend(self.region_fields(watched));
        if let Some(uuid) = monitor.uuid {
            let fields = self.heartbeat_fields(watched, uuid);
            shown.extend(fields.map(|(name, value)| (name.to_owned(), value)));
        }
        shown
    }

    /// A monitor with its request headers, secret ones masked, and its certificate.
    pub fn detail(&self, watched: &Watched) -> Map<String, Value> {
        let mut shown = self.summary(watched);
        if watched.monitor.settings.target.pace().is_some() {
            let certificate = watched.state.certificate.as_ref();
            shown.insert("certificate".to_owned(), json!(certificate.map(|c| c.shown(self.now))));
        }
        if let Target::Http(spec) = &watched.monitor.settings.target {
            shown.insert("url".to_owned(), json!(shown_url(&spec.url)));
            shown.insert("headers".to_owned(), headers(&spec.headers));
        }
        shown
    }

    /// Where it is checked from, and what each region holds; nothing of what is not checked.
    fn region_fields(&self, watched: &Watched) -> Map<String, Value> {
        let Watched { monitor, state } = watched;
        let Some(pace) = monitor.settings.target.pace() else { return Map::new() };
        let policy = Policy::of(&monitor.settings.target);
        let names = match &pace.regions[..] {
            [] => std::slice::from_ref(&self.own_region),
            names => names,
        };
        let is_fresh = |own: &RegionState| {
            policy.rule.is_some_and(|r| own.is_fresh(r.fresh_ms, state.watched_since, self.now))
        };
        let region = |name: &String| {
            let own = state.regions.get(name);
            json!({
                "region": name,
                "status": own.map_or(Status::Pending, |own| own.status),
                "stale": !own.is_some_and(is_fresh),
                "confirming": own.is_some_and(|own| own.failing.is_some()),
                "since": own.map(|own| own.since),
                "last_checked_at": own.and_then(|own| own.last_check).map(|last| last.at),
                "response_ms": own.and_then(|own| own.last_check).and_then(|last| last.total_ms),
                "reason": own.and_then(|own| own.cause.as_ref()).map(message::reason),
            })
        };
        let mut shown = Map::new();
        shown.insert("regions".to_owned(), json!(names));
        shown.insert("stale".to_owned(), json!(state.is_stale(&policy, self.now)));
        shown.insert("below_quorum".to_owned(), json!(state.below_quorum));
        let asked = if policy.rule.is_some() { names } else { &[] };
        let states: Vec<_> = asked.iter().map(region).collect();
        shown.insert("region_states".to_owned(), json!(states));
        shown
    }

    /// Who is told; null where an escalation policy says so. A channel that was removed since is not named, so that what is read can
    /// be sent back as it is.
    fn channel_ids(&self, settings: &Settings) -> Option<Vec<i64>> {
        if settings.escalation_policy_id.is_some() {
            return None;
        }
        Some(match &settings.channel_ids {
            None => self.channels.default.clone(),
            Some(ids) => ids.iter().copied().filter(|id| self.channels.all.contains(id)).collect(),
        })
    }

    fn heartbeat_fields(&self, watched: &Watched, uuid: uuid::Uuid) -> [(&'static str, Value); 5] {
        let beat = &watched.state.beat;
        let expected = !matches!(watched.state.status, Status::Pending | Status::Paused);
        // Of the window and the open runs, the earlier one.
        let deadline = watched.state.armed_deadline().or(beat.deadline_at);
        [
            ("uuid", json!(uuid)),
            ("ping_url", json!(format!("{}/api/heartbeats/{uuid}/ping", self.base_url))),
            ("last_ping_at", json!(beat.last_ping_at)),
            ("next_due_at", json!(beat.due_at.filter(|_| expected))),
            ("deadline_at", json!(deadline.filter(|_| expected))),
        ]
    }
}

/// What is set of a target; its own `type` tag, and no headers.
fn target_fields(target: &Target) -> Map<String, Value> {
    match json!(target) {
        Value::Object(mut map) => {
            if matches!(target, Target::Heartbeat(_)) {
                // One of the two schedules is set; the other reads as null.
                for name in ["period_seconds", "cron", "timezone"] {
                    map.entry(name).or_insert(Value::Null);
                }
            }
            map
        }
        // A tagged enum of structs is always an object.
        _ => Map::new(),
    }
}

fn headers(headers: &[Header]) -> Value {
    let shown = headers.iter().map(|header| (header.name.clone(), json!(header.shown())));
    Value::Object(shown.collect())
}

/// What a check found.
pub fn check_result(result: &CheckResult) -> Map<String, Value> {
    let Phases { dns, connect, tls, first_byte, total } = result.phases;
    let fields = [
        // A monitor has no two checks that begin in the same millisecond, so this is a result's number.
        ("id", json!(result.started_at.0)),
        ("region", json!(result.region)),
        ("started_at", json!(result.started_at)),
        ("verdict", json!(result.verdict)),
        (
            "phases",
            json!({"dns": dns, "connect": connect, "tls": tls,
            "first_byte": first_byte, "total": total}),
        ),
        ("status_code", json!(result.status_code)),
        ("error_kind", json!(result.error.as_ref().map(|error| error.kind))),
        ("error", json!(result.error.as_ref().map(|error| &error.text))),
        ("failed_checks", json!(result.failed_checks)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A result as it is stored.
pub fn stored_result(stored: &StoredResult) -> Value {
    let mut shown = check_result(&stored.result);
    shown.insert("id".to_owned(), json!(stored.id));
    shown.insert("in_maintenance".to_owned(), json!(stored.in_maintenance));
    Value::Object(shown)
}

/// A ping, without its body.
pub fn ping(ping: &Ping) -> Value {
    json!({
        "n": ping.n,
        "at": ping.at,
        "kind": ping.kind,
        "method": ping.method,
        "remote_addr": ping.remote_addr,
        "user_agent": ping.user_agent,
        "rid": ping.rid,
        "exit_status": ping.exit_status,
        "duration_ms": ping.duration_ms,
        "body_bytes": ping.body_bytes,
        "note": ping.note,
    })
}

/// An incident, without its timeline.
pub fn incident(incident: &Incident, now: Timestamp) -> Map<String, Value> {
    let fields = [
        ("id", json!(incident.id)),
        ("monitor_id", json!(incident.monitor_id)),
        ("monitor_name", json!(incident.monitor_name)),
        ("state", json!(incident.state())),
        ("started_at", json!(incident.started_at)),
        ("confirmed_at", json!(incident.confirmed_at)),
        ("acknowledged_at", json!(incident.acknowledged_at)),
        ("acknowledged_by", json!(incident.acknowledged_by)),
        ("resolved_at", json!(incident.resolved_at)),
        ("duration_seconds", json!(incident.duration_seconds(now))),
        ("cause", json!(cause_word(&incident.cause))),
        ("summary", json!(incident.summary)),
        ("regions", json!(incident.regions)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// A maintenance window.
pub fn window(window: &MaintenanceWindow, now: Timestamp) -> Value {
    let repeats = window.repeats.as_ref();
    json!({
        "id": window.id,
        "name": window.name,
        "monitor_ids": window.monitor_ids,
        "tags": window.tags,
        "starts_at": window.starts_at,
        "ends_at": window.ends_at,
        "is_active": window.is_active(now),
        "next_starts_at": window.next_starts_at(now),
        "cron": repeats.map(|r| r.schedule.expression()),
        "timezone": repeats.map(|r| r.schedule.timezone().name()),
        "duration_minutes": repeats.map(|r| r.duration_minutes),
    })
}

/// An escalation policy. A channel that was removed since is not named, so that what is read can be sent back as it is.
pub fn escalation_policy(policy: &EscalationPolicy, channels: &[i64]) -> Value {
    let step = |step: &EscalationStep| {
        let exists = |id: &&i64| channels.contains(id);
        let channel_ids: Vec<&i64> = step.channel_ids.iter().filter(exists).collect();
        let mut shown = json!({"after_minutes": step.after_minutes, "channel_ids": channel_ids});
        if !step.name.is_empty() {
            shown["name"] = json!(step.name);
        }
        shown
    };
    json!({
        "id": policy.id,
        "name": policy.name,
        "steps": policy.steps.iter().map(step).collect::<Vec<_>>(),
        "repeat_every_minutes": policy.repeat_every_minutes,
        "repeat_times": policy.repeat_times,
        "ack_timeout_minutes": policy.ack_timeout_minutes,
    })
}
