//! Which probes are lost and which are back, and which monitors have lost the word of a region: looked at every few seconds.

use std::collections::BTreeSet;

use tokio_util::sync::CancellationToken;

use super::Probe;
use super::hub::Hub;
use crate::checker::ingest::{Ingest, ProbeNews, Work};
use crate::checker::judge::CutOffSince;
use crate::checker::presence::Presence;
use crate::clock::{SharedClock, Timestamp};
use crate::monitor::quorum::fresh_ms;
use crate::monitor::{Monitor, MonitorId};
use crate::store::writer::Writer;
use crate::store::{self, Db, probes};

/// Without contact for so long a probe is lost, in ms (contract, section 7).
const LOST_MS: i64 = 90_000;
/// How often it is looked, in ms.
const LOOK_EVERY_MS: i64 = 5_000;

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
        loop {
            let at = self.clock.now().plus_ms(LOOK_EVERY_MS);
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
            if let Err(error) = self.look(since, now).await {
                tracing::error!(%error, "the probes could not be looked at");
            }
        }
    }

    async fn save_logged(&self) {
        if let Err(error) = self.save().await {
            tracing::warn!(%error, "the last contact of probes could not be stored");
        }
    }

    async fn look(&self, since: Timestamp, now: Timestamp) -> store::Result<()> {
        self.save().await?;
        let all = probes::list(&mut self.db.read().await?.conn(), i64::MAX, 0).await?;
        let mut silent: BTreeSet<MonitorId> = BTreeSet::new();
        for probe in &all {
            self.judge(probe, since, now).await;
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
        Ok(())
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

    async fn judge(&self, probe: &Probe, since: Timestamp, now: Timestamp) {
        let (heard_at, _) = self.hub.last_heard(probe.id);
        let is_back = probe.lost_at.is_some_and(|lost| heard_at.is_some_and(|at| at > lost));
        let news = if is_back {
            ProbeNews::Back { probe_id: probe.id }
        } else if self.is_lost(probe, heard_at, since, now) {
            self.lost(probe, heard_at.or(probe.last_contact_at))
        } else {
            return;
        };
        // The writer has logged what it could not write, and the next look tries again.
        let _ = self.writer.write(Work::Probe(Box::new(news))).await;
    }

    /// One that never came is not lost: it was not set up yet.
    fn is_lost(
        &self,
        probe: &Probe,
        heard_at: Option<Timestamp>,
        since: Timestamp,
        now: Timestamp,
    ) -> bool {
        let Some(last) = heard_at.or(probe.last_contact_at) else { return false };
        probe.enabled && probe.lost_at.is_none() && now.since(last.max(since)) > LOST_MS
    }

    fn lost(&self, probe: &Probe, last: Option<Timestamp>) -> ProbeNews {
        let monitors = self.hub.monitors_of(&probe.region);
        let named = monitors.iter().flat_map(|m| m.settings.channel_ids.iter().flatten().copied());
        let channels: BTreeSet<i64> = named.collect();
        ProbeNews::Lost {
            probe_id: probe.id,
            last_contact_at: last,
            monitors: monitors.len(),
            channel_ids: channels.into_iter().collect(),
        }
    }
}
