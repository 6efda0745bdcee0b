//! The alerts of the outages that last, for pictures: while the demonstration runs, none goes anywhere.

use watchbell::clock::Timestamp;
use watchbell::incident::Incident;
use watchbell::incident::message::{Alert, AlertEvent, AlertIncident, AlertMonitor, Message};
use watchbell::monitor::Monitor;
use watchbell::notify::{ChannelId, NewDelivery};
use watchbell::seal::Sealer;
use watchbell::store::{Conn, Db, channels, deliveries, incidents, monitors, outbox};

use super::past::MINUTE;

/// One alert: of which monitor, to which channel, what; how long ago, in ms; status, time taken in ms, how often it was tried.
type Line = (&'static str, &'static str, AlertEvent, i64, (u16, i64, usize));

const DOWN: AlertEvent = AlertEvent::MonitorDown;
const LINES: [Line; 8] = [
    ("Ledger export", "#ops-alerts", DOWN, 17 * MINUTE, (200, 301, 1)),
    ("Ledger export", "On-call list", DOWN, 17 * MINUTE, (250, 980, 1)),
    ("Ledger export", "Platform / Incidents", DOWN, 17 * MINUTE, (410, 88, 1)),
    ("Checkout API", "#ops-alerts", DOWN, 12 * MINUTE, (200, 284, 1)),
    ("Checkout API", "On-call list", DOWN, 12 * MINUTE, (250, 1_100, 1)),
    ("Checkout API", "Status bot", DOWN, 12 * MINUTE, (204, 6_200, 2)),
    ("Checkout API", "Payments primary", DOWN, 7 * MINUTE, (202, 611, 1)),
    ("Checkout API", "#ops-alerts", AlertEvent::IncidentAcknowledged, 5 * MINUTE, (200, 266, 1)),
];
/// What Teams says of a connector that was removed.
const GONE: &str = "status 410: Connector configuration not found";

/// Writes what was sent of the incidents that are open, as the sender would have.
///
/// # Errors
/// When the database fails.
pub async fn add(db: &Db, sealer: &Sealer, now: Timestamp) -> anyhow::Result<()> {
    let mut tx = db.begin().await?;
    let conn = &mut tx.conn();
    let page = channels::list(conn, sealer, 100, 0).await?;
    let filter = incidents::Filter { unresolved: Some(true), ..Default::default() };
    let open = incidents::list(conn, filter, 100, 0).await?;
    for (monitor, channel, event, ago, sent) in LINES {
        let incident = open.iter().find(|incident| incident.monitor_name == monitor);
        let channel = page.channels.iter().find(|known| known.settings.name == channel);
        let (Some(incident), Some(channel)) = (incident, channel) else { continue };
        let at = now.plus_ms(-ago);
        let id = queue(conn, incident, channel.id, event, at).await?;
        settle(conn, id, channel.id, at, sent).await?;
    }
    Ok(tx.commit().await?)
}

async fn queue(
    conn: &mut Conn<'_>,
    incident: &Incident,
    channel_id: ChannelId,
    event: AlertEvent,
    at: Timestamp,
) -> anyhow::Result<i64> {
    let ids: Vec<_> = incident.monitor_id.into_iter().collect();
    let watched = monitors::by_ids(conn, &ids).await?;
    let monitor = &watched.first().ok_or_else(|| anyhow::anyhow!("no monitor"))?.monitor;
    let delivery = NewDelivery {
        idempotency_key: format!("demo {} {channel_id} {event}", incident.id),
        event,
        incident_id: Some(incident.id),
        monitor_id: incident.monitor_id,
        channel_id,
        alert: alert(monitor, incident, event, at),
        created_at: at,
    };
    deliveries::insert(conn, &[delivery]).await?;
    let newest = deliveries::list(conn, &deliveries::Filter::default(), 1, 0).await?;
    newest.deliveries.first().map(|d| d.id).ok_or_else(|| anyhow::anyhow!("no delivery"))
}

fn alert(monitor: &Monitor, incident: &Incident, event: AlertEvent, at: Timestamp) -> Alert {
    Alert {
        event,
        message: Message::down(monitor, &incident.cause, incident.started_at, at),
        monitor: Some(AlertMonitor::of(monitor)),
        incident: Some(AlertIncident::of(incident, at)),
        check: None,
    }
}

async fn settle(
    conn: &mut Conn<'_>,
    id: i64,
    channel_id: ChannelId,
    at: Timestamp,
    (status, took_ms, tries): (u16, i64, usize),
) -> anyhow::Result<()> {
    if status == 410 {
        outbox::not_delivered(conn, id, None, GONE, Some(status)).await?;
        channels::note_failed(conn, channel_id, at, GONE).await?;
        return Ok(());
    }
    for _ in 1..tries {
        outbox::not_delivered(conn, id, Some(at), "timeout after 10s", None).await?;
    }
    let arrived = at.plus_ms(took_ms);
    outbox::delivered(conn, id, arrived, took_ms, Some(status)).await?;
    channels::note_delivered(conn, channel_id, arrived).await?;
    Ok(())
}
