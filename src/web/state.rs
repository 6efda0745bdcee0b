//! What every handler may reach.

use std::sync::Arc;

use ipnet::IpNet;
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::account::login::Logins;
use crate::base_url::BaseUrl;
use crate::checker::Engine;
use crate::checker::meter::Meter;
use crate::checker::trial::Trials;
use crate::clock::SharedClock;
use crate::live::LiveEvent;
use crate::notify::outbox::Sender;
use crate::region::hub::Hub;
use crate::seal::Sealer;
use crate::server_settings::ServerSettings;
use crate::store::Db;
use crate::web::guard::TokenLimit;
use crate::web::shown_once::ShownOnce;
use crate::web::undo::UndoLog;

/// The state shared by all workers of the web server.
pub struct AppState {
    /// The database.
    pub db: Db,
    /// Where "now" comes from.
    pub clock: SharedClock,
    /// The handle through which monitors, incidents and windows are changed.
    pub engine: Engine,
    /// Tests settings that are not saved yet.
    pub trials: Trials,
    /// Seals and opens secrets of the database.
    pub sealer: Sealer,
    /// The server's own region.
    pub region: String,
    /// What probes are told to check, and what was heard of them.
    pub hub: Hub,
    /// What links and ping URLs start with.
    pub base_url: BaseUrl,
    /// Networks whose `X-Forwarded-*` headers are believed.
    pub trusted_proxies: Vec<IpNet>,
    /// The sender of alerts: tests a channel, tries a delivery again.
    pub outbox: Sender,
    /// Mail, retention, canaries: what the settings page changes.
    pub settings: Arc<ServerSettings>,
    /// What open pages are told.
    pub live: broadcast::Sender<LiveEvent>,
    /// Asks streams to end when the server stops.
    pub stop: CancellationToken,
    /// What the checker shows of itself.
    pub meter: Arc<Meter>,
    /// Whether `/metrics` is open to all.
    pub metrics_public: bool,
    /// The door for people.
    pub logins: Logins,
    /// How often each token was used.
    pub token_limit: TokenLimit,
    /// What can be undone.
    pub undo: UndoLog,
    /// Secrets that were just made.
    pub shown_once: ShownOnce,
}

impl AppState {
    /// Whether mail can be sent; without, e-mail channels are refused.
    pub fn has_mail(&self) -> bool {
        self.settings.smtp().is_some()
    }

    /// Tells open streams that a session or a token may have been revoked.
    pub fn access_changed(&self) {
        // Nobody has a page open.
        let _ = self.live.send(LiveEvent::AccessChanged);
    }

    /// Tells open pages that a probe was heard of or changed.
    pub fn probes_changed(&self) {
        // Nobody has a page open.
        let _ = self.live.send(LiveEvent::ProbesChanged);
    }
}
