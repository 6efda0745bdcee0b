//! Rolling up: every hour, a little after its end, and again where something became known later.

use std::collections::BTreeSet;

use tokio_util::sync::CancellationToken;

use super::rollup::{DAY_MS, Grain, HOUR_MS, Outcome, Rollup, hours, settled_until};
use super::uptime::Span;
use crate::clock::Timestamp;
use crate::incident::maintenance::MaintenanceWindow;
use crate::monitor::MonitorId;
use crate::store::rollups::{self, Counts};
use crate::store::{self, Db, history, monitors, redos, results, windows};

/// Hours that are written in one transaction at most, so that no other write waits long.
const HOURS_A_COMMIT: i64 = 400;
/// And of so many monitors at most.
const MONITORS_A_COMMIT: i64 = 100;
/// Redos that are read at once.
const REDOS: i64 = 100;
/// How long hourly roll-ups are kept (contract, section 2), and so how far back the first round goes, in days.
pub const HOURLY_DAYS: i64 = 400;

/// Rolls results and changes of status up to hours and days.
pub struct Roller {
    db: Db,
    /// Whose history cannot be read, as was said in the log.
    unreadable: BTreeSet<MonitorId>,
}

impl Roller {
    /// One for what is in `db`.
    pub fn new(db: Db) -> Self {
        Self { db, unreadable: BTreeSet::new() }
    }

    /// Rolls up all hours that are settled at `now` and not rolled up yet, and what must be done again.
    ///
    /// # Errors
    /// When the database fails; the next round goes on where this one ended.
    pub async fn round(&mut self, now: Timestamp, stop: &CancellationToken) -> store::Result<()> {
        let target = settled_until(now);
        let known = rollups::rolled_up_until(&mut self.db.read().await?.conn()).await?;
        let mut from = match known {
            Some(until) if until > now => {
                self.set_back(target, now).await?;
                target
            }
            Some(until) => until,
            None => self.beginning(now).await?.min(target),
        };
        while from < target && !stop.is_cancelled() {
            let to = Grain::Day.floor(from).plus_ms(DAY_MS).min(target);
            let ids = monitors::all_ids(&mut self.db.read().await?.conn()).await?;
            for some in ids.chunks(monitors_a_commit((from, to))) {
                if stop.is_cancelled() {
                    return Ok(());
                }
                self.roll(some, (from, to), now).await?;
            }
            let mut tx = self.db.begin().await?;
            rollups::set_rolled_up_until(&mut tx.conn(), to).await?;
            tx.commit().await?;
            from = to;
        }
        self.redo(from, now, stop).await
    }

    /// The clock was set back: what is rolled up of a time that has not come yet is rolled up again when it has, and the results from
    /// then on are all there.
    async fn set_back(&self, target: Timestamp, now: Timestamp) -> store::Result<()> {
        let mut tx = self.db.begin().await?;
        rollups::set_rolled_up_until(&mut tx.conn(), target).await?;
        if rollups::results_removed_until(&mut tx.conn()).await?.is_some_and(|until| until > now) {
            rollups::set_results_removed_until(&mut tx.conn(), now).await?;
        }
        tx.commit().await
    }

    /// Where the first round of all begins.
    async fn beginning(&self, now: Timestamp) -> store::Result<Timestamp> {
        let made = monitors::first_made_at(&mut self.db.read().await?.conn()).await?;
        let longest = now.plus_ms(-HOURLY_DAYS * DAY_MS);
        Ok(Grain::Hour.floor(made.unwrap_or(now).max(longest)))
    }

    async fn redo(
        &mut self,
        rolled_up: Timestamp,
        now: Timestamp,
        stop: &CancellationToken,
    ) -> store::Result<()> {
        let mut after = 0;
        loop {
            let redos = redos::list(&mut self.db.read().await?.conn(), after, REDOS).await?;
            for (id, span) in &redos {
                // What cannot be read stays noted. The next round tries again.
                if self.redo_one(*id, *span, rolled_up, now, stop).await? {
                    self.unreadable.remove(id);
                    let mut tx = self.db.begin().await?;
                    redos::done(&mut tx.conn(), *id, *span).await?;
                    tx.commit().await?;
                }
                after = *id;
            }
            if (redos.len() as i64) < REDOS || stop.is_cancelled() {
                return Ok(());
            }
        }
    }

    /// Rolls up again what of `span` is rolled up and kept by the hour; gives whether that is done: it could be read, and nothing stopped it.
    async fn redo_one(
        &mut self,
        id: MonitorId,
        span: Span,
        rolled_up: Timestamp,
        now: Timestamp,
        stop: &CancellationToken,
    ) -> store::Result<bool> {
        // The first day of which no hour is gone: a day made of the hours that are left would not be the whole day.
        let longest = Grain::Day.floor(now.plus_ms(-HOURLY_DAYS * DAY_MS)).plus_ms(DAY_MS);
        let last = Grain::Hour.floor(span.1.plus_ms(HOUR_MS - 1)).min(rolled_up);
        let mut from = Grain::Hour.floor(span.0.max(longest));
        while from < last {
            let to = Grain::Day.floor(from).plus_ms(DAY_MS).min(last);
            let windows = windows::ending_after(&mut self.db.read().await?.conn(), from).await?;
            if stop.is_cancelled() || !self.roll_one(id, &windows, (from, to), now).await? {
                return Ok(false);
            }
            from = to;
        }
        Ok(true)
    }

    /// Rolls up whole hours of one day, and the day when it is over.
    ///
    /// One row that cannot be read (written by a newer version, say, or spoilt) must not keep all monitors from being rolled up. So its
    /// monitor is left out, with a note that it must be done again: that brings it back when the row can be read, lets `rolled_up_until` go
    /// on meanwhile, and keeps its results. After 400 days, when no hour is made of them any more, the note is dropped. Nothing is guessed in
    /// the place of what cannot be read, as a gap in the history would stay for ever.
    async fn roll(&mut self, ids: &[MonitorId], span: Span, now: Timestamp) -> store::Result<()> {
        let windows = windows::ending_after(&mut self.db.read().await?.conn(), span.0).await?;
        match self.write(ids, &windows, span, now).await {
            Err(error) if !error.is_of_the_database() => {}
            done => return done,
        }
        for id in ids {
            if !self.roll_one(*id, &windows, span, now).await? {
                let mut tx = self.db.begin().await?;
                redos::add(&mut tx.conn(), &[*id], span).await?;
                tx.commit().await?;
            }
        }
        Ok(())
    }

    /// The same of one monitor; gives whether all that this takes could be read. If not, the log says so once.
    async fn roll_one(
        &mut self,
        id: MonitorId,
        windows: &[MaintenanceWindow],
        span: Span,
        now: Timestamp,
    ) -> store::Result<bool> {
        match self.write(&[id], windows, span, now).await {
            Err(error) if !error.is_of_the_database() => {
                if self.unreadable.insert(id) {
                    let what = "the history of a monitor cannot be read: its hours are not rolled up, and its results stay, until it can";
                    tracing::error!(%error, monitor = id, "{what}");
                }
                Ok(false)
            }
            done => done.map(|()| true),
        }
    }

    /// Writes whole hours of one day, and the day when it is over.
    async fn write(
        &self,
        ids: &[MonitorId],
        windows: &[MaintenanceWindow],
        span: Span,
        now: Timestamp,
    ) -> store::Result<()> {
        let hours = self.hours(ids, windows, span).await?;
        let mut tx = self.db.begin().await?;
        let conn = &mut tx.conn();
        // Of an older hour the results are going or gone, but for those that came since; where there are none, none are counted anew.
        let removed = rollups::results_removed_until(conn).await?;
        let is_whole = |hour: &Rollup| {
            hour.checks > 0 && removed.is_none_or(|until| Grain::Hour.start(hour.slot) >= until)
        };
        let (whole, uncounted): (Vec<_>, Vec<_>) =
            hours.into_iter().partition(|(_, hour)| is_whole(hour));
        rollups::put(conn, Grain::Hour, &whole, Counts::Replace).await?;
        rollups::put(conn, Grain::Hour, &uncounted, Counts::Keep).await?;
        let day = Grain::Day.slot(span.0);
        let (begin, end) = Grain::Day.span(day);
        if settled_until(now) >= end {
            let hours = rollups::of(conn, Grain::Hour, ids, (begin, end)).await?;
            let days: Vec<_> = hours
                .chunk_by(|a, b| a.0 == b.0)
                .filter_map(|one| Some((one.first()?.0, one)))
                .map(|(id, one)| (id, Rollup::of_hours(day, one.iter().map(|(_, hour)| hour))))
                .collect();
            rollups::put(conn, Grain::Day, &days, Counts::Replace).await?;
        }
        tx.commit().await
    }

    async fn hours(
        &self,
        ids: &[MonitorId],
        windows: &[MaintenanceWindow],
        span: Span,
    ) -> store::Result<Vec<rollups::Stored>> {
        let mut reader = self.db.read().await?;
        let conn = &mut reader.conn();
        let watched = monitors::by_ids(conn, ids).await?;
        let changes = history::status_changes(conn, ids, span.0).await?;
        let mut outcomes = results::outcomes(conn, ids, span).await?;
        outcomes.sort_unstable_by_key(|(id, _)| *id);
        let of = |id: MonitorId| -> Vec<Outcome> {
            let first = outcomes.partition_point(|(of, _)| *of < id);
            outcomes.iter().skip(first).take_while(|(of, _)| *of == id).map(|(_, o)| *o).collect()
        };
        let rolled = watched.iter().flat_map(|watched| {
            let monitor = &watched.monitor;
            let span = (span.0.max(Grain::Hour.floor(monitor.created_at)), span.1);
            let changes = changes.get(&monitor.id).map_or(&[][..], Vec::as_slice);
            let hours = hours(span, &of(monitor.id), changes, &rollups::quiet(windows, monitor));
            hours.into_iter().map(|hour| (monitor.id, hour))
        });
        Ok(rolled.collect())
    }
}

/// Of how many monitors the hours of `span` are written in one transaction.
fn monitors_a_commit(span: Span) -> usize {
    let hours = span.1.since(span.0) / HOUR_MS;
    let monitors = (HOURS_A_COMMIT / hours.max(1)).clamp(1, MONITORS_A_COMMIT);
    usize::try_from(monitors).unwrap_or(1)
}

/// The longest from the beginning of a transaction to the moment when the roller can read what it wrote, in ms.
const COMMITS_WITHIN_MS: i64 = 60_000;

/// Notes that what happened to a monitor in `span` became known only now, should its hours be rolled up already.
///
/// # Errors
/// When the database fails.
pub async fn became_known(
    conn: &mut store::Conn<'_>,
    monitor_id: MonitorId,
    span: Span,
    now: Timestamp,
) -> store::Result<()> {
    // Its hour may be settled, and rolled up without it, before this is committed.
    if span.0 < settled_until(now.plus_ms(COMMITS_WITHIN_MS)) {
        redos::add(conn, &[monitor_id], span).await?;
    }
    Ok(())
}

/// Notes that a window covers what is rolled up already, as it was made or changed later.
///
/// # Errors
/// When the database fails.
pub async fn window_changed(
    conn: &mut store::Conn<'_>,
    window: &MaintenanceWindow,
    now: Timestamp,
) -> store::Result<()> {
    if window.starts_at < settled_until(now) {
        let ids = windows::covered_ids(conn, window).await?;
        redos::add(conn, &ids, (window.starts_at, window.ends_at.min(now))).await?;
    }
    Ok(())
}
