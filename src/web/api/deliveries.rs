//! `/deliveries`: alerts on their way, arrived or given up.

use super::{Answer, Id, State};
use crate::store::deliveries::{self, Filter};
use crate::web::body::{MaybeObject, data};
use crate::web::error::ApiError;
use crate::web::list::Query;

/// `GET /deliveries`: newest first.
pub async fn list(state: State, mut query: Query) -> Answer {
    let page = query.page();
    let filter = Filter {
        incident_id: query.id("incident_id"),
        channel_id: query.id("channel_id"),
        state: query.word("state"),
    };
    query.finish()?;
    let mut reader = state.db.read().await?;
    let found = deliveries::list(&mut reader.conn(), &filter, page.limit(), page.offset()).await?;
    Ok(page.answer(found.deliveries, found.total))
}

/// `POST /deliveries/{id}/retry`: a failed one is sent again, at once.
pub async fn retry(state: State, Id(id): Id, body: MaybeObject) -> Answer {
    body.nothing()?;
    let mut tx = state.db.begin().await?;
    let queued = deliveries::retry(&mut tx.conn(), id, state.clock.now()).await?;
    let delivery = deliveries::get(&mut tx.conn(), id).await?;
    let delivery = delivery.ok_or_else(|| ApiError::no_such("delivery"))?;
    if !queued {
        return Err(ApiError::Conflict(delivery.why_not_again()));
    }
    tx.commit().await?;
    state.outbox.wake().wake();
    Ok(data(delivery))
}
