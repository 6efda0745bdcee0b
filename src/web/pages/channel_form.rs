//! The form of a channel: its kind, and what the table of its fields asks for.

use actix_web::http::StatusCode;
use actix_web::web;
use serde_json::{Map, Value, json};

use super::actions::InlineResult;
use super::channels::{find, told, with_panel};
use super::error::{Page, PageError, show};
use super::form::{Form, Input, Shape};
use super::visit::{Visit, see_other};
use crate::account::Permission;
use crate::fields::FieldErrors;
use crate::incident::message::{AlertEvent, Message};
use crate::notify::channel::Method;
use crate::notify::channel::field::{self, Field};
use crate::notify::{Channel, ChannelSettings, ChannelType};
use crate::store::{Conn, channels, deliveries};

const COMMON: [(&str, Shape); 3] =
    [("name", Shape::Text), ("enabled", Shape::Flag), ("is_default", Shape::Flag)];

/// How the text of a field becomes JSON.
pub(super) fn shape(field: &Field) -> Shape {
    match field.shape {
        field::Shape::Addresses => Shape::Words,
        field::Shape::Headers => Shape::Headers,
        field::Shape::Template => Shape::Verbatim,
        field::Shape::Number => Shape::Number,
        _ => Shape::Text,
    }
}

/// A setting of the kind, as the form asks for it.
pub struct Question {
    /// The setting.
    pub field: &'static Field,
    /// It is the first thing to fill in.
    is_first: bool,
}

impl Question {
    /// The attributes of its input. All that stands in them comes from the table of fields, nothing from a request.
    pub fn attributes(&self) -> String {
        let field = self.field;
        let mut words = String::from("autocomplete=\"off\" spellcheck=\"false\"");
        if field.secret || field.shape == field::Shape::Url {
            words.push_str(" class=\"mono\"");
        }
        if !field.example.is_empty() {
            words.push_str(&format!(" placeholder=\"{}\"", field.example));
        }
        if field.required {
            words.push_str(" required");
        }
        if self.is_first {
            words.push_str(" autofocus");
        }
        words
    }

    /// What stands under it.
    pub fn help(&self) -> &'static str {
        match self.field.help {
            "" if self.field.secret => "A secret: once saved it reads back as ***.",
            help => help,
        }
    }

    /// The words to choose from; none where any may be given.
    pub fn choices(&self) -> Vec<&'static str> {
        match self.field.shape {
            field::Shape::Word(words) => words.to_vec(),
            field::Shape::Method => Method::ALL.iter().map(|method| method.as_str()).collect(),
            _ => Vec::new(),
        }
    }

    /// How many lines it has; none for a single one.
    pub fn rows(&self) -> Option<u8> {
        match self.field.shape {
            field::Shape::Headers => Some(3),
            field::Shape::Template => Some(5),
            _ => None,
        }
    }
}

/// The form beside the list of channels.
pub struct Panel {
    /// Of the channel that is changed; `None` for a new one.
    pub id: Option<i64>,
    /// Its kind.
    pub kind: ChannelType,
    /// Its fields.
    pub form: Form,
    /// Whether mail can be sent at all.
    pub has_mail: bool,
    /// What an alert looks like.
    pub example: Message,
    /// What came of the test that was just sent.
    pub result: Option<InlineResult>,
}

impl Panel {
    /// What it is for.
    pub fn title(&self) -> String {
        match self.id {
            Some(_) => format!("Edit {}", self.form.value("name")),
            None => "Add a channel".to_owned(),
        }
    }

    /// Where the form goes.
    pub fn action(&self) -> String {
        match self.id {
            Some(id) => format!("/channels/{id}"),
            None => format!("/channels/new/{}", self.kind),
        }
    }

    /// The settings that are folded away, or the others.
    pub fn questions(&self, folded: bool) -> Vec<Question> {
        let fields = self.kind.about().fields.iter().filter(|field| field.folded == folded);
        let question = |(n, field)| Question { field, is_first: n == 0 && !folded };
        fields.enumerate().map(question).collect()
    }

    /// What the fold holds, so that it need not be opened to be known.
    pub fn folded_words(&self) -> String {
        let words = |question: Question| {
            let (label, value) = (question.field.label, self.form.value(question.field.name));
            match value {
                "" => format!("no {}", label.to_lowercase()),
                value if !question.choices().is_empty() => value.to_owned(),
                value if Some(value) == question.field.default => {
                    format!("usual {}", label.to_lowercase())
                }
                _ => format!("own {}", label.to_lowercase()),
            }
        };
        self.questions(true).into_iter().map(words).collect::<Vec<_>>().join(", ")
    }

    /// Whether something in the fold is wrong, so that it must be open.
    pub fn is_unfolded(&self) -> bool {
        self.questions(true).iter().any(|q| !self.form.error(q.field.name).is_empty())
    }
}

async fn show_form(
    visit: &Visit,
    status: StatusCode,
    id: Option<i64>,
    kind: ChannelType,
    form: Form,
    result: Option<InlineResult>,
) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let has_mail = visit.state.has_mail();
    let mut reader = visit.state.db.read().await?;
    let example = example(&mut reader.conn()).await?;
    drop(reader);
    with_panel(visit, status, Panel { id, kind, form, has_mail, example, result }).await
}

/// The words of the latest outage that was told, or, before there was one, of one that might be.
async fn example(conn: &mut Conn<'_>) -> crate::store::Result<Message> {
    if let Some(id) = deliveries::newest(conn, AlertEvent::MonitorDown).await?
        && let Some(Ok(alert)) = deliveries::alert(conn, id).await?
    {
        return Ok(alert.message);
    }
    Ok(Message {
        sign: "🔴".to_owned(),
        subject: "yourapp.com/health".to_owned(),
        predicate: "is DOWN".to_owned(),
        lines: vec![
            "Status: 503 | checks.database: error: FATAL: remaining connection slots reserved"
                .to_owned(),
            "Duration: 1m 12s".to_owned(),
        ],
    })
}

/// `GET /channels/new/{kind}`.
pub async fn new_page(visit: Visit, kind: web::Path<String>) -> Page {
    let kind = kind.parse().map_err(|_| PageError::no_such("kind of channel"))?;
    let kind: ChannelType = kind;
    let form = Form::of([("enabled", "on".to_owned()), ("is_default", "on".to_owned())]);
    let defaults = kind.about().fields.iter().filter_map(|f| Some((f.name, f.default?)));
    let form = defaults.fold(form, |form, (name, value)| form.with(name, value));
    show_form(&visit, StatusCode::OK, None, kind, form, None).await
}

/// `GET /channels/{id}`.
pub async fn edit_page(visit: Visit, id: web::Path<i64>) -> Page {
    let channel = find(&visit, *id).await?;
    show_form(&visit, StatusCode::OK, Some(*id), channel.kind(), form_of(&channel), None).await
}

/// The form of a channel as it is: secrets are masked, and a mask that comes back keeps them.
fn form_of(channel: &Channel) -> Form {
    let flag = |on: bool| if on { "on" } else { "" };
    let settings = &channel.settings;
    let form = Form::default()
        .with("name", settings.name.clone())
        .with("enabled", flag(settings.enabled))
        .with("is_default", flag(settings.is_default));
    settings
        .config
        .shown()
        .iter()
        .fold(form, |form, (name, value)| form.with(name, field_text(value)))
}

/// A value as its field holds it.
fn field_text(value: &Value) -> String {
    match value {
        Value::String(text) => text.clone(),
        Value::Array(items) => {
            items.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(", ")
        }
        Value::Object(headers) => headers
            .iter()
            .map(|(name, value)| format!("{name}: {}", value.as_str().unwrap_or_default()))
            .collect::<Vec<_>>()
            .join("\n"),
        Value::Number(number) => number.to_string(),
        _ => String::new(),
    }
}

fn fields(input: &Input, kind: ChannelType) -> Map<String, Value> {
    let mut map = input.to_json(&COMMON);
    let shapes: Vec<_> = kind.about().fields.iter().map(|f| (f.name, shape(f))).collect();
    map.append(&mut input.to_json(&shapes));
    map.insert("type".to_owned(), json!(kind));
    map
}

async fn refused(
    visit: &Visit,
    id: Option<i64>,
    kind: ChannelType,
    input: &Input,
    errors: &FieldErrors,
) -> Page {
    let fields = kind.about().fields.iter().map(|field| (field.name, field.label));
    let labels: Vec<_> = fields.chain([("name", "The name"), ("type", "The kind")]).collect();
    let form = Form::refused(input, errors, &labels);
    show_form(visit, StatusCode::UNPROCESSABLE_ENTITY, id, kind, form, None).await
}

/// `POST /channels/new/{kind}/try`: sends a test by what the form holds, without saving it.
pub async fn try_new(visit: Visit, kind: web::Path<String>, input: Input) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let kind = kind.parse().map_err(|_| PageError::no_such("kind of channel"))?;
    try_out(&visit, None, kind, &input).await
}

/// `POST /channels/{id}/try`: the same for the changed form of a channel.
pub async fn try_edit(visit: Visit, id: web::Path<i64>, input: Input) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let channel = find(&visit, *id).await?;
    try_out(&visit, Some(&channel), channel.kind(), &input).await
}

async fn try_out(
    visit: &Visit,
    stored: Option<&Channel>,
    kind: ChannelType,
    input: &Input,
) -> Page {
    let (map, has_smtp) = (fields(input, kind), visit.state.has_mail());
    let id = stored.map(|channel| channel.id);
    let result = match ChannelSettings::read(&map, stored.map(|c| &c.settings), has_smtp) {
        Ok(settings) => told(&visit.state.outbox.try_out(&settings).await),
        Err(errors) if visit.wants_part => {
            let label = |name: &str| {
                let fields = kind.about().fields.iter();
                let named = fields.clone().find(|field| field.name == name);
                named.map_or("The kind", |field| field.label)
            };
            let wrong = errors.0.iter().map(|(name, reason)| format!("{} {reason}", label(name)));
            InlineResult::failed(&wrong.collect::<Vec<_>>().join("; "))
        }
        Err(errors) => return refused(visit, id, kind, input, &errors).await,
    };
    if visit.wants_part {
        return show(&result);
    }
    let form = Form::refused(input, &FieldErrors::default(), &[]);
    show_form(visit, StatusCode::OK, id, kind, form, Some(result)).await
}

/// `POST /channels/new/{kind}`.
pub async fn create(visit: Visit, kind: web::Path<String>, input: Input) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let kind = kind.parse().map_err(|_| PageError::no_such("kind of channel"))?;
    let has_smtp = visit.state.has_mail();
    let settings = match ChannelSettings::read(&fields(&input, kind), None, has_smtp) {
        Ok(settings) => settings,
        Err(errors) => return refused(&visit, None, kind, &input, &errors).await,
    };
    let mut tx = visit.state.db.begin().await?;
    channels::insert(&mut tx.conn(), &visit.state.sealer, settings, visit.viewer.now).await?;
    tx.commit().await?;
    Ok(see_other("/channels"))
}

/// `POST /channels/{id}`.
pub async fn update(visit: Visit, id: web::Path<i64>, input: Input) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    // Read in the transaction that writes, so that of two changes at once none is lost.
    let mut tx = visit.state.db.begin().await?;
    let found = channels::get(&mut tx.conn(), &visit.state.sealer, *id).await?;
    let channel = found.ok_or_else(|| PageError::no_such("channel"))?;
    let map = fields(&input, channel.kind());
    match ChannelSettings::read(&map, Some(&channel.settings), visit.state.has_mail()) {
        Ok(settings) => {
            channels::update(&mut tx.conn(), &visit.state.sealer, *id, &settings).await?;
            tx.commit().await?;
            Ok(see_other("/channels"))
        }
        Err(errors) => {
            drop(tx);
            refused(&visit, Some(*id), channel.kind(), &input, &errors).await
        }
    }
}
