//! `/probes`: the remote checkers, one for each region.

use actix_web::HttpResponse;
use serde_json::{Map, Value, json};

use super::{Answer, Id, State};
use crate::clock::Timestamp;
use crate::fields::{Fields, REGION_MAX, leave_out_shown, parse_region, parse_text};
use crate::region::{Probe, TOKEN_PREFIX};
use crate::seal;
use crate::store::{self, probes};
use crate::web::body::{MaybeObject, Object, created, data};
use crate::web::error::ApiError;
use crate::web::list::Query;

/// `GET /probes`.
pub async fn list(state: State, mut query: Query) -> Answer {
    let page = query.page();
    query.finish()?;
    let mut reader = state.db.read().await?;
    let rows = probes::list(&mut reader.conn(), page.limit(), page.offset()).await?;
    let total = probes::count(&mut reader.conn()).await?;
    let now = state.clock.now();
    let rows: Vec<_> = rows.into_iter().map(|probe| shown(&state, probe, now)).collect();
    Ok(page.answer(rows, total))
}

/// `POST /probes`: the answer has the token, this once.
pub async fn create(state: State, Object(map): Object) -> Answer {
    let (probe, token) = make(&state, &map).await?;
    let id = probe.id;
    let mut shown = shown(&state, probe, state.clock.now());
    shown["token"] = json!(token);
    Ok(created(format!("/api/v1/probes/{id}"), shown))
}

/// Makes a probe from the fields of a request; gives its token, which cannot be read again.
///
/// # Errors
/// 422 with every wrong field.
pub async fn make(state: &State, map: &Map<String, Value>) -> Result<(Probe, String), ApiError> {
    let mut fields = Fields::new(map);
    let region = fields.read("region", None, None, |value| {
        parse_text(value, REGION_MAX).and_then(|text| parse_region(&text)).map(Some)
    });
    let given = fields.given("name");
    let name = fields.seen_name("name", region.clone().or(Some("unnamed".to_owned())), None);
    let region = region.or_else(|| given.then(|| name.clone()));
    match &region {
        None => fields
            .wrong("region", "is missing: name the place that it checks from, such as eu-west"),
        Some(region) => {
            if let Err(reason) = parse_region(region) {
                fields.wrong("region", reason);
            }
            if *region == state.region {
                fields.wrong("region", "is the server's own region; give the probe another one");
            }
        }
    }
    fields.finish()?;
    let region = region.unwrap_or_default();
    let token = seal::random_token(TOKEN_PREFIX);
    let mut tx = state.db.begin().await?;
    let hash = seal::hash_token(&token);
    let id = match probes::insert(&mut tx.conn(), &name, &region, &hash, state.clock.now()).await {
        Err(store::Error::Unique) => {
            let reason = format!("has a probe already: {region}; rotate its token to move it");
            return Err(ApiError::field("region", reason));
        }
        made => made?,
    };
    let probe = probes::get(&mut tx.conn(), id).await?.ok_or_else(no_such)?;
    tx.commit().await?;
    state.probes_changed();
    Ok((probe, token))
}

/// `GET /probes/{id}`.
pub async fn get(state: State, Id(id): Id) -> Answer {
    let probe = find(&state, id).await?;
    Ok(data(shown(&state, probe, state.clock.now())))
}

/// `PATCH /probes/{id}`: its name, and whether it may work.
pub async fn update(state: State, Id(id): Id, Object(mut map): Object) -> Answer {
    let current = find(&state, id).await?;
    leave_out_shown(&mut map, &shown(&state, current.clone(), state.clock.now()));
    let mut fields = Fields::new(&map);
    if fields.raw("region").is_some_and(|given| given.as_str() != Some(&current.region)) {
        fields.wrong("region", "cannot be changed; make another probe");
    }
    let name = fields.seen_name("name", None, Some(current.name));
    let enabled = fields.boolean("enabled", true, Some(current.enabled));
    fields.finish()?;
    set(&state, id, &name, enabled).await?;
    get(state, Id(id)).await
}

/// Sets a probe's name and whether it may work, from its next word on.
///
/// # Errors
/// When the database fails.
pub async fn set(state: &State, id: i64, name: &str, enabled: bool) -> Result<(), ApiError> {
    let mut tx = state.db.begin().await?;
    probes::update(&mut tx.conn(), id, name, enabled).await?;
    if !enabled {
        // Nobody waits for it any more; should it come again, it is not lost.
        probes::set_lost(&mut tx.conn(), id, None).await?;
    }
    tx.commit().await?;
    state.hub.wake();
    state.probes_changed();
    Ok(())
}

/// `POST /probes/{id}/rotate`: another token; the old one is refused from then on.
pub async fn rotate(state: State, Id(id): Id, body: MaybeObject) -> Answer {
    body.nothing()?;
    let token = give_token(&state, id).await?;
    let probe = find(&state, id).await?;
    let mut shown = shown(&state, probe, state.clock.now());
    shown["token"] = json!(token);
    Ok(data(shown))
}

/// Gives a probe another token, at once.
///
/// # Errors
/// When there is none.
pub async fn give_token(state: &State, id: i64) -> Result<String, ApiError> {
    find(state, id).await?;
    let token = seal::random_token(TOKEN_PREFIX);
    let mut tx = state.db.begin().await?;
    probes::set_token(&mut tx.conn(), id, &seal::hash_token(&token)).await?;
    tx.commit().await?;
    state.hub.wake();
    state.probes_changed();
    Ok(token)
}

/// `DELETE /probes/{id}`.
pub async fn remove(state: State, Id(id): Id) -> Answer {
    delete(&state, id).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// Deletes a probe, whose token is refused at once.
///
/// # Errors
/// 409 while monitors are checked from its region: they would be watched from nowhere, and nobody would notice.
pub async fn delete(state: &State, id: i64) -> Result<(), ApiError> {
    let probe = find(state, id).await?;
    let used = state.hub.monitors_of(&probe.region).len();
    if used > 0 {
        let monitors = if used == 1 { "1 monitor is" } else { &format!("{used} monitors are") };
        return Err(ApiError::Conflict(format!(
            "{monitors} checked from {}; take it out of their regions first",
            probe.region
        )));
    }
    let mut tx = state.db.begin().await?;
    probes::delete(&mut tx.conn(), id).await?;
    tx.commit().await?;
    state.hub.wake();
    state.probes_changed();
    Ok(())
}

/// One probe.
///
/// # Errors
/// When there is none.
pub async fn find(state: &State, id: i64) -> Result<Probe, ApiError> {
    let mut reader = state.db.read().await?;
    let mut probe = probes::get(&mut reader.conn(), id).await?.ok_or_else(no_such)?;
    freshen(state, &mut probe);
    Ok(probe)
}

fn no_such() -> ApiError {
    ApiError::no_such("probe")
}

/// Puts in what was heard of a probe since it was last stored.
pub fn freshen(state: &State, probe: &mut Probe) {
    let (heard_at, seen) = state.hub.last_heard(probe.id);
    probe.last_contact_at = heard_at.max(probe.last_contact_at);
    probe.seen = seen.or(probe.seen.take());
}

crate::words! {
    /// Where a probe stands.
    pub enum ProbeStatus {
        /// It never came.
        New = "new",
        /// It was heard of lately.
        Online = "online",
        /// It is silent.
        Lost = "lost",
        /// It may not work.
        Disabled = "disabled",
    }
}

/// Where a probe stands.
pub fn status(probe: &Probe) -> ProbeStatus {
    match probe {
        Probe { enabled: false, .. } => ProbeStatus::Disabled,
        Probe { lost_at: Some(_), .. } => ProbeStatus::Lost,
        Probe { last_contact_at: None, .. } => ProbeStatus::New,
        _ => ProbeStatus::Online,
    }
}

fn shown(state: &State, mut probe: Probe, now: Timestamp) -> Value {
    freshen(state, &mut probe);
    let seen = probe.seen.as_ref();
    json!({
        "id": probe.id,
        "name": probe.name,
        "region": probe.region,
        "enabled": probe.enabled,
        "status": status(&probe),
        "monitors": state.hub.monitors_of(&probe.region).len(),
        "last_contact_at": probe.last_contact_at,
        "silent_seconds": probe.last_contact_at.map(|at| now.since(at).max(0) / 1000),
        "lost_at": probe.lost_at,
        "version": seen.map(|seen| &seen.version),
        "latency_ms": seen.and_then(|seen| seen.latency_ms),
        "clock_ahead_ms": seen.map(|seen| seen.clock_ahead_ms),
        "load": seen.map(|seen| &seen.load),
        "created_at": probe.created_at,
    })
}
