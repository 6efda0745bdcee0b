//! The mail server: its settings, and one SMTP session for each message.
//!
//! A session is opened for each message and never shared: an attempt that is cut off by its time limit would
//! otherwise leave a pooled connection in the middle of a command.

use std::net::IpAddr;
use std::time::Duration;

use lettre::Address;
use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::{Credentials, DEFAULT_MECHANISMS};
use lettre::transport::smtp::client::{AsyncSmtpConnection, TlsParameters};
use lettre::transport::smtp::commands::{Data, Mail, Rcpt};
use lettre::transport::smtp::extension::{ClientId, Extension, MailParameter};
use lettre::transport::smtp::response::Response;
use percent_encoding::percent_decode_str;
use url::{Host, Url};

const GOODBYE: Duration = Duration::from_millis(500);

/// When a session is encrypted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encryption {
    /// From the first byte (`smtps://`).
    Always,
    /// STARTTLS, or no mail is sent.
    Required,
    /// STARTTLS when the server offers it.
    Offered,
}

/// How mail is sent: `WATCHBELL_SMTP_URL` and `WATCHBELL_SMTP_FROM`.
#[derive(Clone, PartialEq)]
pub struct SmtpSettings {
    host: String,
    port: u16,
    encryption: Encryption,
    /// User and password.
    login: Option<(String, String)>,
    /// What mail comes from.
    pub from: Mailbox,
}

impl std::fmt::Debug for SmtpSettings {
    /// Leaves the password out: settings are logged.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SmtpSettings({}:{}, {:?}, {})", self.host, self.port, self.encryption, self.from)
    }
}

impl SmtpSettings {
    /// Reads the two settings. Without `from`, the user of the URL is taken if it is an address.
    ///
    /// `smtp://host` (port 25; 587 with a user or with TLS required) uses STARTTLS when it is offered, `smtps://host` (465) TLS from the start;
    /// `?tls=required` insists on STARTTLS, and so do credentials unless the host is this machine.
    ///
    /// # Errors
    /// One line that names the setting, what is wrong and how it is mended.
    pub fn parse(url: &str, from: Option<&str>) -> Result<Self, String> {
        let wrong = |reason: &str| {
            format!("WATCHBELL_SMTP_URL {reason}; write smtps://user:password@mail.example.com")
        };
        let url = Url::parse(url.trim()).map_err(|_| wrong("is not a URL"))?;
        let host = host_of(&url).ok_or_else(|| wrong("has no host"))?;
        let login = login_of(&url).map_err(wrong)?;
        let mut encryption = match url.scheme() {
            "smtps" => Encryption::Always,
            "smtp" => Encryption::Offered,
            _ => return Err(wrong("must start with smtp:// or smtps://")),
        };
        let insists = insists_on_tls(&url).map_err(wrong)?;
        if encryption == Encryption::Offered && (insists || (login.is_some() && !is_local(&host))) {
            encryption = Encryption::Required;
        }
        let usual_port = match encryption {
            Encryption::Always => 465,
            Encryption::Offered if login.is_none() => 25,
            _ => 587,
        };
        let from = from.map(str::to_owned).or_else(|| login.as_ref().map(|(user, _)| user.clone()));
        Ok(Self {
            port: url.port().unwrap_or(usual_port),
            from: parse_from(from.as_deref())?,
            host,
            encryption,
            login,
        })
    }

    /// Opens a session: connected, encrypted and logged in as the settings say.
    async fn connect(&self, limit: Duration) -> Result<AsyncSmtpConnection, SmtpError> {
        let hello = ClientId::default();
        let wrapped = match self.encryption {
            Encryption::Always => Some(self.tls()?),
            _ => None,
        };
        let server = (self.host.as_str(), self.port);
        let mut session =
            AsyncSmtpConnection::connect_tokio1(server, Some(limit), &hello, wrapped, None).await?;
        if self.encryption != Encryption::Always {
            if session.can_starttls() {
                session.starttls(self.tls()?, &hello).await?;
            } else if self.encryption == Encryption::Required {
                return Err(SmtpError::NoTls);
            }
        }
        if let Some((user, password)) = &self.login {
            let credentials = Credentials::new(user.clone(), password.clone());
            session.auth(DEFAULT_MECHANISMS, &credentials).await?;
        }
        Ok(session)
    }

    fn tls(&self) -> Result<TlsParameters, lettre::transport::smtp::Error> {
        // A mail server on this machine mostly has a certificate that nobody signed, and nobody is in between.
        let local = is_local(&self.host);
        TlsParameters::builder(self.host.clone())
            .dangerous_accept_invalid_certs(local)
            .dangerous_accept_invalid_hostnames(local)
            .build_rustls()
    }

    /// Sends one message, as `write` writes it to those whom the server can reach, to all of `to`. Addresses that the server will
    /// not take do not keep it from the others.
    ///
    /// # Errors
    /// When nobody got it, or when a repeat may reach somebody who was put off.
    pub(super) async fn send(
        &self,
        to: &[Address],
        write: impl Fn(&[Address]) -> Result<Vec<u8>, String>,
        limit: Duration,
    ) -> Result<Sent, SmtpError> {
        let mut session = self.connect(limit).await?;
        let utf8 = session.server_info().supports_feature(Extension::SmtpUtfEight);
        let reachable = |address: &Address| utf8 || is_ascii(address);
        let (to, foreign): (Vec<_>, Vec<_>) = to.iter().cloned().partition(reachable);
        if to.is_empty() || !reachable(&self.from.email) {
            return Err(SmtpError::NoUtf8);
        }
        let message = write(&to).map_err(SmtpError::Unwritten)?;
        let mut sent = self.transfer(&mut session, &to, &message).await?;
        sent.refused
            .extend(foreign.iter().map(|to| format!("{to} refused: {}", SmtpError::NoUtf8)));
        // The mail is on its way: a server that is slow to say goodbye must not make it look undelivered.
        let _ = tokio::time::timeout(GOODBYE, session.quit()).await;
        Ok(sent)
    }

    async fn transfer(
        &self,
        session: &mut AsyncSmtpConnection,
        to: &[Address],
        message: &[u8],
    ) -> Result<Sent, SmtpError> {
        let from = &self.from.email;
        let international = !to.iter().chain([from]).all(is_ascii);
        let options = international.then_some(MailParameter::SmtpUtfEight).into_iter().collect();
        session.command(Mail::new(Some(from.clone()), options)).await?;
        let mut refused = Vec::new();
        for address in to {
            match session.command(Rcpt::new(address.clone(), Vec::new())).await {
                Ok(_) => {}
                // An answer about this address. Whoever else is taken must not wait for it.
                Err(error) if error.is_permanent() || error.is_transient() => {
                    refused.push((address.clone(), error));
                }
                Err(error) => return Err(error.into()),
            }
        }
        if refused.len() == to.len() {
            // What may still be taken later is worth another attempt.
            let later = refused.iter().position(|(_, error)| error.is_transient());
            let (_, error) = refused.swap_remove(later.unwrap_or_default());
            return Err(error.into());
        }
        session.command(Data).await?;
        let response = session.message(message).await?;
        let refused = refused.iter().map(|(to, error)| format!("{to} refused: {error}")).collect();
        Ok(Sent { response, refused })
    }
}

/// A message that was taken.
pub(super) struct Sent {
    /// The server's last reply.
    pub(super) response: Response,
    /// The addresses that the server would not take, and why.
    pub(super) refused: Vec<String>,
}

/// Why a message was not taken.
#[derive(Debug, thiserror::Error)]
pub(super) enum SmtpError {
    /// The session failed, or the server said no.
    #[error("{0}")]
    Session(#[from] lettre::transport::smtp::Error),
    /// The server offers no TLS, and it is needed.
    #[error(
        "the mail server offers no STARTTLS, and without it neither credentials nor (with ?tls=required) mail are sent"
    )]
    NoTls,
    /// The message could not be written.
    #[error("{0}")]
    Unwritten(String),
    /// No address of the recipients is ASCII, or that of the sender is not.
    #[error("the mail server does not take addresses with other than ASCII letters (SMTPUTF8)")]
    NoUtf8,
}

/// An address with its domain in the ASCII form (RFC 5891) that every mail server takes.
pub(super) fn with_ascii_domain(address: Address) -> Address {
    let domain = Host::parse(address.domain()).ok().map(|host| host.to_string());
    domain.and_then(|domain| Address::new(address.user(), domain).ok()).unwrap_or(address)
}

fn is_ascii(address: &Address) -> bool {
    AsRef::<str>::as_ref(address).is_ascii()
}

/// The host as it is connected to: an IPv6 address without its brackets.
fn host_of(url: &Url) -> Option<String> {
    // `url` does not know the scheme smtp, so it leaves an IPv4 address a name; both are resolved alike.
    match url.host()? {
        Host::Ipv6(ip) => Some(ip.to_string()),
        Host::Ipv4(ip) => Some(ip.to_string()),
        Host::Domain("") => None,
        Host::Domain(name) => Some(name.to_owned()),
    }
}

fn login_of(url: &Url) -> Result<Option<(String, String)>, &'static str> {
    let decoded = |text: &str| {
        percent_decode_str(text).decode_utf8().map(|text| text.into_owned()).map_err(
            |_| "has a user or password with percent signs that are no UTF-8; write % as %25",
        )
    };
    match (url.username(), url.password()) {
        ("", None) => Ok(None),
        ("", Some(_)) => Err("has a password but no user"),
        (_, None) => Err("has a user but no password"),
        (user, Some(password)) => Ok(Some((decoded(user)?, decoded(password)?))),
    }
}

fn insists_on_tls(url: &Url) -> Result<bool, &'static str> {
    let mut insists = false;
    for (key, value) in url.query_pairs() {
        match (key.as_ref(), value.as_ref()) {
            ("tls", "required") => insists = true,
            _ => return Err("has an unknown option; the only one is ?tls=required"),
        }
    }
    Ok(insists)
}

fn is_local(host: &str) -> bool {
    host == "localhost" || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn parse_from(from: Option<&str>) -> Result<Mailbox, String> {
    let fix = "write an address, such as Watchbell <watchbell@example.com>";
    let from = from.ok_or_else(|| format!("WATCHBELL_SMTP_FROM is missing: {fix}"))?;
    let from: Mailbox =
        from.parse().map_err(|_| format!("WATCHBELL_SMTP_FROM is not an address: {fix}"))?;
    Ok(Mailbox { email: with_ascii_domain(from.email), ..from })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(url: &str) -> Result<SmtpSettings, String> {
        SmtpSettings::parse(url, Some("Watchbell <w@example.com>"))
    }

    #[test]
    fn reads_each_form() {
        use Encryption::*;
        for (url, host, port, encryption) in [
            ("smtp://mail.example.com", "mail.example.com", 25, Offered),
            ("smtp://127.0.0.1:1025", "127.0.0.1", 1025, Offered),
            ("smtp://[::1]:1025", "::1", 1025, Offered),
            ("smtp://mail.example.com?tls=required", "mail.example.com", 587, Required),
            ("smtps://mail.example.com", "mail.example.com", 465, Always),
            ("smtps://u:p@mail.example.com:1465", "mail.example.com", 1465, Always),
            ("smtp://u:p@localhost:25", "localhost", 25, Offered),
            ("smtp://u:p@127.0.0.1", "127.0.0.1", 587, Offered),
        ] {
            let settings = parse(url).unwrap();
            assert_eq!((settings.host.as_str(), settings.port), (host, port), "{url}");
            assert_eq!(settings.encryption, encryption, "{url}");
        }
    }

    #[test]
    fn credentials_never_leave_the_machine_in_clear() {
        let settings = parse("smtp://u:p%40ss@mail.example.com").unwrap();
        assert_eq!(settings.encryption, Encryption::Required);
        assert_eq!(settings.login, Some(("u".to_owned(), "p@ss".to_owned())));
        assert!(!format!("{settings:?}").contains("p@ss"));
    }

    #[test]
    fn names_the_setting_that_is_wrong() {
        for (url, from, words) in [
            ("mail.example.com", Some("a@b.example"), "WATCHBELL_SMTP_URL is not a URL"),
            ("http://mail.example.com", Some("a@b.example"), "must start with smtp://"),
            ("smtp://", Some("a@b.example"), "has no host"),
            ("smtp://u@h.example", Some("a@b.example"), "has a user but no password"),
            ("smtp://h.example?tls=maybe", Some("a@b.example"), "unknown option"),
            ("smtp://h.example", None, "WATCHBELL_SMTP_FROM is missing"),
            ("smtp://h.example", Some("nobody"), "WATCHBELL_SMTP_FROM is not an address"),
            ("smtps://u:p@h.example", None, "WATCHBELL_SMTP_FROM is not an address"),
        ] {
            let reason = SmtpSettings::parse(url, from).unwrap_err();
            assert!(reason.contains(words), "{url}: {reason}");
        }
        let from_user = SmtpSettings::parse("smtps://a%40b.example:p@h.example", None).unwrap();
        assert_eq!(from_user.from.email.to_string(), "a@b.example");
    }
}
