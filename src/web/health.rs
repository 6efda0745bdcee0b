//! `/healthz` and `/readyz`: whether the process serves, and whether it does its work (contract, section 8).

use std::time::Duration;

use actix_web::{HttpResponse, web};
use serde_json::{Map, Value, json};

use super::state::AppState;

/// A database that takes longer than this to answer is not ready.
const DATABASE_LIMIT: Duration = Duration::from_secs(5);

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
        }
        Err(_) => {
            let text = format!("error: no answer within {} s", DATABASE_LIMIT.as_secs());
            troubles.insert("database".to_owned(), json!(text));
        }
    }
    troubles
}
