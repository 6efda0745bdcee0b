//! The due-queue: which monitor is due next. A heap of moments; a moment that was replaced meanwhile is passed over. Pure.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap};

use crate::clock::Timestamp;
use crate::monitor::MonitorId;

/// Monitors by when they are due. Each has at most one moment.
#[derive(Debug, Default)]
pub struct DueQueue {
    heap: BinaryHeap<Reverse<(Timestamp, MonitorId, u64)>>,
    current: HashMap<MonitorId, u64>,
    generation: u64,
}

impl DueQueue {
    /// Sets when a monitor is due, instead of any moment before.
    pub fn set(&mut self, id: MonitorId, due: Timestamp) {
        self.generation += 1;
        self.current.insert(id, self.generation);
        self.heap.push(Reverse((due, id, self.generation)));
    }

    /// Forgets a monitor.
    pub fn remove(&mut self, id: MonitorId) {
        self.current.remove(&id);
    }

    /// The next moment at which a monitor is due.
    pub fn next_due(&mut self) -> Option<Timestamp> {
        self.drop_replaced();
        self.heap.peek().map(|Reverse((due, ..))| *due)
    }

    /// Takes the monitor that is due longest at `now`, with the moment it was due.
    pub fn pop(&mut self, now: Timestamp) -> Option<(MonitorId, Timestamp)> {
        self.drop_replaced();
        let Reverse((due, id, _)) = *self.heap.peek()?;
        if due > now {
            return None;
        }
        self.heap.pop();
        self.current.remove(&id);
        Some((id, due))
    }

    fn drop_replaced(&mut self) {
        while let Some(Reverse((_, id, generation))) = self.heap.peek() {
            if self.current.get(id) == Some(generation) {
                return;
            }
            self.heap.pop();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[derive(Debug, Clone)]
    enum Op {
        Set(MonitorId, i64),
        Remove(MonitorId),
        Pop(i64),
    }

    fn op() -> impl Strategy<Value = Op> {
        prop_oneof![
            (0..8i64, 0..100i64).prop_map(|(id, due)| Op::Set(id, due)),
            (0..8i64).prop_map(Op::Remove),
            (0..100i64).prop_map(Op::Pop),
        ]
    }

    proptest! {
        #[test]
        fn agrees_with_a_sorted_map(ops in prop::collection::vec(op(), 0..200)) {
            let mut queue = DueQueue::default();
            let mut oracle: BTreeMap<MonitorId, i64> = BTreeMap::new();
            for op in ops {
                match op {
                    Op::Set(id, due) => {
                        queue.set(id, Timestamp(due));
                        oracle.insert(id, due);
                    }
                    Op::Remove(id) => {
                        queue.remove(id);
                        oracle.remove(&id);
                    }
                    Op::Pop(now) => {
                        let earliest = oracle.values().min().copied();
                        prop_assert_eq!(queue.next_due(), earliest.map(Timestamp));
                        match queue.pop(Timestamp(now)) {
                            Some((id, due)) => {
                                prop_assert_eq!(Some(due.0), earliest);
                                prop_assert!(due.0 <= now);
                                prop_assert_eq!(oracle.remove(&id), Some(due.0));
                            }
                            None => prop_assert!(earliest.is_none_or(|due| due > now)),
                        }
                    }
                }
            }
        }
    }
}
