//! `/api/probe/v1`: the door of probes. What is said there is in [`wire`](crate::region::wire).

use actix_web::http::header;
use actix_web::{HttpRequest, HttpResponse, web};
use futures_util::future::join_all;
use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::body::read_all;
use super::client;
use super::error::ApiError;
use super::state::AppState;
use crate::checker::EngineError;
use crate::clock::Timestamp;
use crate::region::wire::{
    Assignments, Found, Poll, RESULTS_MAX, Receipt, Refusal, Results, VERSION, WAIT_MAX_SECONDS,
    mismatch,
};
use crate::region::{Probe, Seen, TOKEN_PREFIX};
use crate::seal;
use crate::store::probes;

/// The most bytes of a message: a batch of results with long texts.
const MESSAGE_MAX: usize = 16 << 20;
/// A check that begins this much later than now, or before there was its monitor, in ms, was dated by a clock that is wrong.
const OFF_MS: i64 = 30_000;

type State = web::Data<AppState>;

/// The addresses of probes.
pub fn routes(cfg: &mut web::ServiceConfig) {
    cfg.service(
        web::scope("/api/probe/v1")
            .route("/poll", web::post().to(poll))
            .route("/results", web::post().to(results)),
    );
}

/// `POST /api/probe/v1/poll`: what the probe has to check; held while there is nothing new.
async fn poll(
    req: HttpRequest,
    state: State,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let received = state.clock.now();
    // Before it is asked who this is: a token that is rotated in between must end the wait too.
    let mut changes = state.hub.changes();
    let mut probe = authenticate(&req, &state).await?;
    let poll: Poll = read(&state, &probe, body, |poll: &Poll| poll.version).await?;
    greet(&state, &probe, poll.instance)?;
    let seen = Seen {
        version: poll.program.chars().take(50).collect(),
        latency_ms: poll.latency_ms,
        clock_ahead_ms: poll.clock.saturating_sub(received.0),
        load: poll.load,
    };
    if seen.clock_ahead_ms.saturating_abs() > OFF_MS {
        state.hub.note_clock(&probe.name, seen.clock_ahead_ms);
    }
    state.hub.heard(probe.id, received, Some(seen));
    state.probes_changed();
    let wait = poll.wait_seconds.min(WAIT_MAX_SECONDS);
    let until = state.clock.sleep_until(received.plus_seconds(wait));
    tokio::pin!(until);
    let answer = loop {
        if let Some(answer) = state.hub.assignments(&probe.region, poll.epoch, poll.revision) {
            break answer;
        }
        let is_over = tokio::select! {
            () = &mut until => true,
            () = state.stop.cancelled() => true,
            changed = changes.changed() => changed.is_err(),
        };
        // It may have been disabled, deleted or given another token meanwhile.
        probe = authenticate(&req, &state).await?;
        if is_over {
            break state.hub.nothing_new(&probe.region, poll.revision);
        }
    };
    greet(&state, &probe, poll.instance)?;
    let sent = state.clock.now();
    state.hub.heard(probe.id, sent, None);
    let answer = Assignments { received_at: received.0, sent_at: sent.0, ..answer };
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(answer))
}

/// `POST /api/probe/v1/results`: what the probe found. Answered once it is durable.
async fn results(
    req: HttpRequest,
    state: State,
    body: web::Payload,
) -> Result<HttpResponse, ApiError> {
    let probe = authenticate(&req, &state).await?;
    let message: Results = read(&state, &probe, body, |message: &Results| message.version).await?;
    greet(&state, &probe, message.instance)?;
    if message.results.len() > RESULTS_MAX {
        state.hub.refuse(Refusal::Message, &probe.name);
        let reason = format!("must be at most {RESULTS_MAX}");
        return Err(ApiError::field("results", reason));
    }
    let now = state.clock.now();
    state.hub.heard(probe.id, now, None);
    state.probes_changed();
    let recorded = message.results.into_iter().map(|found| record(&state, &probe, found, now));
    let mut receipt = Receipt { version: VERSION, ..Receipt::default() };
    for outcome in join_all(recorded).await {
        match outcome {
            Ok(()) => receipt.accepted += 1,
            Err(Unrecorded::Refused(refusal)) => {
                state.hub.refuse(refusal, &probe.name);
                receipt.refused += 1;
            }
            // The probe keeps all of it and sends it again.
            Err(Unrecorded::Trouble(detail)) => return Err(ApiError::Unavailable(detail)),
        }
    }
    Ok(HttpResponse::Ok().json(receipt))
}

enum Unrecorded {
    Refused(Refusal),
    Trouble(String),
}

async fn record(
    state: &State,
    probe: &Probe,
    found: Found,
    now: Timestamp,
) -> Result<(), Unrecorded> {
    if let Some(refusal) = objection(state, probe, &found, now) {
        return Err(Unrecorded::Refused(refusal));
    }
    let Found { monitor_id, result, .. } = found;
    let at = result.started_at;
    match state.engine.record_remote(monitor_id, result).await {
        Ok(is_repeated) => {
            state.hub.checked(probe.id, monitor_id, at, is_repeated);
            Ok(())
        }
        Err(EngineError::Unavailable(detail)) => Err(Unrecorded::Trouble(detail)),
        // It was deleted or edited just now.
        Err(_) => Err(Unrecorded::Refused(Refusal::Monitor)),
    }
}

/// Why a result is not taken, if so.
fn objection(state: &State, probe: &Probe, found: &Found, now: Timestamp) -> Option<Refusal> {
    let Found { monitor_id, result, settings_at } = found;
    if result.region != probe.region {
        return Some(Refusal::Region);
    }
    let Some(assigned) = state.hub.assigned(&probe.region, *monitor_id) else {
        return Some(Refusal::Monitor);
    };
    // The probe was away and went on asking what nobody wants to know any more.
    let asked_before = settings_at.is_some_and(|at| Timestamp(at) < assigned.asks_since);
    if asked_before && result.started_at >= assigned.asks_since {
        return Some(Refusal::Settings);
    }
    let is_early = assigned.since.since(result.started_at) > OFF_MS;
    if is_early || result.started_at.since(now) > OFF_MS {
        return Some(Refusal::Clock);
    }
    (!found.is_well_formed()).then_some(Refusal::Message)
}

/// The probe whose token is shown.
async fn authenticate(req: &HttpRequest, state: &State) -> Result<Probe, ApiError> {
    let shown = req.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let token = shown.and_then(|text| text.strip_prefix("Bearer ")).map(str::trim);
    let probe = match token.filter(|token| token.starts_with(TOKEN_PREFIX)) {
        Some(token) => {
            probes::find(&mut state.db.read().await?.conn(), &seal::hash_token(token)).await?
        }
        None => None,
    };
    let Some(probe) = probe else {
        let from = client::address(req, &state.trusted_proxies);
        let from = from.map_or_else(|| "unknown".to_owned(), |address| address.to_string());
        state.hub.refuse(Refusal::Token, &from);
        return Err(ApiError::Unauthorized(
            "this probe token is unknown: it was rotated, or the probe was deleted",
        ));
    };
    if !probe.enabled {
        state.hub.refuse(Refusal::Disabled, &probe.name);
        return Err(ApiError::Forbidden(format!("the probe {} is disabled", probe.name)));
    }
    Ok(probe)
}

fn greet(state: &State, probe: &Probe, instance: Uuid) -> Result<(), ApiError> {
    state.hub.greet(probe.id, instance).map_err(|refusal| {
        state.hub.refuse(refusal, &probe.name);
        let name = &probe.name;
        ApiError::Conflict(format!(
            "another process works as the probe {name} since; give each its own"
        ))
    })
}

/// Reads a message, of a probe that has shown its token: nobody else may make us keep so much. Its version is looked at first: another
/// one may have another form.
async fn read<T: DeserializeOwned>(
    state: &State,
    probe: &Probe,
    body: web::Payload,
    version: impl Fn(&T) -> u32,
) -> Result<T, ApiError> {
    let body = read_all(body, MESSAGE_MAX).await?;
    parse(state, probe, &body, version)
}

fn parse<T: DeserializeOwned>(
    state: &State,
    probe: &Probe,
    body: &[u8],
    version: impl Fn(&T) -> u32,
) -> Result<T, ApiError> {
    #[derive(serde::Deserialize)]
    struct Versioned {
        version: u32,
    }
    let refused = |error: ApiError| {
        state.hub.refuse(Refusal::Message, &probe.name);
        error
    };
    let not_json = |error: serde_json::Error| refused(ApiError::NotJson(error.to_string()));
    let spoken = match serde_json::from_slice::<T>(body) {
        Ok(message) if version(&message) == VERSION => return Ok(message),
        Ok(message) => version(&message),
        Err(error) => match serde_json::from_slice::<Versioned>(body) {
            Ok(Versioned { version }) if version != VERSION => version,
            _ => return Err(not_json(error)),
        },
    };
    let why = mismatch(spoken, "probe", "server").unwrap_or_default();
    Err(refused(ApiError::UpgradeRequired(why)))
}
