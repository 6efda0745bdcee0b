//! The checker: takes what is due, checks it with a permit, and hands the result to the writer.
//!
//! One task owns the queue and all slots, so that nothing needs a lock: commands, ended checks and the clock reach it in turn.
//! A monitor is never checked twice at once, and a check that hangs holds only its own permit.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::sync::{mpsc, oneshot};
use tokio::task::{AbortHandle, JoinSet};
use tokio_util::sync::CancellationToken;

use super::ingest::{Ingest, Reply, Work};
use super::judge::Judge;
use super::queue::DueQueue;
use crate::clock::{SharedClock, Timestamp};
use crate::monitor::state::State;
use crate::monitor::{CheckResult, Monitor, MonitorId, schedule};
use crate::probe::Prober;
use crate::store::monitors::Watched;
use crate::store::writer::Writer;

/// What the checker is told.
#[derive(Debug)]
pub enum Command {
    /// Check this monitor from now on; the first check is due at once. Replaces what was known of it.
    Watch(Arc<Monitor>),
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
    pub prober: Arc<Prober>,
    /// Says which failures are ours.
    pub judge: Judge,
    /// Where results go.
    pub writer: Writer<Ingest>,
    /// The region of this server.
    pub region: String,
    /// How many checks may run at once.
    pub permits: usize,
    /// When the next check is due, in epoch ms, `i64::MAX` for none. It lies in the past while checks are late.
    pub next_due: Arc<AtomicI64>,
}

struct Slot {
    monitor: Arc<Monitor>,
    running: Option<AbortHandle>,
    waiters: Vec<oneshot::Sender<CheckResult>>,
    /// Whether a check that begins after the running one is asked for.
    again: bool,
    /// Counts the times that this monitor was replaced, to know ended checks of before.
    generation: u64,
}

struct Ended {
    id: MonitorId,
    generation: u64,
    /// When the check itself ended: from here the next one is counted, however long the writing took.
    at: Timestamp,
    result: CheckResult,
    state: Option<State>,
}

struct Loop {
    checker: Checker,
    queue: DueQueue,
    slots: HashMap<MonitorId, Slot>,
    running: JoinSet<Option<Ended>>,
    generation: u64,
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
            checker: self,
            queue: DueQueue::default(),
            slots: HashMap::new(),
            running: JoinSet::new(),
            generation: 0,
        };
        this.start(watched);
        loop {
            this.start_due();
            let next = this.sleep();
            tokio::select! {
                () = stop.cancelled() => break,
                Some(command) = commands.recv() => this.command(command),
                Some(ended) = this.running.join_next() => this.ended(ended),
                () = next => {}
            }
        }
        // Running checks may still end and be recorded; the caller bounds the wait.
        while this.running.join_next().await.is_some() {}
    }
}

impl Loop {
    fn start(&mut self, watched: Vec<Watched>) {
        let now = self.checker.clock.now();
        for Watched { monitor, state } in watched {
            if let Some(pace) = monitor.settings.target.pace() {
                let due = schedule::due_at_start(monitor.id, pace, &state, now);
                self.queue.set(monitor.id, due);
                self.put(Arc::new(monitor));
            }
        }
    }

    fn put(&mut self, monitor: Arc<Monitor>) {
        self.generation += 1;
        let slot = Slot {
            monitor,
            running: None,
            waiters: Vec::new(),
            again: false,
            generation: self.generation,
        };
        if let Some(old) = self.slots.insert(slot.monitor.id, slot) {
            abort(old);
        }
    }

    /// Sleeps until the next check may start. With all permits in use that is when one ends.
    fn sleep(&mut self) -> crate::clock::Sleep {
        let next_due = self.queue.next_due();
        let shown = next_due.map_or(i64::MAX, |due| due.0);
        self.checker.next_due.store(shown, Ordering::Relaxed);
        match next_due {
            Some(due) if self.running.len() < self.checker.permits => {
                self.checker.clock.sleep_until(due)
            }
            _ => Box::pin(std::future::pending()),
        }
    }

    fn start_due(&mut self) {
        let now = self.checker.clock.now();
        while self.running.len() < self.checker.permits
            && let Some((id, _)) = self.queue.pop(now)
        {
            self.start_check(id, now);
        }
    }

    fn start_check(&mut self, id: MonitorId, now: Timestamp) {
        let Some(slot) = self.slots.get_mut(&id) else { return };
        if slot.running.is_some() {
            return;
        }
        let check = check(
            self.checker.prober.clone(),
            self.checker.judge.clone(),
            self.checker.writer.clone(),
            slot.monitor.clone(),
            self.checker.region.clone(),
            slot.generation,
            now,
        );
        slot.running = Some(self.running.spawn(check));
    }

    fn command(&mut self, command: Command) {
        let now = self.checker.clock.now();
        match command {
            Command::Watch(monitor) => {
                if monitor.settings.target.pace().is_some() {
                    self.queue.set(monitor.id, schedule::first_due(now));
                    self.put(monitor);
                }
            }
            Command::Forget(id) => {
                self.queue.remove(id);
                if let Some(slot) = self.slots.remove(&id) {
                    abort(slot);
                }
            }
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
                    slot.again = slot.running.is_some();
                    self.check_soon(id, now);
                }
            }
        }
    }

    /// Plans every check that does not run anew. A clock that was set back would else leave all of them in a far future.
    fn replan(&mut self, now: Timestamp) {
        for (id, slot) in &self.slots {
            if let (Some(pace), None) = (slot.monitor.settings.target.pace(), &slot.running) {
                let due = schedule::next_due(*id, pace, &State::unknown(now), now);
                let due = if slot.waiters.is_empty() { due } else { now };
                self.queue.set(*id, due);
            }
        }
    }

    /// Brings every check forward. Those that run now are no fresh look, so theirs come again.
    fn check_all_soon(&mut self, now: Timestamp) {
        let spread_ms = schedule::spread_ms(self.slots.len());
        for (id, slot) in &mut self.slots {
            slot.again = slot.running.is_some();
            if let (Some(pace), None) = (slot.monitor.settings.target.pace(), &slot.running) {
                let due = schedule::soon(*id, pace, spread_ms, now);
                self.queue.set(*id, if slot.waiters.is_empty() { due } else { now });
            }
        }
    }

    fn check_soon(&mut self, id: MonitorId, now: Timestamp) {
        if self.slots.get(&id).is_some_and(|slot| slot.running.is_none()) {
            self.queue.set(id, now);
        }
    }

    fn ended(&mut self, ended: Result<Option<Ended>, tokio::task::JoinError>) {
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
        slot.running = None;
        for waiter in slot.waiters.drain(..) {
            // Whoever asked may have gone.
            let _ = waiter.send(ended.result.clone());
        }
        if let Some(pace) = slot.monitor.settings.target.pace() {
            let unknown = State::unknown(ended.at);
            let state = ended.state.as_ref().unwrap_or(&unknown);
            let due = match std::mem::take(&mut slot.again) {
                true => ended.at,
                false => schedule::next_due(ended.id, pace, state, ended.at),
            };
            self.queue.set(ended.id, due);
        }
    }

    /// A panic is our own trouble: the check is tried again at its next slot.
    fn check_panicked(&mut self, error: &tokio::task::JoinError) {
        tracing::error!(%error, "a check panicked");
        let now = self.checker.clock.now();
        for (id, slot) in &mut self.slots {
            if slot.running.as_ref().is_some_and(AbortHandle::is_finished)
                && let Some(pace) = slot.monitor.settings.target.pace()
            {
                slot.running = None;
                slot.waiters.clear();
                self.queue.set(*id, schedule::next_due(*id, pace, &State::unknown(now), now));
            }
        }
    }
}

fn abort(slot: Slot) {
    if let Some(running) = slot.running {
        running.abort();
    }
}

async fn check(
    prober: Arc<Prober>,
    judge: Judge,
    writer: Writer<Ingest>,
    monitor: Arc<Monitor>,
    region: String,
    generation: u64,
    now: Timestamp,
) -> Option<Ended> {
    let (result, at) = judge.check(&prober, &monitor, &region, now).await?;
    let work = Work::Checked { monitor_id: monitor.id, result: Box::new(result.clone()) };
    // A result that could not be stored was logged by the writer; the next check comes as planned.
    let state = match writer.write(work).await {
        Ok(Reply::Watched(watched)) => Some(watched.state),
        _ => None,
    };
    Some(Ended { id: monitor.id, generation, at, result, state })
}
