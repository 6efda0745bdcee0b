//! API tokens: making one shows its secret once; revoking ends it at once.

use actix_web::http::StatusCode;
use actix_web::web;
use askama::Template;

use super::error::{Page, show_as};
use super::form::{Form, Input};
use super::probes::{FreshQuery, show_once};
use super::query::PageQuery;
use super::text::Html;
use super::visit::{Shell, Visit, see_other};
use crate::account::{self, Permission, Role, api_token};
use crate::store::api_tokens;

/// Tokens on the page at most.
const TOKENS: i64 = 500;

/// A token in the list.
pub struct TokenRow {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// What it may do.
    pub role: Role,
    /// When it was made.
    pub created: Html,
    /// When it was last used.
    pub used: Html,
}

#[derive(Template)]
#[template(path = "pages/tokens.html")]
struct TokensPage {
    shell: Shell,
    tokens: Vec<TokenRow>,
    form: Form,
    secret: String,
    tab: &'static str,
}

async fn view(visit: &Visit, status: StatusCode, form: Form, secret: String) -> Page {
    visit.must_be_allowed(Permission::Administer)?;
    let viewer = visit.viewer;
    let mut reader = visit.state.db.read().await?;
    let found = api_tokens::list(&mut reader.conn(), TOKENS, 0).await?;
    let row = |token: api_token::ApiToken| TokenRow {
        id: token.id,
        name: token.name,
        role: token.role,
        created: viewer.ago_html(token.created_at),
        used: token.last_used_at.map_or_else(|| Html("never".to_owned()), |at| viewer.ago_html(at)),
    };
    let page = TokensPage {
        shell: visit.shell("settings", "API tokens").await?,
        tokens: found.into_iter().map(row).collect(),
        form,
        secret,
        tab: "tokens",
    };
    show_as(status, &page)
}

/// `GET /settings/tokens`.
pub async fn page(visit: Visit, PageQuery(query): PageQuery<FreshQuery>) -> Page {
    visit.must_be_allowed(Permission::Administer)?;
    let secret = query.take(&visit).map(|fresh| fresh.secret).unwrap_or_default();
    view(&visit, StatusCode::OK, Form::default(), secret).await
}

/// `POST /settings/tokens`: the page that follows has the secret, this once.
pub async fn create(visit: Visit, input: Input) -> Page {
    visit.must_be_allowed(Permission::Administer)?;
    let role = input.get("role").parse().unwrap_or(Role::Viewer);
    match api_token::create(&visit.state.db, input.get("name"), role, visit.viewer.now).await {
        Ok((token, secret)) => Ok(show_once(&visit, "/settings/tokens", token.name, secret)),
        Err(account::Error::Fields(errors)) => {
            let form = Form::refused(&input, &errors, &[("name", "The name")]);
            view(&visit, StatusCode::UNPROCESSABLE_ENTITY, form, String::new()).await
        }
        Err(error) => Err(error.into()),
    }
}

/// `POST /settings/tokens/{id}/revoke`.
pub async fn revoke(visit: Visit, id: web::Path<i64>) -> Page {
    visit.must_be_allowed(Permission::Administer)?;
    api_token::revoke(&visit.state.db, *id, visit.viewer.now).await?;
    visit.state.access_changed();
    Ok(see_other("/settings/tokens"))
}
