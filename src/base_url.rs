//! The address by which people and jobs reach this server.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};

use crate::store::{self, Db, settings};

/// Where a learned address is kept.
const KEY: &str = "base_url";

/// What links and ping URLs start with, without a slash at the end. Cheap to clone; all clones show the same.
#[derive(Debug, Clone)]
pub struct BaseUrl {
    url: Arc<RwLock<String>>,
    /// Whether it may be learned: neither a setting nor the listener names it.
    is_open: bool,
}

impl BaseUrl {
    /// The address that a setting gives, or else that of the listener at `bound`. One that listens everywhere has none
    /// of its own: then it is the address that was learned at the set-up, and until then this machine's.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn load(db: &Db, given: Option<&str>, bound: SocketAddr) -> store::Result<Self> {
        let is_open = given.is_none() && bound.ip().to_canonical().is_unspecified();
        let learned = match is_open {
            true => settings::get(&mut db.read().await?.conn(), KEY).await?,
            false => None,
        };
        let url = given
            .map(str::to_owned)
            .or(learned)
            .unwrap_or_else(|| format!("http://{}", reachable(bound)));
        let url = Arc::new(RwLock::new(url.trim_end_matches('/').to_owned()));
        Ok(Self { url, is_open })
    }

    /// The present one.
    pub fn get(&self) -> String {
        // A poisoned lock still holds a whole string.
        self.url.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Takes the origin by which set-up was opened, and keeps it, unless a setting gives the address or `listen`
    /// names one itself.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn learn(&self, db: &Db, origin: &str) -> store::Result<()> {
        if !self.is_open {
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

/// The address by which this machine itself reaches a listener.
fn reachable(mut address: SocketAddr) -> SocketAddr {
    if address.ip().is_unspecified() {
        address.set_ip(Ipv4Addr::LOCALHOST.into());
    }
    address
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing;

    #[tokio::test]
    async fn only_a_listener_that_listens_everywhere_learns_its_address() {
        let (db, _folder) = testing::sqlite().await;
        let here: SocketAddr = "127.0.0.1:8080".parse().unwrap();
        for everywhere in ["0.0.0.0:8080", "[::]:8080"] {
            let everywhere = everywhere.parse().unwrap();
            let fresh = BaseUrl::load(&db, Some("https://given.example/"), everywhere);
            let fresh = fresh.await.unwrap();
            fresh.learn(&db, "http://other.example").await.unwrap();
            assert_eq!(fresh.get(), "https://given.example");
            let named = BaseUrl::load(&db, None, here).await.unwrap();
            named.learn(&db, "http://other.example").await.unwrap();
            assert_eq!(named.get(), "http://127.0.0.1:8080", "the listener names it");
        }
        let everywhere: SocketAddr = "0.0.0.0:8080".parse().unwrap();
        let open = BaseUrl::load(&db, None, everywhere).await.unwrap();
        assert_eq!(open.get(), "http://127.0.0.1:8080");
        open.learn(&db, "http://10.0.0.5:8080").await.unwrap();
        assert_eq!(open.get(), "http://10.0.0.5:8080");
        let again = BaseUrl::load(&db, None, everywhere).await.unwrap();
        assert_eq!(again.get(), "http://10.0.0.5:8080", "kept");
        let moved = BaseUrl::load(&db, None, "127.0.0.1:9090".parse().unwrap()).await.unwrap();
        assert_eq!(
            moved.get(),
            "http://127.0.0.1:9090",
            "and given up when the listener names one"
        );
    }
}
