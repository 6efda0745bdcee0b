//! Before the sender claims: alerts that are too many to be told one by one wait, or become summaries.

use std::collections::{BTreeMap, HashMap};

use crate::clock::Timestamp;
use crate::incident::message::{Alert, AlertEvent};
use crate::notify::group::{Decision, FLAPPING_MS, Waiting, decide};
use crate::notify::summary::{Member, Part, parts};
use crate::notify::{ChannelId, NewDelivery};
use crate::store::grouping::{self, Candidate};
use crate::store::{self, Db};

/// Decides about all that waits for channels that people read, and writes what was decided in one transaction: a kill leaves
/// either the alerts one by one or their summaries.
///
/// Gives whether anything was written.
pub(super) async fn arrange(db: &Db, now: Timestamp) -> store::Result<bool> {
    let mut reader = db.read().await?;
    let conn = &mut reader.conn();
    let mut channels: BTreeMap<ChannelId, (usize, Vec<Candidate>)> = BTreeMap::new();
    for candidate in grouping::candidates(conn).await? {
        if let Some(room) = candidate.kind.room() {
            channels.entry(candidate.channel_id).or_insert((room, Vec::new())).1.push(candidate);
        }
    }
    let mut orders = Vec::new();
    for (channel_id, (room, candidates)) in channels {
        let waiting: Vec<Waiting> = candidates.iter().map(|one| one.waiting).collect();
        let oldest = waiting.iter().map(|one| one.created_at).min().unwrap_or(now).min(now);
        let since = oldest.plus_ms(-FLAPPING_MS);
        let queued = grouping::queued(conn, channel_id, since).await?;
        for decision in decide(&waiting, &queued, now) {
            match decision {
                Decision::Hold { ids, until } => {
                    let due = due_otherwise(&candidates, ids, until);
                    orders.extend((!due.is_empty()).then_some(Order::Hold { ids: due, until }));
                }
                Decision::Together { ids } => {
                    let alerts = grouping::alerts(conn, &ids).await?;
                    for part in parts(&members(&waiting, alerts), room) {
                        orders.push(Order::Send { channel_id, part: Box::new(part) });
                    }
                }
            }
        }
    }
    drop(reader);
    let has_orders = !orders.is_empty();
    if has_orders {
        carry_out(db, orders, now).await?;
    }
    Ok(has_orders)
}

/// What was decided.
enum Order {
    Hold { ids: Vec<i64>, until: Timestamp },
    Send { channel_id: ChannelId, part: Box<Part> },
}

/// Those of `ids` that do not wait until then already.
fn due_otherwise(candidates: &[Candidate], ids: Vec<i64>, until: Timestamp) -> Vec<i64> {
    let due: HashMap<i64, Timestamp> =
        candidates.iter().map(|one| (one.waiting.id, one.next_attempt_at)).collect();
    ids.into_iter().filter(|id| due.get(id) != Some(&until)).collect()
}

fn members(waiting: &[Waiting], alerts: Vec<(i64, Alert)>) -> Vec<Member> {
    let queued: HashMap<i64, Timestamp> =
        waiting.iter().map(|one| (one.id, one.created_at)).collect();
    let member = |(id, alert)| Some(Member { id, created_at: *queued.get(&id)?, alert });
    alerts.into_iter().filter_map(member).collect()
}

async fn carry_out(db: &Db, orders: Vec<Order>, now: Timestamp) -> store::Result<()> {
    let mut tx = db.begin().await?;
    let conn = &mut tx.conn();
    for order in orders {
        match order {
            Order::Hold { ids, until } => grouping::hold(conn, &ids, until).await?,
            Order::Send { channel_id, part } => {
                let Part { alert, ids } = *part;
                let first = ids.first().copied().unwrap_or_default();
                let summary = NewDelivery {
                    // The time tells it from an earlier one that failed and whose alerts were queued again.
                    idempotency_key: format!("summary:{first}@{}", now.0),
                    event: AlertEvent::Summary,
                    incident_id: None,
                    monitor_id: None,
                    channel_id,
                    alert,
                    created_at: now,
                };
                if !grouping::put_together(conn, summary, &ids).await? {
                    // Another server was quicker; what it left is looked at again when it has sent.
                    return Ok(());
                }
            }
        }
    }
    tx.commit().await
}
