//! Deliveries as everybody but the sender sees them: queued, listed, retried. The sender's side is in [`super::outbox`].

use sqlx::AssertSqlSafe;
use sqlx::types::Json;

use super::{Conn, Result, batches, on, rows_of, run};
use crate::clock::Timestamp;
use crate::incident::IncidentId;
use crate::incident::message::{Alert, AlertEvent};
use crate::monitor::MonitorId;
use crate::notify::{ChannelId, Delivery, DeliveryState, NewDelivery};

/// Queues deliveries, due at once; one whose key is known already changes nothing. Gives the number of new ones.
///
/// # Errors
/// [`super::Error::Reference`] when a channel or incident does not exist.
pub async fn insert(conn: &mut Conn<'_>, deliveries: &[NewDelivery]) -> Result<u64> {
    let mut new = 0;
    for chunk in batches(conn, deliveries) {
        // The text holds placeholders only; all values are bound.
        let text = format!(
            "INSERT INTO deliveries (idempotency_key, event, incident_id, monitor_id, channel_id,
                alert, state, attempts, created_at, next_attempt_at)
             {} ON CONFLICT (idempotency_key) DO NOTHING",
            rows_of(conn, chunk.len(), 10)
        );
        new += on!(conn, c => {
            let mut query = sqlx::query(AssertSqlSafe(text));
            for row in chunk {
                query = query.bind(&row.idempotency_key).bind(row.event).bind(row.incident_id)
                    .bind(row.monitor_id).bind(row.channel_id).bind(Json(&row.alert))
                    .bind(DeliveryState::Pending).bind(0_i64)
                    .bind(row.created_at).bind(row.created_at);
            }
            query.execute(c).await.map(|done| done.rows_affected())
        })?;
    }
    Ok(new)
}

/// What a list of deliveries is limited to; `None` is no limit.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Filter {
    /// Those of one incident.
    pub incident_id: Option<IncidentId>,
    /// Those to one channel.
    pub channel_id: Option<ChannelId>,
    /// Those in one state.
    pub state: Option<DeliveryState>,
}

/// One page of deliveries, and how many there are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Page {
    /// The deliveries of the page, newest first.
    pub deliveries: Vec<Delivery>,
    /// How many there are on all pages.
    pub total: i64,
}

type Row = (
    i64,
    AlertEvent,
    Option<IncidentId>,
    Option<MonitorId>,
    ChannelId,
    DeliveryState,
    i64,
    Timestamp,
    Option<Timestamp>,
    Option<Timestamp>,
    Option<String>,
    Option<i64>,
    Option<i64>,
);

/// Reads up to `limit` deliveries, newest first, after leaving out `offset`.
pub async fn list(conn: &mut Conn<'_>, filter: &Filter, limit: i64, offset: i64) -> Result<Page> {
    let rows: Vec<Row> = on!(conn, c => sqlx::query_as(
        "SELECT id, event, incident_id, monitor_id, channel_id, state, attempts, created_at,
            next_attempt_at, delivered_at, last_error, last_status, latency_ms
         FROM deliveries
         WHERE ($1 IS NULL OR incident_id = $1) AND ($2 IS NULL OR channel_id = $2)
            AND ($3 IS NULL OR state = $3)
         ORDER BY id DESC LIMIT $4 OFFSET $5")
        .bind(filter.incident_id).bind(filter.channel_id).bind(filter.state)
        .bind(limit).bind(offset).fetch_all(c).await)?;
    let total = on!(conn, c => sqlx::query_scalar(
        "SELECT COUNT(*) FROM deliveries
         WHERE ($1 IS NULL OR incident_id = $1) AND ($2 IS NULL OR channel_id = $2)
            AND ($3 IS NULL OR state = $3)")
        .bind(filter.incident_id).bind(filter.channel_id).bind(filter.state)
        .fetch_one(c).await)?;
    Ok(Page { deliveries: rows.into_iter().map(delivery).collect(), total })
}

/// Reads a delivery.
pub async fn get(conn: &mut Conn<'_>, id: i64) -> Result<Option<Delivery>> {
    let row: Option<Row> = on!(conn, c => sqlx::query_as(
        "SELECT id, event, incident_id, monitor_id, channel_id, state, attempts, created_at,
            next_attempt_at, delivered_at, last_error, last_status, latency_ms
         FROM deliveries WHERE id = $1").bind(id).fetch_optional(c).await)?;
    Ok(row.map(delivery))
}

fn delivery(row: Row) -> Delivery {
    let (id, event, incident_id, monitor_id, channel_id, state, attempts, created_at, ..) = row;
    let (.., next_attempt_at, delivered_at, last_error, last_status, latency_ms) = row;
    Delivery {
        id,
        event,
        incident_id,
        monitor_id,
        channel_id,
        state,
        attempts,
        created_at,
        next_attempt_at,
        delivered_at,
        last_error,
        last_status,
        latency_ms,
    }
}

/// What a delivery says, or why that cannot be read; `None` when there is no such delivery.
pub async fn alert(
    conn: &mut Conn<'_>,
    id: i64,
) -> Result<Option<std::result::Result<Alert, String>>> {
    let alert: Option<Json<serde_json::Value>> = on!(conn, c => sqlx::query_scalar(
        "SELECT alert FROM deliveries WHERE id = $1").bind(id).fetch_optional(c).await)?;
    Ok(alert.map(|json| serde_json::from_value(json.0).map_err(|error| error.to_string())))
}

/// The newest delivery of an event.
pub async fn newest(conn: &mut Conn<'_>, event: AlertEvent) -> Result<Option<i64>> {
    on!(conn, c => sqlx::query_scalar("SELECT MAX(id) FROM deliveries WHERE event = $1")
        .bind(event).fetch_one(c).await)
}

/// How the latest deliveries to a channel went.
#[derive(Debug, Clone, Copy, PartialEq, Eq, sqlx::FromRow)]
pub struct Latest {
    /// The channel.
    pub channel_id: ChannelId,
    /// When one last arrived.
    pub delivered_at: Option<Timestamp>,
    /// How long that attempt took, in ms.
    pub latency_ms: Option<i64>,
    /// How many have failed since.
    pub failed_since: i64,
}

/// How the latest deliveries to each channel went; channels that were never sent anything have none.
pub async fn latest(conn: &mut Conn<'_>) -> Result<Vec<Latest>> {
    on!(conn, c => sqlx::query_as(
        "SELECT x.channel_id, d.delivered_at, d.latency_ms,
            (SELECT COUNT(*) FROM deliveries f WHERE f.channel_id = x.channel_id
                AND f.id > COALESCE(x.last_id, 0) AND f.state = 'failed') AS failed_since
         FROM (SELECT c.id AS channel_id, (SELECT MAX(l.id) FROM deliveries l
                WHERE l.channel_id = c.id AND l.state = 'delivered') AS last_id FROM channels c) x
         LEFT JOIN deliveries d ON d.id = x.last_id").fetch_all(c).await)
}

/// Queues a failed delivery again, due at once and with the schedule from its beginning. Not one of an outage that is over: nothing
/// would end the alarm. Gives whether it was queued.
pub async fn retry(conn: &mut Conn<'_>, id: i64, now: Timestamp) -> Result<bool> {
    let changed = run!(
        conn,
        sqlx::query(
            "UPDATE deliveries SET state = 'pending', attempts = 0, first_attempt_at = NULL,
                next_attempt_at = $2, summary_id = NULL
             WHERE id = $1 AND state = 'failed'
                AND NOT (event IN ($3, $4) AND EXISTS (SELECT 1 FROM incidents
                    WHERE incidents.id = deliveries.incident_id AND resolved_at IS NOT NULL))"
        )
        .bind(id)
        .bind(now)
        .bind(AlertEvent::MonitorDown)
        .bind(AlertEvent::IncidentReminder)
    )?;
    Ok(changed > 0)
}

/// The channels that were told that an incident's monitor is down, or are about to be; they hear of its end too.
pub async fn told(conn: &mut Conn<'_>, incident_id: IncidentId) -> Result<Vec<ChannelId>> {
    on!(conn, c => sqlx::query_scalar(
        "SELECT DISTINCT channel_id FROM deliveries
         WHERE incident_id = $1 AND event = $2 AND state <> 'failed' ORDER BY channel_id")
        .bind(incident_id).bind(AlertEvent::MonitorDown).fetch_all(c).await)
}

/// The enabled channels that have a delivery of an incident, by id.
pub async fn channels_of(conn: &mut Conn<'_>, incident_id: IncidentId) -> Result<Vec<ChannelId>> {
    on!(conn, c => sqlx::query_scalar(
        "SELECT DISTINCT d.channel_id FROM deliveries d JOIN channels c ON c.id = d.channel_id
         WHERE d.incident_id = $1 AND c.enabled ORDER BY d.channel_id")
        .bind(incident_id).fetch_all(c).await)
}
