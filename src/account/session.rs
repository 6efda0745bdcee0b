//! Sessions: what a browser's cookie stands for.

use super::{Principal, Result, Via};
use crate::clock::Timestamp;
use crate::seal;
use crate::store::{Db, sessions};

/// The name of the cookie.
pub const COOKIE: &str = "watchbell_session";

const DAY_MS: i64 = 24 * 3600 * 1000;
/// A session that nobody used for so long is over.
pub const IDLE_MS: i64 = 14 * DAY_MS;
/// However much it is used, a session is over after this.
pub const ABSOLUTE_MS: i64 = 90 * DAY_MS;
/// The time of last use is written at most this often.
const TOUCH_MS: i64 = 60 * 1000;

/// A session as it is stored.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Session {
    /// Whose it is.
    pub user_id: i64,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used.
    pub seen_at: Timestamp,
}

impl Session {
    /// Whether it still counts at `now`.
    pub fn is_valid(&self, now: Timestamp) -> bool {
        now.since(self.seen_at) < IDLE_MS && now.since(self.created_at) < ABSOLUTE_MS
    }
}

/// Begins a session and gives the token for its cookie; only its hash is stored.
///
/// # Errors
/// When the database fails.
pub async fn begin(db: &Db, user_id: i64, now: Timestamp) -> Result<String> {
    let token = seal::random_token("");
    let mut tx = db.begin().await?;
    // Signing in is rare and sessions are few, so this is where the old ones go.
    sessions::remove_expired(&mut tx.conn(), now.plus_ms(-IDLE_MS), now.plus_ms(-ABSOLUTE_MS))
        .await?;
    sessions::insert(&mut tx.conn(), &seal::hash_token(&token), user_id, now).await?;
    tx.commit().await?;
    Ok(token)
}

/// Who a cookie's token stands for, if its session is valid.
///
/// # Errors
/// When the database fails.
pub async fn principal(db: &Db, token: &str, now: Timestamp) -> Result<Option<Principal>> {
    let hash = seal::hash_token(token);
    let mut reader = db.read().await?;
    let found = sessions::find(&mut reader.conn(), &hash).await?;
    drop(reader);
    let Some((session, user)) = found.filter(|(session, _)| session.is_valid(now)) else {
        return Ok(None);
    };
    if now.since(session.seen_at) >= TOUCH_MS {
        let mut tx = db.begin().await?;
        sessions::touch(&mut tx.conn(), &hash, now).await?;
        tx.commit().await?;
    }
    let via = Via::Session { user_id: user.id };
    Ok(Some(Principal { name: user.email, role: user.role, via }))
}

/// Ends a session.
///
/// # Errors
/// When the database fails.
pub async fn end(db: &Db, token: &str) -> Result<()> {
    let mut tx = db.begin().await?;
    sessions::remove(&mut tx.conn(), &seal::hash_token(token)).await?;
    tx.commit().await?;
    Ok(())
}
