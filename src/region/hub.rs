//! The server's end: which probe has to check what, who was heard of when, and what was refused. Nothing here is stored: monitors come
//! from the database at the start and from the writer's commands after that.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::watch;
use uuid::Uuid;

use super::Seen;
use super::wire::{Assignments, Refusal, TASKS_MAX, Task, VERSION};
use crate::checker::run::Command;
use crate::clock::Timestamp;
use crate::monitor::{Monitor, MonitorId, Target};
use crate::store::monitors;

/// How many instances that were replaced are remembered of a probe.
const REPLACED_MAX: usize = 32;
/// How many refusals are remembered, so that each is logged once.
const LOGGED_MAX: usize = 1000;

/// The hub. Cheap to clone.
#[derive(Clone)]
pub struct Hub(Arc<Shared>);

struct Shared {
    own_region: String,
    epoch: Uuid,
    // A std Mutex, because nothing is awaited while it is held.
    inner: Mutex<Inner>,
    /// Tells polls that are held that something has changed.
    changed: watch::Sender<u64>,
    refused: [AtomicU64; Refusal::ALL.len()],
    results: AtomicU64,
    repeated: AtomicU64,
}

#[derive(Default)]
struct Inner {
    revision: u64,
    /// The monitors that are checked from elsewhere too.
    monitors: HashMap<MonitorId, Watched>,
    /// Those that are not any more.
    gone: HashMap<MonitorId, u64>,
    probes: HashMap<i64, Live>,
    logged: HashSet<(Refusal, String)>,
}

/// A monitor that is checked from elsewhere too.
struct Watched {
    monitor: Arc<Monitor>,
    /// The revision of its last change.
    revision: u64,
    /// Since when its checks ask what they ask now.
    asks_since: Timestamp,
}

/// Since when a probe is to check a monitor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assigned {
    /// When the monitor was made.
    pub since: Timestamp,
    /// When it was last edited in a way that checks could come out otherwise: not renamed, or asked more often.
    pub asks_since: Timestamp,
}

/// What is known of a probe since the start.
#[derive(Debug, Clone, Default)]
struct Live {
    instance: Option<Uuid>,
    replaced: VecDeque<Uuid>,
    heard_at: Option<Timestamp>,
    seen: Option<Seen>,
    is_unsaved: bool,
    /// When the last check of each of its monitors began.
    checked: HashMap<MonitorId, Timestamp>,
}

impl Hub {
    /// A hub of a server in `own_region` that knows nothing yet.
    pub fn new(own_region: &str) -> Self {
        Self(Arc::new(Shared {
            own_region: own_region.to_owned(),
            epoch: Uuid::new_v4(),
            inner: Mutex::default(),
            changed: watch::Sender::new(0),
            refused: Default::default(),
            results: AtomicU64::new(0),
            repeated: AtomicU64::new(0),
        }))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        // Each change is a single step.
        self.0.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The server's own region.
    pub fn own_region(&self) -> &str {
        &self.0.own_region
    }

    /// Takes in the monitors that are watched at the start.
    pub fn load(&self, watched: &[monitors::Watched]) {
        for monitors::Watched { monitor, .. } in watched {
            if is_remote(monitor) {
                self.inner().put(monitor.clone());
            }
        }
    }

    /// Takes in what the checker is told. Probes that wait hear of it.
    pub fn note(&self, command: &Command) {
        let has_changed = match command {
            Command::Watch(monitor) if is_remote(monitor) => {
                self.inner().put(monitor.clone());
                true
            }
            Command::Watch(monitor) => self.inner().remove(monitor.id),
            Command::Forget(id) => self.inner().remove(*id),
            _ => false,
        };
        if has_changed {
            self.wake();
        }
    }

    /// Lets all held polls look again: what they have to do, and whether they still may.
    pub fn wake(&self) {
        self.0.changed.send_modify(|count| *count += 1);
    }

    /// Notices every [`Hub::wake`] from now on.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.0.changed.subscribe()
    }

    /// A process shows the token of a probe. The newest one counts: one that was replaced before is refused, whoever plays it back.
    ///
    /// # Errors
    /// [`Refusal::Replaced`].
    pub fn greet(&self, probe_id: i64, instance: Uuid) -> Result<(), Refusal> {
        let mut inner = self.inner();
        let live = inner.probes.entry(probe_id).or_default();
        if live.instance == Some(instance) {
            return Ok(());
        }
        if live.replaced.contains(&instance) {
            return Err(Refusal::Replaced);
        }
        if let Some(old) = live.instance.replace(instance) {
            live.replaced.push_back(old);
            if live.replaced.len() > REPLACED_MAX {
                live.replaced.pop_front();
            }
        }
        Ok(())
    }

    /// A probe was heard of at `now`; `seen` is what it said of itself.
    pub fn heard(&self, probe_id: i64, now: Timestamp, seen: Option<Seen>) {
        let mut inner = self.inner();
        let live = inner.probes.entry(probe_id).or_default();
        live.heard_at = Some(now);
        live.is_unsaved = true;
        if seen.is_some() {
            live.seen = seen;
        }
    }

    /// When a probe was last heard of since the start, and what it said of itself.
    pub fn last_heard(&self, probe_id: i64) -> (Option<Timestamp>, Option<Seen>) {
        let inner = self.inner();
        inner.probes.get(&probe_id).map(|l| (l.heard_at, l.seen.clone())).unwrap_or_default()
    }

    /// What was heard of probes and is not stored yet.
    pub fn take_unsaved(&self) -> Vec<(i64, Timestamp, Seen)> {
        let mut inner = self.inner();
        let unsaved = inner.probes.iter_mut().filter(|(_, live)| live.is_unsaved);
        unsaved
            .filter_map(|(id, live)| {
                live.is_unsaved = false;
                Some((*id, live.heard_at?, live.seen.clone().unwrap_or_default()))
            })
            .collect()
    }

    /// What the probe of `region`, which knows up to `revision` of `epoch`, has to do now, or `None` when there is nothing new.
    pub fn assignments(
        &self,
        region: &str,
        epoch: Option<Uuid>,
        revision: u64,
    ) -> Option<Assignments> {
        let inner = self.inner();
        let reset = epoch != Some(self.0.epoch);
        let known = if reset { 0 } else { revision };
        if !reset && known >= inner.revision {
            return None;
        }
        let mut changes: Vec<(u64, MonitorId, Option<&Arc<Monitor>>)> = inner
            .monitors
            .iter()
            .map(|(id, Watched { monitor, revision, .. })| {
                (*revision, *id, is_checked_from(monitor, region).then_some(monitor))
            })
            .chain(inner.gone.iter().map(|(id, revision)| (*revision, *id, None)))
            .filter(|(revision, ..)| *revision > known)
            .collect();
        changes.sort_unstable_by_key(|(revision, ..)| *revision);
        let more = changes.len() > TASKS_MAX;
        changes.truncate(TASKS_MAX);
        let upto = changes.last().map_or(inner.revision, |(revision, ..)| *revision);
        Some(Assignments {
            version: VERSION,
            received_at: 0,
            sent_at: 0,
            region: region.to_owned(),
            epoch: self.0.epoch,
            revision: if more { upto } else { inner.revision },
            reset,
            more,
            watch: changes.iter().filter_map(|(.., m)| m.map(|m| Task::of(m, region))).collect(),
            forget: changes.iter().filter(|(.., m)| m.is_none()).map(|(_, id, _)| *id).collect(),
        })
    }

    /// The answer to a poll that was held without anything new.
    pub fn nothing_new(&self, region: &str, revision: u64) -> Assignments {
        Assignments {
            version: VERSION,
            received_at: 0,
            sent_at: 0,
            region: region.to_owned(),
            epoch: self.0.epoch,
            revision,
            reset: false,
            more: false,
            watch: Vec::new(),
            forget: Vec::new(),
        }
    }

    /// Since when a monitor is to be checked, if it is, from `region`.
    pub fn assigned(&self, region: &str, id: MonitorId) -> Option<Assigned> {
        let inner = self.inner();
        let Watched { monitor, asks_since, .. } = inner.monitors.get(&id)?;
        let assigned = Assigned { since: monitor.created_at, asks_since: *asks_since };
        is_checked_from(monitor, region).then_some(assigned)
    }

    /// The monitors that are to be checked from `region`.
    pub fn monitors_of(&self, region: &str) -> Vec<Arc<Monitor>> {
        let inner = self.inner();
        let all = inner.monitors.values().map(|watched| &watched.monitor);
        all.filter(|monitor| is_checked_from(monitor, region)).cloned().collect()
    }

    /// A probe has checked a monitor: its result is durable, and was there before if `is_repeated`.
    pub fn checked(&self, probe_id: i64, id: MonitorId, at: Timestamp, is_repeated: bool) {
        let count = if is_repeated { &self.0.repeated } else { &self.0.results };
        count.fetch_add(1, Ordering::Relaxed);
        if let Some(live) = self.inner().probes.get_mut(&probe_id) {
            let last = live.checked.entry(id).or_insert(at);
            *last = at.max(*last);
        }
    }

    /// The monitors of `region` whose last check from it has begun before `limit` says that it speaks no more; each is given once.
    pub fn take_silent(
        &self,
        probe_id: i64,
        is_silent: impl Fn(&Monitor, Timestamp) -> bool,
    ) -> Vec<MonitorId> {
        let mut inner = self.inner();
        let Inner { monitors, probes, .. } = &mut *inner;
        let Some(live) = probes.get_mut(&probe_id) else { return Vec::new() };
        let mut silent = Vec::new();
        live.checked.retain(|id, at| match monitors.get(id) {
            Some(Watched { monitor, .. }) if is_silent(monitor, *at) => {
                silent.push(*id);
                false
            }
            known => known.is_some(),
        });
        silent
    }

    /// Counts a refusal and logs it, the first time for `who`.
    pub fn refuse(&self, refusal: Refusal, who: &str) {
        self.0.refused[refusal as usize].fetch_add(1, Ordering::Relaxed);
        let is_first = {
            let logged = &mut self.inner().logged;
            logged.len() < LOGGED_MAX && logged.insert((refusal, who.to_owned()))
        };
        if is_first {
            tracing::warn!(
                reason = refusal.as_str(),
                from = who,
                "refused something of a probe; said once"
            );
        }
    }

    /// Says once that a probe's clock is wrong; its results are corrected.
    pub fn note_clock(&self, name: &str, ahead_ms: i64) {
        let is_first = {
            let logged = &mut self.inner().logged;
            logged.len() < LOGGED_MAX && logged.insert((Refusal::Clock, format!("{name}'s clock")))
        };
        if is_first {
            tracing::warn!(
                probe = name,
                ahead_ms,
                "the clock of a probe is wrong; its results are corrected"
            );
        }
    }

    /// How often something was refused for this reason.
    pub fn refused(&self, refusal: Refusal) -> u64 {
        self.0.refused[refusal as usize].load(Ordering::Relaxed)
    }

    /// How many results of probes were new, and how many were there already.
    pub fn results(&self) -> (u64, u64) {
        (self.0.results.load(Ordering::Relaxed), self.0.repeated.load(Ordering::Relaxed))
    }
}

impl Inner {
    fn put(&mut self, monitor: Arc<Monitor>) {
        self.revision += 1;
        self.gone.remove(&monitor.id);
        let before = self.monitors.get(&monitor.id);
        let asks_since = before
            .filter(|before| asks(&before.monitor) == asks(&monitor))
            .map_or(monitor.updated_at, |before| before.asks_since);
        let watched = Watched { monitor, revision: self.revision, asks_since };
        self.monitors.insert(watched.monitor.id, watched);
    }

    /// Whether it was there.
    fn remove(&mut self, id: MonitorId) -> bool {
        let was_there = self.monitors.remove(&id).is_some();
        if was_there {
            self.revision += 1;
            self.gone.insert(id, self.revision);
        }
        was_there
    }
}

/// Whether a monitor is checked from another region than the server's own.
fn is_remote(monitor: &Monitor) -> bool {
    monitor.settings.target.pace().is_some_and(|pace| !pace.regions.is_empty())
}

/// What a check of it asks, whenever and from wherever it is made.
fn asks(monitor: &Monitor) -> Target {
    let mut target = monitor.settings.target.clone();
    if let Some(pace) = target.pace_mut() {
        pace.regions.clear();
        pace.region_quorum = Default::default();
        (pace.check_interval_seconds, pace.retry_interval_seconds) = (0, 0);
        (pace.retries, pace.recovery_checks) = (0, 0);
    }
    target
}

fn is_checked_from(monitor: &Monitor, region: &str) -> bool {
    let pace = monitor.settings.target.pace();
    pace.is_some_and(|pace| pace.regions.iter().any(|name| name == region))
}

#[cfg(test)]
mod tests;
