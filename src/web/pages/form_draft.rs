//! A monitor's form that is not saved yet: what its buttons do beside saving. Each answers with the same form, so that all of it
//! works without script; the script takes from that what has changed.

use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::http::StatusCode;
use serde_json::{Map, Value, json};

use super::error::PageError;
use super::form::{Form, Input};
use super::form_ticks::{Choice, Ticks};
use super::live_test::LiveTest;
use super::monitor_fields::{self, LABELS};
use super::monitor_form::show_form;
use super::new_channel;
use super::plain_words;
use super::suggest;
use super::text::Html;
use super::visit::Visit;
use crate::fields::FieldErrors;
use crate::monitor::header::{SECRET_MASK, unmasked_url};
use crate::monitor::spec::parse_url;
use crate::monitor::{Kind, Settings, Target};
use crate::notify::ChannelType;
use crate::store::{Conn, escalation_policies, monitors};

/// A form as it is filled in, and what is found of it.
pub struct Filled {
    /// The values, and what is wrong with them.
    pub form: Form,
    /// What is ticked, and the rows.
    pub ticks: Ticks,
    /// What a live test found.
    pub test: Option<LiveTest>,
    /// The kind of channel that could not be added, and why.
    pub refused_channel: Option<(ChannelType, FieldErrors)>,
}

impl Filled {
    /// A form of which nothing is found yet.
    pub fn new(form: Form, ticks: Ticks) -> Self {
        Self { form, ticks, test: None, refused_channel: None }
    }
}

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Press {
    /// The form as it was posted, with what its schedule means.
    Preview,
    /// The form as it was posted, with all that is wrong with it.
    Review,
    /// The same, with a live test if nothing is.
    Test,
    /// A new channel, ticked.
    AddChannel(ChannelType),
}

fn press(input: &Input) -> Option<Press> {
    let pressed = |name: &str| !input.get(name).is_empty();
    if let Ok(kind) = input.get("add_channel").parse() {
        return Some(Press::AddChannel(kind));
    }
    // A mended value is tried at once.
    match (pressed("test") || pressed("fix"), pressed("review"), pressed("preview")) {
        (true, _, _) => Some(Press::Test),
        (_, true, _) => Some(Press::Review),
        (_, _, true) => Some(Press::Preview),
        _ => None,
    }
}

/// The answer to any button but the one that saves; `None` for that one.
///
/// # Errors
/// When the database fails, or there is no such monitor.
pub async fn pressed(
    visit: &Visit,
    id: Option<i64>,
    kind: Kind,
    input: &mut Input,
) -> Result<Option<HttpResponse>, PageError> {
    input.apply_fix();
    let Some(press) = press(input) else { return Ok(None) };
    if let Press::AddChannel(channel) = press {
        return add_channel(visit, id, kind, channel, input).await.map(Some);
    }
    let mut reader = visit.state.db.read().await?;
    let conn = &mut reader.conn();
    if press == Press::Preview {
        let filled = Filled::new(clean(input), Ticks::posted(input));
        return show_form(visit, conn, StatusCode::OK, id, kind, filled).await.map(Some);
    }
    let read = read(visit, conn, id, kind, input).await?;
    // A test may take long: it must not hold a connection.
    drop(reader);
    let (form, test) = match (&read, press) {
        (Err(errors), Press::Test) => {
            let form = refused(kind, input, errors);
            let reason = format!("{} before there is something to test.", form.problem_count());
            (form, Some(LiveTest::none(&reason)))
        }
        (Err(errors), _) => (refused(kind, input, errors), None),
        (Ok(settings), Press::Test) => (clean(input), Some(live_test(visit, settings).await)),
        (Ok(_), _) => (clean(input), None),
    };
    let mut ticks = Ticks::posted(input);
    let form = match &test {
        Some(test) => test.mark(form, ticks.rows_mut()),
        None => form,
    };
    let mut reader = visit.state.db.read().await?;
    let filled = Filled { test, ..Filled::new(form, ticks) };
    show_form(visit, &mut reader.conn(), StatusCode::OK, id, kind, filled).await.map(Some)
}

async fn live_test(visit: &Visit, settings: &Settings) -> LiveTest {
    match visit.state.trials.run(&visit.who.name, &settings.target).await {
        Ok(look) => LiveTest::of(settings, &look, visit.state.clock.now()),
        Err(why) => LiveTest::refused(why),
    }
}

fn clean(input: &Input) -> Form {
    Form::refused(input, &FieldErrors::default(), &LABELS)
}

/// The form with what is wrong with it, and what was probably meant.
pub fn refused(kind: Kind, input: &Input, errors: &FieldErrors) -> Form {
    let form = Form::refused(input, errors, &LABELS);
    errors.0.keys().fold(form, |form, name| {
        // An amount with a unit beside it is read in that unit.
        let has_unit = form.has(&format!("{name}_unit"));
        let meant = suggest::meant(kind, name, form.value(name)).filter(|_| !has_unit);
        form.with_fix(name, meant)
    })
}

/// What was posted as settings; `id` is the monitor that is edited.
async fn read(
    visit: &Visit,
    conn: &mut Conn<'_>,
    id: Option<i64>,
    kind: Kind,
    input: &Input,
) -> Result<Result<Settings, FieldErrors>, PageError> {
    let map = fields(visit, conn, kind, input).await?;
    let current = match id {
        Some(id) => Some(settings_of(visit, conn, id).await?.0),
        None => None,
    };
    Ok(Settings::read(&map, kind, current.as_ref()))
}

/// The settings of monitor `id`, with its headers, and its kind.
///
/// # Errors
/// When there is none, or the database fails.
pub async fn settings_of(
    visit: &Visit,
    conn: &mut Conn<'_>,
    id: i64,
) -> Result<(Settings, Kind), PageError> {
    let found = monitors::get(conn, &visit.state.sealer, id).await?;
    let monitor = found.ok_or_else(|| PageError::no_such("monitor"))?.monitor;
    let kind = monitor.kind();
    Ok((Arc::unwrap_or_clone(monitor).settings, kind))
}

/// What was posted, as the API would be sent it. The masks of a copy are the secrets of the monitor that it was made from.
///
/// # Errors
/// When the database fails.
pub async fn fields(
    visit: &Visit,
    conn: &mut Conn<'_>,
    kind: Kind,
    input: &Input,
) -> Result<Map<String, Value>, PageError> {
    let mut map = monitor_fields::fields(conn, input, kind).await?;
    let Ok(from) = input.get("from").parse() else { return Ok(map) };
    let Target::Http(spec) = settings_of(visit, conn, from).await?.0.target else { return Ok(map) };
    if let Some(url) = map.get_mut("url") {
        let whole = parse_url(url).and_then(|given| unmasked_url(given, Some(&spec.url)));
        // What is wrong with it is said when the fields are read.
        if let Ok(whole) = whole {
            *url = json!(whole.as_str());
        }
    }
    if let Some(headers) = map.get_mut("headers").and_then(Value::as_object_mut) {
        for (name, value) in headers.iter_mut().filter(|(_, value)| *value == SECRET_MASK) {
            let stored = spec.headers.iter().find(|h| h.name.eq_ignore_ascii_case(name));
            if let Some(header) = stored {
                *value = json!(header.value);
            }
        }
    }
    Ok(map)
}

async fn add_channel(
    visit: &Visit,
    id: Option<i64>,
    kind: Kind,
    channel: ChannelType,
    input: &mut Input,
) -> Result<HttpResponse, PageError> {
    let (status, refused_channel) = match new_channel::add(visit, channel, input).await? {
        Ok(added) => {
            input.0.retain(|(name, _)| !name.starts_with(new_channel::PREFIX));
            input.0.push(("channel_ids".to_owned(), added.to_string()));
            (StatusCode::OK, None)
        }
        Err(errors) => (StatusCode::UNPROCESSABLE_ENTITY, Some((channel, errors))),
    };
    let mut reader = visit.state.db.read().await?;
    let filled = Filled { refused_channel, ..Filled::new(clean(input), Ticks::posted(input)) };
    show_form(visit, &mut reader.conn(), status, id, kind, filled).await
}

/// What the form means as it stands; nothing while it cannot be read.
///
/// # Errors
/// When the database fails.
pub async fn plain_words_of(
    visit: &Visit,
    conn: &mut Conn<'_>,
    kind: Kind,
    form: &Form,
    ticks: &Ticks,
    channels: &[Choice],
) -> Result<Option<Html>, PageError> {
    let mut pairs: Vec<(String, String)> =
        form.values().map(|(name, value)| (name.clone(), value.clone())).collect();
    let many = ["channel_ids", "notify_on", "depends_on", "regions"];
    pairs.retain(|(name, _)| !many.contains(&name.as_str()) && !name.starts_with("assertion_"));
    pairs.extend(ticks.events.iter().map(|event| ("notify_on".to_owned(), event.clone())));
    pairs.extend(ticks.regions.iter().map(|name| ("regions".to_owned(), name.clone())));
    pairs.push(("regions_shown".to_owned(), "1".to_owned()));
    let map = monitor_fields::fields(conn, &Input(pairs), kind).await?;
    let told: Vec<String> = channels.iter().filter(|c| c.is_on).map(|c| c.name.clone()).collect();
    let Ok(settings) = Settings::read(&map, kind, None) else { return Ok(None) };
    let policy = match settings.escalation_policy_id {
        Some(id) => escalation_policies::get(conn, id).await?.map(|policy| policy.name),
        None => None,
    };
    let region = &visit.state.region;
    Ok(Some(plain_words::words(&settings, region, &told, policy.as_deref())))
}
