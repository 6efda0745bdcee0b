//! The form of a monitor: one field makes one, everything else is folded and says its value.

use actix_web::http::StatusCode;
use actix_web::web;
use askama::Template;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::error::{Page, PageError, show_as};
use super::form::{Form, Input, Shape};
use super::text::plural;
use super::visit::{Shell, Visit, see_other};
use crate::account::Permission;
use crate::checker::EngineError;
use crate::fields::FieldErrors;
use crate::monitor::spec::SECRET_MASK;
use crate::monitor::{Header, HeartbeatSpec, HttpSpec, Kind, NotifyOn, Settings, Target};
use crate::store::{Conn, channels, monitors};

/// The intervals that a press chooses.
const INTERVALS: [(u32, &str); 5] =
    [(15, "15 s"), (30, "30 s"), (60, "1 min"), (300, "5 min"), (900, "15 min")];

const COMMON: [(&str, Shape); 4] = [
    ("name", Shape::Text),
    ("tags", Shape::Words),
    ("channel_ids", Shape::Ids),
    ("notify_on", Shape::Choices),
];
const HTTP: [(&str, Shape); 15] = [
    ("url", Shape::Text),
    ("method", Shape::Text),
    ("headers", Shape::Headers),
    ("body", Shape::Verbatim),
    ("check_interval_seconds", Shape::Number),
    ("timeout_seconds", Shape::Number),
    ("expected_status", Shape::Text),
    ("keyword", Shape::Text),
    ("keyword_absent", Shape::Text),
    ("degraded_after_ms", Shape::Number),
    ("follow_redirects", Shape::Flag),
    ("verify_tls", Shape::Flag),
    ("retries", Shape::Number),
    ("retry_interval_seconds", Shape::Number),
    ("recovery_checks", Shape::Number),
];
const HEARTBEAT: [(&str, Shape); 2] =
    [("period_seconds", Shape::Seconds), ("grace_seconds", Shape::Seconds)];

const LABELS: [(&str, &str); 20] = [
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
    ("degraded_after_ms", "The limit in ms"),
    ("retries", "The number of re-checks"),
    ("retry_interval_seconds", "The time before a re-check in seconds"),
    ("recovery_checks", "The number of good checks"),
    ("period_seconds", "The period in seconds"),
    ("grace_seconds", "The grace in seconds"),
    ("type", "The type"),
];

/// A channel to tick.
pub struct Choice {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Whether it is ticked.
    pub is_on: bool,
}

#[derive(Template)]
#[template(path = "pages/monitor_form.html")]
struct FormPage {
    shell: Shell,
    id: Option<i64>,
    kind: Kind,
    form: Form,
    channels: Vec<Choice>,
    events: Vec<(&'static str, &'static str, bool)>,
    known_tags: Vec<String>,
}

impl FormPage {
    fn intervals(&self) -> &'static [(u32, &'static str)] {
        &INTERVALS
    }

    fn interval_is(&self, seconds: u32) -> bool {
        self.form.is("interval_choice", "", &seconds)
    }

    fn action(&self) -> String {
        self.id.map_or_else(|| "/monitors".to_owned(), |id| format!("/monitors/{id}"))
    }

    fn request_words(&self) -> String {
        let headers = self.form.value("headers").lines().filter(|l| !l.trim().is_empty()).count();
        let headers =
            if headers == 0 { "no extra headers".to_owned() } else { plural(headers, "header") };
        format!(
            "{}, {headers}, {} s timeout",
            self.form.value("method"),
            self.form.value("timeout_seconds")
        )
    }

    fn verdict_words(&self) -> String {
        let mut words = vec![format!("Status {}", self.form.value("expected_status"))];
        if self.form.has("keyword") || self.form.has("keyword_absent") {
            words.push("body text".to_owned());
        }
        if self.form.has("degraded_after_ms") {
            words.push(format!("slow over {} ms", self.form.value("degraded_after_ms")));
        }
        words.join(", ")
    }

    fn confirmation_words(&self) -> String {
        match self.form.value("retries") {
            "0" => "Down at the first failure".to_owned(),
            "1" => format!(
                "Down after 1 more failure, {} s later",
                self.form.value("retry_interval_seconds")
            ),
            n => format!(
                "Down after {n} failed re-checks, {} s apart",
                self.form.value("retry_interval_seconds")
            ),
        }
    }

    fn event_words(&self) -> String {
        let on: Vec<&str> = self.events.iter().filter(|e| e.2).map(|e| e.1).collect();
        if on.is_empty() { "Nothing".to_owned() } else { on.join(", ") }
    }
}

/// What the address of the form says.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub struct NewQuery {
    #[serde(rename = "type")]
    kind: String,
    url: String,
}

fn http_form(settings: &Settings, spec: &HttpSpec) -> Form {
    let number = |n: Option<u32>| n.map_or_else(String::new, |n| n.to_string());
    let is_usual = INTERVALS.iter().any(|(s, _)| *s == spec.check_interval_seconds);
    let choice =
        if is_usual { spec.check_interval_seconds.to_string() } else { "other".to_owned() };
    let flag = |on: bool| if on { "on".to_owned() } else { String::new() };
    common(
        settings,
        Form::of([
            ("url", spec.url.to_string()),
            ("method", spec.method.clone()),
            ("headers", header_lines(&spec.headers)),
            ("body", spec.body.clone().unwrap_or_default()),
            ("interval_choice", choice),
            ("check_interval_seconds", spec.check_interval_seconds.to_string()),
            ("timeout_seconds", spec.timeout_seconds.to_string()),
            ("expected_status", spec.expected_status.to_string()),
            ("keyword", spec.keyword.clone().unwrap_or_default()),
            ("keyword_absent", spec.keyword_absent.clone().unwrap_or_default()),
            ("degraded_after_ms", number(spec.degraded_after_ms)),
            ("follow_redirects", flag(spec.follow_redirects)),
            ("verify_tls", flag(spec.verify_tls)),
            ("retries", spec.retries.to_string()),
            ("retry_interval_seconds", spec.retry_interval_seconds.to_string()),
            ("recovery_checks", spec.recovery_checks.to_string()),
        ]),
    )
}

/// Secrets are not sent to the browser; the mask that is sent back keeps them.
fn header_lines(headers: &[Header]) -> String {
    let line = |h: &Header| {
        format!("{}: {}", h.name, if h.is_secret() { SECRET_MASK } else { h.value.as_str() })
    };
    headers.iter().map(line).collect::<Vec<_>>().join("\n")
}

fn heartbeat_form(settings: &Settings, spec: HeartbeatSpec) -> Form {
    let (period, period_unit) = in_units(spec.period_seconds);
    let (grace, grace_unit) = in_units(spec.grace_seconds);
    common(
        settings,
        Form::of([
            ("period_seconds", period),
            ("period_seconds_unit", period_unit),
            ("grace_seconds", grace),
            ("grace_seconds_unit", grace_unit),
        ]),
    )
}

/// Seconds in the largest unit that divides them.
fn in_units(seconds: u32) -> (String, String) {
    let unit =
        super::UNITS.iter().rev().find(|(unit, _)| seconds > 0 && seconds.is_multiple_of(*unit));
    let unit = unit.map_or(1, |(unit, _)| *unit);
    ((seconds / unit).to_string(), unit.to_string())
}

fn common(settings: &Settings, form: Form) -> Form {
    form.with("name", settings.name.clone()).with("tags", settings.tags.join(", "))
}

fn new_form(kind: Kind, url: &str) -> Form {
    let form = match kind {
        Kind::Http => Form::of([
            ("url", url.to_owned()),
            ("method", "GET".to_owned()),
            ("interval_choice", "60".to_owned()),
            ("timeout_seconds", "10".to_owned()),
            ("expected_status", "200-299".to_owned()),
            ("follow_redirects", "on".to_owned()),
            ("verify_tls", "on".to_owned()),
            ("retries", "1".to_owned()),
            ("retry_interval_seconds", "5".to_owned()),
            ("recovery_checks", "1".to_owned()),
        ]),
        Kind::Heartbeat => Form::of([
            ("period_seconds", "1".to_owned()),
            ("period_seconds_unit", "3600".to_owned()),
            ("grace_seconds_unit", "60".to_owned()),
        ]),
    };
    form.with("channels_shown", "1")
}

struct Ticks {
    channels: Option<Vec<i64>>,
    events: Vec<String>,
}

impl Ticks {
    fn of(settings: &Settings) -> Self {
        let events = settings.notify_on.iter().map(ToString::to_string).collect();
        Self { channels: settings.channel_ids.clone(), events }
    }

    fn posted(input: &Input) -> Self {
        let channels = input.all("channel_ids").filter_map(|id| id.parse().ok()).collect();
        Self {
            channels: Some(channels),
            events: input.all("notify_on").map(str::to_owned).collect(),
        }
    }

    fn all() -> Self {
        Self { channels: None, events: NotifyOn::ALL.iter().map(ToString::to_string).collect() }
    }
}

async fn show_form(
    visit: &Visit,
    conn: &mut Conn<'_>,
    status: StatusCode,
    id: Option<i64>,
    kind: Kind,
    form: Form,
    ticks: Ticks,
) -> Page {
    let defaults = channels::defaults(conn).await?;
    let chosen = ticks.channels.as_ref().unwrap_or(&defaults);
    let names = channels::enabled_names(conn).await?;
    let channels = names
        .into_iter()
        .map(|(id, name)| Choice { is_on: chosen.contains(&id), id, name })
        .collect();
    let words = [("down", "goes down"), ("up", "recovers"), ("degraded", "is slow")];
    let events = words.map(|(word, text)| (word, text, ticks.events.iter().any(|e| e == word)));
    let title = match (id, kind) {
        (Some(_), _) => format!("Edit {}", form.value("name")),
        (None, Kind::Http) => "New monitor".to_owned(),
        (None, Kind::Heartbeat) => "New heartbeat".to_owned(),
    };
    let page = FormPage {
        shell: visit.shell("monitors", &title).await?,
        id,
        kind,
        form,
        channels,
        events: events.to_vec(),
        known_tags: monitors::tags(conn).await?,
    };
    show_as(status, &page)
}

/// `GET /monitors/new`.
pub async fn new_page(visit: Visit, query: web::Query<NewQuery>) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let kind = query.kind.parse().unwrap_or(Kind::Http);
    let mut reader = visit.state.db.read().await?;
    let form = new_form(kind, &query.url);
    show_form(&visit, &mut reader.conn(), StatusCode::OK, None, kind, form, Ticks::all()).await
}

/// `GET /monitors/{id}/edit`.
pub async fn edit_page(visit: Visit, id: web::Path<i64>) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let mut reader = visit.state.db.read().await?;
    let conn = &mut reader.conn();
    let found = monitors::get(conn, &visit.state.sealer, *id).await?;
    let monitor = found.ok_or_else(|| PageError::no_such("monitor"))?.monitor;
    let settings = &monitor.settings;
    let form = match &settings.target {
        Target::Http(spec) => http_form(settings, spec),
        Target::Heartbeat(spec) => heartbeat_form(settings, *spec),
    };
    let ticks = Ticks::of(settings);
    show_form(&visit, conn, StatusCode::OK, Some(*id), monitor.kind(), form, ticks).await
}

/// What was posted, as the API would be sent it.
async fn fields(
    conn: &mut Conn<'_>,
    input: &Input,
    kind: Kind,
) -> Result<Map<String, Value>, PageError> {
    let mut map = input.to_json(&COMMON);
    map.append(&mut match kind {
        Kind::Http => input.to_json(&HTTP),
        Kind::Heartbeat => input.to_json(&HEARTBEAT),
    });
    if kind == Kind::Http {
        map.insert("url".to_owned(), with_scheme(input.get("url")));
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

/// People paste hosts; a browser would try https too.
fn with_scheme(url: &str) -> Value {
    match url {
        "" => Value::Null,
        url if url.contains("://") => json!(url),
        url => json!(format!("https://{url}")),
    }
}

/// `POST /monitors`.
pub async fn create(visit: Visit, input: web::Form<Vec<(String, String)>>) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let input = Input(input.into_inner());
    if !input.get("quick").is_empty() {
        return create_quickly(&visit, &input).await;
    }
    let kind = input.get("type").parse().unwrap_or(Kind::Http);
    let mut reader = visit.state.db.read().await?;
    let map = fields(&mut reader.conn(), &input, kind).await?;
    drop(reader);
    match visit.state.engine.create_monitor(kind, map).await {
        Ok(made) => Ok(see_other(&format!("/monitors/{}", made.monitor.id))),
        Err(EngineError::Invalid(errors)) => refused(&visit, None, kind, &input, &errors).await,
        Err(error) => Err(PageError::of_engine(error, "monitor")),
    }
}

/// One field and Enter: everything else is the default.
async fn create_quickly(visit: &Visit, input: &Input) -> Page {
    let mut map = Map::new();
    map.insert("url".to_owned(), with_scheme(input.get("url")));
    match visit.state.engine.create_monitor(Kind::Http, map).await {
        Ok(made) => Ok(see_other(&format!("/monitors/{}", made.monitor.id))),
        Err(EngineError::Invalid(errors)) => {
            let form = Form::refused(input, &errors, &LABELS);
            let reason = form.problems().first().map_or("", |problem| problem.reason);
            super::monitors::empty(visit, input.get("url"), reason).await
        }
        Err(error) => Err(PageError::of_engine(error, "monitor")),
    }
}

/// `POST /monitors/{id}`.
pub async fn update(
    visit: Visit,
    id: web::Path<i64>,
    input: web::Form<Vec<(String, String)>>,
) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let input = Input(input.into_inner());
    let mut reader = visit.state.db.read().await?;
    let conn = &mut reader.conn();
    let found = monitors::by_ids(conn, &[*id]).await?;
    let kind = found.first().ok_or_else(|| PageError::no_such("monitor"))?.monitor.kind();
    let map = fields(conn, &input, kind).await?;
    drop(reader);
    match visit.state.engine.update_monitor(*id, map).await {
        Ok(_) => Ok(see_other(&format!("/monitors/{id}"))),
        Err(EngineError::Invalid(errors)) => {
            refused(&visit, Some(*id), kind, &input, &errors).await
        }
        Err(error) => Err(PageError::of_engine(error, "monitor")),
    }
}

async fn refused(
    visit: &Visit,
    id: Option<i64>,
    kind: Kind,
    input: &Input,
    errors: &FieldErrors,
) -> Page {
    let mut reader = visit.state.db.read().await?;
    let form = Form::refused(input, errors, &LABELS);
    let status = StatusCode::UNPROCESSABLE_ENTITY;
    show_form(visit, &mut reader.conn(), status, id, kind, form, Ticks::posted(input)).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_host_is_tried_with_https() {
        assert_eq!(with_scheme("example.com/health"), json!("https://example.com/health"));
        assert_eq!(with_scheme("http://example.com"), json!("http://example.com"));
        assert_eq!(with_scheme(""), Value::Null);
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
}
