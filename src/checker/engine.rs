//! The handle through which every change of a monitor, an incident or a window goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use serde_json::{Map, Value};
use tokio::sync::{Notify, mpsc, oneshot};

use super::ingest::{IncomingPing, Ingest, Outlets, Reply, Work};
use super::run::Command;
use crate::clock::{SharedClock, Timestamp};
use crate::fields::FieldErrors;
use crate::incident::maintenance::MaintenanceWindow;
use crate::incident::{Incident, IncidentId};
use crate::monitor::{CheckResult, Kind, MonitorId};
use crate::report::roller;
use crate::store::monitors::Watched;
use crate::store::writer::{Answer, WriteError, Writer};
use crate::store::{self, Db, windows};

/// Why the engine did not do what it was asked.
#[derive(Debug, thiserror::Error)]
pub enum EngineError {
    /// There is no such thing.
    #[error("not found")]
    NotFound,
    /// Fields are wrong.
    #[error("invalid fields")]
    Invalid(FieldErrors),
    /// It does not fit what the thing is doing; the text says why and what helps.
    #[error("{0}")]
    Conflict(String),
    /// The database could not do it. Nothing was done.
    #[error("{0}")]
    Unavailable(String),
}

impl From<WriteError> for EngineError {
    fn from(error: WriteError) -> Self {
        Self::Unavailable(error.to_string())
    }
}

impl From<store::Error> for EngineError {
    fn from(error: store::Error) -> Self {
        Self::Unavailable(error.to_string())
    }
}

pub(super) type Result<T> = std::result::Result<T, EngineError>;

fn done(answer: Answer<Ingest>) -> Result<Reply> {
    match answer? {
        Reply::NotFound => Err(EngineError::NotFound),
        Reply::Invalid(errors) => Err(EngineError::Invalid(errors)),
        reply => Ok(reply),
    }
}

/// The handle. Cheap to clone.
#[derive(Clone)]
pub struct Engine {
    pub(super) writer: Writer<Ingest>,
    pub(super) commands: mpsc::UnboundedSender<Command>,
    pub(super) watch: Arc<Notify>,
    pub(super) db: Db,
    clock: SharedClock,
    own_region: Arc<str>,
    pings: Arc<AtomicU64>,
    rests: Arc<AtomicBool>,
}

impl Engine {
    /// A handle over the queues of the writer, the checker and the watcher, which checks from `own_region`.
    pub fn new(
        writer: Writer<Ingest>,
        commands: mpsc::UnboundedSender<Command>,
        outlets: Outlets,
        db: Db,
        clock: SharedClock,
        own_region: &str,
    ) -> Self {
        let own_region = own_region.into();
        let Outlets { watch, rests, .. } = outlets;
        Self { writer, commands, watch, db, clock, own_region, pings: Arc::default(), rests }
    }

    /// Has what pings led to written, should it rest: whoever reads next sees all that was answered.
    pub async fn settle(&self) {
        if self.rests.load(Ordering::Acquire) {
            // The writer has logged what it could not write.
            let _ = self.write(Work::Settle).await;
        }
    }

    pub(super) async fn write(&self, work: Work) -> Result<Reply> {
        done(self.writer.write(work).await)
    }

    /// All monitors that are checked and not paused, with their headers: what the checker starts with.
    ///
    /// # Errors
    /// When the writer cannot write, or what the database says of a monitor cannot be read.
    pub async fn load_checked(&self) -> Result<Vec<Watched>> {
        let all = |reply| if let Reply::All(all) = reply { Some(all) } else { None };
        self.write_for(Work::LoadChecked, all).await
    }

    async fn write_for<T>(&self, work: Work, wanted: fn(Reply) -> Option<T>) -> Result<T> {
        wanted(self.write(work).await?).ok_or(EngineError::NotFound)
    }

    async fn write_watched(&self, work: Work) -> Result<Watched> {
        let watched = |reply| if let Reply::Watched(w) = reply { Some(*w) } else { None };
        self.write_for(work, watched).await
    }

    async fn write_incident(&self, work: Work) -> Result<Incident> {
        let incident = |reply| if let Reply::Incident(i) = reply { Some(*i) } else { None };
        self.write_for(work, incident).await
    }

    /// Makes a monitor of `kind` from the fields of a request. Its first check comes at once.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] names every wrong field.
    pub async fn create_monitor(&self, kind: Kind, fields: Map<String, Value>) -> Result<Watched> {
        self.write_watched(Work::Create { kind, fields }).await
    }

    /// Makes several monitors, each of its kind and from its fields, or none of them.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] names every wrong field of the first that is wrong.
    pub async fn create_monitors(&self, wanted: Vec<(Kind, Map<String, Value>)>) -> Result<()> {
        self.write(Work::CreateMany(wanted)).await.map(drop)
    }

    /// Changes the given fields of a monitor (a PATCH): absent keeps, null is the default.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] names every wrong field.
    pub async fn update_monitor(
        &self,
        id: MonitorId,
        fields: Map<String, Value>,
    ) -> Result<Watched> {
        self.write_watched(Work::Update { id, fields }).await
    }

    /// Deletes a monitor with its history. An open incident ends, and who was told of it hears so.
    ///
    /// # Errors
    /// When there is none.
    pub async fn delete_monitor(&self, id: MonitorId) -> Result<()> {
        self.write(Work::Delete { id }).await.map(drop)
    }

    /// Stops watching a monitor. An open incident ends, and who was told of it hears so.
    ///
    /// # Errors
    /// When there is none.
    pub async fn pause(&self, id: MonitorId) -> Result<Watched> {
        self.write_watched(Work::Pause { id }).await
    }

    /// Watches a paused monitor again; it is `pending` until something is known.
    ///
    /// # Errors
    /// When there is none.
    pub async fn resume(&self, id: MonitorId) -> Result<Watched> {
        self.write_watched(Work::Resume { id }).await
    }

    /// Gives a heartbeat another UUID, and so another ping URL; the old one is unknown from then on.
    ///
    /// # Errors
    /// When there is none, or the monitor is no heartbeat.
    pub async fn rotate_uuid(&self, id: MonitorId) -> Result<Watched> {
        self.write_watched(Work::Rotate { id }).await
    }

    /// Checks a monitor now, or waits for the check that is under way, and gives what it found.
    ///
    /// # Errors
    /// [`EngineError::Conflict`] for paused monitors, heartbeats, and those that only probes check: they cannot be checked from here.
    pub async fn check_now(&self, id: MonitorId) -> Result<CheckResult> {
        self.must_be_checkable(id).await?;
        let (reply, answer) = oneshot::channel();
        let stopped = || EngineError::Unavailable("the server is stopping".to_owned());
        self.commands.send(Command::CheckNow { id, reply }).map_err(|_| stopped())?;
        answer.await.map_err(|_| match self.commands.is_closed() {
            true => stopped(),
            false => EngineError::Conflict(
                "the monitor was changed while it was being checked; try again".to_owned(),
            ),
        })
    }

    async fn must_be_checkable(&self, id: MonitorId) -> Result<()> {
        let mut reader = self.db.read().await?;
        let found = store::monitors::by_ids(&mut reader.conn(), &[id]).await?;
        let watched = found.first().ok_or(EngineError::NotFound)?;
        if watched.monitor.kind() == Kind::Heartbeat {
            return Err(EngineError::Conflict(
                "a heartbeat is not checked: it waits for pings".to_owned(),
            ));
        }
        if watched.monitor.paused {
            return Err(EngineError::Conflict("the monitor is paused; resume it first".to_owned()));
        }
        let pace = watched.monitor.settings.target.pace();
        let regions = pace.map(|pace| &pace.regions[..]).unwrap_or_default();
        if !regions.is_empty() && !regions.iter().any(|name| **name == *self.own_region) {
            return Err(EngineError::Conflict(format!(
                "the monitor is checked from {} and not from this server ({}): its probes check it on time; add {} to its regions to \
                 check it from here",
                regions.join(", "),
                self.own_region,
                self.own_region
            )));
        }
        Ok(())
    }

    /// Records what a probe found. Once this returns, it is durable. Whether it was there already.
    ///
    /// # Errors
    /// [`EngineError::NotFound`] when the monitor is not checked from that region.
    pub async fn record_remote(&self, monitor_id: MonitorId, result: CheckResult) -> Result<bool> {
        let reply = self.write(Work::Checked { monitor_id, result: Box::new(result) }).await?;
        Ok(matches!(reply, Reply::Repeated))
    }

    /// Records a signal of a job. Once this returns, it is durable. Gives the ping's number.
    ///
    /// # Errors
    /// [`EngineError::NotFound`] for an unknown UUID.
    pub async fn ping(&self, ping: IncomingPing) -> Result<i64> {
        self.recorded(self.writer.write(Work::Pinged(Box::new(ping))).await)
    }

    /// Records signals that came together: what [`Engine::ping`] says of each, in order. For those that the server's stop leaves undone
    /// there is no answer.
    pub async fn ping_all(&self, pings: Vec<IncomingPing>) -> Vec<Result<i64>> {
        let work = pings.into_iter().map(|ping| Work::Pinged(Box::new(ping))).collect();
        let answers = self.writer.write_all(work).await;
        answers.into_iter().map(|answer| self.recorded(answer)).collect()
    }

    fn recorded(&self, answer: Answer<Ingest>) -> Result<i64> {
        match done(answer)? {
            Reply::Ping(n) => {
                self.pings.fetch_add(1, Ordering::Relaxed);
                Ok(n)
            }
            _ => Err(EngineError::NotFound),
        }
    }

    /// How many pings were recorded since the start.
    pub fn pings(&self) -> u64 {
        self.pings.load(Ordering::Relaxed)
    }

    /// Notes that `by` has taken an incident. Doing so twice, or when it is over, changes nothing.
    ///
    /// # Errors
    /// When there is none.
    pub async fn acknowledge(&self, id: IncidentId, by: &str) -> Result<Incident> {
        self.write_incident(Work::Acknowledge { id, by: by.to_owned() }).await
    }

    /// Adds a note of `by` to an incident's timeline.
    ///
    /// # Errors
    /// When there is none.
    pub async fn comment(&self, id: IncidentId, by: &str, text: &str) -> Result<Incident> {
        self.write_incident(Work::Comment { id, by: by.to_owned(), text: text.to_owned() }).await
    }

    /// Makes a maintenance window; the `id` given is ignored.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] when it names monitors that do not exist.
    pub async fn create_window(&self, mut window: MaintenanceWindow) -> Result<MaintenanceWindow> {
        let mut tx = self.db.begin().await?;
        must_exist(&mut tx.conn(), &window.monitor_ids).await?;
        window.id = windows::insert(&mut tx.conn(), &window).await?;
        roller::window_changed(&mut tx.conn(), &window, self.clock.now()).await?;
        tx.commit().await?;
        self.watch.notify_one();
        Ok(window)
    }

    /// Writes a maintenance window anew. Monitors that it named before and that were deleted since are dropped from it.
    ///
    /// # Errors
    /// When there is none, or it newly names monitors that do not exist.
    pub async fn update_window(&self, mut window: MaintenanceWindow) -> Result<MaintenanceWindow> {
        let mut tx = self.db.begin().await?;
        let before = windows::get(&mut tx.conn(), window.id).await?;
        let before = before.ok_or(EngineError::NotFound)?;
        let existing = store::monitors::existing(&mut tx.conn(), &window.monitor_ids).await?;
        window.monitor_ids.retain(|id| existing.contains(id) || !before.monitor_ids.contains(id));
        must_exist(&mut tx.conn(), &window.monitor_ids).await?;
        windows::update(&mut tx.conn(), &window).await?;
        for window in [&before, &window] {
            roller::window_changed(&mut tx.conn(), window, self.clock.now()).await?;
        }
        tx.commit().await?;
        self.watch.notify_one();
        Ok(window)
    }

    /// Ends a window now; one that has ended stays as it is, one that has not begun never opens, and one that repeats opens again
    /// as planned.
    ///
    /// # Errors
    /// When there is none.
    pub async fn end_window(&self, id: i64) -> Result<MaintenanceWindow> {
        let now = self.clock.now();
        let mut tx = self.db.begin().await?;
        let mut window = windows::get(&mut tx.conn(), id).await?.ok_or(EngineError::NotFound)?;
        let before = window.clone();
        let over = window.end(now);
        if window != before {
            windows::move_on(&mut tx.conn(), &window, &over).await?;
        }
        tx.commit().await?;
        self.watch.notify_one();
        Ok(window)
    }

    /// Removes a window. The uptime of hours that it covered and that are rolled up stays as it is.
    ///
    /// # Errors
    /// When there is none.
    pub async fn delete_window(&self, id: i64) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let existed = windows::delete(&mut tx.conn(), id).await?;
        tx.commit().await?;
        self.watch.notify_one();
        if existed { Ok(()) } else { Err(EngineError::NotFound) }
    }

    /// The present moment, as the engine sees it.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }
}

/// Refuses a field that names things that do not exist.
pub(super) fn refuse_missing(field: &str, things: &str, missing: &[i64]) -> Result<()> {
    if missing.is_empty() {
        return Ok(());
    }
    let missing: Vec<String> = missing.iter().map(ToString::to_string).collect();
    let reason = format!("names {things} that do not exist: {}", missing.join(", "));
    Err(EngineError::Invalid(FieldErrors::one(field, reason)))
}

async fn must_exist(conn: &mut store::Conn<'_>, ids: &[MonitorId]) -> Result<()> {
    let existing = store::monitors::existing(conn, ids).await?;
    let missing: Vec<i64> = ids.iter().copied().filter(|id| !existing.contains(id)).collect();
    refuse_missing("monitor_ids", "monitors", &missing)
}
