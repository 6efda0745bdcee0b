//! The watcher: heartbeat deadlines, window edges, held alerts, and the sign of life that tells our own absence.
//!
//! Deadlines are in the database, so nothing is lost by a restart: this task only sleeps until the next of them and asks the
//! writer to look. A ping that moved the deadline meanwhile wins there.

use std::collections::{BTreeSet, HashMap};
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use futures_util::future::join_all;
use futures_util::stream::{self, StreamExt};
use tokio::sync::{Notify, broadcast, mpsc};
use tokio_util::sync::CancellationToken;

use super::ingest::{Ingest, Work};
use super::judge::CutOffSince;
use super::presence::Presence;
use super::run::Command;
use crate::clock::{SharedClock, Timestamp};
use crate::incident::dependency::held_by;
use crate::incident::maintenance::active_window;
use crate::live::LiveEvent;
use crate::monitor::{Kind, MonitorId};
use crate::store::monitors::Outlook;
use crate::store::writer::Writer;
use crate::store::{self, Db, incidents, ladders, monitors, windows};

/// How often the sign of life is written, in ms; also the longest sleep.
pub const ALIVE_EVERY_MS: i64 = 10_000;
/// An absence longer than this is a gap in the history, in ms; a shorter one is a quick restart.
const GAP_MS: i64 = 3 * ALIVE_EVERY_MS;
/// How often the clock is looked at during work, in ms.
const TICK_MS: i64 = 1_000;
/// How long to wait after a trouble with the database, in ms.
const RETRY_MS: i64 = 1_000;
/// How many deadlines are looked at in one go.
const DEADLINES: i64 = 500;
/// How many monitors are told of an absence at once: enough for full groups of the writer, and no more memory than that takes.
const MOVED_AT_ONCE: usize = 1_024;
/// Where the sign of life is kept.
pub const LAST_ALIVE: &str = "last_alive";

/// What the watcher works with.
pub struct Watcher {
    /// The time.
    pub clock: SharedClock,
    /// Where deadlines are.
    pub db: Db,
    /// Where events go.
    pub writer: Writer<Ingest>,
    /// The checker.
    pub commands: mpsc::UnboundedSender<Command>,
    /// Open pages.
    pub live: broadcast::Sender<LiveEvent>,
    /// Whether this region is cut off: the pings of jobs cannot come then.
    pub cut_off: CutOffSince,
    /// Wakes this task.
    pub wake: Arc<Notify>,
    /// When this task looks next, in epoch ms.
    pub wakes_at: Arc<AtomicI64>,
}

impl Watcher {
    /// Accounts for the time since the last sign of life of any server on this database. To be called before pings are taken.
    ///
    /// # Errors
    /// When the database cannot be read or written.
    pub async fn account_for_absence(&self) -> store::Result<()> {
        let now = self.clock.now();
        let alive = {
            let mut reader = self.db.read().await?;
            store::settings::get(&mut reader.conn(), LAST_ALIVE).await?
        };
        match alive.and_then(|text| text.parse().ok()).map(Timestamp) {
            Some(from) => self.was_away(from, now).await,
            None => self.sign_of_life(now).await,
        }
    }

    /// Nobody was looking since `from` (which lies after `now` when the clock was set back): windows of heartbeats move, and the
    /// history shows a gap.
    async fn was_away(&self, from: Timestamp, now: Timestamp) -> store::Result<()> {
        let ids = {
            let mut reader = self.db.read().await?;
            monitors::active_ids(&mut reader.conn()).await?
        };
        let is_gap = now.since(from) > GAP_MS;
        let moved = ids
            .into_iter()
            .map(|monitor_id| self.writer.write(Work::WasAway { monitor_id, from, is_gap }));
        let mut moved = stream::iter(moved).buffered(MOVED_AT_ONCE);
        while let Some(result) = moved.next().await {
            if let Err(store::writer::WriteError::Store(error)) = result {
                tracing::error!(%error, "a window could not be moved by the absence");
            }
        }
        self.sign_of_life(now).await
    }

    async fn sign_of_life(&self, now: Timestamp) -> store::Result<()> {
        store::settings::set(&mut self.db.hold().await?.conn(), LAST_ALIVE, &now.0.to_string())
            .await
    }

    /// Watches until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut presence = Presence::new(self.clock.now());
        let (mut looked_at, mut alive_at) = (presence.seen(), presence.seen());
        loop {
            // Registered before the database is read, so that no change in between is missed.
            let woken = self.wake.notified();
            let now = self.clock.now();
            // What is set meanwhile may be missed by the queries below, but no sleep is longer than this.
            self.wakes_at.store(now.plus_ms(ALIVE_EVERY_MS).0, Ordering::Release);
            presence.note(now, self.clock.lateness_limit_ms());
            let absence = presence.take_absence();
            let round = self.round(absence, looked_at, &mut alive_at, now);
            let next = self.present_during(round, &mut presence).await;
            looked_at = now;
            if presence.was_away() {
                // Windows must move before anything else is looked at.
                continue;
            }
            presence.promise(next);
            self.wakes_at.store(next.0, Ordering::Release);
            tokio::select! {
                () = stop.cancelled() => break,
                () = woken => {}
                () = self.clock.sleep_until(next) => {}
            }
        }
        if let Err(error) = self.sign_of_life(self.clock.now()).await {
            tracing::error!(%error, "the sign of life could not be written");
        }
    }

    /// Waits for `work` and looks at the clock meanwhile: work that is slow, on a slow disk, is no absence, but a process that
    /// was stopped in the middle of it was away.
    async fn present_during<T>(&self, work: impl Future<Output = T>, presence: &mut Presence) -> T {
        let mut work = pin!(work);
        loop {
            let tick = presence.seen().plus_ms(TICK_MS);
            presence.promise(tick);
            let done = tokio::select! {
                done = &mut work => Some(done),
                () = self.clock.sleep_until(tick) => None,
            };
            presence.note(self.clock.now(), self.clock.lateness_limit_ms());
            if let Some(done) = done {
                return done;
            }
        }
    }

    /// Accounts for an absence, gives a sign of life, and does what is due; says when to look again.
    async fn round(
        &self,
        absence: Option<Timestamp>,
        looked_at: Timestamp,
        alive_at: &mut Timestamp,
        now: Timestamp,
    ) -> Timestamp {
        if let Some(from) = absence {
            tracing::warn!(from = %from, "the process was stopped or the clock was set");
            if let Err(error) = self.was_away(from, now).await {
                tracing::error!(%error, "the absence could not be accounted for");
            }
            // The checker is gone only when the server stops.
            let _ = self.commands.send(Command::Replan);
            *alive_at = now;
        } else if now.since(*alive_at) >= ALIVE_EVERY_MS {
            if let Err(error) = self.sign_of_life(now).await {
                tracing::error!(%error, "the sign of life could not be written");
            }
            *alive_at = now;
        }
        match self.look(looked_at, now).await {
            Ok(next) => next.min(alive_at.plus_ms(ALIVE_EVERY_MS)),
            Err(error) => {
                tracing::error!(%error, "deadlines could not be read");
                now.plus_ms(RETRY_MS)
            }
        }
    }

    /// Does what is due at `now` and says when to look again.
    async fn look(&self, looked_at: Timestamp, now: Timestamp) -> store::Result<Timestamp> {
        let outlook = self.outlook(looked_at, now).await?;
        let next = match outlook.is_due {
            true => {
                if !self.do_what_is_due(looked_at, now).await? {
                    return Ok(now.plus_ms(RETRY_MS));
                }
                self.outlook(looked_at, now).await?.next_edge
            }
            false => outlook.next_edge,
        };
        Ok(next.unwrap_or(now.plus_ms(ALIVE_EVERY_MS)))
    }

    async fn outlook(&self, looked_at: Timestamp, now: Timestamp) -> store::Result<Outlook> {
        monitors::outlook(&mut self.db.read().await?.conn(), looked_at, now).await
    }

    /// Gives whether all of it was done.
    async fn do_what_is_due(&self, looked_at: Timestamp, now: Timestamp) -> store::Result<bool> {
        self.move_windows_on(now).await?;
        let (passed, late, ladders) = {
            let mut reader = self.db.read().await?;
            let conn = &mut reader.conn();
            (
                monitors::past_deadline(conn, now, DEADLINES).await?,
                monitors::due_between(conn, looked_at, now).await?,
                ladders::due(conn, now, DEADLINES).await?,
            )
        };
        // Cut off is as good as away: the pings of jobs have no way to us, so windows that end meanwhile move on.
        if let Some(from) = self.cut_off.get() {
            let away = |&monitor_id| Work::WasAway { monitor_id, from, is_gap: false };
            join_all(passed.iter().map(away).map(|work| self.writer.write(work))).await;
        }
        let looked =
            passed.iter().map(|&monitor_id| self.writer.write(Work::Deadline { monitor_id }));
        let climbed =
            ladders.iter().map(|&incident_id| self.writer.write(Work::Climb { incident_id }));
        let failed =
            join_all(looked.chain(climbed)).await.into_iter().any(|result| result.is_err());
        for id in late {
            // Nobody has a page open.
            let _ = self.live.send(LiveEvent::MonitorChanged(id));
        }
        self.let_go_of_held(now).await?;
        Ok(!failed)
    }

    /// Repeating windows whose time is over go on to the next.
    async fn move_windows_on(&self, now: Timestamp) -> store::Result<()> {
        let mut reader = self.db.read().await?;
        let ended = windows::to_move_on(&mut reader.conn(), now).await?;
        drop(reader);
        if ended.is_empty() {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        for mut window in ended {
            let over = window.move_on(now);
            windows::move_on(&mut tx.conn(), &window, &over).await?;
        }
        tx.commit().await
    }

    /// Alerts held by a window that is over, or by a monitor that is well again, go out after a fresh failing check; a heartbeat's
    /// at once.
    async fn let_go_of_held(&self, now: Timestamp) -> store::Result<()> {
        let (watched, open_windows, parents, since) = {
            let mut reader = self.db.read().await?;
            let conn = &mut reader.conn();
            let held = incidents::held(conn).await?;
            let ids: Vec<_> = held.iter().filter_map(|incident| incident.monitor_id).collect();
            if ids.is_empty() {
                return Ok(());
            }
            let watched = monitors::by_ids(conn, &ids).await?;
            let parents: BTreeSet<MonitorId> = watched
                .iter()
                .flat_map(|one| one.monitor.settings.depends_on.iter().copied())
                .collect();
            let parents: Vec<MonitorId> = parents.into_iter().collect();
            let parents = monitors::by_ids(conn, &parents).await?;
            let since: HashMap<_, _> = held
                .iter()
                .filter_map(|incident| Some((incident.monitor_id?, incident.started_at)))
                .collect();
            (watched, windows::ending_after(conn, now).await?, parents, since)
        };
        for one in watched {
            let monitor = &one.monitor;
            if active_window(&open_windows, monitor.id, &monitor.settings.tags, now).is_some() {
                continue;
            }
            let depends_on = &monitor.settings.depends_on;
            let parents = parents.iter().filter(|parent| depends_on.contains(&parent.monitor.id));
            let parents = parents.map(|parent| (&*parent.monitor, &parent.state));
            let failing_since = since.get(&monitor.id).copied().unwrap_or(now);
            if held_by(parents, failing_since, None).is_some() {
                continue;
            }
            if monitor.kind() == Kind::Heartbeat {
                // Its failure was logged by the writer, and the next look tries again.
                let _ = self.writer.write(Work::HoldEnded { monitor_id: monitor.id }).await;
            } else {
                // The checker is gone only when the server stops.
                let _ = self.commands.send(Command::CheckSoon(monitor.id));
            }
        }
        Ok(())
    }
}
