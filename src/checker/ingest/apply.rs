//! Checks and deadlines: `step`, then `plan`, then the rows that follow.

use super::{Group, Reply, late, probes};
use crate::clock::Timestamp;
use crate::incident::Incident;
use crate::incident::escalation::EscalationPolicy;
use crate::incident::message::{self, Alert, AlertCheck, AlertIncident, AlertMonitor};
use crate::incident::plan::{IncidentChange, Notice, Plan, Routing, plan};
use crate::live::LiveEvent;
use crate::monitor::state::{Event, Fact, Policy, State, step};
use crate::monitor::{Cause, CheckResult, Monitor, MonitorId, Status};
use crate::notify::delivery::NewDelivery;
use crate::report::roller;
use crate::store::deliveries;
use crate::store::history::{self, StatusChange};
use crate::store::results::NewResult;
use crate::store::{Conn, Result, incidents, ladders, monitors, new_pings, results, timeline};

impl Group<'_> {
    pub(super) async fn checked(
        &mut self,
        conn: &mut Conn<'_>,
        id: MonitorId,
        result: &CheckResult,
    ) -> Result<Reply> {
        self.need_windows_since(conn, result.started_at).await?;
        let Some(watched) = self.known.by_id.get(&id) else { return Ok(Reply::NotFound) };
        if !probes::is_checked_from(&watched.monitor, &result.region, self.own_region) {
            return Ok(Reply::NotFound);
        }
        let last = watched.state.regions.get(&result.region).and_then(|own| own.last_check);
        let is_repeated = last.is_some_and(|last| last.at >= result.started_at);
        let is_late = late::is_late(&watched.monitor, result, self.now);
        // A window counts that was open when the check was made, not when a probe could tell of it.
        let checked_at = if is_late { result.started_at } else { self.now };
        let in_maintenance = self.window_of(&watched.monitor, checked_at).is_some();
        let unknown_since = watched.state.unknown_since;
        self.results.push(NewResult { monitor_id: id, result: result.clone(), in_maintenance });
        if is_late {
            self.came_late(id, result.started_at, result.started_at);
        }
        if is_repeated {
            return Ok(Reply::Repeated);
        }
        self.event(conn, id, &Event::Checked(result), Some(result)).await?;
        let Some(watched) = self.known.by_id.get(&id) else { return Ok(Reply::NotFound) };
        // Results that came while it was open count once it is known how long it was.
        if let (Some(since), None) = (unknown_since, watched.state.unknown_since) {
            let at = result.started_at;
            self.came_late(id, since.min(at), since.max(at));
        }
        let state =
            self.known.by_id.get(&id).map(|watched| watched.state.seen_from(&result.region));
        Ok(state.map_or(Reply::NotFound, |state| Reply::State(Box::new(state.into_owned()))))
    }

    pub(super) async fn deadline(&mut self, conn: &mut Conn<'_>, id: MonitorId) -> Result<Reply> {
        self.event(conn, id, &Event::DeadlinePassed, None).await?;
        Ok(Reply::Done)
    }

    pub(super) async fn hold_ended(&mut self, conn: &mut Conn<'_>, id: MonitorId) -> Result<Reply> {
        self.event(conn, id, &Event::HoldEnded, None).await?;
        Ok(Reply::Done)
    }

    pub(super) async fn was_away(
        &mut self,
        conn: &mut Conn<'_>,
        id: MonitorId,
        from: Timestamp,
        is_gap: bool,
    ) -> Result<Reply> {
        if is_gap {
            self.changes.push((id, StatusChange { at: from, status: None }));
        }
        let is_set_back = from > self.now;
        if is_set_back {
            // The clock was set back. What the history says of a time that has not come yet would be its last word when it has.
            self.changes.retain(|(of, change)| *of != id || change.at <= self.now);
            let to_come = (self.now.plus_ms(1), Timestamp(i64::MAX));
            history::replace_status_changes(conn, id, to_come, &[]).await?;
        }
        self.event(conn, id, &Event::WasAway(from), None).await?;
        // A short absence leaves no trace: a row a monitor at every start would be kept for a year.
        let status = self.known.by_id.get(&id).map(|watched| watched.state.status);
        if (is_gap || is_set_back) && status != Some(Status::Paused) {
            self.changes.push((id, StatusChange { at: self.now, status }));
        }
        Ok(Reply::Done)
    }

    pub(super) fn reply_with(&self, id: MonitorId) -> Reply {
        self.known.by_id.get(&id).map_or(Reply::NotFound, |w| Reply::Watched(Box::new(w.clone())))
    }

    /// Runs one event of one monitor through `step`, and what follows of it through `plan`.
    pub(super) async fn event(
        &mut self,
        conn: &mut Conn<'_>,
        id: MonitorId,
        event: &Event<'_>,
        check: Option<&CheckResult>,
    ) -> Result<()> {
        let Some((before, facts)) = self.advance(id, event) else { return Ok(()) };
        for fact in &facts {
            let (at, status) = match fact {
                Fact::StatusChanged { status, at } => (*at, Some(*status)),
                Fact::NotKnown { at } => (*at, None),
                _ => continue,
            };
            self.changes.push((id, StatusChange { at, status }));
        }
        let is_history =
            |fact: &Fact| matches!(fact, Fact::StatusChanged { .. } | Fact::NotKnown { .. });
        if !facts.iter().all(is_history) {
            self.follow(conn, id, &facts, check).await?;
        }
        self.follow_dependencies(conn, id, &before).await
    }

    /// Takes a monitor into the state that follows from an event; gives the state before and what happened.
    pub(super) fn advance(
        &mut self,
        id: MonitorId,
        event: &Event<'_>,
    ) -> Option<(State, Vec<Fact>)> {
        let watched = self.known.by_id.get_mut(&id)?;
        let policy = Policy::of(&watched.monitor.settings.target);
        let (next, facts) = step(&watched.state, event, &policy, self.now);
        let before = std::mem::replace(&mut watched.state, next);
        self.changed(id);
        Some((before, facts))
    }

    /// Notes that a monitor's state is to be written, and what follows once it is.
    pub(super) fn changed(&mut self, id: MonitorId) {
        let Some(state) = self.known.by_id.get(&id).map(|watched| &watched.state) else { return };
        self.dirty.insert(id);
        self.effects.live.push(LiveEvent::MonitorChanged(id));
        // The due time is watched too: from then on pages show that it is late.
        if let Some(at) = state.armed_deadline() {
            let at = state.beat.due_at.map_or(at, |due| due.min(at));
            let earliest = self.effects.earliest_deadline.get_or_insert(at);
            *earliest = at.min(*earliest);
        }
    }

    /// Puts a monitor back into a state.
    pub(super) fn set_state(&mut self, id: MonitorId, state: State) {
        if let Some(watched) = self.known.by_id.get_mut(&id) {
            watched.state = state;
        }
    }

    async fn follow(
        &mut self,
        conn: &mut Conn<'_>,
        id: MonitorId,
        facts: &[Fact],
        check: Option<&CheckResult>,
    ) -> Result<()> {
        // Alerts that this group has planned must be seen as told.
        self.flush_deliveries(conn).await?;
        self.need_windows(conn).await?;
        let incident = incidents::open_of(conn, id).await?;
        let told = match &incident {
            Some(incident) => deliveries::told(conn, incident.id).await?,
            None => Vec::new(),
        };
        let Some(watched) = self.known.by_id.get(&id) else { return Ok(()) };
        let monitor = watched.monitor.clone();
        let tally = watched.state.tally(&Policy::of(&monitor.settings.target), self.now);
        let policy = self.policy_of(conn, &monitor).await?;
        let channel_ids = self.channels_of(conn, &monitor, policy.as_ref()).await?;
        let escalates = match &incident {
            // Only what was held asks.
            Some(incident) if incident.alerts_held => {
                ladders::get(conn, incident.id).await?.is_some()
            }
            _ => policy.is_some(),
        };
        let outage = incident.as_ref().map(|incident| incident.started_at);
        let held_by = self.held_by(conn, id, facts, outage, check).await?;
        let goes_down =
            |fact: &Fact| matches!(fact, Fact::WentDown { .. } | Fact::StillDown { .. });
        let dependants =
            if facts.iter().any(goes_down) { self.dependants(conn, id).await? } else { Vec::new() };
        let routing = Routing {
            channel_ids,
            escalates,
            told,
            tally,
            window: self.holding_window(&monitor, check),
            incident: incident.as_ref(),
            held_by: held_by.as_ref(),
            dependants,
        };
        let plan = plan(&monitor, facts, check, &routing, self.now);
        let policy = policy.filter(|_| plan.takes_policy);
        let regions = routing.tally.map(|tally| tally.failing).unwrap_or_default();
        self.carry_out(conn, &monitor, plan, incident, policy, check).await?;
        self.name_regions(conn, id, regions).await?;
        if let Some(by) = held_by {
            self.await_parent(id, &by);
        }
        Ok(())
    }

    async fn carry_out(
        &mut self,
        conn: &mut Conn<'_>,
        monitor: &Monitor,
        plan: Plan,
        incident: Option<Incident>,
        policy: Option<EscalationPolicy>,
        check: Option<&CheckResult>,
    ) -> Result<()> {
        let climbs = plan.climbs;
        let incident = self.change_incident(conn, monitor, plan.incident, incident, check).await?;
        if let Some(incident) = &incident {
            for (kind, at, detail) in &plan.timeline {
                timeline::add(conn, incident.id, *at, *kind, detail).await?;
            }
            self.effects.live.push(LiveEvent::CountsChanged);
        }
        if let (Some(told), Some(watched)) =
            (plan.degraded_told, self.known.by_id.get_mut(&monitor.id))
        {
            watched.state.degraded_told = told;
        }
        for notice in plan.notices {
            self.queue(monitor, notice, incident.as_ref(), check);
        }
        match incident {
            Some(incident) => {
                self.follow_ladder(conn, monitor, &incident, policy, climbs, check).await
            }
            None => Ok(()),
        }
    }

    async fn change_incident(
        &mut self,
        conn: &mut Conn<'_>,
        monitor: &Monitor,
        change: Option<IncidentChange>,
        current: Option<Incident>,
        check: Option<&CheckResult>,
    ) -> Result<Option<Incident>> {
        match (change, current) {
            (Some(IncidentChange::Open { started_at, cause, alerts_held }), None) => {
                let mut incident = Incident {
                    id: 0,
                    monitor_id: Some(monitor.id),
                    monitor_name: monitor.settings.name.clone(),
                    started_at,
                    confirmed_at: self.now,
                    acknowledged_at: None,
                    acknowledged_by: None,
                    resolved_at: None,
                    summary: message::reason(&cause),
                    cause,
                    regions: check.map(|c| c.region.clone()).into_iter().collect(),
                    alerts_held,
                };
                incident.id = incidents::open(conn, &incident).await?;
                Ok(Some(incident))
            }
            (Some(change), Some(mut incident)) => {
                self.alter(&mut incident, change);
                incidents::update(conn, &incident).await?;
                Ok(Some(incident))
            }
            (_, current) => Ok(current),
        }
    }

    fn alter(&self, incident: &mut Incident, change: IncidentChange) {
        let mut because = |cause: Cause, alerts_held: bool| {
            incident.summary = message::reason(&cause);
            incident.cause = cause;
            incident.alerts_held = alerts_held;
        };
        match change {
            IncidentChange::Open { cause, alerts_held, .. }
            | IncidentChange::Update { cause, alerts_held } => because(cause, alerts_held),
            IncidentChange::Resolve => {
                incident.resolved_at = Some(self.now);
                incident.alerts_held = false;
            }
        }
    }

    /// Puts an alert into the outbox, once for each channel.
    fn queue(
        &mut self,
        monitor: &Monitor,
        notice: Notice,
        incident: Option<&Incident>,
        check: Option<&CheckResult>,
    ) {
        let incident = incident.filter(|_| notice.of_incident);
        // An incident is told once a channel; without one, the moment tells two alerts apart.
        let about = incident
            .map_or_else(|| format!("m{}@{}", monitor.id, self.now.0), |i| format!("i{}", i.id));
        self.queue_as(&about, monitor, notice, incident, check);
    }

    /// The same under a name of its own: what is queued twice as the same is sent once.
    pub(super) fn queue_as(
        &mut self,
        about: &str,
        monitor: &Monitor,
        notice: Notice,
        incident: Option<&Incident>,
        check: Option<&CheckResult>,
    ) {
        let alert = Alert {
            event: notice.event,
            message: notice.message,
            monitor: Some(AlertMonitor::of(monitor)),
            incident: incident.map(|i| AlertIncident::of(i, self.now)),
            check: check.map(AlertCheck::of),
        };
        for channel_id in notice.channel_ids {
            self.deliveries.push(NewDelivery {
                idempotency_key: format!("{}:{about}:{channel_id}", notice.event),
                event: notice.event,
                incident_id: incident.map(|i| i.id),
                monitor_id: Some(monitor.id),
                channel_id,
                alert: alert.clone(),
                created_at: self.now,
            });
        }
    }

    pub(super) async fn flush_deliveries(&mut self, conn: &mut Conn<'_>) -> Result<()> {
        if !self.deliveries.is_empty() {
            deliveries::insert(conn, &std::mem::take(&mut self.deliveries)).await?;
            self.effects.has_deliveries = true;
        }
        Ok(())
    }

    /// An outage is dated at its first failure, and a region may send its results hours later: their hours are rolled up again.
    async fn note_what_came_late(&self, conn: &mut Conn<'_>) -> Result<()> {
        let changes = self.changes.iter().map(|(id, change)| (*id, (change.at, self.now)));
        let results = self.results.iter().map(|new| (new.monitor_id, new.result.started_at));
        let results = results.map(|(id, at)| (id, (at, at.plus_ms(1))));
        for (id, span) in changes.chain(results) {
            roller::became_known(conn, id, span, self.now).await?;
        }
        Ok(())
    }

    /// Writes all that the group has gathered.
    pub(super) async fn flush(mut self, conn: &mut Conn<'_>) -> Result<super::Effects> {
        let loaded = &self.known.by_id;
        // What was deleted in this group takes no more rows.
        self.results.retain(|r| loaded.contains_key(&r.monitor_id));
        self.pings.retain(|p| loaded.contains_key(&p.monitor_id));
        self.changes.retain(|(id, _)| loaded.contains_key(id));
        monitors::save_states(conn, &self.states()).await?;
        history::insert_status_changes(conn, &self.changes).await?;
        self.note_what_came_late(conn).await?;
        results::insert(conn, &self.results).await?;
        self.mend_history(conn).await?;
        self.effects.new_pings = new_pings::insert_pings(conn, &self.pings).await?;
        self.flush_deliveries(conn).await?;
        Ok(self.into_effects())
    }

    /// The states that the group has changed.
    pub(super) fn states(&self) -> Vec<(MonitorId, &State)> {
        let loaded = &self.known.by_id;
        let state_of = |id: &MonitorId| loaded.get(id).map(|watched| (*id, &watched.state));
        self.dirty.iter().filter_map(state_of).collect()
    }

    /// What is to be done now that all is written.
    pub(super) fn into_effects(mut self) -> super::Effects {
        self.effects.known = Some(self.known);
        self.effects
    }
}
