//! One attempt to send one alert to one channel, whatever kind it is.

use std::sync::Arc;
use std::time::Duration;

use super::ChannelId;
use super::acknowledge_link::AcknowledgeLink;
use super::attempt::{Attempt, Outgoing, timeout_words};
use super::channel::{ChannelConfig, Rendered};
use super::egress::EgressClient;
use super::smtp::SmtpSettings;
use super::{email, http};
use crate::clock::SharedClock;
use crate::incident::message::Alert;
use crate::probe::GuardedResolver;
use crate::seal::Sealer;

/// How long an attempt may take (contract, section 6).
pub const ATTEMPT_LIMIT: Duration = Duration::from_secs(10);

/// A setting that may change while the server runs: asked for at each attempt.
pub type Setting<T> = Arc<dyn Fn() -> T + Send + Sync>;

/// Sends alerts. Cheap to clone.
#[derive(Clone)]
pub struct Carrier {
    client: EgressClient,
    clock: SharedClock,
    base_url: Setting<String>,
    smtp: Setting<Option<SmtpSettings>>,
    sealer: Sealer,
}

impl Carrier {
    /// A carrier whose attempts take at most `limit`; `sealer` signs the links to acknowledge.
    ///
    /// # Errors
    /// When TLS cannot be set up.
    pub fn new(
        resolver: GuardedResolver,
        limit: Duration,
        clock: SharedClock,
        base_url: Setting<String>,
        smtp: Setting<Option<SmtpSettings>>,
        sealer: Sealer,
    ) -> Result<Self, reqwest::Error> {
        Ok(Self { client: EgressClient::new(resolver, limit)?, clock, base_url, smtp, sealer })
    }

    /// Sends an alert and says what came of it, and how long it took in milliseconds. `key` names the delivery to the far end.
    pub async fn carry(
        &self,
        channel_id: Option<ChannelId>,
        config: &ChannelConfig,
        alert: &Alert,
        key: String,
    ) -> (Attempt, i64) {
        let sent_at = self.clock.now();
        let base_url = (self.base_url)();
        // What is not a channel yet has no incident to be taken from.
        let acknowledge_url = channel_id
            .and_then(|id| AcknowledgeLink::of(alert, id, sent_at))
            .map(|link| link.url(&base_url, &self.sealer));
        let outgoing = Outgoing { alert, key, sent_at, base_url: &base_url, acknowledge_url };
        let attempt = match config.render(&outgoing) {
            Ok(Rendered::Mail(to)) => self.mail(&to, &outgoing).await,
            Ok(Rendered::Http(request)) => http::send(&self.client, request, sent_at).await,
            Err(reason) => Attempt::hopeless(&reason),
        };
        (attempt, self.clock.now().since(sent_at).max(0))
    }

    /// An SMTP session has many steps; the limit is for all of them.
    async fn mail(&self, to: &[String], outgoing: &Outgoing<'_>) -> Attempt {
        let (settings, limit) = ((self.smtp)(), self.client.limit());
        let sending = email::send(settings.as_ref(), to, outgoing, limit);
        tokio::time::timeout(limit, sending)
            .await
            .unwrap_or_else(|_| Attempt::unanswered(&timeout_words(limit)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::{ManualClock, Timestamp};
    use crate::notify::attempt::Answer;
    use crate::notify::testing::{Receiver, Reply, test_alert};

    async fn carry(url: &str, limit: Duration) -> Attempt {
        let clock = ManualClock::new(Timestamp(0));
        let (base_url, smtp) = (Arc::new(String::new) as Setting<String>, Arc::new(|| None));
        let resolver = GuardedResolver::new(Arc::default());
        let carrier =
            Carrier::new(resolver, limit, clock, base_url, smtp, Sealer::from_text("key")).unwrap();
        let config = serde_json::json!({"type": "slack", "url": url});
        let config: ChannelConfig = serde_json::from_value(config).unwrap();
        carrier.carry(Some(1), &config, &test_alert(), "msg_1".to_owned()).await.0
    }

    #[tokio::test]
    async fn an_attempt_has_an_end() {
        let receiver = Receiver::start(|_, _| Reply::Hang).await;
        let attempt = carry(&receiver.url, Duration::from_millis(50)).await;
        assert_eq!(attempt, Attempt::unanswered("timeout: no answer within 0s"));
    }

    #[tokio::test]
    async fn an_answer_of_any_length_is_one_short_line() {
        let long = "x\n".repeat(100_000);
        let receiver = Receiver::start(move |_, _| Reply::with(200, "", &long)).await;
        let attempt = carry(&receiver.url, ATTEMPT_LIMIT).await;
        assert_eq!((attempt.answer, attempt.status), (Answer::Accepted, Some(200)));
        assert_eq!(attempt.response.chars().count(), 300);
    }

    #[tokio::test]
    async fn says_why_nobody_answered_without_the_url() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}/services/s3cret", listener.local_addr().unwrap());
        drop(listener);
        let attempt = carry(&url, ATTEMPT_LIMIT).await;
        assert_eq!(attempt, Attempt::unanswered("Connection refused"));
        let attempt = carry("http://nobody.invalid/s3cret", ATTEMPT_LIMIT).await;
        assert_eq!((attempt.answer, attempt.status), (Answer::Unavailable, None));
        assert!(!attempt.response.contains("s3cret"), "{attempt:?}");
    }
}
