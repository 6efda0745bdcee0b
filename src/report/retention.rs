//! Keeping history: hours are rolled up, and what is too old is removed in small batches, so that no other write waits long.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::roller::{HOURLY_DAYS, Roller};
use super::rollup::{DAY_MS, Grain};
use crate::clock::{SharedClock, Timestamp};
use crate::monitor::MonitorId;
use crate::server_settings::ServerSettings;
use crate::store::{self, Conn, Db, answers, history, results, rollups, space};

/// How often it is looked whether there is something to roll up, in ms.
const ROLL_EVERY_MS: i64 = 60_000;
/// How often old rows are looked for, in ms.
const PRUNE_EVERY_MS: i64 = 3_600_000;
/// How many answers of checks that were not well are kept of a monitor, beside those that began an incident: one that is down for
/// days answers the same a hundred thousand times.
const ANSWERS: i64 = 200;
/// How many rows go in one transaction at most.
const BATCH: u64 = 1_000;
/// How many monitors share one transaction at most.
const MONITORS_A_COMMIT: usize = 100;

/// The job that keeps history.
#[derive(Clone)]
pub struct Retention {
    /// Says for how many days raw results are kept, and when that changes.
    pub settings: Arc<ServerSettings>,
    /// Pings kept for each heartbeat.
    pub pings: u32,
}

/// What is kept.
#[derive(Debug, Clone, Copy)]
pub struct Keep {
    /// Days that raw results are kept.
    pub result_days: u32,
    /// Pings kept for each heartbeat.
    pub pings: u32,
}

/// What is removed.
#[derive(Debug, Clone, Copy)]
enum Old {
    /// Results from before a moment.
    Results(Timestamp),
    /// Answers beyond so many.
    Answers(i64),
    /// Pings that lie more than so many back.
    Pings(i64),
    /// Hourly roll-ups from before a moment.
    Hours(Timestamp),
}

impl Old {
    /// The monitors that have any.
    async fn owners(self, conn: &mut Conn<'_>) -> store::Result<Vec<MonitorId>> {
        match self {
            Self::Results(before) => results::owners(conn, before).await,
            Self::Answers(keep) => answers::owners(conn, keep).await,
            Self::Pings(keep) => history::owners_of_pings(conn, keep).await,
            Self::Hours(before) => rollups::owners(conn, Grain::Hour, before).await,
        }
    }

    /// Removes up to `limit` of a monitor's; gives how many.
    async fn remove(self, conn: &mut Conn<'_>, id: MonitorId, limit: u64) -> store::Result<u64> {
        let limit = i64::try_from(limit).unwrap_or(i64::MAX);
        match self {
            Self::Results(before) => results::prune(conn, id, before, limit).await,
            Self::Answers(keep) => answers::prune(conn, id, keep, limit).await,
            Self::Pings(keep) => history::prune_pings(conn, id, keep, limit).await,
            Self::Hours(before) => rollups::prune(conn, Grain::Hour, id, before, limit).await,
        }
    }
}

impl Retention {
    /// Rolls up and removes answers beyond those that are kept every minute, and removes what is too old every hour, and at once when that changes, until `stop`.
    pub async fn run(self, db: Db, clock: SharedClock, stop: CancellationToken) {
        let mut prune_at = clock.now();
        loop {
            // Before the look, so that a change while it runs is not slept over.
            let changed = self.settings.retention_changed();
            let keep = Keep { result_days: self.settings.retention_days(), pings: self.pings };
            let now = clock.now();
            let roller = Roller { db: db.clone(), result_days: keep.result_days };
            if let Err(error) = roller.round(now, &stop).await {
                tracing::error!(%error, "history could not be rolled up");
            }
            if let Err(error) = file_pings(&db).await {
                tracing::error!(%error, "new pings could not be filed");
            }
            // A monitor that is down and checked every second has hundreds of answers more in an hour than are kept.
            if let Err(error) = remove(&db, Old::Answers(ANSWERS), &stop).await {
                tracing::error!(%error, "old answers could not be removed");
            }
            if now >= prune_at {
                prune_at = now.plus_ms(PRUNE_EVERY_MS);
                if let Err(error) = prune(&db, keep, now, &stop).await {
                    tracing::error!(%error, "old history could not be removed");
                }
            }
            tokio::select! {
                () = stop.cancelled() => return,
                () = clock.sleep_until(now.plus_ms(ROLL_EVERY_MS)) => {}
                () = changed => prune_at = now,
            }
        }
    }
}

/// Files the new pings that there are among those of their monitors.
async fn file_pings(db: &Db) -> store::Result<()> {
    if history::has_new_pings(&mut db.read().await?.conn()).await? {
        let mut tx = db.begin().await?;
        history::file_pings(&mut tx.conn()).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Removes what is too old at `now`, and gives the space back.
///
/// # Errors
/// When the database fails; what is gone by then is gone.
pub async fn prune(
    db: &Db,
    keep: Keep,
    now: Timestamp,
    stop: &CancellationToken,
) -> store::Result<()> {
    let before = |days: i64| now.plus_ms(-days * DAY_MS);
    file_pings(db).await?;
    // No result goes before its hour is rolled up.
    let rolled_up = rollups::rolled_up_until(&mut db.read().await?.conn()).await?;
    let results = before(keep.result_days.into()).min(rolled_up.unwrap_or_default());
    let pings = Old::Pings(keep.pings.into());
    let hours = Old::Hours(before(HOURLY_DAYS));
    for old in [Old::Results(results), pings, hours] {
        remove(db, old, stop).await?;
    }
    while !stop.is_cancelled() && space::give_back(db).await? {}
    Ok(())
}

/// Removes all that is `old`, a batch a transaction.
async fn remove(db: &Db, old: Old, stop: &CancellationToken) -> store::Result<()> {
    let owners = old.owners(&mut db.read().await?.conn()).await?;
    let mut owners = owners.into_iter().peekable();
    while owners.peek().is_some() && !stop.is_cancelled() {
        let mut tx = db.begin().await?;
        let mut room = BATCH;
        for _ in 0..MONITORS_A_COMMIT {
            let Some(&id) = owners.peek() else { break };
            let removed = old.remove(&mut tx.conn(), id, room).await?;
            room = room.saturating_sub(removed);
            if room == 0 {
                break;
            }
            owners.next();
        }
        tx.commit().await?;
    }
    Ok(())
}
