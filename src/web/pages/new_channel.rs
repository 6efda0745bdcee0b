//! A new channel in place: within a monitor's form, without leaving it. Asks for no more than a kind cannot do without.

use super::channel_form::shape;
use super::error::PageError;
use super::form::{Form, Input};
use super::visit::Visit;
use crate::fields::FieldErrors;
use crate::notify::channel::field::{Field, Shape};
use crate::notify::{ChannelId, ChannelSettings, ChannelType};
use crate::store::channels;
use serde_json::json;

/// What the names of its fields start with.
pub const PREFIX: &str = "new_";

/// One kind to choose.
pub struct NewKind {
    /// Which.
    pub kind: ChannelType,
    /// What it needs.
    pub fields: Vec<NewField>,
    /// Whether it is unfolded.
    pub is_open: bool,
    /// What is in its way; empty for nothing.
    pub wrong: String,
}

/// One field of it.
pub struct NewField {
    /// Its name in the form.
    pub name: String,
    /// What it is.
    pub field: &'static Field,
    /// What was typed.
    pub value: String,
    /// What is wrong with it; empty for nothing.
    pub error: String,
}

impl NewField {
    /// Whether it is looked for as an address or a key, in fixed width.
    pub fn is_mono(&self) -> bool {
        self.field.secret || self.field.shape == Shape::Url
    }
}

fn name_of(kind: ChannelType, field: &Field) -> String {
    format!("{PREFIX}{kind}_{}", field.name)
}

fn asked(kind: ChannelType) -> impl Iterator<Item = &'static Field> {
    kind.about().fields.iter().filter(|field| !field.folded)
}

/// All kinds, with what was typed, and what was wrong with the one that was refused.
pub fn kinds(
    form: &Form,
    refused: Option<&(ChannelType, FieldErrors)>,
    has_mail: bool,
) -> Vec<NewKind> {
    let one = |kind: &ChannelType| {
        let kind = *kind;
        let errors = refused.filter(|(refused, _)| *refused == kind).map(|(_, errors)| &errors.0);
        let error = |name: &str| errors.and_then(|e| e.get(name)).cloned().unwrap_or_default();
        let fields: Vec<NewField> = asked(kind)
            .map(|field| NewField {
                name: name_of(kind, field),
                field,
                value: form.value(&name_of(kind, field)).to_owned(),
                error: match error(field.name) {
                    reason if reason.is_empty() => reason,
                    reason => super::error::sentence(&format!("{} {reason}", field.label)),
                },
            })
            .collect();
        let no_mail = kind == ChannelType::Email && !has_mail;
        // What is wrong with a field that is not asked for here stands above those that are.
        let named = |name: &String| asked(kind).any(|field| field.name == name);
        let other = errors.and_then(|e| e.iter().find(|(name, _)| !named(name)));
        NewKind {
            kind,
            fields,
            is_open: errors.is_some(),
            wrong: match other {
                _ if no_mail => {
                    "No mail server is set. An admin sets it under Settings, Mail.".to_owned()
                }
                Some((name, reason)) => super::error::sentence(&format!("{name} {reason}")),
                None => String::new(),
            },
        }
    };
    ChannelType::ALL.iter().map(one).collect()
}

/// Makes a channel of `kind` from what was posted for it.
///
/// # Errors
/// When the database fails.
pub async fn add(
    visit: &Visit,
    kind: ChannelType,
    input: &Input,
) -> Result<Result<ChannelId, FieldErrors>, PageError> {
    let own = format!("{PREFIX}{kind}_");
    let pairs = input
        .0
        .iter()
        .filter_map(|(name, value)| Some((name.strip_prefix(&own)?.to_owned(), value.clone())));
    let own_input = Input(pairs.collect());
    let shapes: Vec<_> = asked(kind).map(|field| (field.name, shape(field))).collect();
    let mut map = own_input.to_json(&shapes);
    map.retain(|_, value| !value.is_null());
    map.insert("type".to_owned(), json!(kind));
    let mut settings = match ChannelSettings::read(&map, None, visit.state.has_mail()) {
        Ok(settings) => settings,
        Err(errors) => return Ok(Err(errors)),
    };
    let mut tx = visit.state.db.begin().await?;
    // The first channel of all is the one that everything may go to.
    settings.is_default = channels::enabled_names(&mut tx.conn()).await?.is_empty();
    let made =
        channels::insert(&mut tx.conn(), &visit.state.sealer, settings, visit.viewer.now).await?;
    tx.commit().await?;
    Ok(Ok(made.id))
}
