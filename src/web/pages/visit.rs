//! Who looks at a page, how they like it, and the frame around it.

use std::future::{Ready, ready};

use actix_web::cookie::{Cookie, SameSite, time::Duration};
use actix_web::dev::Payload;
use actix_web::http::header;
use actix_web::{FromRequest, HttpMessage, HttpRequest, HttpResponse, web};

use super::error::{Page, PageError};
use super::text::{Viewer, count};
use crate::account::{Permission, Principal};
use crate::monitor::Status;
use crate::store::{incidents, monitors, probes};
use crate::web::error::ApiError;
use crate::web::state::AppState;

/// The cookie that remembers the theme: `light`, `dark` or `auto`.
pub const THEME_COOKIE: &str = "watchbell_theme";
/// The cookie that turns the keyboard shortcuts off: `off`.
const KEYS_COOKIE: &str = "watchbell_keys";
/// The cookie in which the script keeps the browser's time zone.
const ZONE_COOKIE: &str = "watchbell_zone";

/// The keys, as the help lists them.
const KEYS: [(&[&str], &str); 17] = [
    (&["/"], "search"),
    (&["Ctrl K"], "jump to a monitor"),
    (&["J", "K"], "next, previous row"),
    (&["Enter"], "open"),
    (&["X"], "select"),
    (&["Shift X"], "select up to here"),
    (&["N"], "new monitor"),
    (&["E"], "edit"),
    (&["A"], "acknowledge"),
    (&["R"], "run a check now"),
    (&["P"], "pause or resume"),
    (&["Z"], "undo"),
    (&["G", "M"], "monitors"),
    (&["G", "I"], "incidents"),
    (&["G", "C"], "channels"),
    (&["Ctrl Enter"], "save a form"),
    (&["Esc"], "close or clear"),
];

/// Somebody who is signed in and asks for a page.
pub struct Visit {
    /// The application.
    pub state: web::Data<AppState>,
    /// Who it is.
    pub who: Principal,
    /// When and where they look.
    pub viewer: Viewer,
    /// Their theme.
    pub theme: &'static str,
    /// Whether keyboard shortcuts are on.
    pub has_keys: bool,
    /// The address they asked for.
    pub path: String,
    /// Whether the script asks for a part to put in place, not for a page.
    pub wants_part: bool,
}

impl FromRequest for Visit {
    type Error = PageError;
    type Future = Ready<Result<Self, PageError>>;

    fn from_request(req: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::read(req))
    }
}

impl Visit {
    fn read(req: &HttpRequest) -> Result<Self, PageError> {
        let state = state(req)?;
        let path = req.uri().path_and_query().map_or("/", |p| p.as_str()).to_owned();
        let who = req.extensions().get::<Principal>().cloned();
        // After a form was posted there is no page to come back to, as its answer is not one.
        let back = if req.method().is_safe() { path.clone() } else { "/".to_owned() };
        let who = who.ok_or(PageError::SignIn { back })?;
        Ok(Self {
            viewer: viewer(req, &state),
            theme: theme(req),
            has_keys: has_keys(req),
            wants_part: req.headers().contains_key("x-part"),
            state,
            who,
            path,
        })
    }

    /// Turns away who may not do what needs `permission`.
    ///
    /// # Errors
    /// 403 with the role that is needed.
    pub fn must_be_allowed(&self, permission: Permission) -> Result<(), PageError> {
        if self.who.role.may(permission) {
            return Ok(());
        }
        let needed = if permission == Permission::Administer { "an admin" } else { "an editor" };
        Err(ApiError::Forbidden(format!(
            "this needs {needed}; you are signed in as {}, a {}",
            self.who.name, self.who.role
        ))
        .into())
    }

    /// The frame around a page.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn shell(&self, nav: &'static str, title: &str) -> Result<Shell, PageError> {
        let mut reader = self.state.db.read().await?;
        let by_status = monitors::count_by_status(&mut reader.conn()).await?;
        let unresolved = incidents::Filter { unresolved: Some(true), ..Default::default() };
        let open = incidents::count(&mut reader.conn(), unresolved).await?;
        let probes = probes::count(&mut reader.conn()).await?;
        let down = by_status.iter().find(|(status, _)| *status == Status::Down);
        let monitors: i64 = by_status.iter().map(|(_, n)| n).sum();
        Ok(Shell {
            theme: self.theme,
            nav,
            title: page_title(title, down.map_or(0, |(_, n)| *n)),
            path: self.path.clone(),
            user: self.who.name.clone(),
            has_keys: self.has_keys,
            is_admin: self.who.role.may(Permission::Administer),
            monitors: count(usize::try_from(monitors).unwrap_or_default()),
            open_incidents: count(usize::try_from(open).unwrap_or_default()),
            probes: count(usize::try_from(probes).unwrap_or_default()),
            viewer: self.viewer,
        })
    }
}

fn page_title(title: &str, down: i64) -> String {
    if down > 0 { format!("({down} down) {title}") } else { title.to_owned() }
}

/// The application behind a request.
///
/// # Errors
/// When the server was put together without one.
pub fn state(req: &HttpRequest) -> Result<web::Data<AppState>, PageError> {
    let state = req.app_data::<web::Data<AppState>>().cloned();
    Ok(state.ok_or_else(|| ApiError::internal("the application has no state"))?)
}

/// When and where a request's sender looks.
pub fn viewer(req: &HttpRequest, state: &AppState) -> Viewer {
    let zone = req.cookie(ZONE_COOKIE);
    // Browsers write the slash of a zone as it is; some proxies encode it.
    let zone = zone.map(|cookie| cookie.value().replace("%2F", "/"));
    Viewer::new(state.clock.now(), zone.as_deref())
}

/// The theme that a request's cookie names.
pub fn theme(req: &HttpRequest) -> &'static str {
    req.cookie(THEME_COOKIE).map_or("auto", |cookie| known_theme(cookie.value()))
}

fn has_keys(req: &HttpRequest) -> bool {
    req.cookie(KEYS_COOKIE).is_none_or(|cookie| cookie.value() != "off")
}

fn known_theme(text: &str) -> &'static str {
    match text {
        "light" => "light",
        "dark" => "dark",
        _ => "auto",
    }
}

/// What stands around every page.
pub struct Shell {
    /// `light`, `dark` or `auto`.
    pub theme: &'static str,
    /// The part of the navigation that the page belongs to.
    pub nav: &'static str,
    /// The document's title.
    pub title: String,
    /// The page's own address.
    pub path: String,
    /// Who is signed in.
    pub user: String,
    /// Whether keyboard shortcuts are on.
    pub has_keys: bool,
    /// Whether they may change users and settings.
    pub is_admin: bool,
    /// How many monitors there are.
    pub monitors: String,
    /// How many incidents are open.
    pub open_incidents: String,
    /// How many probes there are.
    pub probes: String,
    /// When and where it is looked at.
    pub viewer: Viewer,
}

impl Shell {
    /// The wall time.
    pub fn clock(&self) -> String {
        self.viewer.clock(self.viewer.now)
    }

    /// The theme that a press of the button switches to.
    pub fn next_theme(&self) -> &'static str {
        match self.theme {
            "auto" => "dark",
            "dark" => "light",
            _ => "auto",
        }
    }

    /// The keys and what they do, for the help.
    pub fn keys(&self) -> Vec<(Vec<&'static str>, &'static str)> {
        KEYS.iter().map(|(keys, words)| (keys.to_vec(), *words)).collect()
    }

    /// One or two letters for the user.
    pub fn initials(&self) -> String {
        let name = self.user.split('@').next().unwrap_or_default();
        let words = name.split(['.', '-', '_', ' ']).filter(|w| !w.is_empty()).take(2);
        words.filter_map(|w| w.chars().next()).flat_map(char::to_uppercase).collect()
    }

    /// The name of the part of the navigation.
    pub fn section(&self) -> &'static str {
        match self.nav {
            "incidents" => "Incidents",
            "maintenance" => "Maintenance",
            "channels" => "Channels",
            "escalation" => "Escalation",
            "probes" => "Probes",
            "settings" => "Settings",
            _ => "Monitors",
        }
    }
}

/// What the theme button posts.
#[derive(serde::Deserialize)]
pub struct ThemeChoice {
    theme: String,
    back: String,
}

/// `POST /theme`: remembers the theme, for people without script too.
pub async fn set_theme(choice: web::Form<ThemeChoice>) -> Page {
    let mut response = see_other(local(&choice.back));
    remember(&mut response, THEME_COOKIE, known_theme(&choice.theme));
    Ok(response)
}

/// What is chosen of the looks and keys of the pages.
#[derive(serde::Deserialize)]
pub struct Taste {
    theme: String,
    #[serde(default)]
    keys: String,
}

/// `POST /settings/profile/taste`: theme and keyboard shortcuts of this browser.
pub async fn set_taste(taste: web::Form<Taste>) -> Page {
    let mut response = see_other("/settings/profile?done=taste");
    remember(&mut response, THEME_COOKIE, known_theme(&taste.theme));
    remember(&mut response, KEYS_COOKIE, if taste.keys.is_empty() { "off" } else { "on" });
    Ok(response)
}

fn remember(response: &mut HttpResponse, name: &'static str, value: &'static str) {
    let cookie = Cookie::build(name, value)
        .path("/")
        .same_site(SameSite::Lax)
        .max_age(Duration::days(400))
        .finish();
    // Fails only for a cookie that cannot be written as a header, and this one can.
    if let Err(error) = response.add_cookie(&cookie) {
        tracing::warn!(%error, name, "a choice could not be remembered");
    }
}

/// A path of our own, whatever was asked for: nobody is led to another site.
pub fn local(path: &str) -> &str {
    let is_local = path.starts_with('/')
        && !path.starts_with("//")
        && !path.contains(['\\', '\r', '\n', '\t']);
    if is_local { path } else { "/" }
}

/// Leads the browser to `path` after a form was posted.
pub fn see_other(path: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, path)).finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_is_led_to_another_site() {
        for path in ["https://evil.example", "//evil.example", "/\\evil.example", "", "x", "/a\nb"]
        {
            assert_eq!(local(path), "/", "{path:?}");
        }
        assert_eq!(local("/monitors?q=a"), "/monitors?q=a");
    }
}
