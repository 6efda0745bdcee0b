//! Who depends on whom, and when that holds alerts back (contract, section 6). Pure.

use std::collections::{BTreeMap, BTreeSet};

use super::message::one_line;
use crate::clock::Timestamp;
use crate::monitor::state::State;
use crate::monitor::{Monitor, MonitorId, Status};

/// What all monitors depend on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Dependencies {
    parents: BTreeMap<MonitorId, Vec<MonitorId>>,
    children: BTreeMap<MonitorId, BTreeSet<MonitorId>>,
}

impl Dependencies {
    /// From pairs of a monitor and one that it depends on.
    pub fn of(pairs: impl IntoIterator<Item = (MonitorId, MonitorId)>) -> Self {
        let mut all = Self::default();
        for (child, parent) in pairs {
            all.parents.entry(child).or_default().push(parent);
            all.children.entry(parent).or_default().insert(child);
        }
        all
    }

    /// From now on `id` depends on `parents`, and on nothing else.
    pub fn set(&mut self, id: MonitorId, parents: &[MonitorId]) {
        for before in self.parents.remove(&id).unwrap_or_default() {
            if let Some(children) = self.children.get_mut(&before) {
                children.remove(&id);
            }
        }
        for parent in parents {
            self.children.entry(*parent).or_default().insert(id);
        }
        if !parents.is_empty() {
            self.parents.insert(id, parents.to_vec());
        }
    }

    /// A monitor is gone. Gives those that depended on it.
    pub fn remove(&mut self, id: MonitorId) -> Vec<MonitorId> {
        self.set(id, &[]);
        let children = self.children.remove(&id).unwrap_or_default();
        for child in &children {
            if let Some(parents) = self.parents.get_mut(child) {
                parents.retain(|parent| *parent != id);
                if parents.is_empty() {
                    self.parents.remove(child);
                }
            }
        }
        children.into_iter().collect()
    }

    /// Whether nothing depends on anything.
    pub fn is_empty(&self) -> bool {
        self.parents.is_empty()
    }

    /// What `id` depends on.
    pub fn parents(&self, id: MonitorId) -> &[MonitorId] {
        self.parents.get(&id).map_or(&[], Vec::as_slice)
    }

    /// What depends on `id`, not by way of others.
    pub fn children(&self, id: MonitorId) -> impl Iterator<Item = MonitorId> + '_ {
        self.children.get(&id).into_iter().flatten().copied()
    }

    /// What depends on `id`, by way of others too.
    pub fn below(&self, id: MonitorId) -> BTreeSet<MonitorId> {
        let (mut found, mut ahead) = (BTreeSet::new(), vec![id]);
        while let Some(next) = ahead.pop() {
            ahead.extend(self.children(next).filter(|child| found.insert(*child)));
        }
        found
    }

    /// Those of `parents` on which `id` cannot depend, as they depend on it.
    pub fn circular(&self, id: MonitorId, parents: &[MonitorId]) -> Vec<MonitorId> {
        let below = self.below(id);
        parents.iter().copied().filter(|parent| below.contains(parent)).collect()
    }
}

/// Why the alerts of a dependant are held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why {
    /// What it depends on is down.
    Down,
    /// That has failed and is being re-checked.
    Confirming,
    /// That was not looked at since the dependant failed.
    NotLookedAt,
    /// That is back, and the dependant was not looked at since.
    JustBack,
}

/// What holds the alerts of a dependant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldBy {
    /// The monitor that it depends on.
    pub id: MonitorId,
    /// What that is called.
    pub name: String,
    /// Why.
    pub why: Why,
}

impl HeldBy {
    /// For the timeline.
    pub fn detail(&self) -> String {
        let name = &self.name;
        one_line(&match self.why {
            Why::Down => format!("Held: depends on {name}, which is down"),
            Why::Confirming => {
                format!("Held: depends on {name}, which has failed and is re-checked")
            }
            Why::NotLookedAt => format!("Held: depends on {name}, which is looked at first"),
            Why::JustBack => {
                format!("Held: depends on {name}, which is just back; looked at again")
            }
        })
    }
}

/// Whether a monitor is down or about to be.
pub fn is_in_trouble(state: &State) -> bool {
    state.status == Status::Down || state.is_confirming()
}

/// What holds the alerts of a dependant that fails since `failing_since`, as its check that began at `looked_at` shows (`None`:
/// no check does). The first parent in trouble, else the first that is not known to be well.
///
/// A parent that is paused holds nothing: nobody watches it. One in maintenance does: what it takes along is no news either.
pub fn held_by<'a>(
    parents: impl IntoIterator<Item = (&'a Monitor, &'a State)>,
    failing_since: Timestamp,
    looked_at: Option<Timestamp>,
) -> Option<HeldBy> {
    let mut held = None;
    for (monitor, state) in parents {
        let Some(why) = why(monitor, state, failing_since, looked_at) else { continue };
        let by = HeldBy { id: monitor.id, name: one_line(&monitor.settings.name), why };
        if matches!(why, Why::Down | Why::Confirming) {
            return Some(by);
        }
        held.get_or_insert(by);
    }
    held
}

fn why(
    monitor: &Monitor,
    state: &State,
    failing_since: Timestamp,
    looked_at: Option<Timestamp>,
) -> Option<Why> {
    if monitor.paused {
        return None;
    }
    if state.status == Status::Down {
        return Some(Why::Down);
    }
    if state.is_confirming() {
        return Some(Why::Confirming);
    }
    if must_be_looked_at(monitor, state, failing_since) {
        return Some(Why::NotLookedAt);
    }
    looked_at.filter(|at| *at < state.since).map(|_| Why::JustBack)
}

/// Whether nobody knows if this parent has failed too: its last check began before `failing_since`. Jobs cannot be looked at.
pub fn must_be_looked_at(monitor: &Monitor, state: &State, failing_since: Timestamp) -> bool {
    let is_checked = !monitor.paused && monitor.settings.target.pace().is_some();
    is_checked
        && !is_in_trouble(state)
        && state.last_check.is_none_or(|last| last.at < failing_since)
}

/// The line by which a parent's message names the dependants whose alerts it holds: their names, and whether they fail already.
pub fn holds_line(dependants: &[(String, bool)]) -> Option<String> {
    /// The longest line, with room for the number of those that are left out.
    const LONGEST: usize = 270;
    let mut line = String::from("Holds the alerts of: ");
    for (place, (name, fails)) in dependants.iter().enumerate() {
        let name = format!("{}{}", one_line(name), if *fails { " (failing)" } else { "" });
        let comma = if place > 0 { ", " } else { "" };
        if place > 0 && line.chars().count() + name.chars().count() > LONGEST {
            line.push_str(&format!(" and {} more", dependants.len() - place));
            break;
        }
        line.push_str(comma);
        line.push_str(&name);
    }
    (!dependants.is_empty()).then(|| one_line(&line))
}

#[cfg(test)]
mod tests;
