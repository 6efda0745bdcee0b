//! The settings of a channel and how a request becomes them: validated, with every wrong field named at once. Pure.

use serde_json::{Map, Value};

use super::{ChannelConfig, ChannelType};
use crate::fields::{FieldErrors, Fields};

/// What people set of a channel.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelSettings {
    /// What it is called.
    pub name: String,
    /// Where alerts go, by its kind.
    pub config: ChannelConfig,
    /// Whether alerts are sent to it.
    pub enabled: bool,
    /// Whether monitors without a choice of their own use it.
    pub is_default: bool,
}

impl ChannelSettings {
    /// Reads the settings of a channel from a request; `current` is what a PATCH edits. `has_smtp` tells whether mail can be sent.
    ///
    /// # Errors
    /// Every field that is wrong or not of this type.
    pub fn read(
        map: &Map<String, Value>,
        current: Option<&Self>,
        has_smtp: bool,
    ) -> Result<Self, FieldErrors> {
        let mut fields = Fields::new(map);
        let stored = current.map(|c| &c.config);
        // Which fields there are depends on the type: with a wrong one nothing else can be said.
        let kind = read_type(&mut fields, stored, has_smtp)
            .map_err(|reason| FieldErrors::one("type", reason))?;
        let config = ChannelConfig::read(&mut fields, kind, stored).transpose()?;
        let default_name =
            config.as_ref().map_or_else(|| kind.to_string(), ChannelConfig::default_name);
        let name = fields.name("name", Some(default_name), current.map(|c| c.name.clone()));
        let enabled = fields.boolean("enabled", true, current.map(|c| c.enabled));
        let is_default = fields.boolean("is_default", false, current.map(|c| c.is_default));
        fields.finish()?;
        // A part that could not be read has noted why, so that `finish` has already returned.
        let config = config.ok_or_else(|| FieldErrors::one("type", "could not be read"))?;
        Ok(Self { name, config, enabled, is_default })
    }
}

fn read_type(
    fields: &mut Fields<'_>,
    stored: Option<&ChannelConfig>,
    has_smtp: bool,
) -> Result<ChannelType, String> {
    let given = match fields.raw("type") {
        None | Some(Value::Null) => None,
        Some(value) => Some(value.as_str().unwrap_or_default().parse::<ChannelType>()?),
    };
    let kind = match (given, stored.map(ChannelConfig::kind)) {
        (None, None) => {
            let words: Vec<&str> = ChannelType::ALL.iter().map(|t| t.as_str()).collect();
            return Err(format!("is missing: give one of {}", words.join(", ")));
        }
        (Some(given), Some(kind)) if given != kind => {
            return Err(format!("is {kind} and cannot be changed; make a new channel instead"));
        }
        (given, kind) => given.or(kind),
    };
    match kind {
        Some(ChannelType::Email) if !has_smtp && stored.is_none() => Err(
            "cannot be email as no mail server is set: set one under Settings, Mail, or start Watchbell with \
                 WATCHBELL_SMTP_URL (such as smtps://user:password@mail.example.com) and WATCHBELL_SMTP_FROM"
                .to_owned(),
        ),
        Some(kind) => Ok(kind),
        None => Err("is missing".to_owned()),
    }
}

#[cfg(test)]
mod tests;
