//! The web: pages, the API, and the gate before them.

pub mod api;
pub mod assets;
pub mod body;
pub mod client;
pub mod error;
pub mod guard;
pub mod health;
pub mod list;
pub mod live;
pub mod metrics;
pub mod pages;
pub mod ping;
pub mod ping_batcher;
pub mod remote;
pub mod server;
pub mod shown_once;
pub mod state;
pub mod table;
pub mod undo;

use actix_web::http::header::CACHE_CONTROL;
use actix_web::middleware::{DefaultHeaders, from_fn};
use actix_web::web::{self, ServiceConfig};

use error::ApiError;

/// Every address of the server. [`guard::security_headers`] belongs around all of it.
pub fn routes(cfg: &mut ServiceConfig) {
    // First, as there is no more of anything than of pings.
    cfg.configure(ping::routes);
    cfg.service(
        web::resource(["/healthz", "/healthz/"]).get(health::healthz).head(health::healthz),
    )
    .service(web::resource(["/readyz", "/readyz/"]).get(health::readyz).head(health::readyz))
    .service(
        web::resource(["/metrics", "/metrics/"])
            .get(metrics::metrics)
            .head(metrics::metrics)
            .wrap(from_fn(guard::authenticate)),
    )
    .service(
        web::resource(["/api/docs", "/api/docs/"]).get(api::openapi::page).head(api::openapi::page),
    )
    .configure(remote::routes)
    .service(api_v1())
    .configure(pages::routes);
}

/// `/api/v1`: who asks is found out for all of it, what they may is in its table.
fn api_v1() -> impl actix_web::dev::HttpServiceFactory {
    let mut scope = web::scope("/api/v1");
    for resource in api::routes::table().resources {
        scope = scope.service(resource);
    }
    // What is true now, and now and then a secret: nobody on the way may keep it.
    let fresh = DefaultHeaders::new().add((CACHE_CONTROL, "no-store"));
    scope.default_service(web::to(nothing_here)).wrap(from_fn(guard::authenticate)).wrap(fresh)
}

async fn nothing_here() -> Result<&'static str, ApiError> {
    Err(ApiError::NotFound("there is nothing at this address; see /api/docs".to_owned()))
}
