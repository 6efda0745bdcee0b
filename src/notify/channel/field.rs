//! The fields of a channel: a table, from which they are read, shown, asked for by form and described. Pure.

use serde_json::{Map, Value, json};
use url::Url;

use super::template::Template;
use super::{Method, webhook};
use crate::fields::{Fields, parse_text};
use crate::monitor::Header;
use crate::monitor::header::{self, SECRET_MASK, nothing_stored, parse_headers};
use crate::monitor::spec::parse_url;
use crate::seal;

const RECIPIENTS_MAX: usize = 50;

/// What a field holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// An http or https address.
    Url,
    /// A key or token: visible ASCII, so that it fits into a header.
    Token,
    /// Any text of at most so many characters.
    Text(usize),
    /// What messages are signed with: `whsec_` and the key in Base64, or any other text.
    SigningSecret,
    /// A positive whole number.
    Number,
    /// A chat on Telegram: a number, or a public name with `@`.
    Chat,
    /// A topic of ntfy.
    Topic,
    /// A room id of Matrix.
    Room,
    /// One of these words.
    Word(&'static [&'static str]),
    /// Mail addresses.
    Addresses,
    /// HTTP headers.
    Headers,
    /// An HTTP method.
    Method,
    /// A text with `{{name}}` in it.
    Template,
}

/// One setting of a kind of channel.
#[derive(Debug, Clone, Copy)]
pub struct Field {
    /// Its name in the API.
    pub name: &'static str,
    /// What people call it.
    pub label: &'static str,
    /// What it is, in a line.
    pub help: &'static str,
    /// What one looks like; for a required field also what to give.
    pub example: &'static str,
    /// What it holds.
    pub shape: Shape,
    /// Whether it must be given.
    pub required: bool,
    /// Whether it reads back as `***`.
    pub secret: bool,
    /// What stands when it is not given.
    pub default: Option<&'static str>,
    /// Whether few need it, so that the form folds it away.
    pub folded: bool,
}

impl Field {
    /// A field that need not be given.
    pub const fn optional(name: &'static str, label: &'static str, shape: Shape) -> Self {
        Self {
            name,
            label,
            help: "",
            example: "",
            shape,
            required: false,
            secret: false,
            default: None,
            folded: false,
        }
    }

    /// A field that must be given.
    pub const fn required(name: &'static str, label: &'static str, shape: Shape) -> Self {
        Self { required: true, ..Self::optional(name, label, shape) }
    }

    /// It reads back as `***`.
    pub const fn secret(self) -> Self {
        Self { secret: true, ..self }
    }

    /// The form folds it away.
    pub const fn folded(self) -> Self {
        Self { folded: true, ..self }
    }

    /// What it is.
    pub const fn help(self, help: &'static str) -> Self {
        Self { help, ..self }
    }

    /// What one looks like.
    pub const fn example(self, example: &'static str) -> Self {
        Self { example, ..self }
    }

    /// What stands when it is not given.
    pub const fn default(self, default: &'static str) -> Self {
        Self { default: Some(default), ..self }
    }

    /// A stored value as it is shown.
    pub fn shown(&self, value: Option<&Value>) -> Value {
        match value {
            None | Some(Value::Null) => Value::Null,
            Some(_) if self.secret => json!(SECRET_MASK),
            Some(value) => match self.shape {
                Shape::Url => json!(value.as_str().map(shown_url)),
                Shape::Headers => Value::Object(shown_headers(&headers_of(Some(value)))),
                _ => value.clone(),
            },
        }
    }

    /// What of a stored value must never be shown.
    pub fn secrets(&self, value: Option<&Value>) -> Vec<String> {
        let text = value.and_then(Value::as_str);
        match self.shape {
            Shape::Headers => {
                let headers = headers_of(value).into_iter();
                headers.filter(Header::is_secret).map(|header| header.value).collect()
            }
            Shape::Url => {
                let password = text.and_then(|text| Url::parse(text).ok());
                let password = password.and_then(|url| url.password().map(str::to_owned));
                text.filter(|_| self.secret)
                    .map(str::to_owned)
                    .into_iter()
                    .chain(password)
                    .collect()
            }
            _ => text.filter(|_| self.secret).map(str::to_owned).into_iter().collect(),
        }
    }

    /// Reads the field. `stored` are the fields that a PATCH edits.
    fn read(&self, fields: &mut Fields<'_>, stored: Option<&Map<String, Value>>) -> Option<Value> {
        let given = |value: &Value| !value.is_null();
        let kept = stored.and_then(|map| map.get(self.name)).filter(|value| given(value));
        let default = self.default.map(Value::from);
        let current = stored.map(|_| kept.cloned());
        let value = fields.read(self.name, default, current, |value| match kept {
            // What was shown, sent back unchanged, must not put the mask in the place of the secret.
            Some(kept) if self.shape != Shape::Headers && *value == self.shown(Some(kept)) => {
                Ok(Some(kept.clone()))
            }
            None if self.secret && value == SECRET_MASK => Err(nothing_stored()),
            _ => self.parse(value, kept).map(|value| value.or(self.default.map(Value::from))),
        });
        if value.is_none() && self.required {
            // Does nothing when the value was given and wrong: the first reason stands.
            fields.wrong(
                self.name,
                match self.shape {
                    Shape::Addresses => {
                        "is missing: give a list such as [\"ops@example.com\"]".to_owned()
                    }
                    _ => format!("is missing: give one such as {}", self.example),
                },
            );
        }
        value
    }

    /// A value as it is stored; `None` for an empty one.
    fn parse(&self, value: &Value, kept: Option<&Value>) -> Result<Option<Value>, String> {
        let is_empty = value.as_str().is_some_and(|text| text.trim().is_empty());
        if is_empty && self.shape != Shape::Url {
            return Ok(None);
        }
        Ok(Some(match self.shape {
            Shape::Url => json!(parse_url(value)?),
            Shape::Token => json!(parse_token(value)?),
            Shape::Text(max) => json!(parse_text(value, max)?),
            Shape::SigningSecret => json!(parse_signing_secret(value)?),
            Shape::Number => json!(parse_number(value)?),
            Shape::Chat => json!(parse_chat(value)?),
            Shape::Topic => json!(parse_topic(value)?),
            Shape::Room => json!(parse_room(value)?),
            Shape::Word(words) => json!(parse_word(value, words)?),
            Shape::Addresses => json!(parse_addresses(value)?),
            Shape::Headers => {
                let headers = parse_headers(value, &headers_of(kept))?;
                webhook::refuse_own_headers(&headers)?;
                json!(headers)
            }
            Shape::Method => {
                let word = value.as_str().unwrap_or_default().to_ascii_uppercase();
                json!(word.parse::<Method>()?)
            }
            Shape::Template => {
                let text = parse_text(value, 100_000)?;
                Template::parse(&text)?;
                json!(text)
            }
        }))
    }
}

/// Reads all fields of a kind; `None` when one that must be there is wrong or missing: it then has its reason.
pub fn read(
    fields: &mut Fields<'_>,
    table: &[Field],
    stored: Option<&Map<String, Value>>,
) -> Option<Map<String, Value>> {
    let mut map = Map::new();
    let mut is_whole = true;
    for field in table {
        let empty = if field.shape == Shape::Headers { json!([]) } else { Value::Null };
        let value = field.read(fields, stored);
        is_whole &= value.is_some() || !field.required;
        map.insert(field.name.to_owned(), value.unwrap_or(empty));
    }
    is_whole.then_some(map)
}

/// An address without the secrets that may be in it: a password, and the path of a chat's webhook.
fn shown_url(text: &str) -> String {
    let Ok(url) = Url::parse(text) else { return SECRET_MASK.to_owned() };
    if webhook::native_form(&url).is_some() {
        return format!("{}://{}/{SECRET_MASK}", url.scheme(), url.host_str().unwrap_or_default());
    }
    header::shown_url(&url).to_string()
}

fn headers_of(stored: Option<&Value>) -> Vec<Header> {
    stored.and_then(|value| serde_json::from_value(value.clone()).ok()).unwrap_or_default()
}

fn shown_headers(headers: &[Header]) -> Map<String, Value> {
    headers.iter().map(|h| (h.name.clone(), json!(h.shown()))).collect()
}

/// A `whsec_…` whose key cannot be read would sign what no receiver can verify, and an empty key what anybody can forge.
fn parse_signing_secret(value: &Value) -> Result<String, String> {
    let text = parse_text(value, 1000)?;
    if seal::has_signing_key(&text) {
        return Ok(text);
    }
    Err("has no key after whsec_: give it in Base64, with its + and / and the = at the end"
        .to_owned())
}

fn parse_token(value: &Value) -> Result<String, String> {
    let text = parse_text(value, 1000)?;
    let text = text.trim();
    if text.chars().all(|c| c.is_ascii_graphic()) {
        Ok(text.to_owned())
    } else {
        Err("has a character that no key has, such as a space: paste it again".to_owned())
    }
}

fn parse_number(value: &Value) -> Result<i64, String> {
    let number = value.as_i64().or_else(|| value.as_str()?.trim().parse().ok());
    number.filter(|n| *n > 0).ok_or_else(|| "must be a whole number above 0".to_owned())
}

fn parse_chat(value: &Value) -> Result<String, String> {
    let fix = "must be a number such as -1001234567890, or a public name such as @example";
    let text = value.as_i64().map(|n| n.to_string());
    let text = text.or_else(|| Some(value.as_str()?.trim().to_owned())).ok_or(fix)?;
    let is_name = |name: &str| name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    let is_public = text.strip_prefix('@').is_some_and(|name| !name.is_empty() && is_name(name));
    if is_public || text.parse::<i64>().is_ok() { Ok(text) } else { Err(fix.to_owned()) }
}

fn parse_topic(value: &Value) -> Result<String, String> {
    let text = parse_text(value, 64)?;
    let text = text.trim();
    if text.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '_') {
        Ok(text.to_owned())
    } else {
        Err("must be only the topic: letters, digits, - and _, such as ops-7f3a9c; the server goes into url".to_owned())
    }
}

fn parse_room(value: &Value) -> Result<String, String> {
    let text = parse_text(value, 255)?;
    let text = text.trim();
    if text.starts_with('!') && text.chars().all(|c| !c.is_whitespace() && !c.is_control()) {
        Ok(text.to_owned())
    } else {
        Err("must be the room's internal id, such as !abc:example.com: in Element under Room settings, Advanced".to_owned())
    }
}

fn parse_word(value: &Value, words: &[&str]) -> Result<String, String> {
    let word = value.as_str().unwrap_or_default().trim().to_ascii_lowercase();
    if words.contains(&word.as_str()) {
        Ok(word)
    } else {
        Err(format!("must be one of {}", words.join(", ")))
    }
}

fn parse_addresses(value: &Value) -> Result<Vec<String>, String> {
    let fix = "must be a list of addresses, such as [\"ops@example.com\"]";
    let mut to: Vec<String> = Vec::new();
    for item in value.as_array().ok_or(fix)? {
        let address = item.as_str().ok_or(fix)?.trim();
        address.parse::<lettre::Address>().map_err(|_| {
            format!("has {address:?}, which is not an address such as ops@example.com")
        })?;
        if !to.iter().any(|known| known == address) {
            to.push(address.to_owned());
        }
    }
    match to.len() {
        0 => Err("is empty: give at least one address".to_owned()),
        n if n > RECIPIENTS_MAX => Err(format!("must have at most {RECIPIENTS_MAX} addresses")),
        _ => Ok(to),
    }
}
