//! The queue against a simple oracle, and the promises that follow: permits, fairness, no starvation.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;

use super::queue::{Limits, Plan, Queue};
use crate::clock::Timestamp;
use crate::monitor::MonitorId;

const LIMITS: Limits = Limits { permits: 6, per_address: 4 };

fn address(n: u8) -> Arc<str> {
    format!("host{n}:80").into()
}

fn plan(due: i64, is_urgent: bool, is_slow: bool) -> Plan {
    Plan { due: Timestamp(due), is_urgent, is_slow }
}

#[derive(Debug, Clone)]
enum Op {
    Set(MonitorId, u8, Plan),
    Remove(MonitorId),
    Take,
    Release(MonitorId),
    Pass(i64),
}

fn op() -> impl Strategy<Value = Op> {
    let id = 0..24i64;
    let plan = (0..100i64, any::<bool>(), any::<bool>()).prop_map(|(due, u, s)| plan(due, u, s));
    prop_oneof![
        4 => (id.clone(), 0..4u8, plan).prop_map(|(id, address, plan)| Op::Set(id, address, plan)),
        1 => id.clone().prop_map(Op::Remove),
        6 => Just(Op::Take),
        3 => id.prop_map(Op::Release),
        1 => (0..20i64).prop_map(Op::Pass),
    ]
}

/// The same rules, by looking at everything each time.
#[derive(Default)]
struct Oracle {
    planned: BTreeMap<MonitorId, (u8, Plan)>,
    running: BTreeMap<MonitorId, (u8, Plan)>,
    urgent_in_a_row: u32,
}

impl Oracle {
    fn count(&self, like: impl Fn(u8, Plan) -> bool) -> usize {
        self.running.values().filter(|(address, plan)| like(*address, *plan)).count()
    }

    fn may_start(&self, now: i64, at: u8, plan: Plan) -> bool {
        plan.due.0 <= now
            && self.running.len() < 6
            && self.count(|a, _| a == at) < 4
            && (!plan.is_slow
                || self.count(|_, p| p.is_slow) < 5 && self.count(|a, p| a == at && p.is_slow) < 3)
    }

    fn take(&mut self, now: i64) -> Option<MonitorId> {
        let first = |is_urgent: bool| {
            let may = self
                .planned
                .iter()
                .filter(|(_, (at, p))| p.is_urgent == is_urgent && self.may_start(now, *at, *p));
            may.map(|(id, (_, p))| (p.due, *id)).min()
        };
        let (urgent, other) = (first(true), first(false));
        let chosen = match (urgent, other) {
            (Some(_), Some(other)) if self.urgent_in_a_row >= 3 => Some(other),
            (urgent, other) => urgent.or(other),
        };
        let (_, id) = chosen?;
        let (at, plan) = self.planned.remove(&id)?;
        // As in the queue: a slow one that only the pool's share of slow ones holds up counts as waiting.
        let others_wait = self.planned.values().any(|(a, p)| {
            !p.is_urgent
                && p.due.0 <= now
                && self.count(|b, _| b == *a) < 4
                && (!p.is_slow || self.count(|b, q| b == *a && q.is_slow) < 3)
        });
        self.urgent_in_a_row =
            if plan.is_urgent && others_wait { self.urgent_in_a_row + 1 } else { 0 };
        self.running.insert(id, (at, plan));
        Some(id)
    }
}

proptest! {
    #[test]
    fn agrees_with_the_oracle(ops in prop::collection::vec(op(), 0..300)) {
        let mut queue = Queue::new(LIMITS);
        let mut oracle = Oracle::default();
        let mut now = 0;
        for op in ops {
            match op {
                Op::Set(id, at, plan) => {
                    queue.set(id, &address(at), plan);
                    if !oracle.running.contains_key(&id) {
                        oracle.planned.insert(id, (at, plan));
                    }
                }
                Op::Remove(id) => {
                    queue.remove(id);
                    oracle.planned.remove(&id);
                }
                Op::Take => {
                    let taken = queue.take(Timestamp(now));
                    let due = taken.map(|taken| taken.due);
                    let expected = oracle.take(now);
                    prop_assert_eq!(taken.map(|taken| taken.id), expected);
                    let running = expected.and_then(|id| oracle.running.get(&id));
                    prop_assert_eq!(due, running.map(|(_, plan)| plan.due));
                    let due = oracle.planned.values().filter(|(_, p)| p.due.0 <= now).count();
                    prop_assert_eq!(queue.waiting(), due);
                }
                Op::Release(id) => {
                    queue.release(id);
                    oracle.running.remove(&id);
                }
                Op::Pass(ms) => now += ms,
            }
            prop_assert_eq!(queue.in_flight(), oracle.running.len());
            prop_assert!(queue.in_flight() <= LIMITS.permits);
            for at in 0..4 {
                prop_assert!(oracle.count(|a, _| a == at) <= LIMITS.per_address);
            }
            // The sleep never lasts beyond a check that could start, and never turns round without one.
            let wakes_now = queue.wakes_at().is_some_and(|at| at.0 <= now);
            let may = oracle.planned.values().any(|(at, p)| oracle.may_start(now, *at, *p));
            prop_assert!(wakes_now || !may);
            let before = (queue.in_flight(), queue.waiting());
            if wakes_now && !may {
                // What has come due but cannot start is put in line by this, and then the queue sleeps.
                prop_assert_eq!(queue.take(Timestamp(now)), None);
                prop_assert!(queue.wakes_at().is_none_or(|at| at.0 > now));
                prop_assert_eq!(before.0, queue.in_flight());
            }
        }
    }

    /// Whatever is planned gets its turn, when checks end.
    #[test]
    fn nothing_starves(plans in prop::collection::vec((0..3u8, any::<bool>(), any::<bool>()), 1..60)) {
        let mut queue = Queue::new(LIMITS);
        for (id, (at, is_urgent, is_slow)) in plans.iter().enumerate() {
            queue.set(id as i64, &address(*at), plan(id as i64, *is_urgent, *is_slow));
        }
        // Urgent checks come without end beside them.
        let (mut now, mut left, mut next_id) = (1000, plans.len(), 1_000_000);
        while left > 0 {
            queue.set(next_id, &address(9), plan(now, true, false));
            next_id += 1;
            now += 1;
            while let Some(taken) = queue.take(Timestamp(now)) {
                left -= usize::from(taken.id < 1_000_000);
                queue.release(taken.id);
            }
            prop_assert!(now < 10_000, "{left} never started");
        }
    }
}

#[test]
fn four_times_too_much_work_is_skipped_evenly() {
    // 400 monitors every 20 s, checks of 1 s, 5 permits: 5 a second are possible, 20 are wanted.
    let mut queue = Queue::new(Limits { permits: 5, per_address: 8 });
    let mut counts = vec![0; 400];
    for id in 0..400 {
        queue.set(id, &format!("host{id}:80").into(), plan(id * 50, false, false));
    }
    let mut running: Vec<i64> = Vec::new();
    for second in 0..2000 {
        let now = second * 1000;
        for id in running.drain(..) {
            queue.release(id);
            let next = crate::monitor::schedule::next_slot(id, 20_000, Timestamp(now));
            queue.set(id, &format!("host{id}:80").into(), plan(next.0, false, false));
        }
        while let Some(taken) = queue.take(Timestamp(now)) {
            counts[usize::try_from(taken.id).unwrap()] += 1;
            running.push(taken.id);
        }
    }
    let (least, most) = (counts.iter().min().unwrap(), counts.iter().max().unwrap());
    // 25 of 100 each.
    assert!(*least >= 23 && *most <= 27, "{least} to {most}");
}

#[test]
fn hanging_checks_leave_room_for_the_healthy_at_their_address_and_in_the_pool() {
    let mut queue = Queue::new(Limits { permits: 16, per_address: 8 });
    let place = address(1);
    for id in 0..20 {
        queue.set(id, &place, plan(0, false, true));
        queue.set(100 + id, &address(2), plan(0, false, true));
    }
    let hanging = std::iter::from_fn(|| queue.take(Timestamp(0))).count();
    assert_eq!(hanging, 12, "six to each address, and no more than three quarters of the pool");
    queue.set(50, &place, plan(5, false, false));
    let taken = queue.take(Timestamp(5)).unwrap();
    assert_eq!((taken.id, taken.address_was_full), (50, false));
}

#[test]
fn what_waits_for_its_address_is_known_from_what_waits_for_capacity() {
    let mut queue = Queue::new(Limits { permits: 3, per_address: 2 });
    for id in 0..3 {
        queue.set(id, &address(1), plan(id, false, false));
    }
    assert_eq!(queue.take(Timestamp(1)).map(|taken| taken.id), Some(0));
    assert_eq!(queue.take(Timestamp(1)).map(|taken| taken.id), Some(1));
    // It waits for its address: the checker is not late for that.
    assert_eq!(queue.take(Timestamp(2)), None);
    assert_eq!((queue.waiting(), queue.earliest_due(), queue.wakes_at()), (1, None, None));
    queue.set(3, &address(2), plan(2, false, false));
    queue.set(4, &address(2), plan(2, false, false));
    assert_eq!(queue.take(Timestamp(2)).map(|taken| taken.id), Some(3));
    assert_eq!((queue.take(Timestamp(2)), queue.wakes_at()), (None, None), "no permit is left");
    assert_eq!(queue.earliest_due(), Some(Timestamp(2)));
    queue.release(0);
    let taken = queue.take(Timestamp(9)).unwrap();
    assert_eq!((taken.id, taken.address_was_full), (2, true));
}

#[test]
fn a_check_in_flight_is_not_planned_a_second_time() {
    let mut queue = Queue::new(LIMITS);
    queue.set(1, &address(1), plan(0, false, false));
    assert!(queue.take(Timestamp(0)).is_some());
    queue.set(1, &address(1), plan(0, true, false));
    assert_eq!(queue.take(Timestamp(0)), None);
    queue.release(1);
    queue.release(1);
    queue.set(1, &address(1), plan(0, true, false));
    assert!(queue.take(Timestamp(0)).is_some());
}
