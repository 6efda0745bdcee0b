//! Escalation: steps that are due, acknowledgements and their end. Each in the transaction of the writer, so that of an
//! acknowledgement and a step at the same moment either comes first, whole.

use std::collections::HashMap;
use std::sync::Arc;

use super::{Group, Reply};
use crate::clock::Timestamp;
use crate::incident::dependency::holds_line;
use crate::incident::escalation::{EscalationPolicy, Ladder, Rung, step_words};
use crate::incident::maintenance::covered_ms;
use crate::incident::message::{
    Alert, AlertEvent, AlertIncident, AlertMonitor, Message, one_line, regions,
};
use crate::incident::plan::Notice;
use crate::incident::{Incident, IncidentId, TimelineKind};
use crate::monitor::state::{Fact, Policy};
use crate::monitor::{CheckResult, Kind, Monitor, MonitorId};
use crate::notify::delivery::NewDelivery;
use crate::store::{
    Conn, Result, channels, deliveries, escalation_policies, incidents, ladders, monitors, results,
    timeline, windows,
};

impl Group<'_> {
    /// The escalation policy of a monitor, as it stands now.
    pub(super) async fn policy_of(
        &self,
        conn: &mut Conn<'_>,
        monitor: &Monitor,
    ) -> Result<Option<EscalationPolicy>> {
        match monitor.settings.escalation_policy_id {
            Some(id) => escalation_policies::get(conn, id).await,
            None => Ok(None),
        }
    }

    /// The enabled channels: number, and whether a default one.
    async fn enabled_channels(&mut self, conn: &mut Conn<'_>) -> Result<Vec<(i64, bool)>> {
        if self.channels.is_none() {
            self.channels = Some(channels::enabled(conn).await?);
        }
        Ok(self.channels.clone().unwrap_or_default())
    }

    /// The numbers of the enabled channels.
    async fn reachable(&mut self, conn: &mut Conn<'_>) -> Result<Vec<i64>> {
        let enabled = self.enabled_channels(conn).await?;
        Ok(enabled.into_iter().map(|(id, _)| id).collect())
    }

    /// The enabled channels that a monitor tells at once: with a policy those of its first step that has some.
    pub(super) async fn channels_of(
        &mut self,
        conn: &mut Conn<'_>,
        monitor: &Monitor,
        policy: Option<&EscalationPolicy>,
    ) -> Result<Vec<i64>> {
        if let Some(policy) = policy {
            return Ok(policy.first_channels(&self.reachable(conn).await?));
        }
        let chosen = monitor.settings.channel_ids.as_deref();
        let enabled = self.enabled_channels(conn).await?;
        Ok(enabled
            .iter()
            .filter(|(id, is_default)| chosen.map_or(*is_default, |ids| ids.contains(id)))
            .map(|(id, _)| *id)
            .collect())
    }

    /// What an event of an incident means for its ladder: it is put up with `policy`, begins or goes on when it `climbs`, or ends.
    pub(super) async fn follow_ladder(
        &mut self,
        conn: &mut Conn<'_>,
        monitor: &Monitor,
        incident: &Incident,
        policy: Option<EscalationPolicy>,
        climbs: bool,
        check: Option<&CheckResult>,
    ) -> Result<()> {
        if let Some(policy) = policy {
            ladders::save(conn, incident.id, &Ladder::new(policy, self.now)).await?;
        }
        if climbs {
            self.let_go(conn, monitor, incident, check).await
        } else if incident.resolved_at.is_some() {
            ladders::end(conn, incident.id).await
        } else {
            Ok(())
        }
    }

    /// Looks at the ladder of an incident: takes the steps that are due, unless somebody has acknowledged or a window is open.
    pub(super) async fn climb(&mut self, conn: &mut Conn<'_>, id: IncidentId) -> Result<Reply> {
        let (Some(mut incident), Some(mut ladder)) =
            (incidents::get(conn, id).await?, ladders::get(conn, id).await?)
        else {
            return Ok(Reply::NotFound);
        };
        let monitor = self.monitor_of(conn, &incident).await?;
        let Some(monitor) = monitor.filter(|_| incident.resolved_at.is_none()) else {
            ladders::end(conn, id).await?;
            return Ok(Reply::Done);
        };
        if ladder.acknowledgement_ends_at().is_some_and(|end| end <= self.now) {
            self.acknowledgement_ended(conn, &mut incident, &mut ladder).await?;
        }
        // Looked at before the time of windows is left out: an open one would else move the step on again and again.
        let is_due = ladder.next_step().is_some_and(|next| next.at <= self.now);
        if is_due && self.must_wait(conn, &monitor, &incident).await? {
            ladder.hold();
            incident.alerts_held = true;
            incidents::update(conn, &incident).await?;
        } else {
            self.account_for_windows(conn, &monitor, &mut ladder).await?;
            let rungs = ladder.climb(self.now, &self.reachable(conn).await?);
            self.take_steps(conn, &monitor, &incident, rungs, None).await?;
        }
        self.save_ladder(conn, id, &ladder).await?;
        self.tell_pages(incident.monitor_id);
        Ok(Reply::Done)
    }

    /// Whether a step that is due waits: for the end of a window, or for what the monitor depends on. Notes which.
    async fn must_wait(
        &mut self,
        conn: &mut Conn<'_>,
        monitor: &Monitor,
        incident: &Incident,
    ) -> Result<bool> {
        self.need_windows(conn).await?;
        let window = self.holding_window(monitor, None).map(|window| window.name.clone());
        let detail = if let Some(window) = window {
            one_line(&format!("The next step waits for the end of the window {window}"))
        } else {
            let facts = [Fact::StillDown { cause: incident.cause.clone(), changed: false }];
            let outage = Some(incident.started_at);
            let Some(by) = self.held_by(conn, monitor.id, &facts, outage, None).await? else {
                return Ok(false);
            };
            self.await_parent(monitor.id, &by);
            by.detail()
        };
        timeline::add(conn, incident.id, self.now, TimelineKind::Held, &detail).await?;
        Ok(true)
    }

    /// What held the alerts of an incident is over, or nothing ever did: its ladder begins or goes on.
    async fn let_go(
        &mut self,
        conn: &mut Conn<'_>,
        monitor: &Monitor,
        incident: &Incident,
        check: Option<&CheckResult>,
    ) -> Result<()> {
        let Some(mut ladder) = ladders::get(conn, incident.id).await? else { return Ok(()) };
        self.account_for_windows(conn, monitor, &mut ladder).await?;
        let begins = ladder.let_go(self.now);
        let reachable = self.reachable(conn).await?;
        let rungs = if begins {
            ladder.begin(self.now, &reachable)
        } else {
            ladder.climb(self.now, &reachable)
        };
        self.take_steps(conn, monitor, incident, rungs, check).await?;
        if let Some(by) = incident.acknowledged_by.as_deref().filter(|_| begins) {
            self.tell_of_acknowledgement(conn, incident, by).await?;
        }
        self.save_ladder(conn, incident.id, &ladder).await
    }

    /// Leaves the time out in which windows were open.
    async fn account_for_windows(
        &self,
        conn: &mut Conn<'_>,
        monitor: &Monitor,
        ladder: &mut Ladder,
    ) -> Result<()> {
        let from = ladder.counted_until();
        let all = windows::ending_after(conn, from).await?;
        let tags = &monitor.settings.tags;
        let covering: Vec<_> =
            all.into_iter().filter(|window| window.covers(monitor.id, tags)).collect();
        ladder.leave_out(covered_ms(&covering, from, self.now), self.now);
        Ok(())
    }

    async fn take_steps(
        &mut self,
        conn: &mut Conn<'_>,
        monitor: &Monitor,
        incident: &Incident,
        rungs: Vec<Rung>,
        check: Option<&CheckResult>,
    ) -> Result<()> {
        if rungs.is_empty() {
            return Ok(());
        }
        self.flush_deliveries(conn).await?;
        let told = deliveries::told(conn, incident.id).await?;
        self.note_steps(conn, incident, &rungs, told.is_empty()).await?;
        let latest = match check {
            Some(check) => Some(check.clone()),
            None => self.last_result(conn, monitor).await?,
        };
        let dependants = self.dependants(conn, monitor.id).await?;
        let tally = self.known.by_id.get(&monitor.id).and_then(|watched| {
            watched.state.tally(&Policy::of(&monitor.settings.target), self.now)
        });
        for rung in rungs {
            let (again, new): (Vec<i64>, Vec<i64>) =
                rung.channel_ids.iter().copied().partition(|id| told.contains(id));
            let mut down = Message::down(monitor, &incident.cause, incident.started_at, self.now);
            down.lines.extend(regions::failing_line(tally.as_ref()));
            down.lines.extend(holds_line(&dependants));
            let still = Message::reminder(monitor, incident, self.now);
            let about = format!("i{}/{}.{}", incident.id, rung.round, rung.step);
            for (event, channel_ids, message) in
                [(AlertEvent::MonitorDown, new, down), (AlertEvent::IncidentReminder, again, still)]
            {
                let notice = Notice { event, channel_ids, message, of_incident: true };
                self.queue_as(&about, monitor, notice, Some(incident), latest.as_ref());
            }
        }
        Ok(())
    }

    async fn note_steps(
        &self,
        conn: &mut Conn<'_>,
        incident: &Incident,
        rungs: &[Rung],
        nobody_yet: bool,
    ) -> Result<()> {
        let names: HashMap<i64, String> =
            channels::enabled_names(conn).await?.into_iter().collect();
        for rung in rungs {
            let told: Vec<&str> = rung
                .channel_ids
                .iter()
                .filter_map(|id| names.get(id))
                .map(String::as_str)
                .collect();
            let kind =
                if rung.skipped { TimelineKind::StepSkipped } else { TimelineKind::Notified };
            let words = one_line(&step_words(rung, &told));
            timeline::add(conn, incident.id, self.now, kind, &words).await?;
        }
        if nobody_yet && rungs.iter().all(|rung| rung.skipped) {
            let words = "Nobody was told: no step of the escalation policy has a channel left";
            timeline::add(conn, incident.id, self.now, TimelineKind::NobodyNotified, words).await?;
        }
        Ok(())
    }

    /// The last check of a monitor, as an alert shows it beside the words.
    async fn last_result(
        &self,
        conn: &mut Conn<'_>,
        monitor: &Monitor,
    ) -> Result<Option<CheckResult>> {
        if monitor.kind() == Kind::Heartbeat {
            return Ok(None);
        }
        let gathered = self.results.iter().rev().find(|result| result.monitor_id == monitor.id);
        if let Some(gathered) = gathered {
            return Ok(Some(gathered.result.clone()));
        }
        let stored = results::latest(conn, monitor.id, 1, 0).await?;
        Ok(stored.into_iter().next().map(|stored| stored.result))
    }

    /// Notes that `by` has taken an incident, and tells the channels that were told of it. Once it is taken, or over, nothing changes.
    pub(super) async fn acknowledge(
        &mut self,
        conn: &mut Conn<'_>,
        id: IncidentId,
        by: &str,
    ) -> Result<Reply> {
        let Some(mut incident) = incidents::get(conn, id).await? else {
            return Ok(Reply::NotFound);
        };
        if incident.acknowledged_at.is_none() && incident.resolved_at.is_none() {
            incident.acknowledged_at = Some(self.now);
            incident.acknowledged_by = Some(by.to_owned());
            incidents::update(conn, &incident).await?;
            timeline::add(conn, id, self.now, TimelineKind::Acknowledged, by).await?;
            if let Some(mut ladder) = ladders::get(conn, id).await? {
                ladder.acknowledge(self.now);
                self.save_ladder(conn, id, &ladder).await?;
            }
            self.tell_of_acknowledgement(conn, &incident, by).await?;
            self.tell_pages(incident.monitor_id);
        }
        Ok(Reply::Incident(Box::new(incident)))
    }

    async fn tell_of_acknowledgement(
        &mut self,
        conn: &mut Conn<'_>,
        incident: &Incident,
        by: &str,
    ) -> Result<()> {
        self.flush_deliveries(conn).await?;
        let monitor = self.monitor_of(conn, incident).await?;
        let told = match &monitor {
            Some(_) => deliveries::told(conn, incident.id).await?,
            None => deliveries::channels_of(conn, incident.id).await?,
        };
        let event = AlertEvent::IncidentAcknowledged;
        let alert = Alert {
            event,
            message: Message::acknowledged(monitor.as_deref(), incident, by, self.now),
            monitor: monitor.as_deref().map(AlertMonitor::of),
            incident: Some(AlertIncident::of(incident, self.now)),
            check: None,
        };
        for channel_id in told {
            // Once an acknowledgement has run out there may be another: the moment tells them apart.
            let key = format!("{event}:i{}@{}:{channel_id}", incident.id, self.now.0);
            self.deliveries.push(NewDelivery {
                idempotency_key: key,
                event,
                incident_id: Some(incident.id),
                monitor_id: incident.monitor_id,
                channel_id,
                alert: alert.clone(),
                created_at: self.now,
            });
        }
        Ok(())
    }

    /// Nobody has the incident any more, although it is not over.
    async fn acknowledgement_ended(
        &mut self,
        conn: &mut Conn<'_>,
        incident: &mut Incident,
        ladder: &mut Ladder,
    ) -> Result<()> {
        let by = incident.acknowledged_by.take().unwrap_or_else(|| "somebody".to_owned());
        incident.acknowledged_at = None;
        incidents::update(conn, incident).await?;
        ladder.go_on(self.now);
        let minutes = ladder.policy.ack_timeout_minutes.unwrap_or_default();
        let detail = format!(
            "It is still down {minutes} min after {by} acknowledged: the escalation goes on"
        );
        let detail = one_line(&detail);
        let kind = TimelineKind::AcknowledgementEnded;
        timeline::add(conn, incident.id, self.now, kind, &detail).await
    }

    async fn save_ladder(
        &mut self,
        conn: &mut Conn<'_>,
        id: IncidentId,
        ladder: &Ladder,
    ) -> Result<()> {
        if let Some(at) = ladder.next_at() {
            self.wake_watcher_by(at);
        }
        ladders::save(conn, id, ladder).await
    }

    fn wake_watcher_by(&mut self, at: Timestamp) {
        let earliest = self.effects.earliest_deadline.get_or_insert(at);
        *earliest = at.min(*earliest);
    }

    /// The monitor of an incident, if there is one and it is still there.
    async fn monitor_of(
        &self,
        conn: &mut Conn<'_>,
        incident: &Incident,
    ) -> Result<Option<Arc<Monitor>>> {
        let Some(id): Option<MonitorId> = incident.monitor_id else { return Ok(None) };
        if let Some(known) = self.known.by_id.get(&id) {
            return Ok(Some(known.monitor.clone()));
        }
        let found = monitors::by_ids(conn, &[id]).await?;
        Ok(found.into_iter().next().map(|watched| watched.monitor))
    }
}
