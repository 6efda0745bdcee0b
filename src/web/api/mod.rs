//! The REST API, `/api/v1` (contract, section 5): one file a resource.

pub mod channels;
pub mod deliveries;
pub mod escalation_policies;
pub mod history;
pub mod incidents;
pub mod maintenance_windows;
pub mod monitors;
pub mod openapi;
pub mod overview;
pub mod probes;
pub mod routes;
mod schema_fields;
mod schema_probes;
mod schemas;
pub mod shown;
pub mod tokens;
mod uptime;
pub mod users;

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest, HttpResponse, web};

use super::error::ApiError;
use super::state::AppState;

/// What every handler may reach.
pub type State = web::Data<AppState>;
/// What a handler gives.
pub type Answer = Result<HttpResponse, ApiError>;

/// The `{id}` of an address. Whatever is not a number names nothing that exists.
#[derive(Debug, Clone, Copy)]
pub struct Id(pub i64);

impl FromRequest for Id {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(number(req, "id").map(Self))
    }
}

/// A number in an address.
fn number(req: &HttpRequest, name: &str) -> Result<i64, ApiError> {
    let text = req.match_info().get(name).unwrap_or_default();
    text.parse().map_err(|_| ApiError::NotFound("there is nothing at this address".to_owned()))
}
