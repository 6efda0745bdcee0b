//! A delivery: one alert on its way to one channel. Pure.

use serde::Serialize;

use super::ChannelId;
use crate::clock::Timestamp;
use crate::incident::IncidentId;
use crate::incident::message::{Alert, AlertEvent};
use crate::monitor::MonitorId;

crate::words! {
    /// Where a delivery stands.
    pub enum DeliveryState {
        /// Waiting for its next attempt, or for an older one to the same monitor and channel.
        Pending = "pending",
        /// It has arrived.
        Delivered = "delivered",
        /// It was given up.
        Failed = "failed",
    }
}

/// A delivery as it is queued, in the transaction that changed the state.
#[derive(Debug, Clone, PartialEq)]
pub struct NewDelivery {
    /// Queueing the same key again changes nothing.
    pub idempotency_key: String,
    /// What it is about.
    pub event: AlertEvent,
    /// The incident, if there is one.
    pub incident_id: Option<IncidentId>,
    /// The monitor; alerts of one monitor reach a channel in order.
    pub monitor_id: Option<MonitorId>,
    /// Where it goes.
    pub channel_id: ChannelId,
    /// What is sent.
    pub alert: Alert,
    /// When it is queued; the first attempt is due at once.
    pub created_at: Timestamp,
}

/// A delivery as the API shows it (contract, section 5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Delivery {
    /// Its number.
    pub id: i64,
    /// What it is about.
    pub event: AlertEvent,
    /// The incident, if there is one and it is still kept.
    pub incident_id: Option<IncidentId>,
    /// The monitor, if it is about one.
    pub monitor_id: Option<MonitorId>,
    /// Where it goes.
    pub channel_id: ChannelId,
    /// Where it stands.
    pub state: DeliveryState,
    /// How often it was tried.
    pub attempts: i64,
    /// When it was queued.
    pub created_at: Timestamp,
    /// When it is tried next; `None` once it is delivered or failed.
    pub next_attempt_at: Option<Timestamp>,
    /// When it arrived.
    pub delivered_at: Option<Timestamp>,
    /// What went wrong at the last attempt.
    pub last_error: Option<String>,
    /// The status code (HTTP or SMTP) of the last attempt, if an answer came.
    pub last_status: Option<i64>,
    /// How long the attempt took that delivered it, in ms.
    #[serde(skip)]
    pub latency_ms: Option<i64>,
}

impl Delivery {
    /// Why it cannot be sent again, when it cannot.
    pub fn why_not_again(&self) -> String {
        match self.state {
            DeliveryState::Failed => "the outage that it tells of is over, and whoever heard of it now would never hear that; \
                send the channel a test instead"
                .to_owned(),
            other => format!("only a failed delivery can be retried; this one is {other}"),
        }
    }
}
