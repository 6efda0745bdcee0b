//! The kinds of channels: one file each, with its settings, the form of its message, and what its answers mean. Pure.
//!
//! A kind is a [`Kind`]: a table of fields, from which its settings are read, shown, asked for by form and described in
//! the API's document, and a function from an alert to a request. A new one is a file and a line in `kinds!`.

pub mod field;
mod machine;
pub mod request;
pub mod template;
mod text;

mod discord;
mod email;
mod googlechat;
mod gotify;
mod matrix;
mod mattermost;
mod ntfy;
mod opsgenie;
mod pagerduty;
mod pushover;
mod slack;
mod teams;
mod telegram;
mod webhook;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::attempt::{Answer, Outgoing};
use crate::fields::{FieldErrors, Fields};
use field::Field;
pub use request::{Method, Rendered, Request};

/// What is known of a kind before one of it is made.
pub struct About {
    /// What people call it.
    pub name: &'static str,
    /// Its picture in the pages' sprite.
    pub icon: &'static str,
    /// Where to find what it needs, in a line.
    pub how: &'static str,
    /// Its settings, in the order of the form.
    pub fields: &'static [Field],
    /// What an answer (status, and the beginning of its body) means where the vendor says more than the status does.
    pub answer: fn(u16, &str) -> Option<Answer>,
}

/// The [`About::answer`] of a kind whose answers mean what their status says.
fn by_status(_: u16, _: &str) -> Option<Answer> {
    None
}

/// The settings of one kind of channel.
trait Kind {
    const ABOUT: About;

    /// Where it leads, in a few words and without secrets.
    fn target(&self) -> String;

    /// What a new one is called when nobody says.
    fn default_name(&self) -> String {
        Self::ABOUT.name.to_owned()
    }

    /// The alert in its form. Fails with the reason when it can never be sent.
    fn render(&self, outgoing: &Outgoing<'_>) -> Result<Rendered, String>;
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $variant:ident = $word:literal in $module:ident;)+) => {
        crate::words! {
            /// What kind of place alerts go to.
            pub enum ChannelType { $($(#[$doc])* $variant = $word),+ }
        }

        /// Where alerts go. As it holds secrets, it is stored sealed.
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(tag = "type")]
        pub enum ChannelConfig { $($(#[$doc])* #[serde(rename = $word)] $variant($module::Config)),+ }

        impl ChannelType {
            /// What is known of it.
            pub fn about(self) -> &'static About {
                match self { $(Self::$variant => &<$module::Config as Kind>::ABOUT),+ }
            }
        }

        impl ChannelConfig {
            /// Its kind.
            pub fn kind(&self) -> ChannelType {
                match self { $(Self::$variant(_) => ChannelType::$variant),+ }
            }

            /// Where it leads, in a few words and without secrets.
            pub fn target(&self) -> String {
                match self { $(Self::$variant(config) => config.target()),+ }
            }

            /// What a new channel with it is called when nobody says.
            pub fn default_name(&self) -> String {
                match self { $(Self::$variant(config) => config.default_name()),+ }
            }

            /// The alert in its form.
            ///
            /// # Errors
            /// Why it can never be sent.
            pub fn render(&self, outgoing: &Outgoing<'_>) -> Result<Rendered, String> {
                match self { $(Self::$variant(config) => config.render(outgoing)),+ }
            }
        }
    };
}

kinds! {
    /// Mail, by SMTP.
    Email = "email" in email;
    /// An incoming webhook of Slack.
    Slack = "slack" in slack;
    /// A Workflows webhook of Microsoft Teams.
    Teams = "teams" in teams;
    /// A webhook of a Discord channel.
    Discord = "discord" in discord;
    /// A bot's chat on Telegram.
    Telegram = "telegram" in telegram;
    /// An incoming webhook of Mattermost.
    Mattermost = "mattermost" in mattermost;
    /// A webhook of a Google Chat space.
    Googlechat = "googlechat" in googlechat;
    /// A room on Matrix.
    Matrix = "matrix" in matrix;
    /// A topic of ntfy.
    Ntfy = "ntfy" in ntfy;
    /// An application of Gotify.
    Gotify = "gotify" in gotify;
    /// A user or group of Pushover.
    Pushover = "pushover" in pushover;
    /// A service of PagerDuty.
    Pagerduty = "pagerduty" in pagerduty;
    /// A team of Opsgenie.
    Opsgenie = "opsgenie" in opsgenie;
    /// A URL that is given the alert as JSON.
    Webhook = "webhook" in webhook;
}

impl ChannelType {
    /// How much the lines of a summary may weigh to be shown whole, beside its first line: a little less than the limits in
    /// the kinds' own files. `None` of machines, which get every alert singly.
    pub fn room(self) -> Option<usize> {
        match self {
            Self::Webhook | Self::Pagerduty | Self::Opsgenie => None,
            Self::Pushover => Some(980),
            Self::Slack => Some(2600),
            Self::Telegram | Self::Ntfy | Self::Discord => Some(3700),
            Self::Teams => Some(8000),
            Self::Gotify => Some(9000),
            Self::Mattermost | Self::Matrix | Self::Googlechat => Some(14_000),
            Self::Email => Some(100_000),
        }
    }
}

/// Who hears an alert.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Ears {
    /// A machine.
    Machine,
    /// People, when they look.
    People,
    /// Somebody whose phone rings.
    Woken,
}

impl ChannelType {
    /// Who hears an alert on a channel of this kind.
    pub fn ears(self) -> Ears {
        match self {
            Self::Webhook => Ears::Machine,
            Self::Pagerduty | Self::Opsgenie | Self::Pushover | Self::Ntfy | Self::Gotify => {
                Ears::Woken
            }
            _ => Ears::People,
        }
    }
}

impl ChannelConfig {
    /// Reads the fields of a kind; `stored` is what a PATCH edits. `None` when one of them is wrong: each then has its reason.
    pub fn read(
        fields: &mut Fields<'_>,
        kind: ChannelType,
        stored: Option<&Self>,
    ) -> Option<Result<Self, FieldErrors>> {
        let stored = stored.map(Self::stored);
        let mut map = field::read(fields, kind.about().fields, stored.as_ref())?;
        map.insert("type".to_owned(), Value::from(kind.as_str()));
        let config = serde_json::from_value(Value::Object(map));
        Some(config.map_err(|error| FieldErrors::one("type", format!("cannot be read: {error}"))))
    }

    /// Its fields as the API shows them: secrets read as `***`.
    pub fn shown(&self) -> Map<String, Value> {
        let stored = self.stored();
        let fields = self.kind().about().fields.iter();
        fields.map(|field| (field.name.to_owned(), field.shown(stored.get(field.name)))).collect()
    }

    /// What must never be shown: the values of its secret fields and headers.
    pub fn secrets(&self) -> Vec<String> {
        let stored = self.stored();
        let fields = self.kind().about().fields.iter();
        fields.flat_map(|field| field.secrets(stored.get(field.name))).collect()
    }

    /// Its fields as they are stored.
    fn stored(&self) -> Map<String, Value> {
        // Text, numbers and lists of them: writing these as JSON cannot fail.
        let value = serde_json::to_value(self).unwrap_or_default();
        value.as_object().cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
