//! The sender: claims deliveries, sends them with no transaction open, and settles them.
//!
//! At least once: a row is settled only after the far end answered, so a kill between the two sends it again under the
//! same key. In order for each monitor and channel: a row is claimed only when no older one is pending.

use std::collections::{HashMap, HashSet};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use serde::Serialize;
use tokio::sync::{Notify, mpsc, watch};
use tokio_util::sync::CancellationToken;

use super::attempt::{Answer, Attempt};
use super::carrier::{Carrier, Setting};
use super::retry::RetrySchedule;
use super::settle::{Outcome, Settler, What};
use super::smtp::SmtpSettings;
use super::{Channel, ChannelId, ChannelSettings};
use crate::clock::{SharedClock, Timestamp};
use crate::incident::message::Alert;
use crate::probe::GuardedResolver;
use crate::seal::{Sealer, random_token};
use crate::store::outbox::Claimed;
use crate::store::{self, Db};
use crate::supervise::Supervisor;

/// Sends in flight to one channel: a receiver that hangs holds up so many and nobody else's.
const PER_CHANNEL: usize = 4;
/// Longer than any attempt and its settling; what is still pending then was lost with its sender.
const LEASE_MS: i64 = 60_000;
/// How often the outbox is looked at even if nobody calls.
const POLL_MS: i64 = 30_000;
/// How soon it is looked at again after the database failed.
const AFTER_ERROR_MS: i64 = 5_000;

/// What a sender is made of.
pub struct SenderConfig {
    /// The database.
    pub db: Db,
    /// Opens the channels' settings.
    pub sealer: Sealer,
    /// The time.
    pub clock: SharedClock,
    /// Runs the sends.
    pub supervisor: Supervisor,
    /// Looks names up, by the egress rules.
    pub resolver: GuardedResolver,
    /// What links start with.
    pub base_url: Setting<String>,
    /// The mail server, if there is one.
    pub smtp: Setting<Option<SmtpSettings>>,
    /// When a delivery is tried again.
    pub schedule: RetrySchedule,
    /// How long an attempt may take: [`ATTEMPT_LIMIT`](super::carrier::ATTEMPT_LIMIT).
    pub attempt_limit: Duration,
    /// A number from 0 to 1, new at each call: the jitter of retries.
    pub chance: Setting<f64>,
}

/// Works off the outbox. Cheap to clone; one of them is [run](Sender::run).
#[derive(Clone)]
pub struct Sender(Arc<Inner>);

struct Inner {
    db: Db,
    sealer: Sealer,
    clock: SharedClock,
    supervisor: Supervisor,
    carrier: Carrier,
    settler: Settler,
    wake: Wake,
    in_flight: InFlight,
    settled: watch::Sender<u64>,
}

/// Tells the sender that there is something to send. Cheap to clone.
#[derive(Clone, Default)]
pub struct Wake(Arc<Notify>);

impl Wake {
    /// Wakes the sender, or keeps it from falling asleep; call it after the commit.
    pub fn wake(&self) {
        self.0.notify_one();
    }
}

/// What a test of a channel came to (contract, section 5).
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TestOutcome {
    /// Whether the far end took it.
    pub ok: bool,
    /// The status code (HTTP or SMTP), if an answer came.
    pub status: Option<u16>,
    /// How long it took.
    pub latency_ms: i64,
    /// The far end's words, or why there are none.
    pub response: String,
}

impl Sender {
    /// A sender that is not yet running.
    ///
    /// # Errors
    /// When TLS cannot be set up, such as without any root certificates.
    pub fn new(config: SenderConfig) -> Result<Self, reqwest::Error> {
        let SenderConfig { db, sealer, clock, supervisor, .. } = config;
        let carrier = Carrier::new(
            config.resolver,
            config.attempt_limit,
            Arc::clone(&clock),
            config.base_url,
            config.smtp,
            sealer.clone(),
        )?;
        let settler = Settler { db: db.clone(), schedule: config.schedule, chance: config.chance };
        Ok(Self(Arc::new(Inner {
            db,
            sealer,
            clock,
            supervisor,
            carrier,
            settler,
            wake: Wake::default(),
            in_flight: InFlight::default(),
            settled: watch::Sender::new(0),
        })))
    }

    /// What wakes this sender.
    pub fn wake(&self) -> Wake {
        self.0.wake.clone()
    }

    /// The number of attempts that have been settled since the start, as it grows.
    pub fn settled(&self) -> watch::Receiver<u64> {
        self.0.settled.subscribe()
    }

    /// Works until `stop`, then lets running sends end and settles them. The caller bounds the wait.
    pub async fn run(self, stop: CancellationToken) {
        let (done, outcomes) = mpsc::channel(1024);
        tokio::join!(self.dispatch(stop, done), self.settle(outcomes));
    }

    /// Sends a test to a channel for real, and notes on the channel what came of it.
    ///
    /// # Errors
    /// Those of the database.
    pub async fn send_test(&self, channel: &Channel) -> store::Result<TestOutcome> {
        let (attempt, latency_ms) = self.try_once(&channel.settings).await;
        let ok = attempt.answer == Answer::Accepted;
        let mut tx = self.0.db.begin().await?;
        if ok {
            let now = self.0.clock.now();
            store::channels::note_delivered(&mut tx.conn(), channel.id, now).await?;
        } else {
            store::channels::note_error(&mut tx.conn(), channel.id, &attempt.error()).await?;
        }
        tx.commit().await?;
        Ok(TestOutcome { ok, status: attempt.status, latency_ms, response: attempt.response })
    }

    /// Sends a test for real by settings that are not saved. Nothing is noted of it.
    pub async fn try_out(&self, settings: &ChannelSettings) -> TestOutcome {
        let (attempt, latency_ms) = self.try_once(settings).await;
        let ok = attempt.answer == Answer::Accepted;
        TestOutcome { ok, status: attempt.status, latency_ms, response: attempt.response }
    }

    async fn try_once(&self, settings: &ChannelSettings) -> (Attempt, i64) {
        let alert = Alert::channel_test(&settings.name);
        self.0.carrier.carry(None, &settings.config, &alert, random_token("msg_test_")).await
    }

    async fn dispatch(&self, stop: CancellationToken, done: mpsc::Sender<Outcome>) {
        if let Err(error) = self.release_leases().await {
            // They run out by themselves, a minute later.
            tracing::error!(%error, "cannot release the leases of deliveries");
        }
        loop {
            // Before the query, so that what is queued while it runs is not slept over.
            let woken = self.0.wake.0.notified();
            let next = self.send_due(&done).await.unwrap_or_else(|error| {
                tracing::error!(%error, "cannot claim deliveries");
                self.0.clock.now().plus_ms(AFTER_ERROR_MS)
            });
            tokio::select! {
                () = stop.cancelled() => break,
                () = woken => {}
                () = self.0.clock.sleep_until(next) => {}
            }
        }
    }

    async fn release_leases(&self) -> store::Result<()> {
        let mut tx = self.0.db.begin().await?;
        store::outbox::release_leases(&mut tx.conn()).await?;
        tx.commit().await
    }

    /// Claims what is due and starts sending it. Gives the moment to look again.
    async fn send_due(&self, done: &mpsc::Sender<Outcome>) -> store::Result<Timestamp> {
        let now = self.0.clock.now();
        let (heads, next) = self.heads(now).await?;
        let chosen = self.0.in_flight.with_room(&heads);
        if !chosen.is_empty() {
            let until = now.plus_ms(LEASE_MS);
            let mut tx = self.0.db.begin().await?;
            let claimed = store::outbox::claim(&mut tx.conn(), &chosen, now, until).await?;
            tx.commit().await?;
            for claimed in claimed {
                self.start(claimed, done.clone());
            }
        }
        let poll = now.plus_ms(POLL_MS);
        Ok(next.map_or(poll, |next| next.min(poll)))
    }

    /// What may be claimed now, and when something is due next.
    ///
    /// They are read before it is decided which alerts wait or become one, and read again when that changed something: else one that
    /// is queued in between would be claimed without having been looked at.
    async fn heads(
        &self,
        now: Timestamp,
    ) -> store::Result<(Vec<(i64, ChannelId)>, Option<Timestamp>)> {
        loop {
            let mut reader = self.0.db.read().await?;
            let conn = &mut reader.conn();
            let heads = store::outbox::claimable(conn, now, PER_CHANNEL as i64).await?;
            let next = store::outbox::next_due(conn, now).await?;
            drop(reader);
            if !together::arrange(&self.0.db, now).await? {
                return Ok((heads, next));
            }
        }
    }

    fn start(&self, claimed: Claimed, done: mpsc::Sender<Outcome>) {
        let sender = self.clone();
        self.0.in_flight.add(&claimed);
        self.0.supervisor.child("send", async move {
            // Whatever happens, the delivery must be settled: else its place is never free again.
            let what = AssertUnwindSafe(sender.send(&claimed)).catch_unwind().await;
            let what = what.unwrap_or_else(|_| What::stumbled("internal error: the send panicked"));
            let at = sender.0.clock.now();
            // The settling loop ends only after the last of these.
            let _ = done.send(Outcome { claimed, what, at }).await;
        });
    }

    async fn send(&self, claimed: &Claimed) -> What {
        let channel = match self.channel(claimed.channel_id).await {
            Ok(Some(channel)) => channel,
            Ok(None) => return What::Gone,
            Err(error) => return What::stumbled(&error.to_string()),
        };
        let name = channel.settings.name;
        if !channel.settings.enabled {
            return What::Disabled { name };
        }
        let (attempt, latency_ms) = match &claimed.alert {
            Ok(alert) => {
                // The time of queueing tells two installations' deliveries apart.
                let key = format!("msg_{}_{}", claimed.created_at.0, claimed.id);
                self.0.carrier.carry(Some(channel.id), &channel.settings.config, alert, key).await
            }
            Err(error) => (Attempt::hopeless(&format!("the alert cannot be read: {error}")), 0),
        };
        What::Tried { name, attempt, latency_ms }
    }

    async fn channel(&self, id: ChannelId) -> store::Result<Option<Channel>> {
        let mut reader = self.0.db.read().await?;
        store::channels::get(&mut reader.conn(), &self.0.sealer, id).await
    }

    /// Settles outcomes, all that wait in one transaction, until the last sender of them is gone.
    async fn settle(&self, mut outcomes: mpsc::Receiver<Outcome>) {
        let mut batch = Vec::new();
        while outcomes.recv_many(&mut batch, 256).await > 0 {
            self.0.settler.settle(&batch).await;
            for outcome in &batch {
                self.0.in_flight.remove(&outcome.claimed);
            }
            self.0.settled.send_modify(|count| *count += batch.len() as u64);
            batch.clear();
            // A place is free, and the next of the same monitor may go.
            self.0.wake.wake();
        }
    }
}

/// The deliveries being sent by this process, by channel. A std Mutex, as nothing is awaited while it is held.
#[derive(Default)]
struct InFlight(Mutex<HashMap<ChannelId, HashSet<i64>>>);

impl InFlight {
    fn lock(&self) -> MutexGuard<'_, HashMap<ChannelId, HashSet<i64>>> {
        // The set is whole after any panic: each change is one call.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Those of `heads` that may be sent now: not being sent, and with a place free at their channel.
    fn with_room(&self, heads: &[(i64, ChannelId)]) -> Vec<i64> {
        let in_flight = self.lock();
        let mut taken: HashMap<ChannelId, usize> = HashMap::new();
        let mut chosen = Vec::new();
        for (id, channel) in heads {
            let sending = in_flight.get(channel);
            let taken = taken.entry(*channel).or_insert_with(|| sending.map_or(0, HashSet::len));
            // A lease that ran out during a long settle does not make it two sends.
            if *taken < PER_CHANNEL && !sending.is_some_and(|ids| ids.contains(id)) {
                *taken += 1;
                chosen.push(*id);
            }
        }
        chosen
    }

    fn add(&self, claimed: &Claimed) {
        self.lock().entry(claimed.channel_id).or_default().insert(claimed.id);
    }

    fn remove(&self, claimed: &Claimed) {
        let mut in_flight = self.lock();
        if let Some(ids) = in_flight.get_mut(&claimed.channel_id) {
            ids.remove(&claimed.id);
            if ids.is_empty() {
                in_flight.remove(&claimed.channel_id);
            }
        }
    }
}

mod together;

#[cfg(test)]
mod tests;
