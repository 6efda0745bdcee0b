//! The pages: each file makes one page's view (plain data) and its template.

pub mod channels;
pub mod charts;
pub mod days;
pub mod error;
pub mod form;
pub mod history_bar;
pub mod monitors;
pub mod row;
pub mod session;
pub mod status;
pub mod text;
pub mod visit;

use actix_web::middleware::from_fn;
use actix_web::web::{self, FormConfig, ServiceConfig, get, post, resource, to};

use super::assets;
use super::guard::authenticate;

/// The most bytes of a posted form: a request body of 1 MiB, and room for how forms write it.
const FORM_MAX: usize = 4 << 20;

/// The routes of all pages, and what answers where there is none. Must come last: it takes every address.
pub fn routes(config: &mut ServiceConfig) {
    assets::routes(config);
    let pages = web::scope("")
        .app_data(FormConfig::default().limit(FORM_MAX))
        .route("/", get().to(session::home))
        .service(resource("/setup").route(get().to(session::setup_page)).route(post().to(session::set_up)))
        .service(resource("/login").route(get().to(session::login_page)).route(post().to(session::login)))
        .route("/logout", post().to(session::logout))
        .route("/theme", post().to(visit::set_theme))
        .service(resource("/monitors").route(get().to(monitors::list)));
    config.service(pages.default_service(to(error::not_found)).wrap(from_fn(authenticate)));
}

/// The units that a span may be given in, with the seconds that each has.
pub const UNITS: [(u32, &str); 4] = [(1, "seconds"), (60, "minutes"), (3600, "hours"), (86_400, "days")];
