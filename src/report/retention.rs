//! Keeping history: hours are rolled up, and what is too old is removed in small batches, so that no other write waits long.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use super::roller::{HOURLY_DAYS, Roller};
use super::rollup::DAY_MS;
use crate::clock::{SharedClock, Timestamp};
use crate::monitor::MonitorId;
use crate::server_settings::ServerSettings;
use crate::store::ended::{self, Ended};
use crate::store::old::{History, Old};
use crate::store::{self, Db, monitors, rollups, space};

/// How often it is looked whether there is something to roll up, in ms.
const ROLL_EVERY_MS: i64 = 60_000;
/// How often old rows are looked for, in ms.
const PRUNE_EVERY_MS: i64 = 3_600_000;
/// How many answers of checks that were not well are kept of a monitor, beside those that began an incident: one that is down for
/// days answers the same a hundred thousand times.
const ANSWERS: i64 = 200;
/// How many rows go in one transaction at most.
const BATCH: u64 = 1_000;
/// How many rows of what ended: each has up to ten places in indexes, and none has its neighbours beside it.
const ENDED_A_COMMIT: u64 = 250;
/// How many incidents are looked through for them at once.
const INCIDENTS: i64 = 50;
/// How many monitors share one transaction at most.
const MONITORS_A_COMMIT: usize = 100;
/// How many deleted monitors go in one transaction.
const GONE_A_COMMIT: usize = 10;

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

impl Retention {
    /// Each minute rolls up, and removes answers beyond those that are kept and the history of deleted monitors; each hour, and at once
    /// when that changes, removes what is too old; until `stop`.
    pub async fn run(self, db: Db, clock: SharedClock, stop: CancellationToken) {
        let mut prune_at = clock.now();
        let mut roller = Roller::new(db.clone());
        loop {
            // Before the look, so that a change while it runs is not slept over.
            let changed = self.settings.retention_changed();
            let keep = Keep { result_days: self.settings.retention_days(), pings: self.pings };
            let now = clock.now();
            if let Err(error) = roller.round(now, &stop).await {
                tracing::error!(%error, "history could not be rolled up");
            }
            if let Err(error) = clear_deleted(&db, &stop).await {
                tracing::error!(%error, "the history of deleted monitors could not be removed");
            }
            // A monitor that is down and checked every second has hundreds of answers more in an hour than are kept.
            if let Err(error) = remove_old(&db, Old::Answers(ANSWERS), &stop).await {
                tracing::error!(%error, "old answers could not be removed");
            }
            // A clock that was set back must not put it off until the old time has come again.
            prune_at = prune_at.min(now.plus_ms(PRUNE_EVERY_MS));
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
    // No result goes before its hour is rolled up.
    let rolled_up = rollups::rolled_up_until(&mut db.read().await?.conn()).await?;
    let results = before(keep.result_days.into()).min(rolled_up.unwrap_or_default());
    note_removal(db, results).await?;
    let pings = Old::Pings(keep.pings.into());
    let hours = Old::Hours(before(HOURLY_DAYS));
    // No hour that is kept is rolled up from earlier ones again.
    let changes = Old::Changes(before(HOURLY_DAYS + 1));
    for old in [Old::Results(results), pings, hours, changes] {
        remove_old(db, old, stop).await?;
    }
    remove_ended(db, before(HOURLY_DAYS + 1), stop).await?;
    while !stop.is_cancelled() && space::give_back(db).await? {}
    Ok(())
}

/// Notes that results from before `until` go: before the first does, so that no hour is counted again by those that are left.
async fn note_removal(db: &Db, until: Timestamp) -> store::Result<()> {
    let mut tx = db.begin().await?;
    let known = rollups::results_removed_until(&mut tx.conn()).await?;
    // It stays where it was when results are kept for longer from now on: what is gone does not come back.
    if known.is_none_or(|known| known < until) {
        rollups::set_results_removed_until(&mut tx.conn(), until).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Removes incidents, alerts and times of windows that ended before `before`: what belongs to incidents some incidents at a time.
async fn remove_ended(db: &Db, before: Timestamp, stop: &CancellationToken) -> store::Result<()> {
    let mut after = Timestamp(i64::MIN);
    while !stop.is_cancelled() {
        let next = {
            let mut reader = db.read().await?;
            ended::next_incidents(&mut reader.conn(), (after, before), INCIDENTS).await?
        };
        let Some(until) = next else { break };
        for ended in Ended::of_incidents((after, until)) {
            remove_all(db, ended, before, stop).await?;
        }
        after = until;
    }
    for ended in Ended::OF_NO_INCIDENT {
        remove_all(db, ended, before, stop).await?;
    }
    Ok(())
}

/// Removes all of `ended` from before `before`, a batch a transaction.
async fn remove_all(
    db: &Db,
    ended: Ended,
    before: Timestamp,
    stop: &CancellationToken,
) -> store::Result<()> {
    while !stop.is_cancelled() {
        let mut tx = db.begin().await?;
        let removed = ended.remove(&mut tx.conn(), before, ENDED_A_COMMIT).await?;
        tx.commit().await?;
        if removed < ENDED_A_COMMIT {
            break;
        }
    }
    Ok(())
}

/// Removes what is left of monitors that were deleted.
///
/// # Errors
/// When the database fails; the next time goes on where this one ended.
pub async fn clear_deleted(db: &Db, stop: &CancellationToken) -> store::Result<()> {
    let deleted = monitors::deleted(&mut db.read().await?.conn()).await?;
    for history in History::ALL {
        remove(db, Old::All(history), &deleted, stop).await?;
    }
    for some in deleted.chunks(GONE_A_COMMIT) {
        if stop.is_cancelled() {
            return Ok(());
        }
        let mut tx = db.begin().await?;
        monitors::remove(&mut tx.conn(), some).await?;
        tx.commit().await?;
    }
    Ok(())
}

/// Removes all that is `old` of any monitor.
async fn remove_old(db: &Db, old: Old, stop: &CancellationToken) -> store::Result<()> {
    let owners = old.owners(&mut db.read().await?.conn()).await?;
    remove(db, old, &owners, stop).await
}

/// Removes all that is `old` of some monitors, a batch a transaction.
async fn remove(
    db: &Db,
    old: Old,
    owners: &[MonitorId],
    stop: &CancellationToken,
) -> store::Result<()> {
    let mut owners = owners.iter().peekable();
    while owners.peek().is_some() && !stop.is_cancelled() {
        let mut tx = db.begin().await?;
        let mut room = BATCH;
        for _ in 0..MONITORS_A_COMMIT {
            let Some(&&id) = owners.peek() else { break };
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
