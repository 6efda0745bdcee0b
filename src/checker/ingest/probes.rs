//! Probes that are lost and probes that are back: told once each, whatever the number of their monitors. And which regions see an
//! outage.

use super::{Group, Reply};
use crate::clock::Timestamp;
use crate::incident::message::{Alert, AlertEvent, Message};
use crate::live::LiveEvent;
use crate::monitor::state::Event;
use crate::monitor::{Monitor, MonitorId};
use crate::notify::delivery::NewDelivery;
use crate::store::{Conn, Result, incidents, probes};

/// What became of a probe.
#[derive(Debug, Clone)]
pub enum ProbeNews {
    /// It is silent.
    Lost {
        /// Which.
        probe_id: i64,
        /// When it was last heard of.
        last_contact_at: Option<Timestamp>,
        /// How many monitors it checks.
        monitors: usize,
        /// The channels that these monitors name; the default ones are told too.
        channel_ids: Vec<i64>,
    },
    /// It is heard of again.
    Back {
        /// Which.
        probe_id: i64,
    },
}

impl Group<'_> {
    /// A region has said nothing for so long that the monitor must do without it.
    pub(super) async fn fell_silent(
        &mut self,
        conn: &mut Conn<'_>,
        id: MonitorId,
    ) -> Result<Reply> {
        self.event(conn, id, &Event::FellSilent, None).await?;
        Ok(Reply::Done)
    }

    /// Tells of a probe. Saying the same twice changes nothing.
    pub(super) async fn probe_news(
        &mut self,
        conn: &mut Conn<'_>,
        news: &ProbeNews,
    ) -> Result<Reply> {
        let (ProbeNews::Lost { probe_id, .. } | ProbeNews::Back { probe_id }) = news;
        let Some(probe) = probes::get(conn, *probe_id).await? else { return Ok(Reply::NotFound) };
        match news {
            ProbeNews::Lost { last_contact_at, monitors, channel_ids, .. } => {
                if probe.lost_at.is_none() {
                    let told = self.told_of_probes(conn, channel_ids).await?;
                    probes::set_lost(conn, probe.id, Some((self.now, &told))).await?;
                    let silent_ms = last_contact_at.map(|at| self.now.since(at));
                    let message =
                        Message::probe_lost(&probe.name, &probe.region, silent_ms, *monitors);
                    self.tell_of_probe(AlertEvent::ProbeLost, probe.id, message, told);
                }
            }
            ProbeNews::Back { .. } => {
                if let Some(lost_at) = probe.lost_at {
                    probes::set_lost(conn, probe.id, None).await?;
                    let from = probe.last_contact_at.map_or(lost_at, |at| at.min(lost_at));
                    let lasted_ms = self.now.since(from);
                    let message = Message::probe_back(&probe.name, &probe.region, lasted_ms);
                    self.tell_of_probe(AlertEvent::ProbeBack, probe.id, message, probe.lost_told);
                }
            }
        }
        Ok(Reply::Done)
    }

    /// Adds the regions that see an outage to its incident, those that joined later too.
    pub(super) async fn name_regions(
        &mut self,
        conn: &mut Conn<'_>,
        id: MonitorId,
        regions: Vec<String>,
    ) -> Result<()> {
        if regions.is_empty() {
            return Ok(());
        }
        let Some(mut incident) = incidents::open_of(conn, id).await? else { return Ok(()) };
        let known = incident.regions.len();
        for region in regions {
            if !incident.regions.contains(&region) {
                incident.regions.push(region);
            }
        }
        if incident.regions.len() > known {
            incidents::update(conn, &incident).await?;
        }
        Ok(())
    }

    /// The default channels, and those among `named` that are enabled.
    async fn told_of_probes(&mut self, conn: &mut Conn<'_>, named: &[i64]) -> Result<Vec<i64>> {
        let enabled = crate::store::channels::enabled(conn).await?;
        let told = enabled.iter().filter(|(id, is_default)| *is_default || named.contains(id));
        Ok(told.map(|(id, _)| *id).collect())
    }

    fn tell_of_probe(
        &mut self,
        event: AlertEvent,
        probe_id: i64,
        message: Message,
        channel_ids: Vec<i64>,
    ) {
        self.effects.live.push(LiveEvent::CountsChanged);
        let alert = Alert { event, message, monitor: None, incident: None, check: None };
        for channel_id in channel_ids {
            self.deliveries.push(NewDelivery {
                idempotency_key: format!("{event}:p{probe_id}@{}:{channel_id}", self.now.0),
                event,
                incident_id: None,
                monitor_id: None,
                channel_id,
                alert: alert.clone(),
                created_at: self.now,
            });
        }
    }
}

/// Whether a monitor is checked from `region`; without a choice it is from the server's `own` alone.
pub(super) fn is_checked_from(monitor: &Monitor, region: &str, own: &str) -> bool {
    let regions = monitor.settings.target.pace().map(|pace| pace.regions.as_slice());
    match regions {
        None | Some([]) => region == own,
        Some(names) => names.iter().any(|name| name == region),
    }
}
