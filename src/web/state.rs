//! What every handler may reach.

use crate::account::login::Logins;
use crate::clock::SharedClock;
use crate::store::Db;
use crate::web::guard::TokenLimit;

/// The state shared by all workers of the web server.
pub struct AppState {
    /// The database.
    pub db: Db,
    /// Where "now" comes from.
    pub clock: SharedClock,
    /// What links and ping URLs start with, without a slash at the end.
    pub base_url: String,
    /// The door for people.
    pub logins: Logins,
    /// How often each token was used.
    pub token_limit: TokenLimit,
}
