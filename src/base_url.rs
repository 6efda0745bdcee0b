//! The address by which people and jobs reach this server.

use std::sync::{Arc, PoisonError, RwLock};

/// What links and ping URLs start with, without a slash at the end. Cheap to clone; all clones show the same.
#[derive(Debug, Clone)]
pub struct BaseUrl(Arc<RwLock<String>>);

impl BaseUrl {
    /// Starts with `url`.
    pub fn new(url: &str) -> Self {
        Self(Arc::new(RwLock::new(url.trim_end_matches('/').to_owned())))
    }

    /// The present one.
    pub fn get(&self) -> String {
        // A poisoned lock still holds a whole string.
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes another one, such as the origin by which set-up was opened.
    pub fn set(&self, url: &str) {
        let url = url.trim_end_matches('/').to_owned();
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = url;
    }
}
