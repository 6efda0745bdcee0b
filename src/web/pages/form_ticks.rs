//! What is ticked in a monitor's form, and the rows that are filled: what has several values under one name. Pure.

use super::assertion_rows::{self, Row};
use super::form::Input;
use crate::monitor::{NotifyOn, Settings, Target};

/// A channel to tick, or a monitor.
pub struct Choice {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Whether it is ticked.
    pub is_on: bool,
}

/// What is ticked, and the rows that are filled.
pub struct Ticks {
    /// The channels; `None`: the default ones.
    pub channels: Option<Vec<i64>>,
    /// The events that are told.
    pub events: Vec<String>,
    /// The monitors that it depends on.
    pub depends_on: Vec<i64>,
    /// The regions that it is checked from; empty: the server's own.
    pub regions: Vec<String>,
    /// What must be true of an answer.
    pub assertions: Vec<Row>,
}

impl Ticks {
    /// Of a monitor as it is set.
    pub fn of(settings: &Settings) -> Self {
        let events = settings.notify_on.iter().map(ToString::to_string).collect();
        let assertions = match &settings.target {
            Target::Http(spec) => assertion_rows::rows(&spec.assertions),
            _ => Vec::new(),
        };
        let (channels, depends_on) = (settings.channel_ids.clone(), settings.depends_on.clone());
        let regions = settings.target.pace().map(|pace| pace.regions.clone()).unwrap_or_default();
        Self { channels, events, depends_on, regions, assertions }
    }

    /// As they were posted.
    pub fn posted(input: &Input) -> Self {
        let channels = input.all("channel_ids").filter_map(|id| id.parse().ok()).collect();
        Self {
            channels: Some(channels),
            events: input.all("notify_on").map(str::to_owned).collect(),
            depends_on: input.all("depends_on").filter_map(|id| id.parse().ok()).collect(),
            regions: input.all("regions").map(str::to_owned).collect(),
            assertions: assertion_rows::posted(input),
        }
    }

    /// The rows of assertions.
    pub fn rows_mut(&mut self) -> &mut [Row] {
        &mut self.assertions
    }

    /// Of one that is yet to be made: the default channels, all events.
    pub fn all() -> Self {
        let events = NotifyOn::ALL.iter().map(ToString::to_string).collect();
        let (depends_on, regions) = (Vec::new(), Vec::new());
        Self { channels: None, events, depends_on, regions, assertions: Vec::new() }
    }
}
