//! The form of a monitor: one field makes one, everything else is folded and says its value.

use actix_web::http::StatusCode;
use actix_web::web;
use askama::Template;
use serde::Deserialize;
use serde_json::Map;

use super::assertion_rows::{self, OPS, Row, SOURCES};
use super::error::{Page, PageError, show_as};
use super::form::{Form, Input};
use super::form_draft::{self, Filled, fields, plain_words_of, settings_of};
use super::form_ticks::{Choice, Ticks};
use super::heartbeat_form::{FoldWords, Meaning, zones};
use super::kinds::{self, kind_of_pasted, url};
use super::live_test::LiveTest;
use super::monitor_fields::{LABELS, form_of, new_form};
use super::new_channel::{self, NewKind};
use super::query::PageQuery;
use super::regions::RegionChoice;
use super::status::Shown;
use super::text::{Html, plural};
use super::visit::{Shell, Visit, see_other};
use crate::account::Permission;
use crate::checker::EngineError;
use crate::fields::FieldErrors;
use crate::incident::message::one_line;
use crate::monitor::{Kind, RecordKind};
use crate::store::{Conn, channels, escalation_policies, monitors};
use crate::web::error::ApiError;

/// The intervals that a press chooses.
pub const INTERVALS: [(u32, &str); 5] =
    [(15, "15 s"), (30, "30 s"), (60, "1 min"), (300, "5 min"), (900, "15 min")];

/// Escalation policies to choose from at most.
const POLICIES: i64 = 500;

#[derive(Template)]
#[template(path = "pages/monitor_form.html")]
struct FormPage {
    shell: Shell,
    id: Option<i64>,
    kind: Kind,
    form: Form,
    channels: Vec<Choice>,
    policies: Vec<(i64, String)>,
    assertions: Vec<Row>,
    events: Vec<(&'static str, &'static str, bool)>,
    /// The other monitors, those that it depends on marked.
    others: Vec<Choice>,
    known_tags: Vec<String>,
    regions: RegionChoice,
    folds: FoldWords,
    zones: Vec<&'static str>,
    meaning: String,
    new_kinds: Vec<NewKind>,
    test: Option<LiveTest>,
    plain_words: Option<Html>,
}

impl FormPage {
    fn intervals(&self) -> &'static [(u32, &'static str)] {
        &INTERVALS
    }

    fn interval_is(&self, seconds: u32) -> bool {
        self.form.is("interval_choice", "", &seconds)
    }

    /// The kinds to choose from: which, its name, what it does.
    fn kinds(&self) -> impl Iterator<Item = (Kind, &'static str, &'static str)> {
        Kind::ALL.iter().map(|kind| {
            let (name, does) = kinds::words(kind);
            (*kind, name, does)
        })
    }

    fn is_checked(&self) -> bool {
        self.kind != Kind::Heartbeat
    }

    fn noun(&self) -> &'static str {
        noun(self.kind)
    }

    fn reach(&self) -> Option<&(Shown, String)> {
        self.test.as_ref().and_then(LiveTest::reach)
    }

    fn adds_channel(&self) -> bool {
        self.new_kinds.iter().any(|new| new.is_open)
    }

    fn record_kinds(&self) -> &'static [RecordKind] {
        kinds::record_kinds()
    }

    fn record_is(&self, kind: &RecordKind) -> bool {
        self.form.value("record_type") == kind.as_str()
    }

    fn limit_words(&self) -> String {
        let timeout = format!("{} s timeout", self.form.value("timeout_seconds"));
        match self.form.value("degraded_after_ms") {
            "" => timeout,
            ms => format!("{timeout}, slow over {ms} ms"),
        }
    }

    fn answer_words(&self) -> String {
        let expected = match self.form.value("expected_value") {
            "" => "Any record".to_owned(),
            value => value.to_owned(),
        };
        match self.form.value("resolver") {
            "" => format!("{expected}, from the system's servers"),
            server => format!("{expected}, from {server}"),
        }
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
        let assertions = self.assertions.iter().filter(|row| !row.is_empty()).count();
        if assertions > 0 {
            words.push(plural(assertions, "assertion"));
        }
        if self.form.has("degraded_after_ms") {
            words.push(format!("slow over {} ms", self.form.value("degraded_after_ms")));
        }
        words.join(", ")
    }

    fn certificate_words(&self) -> String {
        let verify =
            if self.form.has("verify_tls") { "Must be valid" } else { "Need not be valid" };
        match self.form.value("tls_expiry_days") {
            "" => format!("{verify}, no warning"),
            days => format!("{verify}, warn {days} days before its end"),
        }
    }

    /// Whether a row says itself what is wrong with the assertions.
    fn a_row_is_wrong(&self) -> bool {
        self.assertions.iter().any(|row| !row.error.is_empty())
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

    fn dependency_words(&self) -> String {
        let on: Vec<&str> = self
            .others
            .iter()
            .filter(|other| other.is_on)
            .map(|other| other.name.as_str())
            .collect();
        if on.is_empty() { "Nothing".to_owned() } else { on.join(", ") }
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
    /// The monitor that a copy is made of.
    from: Option<i64>,
}

/// What a monitor of the kind is called where it is made.
fn noun(kind: Kind) -> &'static str {
    if kind == Kind::Heartbeat { "heartbeat" } else { "monitor" }
}

/// The whole form.
///
/// # Errors
/// When the database fails.
pub async fn show_form(
    visit: &Visit,
    conn: &mut Conn<'_>,
    status: StatusCode,
    id: Option<i64>,
    kind: Kind,
    filled: Filled,
) -> Page {
    let Filled { form, ticks, test, refused_channel } = filled;
    let defaults = channels::defaults(conn).await?;
    let chosen = ticks.channels.as_ref().unwrap_or(&defaults);
    let names = channels::enabled_names(conn).await?;
    let policies = escalation_policies::list(conn, POLICIES, 0).await?;
    let channels: Vec<Choice> = names
        .into_iter()
        .map(|(id, name)| Choice { is_on: chosen.contains(&id), id, name })
        .collect();
    let plain_words = plain_words_of(visit, conn, kind, &form, &ticks, &channels).await?;
    let has_mail = visit.state.has_mail();
    let new_kinds = new_channel::kinds(&form, refused_channel.as_ref(), has_mail);
    let mut words = vec![("down", "goes down"), ("up", "recovers"), ("degraded", "is slow")];
    if kind.has_certificate() {
        words.push(("certificate", "has a certificate that ends soon"));
    }
    let is_on = |word: &str| ticks.events.iter().any(|event| event == word);
    let events = words.into_iter().map(|(word, text)| (word, text, is_on(word))).collect();
    let names = monitors::names(conn).await?;
    let others = names
        .into_iter()
        .filter(|(other, _)| Some(*other) != id)
        .map(|(id, name)| Choice { is_on: ticks.depends_on.contains(&id), id, name })
        .collect();
    let title = match (id, kind) {
        (Some(_), _) => format!("Edit {}", form.value("name")),
        (None, kind) => format!("New {}", noun(kind)),
    };
    let is_heartbeat = kind == Kind::Heartbeat;
    let meaning =
        Meaning::of(form.value("cron"), form.value("timezone"), visit.viewer.now).render();
    let page = FormPage {
        folds: FoldWords::of(&form),
        zones: if is_heartbeat { zones() } else { Vec::new() },
        meaning: meaning.map_err(ApiError::internal)?,
        shell: visit.shell("monitors", &title).await?,
        id,
        kind,
        form,
        channels,
        policies: policies.into_iter().map(|policy| (policy.id, one_line(&policy.name))).collect(),
        assertions: assertion_rows::with_empty(ticks.assertions),
        events,
        others,
        known_tags: monitors::tags(conn).await?,
        regions: RegionChoice::of(conn, &visit.state.region, &ticks.regions).await?,
        new_kinds,
        test,
        plain_words,
    };
    show_as(status, &page)
}

/// `GET /monitors/new`.
pub async fn new_page(visit: Visit, PageQuery(query): PageQuery<NewQuery>) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let mut reader = visit.state.db.read().await?;
    let conn = &mut reader.conn();
    if let Some(from) = query.from {
        let (settings, kind) = settings_of(&visit, conn, from).await?;
        let form = form_of(&settings, visit.viewer)
            .with("name", format!("Copy of {}", settings.name))
            .with("from", from.to_string());
        let filled = Filled::new(form, Ticks::of(&settings));
        return show_form(&visit, conn, StatusCode::OK, None, kind, filled).await;
    }
    let kind = query.kind.parse().unwrap_or_else(|_| kind_of_pasted(&query.url));
    let form = new_form(kind, &query.url, visit.viewer);
    show_form(&visit, conn, StatusCode::OK, None, kind, Filled::new(form, Ticks::all())).await
}

/// `GET /monitors/{id}/edit`.
pub async fn edit_page(visit: Visit, id: web::Path<i64>) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let mut reader = visit.state.db.read().await?;
    let conn = &mut reader.conn();
    let (settings, kind) = settings_of(&visit, conn, *id).await?;
    let form = form_of(&settings, visit.viewer);
    let filled = Filled::new(form, Ticks::of(&settings));
    show_form(&visit, conn, StatusCode::OK, Some(*id), kind, filled).await
}

/// `POST /monitors`.
pub async fn create(visit: Visit, mut input: Input) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    if !input.get("quick").is_empty() {
        return create_quickly(&visit, &input).await;
    }
    let kind = input.get("type").parse().unwrap_or(Kind::Http);
    if let Some(answer) = form_draft::pressed(&visit, None, kind, &mut input).await? {
        return Ok(answer);
    }
    let mut reader = visit.state.db.read().await?;
    let map = fields(&visit, &mut reader.conn(), kind, &input).await?;
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
    let kind = kind_of_pasted(input.get("url"));
    map.insert("url".to_owned(), url(kind, input));
    match visit.state.engine.create_monitor(kind, map).await {
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
pub async fn update(visit: Visit, id: web::Path<i64>, mut input: Input) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let mut reader = visit.state.db.read().await?;
    let found = monitors::by_ids(&mut reader.conn(), &[*id]).await?;
    drop(reader);
    let kind = found.first().ok_or_else(|| PageError::no_such("monitor"))?.monitor.kind();
    if let Some(answer) = form_draft::pressed(&visit, Some(*id), kind, &mut input).await? {
        return Ok(answer);
    }
    let mut reader = visit.state.db.read().await?;
    let map = fields(&visit, &mut reader.conn(), kind, &input).await?;
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
    let form = form_draft::refused(kind, input, errors);
    let (status, filled) =
        (StatusCode::UNPROCESSABLE_ENTITY, Filled::new(form, Ticks::posted(input)));
    show_form(visit, &mut reader.conn(), status, id, kind, filled).await
}
