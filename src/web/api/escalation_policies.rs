//! `/escalation-policies`: who is told of an outage, and when.

use actix_web::HttpResponse;

use super::{Answer, Id, State, shown};
use crate::checker::EngineError;
use crate::fields::leave_out_shown;
use crate::incident::escalation::EscalationPolicy;
use crate::store::{channels, escalation_policies};
use crate::web::body::{Object, created, data};
use crate::web::error::ApiError;
use crate::web::list::Query;

/// `GET /escalation-policies`.
pub async fn list(state: State, mut query: Query) -> Answer {
    let page = query.page();
    query.finish()?;
    let mut reader = state.db.read().await?;
    let conn = &mut reader.conn();
    let found = escalation_policies::list(conn, page.limit(), page.offset()).await?;
    let total = escalation_policies::count(conn).await?;
    let all = channels::all_ids(conn).await?;
    let rows: Vec<_> = found.iter().map(|policy| shown::escalation_policy(policy, &all)).collect();
    Ok(page.answer(rows, total))
}

/// `POST /escalation-policies`.
pub async fn create(state: State, Object(map): Object) -> Answer {
    let policy = EscalationPolicy::read(&map, None)?;
    let made = state.engine.create_policy(policy).await.map_err(no_policy)?;
    let all = all_channels(&state).await?;
    let address = format!("/api/v1/escalation-policies/{}", made.id);
    Ok(created(address, shown::escalation_policy(&made, &all)))
}

/// `GET /escalation-policies/{id}`.
pub async fn get(state: State, Id(id): Id) -> Answer {
    let mut reader = state.db.read().await?;
    let found = escalation_policies::get(&mut reader.conn(), id).await?;
    let found = found.ok_or_else(|| no_policy(EngineError::NotFound))?;
    drop(reader);
    Ok(data(shown::escalation_policy(&found, &all_channels(&state).await?)))
}

/// `PATCH /escalation-policies/{id}`: incidents that are open keep the policy that they opened with.
pub async fn update(state: State, Id(id): Id, Object(map): Object) -> Answer {
    let channels = all_channels(&state).await?;
    let edit = |current: &EscalationPolicy| {
        let mut map = map.clone();
        let shown = shown::escalation_policy(current, &channels);
        leave_out_shown(&mut map, &shown);
        // A step that has lost its channels is shown with none: sent back as it was read, it is no change.
        map.retain(|name, value| name != "steps" || shown.get(name) != Some(value));
        EscalationPolicy::read(&map, Some(current)).map_err(EngineError::Invalid)
    };
    let changed = state.engine.update_policy(id, edit).await.map_err(no_policy)?;
    Ok(data(shown::escalation_policy(&changed, &channels)))
}

/// `DELETE /escalation-policies/{id}`: 409 while a monitor uses it.
pub async fn remove(state: State, Id(id): Id) -> Answer {
    state.engine.delete_policy(id).await.map_err(no_policy)?;
    Ok(HttpResponse::NoContent().finish())
}

async fn all_channels(state: &State) -> Result<Vec<i64>, ApiError> {
    let mut reader = state.db.read().await?;
    Ok(channels::all_ids(&mut reader.conn()).await?)
}

fn no_policy(error: EngineError) -> ApiError {
    ApiError::of_engine(error, "escalation policy")
}
