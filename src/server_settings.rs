//! The settings of the server that can also be changed on the settings page (contract, section 2): mail, retention, canaries and the
//! base URL. A variable that is given wins; all of them take effect at once.

use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use tokio::sync::Notify;
use tokio::sync::futures::Notified;
use url::Url;

use crate::base_url::{self, BaseUrl};
use crate::config::Config;
use crate::fields::FieldErrors;
use crate::notify::smtp::SmtpSettings;
use crate::notify::smtp_secret::{masked, with_password};
use crate::probe::canary::{self, Canaries, Canary};
use crate::seal::Sealer;
use crate::store::{self, Conn, Db, settings};

/// Days that raw results are kept, unless somebody says otherwise.
pub const RETENTION_DAYS: u32 = 7;
/// The most of them.
pub const RETENTION_DAYS_MAX: u32 = 36_500;
/// What tells "me" from "them", unless somebody says otherwise.
pub const CANARIES: &str = "resolver,gateway";

/// Where the mail server is kept: sealed, and written as base64.
const SMTP_URL: &str = "sealed_smtp_url";
const SMTP_FROM: &str = "smtp_from";
const RETENTION: &str = "retention_days";
const CANARY_LIST: &str = "canaries";

/// Why settings were not changed.
#[derive(Debug, thiserror::Error)]
pub enum SettingsError {
    /// Fields are wrong; each is named.
    #[error("fields are wrong")]
    Fields(FieldErrors),
    /// The database could not do it, or a secret could not be sealed.
    #[error(transparent)]
    Store(#[from] store::Error),
}

impl From<FieldErrors> for SettingsError {
    fn from(errors: FieldErrors) -> Self {
        Self::Fields(errors)
    }
}

/// What variables give: it wins, and cannot be changed.
#[derive(Debug, Clone, Default)]
struct Given {
    smtp_url: Option<String>,
    smtp_from: Option<String>,
    retention_days: Option<u32>,
    canaries: Option<String>,
}

/// What was set on the settings page.
#[derive(Debug, Clone, Default)]
struct Chosen {
    smtp_url: Option<String>,
    smtp_from: Option<String>,
    retention_days: Option<u32>,
    canaries: Option<String>,
}

/// The present settings.
pub struct ServerSettings {
    given: Given,
    chosen: RwLock<Chosen>,
    /// Made of both.
    smtp: RwLock<Option<SmtpSettings>>,
    /// What links start with.
    pub base_url: BaseUrl,
    canaries: RwLock<Option<Arc<dyn Canaries>>>,
    retention: Notify,
}

/// One setting as the page shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Shown {
    /// Its value; secrets are masked.
    pub value: String,
    /// The variable that gives it, if one does: then it is read-only.
    pub variable: Option<&'static str>,
}

fn lock<T>(lock: &RwLock<T>) -> RwLockReadGuard<'_, T> {
    // Values are put in whole, so that a poisoned lock still holds a whole one.
    lock.read().unwrap_or_else(PoisonError::into_inner)
}

fn put<T>(lock: &RwLock<T>, value: T) {
    *lock.write().unwrap_or_else(PoisonError::into_inner) = value;
}

impl ServerSettings {
    /// The settings that `config` gives and those that are stored.
    ///
    /// # Errors
    /// When the database fails, or the mail server was sealed with another key.
    pub async fn load(
        db: &Db,
        sealer: &Sealer,
        config: &Config,
        base_url: BaseUrl,
    ) -> store::Result<Self> {
        let mut reader = db.read().await?;
        let conn = &mut reader.conn();
        let days = settings::get(conn, RETENTION).await?;
        let chosen = Chosen {
            smtp_url: stored_url(conn, sealer).await?,
            smtp_from: settings::get(conn, SMTP_FROM).await?,
            retention_days: days.and_then(|days| days.parse().ok()),
            canaries: settings::get(conn, CANARY_LIST).await?,
        };
        let given = Given {
            smtp_url: config.smtp_url.clone(),
            smtp_from: config.smtp_from.clone(),
            retention_days: config.retention_days,
            canaries: config.canaries.clone(),
        };
        let smtp = mail_of(&given, &chosen).unwrap_or_else(|reason| {
            tracing::warn!(reason, "the mail server of the settings page cannot be used");
            None
        });
        Ok(Self {
            given,
            chosen: RwLock::new(chosen),
            smtp: RwLock::new(smtp),
            base_url,
            canaries: RwLock::new(None),
            retention: Notify::new(),
        })
    }

    /// Where mail goes out now.
    pub fn smtp(&self) -> Option<SmtpSettings> {
        lock(&self.smtp).clone()
    }

    /// Days that raw results are kept now.
    pub fn retention_days(&self) -> u32 {
        let chosen = lock(&self.chosen).retention_days;
        self.given.retention_days.or(chosen).unwrap_or(RETENTION_DAYS)
    }

    /// Done when the days change.
    pub fn retention_changed(&self) -> Notified<'_> {
        self.retention.notified()
    }

    /// What tells "me" from "them" now.
    pub fn canary_list(&self) -> Vec<Canary> {
        // What is given was read at the start, and what is stored before it was.
        canary::parse(&self.canaries_shown().value).unwrap_or_default()
    }

    /// Who is to be told when the canaries change.
    pub fn watch_canaries(&self, canaries: Arc<dyn Canaries>) {
        put(&self.canaries, Some(canaries));
    }

    /// The canaries that are asked.
    pub fn canaries(&self) -> Option<Arc<dyn Canaries>> {
        lock(&self.canaries).clone()
    }

    /// The mail server as the page shows it: the password masked.
    pub fn smtp_url_shown(&self) -> Shown {
        let chosen = lock(&self.chosen).smtp_url.clone();
        let given = self.given.smtp_url.is_some();
        let url = self.given.smtp_url.clone().or(chosen).unwrap_or_default();
        Shown { value: masked(&url), variable: given.then_some("WATCHBELL_SMTP_URL") }
    }

    /// The sender of mail as the page shows it.
    pub fn smtp_from_shown(&self) -> Shown {
        let chosen = lock(&self.chosen).smtp_from.clone();
        let given = self.given.smtp_from.is_some();
        let value = self.given.smtp_from.clone().or(chosen).unwrap_or_default();
        Shown { value, variable: given.then_some("WATCHBELL_SMTP_FROM") }
    }

    /// The days as the page shows them.
    pub fn retention_shown(&self) -> Shown {
        let given = self.given.retention_days.is_some();
        let value = self.retention_days().to_string();
        Shown { value, variable: given.then_some("WATCHBELL_RETENTION_DAYS") }
    }

    /// The canaries as the page shows them.
    pub fn canaries_shown(&self) -> Shown {
        let chosen = lock(&self.chosen).canaries.clone();
        let given = self.given.canaries.is_some();
        let value = self.given.canaries.clone().or(chosen).unwrap_or_else(|| CANARIES.to_owned());
        Shown { value, variable: given.then_some("WATCHBELL_CANARIES") }
    }

    /// The base URL as the page shows it.
    pub fn base_url_shown(&self) -> Shown {
        let variable = self.base_url.is_given().then_some("WATCHBELL_BASE_URL");
        Shown { value: self.base_url.get(), variable }
    }

    /// Sets the mail server and the sender; an empty text takes each away, and a masked password keeps the stored one. What a
    /// variable gives stays as it is.
    ///
    /// # Errors
    /// [`SettingsError::Fields`] names what is wrong.
    pub async fn set_mail(
        &self,
        db: &Db,
        sealer: &Sealer,
        url: &str,
        from: &str,
    ) -> Result<(), SettingsError> {
        let mut chosen = lock(&self.chosen).clone();
        if self.given.smtp_url.is_none() {
            chosen.smtp_url = with_password(url.trim(), chosen.smtp_url.as_deref())
                .map_err(|reason| FieldErrors::one("smtp_url", reason))?;
        }
        if self.given.smtp_from.is_none() {
            let from = from.trim();
            chosen.smtp_from = (!from.is_empty()).then(|| from.to_owned());
        }
        let smtp = mail_of(&self.given, &chosen).map_err(|reason| of_smtp(&reason))?;
        let sealed = match &chosen.smtp_url {
            Some(url) => {
                Some(STANDARD.encode(sealer.seal(url.as_bytes()).map_err(store::Error::from)?))
            }
            None => None,
        };
        let mut tx = db.begin().await?;
        keep(&mut tx.conn(), SMTP_URL, sealed.as_deref()).await?;
        keep(&mut tx.conn(), SMTP_FROM, chosen.smtp_from.as_deref()).await?;
        tx.commit().await?;
        put(&self.smtp, smtp);
        put(&self.chosen, chosen);
        Ok(())
    }

    /// Sets the days, the canaries and the base URL; an empty text is the default. What a variable gives stays as it is.
    ///
    /// # Errors
    /// [`SettingsError::Fields`] names everything that is wrong; then nothing is changed.
    pub async fn set_server(
        &self,
        db: &Db,
        base_url: &str,
        retention_days: &str,
        canaries: &str,
    ) -> Result<(), SettingsError> {
        let mut errors = FieldErrors::default();
        let base = read(&mut errors, "base_url", base_url, |text| {
            let url = text
                .parse::<Url>()
                .map_err(|_| "must be like https://watch.example.com".to_owned())?;
            base_url::check(&url).map(|()| url)
        });
        let days = read(&mut errors, "retention_days", retention_days, |text| {
            let days = text.parse::<u32>().ok().filter(|n| (1..=RETENTION_DAYS_MAX).contains(n));
            days.ok_or_else(|| format!("must be a whole number from 1 to {RETENTION_DAYS_MAX}"))
        });
        let list = read(&mut errors, "canaries", canaries, |text| {
            canary::parse(text).map(|_| text.to_owned())
        });
        if !errors.is_empty() {
            return Err(errors.into());
        }
        let mut chosen = lock(&self.chosen).clone();
        if self.given.retention_days.is_none() {
            chosen.retention_days = days.filter(|days| *days != RETENTION_DAYS);
        }
        if self.given.canaries.is_none() {
            chosen.canaries = list.filter(|list| list != CANARIES);
        }
        let mut tx = db.begin().await?;
        let days = chosen.retention_days.map(|days| days.to_string());
        keep(&mut tx.conn(), RETENTION, days.as_deref()).await?;
        keep(&mut tx.conn(), CANARY_LIST, chosen.canaries.as_deref()).await?;
        tx.commit().await?;
        // What it is by itself need not be kept: it may change with the listener.
        let base = base.filter(|base| base.as_str().trim_end_matches('/') != self.base_url.get());
        if base.is_some() || base_url.trim().is_empty() {
            self.base_url.set(db, base.as_ref()).await?;
        }
        put(&self.chosen, chosen);
        self.retention.notify_waiters();
        if let Some(canaries) = self.canaries() {
            canaries.set(self.canary_list()).await;
        }
        Ok(())
    }
}

/// Reads a field that may be empty.
fn read<T>(
    errors: &mut FieldErrors,
    name: &str,
    text: &str,
    parse: impl FnOnce(&str) -> Result<T, String>,
) -> Option<T> {
    let text = text.trim();
    if text.is_empty() {
        return None;
    }
    parse(text).map_err(|reason| errors.add(name, reason)).ok()
}

async fn keep(conn: &mut Conn<'_>, key: &str, value: Option<&str>) -> store::Result<()> {
    match value {
        Some(value) => settings::set(conn, key, value).await,
        None => settings::remove(conn, key).await,
    }
}

async fn stored_url(conn: &mut Conn<'_>, sealer: &Sealer) -> store::Result<Option<String>> {
    let Some(text) = settings::get(conn, SMTP_URL).await? else { return Ok(None) };
    let sealed = STANDARD.decode(text).unwrap_or_default();
    let url = sealer.open(&sealed).map_err(store::Error::from)?;
    Ok(Some(String::from_utf8_lossy(&url).into_owned()))
}

fn mail_of(given: &Given, chosen: &Chosen) -> Result<Option<SmtpSettings>, String> {
    let url = given.smtp_url.as_deref().or(chosen.smtp_url.as_deref());
    let from = given.smtp_from.as_deref().or(chosen.smtp_from.as_deref());
    url.map(|url| SmtpSettings::parse(url, from)).transpose()
}

/// What is wrong with mail, under the field that it is about.
fn of_smtp(reason: &str) -> FieldErrors {
    let (field, variable) = match reason.starts_with("WATCHBELL_SMTP_FROM") {
        true => ("smtp_from", "WATCHBELL_SMTP_FROM "),
        false => ("smtp_url", "WATCHBELL_SMTP_URL "),
    };
    FieldErrors::one(field, reason.trim_start_matches(variable))
}
