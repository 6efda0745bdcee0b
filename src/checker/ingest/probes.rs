//! Probes that are lost and probes that are back: told once each, whatever the number of their monitors. And which regions see an
//! outage.

use std::collections::BTreeSet;
use std::sync::Arc;

use super::{Group, Reply};
use crate::clock::Timestamp;
use crate::incident::message::regions::SilentProbe;
use crate::incident::message::{Alert, AlertEvent, Message};
use crate::live::LiveEvent;
use crate::monitor::state::Event;
use crate::monitor::{Monitor, MonitorId};
use crate::notify::delivery::NewDelivery;
use crate::store::{Conn, Result, escalation_policies, incidents, probes};

/// What became of a probe.
#[derive(Debug, Clone)]
pub enum ProbeNews {
    /// Some are silent.
    Lost {
        /// Which.
        lost: Vec<LostProbe>,
        /// The monitors that they check: who is told of their outages is told of this; so are the default channels.
        monitors: Vec<Arc<Monitor>>,
    },
    /// It is heard of again.
    Back {
        /// Which.
        probe_id: i64,
    },
}

/// A probe that is silent.
#[derive(Debug, Clone)]
pub struct LostProbe {
    /// Which.
    pub probe_id: i64,
    /// When it was last heard of.
    pub last_contact_at: Timestamp,
    /// How many monitors it checks.
    pub monitors: usize,
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
        self.effects.live.push(LiveEvent::ProbesChanged);
        match news {
            ProbeNews::Lost { lost, monitors } => self.probes_lost(conn, lost, monitors).await?,
            ProbeNews::Back { probe_id } => {
                let Some(probe) = probes::get(conn, *probe_id).await? else {
                    return Ok(Reply::NotFound);
                };
                if let Some(lost_at) = probe.lost_at {
                    probes::set_lost(conn, probe.id, None).await?;
                    let message =
                        Message::probe_back(&probe.name, &probe.region, self.now.since(lost_at));
                    self.tell_of_probe(AlertEvent::ProbeBack, probe.id, message, probe.lost_told);
                }
            }
        }
        Ok(Reply::Done)
    }

    async fn probes_lost(
        &mut self,
        conn: &mut Conn<'_>,
        lost: &[LostProbe],
        monitors: &[Arc<Monitor>],
    ) -> Result<()> {
        let told = self.told_of_probes(conn, monitors).await?;
        let mut first = None;
        let mut silent = Vec::new();
        for LostProbe { probe_id, last_contact_at, monitors } in lost {
            let Some(probe) = probes::get(conn, *probe_id).await? else { continue };
            if probe.lost_at.is_none() {
                // It is lost since it was last heard of, not since that was noticed.
                probes::set_lost(conn, probe.id, Some((*last_contact_at, &told))).await?;
                first.get_or_insert(probe.id);
                silent.push(SilentProbe {
                    name: probe.name,
                    region: probe.region,
                    silent_ms: self.now.since(*last_contact_at),
                    monitors: *monitors,
                });
            }
        }
        if let Some(first) = first {
            let message = Message::probes_lost(&silent, monitors.len());
            self.tell_of_probe(AlertEvent::ProbeLost, first, message, told);
        }
        Ok(())
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

    /// The default channels, and the enabled ones that would be told of an outage of one of `monitors`, by an escalation too.
    async fn told_of_probes(
        &mut self,
        conn: &mut Conn<'_>,
        monitors: &[Arc<Monitor>],
    ) -> Result<Vec<i64>> {
        let settings = || monitors.iter().map(|monitor| &monitor.settings);
        let mut named: BTreeSet<i64> =
            settings().flat_map(|s| s.channel_ids.iter().flatten().copied()).collect();
        let policies: BTreeSet<i64> = settings().filter_map(|s| s.escalation_policy_id).collect();
        for id in policies {
            if let Some(policy) = escalation_policies::get(conn, id).await? {
                named.extend(policy.steps.into_iter().flat_map(|step| step.channel_ids));
            }
        }
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
