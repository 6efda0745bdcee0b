//! Users, for admins: add, role, password, second factor, remove; never the last admin.

use actix_web::http::StatusCode;
use actix_web::web;
use askama::Template;

use super::error::{Page, PageError, sentence, show_as};
use super::form::{Form, Input};
use super::query::PageQuery;
use super::settings::Done;
use super::text::Html;
use super::visit::{Shell, Visit, see_other};
use crate::account::user::User;
use crate::account::{self, Permission, Role, Via, second_factor, user};
use crate::store::{second_factors, users};

/// Users on the page at most.
const USERS: i64 = 1_000;
const LABELS: [(&str, &str); 3] =
    [("email", "The address"), ("password", "The password"), ("role", "The role")];

struct UserRow {
    user: User,
    made: Html,
    has_second_factor: bool,
    is_self: bool,
}

#[derive(Template)]
#[template(path = "pages/users.html")]
struct UsersPage {
    shell: Shell,
    tab: &'static str,
    users: Vec<UserRow>,
    form: Form,
    done: &'static str,
}

#[derive(Template)]
#[template(path = "pages/user.html")]
struct UserPage {
    shell: Shell,
    user: User,
    has_second_factor: bool,
    is_self: bool,
    form: Form,
    wrong: String,
    done: &'static str,
}

/// The roles to choose from, and what each may.
pub const ROLES: [(Role, &str); 3] = [
    (Role::Viewer, "read (viewer)"),
    (Role::Editor, "change monitors, channels and incidents (editor)"),
    (Role::Admin, "do everything (admin)"),
];

fn done_words(done: &str) -> &'static str {
    match done {
        "added" => "The user was added.",
        "removed" => "The user was removed, and all of its sessions have ended.",
        "role" => "The role was changed.",
        "password" => "The password was set, and all sessions of the user have ended.",
        "second-factor" => "Two-factor sign-in is off, and all sessions of the user have ended.",
        _ => "",
    }
}

fn own_id(visit: &Visit) -> Option<i64> {
    match visit.who.via {
        Via::Session { user_id } => Some(user_id),
        Via::Token { .. } => None,
    }
}

async fn list_view(visit: &Visit, status: StatusCode, form: Form, done: &str) -> Page {
    let mut reader = visit.state.db.read().await?;
    let conn = &mut reader.conn();
    let (found, secured) = (users::list(conn, USERS, 0).await?, second_factors::users(conn).await?);
    drop(reader);
    let row = |user: User| UserRow {
        made: visit.viewer.ago_html(user.created_at),
        has_second_factor: secured.contains(&user.id),
        is_self: own_id(visit) == Some(user.id),
        user,
    };
    let shell = visit.shell("settings", "Users").await?;
    let users = found.into_iter().map(row).collect();
    show_as(status, &UsersPage { shell, tab: "users", users, form, done: done_words(done) })
}

/// `GET /settings/users`.
pub async fn list(visit: Visit, PageQuery(done): PageQuery<Done>) -> Page {
    visit.must_be_allowed(Permission::Administer)?;
    list_view(&visit, StatusCode::OK, Form::default(), &done.done).await
}

/// `POST /settings/users`.
pub async fn create(visit: Visit, input: Input) -> Page {
    visit.must_be_allowed(Permission::Administer)?;
    let role = input.get("role").parse().unwrap_or(Role::Viewer);
    // A password is taken as it is typed: its spaces count.
    let password = input.all("password").next().unwrap_or_default();
    let (db, passwords) = (&visit.state.db, visit.state.logins.passwords());
    let made = user::create(db, passwords, input.get("email"), password, role, visit.viewer.now);
    match made.await {
        Ok(_) => Ok(see_other("/settings/users?done=added")),
        Err(account::Error::Fields(errors)) => {
            let form = Form::refused(&input, &errors, &LABELS).with("password", "");
            list_view(&visit, StatusCode::UNPROCESSABLE_ENTITY, form, "").await
        }
        Err(error) => Err(error.into()),
    }
}

async fn view(
    visit: &Visit,
    id: i64,
    status: StatusCode,
    form: Form,
    wrong: String,
    done: &str,
) -> Page {
    let mut reader = visit.state.db.read().await?;
    let conn = &mut reader.conn();
    let user = users::get(conn, id).await?.ok_or_else(|| PageError::no_such("user"))?;
    let has_second_factor = second_factor::is_on(conn, id).await?;
    drop(reader);
    let shell = visit.shell("settings", &user.email).await?;
    let is_self = own_id(visit) == Some(id);
    let done = done_words(done);
    show_as(status, &UserPage { shell, user, has_second_factor, is_self, form, wrong, done })
}

/// `GET /settings/users/{id}`.
pub async fn page(visit: Visit, id: web::Path<i64>, PageQuery(done): PageQuery<Done>) -> Page {
    visit.must_be_allowed(Permission::Administer)?;
    view(&visit, *id, StatusCode::OK, Form::default(), String::new(), &done.done).await
}

/// What came of a change of a user: onwards, or the page with the reason.
async fn after(visit: &Visit, id: i64, input: &Input, done: account::Result<()>, to: &str) -> Page {
    match done {
        Ok(()) => {
            visit.state.access_changed();
            Ok(see_other(to))
        }
        Err(account::Error::Fields(errors)) => {
            let form = Form::refused(input, &errors, &LABELS).with("password", "");
            view(visit, id, StatusCode::UNPROCESSABLE_ENTITY, form, String::new(), "").await
        }
        Err(account::Error::Conflict(reason)) => {
            let wrong = sentence(&reason);
            view(visit, id, StatusCode::CONFLICT, Form::default(), wrong, "").await
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /settings/users/{id}/role`.
pub async fn set_role(visit: Visit, id: web::Path<i64>, input: Input) -> Page {
    visit.must_be_allowed(Permission::Administer)?;
    let role = input.get("role").parse().unwrap_or(Role::Viewer);
    let set = user::set_role(&visit.state.db, *id, role).await.map(drop);
    after(&visit, *id, &input, set, &format!("/settings/users/{id}?done=role")).await
}

/// `POST /settings/users/{id}/password`.
pub async fn set_password(visit: Visit, id: web::Path<i64>, input: Input) -> Page {
    visit.must_be_allowed(Permission::Administer)?;
    let password = input.all("password").next().unwrap_or_default();
    let (db, passwords) = (&visit.state.db, visit.state.logins.passwords());
    let set = user::set_password(db, passwords, *id, password).await;
    after(&visit, *id, &input, set, &format!("/settings/users/{id}?done=password")).await
}

/// `POST /settings/users/{id}/second-factor/remove`: for somebody who has lost the phone.
pub async fn remove_second_factor(visit: Visit, id: web::Path<i64>) -> Page {
    visit.must_be_allowed(Permission::Administer)?;
    let removed = second_factor::remove(&visit.state.db, *id).await.map(drop);
    let to = format!("/settings/users/{id}?done=second-factor");
    after(&visit, *id, &Input::default(), removed, &to).await
}

/// `POST /settings/users/{id}/remove`.
pub async fn remove(visit: Visit, id: web::Path<i64>) -> Page {
    visit.must_be_allowed(Permission::Administer)?;
    let removed = user::remove(&visit.state.db, *id).await;
    after(&visit, *id, &Input::default(), removed, "/settings/users?done=removed").await
}
