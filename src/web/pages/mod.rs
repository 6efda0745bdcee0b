//! The pages: each file makes one page's view (plain data) and its template.

pub mod acknowledge;
pub mod actions;
mod assertion_rows;
mod buckets;
pub mod bulk;
mod certificate;
pub mod channel_form;
mod channel_rows;
pub mod channels;
pub mod charts;
pub mod checks;
mod checks_csv;
pub mod curves;
pub mod days;
pub mod deliveries;
pub mod error;
pub mod escalation;
mod escalation_editor;
mod escalation_form;
mod escalation_preview;
mod escalation_state;
pub mod form;
mod form_draft;
mod form_ticks;
pub mod heartbeat;
pub mod heartbeat_form;
pub mod history_bar;
pub mod incident;
mod incident_story;
pub mod incidents;
pub mod jump;
pub mod kinds;
mod lanes;
mod list_page;
pub mod list_query;
pub mod list_sections;
mod live_test;
pub mod maintenance;
pub mod maintenance_form;
mod marked;
pub mod monitor;
pub mod monitor_fields;
pub mod monitor_form;
pub mod monitor_head;
pub mod monitors;
mod monitors_many;
mod new_channel;
mod open_incidents;
pub mod ping_log;
mod plain_words;
mod pretty;
pub mod probe;
pub mod probes;
pub mod profile;
pub mod query;
pub mod raw;
pub mod regions;
mod response;
pub mod row;
pub mod runs;
mod self_check;
mod sent;
pub mod session;
pub mod settings;
pub mod snippets;
pub mod status;
mod suggest;
pub mod text;
pub mod tokens;
pub mod users;
pub mod visit;
pub mod window;
mod window_form;
mod window_plan;
mod window_preview;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::{Next, from_fn};
use actix_web::web::{self, ServiceConfig, get, post, resource, to};

use super::guard::authenticate;
use super::{assets, live};

/// The routes of all pages, and what answers where there is none. Must come last: it takes every address.
pub fn routes(config: &mut ServiceConfig) {
    assets::routes(config);
    let pages = web::scope("")
        .configure(error::extractors)
        .route("/", get().to(session::home))
        .service(
            resource("/setup")
                .route(get().to(session::setup_page))
                .route(post().to(session::set_up)),
        )
        .service(
            resource("/login")
                .route(get().to(session::login_page))
                .route(post().to(session::login)),
        )
        .service(
            resource("/acknowledge/{token}")
                .route(get().to(acknowledge::page))
                .route(post().to(acknowledge::acknowledge)),
        )
        .route("/login/code", post().to(session::login_code))
        .route("/logout", post().to(session::logout))
        .route("/theme", post().to(visit::set_theme))
        .route("/events", get().to(live::events))
        .service(
            resource("/monitors")
                .route(get().to(monitors::list))
                .route(post().to(monitor_form::create)),
        )
        .route("/monitors/bulk", post().to(bulk::bulk))
        .route("/monitors/jump", get().to(jump::jump))
        .route("/monitors/new", get().to(monitor_form::new_page))
        .service(
            resource("/monitors/many")
                .route(get().to(monitors_many::page))
                .route(post().to(monitors_many::create)),
        )
        .route("/monitors/schedule", get().to(heartbeat_form::meaning))
        .service(
            resource("/monitors/{id}")
                .route(get().to(monitor::page))
                .route(post().to(monitor_form::update)),
        )
        .route("/monitors/{id}/edit", get().to(monitor_form::edit_page))
        .route("/monitors/{id}/checks", get().to(checks::page))
        .route("/monitors/{id}/checks.csv", get().to(checks_csv::csv))
        .route("/monitors/{id}/check", post().to(actions::check))
        .route("/monitors/{id}/pause", post().to(actions::pause))
        .route("/monitors/{id}/resume", post().to(actions::resume))
        .service(
            resource("/monitors/{id}/delete")
                .route(get().to(actions::delete_page))
                .route(post().to(actions::delete)),
        )
        .service(
            resource("/monitors/{id}/rotate")
                .route(get().to(actions::rotate_page))
                .route(post().to(actions::rotate)),
        )
        .route("/monitors/{id}/pings/{n}", get().to(monitor::ping_body))
        .route("/channels", get().to(channels::page))
        .service(
            resource("/channels/new/{kind}")
                .route(get().to(channel_form::new_page))
                .route(post().to(channel_form::create)),
        )
        .service(
            resource("/channels/{id}")
                .route(get().to(channel_form::edit_page))
                .route(post().to(channel_form::update)),
        )
        .route("/channels/{id}/test", post().to(channels::test))
        .service(
            resource("/channels/{id}/delete")
                .route(get().to(channels::delete_page))
                .route(post().to(channels::delete)),
        )
        .route("/escalation", get().to(escalation::list))
        .service(
            resource("/escalation/new")
                .route(get().to(escalation::new_page))
                .route(post().to(escalation::create)),
        )
        .service(
            resource("/escalation/{id}")
                .route(get().to(escalation::edit_page))
                .route(post().to(escalation::update)),
        )
        .route("/escalation/{id}/test", post().to(escalation::test))
        .service(
            resource("/escalation/{id}/delete")
                .route(get().to(escalation::delete_page))
                .route(post().to(escalation::delete)),
        )
        .route("/channels/new/{kind}/try", post().to(channel_form::try_new))
        .route("/channels/{id}/try", post().to(channel_form::try_edit))
        .route("/deliveries/{id}", get().to(deliveries::page))
        .route("/deliveries/{id}/retry", post().to(deliveries::retry))
        .route("/incidents", get().to(incidents::list))
        .route("/incidents/{id}", get().to(incident::page))
        .route("/incidents/{id}/acknowledge", post().to(incident::acknowledge))
        .route("/incidents/{id}/comments", post().to(incident::comment))
        .service(
            resource("/maintenance")
                .route(get().to(maintenance::list))
                .route(post().to(maintenance_form::create)),
        )
        .route("/maintenance/preview", post().to(maintenance_form::preview_new))
        .route("/maintenance/{id}/preview", post().to(maintenance_form::preview_edit))
        .route("/maintenance/new", get().to(maintenance_form::new_page))
        .service(
            resource("/maintenance/{id}")
                .route(get().to(maintenance_form::edit_page))
                .route(post().to(maintenance_form::update)),
        )
        .route("/maintenance/{id}/end", post().to(maintenance::end))
        .route("/maintenance/{id}/extend", post().to(maintenance::extend))
        .service(
            resource("/maintenance/{id}/delete")
                .route(get().to(maintenance::delete_page))
                .route(post().to(maintenance::delete)),
        )
        .configure(probe_routes)
        .configure(settings_routes)
        .service(
            resource("/settings/tokens")
                .route(get().to(tokens::page))
                .route(post().to(tokens::create)),
        )
        .route("/settings/tokens/{id}/revoke", post().to(tokens::revoke));
    config.service(
        pages
            .default_service(to(error::not_found))
            .wrap(from_fn(authenticate))
            .wrap(from_fn(head_as_get)),
    );
}

fn probe_routes(config: &mut ServiceConfig) {
    config
        .service(resource("/probes").route(get().to(probes::page)).route(post().to(probes::create)))
        .route("/probes/{id}", get().to(probe::page))
        .route("/probes/{id}/enabled", post().to(probe::set_enabled))
        .service(
            resource("/probes/{id}/rotate")
                .route(get().to(probe::rotate_page))
                .route(post().to(probe::rotate)),
        )
        .service(
            resource("/probes/{id}/delete")
                .route(get().to(probe::delete_page))
                .route(post().to(probe::delete)),
        );
}

fn settings_routes(config: &mut ServiceConfig) {
    config
        .route("/settings", get().to(settings::index))
        .service(
            resource("/settings/mail")
                .route(get().to(settings::mail))
                .route(post().to(settings::set_mail)),
        )
        .route("/settings/mail/test", post().to(settings::test_mail))
        .service(
            resource("/settings/server")
                .route(get().to(settings::server))
                .route(post().to(settings::set_server)),
        )
        .service(
            resource("/settings/users")
                .route(get().to(users::list))
                .route(post().to(users::create)),
        )
        .route("/settings/users/{id}", get().to(users::page))
        .route("/settings/users/{id}/role", post().to(users::set_role))
        .route("/settings/users/{id}/password", post().to(users::set_password))
        .route("/settings/users/{id}/second-factor/remove", post().to(users::remove_second_factor))
        .route("/settings/users/{id}/remove", post().to(users::remove))
        .route("/settings/profile", get().to(profile::page))
        .route("/settings/profile/email", post().to(profile::set_email))
        .route("/settings/profile/password", post().to(profile::set_password))
        .route("/settings/profile/taste", post().to(visit::set_taste))
        .route("/settings/profile/second-factor", post().to(profile::begin_second_factor))
        .route("/settings/profile/second-factor/confirm", post().to(profile::confirm_second_factor))
        .route("/settings/profile/second-factor/cancel", post().to(profile::cancel_second_factor))
        .route("/settings/profile/second-factor/remove", post().to(profile::remove_second_factor))
        .route("/settings/profile/sessions/end-others", post().to(profile::end_others))
        .route("/settings/profile/sessions/{id}/end", post().to(profile::end_session));
}

/// Middleware: a page that can be read answers HEAD too (RFC 9110, section 9.3.2), as monitors of this monitor ask so. The
/// server leaves the body out. Not the event stream, which would never end.
async fn head_as_get(
    mut req: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, actix_web::Error> {
    if req.method() == Method::HEAD && req.path() != "/events" {
        req.head_mut().method = Method::GET;
    }
    next.call(req).await
}

/// The units that a span may be given in, with the seconds that each has.
pub const UNITS: [(u32, &str); 4] =
    [(1, "seconds"), (60, "minutes"), (3600, "hours"), (86_400, "days")];
