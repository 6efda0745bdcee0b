//! The form of a channel: its kind, and what the table of its fields asks for.

use actix_web::http::StatusCode;
use actix_web::web;
use askama::Template;
use serde_json::{Map, Value, json};

use super::channels::find;
use super::error::{Page, PageError, show_as};
use super::form::{Form, Input, Shape};
use super::visit::{Shell, Visit, see_other};
use crate::account::Permission;
use crate::fields::FieldErrors;
use crate::notify::channel::Method;
use crate::notify::channel::field::{self, Field};
use crate::notify::{Channel, ChannelSettings, ChannelType};
use crate::store::channels;

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
struct Question {
    field: &'static Field,
    /// It is the first thing to fill in.
    is_first: bool,
}

impl Question {
    /// The attributes of its input. All that stands in them comes from the table of fields, nothing from a request.
    fn attributes(&self) -> String {
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

    fn help(&self) -> &'static str {
        match self.field.help {
            "" if self.field.secret => "A secret: once saved it reads back as ***.",
            help => help,
        }
    }

    /// The words to choose from; none where any may be given.
    fn choices(&self) -> Vec<&'static str> {
        match self.field.shape {
            field::Shape::Word(words) => words.to_vec(),
            field::Shape::Method => Method::ALL.iter().map(|method| method.as_str()).collect(),
            _ => Vec::new(),
        }
    }

    /// How many lines it has; none for a single one.
    fn rows(&self) -> Option<u8> {
        match self.field.shape {
            field::Shape::Headers => Some(3),
            field::Shape::Template => Some(5),
            _ => None,
        }
    }
}

#[derive(Template)]
#[template(path = "pages/channel_form.html")]
struct FormPage {
    shell: Shell,
    id: Option<i64>,
    kind: ChannelType,
    form: Form,
    has_mail: bool,
}

impl FormPage {
    fn title(&self) -> String {
        match self.id {
            Some(_) => format!("Edit {}", self.form.value("name")),
            None => "Add a channel".to_owned(),
        }
    }

    fn action(&self) -> String {
        match self.id {
            Some(id) => format!("/channels/{id}"),
            None => format!("/channels/new/{}", self.kind),
        }
    }

    /// The settings that are folded away, or the others.
    fn questions(&self, folded: bool) -> Vec<Question> {
        let fields = self.kind.about().fields.iter().filter(|field| field.folded == folded);
        let question = |(n, field)| Question { field, is_first: n == 0 && !folded };
        fields.enumerate().map(question).collect()
    }

    /// What the fold holds, so that it need not be opened to be known.
    fn folded_words(&self) -> String {
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
    fn is_unfolded(&self) -> bool {
        self.questions(true).iter().any(|q| !self.form.error(q.field.name).is_empty())
    }
}

async fn show_form(
    visit: &Visit,
    status: StatusCode,
    id: Option<i64>,
    kind: ChannelType,
    form: Form,
) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let title = if id.is_some() { "Edit channel" } else { "Add a channel" };
    let shell = visit.shell("channels", title).await?;
    let has_mail = visit.state.has_mail();
    show_as(status, &FormPage { shell, id, kind, form, has_mail })
}

/// `GET /channels/new/{kind}`.
pub async fn new_page(visit: Visit, kind: web::Path<String>) -> Page {
    let kind = kind.parse().map_err(|_| PageError::no_such("kind of channel"))?;
    let kind: ChannelType = kind;
    let form = Form::of([("enabled", "on".to_owned()), ("is_default", "on".to_owned())]);
    let defaults = kind.about().fields.iter().filter_map(|f| Some((f.name, f.default?)));
    let form = defaults.fold(form, |form, (name, value)| form.with(name, value));
    show_form(&visit, StatusCode::OK, None, kind, form).await
}

/// `GET /channels/{id}`.
pub async fn edit_page(visit: Visit, id: web::Path<i64>) -> Page {
    let channel = find(&visit, *id).await?;
    show_form(&visit, StatusCode::OK, Some(*id), channel.kind(), form_of(&channel)).await
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
    show_form(visit, StatusCode::UNPROCESSABLE_ENTITY, id, kind, form).await
}

/// `POST /channels/new/{kind}`.
pub async fn create(
    visit: Visit,
    kind: web::Path<String>,
    input: web::Form<Vec<(String, String)>>,
) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let kind = kind.parse().map_err(|_| PageError::no_such("kind of channel"))?;
    let input = Input(input.into_inner());
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
pub async fn update(
    visit: Visit,
    id: web::Path<i64>,
    input: web::Form<Vec<(String, String)>>,
) -> Page {
    visit.must_be_allowed(Permission::Edit)?;
    let input = Input(input.into_inner());
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
