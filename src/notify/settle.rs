//! Settling: what an attempt came to is written to the delivery, its channel and the incident's timeline, and a channel
//! that fails for good is told on the others.

use super::attempt::Attempt;
use super::carrier::Setting;
use super::classify::{Fate, fate};
use super::retry::RetrySchedule;
use super::{ChannelId, NewDelivery};
use crate::clock::Timestamp;
use crate::incident::message::{AlertEvent, one_line};
use crate::incident::{IncidentId, TimelineKind};
use crate::monitor::MonitorId;
use crate::store::outbox::Claimed;
use crate::store::{
    self, Conn, Db, channels, deliveries, escalation_policies, grouping, monitors, outbox, timeline,
};

/// What came of a claimed delivery.
pub(super) struct Outcome {
    /// The delivery.
    pub(super) claimed: Claimed,
    /// What came of it.
    pub(super) what: What,
    /// When.
    pub(super) at: Timestamp,
}

/// What came of a claimed delivery.
pub(super) enum What {
    /// An attempt was made.
    Tried {
        /// What the channel is called.
        name: String,
        /// What it came to.
        attempt: Attempt,
        /// How long it took.
        latency_ms: i64,
    },
    /// No attempt could be made, by a trouble of our own.
    Stumbled(Attempt),
    /// The channel is switched off.
    Disabled {
        /// What it is called.
        name: String,
    },
    /// The channel was deleted, and the delivery with it.
    Gone,
}

impl What {
    /// No attempt could be made: `reason` says why.
    pub(super) fn stumbled(reason: &str) -> Self {
        tracing::error!(reason, "a delivery could not be tried");
        Self::Stumbled(Attempt::unanswered(reason))
    }
}

/// Writes outcomes.
pub(super) struct Settler {
    pub(super) db: Db,
    pub(super) schedule: RetrySchedule,
    /// A number from 0 to 1, new at each call.
    pub(super) chance: Setting<f64>,
}

impl Settler {
    /// Writes all outcomes in one transaction; if one of them spoils it, each in its own.
    ///
    /// What cannot be written is sent again when its lease has run out: at least once, not at most.
    pub(super) async fn settle(&self, batch: &[Outcome]) {
        let Err(error) = self.commit(batch).await else { return };
        tracing::warn!(%error, "cannot settle deliveries together; trying each alone");
        for outcome in batch {
            if let Err(error) = self.commit(std::slice::from_ref(outcome)).await {
                tracing::error!(%error, delivery = outcome.claimed.id, "cannot settle a delivery");
            }
        }
    }

    async fn commit(&self, batch: &[Outcome]) -> store::Result<()> {
        let mut tx = self.db.begin().await?;
        for outcome in batch {
            self.write(&mut tx.conn(), outcome).await?;
        }
        tx.commit().await
    }

    async fn write(&self, conn: &mut Conn<'_>, outcome: &Outcome) -> store::Result<()> {
        let Outcome { claimed, what, at } = outcome;
        match what {
            What::Gone => Ok(()),
            What::Disabled { name } => {
                // Switched off on purpose: that is no news for the other channels.
                let error = "channel is disabled";
                let row = outbox::not_delivered(conn, claimed.id, None, error, None).await?;
                let incident_id = row.and_then(|row| row.incident_id);
                note_failure(conn, incident_id, *at, name, error).await?;
                self.fail_together(conn, claimed, *at, name, error).await
            }
            What::Stumbled(attempt) => {
                let name = format!("channel {}", claimed.channel_id);
                self.write_tried(conn, claimed, &name, attempt, 0, *at).await
            }
            What::Tried { name, attempt, latency_ms } => {
                self.write_tried(conn, claimed, name, attempt, *latency_ms, *at).await
            }
        }
    }

    async fn write_tried(
        &self,
        conn: &mut Conn<'_>,
        claimed: &Claimed,
        name: &str,
        attempt: &Attempt,
        latency_ms: i64,
        at: Timestamp,
    ) -> store::Result<()> {
        let trying_ms = at.since(claimed.first_attempt_at);
        match fate(attempt, trying_ms) {
            Fate::Delivered => {
                let status = attempt.status;
                let row = outbox::delivered(conn, claimed.id, at, latency_ms, status).await?;
                let Some(row) = row else { return Ok(()) };
                channels::note_delivered(conn, claimed.channel_id, at).await?;
                let note = attempt.note.as_ref().map(|n| format!("; {n}")).unwrap_or_default();
                let detail = format!("{}, {latency_ms} ms{note}", one_line(name));
                if let Some(id) = row.incident_id {
                    timeline::add(conn, id, at, TimelineKind::Delivered, &detail).await?;
                }
                let detail = format!("{detail}, in a summary");
                self.share_fate(conn, claimed, at, TimelineKind::Delivered, &detail).await
            }
            Fate::Failed => self.give_up(conn, claimed, name, &attempt.error(), attempt, at).await,
            Fate::Retry { after_ms } => match self.wait_ms(claimed, trying_ms) {
                Some(wait) => {
                    let (id, next) = (claimed.id, at.plus_ms(after_ms.unwrap_or(wait)));
                    let error = attempt.error();
                    outbox::not_delivered(conn, id, Some(next), &error, attempt.status).await?;
                    channels::note_error(conn, claimed.channel_id, &error).await
                }
                None => {
                    let times = claimed.attempts + 1;
                    let error = format!("gave up after {times} attempts: {}", attempt.error());
                    self.give_up(conn, claimed, name, &error, attempt, at).await
                }
            },
        }
    }

    /// A summary was settled: what it stands for is settled with it.
    async fn share_fate(
        &self,
        conn: &mut Conn<'_>,
        claimed: &Claimed,
        at: Timestamp,
        kind: TimelineKind,
        detail: &str,
    ) -> store::Result<()> {
        if claimed.alert.as_ref().is_ok_and(|alert| alert.event == AlertEvent::Summary) {
            for incident in grouping::share_fate(conn, claimed.id).await? {
                timeline::add(conn, incident, at, kind, detail).await?;
            }
        }
        Ok(())
    }

    async fn fail_together(
        &self,
        conn: &mut Conn<'_>,
        claimed: &Claimed,
        at: Timestamp,
        name: &str,
        error: &str,
    ) -> store::Result<()> {
        let detail = failure_detail(name, error);
        self.share_fate(conn, claimed, at, TimelineKind::DeliveryFailed, &detail).await
    }

    fn wait_ms(&self, claimed: &Claimed, trying_ms: i64) -> Option<i64> {
        let attempts = u32::try_from(claimed.attempts + 1).unwrap_or(u32::MAX);
        self.schedule.wait_ms(attempts, trying_ms, (self.chance)())
    }

    async fn give_up(
        &self,
        conn: &mut Conn<'_>,
        claimed: &Claimed,
        name: &str,
        error: &str,
        attempt: &Attempt,
        at: Timestamp,
    ) -> store::Result<()> {
        let row = outbox::not_delivered(conn, claimed.id, None, error, attempt.status).await?;
        let Some(row) = row else { return Ok(()) };
        self.fail_together(conn, claimed, at, name, error).await?;
        let channel_id = claimed.channel_id;
        let Some(since) = channels::note_failed(conn, channel_id, at, error).await? else {
            return Ok(());
        };
        note_failure(conn, row.incident_id, at, name, error).await?;
        let incident_id = row.incident_id;
        let monitor_id = claimed.monitor_id;
        let failed = Failed { channel_id, name, error, since, incident_id, monitor_id };
        tell_others(conn, claimed, &failed, at).await
    }
}

fn failure_detail(name: &str, error: &str) -> String {
    format!("{}: {error}", one_line(name))
}

async fn note_failure(
    conn: &mut Conn<'_>,
    incident_id: Option<IncidentId>,
    at: Timestamp,
    name: &str,
    error: &str,
) -> store::Result<()> {
    let Some(id) = incident_id else { return Ok(()) };
    let detail = failure_detail(name, error);
    timeline::add(conn, id, at, TimelineKind::DeliveryFailed, &detail).await
}

/// A channel that alerts do not reach.
struct Failed<'a> {
    channel_id: ChannelId,
    name: &'a str,
    error: &'a str,
    /// Since when.
    since: Timestamp,
    incident_id: Option<IncidentId>,
    monitor_id: Option<MonitorId>,
}

/// Queues `channel.failed` to the channels that were told of the same incident, or else to the others of the monitor, or else to the
/// default ones: once for
/// each of them and each time that the channel begins to fail, however many of its deliveries do.
async fn tell_others(
    conn: &mut Conn<'_>,
    claimed: &Claimed,
    failed: &Failed<'_>,
    at: Timestamp,
) -> store::Result<()> {
    let alert = match &claimed.alert {
        Ok(alert) if alert.event != AlertEvent::ChannelFailed => alert,
        // Never about itself: two channels that fail would tell each other for ever.
        _ => return Ok(()),
    };
    let alert = alert.channel_failed(failed.name, failed.error);
    let new: Vec<NewDelivery> = others(conn, failed)
        .await?
        .into_iter()
        .map(|channel_id| NewDelivery {
            idempotency_key: format!(
                "channel.failed/{}/{}/{channel_id}",
                failed.channel_id, failed.since.0
            ),
            event: AlertEvent::ChannelFailed,
            incident_id: failed.incident_id,
            monitor_id: failed.monitor_id,
            channel_id,
            alert: alert.clone(),
            created_at: at,
        })
        .collect();
    deliveries::insert(conn, &new).await?;
    Ok(())
}

/// The enabled channels of a monitor that are its own choice: with a policy those of all its steps.
async fn monitor_channels(conn: &mut Conn<'_>, id: MonitorId) -> store::Result<Vec<ChannelId>> {
    let Some(watched) = monitors::by_ids(conn, &[id]).await?.pop() else { return Ok(Vec::new()) };
    let settings = &watched.monitor.settings;
    let chosen = match settings.escalation_policy_id {
        Some(id) => {
            let policy = escalation_policies::get(conn, id).await?;
            let steps = policy.into_iter().flat_map(|policy| policy.steps);
            steps.flat_map(|step| step.channel_ids).collect()
        }
        None => settings.channel_ids.clone().unwrap_or_default(),
    };
    let enabled = channels::enabled(conn).await?.into_iter().map(|(id, _)| id);
    Ok(enabled.filter(|id| chosen.contains(id)).collect())
}

async fn others(conn: &mut Conn<'_>, failed: &Failed<'_>) -> store::Result<Vec<ChannelId>> {
    let mut others = match failed.incident_id {
        Some(id) => deliveries::channels_of(conn, id).await?,
        None => Vec::new(),
    };
    others.retain(|id| *id != failed.channel_id);
    if others.is_empty()
        && let Some(id) = failed.monitor_id
    {
        others = monitor_channels(conn, id).await?;
        others.retain(|id| *id != failed.channel_id);
    }
    if others.is_empty() {
        others = channels::defaults(conn).await?;
        others.retain(|id| *id != failed.channel_id);
    }
    Ok(others)
}
