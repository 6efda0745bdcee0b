//! `/channels`: the places that alerts go to.

use actix_web::HttpResponse;

use super::{Answer, Id, State};
use crate::fields::leave_out_shown;
use crate::notify::{Channel, ChannelSettings};
use crate::store::{Conn, channels};
use crate::web::body::{MaybeObject, Object, created, data};
use crate::web::error::ApiError;
use crate::web::list::Query;

/// `GET /channels`.
pub async fn list(state: State, mut query: Query) -> Answer {
    let page = query.page();
    query.finish()?;
    let mut reader = state.db.read().await?;
    let found =
        channels::list(&mut reader.conn(), &state.sealer, page.limit(), page.offset()).await?;
    let rows: Vec<_> = found.channels.iter().map(Channel::to_json).collect();
    Ok(page.answer(rows, found.total))
}

/// `POST /channels`.
pub async fn create(state: State, Object(map): Object) -> Answer {
    let settings = ChannelSettings::read(&map, None, state.has_mail())?;
    let mut tx = state.db.begin().await?;
    let now = state.clock.now();
    let made = channels::insert(&mut tx.conn(), &state.sealer, settings, now).await?;
    tx.commit().await?;
    Ok(created(format!("/api/v1/channels/{}", made.id), made.to_json()))
}

/// `GET /channels/{id}`.
pub async fn get(state: State, Id(id): Id) -> Answer {
    let mut reader = state.db.read().await?;
    Ok(data(find(&state, &mut reader.conn(), id).await?.to_json()))
}

/// `PATCH /channels/{id}`.
pub async fn update(state: State, Id(id): Id, Object(mut map): Object) -> Answer {
    // Read in the transaction that writes, so that of two changes at once none is lost.
    let mut tx = state.db.begin().await?;
    let current = find(&state, &mut tx.conn(), id).await?;
    leave_out_shown(&mut map, &current.to_json());
    let settings = ChannelSettings::read(&map, Some(&current.settings), state.has_mail())?;
    channels::update(&mut tx.conn(), &state.sealer, id, &settings).await?;
    tx.commit().await?;
    Ok(data(Channel { settings, ..current }.to_json()))
}

/// `DELETE /channels/{id}`: what is on its way to it goes too.
pub async fn remove(state: State, Id(id): Id) -> Answer {
    let mut tx = state.db.begin().await?;
    let existed = channels::delete(&mut tx.conn(), id).await?;
    tx.commit().await?;
    if existed { Ok(HttpResponse::NoContent().finish()) } else { Err(no_channel()) }
}

/// `POST /channels/{id}/test`: sends for real, and answers with what the far end said.
pub async fn test(state: State, Id(id): Id, body: MaybeObject) -> Answer {
    body.nothing()?;
    let mut reader = state.db.read().await?;
    let channel = find(&state, &mut reader.conn(), id).await?;
    // The far end may take its time; the connection is for others meanwhile.
    drop(reader);
    Ok(data(state.outbox.send_test(&channel).await?))
}

async fn find(state: &State, conn: &mut Conn<'_>, id: i64) -> Result<Channel, ApiError> {
    channels::get(conn, &state.sealer, id).await?.ok_or_else(no_channel)
}

fn no_channel() -> ApiError {
    ApiError::no_such("channel")
}
