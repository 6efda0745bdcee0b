//! HOW alerts reach people: the outbox that is worked off, and in [`channel`] one file for each kind of channel.
//!
//! Nobody else sends. What is to be sent is written as a delivery in the transaction that changed the state; the
//! [`outbox`] claims it, sends it with no transaction open, and settles it.

pub mod acknowledge_link;
pub mod attempt;
pub mod carrier;
pub mod channel;
pub mod classify;
pub mod config;
pub mod delivery;
pub mod egress;
pub mod email;
pub mod group;
mod http;
pub mod outbox;
pub mod retry;
mod settle;
pub mod smtp;
pub mod smtp_secret;
pub mod summary;
#[cfg(test)]
pub(crate) mod testing;

use serde_json::{Map, Value, json};

use crate::clock::Timestamp;
pub use channel::{ChannelConfig, ChannelType};
pub use config::ChannelSettings;
pub use delivery::{Delivery, DeliveryState, NewDelivery};
pub use outbox::{Sender, SenderConfig, TestOutcome, Wake};

/// The number of a channel.
pub type ChannelId = i64;

/// One place that alerts go to.
#[derive(Debug, Clone, PartialEq)]
pub struct Channel {
    /// Its number.
    pub id: ChannelId,
    /// What people set.
    pub settings: ChannelSettings,
    /// When it was made.
    pub created_at: Timestamp,
    /// When an alert last arrived.
    pub last_delivery_at: Option<Timestamp>,
    /// What went wrong last; `None` once an alert has arrived.
    pub last_error: Option<String>,
    /// Since when alerts fail for good; `None` while they arrive.
    pub failed_at: Option<Timestamp>,
}

impl Channel {
    /// What kind of place it is.
    pub fn kind(&self) -> ChannelType {
        self.settings.config.kind()
    }

    /// The channel as the API shows it (contract, section 5): secrets read as `***`.
    pub fn to_json(&self) -> Value {
        let mut object = Map::new();
        object.insert("id".to_owned(), json!(self.id));
        object.insert("type".to_owned(), json!(self.kind()));
        object.insert("name".to_owned(), json!(self.settings.name));
        object.append(&mut self.settings.config.shown());
        object.insert("enabled".to_owned(), json!(self.settings.enabled));
        object.insert("is_default".to_owned(), json!(self.settings.is_default));
        object.insert("last_delivery_at".to_owned(), json!(self.last_delivery_at));
        object.insert("last_error".to_owned(), json!(self.last_error));
        Value::Object(object)
    }
}
