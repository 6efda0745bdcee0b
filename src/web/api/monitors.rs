//! `/monitors`: what is watched; and `/heartbeats`, the same things with their type fixed.

use actix_web::{HttpRequest, HttpResponse};
use serde_json::{Map, Value, json};

use super::shown::{self, Beside, Channels};
use super::uptime::uptime;
use super::{Answer, Id, State};
use crate::fields::leave_out_shown;
use crate::monitor::{Kind, Settings};
use crate::store::monitors::{self, Filter, Watched};
use crate::store::{channels, windows};
use crate::web::body::{MaybeObject, Object, created, data};
use crate::web::error::ApiError;
use crate::web::list::Query;

/// Which monitors an address is about: all, or heartbeats alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scope {
    /// `/monitors`.
    All,
    /// `/heartbeats`.
    Heartbeats,
}

impl Scope {
    /// The scope of a request, by its address.
    pub fn of(req: &HttpRequest) -> Self {
        if req.match_pattern().is_some_and(|path| path.contains("/heartbeats")) {
            Self::Heartbeats
        } else {
            Self::All
        }
    }

    fn address(self, id: i64) -> String {
        match self {
            Self::All => format!("/api/v1/monitors/{id}"),
            Self::Heartbeats => format!("/api/v1/heartbeats/{id}"),
        }
    }

    fn has(self, kind: Kind) -> bool {
        self == Self::All || kind == Kind::Heartbeat
    }
}

/// `GET /monitors`, `GET /heartbeats`.
pub async fn list(state: State, req: HttpRequest, mut query: Query) -> Answer {
    let page = query.page();
    let mut filter = Filter {
        status: query.word("status"),
        tag: query.text("tag"),
        region: query.text("region").map(|region| (region.clone(), region == state.region)),
        text: query.text("q"),
        ..Filter::default()
    };
    filter.kind = match Scope::of(&req) {
        Scope::All => query.word("type"),
        Scope::Heartbeats => Some(Kind::Heartbeat),
    };
    query.finish()?;
    let beside = beside(&state).await?;
    let mut reader = state.db.read().await?;
    let rows = monitors::list(&mut reader.conn(), &filter, page.limit(), page.offset()).await?;
    let total = monitors::count(&mut reader.conn(), &filter).await?;
    let rows: Vec<_> = rows.iter().map(|watched| beside.summary(watched)).collect();
    Ok(page.answer(rows, total))
}

/// `POST /monitors`, `POST /heartbeats`.
pub async fn create(state: State, req: HttpRequest, Object(mut map): Object) -> Answer {
    let scope = Scope::of(&req);
    let kind = read_kind(scope, &map)?;
    map.remove("type");
    let made = state.engine.create_monitor(kind, map).await.map_err(not_found)?;
    let address = scope.address(made.monitor.id);
    Ok(created(address, beside(&state).await?.detail(&made)))
}

/// The type that a request asks for. With a wrong one nothing can be said of the other fields, as it decides what they are.
fn read_kind(scope: Scope, map: &Map<String, Value>) -> Result<Kind, ApiError> {
    let default = match scope {
        Scope::All => Kind::Http,
        Scope::Heartbeats => Kind::Heartbeat,
    };
    let kind = match map.get("type") {
        None | Some(Value::Null) => return Ok(default),
        Some(value) => value.as_str().unwrap_or_default().parse::<Kind>(),
    };
    match kind {
        Ok(kind) if scope.has(kind) => Ok(kind),
        Ok(_) => Err(ApiError::field("type", "must be heartbeat here")),
        Err(reason) => Err(ApiError::field("type", reason)),
    }
}

/// `GET /monitors/{id}`, `GET /heartbeats/{id}`.
pub async fn get(state: State, req: HttpRequest, Id(id): Id) -> Answer {
    let watched = find(&state, &req, id).await?;
    let mut shown = beside(&state).await?.detail(&watched);
    shown.insert("uptime".to_owned(), uptime(&state, &watched.monitor).await?);
    Ok(data(shown))
}

/// `PATCH /monitors/{id}`, `PATCH /heartbeats/{id}`.
pub async fn update(state: State, req: HttpRequest, Id(id): Id, Object(mut map): Object) -> Answer {
    let current = find(&state, &req, id).await?;
    let mut shown = beside(&state).await?.detail(&current);
    // Only whether it is shown matters: it moves on with every second.
    shown.insert("uptime".to_owned(), Value::Null);
    leave_out_shown(&mut map, &Value::Object(shown));
    keep_kind(&current, &mut map)?;
    let changed = state.engine.update_monitor(id, map).await.map_err(not_found)?;
    Ok(data(beside(&state).await?.detail(&changed)))
}

/// A monitor stays of its type; naming the one it has changes nothing.
fn keep_kind(current: &Watched, map: &mut Map<String, Value>) -> Result<(), ApiError> {
    let kind = current.monitor.kind();
    match map.remove("type") {
        None | Some(Value::Null) => return Ok(()),
        Some(value) if value == json!(kind) => return Ok(()),
        Some(_) => {}
    }
    // What else is wrong is told with it.
    let others = Settings::read(map, kind, Some(&current.monitor.settings)).err();
    let mut errors = others.unwrap_or_default();
    errors.add("type", format!("cannot be changed: this is {kind}; make a new monitor instead"));
    Err(errors.into())
}

/// `DELETE /monitors/{id}`, `DELETE /heartbeats/{id}`.
pub async fn remove(state: State, req: HttpRequest, Id(id): Id) -> Answer {
    find(&state, &req, id).await?;
    state.engine.delete_monitor(id).await.map_err(not_found)?;
    Ok(HttpResponse::NoContent().finish())
}

/// `POST …/{id}/pause`.
pub async fn pause(state: State, req: HttpRequest, Id(id): Id, body: MaybeObject) -> Answer {
    body.nothing()?;
    find(&state, &req, id).await?;
    state.engine.pause(id).await.map_err(not_found)?;
    let watched = find(&state, &req, id).await?;
    Ok(data(beside(&state).await?.detail(&watched)))
}

/// `POST …/{id}/resume`.
pub async fn resume(state: State, req: HttpRequest, Id(id): Id, body: MaybeObject) -> Answer {
    body.nothing()?;
    find(&state, &req, id).await?;
    state.engine.resume(id).await.map_err(not_found)?;
    let watched = find(&state, &req, id).await?;
    Ok(data(beside(&state).await?.detail(&watched)))
}

/// `POST /heartbeats/{id}/rotate`: another ping URL; the old one is unknown from then on.
pub async fn rotate(state: State, req: HttpRequest, Id(id): Id, body: MaybeObject) -> Answer {
    body.nothing()?;
    find(&state, &req, id).await?;
    let rotated = state.engine.rotate_uuid(id).await.map_err(not_found)?;
    Ok(data(beside(&state).await?.detail(&rotated)))
}

/// `POST …/{id}/check`: checks now and answers with what was found.
pub async fn check(state: State, req: HttpRequest, Id(id): Id, body: MaybeObject) -> Answer {
    body.nothing()?;
    let watched = find(&state, &req, id).await?;
    let result = state.engine.check_now(id).await.map_err(not_found)?;
    let beside = beside(&state).await?;
    let in_maintenance = beside.summary(&watched).remove("in_maintenance");
    let mut shown = shown::check_result(&result);
    shown.insert("in_maintenance".to_owned(), json!(in_maintenance));
    Ok(data(shown))
}

/// The monitor of an address.
///
/// # Errors
/// 404 when there is none, or it is not a heartbeat where only those are.
pub async fn find(state: &State, req: &HttpRequest, id: i64) -> Result<Watched, ApiError> {
    let scope = Scope::of(req);
    let mut reader = state.db.read().await?;
    monitors::get(&mut reader.conn(), &state.sealer, id)
        .await?
        .filter(|watched| scope.has(watched.monitor.kind()))
        .ok_or_else(|| match scope {
            Scope::All => ApiError::no_such("monitor"),
            Scope::Heartbeats => ApiError::no_such("heartbeat"),
        })
}

/// What monitors are shown beside, now.
///
/// # Errors
/// When the database fails.
pub async fn beside(state: &State) -> Result<Beside, ApiError> {
    let now = state.clock.now();
    let mut reader = state.db.read().await?;
    Ok(Beside {
        now,
        base_url: state.base_url.get(),
        own_region: state.region.clone(),
        windows: windows::ending_after(&mut reader.conn(), now).await?,
        channels: Channels {
            all: channels::all_ids(&mut reader.conn()).await?,
            default: channels::defaults(&mut reader.conn()).await?,
        },
    })
}

fn not_found(error: crate::checker::EngineError) -> ApiError {
    ApiError::of_engine(error, "monitor")
}
