//! The form of a channel: its kind, one thing to paste, and a test.

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
use crate::notify::{Channel, ChannelSettings, ChannelType};
use crate::store::channels;

const COMMON: [(&str, Shape); 3] =
    [("name", Shape::Text), ("enabled", Shape::Flag), ("is_default", Shape::Flag)];
const LABELS: [(&str, &str); 8] = [
    ("name", "The name"),
    ("type", "The kind"),
    ("to", "The list of addresses"),
    ("url", "The URL"),
    ("secret", "The secret"),
    ("headers", "The list of headers"),
    ("method", "The method"),
    ("template", "The template"),
];

fn shapes(kind: ChannelType) -> &'static [(&'static str, Shape)] {
    match kind {
        ChannelType::Email => &[("to", Shape::Words)],
        ChannelType::Slack => &[("url", Shape::Text)],
        ChannelType::Webhook => &[
            ("url", Shape::Text),
            ("secret", Shape::Text),
            ("headers", Shape::Headers),
            ("method", Shape::Text),
            ("template", Shape::Verbatim),
        ],
    }
}

/// The name of a kind, for people.
pub fn kind_name(kind: ChannelType) -> &'static str {
    match kind {
        ChannelType::Email => "Email",
        ChannelType::Slack => "Slack",
        ChannelType::Webhook => "Webhook",
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

    fn webhook_words(&self) -> String {
        let secret = if self.form.has("secret") { "signed" } else { "not signed" };
        let template = if self.form.has("template") { ", own template" } else { "" };
        format!("{}, {secret}{template}", self.form.value("method"))
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
    let has_mail = visit.state.smtp.is_some();
    show_as(status, &FormPage { shell, id, kind, form, has_mail })
}

/// `GET /channels/new/{kind}`.
pub async fn new_page(visit: Visit, kind: web::Path<String>) -> Page {
    let kind = kind.parse().map_err(|_| PageError::no_such("kind of channel"))?;
    let form = Form::of([
        ("enabled", "on".to_owned()),
        ("is_default", "on".to_owned()),
        ("method", "POST".to_owned()),
    ]);
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
        _ => String::new(),
    }
}

fn fields(input: &Input, kind: ChannelType) -> Map<String, Value> {
    let mut map = input.to_json(&COMMON);
    map.append(&mut input.to_json(shapes(kind)));
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
    let form = Form::refused(input, errors, &LABELS);
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
    let has_smtp = visit.state.smtp.is_some();
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
    match ChannelSettings::read(&map, Some(&channel.settings), visit.state.smtp.is_some()) {
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
