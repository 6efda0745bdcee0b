//! The story of an incident: its timeline with the alerts that were sent, each with how long it took, and its five times. Pure.

use super::deliveries::event_words;
use super::monitor::Metric;
use super::status::Shown;
use super::text::{Html, Viewer, count, millis, plural, span};
use crate::clock::Timestamp;
use crate::incident::message::{AlertEvent, one_line};
use crate::incident::{Incident, TimelineEntry, TimelineKind};
use crate::monitor::Cause;
use crate::notify::{Delivery, DeliveryState};

/// What a delivery's channel is called, and its kind for people.
#[derive(Debug, Clone)]
pub struct ChannelName {
    /// The channel.
    pub id: i64,
    /// Its name, in one line.
    pub name: String,
    /// Its kind.
    pub kind: &'static str,
}

/// One alert below a line.
pub struct Told {
    /// The delivery.
    pub id: i64,
    /// How it went.
    pub state: Shown,
    /// The channel's name.
    pub name: String,
    /// The channel's kind.
    pub kind: &'static str,
    /// `284 ms`, `6.2 s, 2nd try`, or why not.
    pub took: String,
}

/// One line of the timeline.
pub struct Line {
    /// The day, where it is another than that of the line before.
    pub day: String,
    /// When.
    pub at: Html,
    /// The state that it stands for, if one.
    pub state: Option<Shown>,
    /// Else its icon.
    pub icon: &'static str,
    /// The bold sentence.
    pub bold: String,
    /// What there is beside it.
    pub detail: String,
    /// Whether the detail is what a person wrote.
    pub is_note: bool,
    /// The alerts that were sent then.
    pub told: Vec<Told>,
    moment: Timestamp,
}

impl Line {
    fn of(entry: &TimelineEntry, viewer: Viewer) -> Self {
        let (state, icon, bold) = line_words(entry.kind);
        Self {
            day: String::new(),
            at: viewer.fixed_html(entry.at, &viewer.clock(entry.at)),
            state,
            icon,
            bold: bold.to_owned(),
            detail: entry.detail.clone(),
            is_note: entry.kind == TimelineKind::Comment,
            told: Vec::new(),
            moment: entry.at,
        }
    }

    /// The wall time.
    pub fn clock(&self, viewer: Viewer) -> String {
        viewer.clock(self.moment)
    }
}

fn line_words(kind: TimelineKind) -> (Option<Shown>, &'static str, &'static str) {
    match kind {
        TimelineKind::Detected => (Some(Shown::Confirming), "", "First failure"),
        TimelineKind::Confirmed => (Some(Shown::Down), "", "Confirmed, incident opened"),
        TimelineKind::Notified => (None, "steps", "Escalation"),
        TimelineKind::StepSkipped => (Some(Shown::Degraded), "", "Step skipped"),
        TimelineKind::AcknowledgementEnded => (None, "bell", "Acknowledgement ran out"),
        TimelineKind::Held => (None, "wrench", "Alerts are held"),
        TimelineKind::NobodyNotified => (None, "bell", "Nobody was told"),
        TimelineKind::ReasonChanged => (None, "refresh", "The reason changed"),
        TimelineKind::Acknowledged => (None, "user", "Acknowledged"),
        TimelineKind::Comment => (None, "edit", "Note"),
        TimelineKind::Delivered => (None, "check", "Alert delivered"),
        TimelineKind::DeliveryFailed => (Some(Shown::Degraded), "", "Alert could not be delivered"),
        TimelineKind::Resolved => (Some(Shown::Up), "", "Resolved"),
        TimelineKind::WatchingStopped => (Some(Shown::Paused), "", "Watching stopped"),
    }
}

/// The timeline of an incident from `started_at` on: what was written at the time, and the alerts of each moment under one line.
/// `deliveries` are in any order.
pub fn lines(
    started_at: Timestamp,
    entries: &[TimelineEntry],
    deliveries: &[Delivery],
    channels: &[ChannelName],
    viewer: Viewer,
) -> Vec<Line> {
    let name = |id: i64| channels.iter().find(|channel| channel.id == id);
    // What a delivery came to stands below the line of its alert, so not again in a line of its own.
    let is_listed = |entry: &TimelineEntry| {
        matches!(entry.kind, TimelineKind::Delivered | TimelineKind::DeliveryFailed)
            && deliveries
                .iter()
                .filter_map(|delivery| name(delivery.channel_id))
                .any(|channel| entry.detail.starts_with(&channel.name))
    };
    let kept = entries.iter().filter(|entry| !is_listed(entry));
    let mut lines: Vec<Line> = kept.map(|entry| Line::of(entry, viewer)).collect();
    let mut sent: Vec<&Delivery> = deliveries.iter().collect();
    sent.sort_by_key(|delivery| (delivery.created_at, delivery.id));
    for group in sent.chunk_by(|a, b| a.created_at == b.created_at && a.event == b.event) {
        let Some(first) = group.first() else { continue };
        let told: Vec<Told> =
            group.iter().map(|delivery| told(delivery, name(delivery.channel_id))).collect();
        let queued = |line: &&mut Line| {
            line.icon == "bell" && line.moment == first.created_at && line.told.is_empty()
        };
        if let Some(line) = lines.iter_mut().find(queued) {
            line.bold = told_words(first.event, told.len());
            line.told = told;
            continue;
        }
        let after = lines.iter().rposition(|line| line.moment <= first.created_at);
        let line = Line {
            day: String::new(),
            at: viewer.fixed_html(first.created_at, &viewer.clock(first.created_at)),
            state: None,
            icon: "bell",
            bold: told_words(first.event, told.len()),
            detail: String::new(),
            is_note: false,
            told,
            moment: first.created_at,
        };
        lines.insert(after.map_or(0, |place| place + 1), line);
    }
    name_days(&mut lines, started_at, viewer);
    lines
}

/// The day of the start, and its year, stand in the head of the page.
fn name_days(lines: &mut [Line], started_at: Timestamp, viewer: Viewer) {
    let at_start = Viewer { now: started_at, ..viewer };
    let mut day = viewer.day(started_at);
    for line in lines {
        let own = viewer.day(line.moment);
        if own != day {
            line.day = at_start.date(line.moment);
            day = own;
        }
    }
}

fn told_words(event: AlertEvent, n: usize) -> String {
    let channels = plural(n, "channel");
    match event {
        AlertEvent::MonitorDown => format!("Told {channels}"),
        AlertEvent::MonitorUp => format!("Told {channels} that it is over"),
        other => format!("Told {channels}: {}", event_words(other)),
    }
}

fn told(delivery: &Delivery, channel: Option<&ChannelName>) -> Told {
    let error = delivery.last_error.as_deref().map(one_line).unwrap_or_default();
    let (state, took) = match delivery.state {
        DeliveryState::Delivered => (Shown::Up, took(delivery)),
        DeliveryState::Failed => (Shown::Down, error),
        DeliveryState::Pending if delivery.attempts > 0 => {
            (Shown::Confirming, format!("trying again: {error}"))
        }
        DeliveryState::Pending => (Shown::Waiting, "on its way".to_owned()),
    };
    Told {
        id: delivery.id,
        state,
        name: channel.map_or_else(|| "A deleted channel".to_owned(), |c| c.name.clone()),
        kind: channel.map_or("", |c| c.kind),
        took,
    }
}

fn took(delivery: &Delivery) -> String {
    let latency = delivery.latency_ms.map_or_else(|| "delivered".to_owned(), millis);
    match delivery.attempts {
        ..=1 => latency,
        2 => format!("{latency}, 2nd try"),
        3 => format!("{latency}, 3rd try"),
        n => format!("{latency}, {n}th try"),
    }
}

/// The five times of an incident: confirmed, first alert, acknowledged, resolved, alerts sent.
pub fn metrics(
    incident: &Incident,
    deliveries: &[Delivery],
    channels: &[ChannelName],
    viewer: Viewer,
) -> Vec<Metric> {
    let since = |at: Timestamp| span(at.since(incident.started_at));
    let taken = match incident.acknowledged_at {
        Some(at) => metric(
            "Acknowledged in",
            since(at),
            incident.acknowledged_by.as_deref().map(one_line).unwrap_or_default(),
        ),
        None => metric("Acknowledged", "–".to_owned(), "by nobody".to_owned()),
    };
    let ended = match incident.resolved_at {
        Some(at) => metric("Resolved in", since(at), viewer.day_hour(at)),
        None => {
            let (label, still) = match incident.cause {
                Cause::CutOff { .. } => ("Cut off for", "still cut off"),
                _ => ("Down for", "still down"),
            };
            metric(label, span(viewer.now.since(incident.started_at)), still.to_owned())
        }
    };
    vec![
        metric("Confirmed in", since(incident.confirmed_at), regions(&incident.regions)),
        first_alert(incident, deliveries, channels),
        taken,
        ended,
        sent(deliveries),
    ]
}

fn metric(label: &str, value: String, after: String) -> Metric {
    Metric { label: label.to_owned(), value, after }
}

fn first_alert(incident: &Incident, deliveries: &[Delivery], channels: &[ChannelName]) -> Metric {
    let outage = deliveries.iter().filter(|d| d.event != AlertEvent::MonitorUp);
    let first = outage.clone().filter_map(|d| Some((d.delivered_at?, d))).min_by_key(|(at, _)| *at);
    match first {
        Some((at, delivery)) => {
            let name = channels.iter().find(|channel| channel.id == delivery.channel_id);
            let name = name.map_or("a deleted channel", |channel| &channel.name);
            let after = match delivery.latency_ms {
                Some(ms) => format!("{name}, {} to deliver", millis(ms)),
                None => name.to_owned(),
            };
            metric("First alert in", span(at.since(incident.started_at)), after)
        }
        None if outage.count() == 0 => {
            let why = if incident.alerts_held { "alerts are held" } else { "nobody was told" };
            metric("First alert", "–".to_owned(), why.to_owned())
        }
        None => metric("First alert", "–".to_owned(), "none has arrived yet".to_owned()),
    }
}

fn sent(deliveries: &[Delivery]) -> Metric {
    let in_state = |state| deliveries.iter().filter(|d| d.state == state).count();
    let (failed, waiting) = (in_state(DeliveryState::Failed), in_state(DeliveryState::Pending));
    let mut to: Vec<i64> = deliveries.iter().map(|d| d.channel_id).collect();
    to.sort_unstable();
    to.dedup();
    let after = match (deliveries.len(), failed, waiting) {
        (0, ..) => "nobody was told".to_owned(),
        (_, 0, 0) => format!("to {}, none failed", plural(to.len(), "channel")),
        (_, 0, n) => format!("to {}, {n} on the way", plural(to.len(), "channel")),
        (_, n, _) => format!("to {}, {n} failed", plural(to.len(), "channel")),
    };
    metric("Alerts sent", count(in_state(DeliveryState::Delivered)), after)
}

fn regions(regions: &[String]) -> String {
    match regions {
        [] => String::new(),
        few if few.len() <= 3 => format!("seen from {}", few.join(", ")),
        many => format!("seen from {}", plural(many.len(), "region")),
    }
}

/// Whether two incidents have the same cause, as far as a person would say so: the same kind of error, the same status, the same
/// parts of a health body.
pub fn is_same_cause(a: &Cause, b: &Cause) -> bool {
    match (a, b) {
        (
            Cause::Check { status_code: code, error, failed_checks: parts },
            Cause::Check { status_code: other_code, error: other, failed_checks: other_parts },
        ) => error.kind == other.kind && code == other_code && parts.keys().eq(other_parts.keys()),
        (a, b) => std::mem::discriminant(a) == std::mem::discriminant(b),
    }
}

#[cfg(test)]
mod tests;
