//! The address by which people and jobs reach this server.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, PoisonError, RwLock};

use url::Url;

use crate::store::{self, Db, settings};

/// Where an address that was learned at the set-up is kept.
const LEARNED: &str = "base_url";
/// Where an address that was set on the settings page is kept.
const SET: &str = "base_url_set";

/// Says what is wrong with an address that links are to start with.
///
/// # Errors
/// The reason, with the fix.
pub fn check(url: &Url) -> Result<(), String> {
    if !matches!(url.scheme(), "http" | "https")
        || url.query().is_some()
        || url.fragment().is_some()
        || !url.username().is_empty()
        || url.password().is_some()
    {
        return Err("must be like https://watch.example.com".to_owned());
    }
    if url.path() != "/" {
        // The pages' own links and cookies start at the root of their host.
        return Err(format!(
            "must have no path, and has {}: give Watchbell a host name of its own, such as https://watch.example.com",
            url.path()
        ));
    }
    Ok(())
}

/// What links and ping URLs start with, without a slash at the end. Cheap to clone; all clones show the same.
#[derive(Debug, Clone)]
pub struct BaseUrl {
    url: Arc<RwLock<String>>,
    /// What it is when nobody has set it on the settings page.
    otherwise: Arc<RwLock<String>>,
    /// Whether a variable gives it: then nothing else counts.
    is_given: bool,
    /// Whether it may be learned: neither a setting nor the listener names it.
    is_open: bool,
}

impl BaseUrl {
    /// The address that a variable gives, or that was set on the settings page, or else that of the listener at `bound`. One that listens everywhere has none
    /// of its own: then it is the address that was learned at the set-up, and until then this machine's.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn load(db: &Db, given: Option<&str>, bound: SocketAddr) -> store::Result<Self> {
        let is_open = given.is_none() && bound.ip().to_canonical().is_unspecified();
        let mut reader = db.read().await?;
        let conn = &mut reader.conn();
        let learned = if is_open { settings::get(conn, LEARNED).await? } else { None };
        let set = settings::get(conn, SET).await?;
        let otherwise = learned.unwrap_or_else(|| format!("http://{}", reachable(bound)));
        let url = given.map(str::to_owned).or(set).unwrap_or_else(|| otherwise.clone());
        let kept = |url: &str| Arc::new(RwLock::new(url.trim_end_matches('/').to_owned()));
        let (url, otherwise) = (kept(&url), kept(&otherwise));
        Ok(Self { url, otherwise, is_given: given.is_some(), is_open })
    }

    /// Whether a variable gives it, so that it cannot be set.
    pub fn is_given(&self) -> bool {
        self.is_given
    }

    /// Sets it from now on; `None` for what it would be by itself. Nothing happens when a variable gives it.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set(&self, db: &Db, url: Option<&Url>) -> store::Result<()> {
        if self.is_given {
            return Ok(());
        }
        let text = url.map(|url| url.as_str().trim_end_matches('/').to_owned());
        let mut tx = db.begin().await?;
        match &text {
            Some(text) => settings::set(&mut tx.conn(), SET, text).await?,
            None => settings::remove(&mut tx.conn(), SET).await?,
        }
        tx.commit().await?;
        let text = text.unwrap_or_else(|| {
            self.otherwise.read().unwrap_or_else(PoisonError::into_inner).clone()
        });
        *self.url.write().unwrap_or_else(PoisonError::into_inner) = text;
        Ok(())
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
        settings::set(&mut tx.conn(), LEARNED, &origin).await?;
        tx.commit().await?;
        origin.clone_into(&mut self.otherwise.write().unwrap_or_else(PoisonError::into_inner));
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

    #[test]
    fn an_address_without_a_path_is_taken() {
        for (url, is_right) in [
            ("https://watch.example.com", true),
            ("http://10.0.0.5:8080/", true),
            ("https://example.com/watchbell", false),
            ("https://example.com/?a=b", false),
            ("https://user@example.com/", false),
            ("ftp://example.com/", false),
        ] {
            assert_eq!(check(&url.parse().unwrap()).is_ok(), is_right, "{url}");
        }
    }

    #[tokio::test]
    async fn what_is_set_counts_at_once_and_for_good_unless_a_variable_gives_it() {
        let (db, _folder) = testing::sqlite().await;
        let here: SocketAddr = "127.0.0.1:8080".parse().unwrap();
        let set: Url = "https://watch.example.com/".parse().unwrap();
        let base = BaseUrl::load(&db, None, here).await.unwrap();
        base.set(&db, Some(&set)).await.unwrap();
        assert_eq!(base.get(), "https://watch.example.com");
        assert_eq!(BaseUrl::load(&db, None, here).await.unwrap().get(), base.get(), "kept");
        let given = BaseUrl::load(&db, Some("https://given.example/"), here).await.unwrap();
        assert!(given.is_given() && !base.is_given());
        given.set(&db, Some(&set)).await.unwrap();
        assert_eq!(given.get(), "https://given.example");
        base.set(&db, None).await.unwrap();
        assert_eq!(base.get(), "http://127.0.0.1:8080", "and given up");
    }

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
