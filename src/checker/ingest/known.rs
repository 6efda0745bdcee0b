//! What the writer remembers between its groups.

use std::collections::{BTreeSet, HashMap};

use uuid::Uuid;

use crate::incident::dependency::Dependencies;
use crate::monitor::MonitorId;
use crate::store::monitors::Watched;

/// Monitors as they are in the database. The writer is the only one that changes them, so what it has read or written stays
/// true until a group fails. Some have their secret headers and some have not: whoever writes one reads it anew first.
#[derive(Debug, Default)]
pub(super) struct Known {
    pub(super) by_id: HashMap<MonitorId, Watched>,
    pub(super) by_uuid: HashMap<Uuid, MonitorId>,
    /// What all monitors depend on. Read when first needed.
    pub(super) dependencies: Option<Dependencies>,
    /// By parent: the monitors that are down and whose alerts wait for a look at it.
    pub(super) awaiting: HashMap<MonitorId, BTreeSet<MonitorId>>,
}

/// How many monitors are remembered before all are forgotten and read anew as they come.
pub(super) const KNOWN_MAX: usize = 20_000;

impl Known {
    pub(super) fn put(&mut self, watched: Watched) {
        let (id, uuid) = (watched.monitor.id, watched.monitor.uuid);
        let old = self.by_id.insert(id, watched).and_then(|old| old.monitor.uuid);
        if let Some(old) = old {
            self.by_uuid.remove(&old);
        }
        if let Some(uuid) = uuid {
            self.by_uuid.insert(uuid, id);
        }
    }

    /// Forgets all monitors but these.
    pub(super) fn forget_but(&mut self, ids: &BTreeSet<MonitorId>) {
        self.by_id.retain(|id, _| ids.contains(id));
        let by_id = &self.by_id;
        self.by_uuid.retain(|_, id| by_id.contains_key(id));
        (self.dependencies, self.awaiting) = Default::default();
    }

    pub(super) fn forget(&mut self, id: MonitorId) {
        if let Some(uuid) = self.by_id.remove(&id).and_then(|old| old.monitor.uuid) {
            self.by_uuid.remove(&uuid);
        }
    }
}
