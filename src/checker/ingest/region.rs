//! Watchbell's own incident: its region is cut off from the network, and back.

use super::{Group, Reply};
use crate::clock::Timestamp;
use crate::incident::message::{self, Alert, AlertEvent, AlertIncident, Message, own};
use crate::incident::{Incident, TimelineKind};
use crate::live::LiveEvent;
use crate::monitor::Cause;
use crate::notify::delivery::NewDelivery;
use crate::store::{Conn, Result, channels, deliveries, incidents, outbox, timeline};

/// What became of a region.
#[derive(Debug, Clone)]
pub enum RegionNews {
    /// It is cut off.
    CutOff {
        /// Its name.
        region: String,
        /// When the first of the silent hosts fell silent.
        since: Timestamp,
        /// Why: a [`Cause::CutOff`].
        cause: Cause,
    },
    /// It is back.
    Back {
        /// Its name.
        region: String,
    },
}

impl Group<'_> {
    /// Opens or ends the region's own incident. Saying the same twice changes nothing.
    pub(super) async fn region_news(
        &mut self,
        conn: &mut Conn<'_>,
        news: &RegionNews,
    ) -> Result<Reply> {
        match news {
            RegionNews::CutOff { region, since, cause } => {
                if incidents::open_own(conn, region).await?.is_none() {
                    self.cut_off(conn, region, *since, cause).await?;
                }
            }
            RegionNews::Back { region } => {
                if let Some(incident) = incidents::open_own(conn, region).await? {
                    self.back(conn, region, incident).await?;
                }
            }
        }
        Ok(Reply::Done)
    }

    async fn cut_off(
        &mut self,
        conn: &mut Conn<'_>,
        region: &str,
        since: Timestamp,
        cause: &Cause,
    ) -> Result<()> {
        let summary = message::reason(cause);
        let mut incident = Incident {
            id: 0,
            monitor_id: None,
            monitor_name: own::own_name(region),
            started_at: since,
            confirmed_at: self.now,
            acknowledged_at: None,
            acknowledged_by: None,
            resolved_at: None,
            cause: cause.clone(),
            summary: summary.clone(),
            regions: vec![region.to_owned()],
            alerts_held: false,
        };
        incident.id = incidents::open(conn, &incident).await?;
        timeline::add(conn, incident.id, since, TimelineKind::Detected, &summary).await?;
        let confirmed = "The region is cut off; verdicts are held";
        timeline::add(conn, incident.id, self.now, TimelineKind::Confirmed, confirmed).await?;
        let told = channels::defaults(conn).await?;
        if told.is_empty() {
            let detail = "Nobody was told: there is no default channel";
            timeline::add(conn, incident.id, self.now, TimelineKind::NobodyNotified, detail)
                .await?;
        }
        let message = Message::cut_off(region, &summary);
        self.tell_of_region(AlertEvent::SelfCutOff, message, &incident, told);
        Ok(())
    }

    async fn back(
        &mut self,
        conn: &mut Conn<'_>,
        region: &str,
        mut incident: Incident,
    ) -> Result<()> {
        incident.resolved_at = Some(self.now);
        incidents::update(conn, &incident).await?;
        let lasted_ms = self.now.since(incident.started_at);
        let detail = format!("Back on the network after {}", message::duration(lasted_ms));
        timeline::add(conn, incident.id, self.now, TimelineKind::Resolved, &detail).await?;
        let told = deliveries::channels_of(conn, incident.id).await?;
        let message = Message::no_longer_cut_off(region, lasted_ms);
        self.tell_of_region(AlertEvent::SelfBack, message, &incident, told);
        // What could not be sent meanwhile goes out now, and the word that it is back after it.
        outbox::hurry_unanswered(conn, self.now).await?;
        self.effects.has_deliveries = true;
        Ok(())
    }

    fn tell_of_region(
        &mut self,
        event: AlertEvent,
        message: Message,
        incident: &Incident,
        channel_ids: Vec<i64>,
    ) {
        self.effects.live.push(LiveEvent::CountsChanged);
        let alert = Alert {
            event,
            message,
            monitor: None,
            incident: Some(AlertIncident::of(incident, self.now)),
            check: None,
        };
        for channel_id in channel_ids {
            self.deliveries.push(NewDelivery {
                idempotency_key: format!("{event}:i{}:{channel_id}", incident.id),
                event,
                incident_id: Some(incident.id),
                monitor_id: None,
                channel_id,
                alert: alert.clone(),
                created_at: self.now,
            });
        }
    }
}
