//! The eight states that people see, each with its word and shape, and how a monitor's state becomes one. Pure.

use super::text::Html;
use crate::clock::Timestamp;
use crate::monitor::state::State;
use crate::monitor::{Status, Verdict};

/// A state as the pages show it (guide, section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shown {
    /// As it should be.
    Up,
    /// Right, but slow.
    Degraded,
    /// Failing.
    Down,
    /// A heartbeat in its grace.
    Late,
    /// Failed, being re-checked.
    Confirming,
    /// Well, or not known, within a planned window.
    Maintenance,
    /// Not watched for now.
    Paused,
    /// Not yet known.
    Waiting,
}

impl Shown {
    /// All of them, in the order of their chips: worst first.
    pub const ALL: [Self; 8] = [
        Self::Down,
        Self::Degraded,
        Self::Late,
        Self::Confirming,
        Self::Maintenance,
        Self::Waiting,
        Self::Paused,
        Self::Up,
    ];

    /// What a monitor shows. A window hides nothing that is down.
    pub fn of(state: &State, in_maintenance: bool, now: Timestamp) -> Self {
        let is_late = state.is_late(now);
        Self::of_parts(state.status, state.is_confirming(), is_late, in_maintenance)
    }

    /// The same of the parts of a state that decide it.
    pub fn of_parts(
        status: Status,
        is_confirming: bool,
        is_late: bool,
        in_maintenance: bool,
    ) -> Self {
        match status {
            Status::Paused => Self::Paused,
            Status::Down => Self::Down,
            _ if in_maintenance => Self::Maintenance,
            _ if is_confirming => Self::Confirming,
            Status::Pending => Self::Waiting,
            Status::Degraded => Self::Degraded,
            Status::Up if is_late => Self::Late,
            Status::Up => Self::Up,
        }
    }

    /// What one check shows.
    pub fn of_verdict(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Up => Self::Up,
            Verdict::Degraded => Self::Degraded,
            Verdict::Down => Self::Down,
            Verdict::Unknown => Self::Waiting,
        }
    }

    /// Its word.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Up => "Up",
            Self::Degraded => "Degraded",
            Self::Down => "Down",
            Self::Late => "Late",
            Self::Confirming => "Confirming",
            Self::Maintenance => "Maintenance",
            Self::Paused => "Paused",
            Self::Waiting => "Waiting",
        }
    }

    /// Its name in the style sheet.
    pub fn class(&self) -> &'static str {
        match self {
            Self::Up => "up",
            Self::Degraded => "degraded",
            Self::Down => "down",
            Self::Late => "late",
            Self::Confirming => "confirming",
            Self::Maintenance => "maintenance",
            Self::Paused => "paused",
            Self::Waiting => "waiting",
        }
    }

    /// Whether somebody should look.
    pub fn needs_attention(&self) -> bool {
        matches!(self, Self::Down | Self::Late | Self::Confirming | Self::Degraded)
    }

    /// Its icon, with its word for those who do not see it.
    pub fn icon(&self) -> Html {
        self.draw("si", &format!("role=\"img\" aria-label=\"{}\"", self.word()))
    }

    /// Its icon where its word stands beside it.
    pub fn mark(&self) -> Html {
        self.draw("si", "aria-hidden=\"true\"")
    }

    /// Its icon as page headers have it.
    pub fn large(&self) -> Html {
        self.draw("si lg", "aria-hidden=\"true\"")
    }

    fn draw(self, class: &str, attributes: &str) -> Html {
        let name = self.class();
        Html(format!("<svg class=\"{class} {name}\" {attributes}><use href=\"#s-{name}\"/></svg>"))
    }
}
