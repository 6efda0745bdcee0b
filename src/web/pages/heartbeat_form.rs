//! The form of a heartbeat: schedule, grace, limits, methods; and a look at what a schedule means before it is saved.

use askama::Template;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::error::{Page, sentence, show};
use super::form::{Form, Input, Shape};
use super::query::PageQuery;
use super::text::{Viewer, span};
use super::visit::Visit;
use crate::account::Permission;
use crate::clock::Timestamp;
use crate::monitor::HeartbeatSpec;
use crate::monitor::expect::{CronSchedule, Expected};

const FIELDS: [(&str, Shape); 6] = [
    ("period_seconds", Shape::Seconds),
    ("cron", Shape::Text),
    ("timezone", Shape::Text),
    ("grace_seconds", Shape::Seconds),
    ("max_runtime_seconds", Shape::Seconds),
    ("first_ping_within_seconds", Shape::Seconds),
];

/// The methods that can be allowed, each with the name of its tick box.
const METHODS: [(&str, &str); 3] =
    [("GET", "method_get"), ("HEAD", "method_head"), ("POST", "method_post")];

/// What was posted, as the API would be sent it: a whole schedule, so that the other kind is taken away.
pub fn fields(input: &Input) -> Map<String, Value> {
    let mut map = input.to_json(&FIELDS);
    if input.get("schedule") == "cron" {
        map.insert("period_seconds".to_owned(), Value::Null);
        // Empty is wrong here, and says so under its own field.
        map.insert("cron".to_owned(), json!(input.get("cron")));
    } else {
        map.insert("cron".to_owned(), Value::Null);
        map.insert("timezone".to_owned(), Value::Null);
    }
    let ticked: Vec<&str> =
        METHODS.iter().filter(|(_, name)| !input.get(name).is_empty()).map(|m| m.0).collect();
    // All of them is what no list means too, and none would make the heartbeat deaf.
    let methods = if ticked.len() == METHODS.len() { Vec::new() } else { ticked };
    map.insert("allowed_methods".to_owned(), json!(methods));
    map
}

/// The values of a heartbeat in its form.
pub fn values(spec: &HeartbeatSpec, viewer: Viewer) -> Form {
    let form = blank(viewer);
    let form = match &spec.expected {
        Expected::Every { period_seconds } => {
            amount(form.with("schedule", "period"), "period_seconds", Some(*period_seconds))
        }
        Expected::At(schedule) => form
            .with("schedule", "cron")
            .with("cron", schedule.expression())
            .with("timezone", schedule.timezone().name()),
    };
    let form = amount(form, "grace_seconds", Some(spec.grace_seconds));
    let form = amount(form, "max_runtime_seconds", spec.max_runtime_seconds);
    let mut form = amount(form, "first_ping_within_seconds", spec.first_ping_within_seconds);
    for (method, name) in METHODS {
        let is_on = spec.allowed_methods.is_empty()
            || spec.allowed_methods.iter().any(|allowed| allowed == method);
        form = form.with(name, if is_on { "on" } else { "" });
    }
    form
}

/// The values of a heartbeat that is yet to be made.
pub fn new_values(viewer: Viewer) -> Form {
    amount(blank(viewer), "period_seconds", Some(3600))
}

/// What the fields have that are not in use: units that fit, the viewer's zone, all methods.
fn blank(viewer: Viewer) -> Form {
    let mut form = Form::of([
        ("schedule", "period".to_owned()),
        ("period_seconds_unit", "3600".to_owned()),
        ("timezone", viewer.zone.name().to_owned()),
        ("grace_seconds_unit", "60".to_owned()),
        ("max_runtime_seconds_unit", "60".to_owned()),
        ("first_ping_within_seconds_unit", "3600".to_owned()),
    ]);
    for (_, name) in METHODS {
        form = form.with(name, "on");
    }
    form
}

fn amount(form: Form, name: &str, seconds: Option<u32>) -> Form {
    let Some(seconds) = seconds else { return form };
    let (amount, unit) = in_units(seconds);
    form.with(name, amount).with(&format!("{name}_unit"), unit)
}

/// Seconds in the largest unit that divides them.
fn in_units(seconds: u32) -> (String, String) {
    let unit =
        super::UNITS.iter().rev().find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit));
    let unit = unit.map_or(1, |(unit, _)| *unit);
    ((seconds / unit).to_string(), unit.to_string())
}

/// The zones to choose from: those that are places, and UTC.
pub fn zones() -> Vec<&'static str> {
    let is_place = |name: &&str| {
        let area = name.split('/').next().unwrap_or_default();
        *name == "UTC"
            || (name.contains('/')
                && !matches!(area, "Etc" | "US" | "Brazil" | "Canada" | "Chile" | "Mexico"))
    };
    chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name()).filter(is_place).collect()
}

/// What stands at the folds of the form.
pub struct FoldWords {
    /// At "Long runs".
    pub max_runtime: String,
    /// At "First ping".
    pub first_ping: String,
    /// At "Methods that count".
    pub methods: String,
}

impl FoldWords {
    /// The words for a form's values.
    pub fn of(form: &Form) -> Self {
        let limit = |name: &str| match (form.value(name).trim(), unit(form, name)) {
            ("", _) => "No limit".to_owned(),
            (amount, unit) => match amount.parse::<i64>() {
                Ok(n) => format!("At most {}", span(n.saturating_mul(unit).saturating_mul(1000))),
                Err(_) => amount.to_owned(),
            },
        };
        let methods: Vec<&str> =
            METHODS.iter().filter(|(_, name)| form.has(name)).map(|(method, _)| *method).collect();
        let is_all = methods.is_empty() || methods.len() == METHODS.len();
        Self {
            max_runtime: limit("max_runtime_seconds"),
            first_ping: limit("first_ping_within_seconds"),
            methods: if is_all { "All".to_owned() } else { methods.join(", ") },
        }
    }
}

fn unit(form: &Form, name: &str) -> i64 {
    form.value(&format!("{name}_unit")).parse().unwrap_or(1)
}

/// What a cron expression means: in words, and the next times.
#[derive(Template)]
#[template(path = "parts/schedule.html")]
pub struct Meaning {
    /// In words; empty when there is no expression.
    pub words: String,
    /// The zone of the times.
    pub zone: String,
    /// The next times, as people read them.
    pub times: Vec<String>,
    /// What is wrong; empty for nothing.
    pub error: String,
}

impl Meaning {
    /// Of what stands in the fields.
    pub fn of(expression: &str, timezone: &str, now: Timestamp) -> Self {
        let mut meaning = Self {
            words: String::new(),
            zone: timezone.trim().to_owned(),
            times: Vec::new(),
            error: String::new(),
        };
        if expression.trim().is_empty() {
            return meaning;
        }
        let zone = if meaning.zone.is_empty() { "UTC" } else { &meaning.zone };
        let read = match zone.parse() {
            Ok(zone) => CronSchedule::parse(expression, zone)
                .map_err(|reason| format!("the cron expression {reason}")),
            Err(_) => {
                Err(format!("{zone} is not the name of a time zone; such as Europe/Riga or UTC"))
            }
        };
        match read {
            Ok(schedule) => {
                meaning.words = sentence(schedule.describe().trim());
                let viewer = Viewer { now, zone: schedule.timezone() };
                let mut at = now;
                for _ in 0..3 {
                    at = schedule.next(at);
                    // The end of the calendar.
                    if at.0 == i64::MAX {
                        break;
                    }
                    meaning.times.push(viewer.day_hour(at));
                }
                meaning.zone = schedule.timezone().name().to_owned();
            }
            Err(reason) => meaning.error = sentence(&reason),
        }
        meaning
    }
}

/// What the address of [`meaning`] asks.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct MeaningQuery {
    cron: String,
    timezone: String,
}

/// `GET /monitors/schedule`: what a cron expression means, for the script to put beside its field.
pub async fn meaning(visit: Visit, PageQuery(query): PageQuery<MeaningQuery>) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    show(&Meaning::of(&query.cron, &query.timezone, visit.viewer.now))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(pairs: &[(&str, &str)]) -> Input {
        Input(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    #[test]
    fn a_schedule_takes_the_place_of_the_other_kind() {
        let both = [
            ("period_seconds", "5"),
            ("period_seconds_unit", "60"),
            ("cron", "5 * * * *"),
            ("timezone", "Europe/Riga"),
            ("method_post", "on"),
        ];
        let period = fields(&input(&both));
        assert_eq!(period["period_seconds"], 300);
        assert_eq!((&period["cron"], &period["timezone"]), (&Value::Null, &Value::Null));
        assert_eq!(period["allowed_methods"], json!(["POST"]));
        assert_eq!(period["max_runtime_seconds"], Value::Null, "an emptied field is taken away");
        let cron = fields(&input(&[&both[..], &[("schedule", "cron")]].concat()));
        assert_eq!(cron["period_seconds"], Value::Null);
        assert_eq!(
            (&cron["cron"], &cron["timezone"]),
            (&json!("5 * * * *"), &json!("Europe/Riga"))
        );
        assert_eq!(fields(&input(&[("schedule", "cron")]))["cron"], "");
    }

    #[test]
    fn a_schedule_is_told_in_words_with_its_next_times() {
        let now = Timestamp::parse_rfc3339("2026-11-17T13:32:10Z").unwrap();
        let meaning = Meaning::of("30 4 * * *", "Europe/Berlin", now);
        assert_eq!(meaning.times, ["Wed 18 Nov, 04:30", "Thu 19 Nov, 04:30", "Fri 20 Nov, 04:30"]);
        assert!(meaning.words.contains("04:30"), "{}", meaning.words);
        assert!(meaning.error.is_empty());
        let wrong = Meaning::of("61 * * * *", "Europe/Berlin", now);
        assert!(wrong.error.contains("cron expression") && wrong.times.is_empty());
        assert!(Meaning::of("* * * * *", "Mars/Olympus", now).error.contains("Mars/Olympus"));
        assert!(Meaning::of(" ", "", now).words.is_empty());
    }

    /// As docs/heartbeats.md has it.
    #[test]
    fn the_next_times_are_right_where_the_clock_changes() {
        let from = |text: &str| Timestamp::parse_rfc3339(text).unwrap();
        let times = |cron: &str, now| Meaning::of(cron, "Europe/Berlin", now).times;
        let spring = times("30 2 * * *", from("2026-03-28T12:00:00Z"));
        assert_eq!(spring, ["Sun 29 Mar, 03:00", "Mon 30 Mar, 02:30", "Tue 31 Mar, 02:30"]);
        let autumn = times("30 2 * * *", from("2026-10-24T12:00:00Z"));
        assert_eq!(autumn, ["Sun 25 Oct, 02:30", "Mon 26 Oct, 02:30", "Tue 27 Oct, 02:30"]);
        let wild = times("30 * * * *", from("2026-10-25T00:00:00Z"));
        assert_eq!(wild, ["Sun 25 Oct, 02:30", "Sun 25 Oct, 02:30", "Sun 25 Oct, 03:30"]);
    }

    #[test]
    fn folds_say_their_values() {
        let viewer = Viewer::new(Timestamp(0), None);
        let words = FoldWords::of(&new_values(viewer));
        assert_eq!((words.max_runtime.as_str(), words.methods.as_str()), ("No limit", "All"));
        let form = amount(new_values(viewer), "max_runtime_seconds", Some(1800));
        let words = FoldWords::of(&form.with("method_get", ""));
        assert_eq!(words.max_runtime, "At most 30 min");
        assert_eq!(words.methods, "HEAD, POST");
    }

    #[test]
    fn spans_are_shown_in_their_largest_unit() {
        for (seconds, amount, unit) in [
            (90, "90", "1"),
            (120, "2", "60"),
            (7200, "2", "3600"),
            (0, "0", "1"),
            (86_400, "1", "86400"),
        ] {
            assert_eq!(in_units(seconds), (amount.to_owned(), unit.to_owned()));
        }
    }

    #[test]
    fn zones_are_places() {
        let zones = zones();
        assert!(zones.contains(&"Europe/Riga") && zones.contains(&"UTC"));
        assert!(!zones.contains(&"EST") && !zones.contains(&"Etc/GMT+5"));
    }
}
