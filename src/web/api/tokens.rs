//! `/tokens`: API tokens, for admins.

use actix_web::HttpResponse;
use serde_json::{Map, Value, json};

use super::{Answer, Id, State};
use crate::account::Role;
use crate::account::api_token::{self, ApiToken};
use crate::fields::{FieldErrors, Fields, leave_out_shown};
use crate::store::api_tokens;
use crate::web::body::{Object, created, data};
use crate::web::error::ApiError;
use crate::web::list::Query;

/// `GET /tokens`.
pub async fn list(state: State, mut query: Query) -> Answer {
    let page = query.page();
    query.finish()?;
    let mut reader = state.db.read().await?;
    let rows = api_tokens::list(&mut reader.conn(), page.limit(), page.offset()).await?;
    let total = api_tokens::count(&mut reader.conn()).await?;
    Ok(page.answer(rows, total))
}

/// `POST /tokens`: the answer has the secret, this once.
pub async fn create(state: State, Object(map): Object) -> Answer {
    let (name, role) = read(&map, None)?;
    let (token, secret) = api_token::create(&state.db, &name, role, state.clock.now()).await?;
    let mut shown = json!(token);
    shown["token"] = json!(secret);
    Ok(created(format!("/api/v1/tokens/{}", token.id), shown))
}

/// `GET /tokens/{id}`.
pub async fn get(state: State, Id(id): Id) -> Answer {
    Ok(data(find(&state, id).await?))
}

/// `PATCH /tokens/{id}`.
pub async fn update(state: State, Id(id): Id, Object(mut map): Object) -> Answer {
    let current = find(&state, id).await?;
    leave_out_shown(&mut map, &json!(current));
    let (name, role) = read(&map, Some(&current))?;
    Ok(data(api_token::update(&state.db, id, &name, role).await?))
}

/// `DELETE /tokens/{id}`: revokes it at once.
pub async fn remove(state: State, Id(id): Id) -> Answer {
    api_token::revoke(&state.db, id, state.clock.now()).await?;
    state.access_changed();
    Ok(HttpResponse::NoContent().finish())
}

async fn find(state: &State, id: i64) -> Result<ApiToken, ApiError> {
    let mut reader = state.db.read().await?;
    api_tokens::get(&mut reader.conn(), id).await?.ok_or_else(|| ApiError::no_such("token"))
}

fn read(
    map: &Map<String, Value>,
    current: Option<&ApiToken>,
) -> Result<(String, Role), FieldErrors> {
    let mut fields = Fields::new(map);
    let name = fields.name("name", None, current.map(|token| token.name.clone()));
    let role = fields.read("role", Role::Viewer, current.map(|token| token.role), read_role);
    fields.finish()?;
    Ok((name, role))
}

/// The word for a role.
///
/// # Errors
/// The reason, with the words there are.
pub fn read_role(value: &Value) -> Result<Role, String> {
    value.as_str().unwrap_or_default().parse()
}
