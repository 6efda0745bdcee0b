//! The form of a maintenance window: what it shows, and what was posted as the API would be sent it.

use chrono::{Datelike, NaiveDateTime, TimeZone, Timelike};
use chrono_tz::Tz;
use serde_json::{Map, Value, json};

use super::form::{Form, Input, Shape};
use super::text::Viewer;
use crate::clock::Timestamp;
use crate::fields::FieldErrors;
use crate::incident::maintenance::MaintenanceWindow;
use crate::monitor::heartbeat_fields::parse_timezone;

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

/// What was posted, as the API would be sent it: wall times of the zone that stands beside them become moments.
///
/// A time that stands as it was shown keeps its moment: the field has no seconds, and does not tell apart the two hours
/// that the clocks repeat.
///
/// # Errors
/// The zone, when there is none of that name.
pub fn fields(
    input: &Input,
    viewer: Viewer,
    current: Option<&MaintenanceWindow>,
) -> Result<Map<String, Value>, FieldErrors> {
    let mut map = input.to_json(&[
        ("name", Shape::Text),
        ("monitor_ids", Shape::Ids),
        ("tags", Shape::Words),
    ]);
    let times = match input.get("repeats") {
        "" | "once" => once(input, wall_clock(input, viewer)?, viewer, current),
        "cron" => input.to_json(&[
            ("cron", Shape::Text),
            ("timezone", Shape::Text),
            ("duration_minutes", Shape::Number),
        ]),
        every => repeating(every, input, wall_clock(input, viewer)?, viewer),
    };
    map.extend(times);
    Ok(map)
}

/// The zone that the wall times of a form are meant in: the viewer's, unless another one is named.
fn wall_clock(input: &Input, viewer: Viewer) -> Result<Tz, FieldErrors> {
    match input.get("timezone") {
        "" => Ok(viewer.zone),
        name => parse_timezone(&json!(name)).map_err(|fix| FieldErrors::one("timezone", fix)),
    }
}

fn once(
    input: &Input,
    zone: Tz,
    viewer: Viewer,
    current: Option<&MaintenanceWindow>,
) -> Map<String, Value> {
    let mut map = Map::new();
    let shown = [
        ("starts_at", current.map(|window| window.starts_at)),
        ("ends_at", current.map(|window| window.ends_at)),
    ];
    for (name, kept) in shown {
        let posted = match kept {
            Some(at) if zone == viewer.zone && input.get(name) == viewer.field(at) => json!(at),
            _ => moment(input.get(name), zone),
        };
        map.insert(name.to_owned(), posted);
    }
    if current.is_some_and(|window| window.repeats.is_some()) {
        map.insert("cron".to_owned(), Value::Null);
    }
    map
}

/// A window that opens every day, week or month at the wall time of its start, and stays open as long as from start to end.
fn repeating(every: &str, input: &Input, zone: Tz, viewer: Viewer) -> Map<String, Value> {
    let (start, end) = (wall(input.get("starts_at")), wall(input.get("ends_at")));
    let (start, end) = match (start, end) {
        (Some(start), Some(end)) if end > start => (start, end),
        // The reader of fields says what is wrong with them.
        _ => return once(input, zone, viewer, None),
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
        ("timezone", json!(zone.name())),
        ("duration_minutes", json!(minutes)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

fn wall(text: &str) -> Option<NaiveDateTime> {
    let formats = ["%Y-%m-%dT%H:%M", "%Y-%m-%dT%H:%M:%S", "%Y-%m-%d %H:%M"];
    formats.iter().find_map(|format| NaiveDateTime::parse_from_str(text, format).ok())
}

fn moment(text: &str, zone: Tz) -> Value {
    // A wall time that the clocks skip is none; one that they repeat is the first of the two.
    let local = wall(text).and_then(|wall| zone.from_local_datetime(&wall).earliest());
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
        assert_eq!(moment("2026-11-20T22:00", viewer.zone), json!("2026-11-20T21:00:00.000+00:00"));
        assert_eq!(
            moment("2026-10-25T02:30", viewer.zone),
            json!("2026-10-25T00:30:00.000+00:00"),
            "the first of two"
        );
        assert_eq!(
            moment("2026-03-29T02:30", viewer.zone),
            json!("2026-03-29T02:30"),
            "skipped by the clocks"
        );
        assert_eq!(moment("", viewer.zone), Value::Null);
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
        let map = fields(&Input(posted.to_vec()), viewer, Some(&window)).unwrap();
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
            let map = fields(&Input(posted.to_vec()), viewer, None).unwrap();
            assert_eq!(map["cron"], cron);
            assert_eq!(map["timezone"], "Europe/Berlin");
            assert_eq!(map["duration_minutes"], 120);
            assert!(!map.contains_key("starts_at"));
        }
    }

    #[test]
    fn wall_times_are_meant_in_the_zone_beside_them() {
        let viewer = Viewer::new(Timestamp(0), Some("Europe/Berlin"));
        let posted = |zone: &str, repeats: &str| {
            let pairs = [
                ("timezone", zone),
                ("repeats", repeats),
                ("starts_at", "2026-11-20T16:00"),
                ("ends_at", "2026-11-20T17:00"),
            ];
            let pairs = pairs.map(|(name, value)| (name.to_owned(), value.to_owned()));
            fields(&Input(pairs.to_vec()), viewer, None)
        };
        let once = posted("America/New_York", "once").unwrap();
        assert_eq!(once["starts_at"], "2026-11-20T21:00:00.000+00:00");
        assert!(!once.contains_key("timezone"));
        let weekly = posted("America/New_York", "weekly").unwrap();
        assert_eq!(weekly["timezone"], "America/New_York");
        let wrong = posted("Mars/Olympus", "once").unwrap_err();
        assert!(wrong.0["timezone"].contains("Europe/Riga"), "{wrong:?}");
    }

    #[test]
    fn an_end_before_its_start_is_told_of_the_times_people_see() {
        let viewer = Viewer::new(Timestamp(0), None);
        let posted = [
            ("repeats", "daily"),
            ("starts_at", "2026-11-20T16:00"),
            ("ends_at", "2026-11-20T15:00"),
            ("tags", "a"),
        ];
        let posted = posted.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let map = fields(&Input(posted.to_vec()), viewer, None).unwrap();
        let errors = MaintenanceWindow::read(&map, None, Timestamp(0)).unwrap_err();
        assert!(errors.0.contains_key("ends_at"), "{errors:?}");
    }
}
