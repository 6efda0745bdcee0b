//! The link in a message by which its reader takes the incident without signing in.
//!
//! It names the incident and the channel, runs out, and is signed with the secret key. It leads to a page that asks; only the form on
//! it acknowledges, so that whoever merely looks at the link (a preview, a virus scanner) changes nothing.

use super::ChannelId;
use crate::clock::Timestamp;
use crate::incident::IncidentId;
use crate::incident::message::{Alert, AlertEvent};
use crate::seal::Sealer;

/// How long a link can be used, in ms: a week.
const VALID_MS: i64 = 7 * 24 * 3_600_000;

/// What a link says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AcknowledgeLink {
    /// Which incident is taken.
    pub incident_id: IncidentId,
    /// The channel in whose message it stood.
    pub channel_id: ChannelId,
    /// When it runs out, in seconds since the epoch.
    expires: i64,
}

/// Why a link is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// It was not made here, or was changed on the way.
    #[error("this link is not valid: it was cut off on its way, or not made by this Watchbell")]
    Forged,
    /// It was valid once.
    #[error("this link has run out: links in messages can be used for a week")]
    Expired,
}

impl AcknowledgeLink {
    /// The link of an alert that asks for somebody; `None` of others.
    pub fn of(alert: &Alert, channel_id: ChannelId, sent_at: Timestamp) -> Option<Self> {
        let asks = matches!(
            alert.event,
            AlertEvent::MonitorDown | AlertEvent::IncidentReminder | AlertEvent::SelfCutOff
        );
        let incident = alert.incident.as_ref().filter(|_| asks)?;
        let expires = sent_at.plus_ms(VALID_MS).0.div_euclid(1000);
        Some(Self { incident_id: incident.id, channel_id, expires })
    }

    fn said(&self) -> String {
        format!("{}.{}.{}", self.incident_id, self.channel_id, self.expires)
    }

    /// Its address, signed.
    pub fn url(&self, base_url: &str, sealer: &Sealer) -> String {
        let said = self.said();
        let base_url = base_url.trim_end_matches('/');
        format!("{base_url}/acknowledge/{said}.{}", sealer.sign_link(&said))
    }

    /// Reads the end of such an address at `now`.
    ///
    /// # Errors
    /// Why it does not count.
    pub fn read(token: &str, sealer: &Sealer, now: Timestamp) -> Result<Self, LinkError> {
        let (said, signature) = token.rsplit_once('.').ok_or(LinkError::Forged)?;
        if !sealer.is_signed_link(said, signature) {
            return Err(LinkError::Forged);
        }
        let mut numbers = said.split('.').map(str::parse::<i64>);
        let mut number = || numbers.next().and_then(Result::ok).ok_or(LinkError::Forged);
        let link = Self { incident_id: number()?, channel_id: number()?, expires: number()? };
        if link.expires < now.0.div_euclid(1000) { Err(LinkError::Expired) } else { Ok(link) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::notify::testing::{down_alert, test_alert};

    const NOW: Timestamp = Timestamp(1_900_000_000_000);

    #[test]
    fn a_link_counts_until_it_runs_out_and_only_as_it_was_made() {
        let sealer = Sealer::from_text("key");
        let link = AcknowledgeLink::of(&down_alert(), 3, NOW).unwrap();
        let url = link.url("https://bell.example/", &sealer);
        let token = url.strip_prefix("https://bell.example/acknowledge/").unwrap();
        assert_eq!(AcknowledgeLink::read(token, &sealer, NOW), Ok(link));
        assert_eq!(AcknowledgeLink::read(token, &sealer, NOW.plus_ms(VALID_MS)), Ok(link));
        let late = NOW.plus_ms(VALID_MS + 1_000);
        assert_eq!(AcknowledgeLink::read(token, &sealer, late), Err(LinkError::Expired));
        let other = Sealer::from_text("other");
        assert_eq!(AcknowledgeLink::read(token, &other, NOW), Err(LinkError::Forged));
        for forged in [
            token.replacen("42.", "43.", 1),
            token.replacen(".3.", ".4.", 1),
            token[..token.len() - 1].to_owned(),
            token.split_once('.').unwrap().1.to_owned(),
            String::new(),
            "...".to_owned(),
        ] {
            let read = AcknowledgeLink::read(&forged, &sealer, NOW);
            assert_eq!(read, Err(LinkError::Forged), "{forged}");
        }
    }

    #[test]
    fn only_alerts_that_ask_for_somebody_have_one() {
        let mut alert = down_alert();
        for (event, has) in [
            (AlertEvent::IncidentReminder, true),
            (AlertEvent::MonitorUp, false),
            (AlertEvent::IncidentAcknowledged, false),
            (AlertEvent::ChannelFailed, false),
        ] {
            alert.event = event;
            assert_eq!(AcknowledgeLink::of(&alert, 1, NOW).is_some(), has, "{event}");
        }
        assert_eq!(AcknowledgeLink::of(&test_alert(), 1, NOW), None);
    }
}
