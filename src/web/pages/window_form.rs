//! The form of a maintenance window: what it shows, and what was posted as the API would be sent it.

use chrono::{Datelike, NaiveDateTime, TimeZone, Timelike};
use serde_json::{Map, Value, json};

use super::form::{Form, Input, Shape};
use super::text::Viewer;
use crate::clock::Timestamp;
use crate::incident::maintenance::MaintenanceWindow;

/// The words that people know the fields by.
pub const LABELS: [(&str, &str); 8] = [
    ("name", "The name"),
    ("monitor_ids", "The choice of monitors or tags"),
    ("tags", "The list of tags"),
    ("starts_at", "The start"),
    ("ends_at", "The end"),
    ("cron", "The cron expression"),
    ("timezone", "The time zone"),
    ("duration_minutes", "The length in minutes"),
];

/// The form of a window that is yet to be made.
pub fn new_form(start: Timestamp, viewer: Viewer) -> Form {
    Form::of([
        ("starts_at", viewer.field(start)),
        ("ends_at", viewer.field(start.plus_seconds(3600))),
        ("timezone", viewer.zone.name().to_owned()),
        ("duration_minutes", "60".to_owned()),
    ])
}

/// The form of a window that there is.
pub fn edit_form(window: &MaintenanceWindow, viewer: Viewer) -> Form {
    let form = new_form(window.starts_at, viewer)
        .with("name", window.name.clone())
        .with("tags", window.tags.join(", "))
        .with("ends_at", viewer.field(window.ends_at));
    match &window.repeats {
        None => form,
        Some(repeats) => form
            .with("repeats", "cron")
            .with("cron", repeats.schedule.expression())
            .with("timezone", repeats.schedule.timezone().name())
            .with("duration_minutes", repeats.duration_minutes.to_string()),
    }
}

/// What was posted, as the API would be sent it: wall times of the viewer's zone become moments.
///
/// A time that stands as it was shown keeps its moment: the field has no seconds, and does not tell apart the two hours
/// that the clocks repeat.
pub fn fields(
    input: &Input,
    viewer: Viewer,
    current: Option<&MaintenanceWindow>,
) -> Map<String, Value> {
    let mut map = input.to_json(&[
        ("name", Shape::Text),
        ("monitor_ids", Shape::Ids),
        ("tags", Shape::Words),
    ]);
    let times = match input.get("repeats") {
        "" | "once" => once(input, viewer, current),
        "cron" => input.to_json(&[
            ("cron", Shape::Text),
            ("timezone", Shape::Text),
            ("duration_minutes", Shape::Number),
        ]),
        every => repeating(every, input, viewer),
    };
    map.extend(times);
    map
}

fn once(input: &Input, viewer: Viewer, current: Option<&MaintenanceWindow>) -> Map<String, Value> {
    let mut map = Map::new();
    let shown = [
        ("starts_at", current.map(|window| window.starts_at)),
        ("ends_at", current.map(|window| window.ends_at)),
    ];
    for (name, kept) in shown {
        let posted = match kept {
            Some(at) if input.get(name) == viewer.field(at) => json!(at),
            _ => moment(input.get(name), viewer),
        };
        map.insert(name.to_owned(), posted);
    }
    if current.is_some_and(|window| window.repeats.is_some()) {
        map.insert("cron".to_owned(), Value::Null);
    }
    map
}

/// A window that opens every day, week or month at the wall time of its start, and stays open as long as from start to end.
fn repeating(every: &str, input: &Input, viewer: Viewer) -> Map<String, Value> {
    let (start, end) = (wall(input.get("starts_at")), wall(input.get("ends_at")));
    let (Some(start), Some(end)) = (start, end) else {
        // The reader of fields says what is wrong with them.
        return once(input, viewer, None);
    };
    let (minute, hour) = (start.minute(), start.hour());
    let cron = match every {
        "daily" => format!("{minute} {hour} * * *"),
        "weekly" => format!("{minute} {hour} * * {}", start.weekday().num_days_from_sunday()),
        _ => format!("{minute} {hour} {} * *", start.day()),
    };
    let minutes = end.signed_duration_since(start).num_minutes();
    let fields = [
        ("cron", json!(cron)),
        ("timezone", json!(viewer.zone.name())),
        ("duration_minutes", json!(minutes)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn wall(text: &str) -> Option<NaiveDateTime> {
    let formats = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"];
    formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
}

fn moment(text: &str, viewer: Viewer) -> Value {
    // A wall time that the clocks skip is none; one that they repeat is the first of the two.
    let local = wall(text).and_then(|wall| viewer.zone.from_local_datetime(&wall).earliest());
    match local {
        Some(local) => json!(Timestamp(local.timestamp_millis())),
        None if text.is_empty() => Value::Null,
        None => json!(text),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wall_times_are_those_of_the_viewer() {
        let viewer = Viewer::new(Timestamp(0), Some("Europe/Berlin"));
        assert_eq!(moment("2026-11-20T22:00", viewer), json!("2026-11-20T21:00:00.000+00:00"));
        assert_eq!(
            moment("2026-10-25T02:30", viewer),
            json!("2026-10-25T00:30:00.000+00:00"),
            "the first of two"
        );
        assert_eq!(
            moment("2026-03-29T02:30", viewer),
            json!("2026-03-29T02:30"),
            "skipped by the clocks"
        );
        assert_eq!(moment("", viewer), Value::Null);
    }

    #[test]
    fn a_time_that_was_not_touched_keeps_its_moment() {
        let viewer = Viewer::new(Timestamp(0), Some("Europe/Berlin"));
        let second = Timestamp::parse_rfc3339("2026-10-25T01:30:17.250Z").unwrap();
        let window = MaintenanceWindow {
            id: 1,
            name: "w".to_owned(),
            monitor_ids: vec![],
            tags: vec![],
            starts_at: Timestamp(0),
            ends_at: second,
            repeats: None,
        };
        let posted = [("starts_at", "1970-01-01T02:00"), ("ends_at", "2026-10-25T02:30")];
        let posted = posted.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let map = fields(&Input(posted.to_vec()), viewer, Some(&window));
        assert_eq!(map["starts_at"], json!("1970-01-01T01:00:00.000+00:00"), "another one");
        assert_eq!(map["ends_at"], json!(second), "the second of the two");
    }

    #[test]
    fn a_day_a_week_and_a_month_become_cron() {
        let viewer = Viewer::new(Timestamp(0), Some("Europe/Berlin"));
        for (every, cron) in
            [("daily", "5 22 * * *"), ("weekly", "5 22 * * 5"), ("monthly", "5 22 20 * *")]
        {
            let posted = [
                ("repeats", every),
                ("starts_at", "2026-11-20T22:05"),
                ("ends_at", "2026-11-21T00:05"),
            ];
            let posted = posted.map(|(name, value)| (name.to_owned(), value.to_owned()));
            let map = fields(&Input(posted.to_vec()), viewer, None);
            assert_eq!(map["cron"], cron);
            assert_eq!(map["timezone"], "Europe/Berlin");
            assert_eq!(map["duration_minutes"], 120);
            assert!(!map.contains_key("starts_at"));
        }
    }
}
