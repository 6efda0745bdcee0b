//! What every handler may reach.

use crate::account::login::Logins;
use crate::checker::Engine;
use crate::clock::SharedClock;
use crate::seal::Sealer;
use crate::store::Db;
use crate::web::guard::TokenLimit;

/// The state shared by all workers of the web server.
pub struct AppState {
    /// The database.
    pub db: Db,
    /// Where "now" comes from.
    pub clock: SharedClock,
    /// The handle through which monitors, incidents and windows are changed.
    pub engine: Engine,
    /// Seals and opens secrets of the database.
    pub sealer: Sealer,
    /// The server's own region.
    pub region: String,
    /// What links and ping URLs start with, without a slash at the end.
    pub base_url: String,
    /// The door for people.
    pub logins: Logins,
    /// How often each token was used.
    pub token_limit: TokenLimit,
}
