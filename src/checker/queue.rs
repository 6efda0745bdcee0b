//! Which check starts next: what is planned, what runs, and the permits between the two. Pure.
//!
//! Each monitor has at most one plan and at most one check in flight. A check needs a permit of the pool and one of its address;
//! it takes both at once or none, so that one that waits for its address holds nothing that another could use.
//!
//! Of the checks that may start, an *urgent* one (a failure that is being confirmed, a person who waits) comes first, but every
//! fourth start is of the others while any wait; within each the one that is due longest comes first. So nothing starves, and when
//! there is more work than permits every monitor loses the same share. Monitors whose last check was *slow* may hold only three
//! quarters of the pool and of their address: targets that hang cannot keep a healthy one waiting for their timeouts.
//!
//! Everything costs O(log n): of each address only the first of each lane stands in line, and an address that is full stands in none.

use std::collections::{BTreeSet, HashMap};
use std::sync::Arc;

use crate::clock::Timestamp;
use crate::monitor::MonitorId;

/// Urgent starts in a row while others wait.
const URGENT_RUN: u32 = 3;
/// Urgent or not, slow or not.
const LANES: usize = 4;

/// How many checks may be in flight.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// At all.
    pub permits: usize,
    /// To one address.
    pub per_address: usize,
}

/// When and how a check is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Plan {
    /// Not before.
    pub due: Timestamp,
    /// Before those that are not.
    pub is_urgent: bool,
    /// Whether the monitor's last check took long, so that this one is likely to.
    pub is_slow: bool,
}

/// A check that may start; it holds its permits until [`Queue::release`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Taken {
    /// Of which monitor.
    pub id: MonitorId,
    /// When it was due.
    pub due: Timestamp,
    /// Whether it was planned as urgent.
    pub is_urgent: bool,
    /// Whether its address had no permit left when it came due: if it is late, that is not for a lack of capacity.
    pub address_was_full: bool,
}

type Key = (Timestamp, MonitorId);

/// Plans, checks in flight, and permits.
#[derive(Debug)]
pub struct Queue {
    limits: Limits,
    planned: HashMap<MonitorId, Planned>,
    /// What is not yet due, or was not when [`Queue::take`] was last called.
    later: BTreeSet<Key>,
    addresses: HashMap<Arc<str>, Address>,
    /// The first of each lane of each address that has room.
    heads: [BTreeSet<Key>; LANES],
    running: HashMap<MonitorId, Running>,
    slow_running: usize,
    urgent_in_a_row: u32,
}

#[derive(Debug)]
struct Planned {
    plan: Plan,
    address: Arc<str>,
    /// `None`: it is in `later`. Else it waits at its address, and this says whether that was full when it came.
    waits: Option<bool>,
}

#[derive(Debug)]
struct Running {
    address: Arc<str>,
    is_slow: bool,
}

#[derive(Debug, Default)]
struct Address {
    waiting: [BTreeSet<Key>; LANES],
    /// What of it stands in `heads`.
    shown: [Option<Key>; LANES],
    running: usize,
    slow_running: usize,
}

impl Plan {
    fn lane(self) -> usize {
        usize::from(self.is_urgent) * 2 + usize::from(self.is_slow)
    }
}

/// What slow checks may hold of `limit`.
fn slow_share(limit: usize) -> usize {
    limit - limit / 4
}

impl Queue {
    /// An empty queue.
    pub fn new(limits: Limits) -> Self {
        Self {
            limits,
            planned: HashMap::new(),
            later: BTreeSet::new(),
            addresses: HashMap::new(),
            heads: Default::default(),
            running: HashMap::new(),
            slow_running: 0,
            urgent_in_a_row: 0,
        }
    }

    /// Plans the next check of a monitor at `address`, instead of any plan before. While a check of it is in flight this does
    /// nothing: who releases it plans the next.
    pub fn set(&mut self, id: MonitorId, address: &Arc<str>, plan: Plan) {
        if self.running.contains_key(&id) {
            return;
        }
        self.remove(id);
        self.later.insert((plan.due, id));
        self.planned.insert(id, Planned { plan, address: Arc::clone(address), waits: None });
    }

    /// Forgets the plan of a monitor.
    pub fn remove(&mut self, id: MonitorId) {
        let Some(Planned { plan, address, waits }) = self.planned.remove(&id) else { return };
        let key = (plan.due, id);
        if waits.is_none() {
            self.later.remove(&key);
            return;
        }
        if let Some(place) = self.addresses.get_mut(&address) {
            place.waiting[plan.lane()].remove(&key);
        }
        self.refresh(&address);
    }

    /// Takes the check that is to start at `now`, with its permits; `None` if none may.
    pub fn take(&mut self, now: Timestamp) -> Option<Taken> {
        self.admit(now);
        if self.running.len() >= self.limits.permits {
            return None;
        }
        let (due, id) = self.choose()?;
        let Planned { plan, address, waits } = self.planned.remove(&id)?;
        let others_wait = !self.heads[0].is_empty() || !self.heads[1].is_empty();
        self.urgent_in_a_row =
            if plan.is_urgent && others_wait { self.urgent_in_a_row + 1 } else { 0 };
        if let Some(place) = self.addresses.get_mut(&address) {
            place.waiting[plan.lane()].remove(&(due, id));
            place.running += 1;
            place.slow_running += usize::from(plan.is_slow);
        }
        self.refresh(&address);
        self.slow_running += usize::from(plan.is_slow);
        self.running.insert(id, Running { address, is_slow: plan.is_slow });
        Some(Taken { id, due, is_urgent: plan.is_urgent, address_was_full: waits == Some(true) })
    }

    /// Gives back the permits of a monitor's check, if one is in flight.
    pub fn release(&mut self, id: MonitorId) {
        let Some(Running { address, is_slow }) = self.running.remove(&id) else { return };
        self.slow_running -= usize::from(is_slow);
        if let Some(place) = self.addresses.get_mut(&address) {
            place.running -= 1;
            place.slow_running -= usize::from(is_slow);
        }
        self.refresh(&address);
    }

    /// When [`Queue::take`] is to be called next, unless something changes before: a moment in the past means now, and `None`
    /// that a permit must come free first.
    pub fn wakes_at(&self) -> Option<Timestamp> {
        if self.running.len() >= self.limits.permits {
            return None;
        }
        let waiting = self.choose().map(|(due, _)| due);
        let later = self.later.first().map(|(due, _)| *due);
        waiting.into_iter().chain(later).min()
    }

    /// The earliest due time of all that is planned and does not wait for its own address: in the past while the checker is late.
    pub fn earliest_due(&self) -> Option<Timestamp> {
        let heads = self.heads.iter().filter_map(BTreeSet::first);
        heads.chain(self.later.first()).map(|(due, _)| *due).min()
    }

    /// How many checks are in flight.
    pub fn in_flight(&self) -> usize {
        self.running.len()
    }

    /// How many checks are due and wait for a permit, as of the last [`Queue::take`].
    pub fn waiting(&self) -> usize {
        self.planned.len() - self.later.len()
    }

    /// Puts what has come due in line at its address.
    fn admit(&mut self, now: Timestamp) {
        while let Some(&key) = self.later.first().filter(|(due, _)| *due <= now) {
            self.later.remove(&key);
            let Some(planned) = self.planned.get_mut(&key.1) else { continue };
            let address = Arc::clone(&planned.address);
            let place = self.addresses.entry(Arc::clone(&address)).or_default();
            // Those in line there come first; a slow check holds up no other.
            let is_slow = planned.plan.is_slow;
            let in_line = |lane: &usize| is_slow || lane.is_multiple_of(2);
            let waiting: usize =
                (0..LANES).filter(in_line).map(|lane| place.waiting[lane].len()).sum();
            let slow_is_full = place.slow_running >= slow_share(self.limits.per_address);
            let is_full = place.running + waiting >= self.limits.per_address;
            planned.waits = Some(is_full || is_slow && slow_is_full);
            place.waiting[planned.plan.lane()].insert(key);
            self.refresh(&address);
        }
    }

    /// The first in line of those that may start, if there is a permit of the pool.
    fn choose(&self) -> Option<Key> {
        let slow_may = self.slow_running < slow_share(self.limits.permits);
        let first = |lane: usize| {
            let quick = self.heads[lane].first();
            let slow = self.heads[lane + 1].first().filter(|_| slow_may);
            quick.into_iter().chain(slow).min().copied()
        };
        match (first(2), first(0)) {
            (Some(_), Some(other)) if self.urgent_in_a_row >= URGENT_RUN => Some(other),
            (urgent, other) => urgent.or(other),
        }
    }

    /// Makes what an address shows in `heads` true again, and forgets an address of which nothing is left.
    fn refresh(&mut self, address: &Arc<str>) {
        let Some(place) = self.addresses.get_mut(address) else { return };
        let has_room = place.running < self.limits.per_address;
        let slow_has_room = place.slow_running < slow_share(self.limits.per_address);
        for lane in 0..LANES {
            let may_start = has_room && (slow_has_room || lane % 2 == 0);
            let head = place.waiting[lane].first().copied().filter(|_| may_start);
            if place.shown[lane] != head {
                if let Some(old) = std::mem::replace(&mut place.shown[lane], head) {
                    self.heads[lane].remove(&old);
                }
                self.heads[lane].extend(head);
            }
        }
        if place.running == 0 && place.waiting.iter().all(BTreeSet::is_empty) {
            self.addresses.remove(address);
        }
    }
}
