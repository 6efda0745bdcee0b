//! The address by which people and jobs reach this server.

use std::sync::{Arc, PoisonError, RwLock};

use crate::store::{self, Db, settings};

/// Where a learned address is kept.
const KEY: &str = "base_url";

/// What links and ping URLs start with, without a slash at the end. Cheap to clone; all clones show the same.
#[derive(Debug, Clone)]
pub struct BaseUrl {
    url: Arc<RwLock<String>>,
    is_given: bool,
}

impl BaseUrl {
    /// The address that is `given`, or else the learned one, or else `fallback`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn load(db: &Db, given: Option<&str>, fallback: &str) -> store::Result<Self> {
        let url = match given {
            Some(url) => url.to_owned(),
            None => settings::get(&mut db.read().await?.conn(), KEY)
                .await?
                .unwrap_or_else(|| fallback.to_owned()),
        };
        let url = Arc::new(RwLock::new(url.trim_end_matches('/').to_owned()));
        Ok(Self { url, is_given: given.is_some() })
    }

    /// The present one.
    pub fn get(&self) -> String {
        // A poisoned lock still holds a whole string.
        self.url.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes the origin by which set-up was opened, and keeps it, unless the address was given.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn learn(&self, db: &Db, origin: &str) -> store::Result<()> {
        if self.is_given {
            return Ok(());
        }
        let origin = origin.trim_end_matches('/').to_owned();
        let mut tx = db.begin().await?;
        settings::set(&mut tx.conn(), KEY, &origin).await?;
        tx.commit().await?;
        *self.url.write().unwrap_or_else(PoisonError::into_inner) = origin;
        Ok(())
    }
}
