//! How a request becomes a maintenance window: validated, with every wrong field named at once. Pure.

use serde_json::{Map, Value};

use super::maintenance::{MaintenanceWindow, Repeats};
use crate::clock::Timestamp;
use crate::fields::{FieldErrors, Fields};
use crate::monitor::heartbeat_fields::read_cron;

/// The longest window: a year.
const MINUTES_MAX: u32 = 366 * 24 * 60;
/// The furthest time that is taken, in epoch ms: the end of the year 9999, which every reader of RFC 3339 knows.
const LATEST: Timestamp = Timestamp(253_402_300_799_999);

impl MaintenanceWindow {
    /// Reads a window from a request at `now`; `current` is what a PATCH edits. A new one without `starts_at` starts now.
    ///
    /// Whether its monitors exist is for the caller to check.
    ///
    /// # Errors
    /// Every field that is wrong.
    pub fn read(
        map: &Map<String, Value>,
        current: Option<&Self>,
        now: Timestamp,
    ) -> Result<Self, FieldErrors> {
        let mut fields = Fields::new(map);
        let name = fields.name(
            "name",
            Some("Maintenance".to_owned()),
            current.map(|window| window.name.clone()),
        );
        let monitor_ids = fields
            .optional_ids("monitor_ids", current.map(|window| Some(window.monitor_ids.clone())))
            .unwrap_or_default();
        let tags = fields.tags("tags", current.map(|window| window.tags.clone()));
        // Its monitors may have been deleted since: it can be edited for all that, and named anew.
        let mut named = |field| fields.raw(field).is_some();
        let names_any = current.is_none() || named("monitor_ids") || named("tags");
        if names_any && monitor_ids.is_empty() && tags.is_empty() {
            fields.wrong("monitor_ids", "covers nothing: give monitor_ids or tags");
        }
        let old = current.and_then(|window| window.repeats.as_ref());
        let keeps_cron = old.is_some() && fields.raw("cron").is_none();
        let (starts_at, ends_at, repeats) = if fields.given("cron") || keeps_cron {
            read_repeating(&mut fields, current, now)
        } else {
            let (starts_at, ends_at) = read_once(&mut fields, current, now);
            (starts_at, ends_at, None)
        };
        fields.finish()?;
        let id = current.map_or(0, |window| window.id);
        Ok(Self { id, name, monitor_ids, tags, starts_at, ends_at, repeats })
    }
}

fn read_once(
    fields: &mut Fields<'_>,
    current: Option<&MaintenanceWindow>,
    now: Timestamp,
) -> (Timestamp, Timestamp) {
    if fields.given("timezone") {
        fields.wrong("timezone", "goes with cron only; times have their offset in them");
    }
    let starts_at =
        fields.read("starts_at", now, current.map(|window| window.starts_at), parse_time);
    let ends_at = read_end(fields, starts_at, current);
    if current.is_none() && ends_at <= now {
        fields.wrong("ends_at", "is in the past: give a later time");
    }
    (starts_at, ends_at)
}

/// A window that repeats. The span that is open stays open as long as the schedule is the same; its end may be moved by `ends_at`.
fn read_repeating(
    fields: &mut Fields<'_>,
    current: Option<&MaintenanceWindow>,
    now: Timestamp,
) -> (Timestamp, Timestamp, Option<Repeats>) {
    let old = current.and_then(|window| window.repeats.as_ref());
    let starts_at = fields.read("starts_at", None, None, |value| parse_time(value).map(Some));
    if starts_at.is_some() && starts_at != current.map(|window| window.starts_at) {
        fields.wrong("starts_at", "cannot stand beside cron, which says when it starts");
    }
    let had_minutes = old.is_some() && fields.raw("duration_minutes").is_none();
    if !had_minutes && !fields.given("duration_minutes") {
        fields.wrong("duration_minutes", "is missing: give the minutes that it stays open");
    }
    let duration_minutes = fields.integer(
        "duration_minutes",
        1..=MINUTES_MAX,
        60,
        old.map(|repeats| repeats.duration_minutes),
    );
    let ends_at = fields.read("ends_at", None, None, |value| parse_time(value).map(Some));
    // Stands for nothing when the expression was wrong: that was noted.
    let Some(schedule) = read_cron(fields, old.map(|repeats| &repeats.schedule)) else {
        return (now, now, None);
    };
    let repeats = Repeats { schedule, duration_minutes };
    let open =
        current.filter(|window| window.is_active(now) && window.repeats.as_ref() == Some(&repeats));
    let (starts_at, planned_end) =
        open.map_or_else(|| repeats.span_at(now), |window| (window.starts_at, window.ends_at));
    let is_shown = ends_at == current.map(|window| window.ends_at);
    let ends_at = match ends_at {
        Some(given) if open.is_some() && given > now => given,
        Some(_) if !is_shown => {
            fields.wrong(
                "ends_at",
                "moves the end of a repeating window only while it is open, to a time to come; give duration_minutes",
            );
            planned_end
        }
        _ => planned_end,
    };
    (starts_at, ends_at, Some(repeats))
}

/// The end, given as `ends_at` or as `duration_minutes` after the start.
fn read_end(
    fields: &mut Fields<'_>,
    starts_at: Timestamp,
    current: Option<&MaintenanceWindow>,
) -> Timestamp {
    let (has_end, has_duration) = (fields.given("ends_at"), fields.given("duration_minutes"));
    // Stands in for an end that was wrong, so that no second error is told.
    let stand_in = LATEST;
    match (has_end, has_duration, current) {
        (true, true, _) => {
            fields.wrong("duration_minutes", "cannot stand beside ends_at; give one of them");
            stand_in
        }
        (false, true, _) => {
            let minutes = fields.integer("duration_minutes", 1..=MINUTES_MAX, 60, None);
            let ends_at = starts_at.plus_ms(i64::from(minutes) * 60_000);
            if ends_at > LATEST {
                fields.wrong("duration_minutes", "ends after the year 9999: give an earlier start");
            }
            ends_at
        }
        (false, false, None) => {
            fields.wrong("ends_at", "is missing: give ends_at or duration_minutes");
            stand_in
        }
        (_, false, _) => {
            let kept = current.map(|window| window.ends_at);
            let ends_at = fields.read("ends_at", kept.unwrap_or(stand_in), kept, parse_time);
            // One that was ended before it began covers no time, and may be sent back as it was read.
            let is_kept = current.is_some_and(|w| (w.starts_at, w.ends_at) == (starts_at, ends_at));
            if ends_at <= starts_at && !is_kept {
                fields.wrong("ends_at", "must be after starts_at");
            }
            ends_at
        }
    }
}

fn parse_time(value: &Value) -> Result<Timestamp, String> {
    let fix = "must be a time with its offset, such as 2030-01-31T02:00:00Z";
    value
        .as_str()
        .and_then(|text| Timestamp::parse_rfc3339(text.trim()))
        .filter(|at| (Timestamp(0)..=LATEST).contains(at))
        .ok_or_else(|| fix.to_owned())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp(1_900_000_000_000);

    fn read(
        value: Value,
        current: Option<&MaintenanceWindow>,
    ) -> Result<MaintenanceWindow, Vec<String>> {
        let map = value.as_object().unwrap();
        MaintenanceWindow::read(map, current, NOW).map_err(|errors| errors.0.into_keys().collect())
    }

    #[test]
    fn a_window_for_a_deployment_starts_now() {
        let window =
            read(json!({"name": "v2", "monitor_ids": [3], "duration_minutes": 10}), None).unwrap();
        assert_eq!((window.starts_at, window.ends_at), (NOW, NOW.plus_seconds(600)));
    }

    #[test]
    fn every_mistake_is_named() {
        let wrong = json!({"tags": [1], "starts_at": "soon", "timezone": "UTC", "name": 7});
        let named = ["ends_at", "monitor_ids", "name", "starts_at", "tags", "timezone"];
        assert_eq!(read(wrong, None).unwrap_err(), named);
        let both = json!({"tags": ["a"], "ends_at": "2031-01-01T00:00:00Z", "duration_minutes": 5});
        assert_eq!(read(both, None).unwrap_err(), ["duration_minutes"]);
        let backwards = json!({"tags": ["a"], "starts_at": "2031-01-02T00:00:00Z",
            "ends_at": "2031-01-01T00:00:00Z"});
        assert_eq!(read(backwards, None).unwrap_err(), ["ends_at"]);
        let over =
            json!({"tags": ["a"], "starts_at": "2001-01-02T00:00:00Z", "duration_minutes": 5});
        assert_eq!(read(over, None).unwrap_err(), ["ends_at"]);
        let late =
            json!({"tags": ["a"], "starts_at": "9999-12-31T23:59:00Z", "duration_minutes": 5});
        assert_eq!(read(late, None).unwrap_err(), ["duration_minutes"]);
    }

    #[test]
    fn a_change_keeps_what_is_not_named() {
        let current = read(json!({"tags": ["a"], "duration_minutes": 10}), None).unwrap();
        let renamed = read(json!({"name": "b"}), Some(&current)).unwrap();
        assert_eq!(renamed, MaintenanceWindow { name: "b".to_owned(), ..current.clone() });
        let longer = read(json!({"duration_minutes": 20}), Some(&current)).unwrap();
        assert_eq!(longer.ends_at, NOW.plus_seconds(1200));
        assert_eq!(read(json!({"tags": null}), Some(&current)).unwrap_err(), ["monitor_ids"]);
        let bare = MaintenanceWindow { tags: Vec::new(), ..current };
        assert_eq!(read(json!({"name": "b"}), Some(&bare)).unwrap().name, "b");
    }
}
