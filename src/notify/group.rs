//! Which alerts to a channel that people read become one message (contract, section 6). Pure.
//!
//! Two things make alerts too many to be told one by one. A **storm**: more than ten of them within 30 s on one channel; from
//! then on what waits is told together, every 15 s. And a monitor that **flaps**: five changes within 30 min; its alerts wait until
//! it has kept still for a while, and are then told together with what it is now.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::incident::message::AlertEvent;
use crate::monitor::MonitorId;

/// More alerts than this within [`STORM_MS`] are a storm.
const STORM: usize = 10;
const STORM_MS: i64 = 30_000;
/// The time from one summary of a storm to the next.
const SPACING_MS: i64 = 15_000;

/// So many changes within [`FLAPPING_MS`] are flapping.
const FLAPPING: usize = 5;
/// The time in which changes are counted, in ms.
pub const FLAPPING_MS: i64 = 30 * 60_000;
/// How long a monitor must keep still: twice as long as it did between its changes, within these bounds.
const CALM_MS: (i64, i64) = (5 * 60_000, 15 * 60_000);
/// However long a monitor flaps, this long after the first alert that waits it is told.
const LONGEST_MS: i64 = 60 * 60_000;

/// An alert about a monitor that was never tried, and that nothing tried before it holds up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Waiting {
    /// Its number; a greater one came later.
    pub id: i64,
    /// Whose it is.
    pub monitor_id: MonitorId,
    /// When it was queued.
    pub created_at: Timestamp,
}

/// An alert to the same channel, whatever became of it: those that wait, and those from [`FLAPPING_MS`] before them on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Queued {
    /// Whose it is, if it is about a monitor.
    pub monitor_id: Option<MonitorId>,
    /// What it is about.
    pub event: AlertEvent,
    /// When it was queued.
    pub created_at: Timestamp,
}

/// What is done with alerts that wait; those that no decision names are told one by one, now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Decision {
    /// They wait on.
    Hold {
        /// Which.
        ids: Vec<i64>,
        /// Until then, if nothing else comes.
        until: Timestamp,
    },
    /// They become one summary.
    Together {
        /// Which, in order.
        ids: Vec<i64>,
    },
}

/// Decides about the alerts that wait for one channel; both lists in the order of queueing.
pub fn decide(waiting: &[Waiting], queued: &[Queued], now: Timestamp) -> Vec<Decision> {
    let mut decisions = Vec::new();
    let (mut plain, mut calmed) = (Vec::new(), Vec::new());
    for run in runs(waiting) {
        match flapping_until(&run, queued) {
            Some(until) if until > now => decisions.push(Decision::Hold { ids: ids(&run), until }),
            Some(_) => calmed.push(run),
            None => plain.extend(run),
        }
    }
    plain.sort_unstable_by_key(|one| one.id);
    let is_storm = plain.iter().any(|one| is_of_storm(one.created_at, queued));
    if is_storm || calmed.len() > STORM {
        plain.extend(calmed.into_iter().flatten());
        plain.sort_unstable_by_key(|one| one.id);
        match summary_due(&plain, queued).filter(|due| *due > now) {
            Some(until) => decisions.push(Decision::Hold { ids: ids(&plain), until }),
            None => together(&plain, &mut decisions),
        }
    } else {
        calmed.iter().for_each(|run| together(run, &mut decisions));
    }
    decisions
}

/// When alerts of a storm that wait are told. One alone waits for others: where a channel answers at once there is never more
/// than one, and each would be told by itself, however many come.
fn summary_due(waiting: &[Waiting], queued: &[Queued]) -> Option<Timestamp> {
    let spaced = last_summary(queued).map(|at| at.plus_ms(SPACING_MS));
    let alone = match waiting {
        [one] => Some(one.created_at.plus_ms(SPACING_MS)),
        _ => None,
    };
    spaced.max(alone)
}

/// One alert alone is told as it is.
fn together(waiting: &[Waiting], decisions: &mut Vec<Decision>) {
    if waiting.len() > 1 {
        decisions.push(Decision::Together { ids: ids(waiting) });
    }
}

fn ids(waiting: &[Waiting]) -> Vec<i64> {
    waiting.iter().map(|one| one.id).collect()
}

/// What waits, by monitor.
fn runs(waiting: &[Waiting]) -> impl Iterator<Item = Vec<Waiting>> {
    let mut runs: BTreeMap<MonitorId, Vec<Waiting>> = BTreeMap::new();
    for one in waiting {
        runs.entry(one.monitor_id).or_default().push(*one);
    }
    runs.into_values()
}

fn is_of_storm(at: Timestamp, queued: &[Queued]) -> bool {
    let is_near = |one: &&Queued| {
        let before_ms = at.since(one.created_at);
        one.event != AlertEvent::Summary && (0..STORM_MS).contains(&before_ms)
    };
    queued.iter().filter(is_near).take(STORM + 1).count() > STORM
}

fn last_summary(queued: &[Queued]) -> Option<Timestamp> {
    let summaries = queued.iter().filter(|one| one.event == AlertEvent::Summary);
    summaries.map(|one| one.created_at).max()
}

/// Until when the alerts of a monitor wait because it flaps; `None` when it does not.
///
/// The first four changes are always told at once: that an outage is over must not wait for what may come of it.
fn flapping_until(run: &[Waiting], queued: &[Queued]) -> Option<Timestamp> {
    let first = run.first()?;
    let is_change = |event| {
        matches!(
            event,
            AlertEvent::MonitorDown | AlertEvent::MonitorUp | AlertEvent::MonitorDegraded
        )
    };
    let changes: Vec<&Queued> = queued
        .iter()
        .filter(|one| one.monitor_id == Some(first.monitor_id) && is_change(one.event))
        .collect();
    let last = changes.last()?;
    let since = last.created_at.plus_ms(-FLAPPING_MS);
    let recent: Vec<_> = changes.iter().filter(|one| one.created_at >= since).collect();
    let count = recent.len();
    if count < FLAPPING {
        return None;
    }
    let lasted_ms = last.created_at.since(recent.first()?.created_at);
    let gap_ms = lasted_ms / (i64::try_from(count).ok()? - 1);
    let calm = last.created_at.plus_ms((2 * gap_ms).clamp(CALM_MS.0, CALM_MS.1));
    Some(calm.min(first.created_at.plus_ms(LONGEST_MS)))
}

#[cfg(test)]
mod tests;
