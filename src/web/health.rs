//! `/healthz` and `/readyz`: whether the process serves, and whether it does its work (contract, section 8).

use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde_json::{Map, Value, json};

use super::state::AppState;
use crate::checker::watch::LAST_ALIVE;
use crate::clock::Timestamp;
use crate::store;

/// A database that takes longer than this to answer is not ready.
const DATABASE_LIMIT: Duration = Duration::from_secs(5);

/// Checks or alerts that are late by more than this are not just busy, in ms.
const LATE_MS: i64 = 60_000;

/// `GET /healthz`: 200 while the process serves.
pub async fn healthz() -> HttpResponse {
    HttpResponse::Ok().json(json!({ "status": "ok" }))
}

/// `GET /readyz`: 200, or 503 naming what is wrong.
pub async fn readyz(state: web::Data<AppState>) -> HttpResponse {
    let troubles = troubles(&state).await;
    if troubles.is_empty() {
        return HttpResponse::Ok().json(json!({ "status": "ok" }));
    }
    HttpResponse::ServiceUnavailable().json(json!({ "status": "error", "checks": troubles }))
}

async fn troubles(state: &AppState) -> Map<String, Value> {
    let mut troubles = Map::new();
    let answer = tokio::time::timeout(DATABASE_LIMIT, state.db.ping()).await;
    match answer {
        Ok(Ok(())) => {}
        // The cause may name hosts and paths, and this page is open to all: it goes to the log.
        Ok(Err(error)) => {
            tracing::error!(%error, "the database does not answer");
            troubles.insert("database".to_owned(), json!("error: it does not answer"));
            return troubles;
        }
        Err(_) => {
            let text = format!("error: no answer within {} s", DATABASE_LIMIT.as_secs());
            troubles.insert("database".to_owned(), json!(text));
            return troubles;
        }
    }
    let now = state.clock.now();
    let written = last_written(state).await.unwrap_or(None);
    let unwritten_ms = written.map_or(0, |at| now.since(at));
    if unwritten_ms > LATE_MS {
        let text = format!("error: not written to for {} s", unwritten_ms / 1000);
        troubles.insert("database".to_owned(), json!(text));
    }
    if let Some(skipped) = state.meter.overload(now) {
        let text = format!(
            "error: more work than WATCHBELL_CHECK_PERMITS allows; {skipped} checks were left out in the last minute"
        );
        troubles.insert("checker".to_owned(), json!(text));
    }
    let check_due = state.meter.load().earliest_due;
    let alert_due = oldest_due(state, now).await.unwrap_or(None);
    for (name, due) in [("checker", check_due), ("sender", alert_due)] {
        let late_ms = due.map_or(0, |due| now.since(due));
        if late_ms > LATE_MS {
            let text = format!("error: {} s late", late_ms / 1000);
            troubles.insert(name.to_owned(), json!(text));
        }
    }
    troubles
}

/// When the delivery that waits longest was due.
async fn oldest_due(state: &AppState, now: Timestamp) -> store::Result<Option<Timestamp>> {
    let mut reader = state.db.read().await?;
    store::outbox::oldest_due(&mut reader.conn(), now).await
}

/// When the sign of life was written. On a full disk the database can still be read, so that only this shows it.
async fn last_written(state: &AppState) -> store::Result<Option<Timestamp>> {
    let mut reader = state.db.read().await?;
    let text = store::settings::get(&mut reader.conn(), LAST_ALIVE).await?;
    Ok(text.and_then(|text| text.parse().ok()).map(Timestamp))
}
