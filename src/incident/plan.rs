//! What follows from the facts of one event: which incident opens or ends, and who is told what. Pure.

use super::dependency::{HeldBy, holds_line};
use super::maintenance::MaintenanceWindow;
use super::message::{self, AlertEvent, Message, regions};
use super::{Incident, TimelineKind};
use crate::clock::Timestamp;
use crate::monitor::regions::Tally;
use crate::monitor::state::Fact;
use crate::monitor::{Cause, Certificate, CheckResult, Monitor, NotifyOn};

/// What decides who is told.
#[derive(Debug, Clone, Default)]
pub struct Routing<'a> {
    /// The channels to tell: they exist and are enabled.
    pub channel_ids: Vec<i64>,
    /// Whether an escalation policy says who is told of the outage: the one that the incident opened with, or opens with now.
    pub escalates: bool,
    /// The channels that were told of the open incident.
    pub told: Vec<i64>,
    /// Which regions find the monitor not well, if several are asked.
    pub tally: Option<Tally>,
    /// The maintenance window that covers the monitor now.
    pub window: Option<&'a MaintenanceWindow>,
    /// The open incident.
    pub incident: Option<&'a Incident>,
    /// What the monitor depends on and that holds its alerts now.
    pub held_by: Option<&'a HeldBy>,
    /// What depends on the monitor: their names, and whether they fail already.
    pub dependants: Vec<(String, bool)>,
}

/// What happens to the monitor's incident.
#[derive(Debug, Clone, PartialEq)]
pub enum IncidentChange {
    /// A new one.
    Open {
        /// The first failure, or the deadline.
        started_at: Timestamp,
        /// Why.
        cause: Cause,
        /// Whether its alerts are held.
        alerts_held: bool,
    },
    /// The reason is another one now, and held alerts may be let go.
    Update {
        /// Why.
        cause: Cause,
        /// Whether its alerts are (still) held.
        alerts_held: bool,
    },
    /// It is over.
    Resolve,
}

/// One alert for some channels.
#[derive(Debug, Clone, PartialEq)]
pub struct Notice {
    /// What it is about.
    pub event: AlertEvent,
    /// To whom.
    pub channel_ids: Vec<i64>,
    /// The words.
    pub message: Message,
    /// Whether it belongs to the incident (`degraded` and certificates have none).
    pub of_incident: bool,
}

/// All that follows; carried out in one transaction, in this order.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Plan {
    /// What happens to incidents: a recovery can be followed at once by nothing else, so at most one change each.
    pub incident: Option<IncidentChange>,
    /// Lines for the incident's timeline.
    pub timeline: Vec<(TimelineKind, Timestamp, String)>,
    /// Alerts.
    pub notices: Vec<Notice>,
    /// Whether the incident takes its escalation policy along: it opens, and its monitor tells when it goes down.
    pub takes_policy: bool,
    /// Whether the ladder of the incident begins, or goes on after it was held.
    pub climbs: bool,
    /// Whether `degraded` was told, if that was decided now.
    pub degraded_told: Option<bool>,
}

/// Decides what follows from `facts` about `monitor` at `now`; `check` is the check that showed them, if one did.
pub fn plan(
    monitor: &Monitor,
    facts: &[Fact],
    check: Option<&CheckResult>,
    routing: &Routing<'_>,
    now: Timestamp,
) -> Plan {
    let mut planner = Planner { monitor, check, routing, now, plan: Plan::default() };
    for fact in facts {
        match fact {
            Fact::StatusChanged { .. } | Fact::NotKnown { .. } => {}
            Fact::WentDown { started_at, cause } => planner.went_down(*started_at, cause),
            Fact::StillDown { cause, changed } => planner.still_down(cause, *changed),
            Fact::Recovered { started_at } => planner.recovered(*started_at),
            Fact::Degraded => planner.degraded(),
            Fact::NoLongerDegraded { since, told } => planner.no_longer_degraded(*since, *told),
            Fact::CertificateExpiring { certificate, .. } => {
                planner.certificate_expiring(certificate);
            }
            Fact::WatchingStopped { why, started_at } => planner.watching_stopped(why, *started_at),
        }
    }
    planner.plan
}

struct Planner<'a> {
    monitor: &'a Monitor,
    check: Option<&'a CheckResult>,
    routing: &'a Routing<'a>,
    now: Timestamp,
    plan: Plan,
}

impl Planner<'_> {
    fn went_down(&mut self, started_at: Timestamp, cause: &Cause) {
        self.plan.timeline.push((TimelineKind::Detected, started_at, message::reason(cause)));
        let confirmed = match regions::failing_line(self.routing.tally.as_ref()) {
            Some(regions) => format!("The monitor is down | {regions}"),
            None => "The monitor is down".to_owned(),
        };
        self.note(TimelineKind::Confirmed, &confirmed);
        self.plan.takes_policy = self.routing.escalates && self.wants(NotifyOn::Down);
        let alerts_held = self.tell_down(started_at, cause);
        self.plan.incident =
            Some(IncidentChange::Open { started_at, cause: cause.clone(), alerts_held });
    }

    fn still_down(&mut self, cause: &Cause, changed: bool) {
        let Some(incident) = self.routing.incident else { return };
        if changed {
            self.note(TimelineKind::ReasonChanged, &message::reason(cause));
        }
        let was_held = incident.alerts_held;
        let started_at = incident.started_at;
        let alerts_held =
            if was_held && !self.is_held() { self.tell_down(started_at, cause) } else { was_held };
        if changed || alerts_held != was_held || incident.summary != message::reason(cause) {
            self.plan.incident = Some(IncidentChange::Update { cause: cause.clone(), alerts_held });
        }
    }

    /// Tells of the outage, unless it is held. Returns whether it is.
    fn tell_down(&mut self, started_at: Timestamp, cause: &Cause) -> bool {
        if let Some(window) = self.routing.window {
            let detail =
                format!("Alerts wait for the end of the maintenance window {}", window.name);
            self.note(TimelineKind::Held, &message::one_line(&detail));
            return true;
        }
        if let Some(by) = self.routing.held_by {
            self.note(TimelineKind::Held, &by.detail());
            return true;
        }
        if !self.wants(NotifyOn::Down) {
            self.note(TimelineKind::NobodyNotified, "This monitor does not tell when it goes down");
        } else if self.routing.escalates {
            self.plan.climbs = true;
        } else if self.routing.channel_ids.is_empty() {
            self.note(TimelineKind::NobodyNotified, "Nobody was told: the monitor has no channel");
        } else {
            let mut message = Message::down(self.monitor, cause, started_at, self.now)
                .with_line(regions::failing_line(self.routing.tally.as_ref()));
            message.lines.extend(holds_line(&self.routing.dependants));
            self.notify(AlertEvent::MonitorDown, self.routing.channel_ids.clone(), message, true);
            self.tell_who_has_it(cause);
        }
        false
    }

    /// An outage that was held may have been acknowledged meanwhile: who hears of it now hears that too, and no machine pages for it.
    fn tell_who_has_it(&mut self, cause: &Cause) {
        let Some(incident) = self.routing.incident else { return };
        let Some(by) = incident.acknowledged_by.as_deref() else { return };
        let incident = Incident { cause: cause.clone(), ..incident.clone() };
        let message = Message::acknowledged(Some(self.monitor), &incident, by, self.now);
        let channel_ids = self.routing.channel_ids.clone();
        self.notify(AlertEvent::IncidentAcknowledged, channel_ids, message, true);
    }

    fn recovered(&mut self, started_at: Timestamp) {
        let downtime_ms = self.now.since(started_at);
        self.plan.incident = Some(IncidentChange::Resolve);
        let detail = format!("Back online after {}", message::duration(downtime_ms));
        self.note(TimelineKind::Resolved, &detail);
        if self.wants(NotifyOn::Up) {
            let status_code = self.check.and_then(|c| c.status_code);
            let message = Message::back(self.monitor, status_code, downtime_ms);
            self.notify(AlertEvent::MonitorUp, self.routing.told.clone(), message, true);
        }
    }

    fn watching_stopped(&mut self, why: &str, started_at: Timestamp) {
        self.plan.incident = Some(IncidentChange::Resolve);
        self.note(TimelineKind::WatchingStopped, &format!("Watching stopped: {why}"));
        if self.wants(NotifyOn::Up) {
            let message = Message::watching_stopped(self.monitor, why, self.now.since(started_at));
            self.notify(AlertEvent::MonitorUp, self.routing.told.clone(), message, true);
        }
    }

    fn degraded(&mut self) {
        let told = self.wants(NotifyOn::Degraded) && !self.is_held();
        self.plan.degraded_told = Some(told);
        if let (true, Some(check)) = (told, self.check) {
            let message = Message::degraded(self.monitor, check)
                .with_line(regions::not_well_line(self.routing.tally.as_ref()));
            let channel_ids = self.routing.channel_ids.clone();
            self.notify(AlertEvent::MonitorDegraded, channel_ids, message, false);
        }
    }

    fn no_longer_degraded(&mut self, since: Timestamp, told: bool) {
        if let (true, Some(check)) = (told && self.wants(NotifyOn::Degraded), self.check) {
            let message = Message::no_longer_degraded(self.monitor, check, self.now.since(since));
            let channel_ids = self.routing.channel_ids.clone();
            self.notify(AlertEvent::MonitorUp, channel_ids, message, false);
        }
    }

    /// Told in a maintenance window too: it is no outage, so nothing of what is being worked on, and it would not come again.
    fn certificate_expiring(&mut self, certificate: &Certificate) {
        if self.wants(NotifyOn::Certificate) {
            let message = Message::certificate_expiring(self.monitor, certificate, self.now);
            let channel_ids = self.routing.channel_ids.clone();
            self.notify(AlertEvent::CertificateExpiring, channel_ids, message, false);
        }
    }

    fn is_held(&self) -> bool {
        self.routing.window.is_some() || self.routing.held_by.is_some()
    }

    fn wants(&self, what: NotifyOn) -> bool {
        self.monitor.settings.notify_on.contains(&what)
    }

    fn note(&mut self, kind: TimelineKind, detail: &str) {
        self.plan.timeline.push((kind, self.now, detail.to_owned()));
    }

    fn notify(
        &mut self,
        event: AlertEvent,
        channel_ids: Vec<i64>,
        message: Message,
        of_incident: bool,
    ) {
        if !channel_ids.is_empty() {
            self.plan.notices.push(Notice { event, channel_ids, message, of_incident });
        }
    }
}
