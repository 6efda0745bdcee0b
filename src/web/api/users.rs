//! `/users`: people who may sign in, for admins.

use actix_web::HttpResponse;
use serde_json::{Map, Value, json};

use super::tokens::read_role;
use super::{Answer, Id, State};
use crate::account::Role;
use crate::account::password::{self, LENGTH_MAX};
use crate::account::user::{self, User};
use crate::fields::{FieldErrors, Fields, leave_out_shown, parse_text};
use crate::store::users;
use crate::web::body::{Object, created, data};
use crate::web::error::ApiError;
use crate::web::list::Query;

/// `GET /users`.
pub async fn list(state: State, mut query: Query) -> Answer {
    let page = query.page();
    query.finish()?;
    let mut reader = state.db.read().await?;
    let rows = users::list(&mut reader.conn(), page.limit(), page.offset()).await?;
    let total = users::count(&mut reader.conn()).await?;
    Ok(page.answer(rows, total))
}

/// `POST /users`.
pub async fn create(state: State, Object(map): Object) -> Answer {
    let mut fields = Fields::new(&map);
    let email = fields.read("email", String::new(), None, read_email);
    if !fields.given("email") {
        fields.wrong("email", "is missing: give an e-mail address");
    }
    let password = read_password(&mut fields);
    if password.is_none() {
        fields.wrong("password", "is missing: give a password");
    }
    let role = fields.read("role", Role::Viewer, None, read_role);
    fields.finish()?;
    let (passwords, now) = (state.logins.passwords(), state.clock.now());
    let password = password.unwrap_or_default();
    let made = user::create(&state.db, passwords, &email, &password, role, now).await?;
    Ok(created(format!("/api/v1/users/{}", made.id), made))
}

/// `GET /users/{id}`.
pub async fn get(state: State, Id(id): Id) -> Answer {
    Ok(data(find(&state, id).await?))
}

/// `PATCH /users/{id}`: the role, the password, or both.
pub async fn update(state: State, Id(id): Id, Object(mut map): Object) -> Answer {
    let current = find(&state, id).await?;
    leave_out_shown(&mut map, &json!(current));
    let (role, password) = read_update(&map, &current)?;
    // The role first: it may be refused, and then nothing must have changed.
    let changed = user::set_role(&state.db, id, role).await?;
    if let Some(password) = password {
        user::set_password(&state.db, state.logins.passwords(), id, &password).await?;
        state.access_changed();
    }
    Ok(data(changed))
}

/// `DELETE /users/{id}`.
pub async fn remove(state: State, Id(id): Id) -> Answer {
    user::remove(&state.db, id).await?;
    state.access_changed();
    Ok(HttpResponse::NoContent().finish())
}

async fn find(state: &State, id: i64) -> Result<User, ApiError> {
    let mut reader = state.db.read().await?;
    users::get(&mut reader.conn(), id).await?.ok_or_else(|| ApiError::no_such("user"))
}

fn read_update(
    map: &Map<String, Value>,
    current: &User,
) -> Result<(Role, Option<String>), FieldErrors> {
    let mut fields = Fields::new(map);
    if fields.raw("email").is_some_and(|given| given.as_str() != Some(current.email.as_str())) {
        fields.wrong("email", "cannot be changed; add another user instead");
    }
    let role = fields.read("role", Role::Viewer, Some(current.role), read_role);
    let password = read_password(&mut fields);
    fields.finish()?;
    Ok((role, password))
}

fn read_email(value: &Value) -> Result<String, String> {
    user::parse_email(&parse_text(value, 1000)?)
}

fn read_password(fields: &mut Fields<'_>) -> Option<String> {
    fields.read("password", None, None, |value| {
        let text = parse_text(value, LENGTH_MAX)?;
        password::check(&text)?;
        Ok(Some(text))
    })
}
