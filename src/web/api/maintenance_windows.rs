//! `/maintenance-windows`: planned quiet times.

use actix_web::HttpResponse;

use super::{Answer, Id, State, shown};
use crate::fields::leave_out_shown;
use crate::incident::maintenance::MaintenanceWindow;
use crate::store::windows;
use crate::web::body::{MaybeObject, Object, created, data};
use crate::web::error::ApiError;
use crate::web::list::Query;

/// `GET /maintenance-windows`: the latest start first.
pub async fn list(state: State, mut query: Query) -> Answer {
    let page = query.page();
    query.finish()?;
    let now = state.clock.now();
    let mut reader = state.db.read().await?;
    let rows = windows::list(&mut reader.conn(), page.limit(), page.offset()).await?;
    let total = windows::count(&mut reader.conn()).await?;
    let rows: Vec<_> = rows.iter().map(|window| shown::window(window, now)).collect();
    Ok(page.answer(rows, total))
}

/// `POST /maintenance-windows`: starts now when it does not say when.
pub async fn create(state: State, Object(map): Object) -> Answer {
    let window = MaintenanceWindow::read(&map, None, state.clock.now())?;
    let made = state.engine.create_window(window).await.map_err(not_found)?;
    let address = format!("/api/v1/maintenance-windows/{}", made.id);
    Ok(created(address, shown::window(&made, state.clock.now())))
}

/// `GET /maintenance-windows/{id}`.
pub async fn get(state: State, Id(id): Id) -> Answer {
    Ok(data(shown::window(&find(&state, id).await?, state.clock.now())))
}

/// `PATCH /maintenance-windows/{id}`.
pub async fn update(state: State, Id(id): Id, Object(mut map): Object) -> Answer {
    let current = find(&state, id).await?;
    leave_out_shown(&mut map, &shown::window(&current, state.clock.now()));
    let window = MaintenanceWindow::read(&map, Some(&current), state.clock.now())?;
    let changed = state.engine.update_window(window).await.map_err(not_found)?;
    Ok(data(shown::window(&changed, state.clock.now())))
}

/// `DELETE /maintenance-windows/{id}`.
pub async fn remove(state: State, Id(id): Id) -> Answer {
    state.engine.delete_window(id).await.map_err(not_found)?;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST /maintenance-windows/{id}/end`: it ends now, if it has not.
pub async fn end(state: State, Id(id): Id, body: MaybeObject) -> Answer {
    body.nothing()?;
    let ended = state.engine.end_window(id).await.map_err(not_found)?;
    Ok(data(shown::window(&ended, state.clock.now())))
}

async fn find(state: &State, id: i64) -> Result<MaintenanceWindow, ApiError> {
    let mut reader = state.db.read().await?;
    let found = windows::get(&mut reader.conn(), id).await?;
    found.ok_or_else(|| ApiError::no_such("maintenance window"))
}

fn not_found(error: crate::checker::EngineError) -> ApiError {
    ApiError::of_engine(error, "maintenance window")
}
