//! Which probes are lost and which are back, and which monitors have lost the word of a region: looked at every few seconds.

use std::collections::{BTreeMap, BTreeSet};

use tokio_util::sync::CancellationToken;

use super::Probe;
use super::hub::Hub;
use crate::checker::ingest::{Ingest, LostProbe, ProbeNews, Work};
use crate::checker::judge::CutOffSince;
use crate::checker::presence::Presence;
use crate::clock::{SharedClock, Timestamp};
use crate::monitor::quorum::fresh_ms;
use crate::monitor::{Monitor, MonitorId};
use crate::store::writer::Writer;
use crate::store::{self, Db, probes};

/// Without contact for so long a probe is lost, in ms (contract, section 7).
const LOST_MS: i64 = 90_000;
/// A probe that is well is heard of more often than this, in ms: one that is silent for longer may be lost soon.
const FALLING_MS: i64 = 40_000;
/// Probes that fall silent together are told together: so long, in ms, a lost one waits for those that may follow.
const TOGETHER_MS: i64 = 30_000;
/// How often it is looked, in ms.
const LOOK_EVERY_MS: i64 = 5_000;
/// How often it is looked while there is no probe, in ms: soon enough for the first.
const LOOK_FOR_FIRST_EVERY_MS: i64 = 30_000;

/// The task.
pub struct Liveness {
    /// The time.
    pub clock: SharedClock,
    /// Where probes are.
    pub db: Db,
    /// Where news goes.
    pub writer: Writer<Ingest>,
    /// Who was heard of.
    pub hub: Hub,
    /// Whether the server itself is cut off: then no probe can reach it.
    pub cut_off: CutOffSince,
}

impl Liveness {
    /// Looks until `stop`.
    pub async fn run(self, stop: CancellationToken) {
        let mut presence = Presence::new(self.clock.now());
        // From here on a probe has its time to come: while we were away none could.
        let mut since = self.clock.now();
        let mut are_any = true;
        loop {
            let every_ms = if are_any { LOOK_EVERY_MS } else { LOOK_FOR_FIRST_EVERY_MS };
            let at = self.clock.now().plus_ms(every_ms);
            presence.promise(at);
            tokio::select! {
                () = stop.cancelled() => return self.save_logged().await,
                () = self.clock.sleep_until(at) => {}
            }
            let now = self.clock.now();
            presence.note(now, self.clock.lateness_limit_ms());
            if presence.take_absence().is_some() || self.cut_off.get().is_some() {
                since = now;
            }
            match self.look(since, now).await {
                Ok(found_any) => are_any = found_any,
                Err(error) => tracing::error!(%error, "the probes could not be looked at"),
            }
        }
    }

    async fn save_logged(&self) {
        if let Err(error) = self.save().await {
            tracing::warn!(%error, "the last contact of probes could not be stored");
        }
    }

    /// Does what is due at `now` and says whether there is any probe.
    async fn look(&self, since: Timestamp, now: Timestamp) -> store::Result<bool> {
        self.save().await?;
        let all = probes::list(&mut self.db.read().await?.conn(), i64::MAX, 0).await?;
        let mut silent: BTreeSet<MonitorId> = BTreeSet::new();
        self.tell_lost(&all, since, now).await;
        for probe in &all {
            self.tell_back(probe).await;
            let is_silent = |monitor: &Monitor, at: Timestamp| {
                let pace = monitor.settings.target.pace();
                pace.is_some_and(|pace| now.since(at) >= fresh_ms(pace))
            };
            silent.extend(self.hub.take_silent(probe.id, is_silent));
        }
        for monitor_id in silent {
            // The writer has logged what it could not write.
            let _ = self.writer.write(Work::FellSilent { monitor_id }).await;
        }
        Ok(!all.is_empty())
    }

    async fn save(&self) -> store::Result<()> {
        let unsaved = self.hub.take_unsaved();
        if unsaved.is_empty() {
            return Ok(());
        }
        let mut tx = self.db.begin().await?;
        for (id, at, seen) in &unsaved {
            probes::set_seen(&mut tx.conn(), *id, *at, seen).await?;
        }
        tx.commit().await
    }

    async fn tell_back(&self, probe: &Probe) {
        let (heard_at, _) = self.hub.last_heard(probe.id);
        if probe.lost_at.is_some_and(|lost| heard_at.is_some_and(|at| at > lost)) {
            self.tell(ProbeNews::Back { probe_id: probe.id }).await;
        }
    }

    async fn tell_lost(&self, all: &[Probe], since: Timestamp, now: Timestamp) {
        let silent = all.iter().filter_map(|probe| {
            // One that never came is not lost: it was not set up yet.
            let last = self.hub.last_heard(probe.id).0.or(probe.last_contact_at)?;
            let is_expected = probe.enabled && probe.lost_at.is_none();
            is_expected.then(|| (probe, last, now.since(last.max(since))))
        });
        let silent: Vec<_> = silent.collect();
        if !is_time_to_tell(silent.iter().map(|(.., ms)| *ms)) {
            return;
        }
        let (mut lost, mut monitors) = (Vec::new(), BTreeMap::new());
        for (probe, last_contact_at, _) in silent.iter().filter(|(.., ms)| *ms > LOST_MS) {
            let here = self.hub.monitors_of(&probe.region);
            lost.push(LostProbe {
                probe_id: probe.id,
                last_contact_at: *last_contact_at,
                monitors: here.len(),
            });
            monitors.extend(here.into_iter().map(|monitor| (monitor.id, monitor)));
        }
        let monitors = monitors.into_values().collect();
        self.tell(ProbeNews::Lost { lost, monitors }).await;
    }

    async fn tell(&self, news: ProbeNews) {
        // The writer has logged what it could not write, and the next look tries again.
        let _ = self.writer.write(Work::Probe(Box::new(news))).await;
    }
}

/// Whether it is told now that probes are lost, by how long each that is expected was silent, in ms: not while others are on the way
/// to be, as they would make alerts of their own; but no lost one waits for long.
fn is_time_to_tell(silent_ms: impl Iterator<Item = i64> + Clone) -> bool {
    let longest = silent_ms.clone().max().unwrap_or(0);
    let may_follow = |ms: i64| (FALLING_MS..=LOST_MS).contains(&ms);
    longest > LOST_MS + TOGETHER_MS || longest > LOST_MS && !silent_ms.into_iter().any(may_follow)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_that_fall_silent_together_are_told_together() {
        for (seconds, is_told) in [
            (vec![], false),
            (vec![90, 5], false),
            (vec![91, 5], true),
            (vec![91, 95, 3], true),
            // The second may follow within a minute, so it is waited for, and not for long.
            (vec![91, 70], false),
            (vec![110, 91], true),
            (vec![119, 45], false),
            (vec![121, 45], true),
        ] {
            let silent = seconds.iter().map(|seconds| seconds * 1000);
            assert_eq!(is_time_to_tell(silent), is_told, "{seconds:?}");
        }
    }
}
