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

/// Where and by what a session was begun, so that its owner knows it again.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Origin {
    /// The address of whoever signed in.
    pub remote_addr: String,
    /// What they signed in with.
    pub user_agent: String,
}

/// One of a user's own sessions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Own {
    /// What it is called when it is to be ended: a part of its token's hash.
    pub id: String,
    /// Where and by what it was begun.
    pub origin: Origin,
    /// When it began.
    pub created_at: Timestamp,
    /// When it was last used.
    pub seen_at: Timestamp,
    /// Whether it is the one that asks.
    pub is_current: bool,
}

/// Begins a session and gives the token for its cookie; only its hash is stored.
///
/// # Errors
/// When the database fails.
pub async fn begin(db: &Db, user_id: i64, now: Timestamp) -> Result<String> {
    begin_from(db, user_id, &Origin::default(), now).await
}

/// The same, of somebody whose whereabouts are known.
///
/// # Errors
/// When the database fails.
pub async fn begin_from(db: &Db, user_id: i64, origin: &Origin, now: Timestamp) -> Result<String> {
    let token = seal::random_token("");
    let mut tx = db.begin().await?;
    // Signing in is rare and sessions are few, so this is where the old ones go.
    sessions::remove_expired(&mut tx.conn(), now.plus_ms(-IDLE_MS), now.plus_ms(-ABSOLUTE_MS))
        .await?;
    sessions::insert(&mut tx.conn(), &seal::hash_token(&token), user_id, origin, now).await?;
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

/// Whether a cookie's token still counts. Asking is no use of the session.
///
/// # Errors
/// When the database fails.
pub async fn is_alive(db: &Db, token: &str, now: Timestamp) -> Result<bool> {
    let found = sessions::find(&mut db.read().await?.conn(), &seal::hash_token(token)).await?;
    Ok(found.is_some_and(|(session, _)| session.is_valid(now)))
}

/// The sessions of a user that count; `token` is that of the one that asks.
///
/// # Errors
/// When the database fails.
pub async fn list(db: &Db, user_id: i64, token: &str, now: Timestamp) -> Result<Vec<Own>> {
    let stored = sessions::of_user(&mut db.read().await?.conn(), user_id).await?;
    let current = seal::hash_token(token);
    let valid = stored.into_iter().filter(|one| {
        let (created_at, seen_at) = (one.created_at, one.seen_at);
        Session { user_id, created_at, seen_at }.is_valid(now)
    });
    let own = |one: sessions::Listed| Own {
        id: id_of(&one.token_hash),
        is_current: one.token_hash == current,
        origin: Origin { remote_addr: one.remote_addr, user_agent: one.user_agent },
        created_at: one.created_at,
        seen_at: one.seen_at,
    };
    Ok(valid.map(own).collect())
}

fn id_of(token_hash: &[u8]) -> String {
    token_hash.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// Ends one of a user's own sessions. Nothing happens when it is over already.
///
/// # Errors
/// When the database fails.
pub async fn end_own(db: &Db, user_id: i64, id: &str) -> Result<()> {
    let mut tx = db.begin().await?;
    let conn = &mut tx.conn();
    for one in sessions::of_user(conn, user_id).await? {
        if id_of(&one.token_hash) == id {
            sessions::remove(conn, &one.token_hash).await?;
        }
    }
    Ok(tx.commit().await?)
}

/// Ends all sessions of a user but the one of `token`.
///
/// # Errors
/// When the database fails.
pub async fn end_others(db: &Db, user_id: i64, token: &str) -> Result<()> {
    let mut tx = db.begin().await?;
    sessions::remove_others(&mut tx.conn(), user_id, &seal::hash_token(token)).await?;
    Ok(tx.commit().await?)
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
