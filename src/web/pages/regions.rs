//! A monitor's regions: the choice in its form, and what each of them holds on its page.

use std::cmp::Ordering;

use super::row::short_cause;
use super::status::Shown;
use super::text::{Html, Viewer, millis};
use crate::monitor::state::Policy;
use crate::monitor::{RegionState, Status};
use crate::store::monitors::Watched;
use crate::store::{Conn, Result, probes};

/// Which of two regions stands first wherever there are several: the server's own, then by name.
pub fn in_order(own: &str, a: &str, b: &str) -> Ordering {
    (a != own, a).cmp(&(b != own, b))
}

/// A region to tick.
pub struct RegionTick {
    /// Its name.
    pub name: String,
    /// Whether it is the server's own.
    pub is_own: bool,
    /// Whether it is ticked.
    pub is_on: bool,
}

/// The regions there are, those of a monitor ticked.
pub struct RegionChoice {
    /// The server's own, then those of the probes.
    pub choices: Vec<RegionTick>,
}

impl RegionChoice {
    /// All regions; `ticked` are the monitor's.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn of(conn: &mut Conn<'_>, own: &str, ticked: &[String]) -> Result<Self> {
        let mut names = probes::regions(conn).await?;
        names.push(own.to_owned());
        names.sort_by(|a, b| in_order(own, a, b));
        let tick = |name: String| RegionTick {
            is_own: name == own,
            is_on: ticked.contains(&name) || (ticked.is_empty() && name == own),
            name,
        };
        Ok(Self { choices: names.into_iter().map(tick).collect() })
    }

    /// Whether there is something to choose.
    pub fn is_open(&self) -> bool {
        self.choices.len() > 1
    }

    /// How many may have to agree, as the form offers it.
    pub fn quorums(&self) -> Vec<String> {
        let counts = (1..=self.choices.len()).map(|count| count.to_string());
        std::iter::once("majority".to_owned()).chain(counts).collect()
    }

    /// What is chosen, in a line.
    pub fn words(&self, quorum: &str) -> String {
        let on: Vec<&str> =
            self.choices.iter().filter(|tick| tick.is_on).map(|tick| tick.name.as_str()).collect();
        match &on[..] {
            [] => "From this server".to_owned(),
            [only] => (*only).to_owned(),
            many if quorum.is_empty() || quorum == "majority" => {
                format!("{}, most must agree", many.join(", "))
            }
            many => format!("{}, {quorum} must agree", many.join(", ")),
        }
    }
}

/// What one region holds of a monitor.
pub struct RegionLine {
    /// Its state.
    pub state: Shown,
    /// Its name.
    pub region: String,
    /// Its state in a word.
    pub word: &'static str,
    /// Why it fails from there; empty when it does not.
    pub reason: String,
    /// When it was last checked from there.
    pub at: Option<Html>,
    /// How long that took.
    pub total: String,
}

impl RegionLine {
    /// What `region` holds of a monitor.
    pub fn of_monitor(watched: &Watched, region: &str, viewer: Viewer) -> Self {
        let Watched { monitor, state } = watched;
        let own = state.regions.get(region);
        let fresh_ms = Policy::of(&monitor.settings.target).rule.map(|rule| rule.fresh_ms);
        let is_fresh = own
            .zip(fresh_ms)
            .is_some_and(|(own, fresh_ms)| own.is_fresh(fresh_ms, state.watched_since, viewer.now));
        let line = Self::of(region, own, is_fresh, viewer);
        if monitor.paused {
            return Self { state: Shown::Paused, word: Shown::Paused.word(), ..line };
        }
        line
    }

    fn of(name: &str, own: Option<&RegionState>, is_fresh: bool, viewer: Viewer) -> Self {
        let status = own.map_or(Status::Pending, |own| own.status);
        let is_confirming = own.is_some_and(|own| own.failing.is_some());
        let last = own.and_then(|own| own.last_check);
        let is_silent = last.is_some() && !is_fresh;
        let shown = Shown::of_parts(status, is_confirming, false, false);
        let cause = own.and_then(|own| own.cause.as_ref()).filter(|_| !is_silent);
        Self {
            state: if is_silent { Shown::Waiting } else { shown },
            region: name.to_owned(),
            word: if is_silent { "Silent, no vote" } else { shown.word() },
            reason: cause.map(short_cause).unwrap_or_default(),
            at: last.map(|last| viewer.ago_html(last.at)),
            total: last
                .and_then(|last| last.total_ms)
                .map_or_else(|| "–".to_owned(), |ms| millis(i64::from(ms))),
        }
    }
}

/// What stands on a monitor's page of its regions; nothing of one that is checked from the server alone.
pub struct RegionList {
    /// A line for each.
    pub lines: Vec<RegionLine>,
    /// How many must agree.
    pub quorum: String,
    /// What they say together, where the state alone does not say it.
    pub note: &'static str,
}

impl RegionList {
    /// The regions of a monitor; `own` is the server's.
    pub fn of(watched: &Watched, own: &str, viewer: Viewer) -> Self {
        let Watched { monitor, state } = watched;
        let policy = Policy::of(&monitor.settings.target);
        let Some(rule) = policy.rule else {
            return Self { lines: Vec::new(), quorum: String::new(), note: "" };
        };
        let mut names = rule.regions.to_vec();
        names.sort_by(|a, b| in_order(own, a, b));
        let note = if state.is_stale(&policy, viewer.now) {
            "Stale: too few regions have said lately how it is. The state is that of before."
        } else if state.below_quorum {
            "Below quorum: too few regions find it failing, so nobody was alerted."
        } else {
            ""
        };
        let needed = rule.quorum.of(rule.regions.len());
        Self {
            lines: names.iter().map(|name| RegionLine::of_monitor(watched, name, viewer)).collect(),
            quorum: format!("down when {needed} of {} say so", rule.regions.len()),
            note,
        }
    }
}
