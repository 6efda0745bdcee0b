//! Between the check and its record: is it them, or is it us? Asks the canaries when a failure may be our own, holds its verdict
//! while it is, and tells when this region is cut off and when it is back. The deciding is done by [`Lookout`].

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::ingest::{Ingest, RegionNews, Work};
use super::run::Command;
use crate::clock::{SharedClock, Timestamp};
use crate::monitor::cutoff::{Change, Look, Lookout, Phase, Sign};
use crate::monitor::{Cause, CheckResult, Monitor, Verdict};
use crate::probe::Canaries;
use crate::store::writer::Writer;
use crate::store::{self, Db, incidents, monitors};

/// How often the canaries are asked while the region is suspected or cut off, in ms.
const AGAIN_MS: i64 = 2_000;
/// How often while they are silent and the targets are not, in ms.
const DISMISSED_MS: i64 = 30_000;
/// How long to wait after a trouble with the database, in ms.
const RETRY_MS: i64 = 1_000;
/// Stands for "not cut off" where the moment is kept as a number.
const NEVER: i64 = i64::MAX;

/// Since when this region is cut off, for those that only want to know. Cheap to clone.
#[derive(Debug, Clone)]
pub struct CutOffSince(Arc<AtomicI64>);

impl Default for CutOffSince {
    fn default() -> Self {
        Self(Arc::new(AtomicI64::new(NEVER)))
    }
}

impl CutOffSince {
    /// The moment, while it is.
    pub fn get(&self) -> Option<Timestamp> {
        let since = self.0.load(Ordering::Acquire);
        (since != NEVER).then_some(Timestamp(since))
    }

    fn set(&self, since: Option<Timestamp>) {
        self.0.store(since.map_or(NEVER, |at| at.0), Ordering::Release);
    }
}

/// Judges results. Cheap to clone.
#[derive(Clone)]
pub struct Judge {
    // A std Mutex, because nothing is awaited while it is held.
    lookout: Arc<Mutex<Lookout>>,
    canaries: Arc<dyn Canaries>,
    clock: SharedClock,
    changes: mpsc::UnboundedSender<Change>,
}

/// The task behind a [`Judge`].
pub struct RegionWatch {
    judge: Judge,
    changes: mpsc::UnboundedReceiver<Change>,
    writer: Writer<Ingest>,
    commands: mpsc::UnboundedSender<Command>,
    db: Db,
    region: String,
    cut_off_since: CutOffSince,
}

impl Judge {
    /// A judge for `region`, and the task that carries out what it finds. Where things stood at the last stop is read from `db`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn new(
        db: &Db,
        canaries: Arc<dyn Canaries>,
        clock: SharedClock,
        writer: Writer<Ingest>,
        commands: mpsc::UnboundedSender<Command>,
        region: String,
    ) -> store::Result<(Self, RegionWatch)> {
        let open = incidents::open_own(&mut db.read().await?.conn(), &region).await?;
        let cut_off_since = CutOffSince::default();
        cut_off_since.set(open.as_ref().map(|incident| incident.started_at));
        let (judge, changes) = Self::begin(canaries, clock, open.is_some());
        let (judge_too, db) = (judge.clone(), db.clone());
        let watch =
            RegionWatch { judge: judge_too, changes, writer, commands, db, region, cut_off_since };
        Ok((judge, watch))
    }

    /// A judge that knows nothing yet but whether its region is cut off, and where the changes that it finds come out.
    pub fn begin(
        canaries: Arc<dyn Canaries>,
        clock: SharedClock,
        is_cut_off: bool,
    ) -> (Self, mpsc::UnboundedReceiver<Change>) {
        let lookout = Arc::new(Mutex::new(Lookout::new(is_cut_off)));
        let (sender, changes) = mpsc::unbounded_channel();
        (Self { lookout, canaries, clock, changes: sender }, changes)
    }

    /// Says once which canaries there are, so that nobody learns in an outage that his are dead.
    pub async fn introduce(&self) {
        self.canaries.introduce().await;
    }

    /// Waits for the next change, looking again meanwhile while something is odd.
    pub async fn next_change(&self, changes: &mut mpsc::UnboundedReceiver<Change>) -> Change {
        loop {
            let again = match self.lookout().phase() {
                Phase::Calm => None,
                Phase::Suspecting(_) | Phase::CutOff => Some(AGAIN_MS),
                Phase::Dismissed => Some(DISMISSED_MS),
            };
            let pause = async {
                match again {
                    Some(ms) => self.clock.sleep_until(self.clock.now().plus_ms(ms)).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(change) = changes.recv() => return change,
                () = pause => self.look_again().await,
            }
        }
    }

    /// Judges what a check of `monitor` found, right after it ended: a failure whose verdict is held becomes `unknown`.
    pub async fn judge(&self, monitor: &Monitor, mut result: CheckResult) -> CheckResult {
        let settings = &monitor.settings;
        let Some(pace) = settings.target.pace() else { return result };
        let url = settings.target.url();
        let host = url.and_then(|url| url.host_str()).unwrap_or(&settings.name);
        let mut sign = Sign::of(&result);
        if sign == Sign::Hanging && is_this_machine(host) {
            // Nothing of the network lies between, so there is nothing to wait for.
            sign = Sign::Refused;
        }
        let seconds = pace.check_interval_seconds.saturating_add(pace.timeout_seconds);
        let started_at = result.started_at;
        let look = Look { host, started_at, sign, life_ms: i64::from(seconds) * 1000 };
        let must_ask = self.lookout().note(&look, self.clock.now());
        let report = if must_ask { Some(self.canaries.ask().await) } else { None };
        let is_held = {
            let mut lookout = self.lookout();
            let decision = lookout.decide(sign, started_at, report.as_ref(), self.clock.now());
            // Sent while the lookout is locked, so that changes are carried out in the order in which they were found.
            self.tell(decision.change);
            decision.is_held
        };
        if is_held {
            result.verdict = Verdict::Unknown;
        }
        if let Some(error) = &mut result.error {
            error.doubtful = false;
        }
        result
    }

    fn tell(&self, change: Option<Change>) {
        if let Some(change) = change {
            // The watch is gone only when the server stops.
            let _ = self.changes.send(change);
        }
    }

    async fn look_again(&self) {
        let report = self.canaries.ask().await;
        let mut lookout = self.lookout();
        let change = lookout.look_again(&report, self.clock.now());
        self.tell(change);
    }

    fn lookout(&self) -> MutexGuard<'_, Lookout> {
        // A panic in its arithmetic leaves counts that the next sweep makes good.
        self.lookout.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether a host is this very machine.
fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    let is_loopback = bare.parse::<std::net::IpAddr>().is_ok_and(|address| address.is_loopback());
    is_loopback || bare.eq_ignore_ascii_case("localhost")
}

impl RegionWatch {
    /// Since when the region is cut off.
    pub fn cut_off_since(&self) -> CutOffSince {
        self.cut_off_since.clone()
    }

    /// Watches until `stop`.
    pub async fn run(mut self, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => return,
            () = self.judge.introduce() => {}
        }
        loop {
            let change = tokio::select! {
                () = stop.cancelled() => return,
                change = self.judge.next_change(&mut self.changes) => change,
            };
            if !self.carry_out(change, &stop).await {
                return;
            }
        }
    }

    /// Carries out a change, however often that takes. Whether it was done before `stop`.
    async fn carry_out(&self, change: Change, stop: &CancellationToken) -> bool {
        let region = self.region.clone();
        let news = match change {
            Change::LookAround => None,
            Change::CutOff { since, tally, canaries } => {
                tracing::warn!(
                    silent = tally.silent,
                    hosts = tally.all,
                    "cut off from the network"
                );
                self.cut_off_since.set(Some(since));
                let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
                let (silent, hosts) = (count(tally.silent), count(tally.all));
                let cause = Cause::CutOff { silent, hosts, canaries };
                Some(RegionNews::CutOff { region, since, cause })
            }
            Change::Back => {
                tracing::info!("back on the network");
                Some(RegionNews::Back { region })
            }
        };
        let is_back = matches!(news, Some(RegionNews::Back { .. }));
        let needs_look = news.is_none() || is_back;
        if let Some(news) = news
            && !self.write(Work::Region(news), stop).await
        {
            return false;
        }
        if is_back {
            if let Err(error) = self.move_windows().await {
                tracing::error!(%error, "windows of heartbeats could not be moved");
            }
            self.cut_off_since.set(None);
        }
        if needs_look {
            // The checker is gone only when the server stops.
            let _ = self.commands.send(Command::CheckAllSoon);
        }
        true
    }

    /// Heartbeats that came due while their jobs had no way to us get their window anew.
    async fn move_windows(&self) -> store::Result<()> {
        let Some(from) = self.cut_off_since.get() else { return Ok(()) };
        let now = self.judge.clock.now();
        let due = monitors::due_between(&mut self.db.read().await?.conn(), from, now).await?;
        let moved = due
            .into_iter()
            .map(|monitor_id| self.writer.write(Work::WasAway { monitor_id, from, is_gap: false }));
        // The writer has logged what it could not write.
        join_all(moved).await;
        Ok(())
    }

    async fn write(&self, work: Work, stop: &CancellationToken) -> bool {
        let clock = &self.judge.clock;
        // The writer has logged why it could not.
        while self.writer.write(work.clone()).await.is_err() {
            tokio::select! {
                () = stop.cancelled() => return false,
                () = clock.sleep_until(clock.now().plus_ms(RETRY_MS)) => {}
            }
        }
        true
    }
}
