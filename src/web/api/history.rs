//! `/monitors/{id}/…`: results, pings and incidents of one monitor, newest first.

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse};

use super::monitors::find;
use super::{Answer, Id, State, number, shown};
use crate::store::{history, incidents, results};
use crate::web::error::ApiError;
use crate::web::list::Query;

/// `GET …/{id}/results`.
pub async fn results(state: State, req: HttpRequest, Id(id): Id, mut query: Query) -> Answer {
    let page = query.page();
    query.finish()?;
    find(&state, &req, id).await?;
    let mut reader = state.db.read().await?;
    let rows = results::latest(&mut reader.conn(), id, page.limit(), page.offset()).await?;
    let total = results::count(&mut reader.conn(), id).await?;
    let rows: Vec<_> = rows.iter().map(shown::stored_result).collect();
    Ok(page.answer(rows, total))
}

/// `GET …/{id}/pings`.
pub async fn pings(state: State, req: HttpRequest, Id(id): Id, mut query: Query) -> Answer {
    let page = query.page();
    query.finish()?;
    find(&state, &req, id).await?;
    let mut reader = state.db.read().await?;
    let rows = history::pings(&mut reader.conn(), id, page.limit(), page.offset()).await?;
    let total = history::count_pings(&mut reader.conn(), id).await?;
    let rows: Vec<_> = rows.iter().map(shown::ping).collect();
    Ok(page.answer(rows, total))
}

/// `GET …/{id}/pings/{n}/body`: the bytes as they came. They are a stranger's, so no browser may make anything of them.
pub async fn ping_body(state: State, req: HttpRequest, Id(id): Id) -> Answer {
    let n = number(&req, "n")?;
    find(&state, &req, id).await?;
    let mut reader = state.db.read().await?;
    let body = history::ping_body(&mut reader.conn(), id, n).await?;
    let body = body.ok_or_else(|| ApiError::no_such("ping"))?;
    Ok(HttpResponse::Ok()
        .content_type("application/octet-stream")
        .insert_header((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        .insert_header((header::CONTENT_DISPOSITION, "attachment"))
        .body(body))
}

/// `GET …/{id}/incidents`.
pub async fn monitor_incidents(
    state: State,
    req: HttpRequest,
    Id(id): Id,
    mut query: Query,
) -> Answer {
    let page = query.page();
    query.finish()?;
    find(&state, &req, id).await?;
    let filter = incidents::Filter { monitor_id: Some(id), ..Default::default() };
    super::incidents::answer(&state, filter, page).await
}
