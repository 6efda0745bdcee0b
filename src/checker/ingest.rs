//! Reports, pings and deadlines become state, incident and outbox rows: the four verbs of the engine.
//!
//! A group of events reads the states it needs at once, runs `step` then `plan` for each in order, and writes all of it in one
//! transaction. What must happen after the commit is collected as [`Effects`].

mod apply;
mod depend;
mod edit;
mod effects;
mod escalate;
mod filing;
mod incoming;
mod known;
mod late;
mod probes;
mod region;
mod reply;
mod signal;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::Ordering;
use std::time::Duration;

use serde_json::{Map, Value};

pub use self::effects::{Effects, Outlets};
use self::filing::Filing;
pub use self::incoming::IncomingPing;
use self::known::{KNOWN_MAX, Known};
pub use self::probes::{LostProbe, ProbeNews};
pub use self::region::RegionNews;
pub use self::reply::Reply;
use self::signal::Resting;
use crate::clock::{SharedClock, Timestamp};
use crate::incident::IncidentId;
use crate::incident::maintenance::{MaintenanceWindow, active_window};
use crate::monitor::{CheckResult, Kind, Monitor, MonitorId};
use crate::notify::delivery::NewDelivery;
use crate::seal::Sealer;
use crate::store::history::{NewPing, StatusChange};
use crate::store::monitors;
use crate::store::new_pings::{self, QuietPings};
use crate::store::results::NewResult;
use crate::store::writer::{Batch, Written};
use crate::store::{Conn, Db, Held, Result, windows};

/// One piece of work for the writer.
#[derive(Debug, Clone)]
pub enum Work {
    /// A check ended.
    Checked {
        /// Whose.
        monitor_id: MonitorId,
        /// What it found.
        result: Box<CheckResult>,
    },
    /// Know all monitors that are checked and not paused, with their headers.
    LoadChecked,
    /// Write what rests.
    Settle,
    /// A job signalled.
    Pinged(Box<IncomingPing>),
    /// A deadline may have passed.
    Deadline {
        /// Whose.
        monitor_id: MonitorId,
    },
    /// A region has said nothing for long.
    FellSilent {
        /// Of which monitor.
        monitor_id: MonitorId,
    },
    /// A heartbeat's held alerts may go out.
    HoldEnded {
        /// Whose.
        monitor_id: MonitorId,
    },
    /// Watchbell was away.
    WasAway {
        /// Whose window it concerns.
        monitor_id: MonitorId,
        /// Since when.
        from: Timestamp,
        /// Whether that was long enough for a gap in the history.
        is_gap: bool,
    },
    /// Make a monitor.
    Create {
        /// Of this kind.
        kind: Kind,
        /// From these fields.
        fields: Map<String, Value>,
    },
    /// Make several monitors, or none.
    CreateMany(Vec<(Kind, Map<String, Value>)>),
    /// Change a monitor.
    Update {
        /// Which.
        id: MonitorId,
        /// These fields.
        fields: Map<String, Value>,
    },
    /// Delete a monitor.
    Delete {
        /// Which.
        id: MonitorId,
    },
    /// Pause a monitor.
    Pause {
        /// Which.
        id: MonitorId,
    },
    /// Resume a monitor.
    Resume {
        /// Which.
        id: MonitorId,
    },
    /// Give a heartbeat another ping URL.
    Rotate {
        /// Which.
        id: MonitorId,
    },
    /// A probe was lost, or is back.
    Probe(Box<ProbeNews>),
    /// A region was cut off, or is back.
    Region(RegionNews),
    /// A step of an incident's escalation may be due, or its acknowledgement have run out.
    Climb {
        /// Whose.
        incident_id: IncidentId,
    },
    /// Somebody takes an incident.
    Acknowledge {
        /// Which.
        id: IncidentId,
        /// Who.
        by: String,
    },
    /// Somebody adds a note.
    Comment {
        /// To which incident.
        id: IncidentId,
        /// Who.
        by: String,
        /// What.
        text: String,
    },
}

/// The longest that a check may take, with room: a window that ended so long ago covers no check that ends now.
const CHECK_MAX_MS: i64 = 180_000;

/// The writer's batch.
pub struct Ingest {
    clock: SharedClock,
    sealer: Sealer,
    outlets: Outlets,
    known: Known,
    filing: Filing,
    /// The states that rest to be written.
    resting: Resting,
    /// Only SQLite has new pings to find them again from.
    may_rest: bool,
}

impl Ingest {
    /// A batch for `db` that stamps with `clock` and sends its effects to `outlets`.
    pub fn new(db: &Db, clock: SharedClock, sealer: Sealer, outlets: Outlets) -> Self {
        Self {
            sealer,
            outlets,
            known: Known::default(),
            filing: Filing::unknown(clock.now()),
            resting: Resting::default(),
            may_rest: matches!(db, Db::Sqlite { .. }),
            clock,
        }
    }
}

impl Batch for Ingest {
    type Item = Work;
    type Reply = Reply;
    type Effects = Effects;
    type Rows = QuietPings;

    async fn apply(&mut self, conn: &mut Conn<'_>, items: &[Work]) -> Result<Written<Self>> {
        let now = self.clock.now();
        if items.is_empty() && self.is_time_to_file(now) {
            return self.file(conn, now).await;
        }
        // Given back by `committed`. After a failure what the group has made of it is not true, and all is read anew.
        let mut known = std::mem::take(&mut self.known);
        let resting = std::mem::take(&mut self.resting);
        if known.by_id.len() > KNOWN_MAX {
            known.forget_but(&resting.ids);
        }
        let own = (&self.sealer, self.outlets.hub.own_region());
        let mut group = Group::load(conn, own, known, now, items).await?;
        for id in resting.ids {
            group.changed(id);
        }
        if !resting.are_known {
            group.catch_up(conn).await?;
        }
        let mut replies = Vec::with_capacity(items.len());
        for item in items {
            replies.push(group.work(conn, item).await?);
        }
        Ok((replies, group.flush(conn).await?))
    }

    fn decide(&mut self, items: &[Work]) -> Option<(Written<Self>, QuietPings)> {
        self.decide_quiet_pings(items)
    }

    async fn write_decided(held: &mut Held, rows: QuietPings) -> Result<()> {
        new_pings::write_quiet(held, &rows).await
    }

    fn forget(&mut self) {
        if self.filing.has_failed() {
            return;
        }
        let now = self.clock.now();
        (self.known, self.resting) = (Known::default(), Resting::after_failure(now));
        self.filing = Filing::after_failure(now);
    }

    fn rests(&self) -> Option<Duration> {
        self.rests_within(self.clock.now())
    }

    fn committed(&mut self, mut effects: Effects) {
        self.filing.came(&effects.new_pings);
        if let Some(filing) = effects.filing.take() {
            self.filing = filing;
        }
        if let Some(known) = effects.known.take() {
            self.known = known;
            self.resting.are_known = true;
            self.outlets.rests.store(false, Ordering::Release);
        }
        self.outlets.carry_out(effects);
    }
}

/// The states and rows of one group, between reading and writing.
struct Group<'a> {
    sealer: &'a Sealer,
    own_region: &'a str,
    now: Timestamp,
    known: Known,
    dirty: BTreeSet<MonitorId>,
    /// The windows that may cover what the group is about, since when. Read when first needed.
    windows: Option<(Timestamp, Vec<MaintenanceWindow>)>,
    /// The enabled channels: number, and whether a default one. Read when first needed.
    channels: Option<Vec<(i64, bool)>>,
    results: Vec<NewResult>,
    pings: Vec<NewPing>,
    changes: Vec<(MonitorId, StatusChange)>,
    /// When the checks began whose results may fill gaps in the history: of each monitor the first and the last.
    late: BTreeMap<MonitorId, (Timestamp, Timestamp)>,
    deliveries: Vec<NewDelivery>,
    effects: Effects,
}

impl<'a> Group<'a> {
    async fn load(
        conn: &mut Conn<'_>,
        (sealer, own_region): (&'a Sealer, &'a str),
        mut known: Known,
        now: Timestamp,
        items: &[Work],
    ) -> Result<Self> {
        let mut ids = Vec::new();
        let mut uuids = Vec::new();
        for item in items {
            match item {
                Work::Checked { monitor_id, .. }
                | Work::Deadline { monitor_id }
                | Work::HoldEnded { monitor_id }
                | Work::FellSilent { monitor_id }
                | Work::WasAway { monitor_id, .. } => ids.push(*monitor_id),
                Work::Delete { id }
                | Work::Pause { id }
                | Work::Resume { id }
                | Work::Rotate { id } => ids.push(*id),
                Work::Pinged(ping) => uuids.push(ping.uuid),
                _ => {}
            }
        }
        ids.retain(|id| !known.by_id.contains_key(id));
        ids.sort_unstable();
        ids.dedup();
        uuids.retain(|uuid| !known.by_uuid.contains_key(uuid));
        uuids.sort_unstable();
        uuids.dedup();
        for watched in monitors::by_ids(conn, &ids).await? {
            known.put(watched);
        }
        for watched in monitors::by_uuids(conn, &uuids).await? {
            known.put(watched);
        }
        Ok(Self::new((sealer, own_region), known, now))
    }

    /// A group that has read nothing yet but what is `known`.
    fn new((sealer, own_region): (&'a Sealer, &'a str), known: Known, now: Timestamp) -> Self {
        Self {
            sealer,
            own_region,
            now,
            known,
            dirty: BTreeSet::new(),
            windows: None,
            channels: None,
            results: Vec::new(),
            pings: Vec::new(),
            changes: Vec::new(),
            late: BTreeMap::new(),
            deliveries: Vec::new(),
            effects: Effects::default(),
        }
    }

    async fn need_windows(&mut self, conn: &mut Conn<'_>) -> Result<()> {
        self.need_windows_since(conn, self.now).await
    }

    /// The same for what began at `since`, which may be long ago.
    async fn need_windows_since(&mut self, conn: &mut Conn<'_>, since: Timestamp) -> Result<()> {
        let since = since.min(self.now.plus_ms(-CHECK_MAX_MS));
        if self.windows.as_ref().is_none_or(|(known, _)| *known > since) {
            self.windows = Some((since, windows::ending_after(conn, since).await?));
        }
        Ok(())
    }

    /// The window that covers a monitor at `at`; to be asked after [`Group::need_windows`].
    fn window_of(&self, monitor: &Monitor, at: Timestamp) -> Option<&MaintenanceWindow> {
        let (_, windows) = self.windows.as_ref()?;
        active_window(windows, monitor.id, &monitor.settings.tags, at)
    }

    /// The window that holds alerts: one that is open now, or was when the check began. Such a check is no fresh look.
    fn holding_window(
        &self,
        monitor: &Monitor,
        check: Option<&CheckResult>,
    ) -> Option<&MaintenanceWindow> {
        self.window_of(monitor, self.now)
            .or_else(|| check.and_then(|c| self.window_of(monitor, c.started_at)))
    }

    async fn work(&mut self, conn: &mut Conn<'_>, item: &Work) -> Result<Reply> {
        match item {
            Work::Checked { monitor_id, result } => self.checked(conn, *monitor_id, result).await,
            Work::LoadChecked => self.load_checked(conn).await,
            Work::Settle => Ok(Reply::Done),
            Work::Pinged(ping) => self.pinged(conn, ping).await,
            Work::Deadline { monitor_id } => self.deadline(conn, *monitor_id).await,
            Work::FellSilent { monitor_id } => self.fell_silent(conn, *monitor_id).await,
            Work::HoldEnded { monitor_id } => self.hold_ended(conn, *monitor_id).await,
            Work::WasAway { monitor_id, from, is_gap } => {
                self.was_away(conn, *monitor_id, *from, *is_gap).await
            }
            Work::Create { kind, fields } => self.create(conn, *kind, fields).await,
            Work::CreateMany(wanted) => self.create_many(conn, wanted).await,
            Work::Update { id, fields } => self.update(conn, *id, fields).await,
            Work::Delete { id } => self.delete(conn, *id).await,
            Work::Pause { id } => self.pause(conn, *id).await,
            Work::Resume { id } => self.resume(conn, *id).await,
            Work::Rotate { id } => self.rotate(conn, *id).await,
            Work::Probe(news) => self.probe_news(conn, news).await,
            Work::Region(news) => self.region_news(conn, news).await,
            Work::Climb { incident_id } => self.climb(conn, *incident_id).await,
            Work::Acknowledge { id, by } => self.acknowledge(conn, *id, by).await,
            Work::Comment { id, by, text } => self.comment(conn, *id, by, text).await,
        }
    }
}
