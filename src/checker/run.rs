//! The checker: takes what is due, checks it with a permit, and hands the result to the recorder.
//!
//! One task owns the queue and all slots, so that nothing needs a lock: commands, ended checks and the clock reach it in turn.
//! A monitor is never checked twice at once, and a check that hangs holds only its own permit. The permit comes free when the check
//! has ended, the monitor when its result is durable.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

use super::attempt::{Means, check};
use super::judge::Judge;
use super::meter::{Load, Meter};
use super::queue::{Limits, Plan, Queue};
use super::record::{COMPANY, Ended, Recorded, Recorder, Records};
use super::slot::{Phase, Slot};
use crate::clock::{SharedClock, Timestamp};
use crate::monitor::schedule::{self, Seat};
use crate::monitor::state::State;
use crate::monitor::{CheckResult, Monitor, MonitorId, Pace};
use crate::probe::Checks;
use crate::store::monitors::Watched;

/// Checks in flight to one address (contract, section 2).
const PER_ADDRESS: usize = 8;

/// What the checker is told.
#[derive(Debug)]
pub enum Command {
    /// Check this monitor from now on; the first check is due at once. Replaces what was known of it.
    Watch(Arc<Monitor>),
    /// The same for one of many that come together: the first check comes at its slot, or within some seconds if that is earlier.
    WatchSoon(Arc<Monitor>),
    /// Do not check it any more.
    Forget(MonitorId),
    /// Check it now and tell.
    CheckNow {
        /// Which.
        id: MonitorId,
        /// Gets the result; dropped when there will be none.
        reply: oneshot::Sender<CheckResult>,
    },
    /// Check it now; while a check runs, as soon as that one ends: what began before is no fresh look.
    CheckSoon(MonitorId),
    /// Look at everything afresh, spread over some seconds.
    CheckAllSoon,
    /// The clock has jumped: the moments that were planned mean nothing any more.
    Replan,
}

/// What the checker works with.
pub struct Checker {
    /// The time.
    pub clock: SharedClock,
    /// Makes the checks.
    pub prober: Arc<dyn Checks>,
    /// Says which failures are ours.
    pub judge: Judge,
    /// Where results go.
    pub records: Arc<dyn Records>,
    /// The region that it checks from.
    pub region: String,
    /// How many checks may run at once.
    pub permits: usize,
    /// What it shows of itself.
    pub meter: Arc<Meter>,
}

struct Loop {
    clock: SharedClock,
    meter: Arc<Meter>,
    means: Arc<Means>,
    queue: Queue,
    slots: HashMap<MonitorId, Slot>,
    checks: JoinSet<Option<Ended>>,
    recorder: Recorder,
    generation: u64,
    /// When it meant to look next.
    wakes_at: Option<Timestamp>,
}

/// Whether a monitor is checked from `region`.
fn is_here(monitor: &Monitor, region: &str) -> bool {
    let regions = monitor.settings.target.pace().map(|pace| &pace.regions);
    regions.is_some_and(|names| names.is_empty() || names.iter().any(|name| name == region))
}

impl Checker {
    /// Checks `watched` and what commands add, until `stop`; then lets the checks that run end.
    pub async fn run(
        self,
        watched: Vec<Watched>,
        mut commands: mpsc::UnboundedReceiver<Command>,
        stop: CancellationToken,
    ) {
        let mut this = Loop {
            queue: Queue::new(Limits { permits: self.permits, per_address: PER_ADDRESS }),
            slots: HashMap::new(),
            checks: JoinSet::new(),
            recorder: Recorder::new(self.records),
            generation: 0,
            wakes_at: None,
            clock: self.clock.clone(),
            meter: self.meter.clone(),
            means: Arc::new(Means {
                prober: self.prober,
                judge: self.judge,
                clock: self.clock,
                meter: self.meter,
                region: self.region,
            }),
        };
        this.start(watched);
        loop {
            this.start_due();
            let next = this.sleep();
            tokio::select! {
                () = stop.cancelled() => break,
                Some(command) = commands.recv() => this.command(command),
                Some(ended) = this.checks.join_next() => this.ended(ended),
                recorded = this.recorder.next() => this.recorded(recorded),
                () = next => {}
            }
        }
        // Who waits for a check hears at once that the server stops.
        drop(commands);
        this.slots.values_mut().for_each(|slot| slot.waiters.clear());
        // Running checks may still end and be recorded; the caller bounds the wait.
        this.recorder.hand_on();
        while let Some(ended) = this.checks.join_next().await {
            this.ended(ended);
            this.recorder.hand_on();
        }
        this.recorder.finish().await;
    }
}

impl Loop {
    fn start(&mut self, watched: Vec<Watched>) {
        let now = self.clock.now();
        let region = &self.means.region;
        let here = |w: Watched| {
            let state = w.state.seen_from(region).into_owned();
            is_here(&w.monitor, region).then_some(Watched { state, ..w })
        };
        let watched: Vec<Watched> = watched.into_iter().filter_map(here).collect();
        let checked: Vec<_> = watched
            .iter()
            .filter_map(|w| {
                let pace = w.monitor.settings.target.pace()?;
                Some((w.monitor.id, (Seat::new(w.monitor.id, pace, region), pace, &w.state)))
            })
            .collect();
        let (ids, seats): (Vec<MonitorId>, Vec<_>) = checked.into_iter().unzip();
        let due: HashMap<MonitorId, Timestamp> =
            ids.into_iter().zip(schedule::due_at_start(&seats, now)).collect();
        for Watched { monitor, state } in watched {
            if let Some(due) = due.get(&monitor.id) {
                // Nothing is being confirmed: what was cut off at the stop begins anew.
                self.put(monitor, Some(&state), *due, false);
            }
        }
    }

    /// Takes in a monitor, in the place of what was known of it, and plans its first check.
    fn put(
        &mut self,
        monitor: Arc<Monitor>,
        state: Option<&State>,
        due: Timestamp,
        is_urgent: bool,
    ) {
        let id = monitor.id;
        self.forget(id);
        self.generation += 1;
        let slot = Slot::new(monitor, state, self.generation, due);
        self.slots.insert(id, slot);
        self.plan(id, due, is_urgent);
    }

    /// Checks a monitor from now on, if it is checked from here.
    fn watch(&mut self, monitor: Arc<Monitor>, due: Timestamp, is_urgent: bool) {
        if is_here(&monitor, &self.means.region) {
            self.put(monitor, None, due, is_urgent);
        } else {
            self.forget(monitor.id);
        }
    }

    fn forget(&mut self, id: MonitorId) {
        self.queue.remove(id);
        if let Some(slot) = self.slots.remove(&id)
            && let Phase::Checking(check) = slot.phase
        {
            check.abort();
            self.queue.release(id);
        }
    }

    fn plan(&mut self, id: MonitorId, due: Timestamp, is_urgent: bool) {
        if let Some(slot) = self.slots.get_mut(&id) {
            slot.phase = Phase::Planned;
            self.queue.set(id, &slot.address, Plan { due, is_urgent, is_slow: slot.is_slow });
        }
    }

    /// Sleeps until the next check may start.
    fn sleep(&mut self) -> crate::clock::Sleep {
        let earliest_due = self.queue.earliest_due();
        // Nobody comes soon that is worth waiting for.
        let comes_soon = |due: Timestamp| due.since(self.clock.now()) < COMPANY.as_millis() as i64;
        if self.checks.is_empty() && !earliest_due.is_some_and(comes_soon) {
            self.recorder.hand_on();
        }
        self.meter.set_load(Load {
            earliest_due,
            in_flight: self.queue.in_flight(),
            waiting: self.queue.waiting(),
            unwritten: self.recorder.unwritten(),
        });
        self.wakes_at = self.queue.wakes_at();
        match self.wakes_at {
            Some(at) => self.clock.sleep_until(at),
            None => Box::pin(std::future::pending()),
        }
    }

    fn start_due(&mut self) {
        let now = self.clock.now();
        // Looking so late means that nobody was there to look: what was due meanwhile is not late for too much work.
        let limit_ms = self.clock.lateness_limit_ms();
        let was_away = self.wakes_at.take().is_some_and(|at| now.since(at) > limit_ms);
        while let Some(taken) = self.queue.take(now) {
            let Some(slot) = self.slots.get_mut(&taken.id) else {
                self.queue.release(taken.id);
                continue;
            };
            slot.due = if was_away { now } else { taken.due };
            (slot.was_urgent, slot.address_was_full) = (taken.is_urgent, taken.address_was_full);
            let check = check(self.means.clone(), slot.monitor.clone(), slot.generation, slot.due);
            slot.phase = Phase::Checking(self.checks.spawn(check));
        }
    }

    fn command(&mut self, command: Command) {
        let now = self.clock.now();
        match command {
            Command::Watch(monitor) => {
                self.watch(monitor, schedule::first_due(now), true);
            }
            Command::WatchSoon(monitor) => {
                let spread_ms = schedule::spread_ms(self.slots.len());
                let pace = monitor.settings.target.pace();
                let due = pace
                    .map(|pace| schedule::soon(self.seat(monitor.id, pace), pace, spread_ms, now));
                self.watch(monitor, due.unwrap_or(now), false);
            }
            Command::Forget(id) => self.forget(id),
            Command::CheckNow { id, reply } => {
                if let Some(slot) = self.slots.get_mut(&id) {
                    slot.waiters.push(reply);
                    self.check_soon(id, now);
                }
            }
            Command::Replan => self.replan(now),
            Command::CheckAllSoon => self.check_all_soon(now),
            Command::CheckSoon(id) => {
                if let Some(slot) = self.slots.get_mut(&id) {
                    slot.again = !matches!(slot.phase, Phase::Planned);
                    self.check_soon(id, now);
                }
            }
        }
    }

    fn seat(&self, id: MonitorId, pace: &Pace) -> Seat {
        Seat::new(id, pace, &self.means.region)
    }

    /// Plans every check that does not run anew. A clock that was set back would else leave all of them in a far future.
    fn replan(&mut self, now: Timestamp) {
        self.replan_by(now, |seat, pace| schedule::next_planned(seat, pace, now));
    }

    /// Brings every check forward. Those that run now are no fresh look, so theirs come again.
    fn check_all_soon(&mut self, now: Timestamp) {
        let spread_ms = schedule::spread_ms(self.slots.len());
        for slot in self.slots.values_mut() {
            slot.again = !matches!(slot.phase, Phase::Planned);
        }
        self.replan_by(now, |seat, pace| schedule::soon(seat, pace, spread_ms, now));
    }

    /// Plans the checks that do not run anew: at once where somebody waits for the result, else when `due` says.
    fn replan_by(&mut self, now: Timestamp, due: impl Fn(Seat, &Pace) -> Timestamp) {
        let planned = self.slots.iter().filter(|(_, slot)| matches!(slot.phase, Phase::Planned));
        let plans: Vec<_> = planned
            .filter_map(|(id, slot)| {
                let pace = slot.monitor.settings.target.pace()?;
                let is_awaited = !slot.waiters.is_empty();
                Some((
                    *id,
                    if is_awaited { now } else { due(self.seat(*id, pace), pace) },
                    is_awaited,
                ))
            })
            .collect();
        for (id, due, is_urgent) in plans {
            self.plan(id, due, is_urgent);
        }
    }

    fn check_soon(&mut self, id: MonitorId, now: Timestamp) {
        if self.slots.get(&id).is_some_and(|slot| matches!(slot.phase, Phase::Planned)) {
            self.plan(id, now, true);
        }
    }

    fn ended(&mut self, ended: Result<Option<Ended>, JoinError>) {
        match ended {
            Ok(Some(ended)) => self.check_ended(ended),
            Ok(None) => {}
            Err(error) if error.is_cancelled() => {}
            Err(error) => self.check_panicked(&error),
        }
    }

    fn check_ended(&mut self, ended: Ended) {
        let Some(slot) = self.slots.get_mut(&ended.id) else { return };
        if slot.generation != ended.generation {
            return;
        }
        self.queue.release(ended.id);
        self.meter.ended(ended.result.verdict);
        let may_wait = slot.ended(&ended.result);
        self.recorder.add(ended, may_wait);
    }

    fn recorded(&mut self, recorded: Result<Vec<Recorded>, JoinError>) {
        match recorded {
            Ok(recorded) => recorded.into_iter().for_each(|recorded| self.plan_next(recorded)),
            Err(error) => {
                tracing::error!(%error, "recording results panicked");
                let now = self.clock.now();
                self.plan_all(now, |slot| matches!(slot.phase, Phase::Recording));
            }
        }
    }

    fn plan_next(&mut self, Recorded { ended, state }: Recorded) {
        let Ended { id, at, result, .. } = ended;
        let Some(slot) = self.slots.get_mut(&id) else { return };
        if slot.generation != ended.generation {
            return;
        }
        let state = state.unwrap_or_else(|| State::unknown(at));
        slot.recorded(&result, &state);
        let Some(pace) = slot.monitor.settings.target.pace() else { return };
        // A re-check is a fresh look too, and its time must not be cut short.
        if std::mem::take(&mut slot.again) && !state.is_confirming() {
            self.plan(id, at, true);
            return;
        }
        let routine_began = Some(result.started_at).filter(|_| !slot.was_urgent);
        let seat = Seat::new(id, pace, &self.means.region);
        let next = schedule::next_due(seat, pace, &state, routine_began, at);
        if !state.is_confirming() {
            let skipped = schedule::skipped(seat, pace, (slot.due, result.started_at, at), next);
            self.meter.skipped(skipped, slot.address_was_full, at);
        }
        self.plan(id, next, state.is_confirming());
    }

    /// A panic is our own trouble: the check is tried again at its next slot.
    fn check_panicked(&mut self, error: &JoinError) {
        tracing::error!(%error, "a check panicked");
        let now = self.clock.now();
        let is_it = |slot: &Slot| matches!(&slot.phase, Phase::Checking(c) if c.id() == error.id());
        self.plan_all(now, is_it);
    }

    /// Gives up what goes on with these monitors, and plans their next slots.
    fn plan_all(&mut self, now: Timestamp, which: impl Fn(&Slot) -> bool) {
        let ids = self.slots.iter().filter(|(_, slot)| which(slot)).map(|(id, _)| *id);
        for id in ids.collect::<Vec<_>>() {
            self.queue.release(id);
            let Some(slot) = self.slots.get_mut(&id) else { continue };
            slot.waiters.clear();
            if let Some(pace) = slot.monitor.settings.target.pace() {
                let seat = Seat::new(id, pace, &self.means.region);
                let next = schedule::next_planned(seat, pace, now);
                self.plan(id, next, false);
            }
        }
    }
}
