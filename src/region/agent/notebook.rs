//! What a probe knows: what it has to check, how that stands as seen from here, and what it found.

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;
use uuid::Uuid;

use crate::checker::record::{Ended, Records};
use crate::checker::run::Command;
use crate::clock::Timestamp;
use crate::monitor::state::{Policy, State};
use crate::monitor::{CheckResult, Monitor, MonitorId, RegionState};
use crate::region::spool::{Batch, Spool};
use crate::region::wire::{Assignments, Found};

/// So many tasks at once are no edit of a person's: they are spread.
const MANY: usize = 20;

/// What the server has said, and up to where.
#[derive(Default)]
pub(super) struct Known {
    pub(super) epoch: Option<Uuid>,
    pub(super) revision: u64,
    pub(super) latency_ms: Option<i64>,
    /// Whether the clock made a leap.
    pub(super) corrected: bool,
    /// When each monitor was last edited.
    monitors: HashMap<MonitorId, i64>,
    /// Those that the server has not named again since it began anew.
    unnamed: HashSet<MonitorId>,
}

impl Known {
    /// How many monitors there are.
    pub(super) fn count(&self) -> usize {
        self.monitors.len()
    }

    /// Takes in what the server says; gives what the checker must be told.
    pub(super) fn take(
        &mut self,
        answer: Assignments,
        notebook: &Notebook,
        now: Timestamp,
    ) -> Vec<Command> {
        self.epoch = Some(answer.epoch);
        self.revision = answer.revision;
        if answer.reset {
            self.unnamed = self.monitors.keys().copied().collect();
        }
        let are_many = answer.watch.len() > MANY;
        let mut commands = Vec::new();
        for task in answer.watch {
            self.unnamed.remove(&task.id);
            if self.monitors.insert(task.id, task.updated_at) == Some(task.updated_at) {
                continue;
            }
            let monitor = Arc::new(task.into_monitor());
            notebook.put(monitor.clone(), now);
            commands.push(match are_many {
                true => Command::WatchSoon(monitor),
                false => Command::Watch(monitor),
            });
        }
        let mut gone = answer.forget;
        if !answer.more {
            gone.extend(self.unnamed.drain());
        }
        for id in gone {
            if self.monitors.remove(&id).is_some() {
                notebook.forget(id);
                commands.push(Command::Forget(id));
            }
        }
        commands
    }

    /// Forgets everything; gives what the checker must be told.
    pub(super) fn drop_all(&mut self, notebook: &Notebook) -> Vec<Command> {
        (self.epoch, self.revision) = (None, 0);
        self.unnamed.clear();
        let ids: Vec<_> = self.monitors.drain().map(|(id, _)| id).collect();
        ids.iter().for_each(|id| notebook.forget(*id));
        ids.into_iter().map(Command::Forget).collect()
    }
}

/// What this region holds of the monitors, and the spool.
pub(super) struct Notebook {
    // A std Mutex, because nothing is awaited while it is held.
    pages: Mutex<Pages>,
    filled: Notify,
}

struct Pages {
    states: HashMap<MonitorId, Page>,
    spool: Spool,
    has_failed: bool,
}

/// What is held of one monitor. A whole [`State`] would be several times as large, and there are thousands.
struct Page {
    monitor: Arc<Monitor>,
    watched_since: Timestamp,
    own: RegionState,
}

impl Page {
    /// When the settings were given that a check was made with; of a check that began with earlier ones, some time before.
    fn settings_at(&self, result: &CheckResult) -> i64 {
        let is_by_these = result.started_at >= self.watched_since;
        self.monitor.updated_at.0 - i64::from(!is_by_these)
    }
}

impl Notebook {
    pub(super) fn new(spool: Spool) -> Self {
        let pages = Pages { states: HashMap::new(), spool, has_failed: false };
        Self { pages: Mutex::new(pages), filled: Notify::new() }
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        // A panic leaves at worst a count that is off.
        self.pages.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn put(&self, monitor: Arc<Monitor>, now: Timestamp) {
        let page = Page { watched_since: now, own: RegionState::new(now), monitor };
        self.pages().states.insert(page.monitor.id, page);
    }

    fn forget(&self, id: MonitorId) {
        self.pages().states.remove(&id);
    }

    /// How many results wait, and how many were dropped.
    pub(super) fn backlog(&self) -> (u64, u64) {
        let pages = self.pages();
        (pages.spool.waiting(), pages.spool.dropped())
    }

    /// Waits until there is something to hand in.
    pub(super) async fn filled(&self) {
        if self.pages().spool.waiting() == 0 {
            self.filled.notified().await;
        }
    }

    /// The oldest results, at most `most`.
    pub(super) fn read(&self, most: usize) -> Option<Batch> {
        self.pages().spool.read(most)
    }

    /// The server has what `batch` holds.
    pub(super) fn acknowledge(&self, batch: &Batch) {
        self.pages().spool.acknowledge(batch);
    }
}

impl Pages {
    fn take(&mut self, ended: &Ended) -> Option<State> {
        let settings_at = self.states.get(&ended.id).map(|page| page.settings_at(&ended.result));
        let found = Found { monitor_id: ended.id, result: ended.result.clone(), settings_at };
        match self.spool.add(&found) {
            Ok(()) => self.has_failed = false,
            Err(_) if self.has_failed => {}
            Err(error) => {
                self.has_failed = true;
                tracing::error!(%error, "the spool cannot be written; the newest results are held in memory");
            }
        }
        let Page { monitor, watched_since, own } = self.states.get_mut(&ended.id)?;
        // One that began with other settings says nothing of these.
        if ended.result.started_at >= *watched_since {
            own.take(*watched_since, &ended.result, &Policy::of(&monitor.settings.target));
        }
        Some(own.as_state(*watched_since))
    }
}

#[async_trait::async_trait]
impl Records for Notebook {
    async fn record(&self, ended: &[Ended]) -> Vec<Option<State>> {
        let states = {
            let mut pages = self.pages();
            ended.iter().map(|ended| pages.take(ended)).collect()
        };
        self.filled.notify_one();
        states
    }
}
