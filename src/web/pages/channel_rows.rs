//! One channel of the list: where it leads, who uses it, whether alerts arrive, and when not, whom that concerns and what mends it.

use std::collections::{BTreeMap, BTreeSet};

use super::actions::InlineResult;
use super::error::sentence;
use super::status::Shown;
use super::text::{Html, Viewer, count, millis, plural};
use crate::incident::escalation::EscalationPolicy;
use crate::incident::message::one_line;
use crate::notify::{Channel, ChannelId};
use crate::store::deliveries::Latest;
use crate::store::monitors::Chosen;
use crate::store::{Conn, Result, deliveries, escalation_policies, monitors};

/// An attempt that took longer is slow, in ms.
const SLOW_MS: i64 = 5_000;
/// Escalation policies that are looked at.
const POLICIES: i64 = 1_000;

/// A channel as its row shows it.
pub struct ChannelRow {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its kind, for people.
    pub kind: &'static str,
    /// The icon of its kind.
    pub icon: &'static str,
    /// Where it leads.
    pub target: String,
    /// How many monitors use it.
    pub used: String,
    /// How many escalation policies do; empty for none.
    pub policies: String,
    /// Whether new monitors use it, or it is switched off.
    pub standing: &'static str,
    /// How the last delivery went.
    pub state: Shown,
    /// That in a word.
    pub word: &'static str,
    /// When it was, and how long it took.
    pub at: Html,
    /// What the far end said, when something is wrong.
    pub error: String,
    /// Whom that concerns.
    pub blast: String,
    /// What mends it.
    pub fix: &'static str,
    /// What came of the test that was just sent.
    pub result: Option<InlineResult>,
}

impl ChannelRow {
    fn of(
        channel: &Channel,
        used: usize,
        alone: usize,
        latest: Option<&Latest>,
        viewer: Viewer,
    ) -> Self {
        let latency = latest.and_then(|latest| latest.latency_ms);
        let is_slow = latency.is_some_and(|ms| ms > SLOW_MS);
        let (state, word) = match (channel.failed_at, &channel.last_error, channel.last_delivery_at)
        {
            (Some(_), _, _) => (Shown::Down, "Failing"),
            (None, Some(_), _) => (Shown::Degraded, "Trying again"),
            (None, None, Some(_)) if is_slow => (Shown::Degraded, "Delivered, slow"),
            (None, None, Some(_)) => (Shown::Up, "Delivered"),
            (None, None, None) => (Shown::Waiting, "Nothing sent yet"),
        };
        let error = channel.last_error.as_deref().map(sentence).unwrap_or_default();
        let about = channel.kind().about();
        Self {
            id: channel.id,
            name: one_line(&channel.settings.name),
            kind: about.name,
            icon: about.icon,
            target: channel.settings.config.target(),
            used: plural(used, "monitor"),
            policies: String::new(),
            standing: match (channel.settings.enabled, channel.settings.is_default) {
                (false, _) => "switched off",
                (true, true) => "on new monitors",
                (true, false) => "",
            },
            state,
            word,
            at: when(channel, latest, viewer),
            blast: if channel.failed_at.is_some() { blast(alone) } else { String::new() },
            fix: if error.is_empty() { "" } else { fix(&error) },
            error,
            result: None,
        }
    }
}

/// `12 min ago · 284 ms`, or when it fails `3 in a row, 17 min ago`.
fn when(channel: &Channel, latest: Option<&Latest>, viewer: Viewer) -> Html {
    if let Some(failed_at) = channel.failed_at {
        let times = latest.map_or(0, |latest| latest.failed_since);
        let in_a_row = if times > 1 { format!("{times} in a row, ") } else { String::new() };
        return Html(format!("{in_a_row}{}", viewer.ago_html(failed_at)));
    }
    let Some(at) = channel.last_delivery_at else { return Html::default() };
    // A test is noted on the channel alone: then the latest delivery is another one.
    let latest = latest.filter(|latest| latest.delivered_at == Some(at));
    match latest.and_then(|latest| latest.latency_ms) {
        Some(ms) => Html(format!("{} · {}", viewer.ago_html(at), millis(ms))),
        None => viewer.ago_html(at),
    }
}

fn blast(alone: usize) -> String {
    match alone {
        0 => "Every monitor that uses it has another channel that works.".to_owned(),
        1 => "1 monitor has no other channel that works: nobody hears of it.".to_owned(),
        n => {
            format!("{} monitors have no other channel that works: nobody hears of them.", count(n))
        }
    }
}

/// What mends a channel whose last attempt came to `error`.
pub fn fix(error: &str) -> &'static str {
    let rest = error.split_once("tatus ").map_or("", |(_, rest)| rest);
    let digits: String = rest.chars().take_while(char::is_ascii_digit).collect();
    match digits.parse::<u16>().unwrap_or(0) {
        401 | 403 => "Its key is no longer accepted: give a new one.",
        404 | 410 => "Its address is gone at the far end: make a new one there and paste it.",
        429 => "It is asked too often. Watchbell waits as long as it says.",
        400 | 413 | 422 => "It does not take this message: look at the answer in the log.",
        500..=599 => "The far end has a trouble of its own. Watchbell keeps trying.",
        300..=399 => "It leads on to another address: paste that one.",
        _ => {
            "No answer came: look whether its address is right and can be reached from this server."
        }
    }
}

/// Which channels each monitor tells, and which of them work.
pub struct Usage {
    chosen: Vec<Chosen>,
    defaults: Vec<ChannelId>,
    /// The channels of the steps of each escalation policy.
    policies: BTreeMap<i64, Vec<ChannelId>>,
    working: BTreeSet<ChannelId>,
}

impl Usage {
    /// The channels that a monitor tells: those of its policy, its own, or the default ones.
    fn told<'a>(&'a self, chosen: &'a Chosen) -> &'a [ChannelId] {
        match (chosen.escalation_policy_id, &chosen.channel_ids) {
            (Some(id), _) => self.policies.get(&id).map_or(&[], Vec::as_slice),
            (None, Some(ids)) => ids,
            (None, None) => &self.defaults,
        }
    }

    /// How many policies have a step with a channel.
    fn policies_with(&self, id: ChannelId) -> usize {
        self.policies.values().filter(|ids| ids.contains(&id)).count()
    }

    /// How many monitors use each channel, and of how many of them it is the only one that works (or would, if it did).
    pub fn counts(&self) -> BTreeMap<ChannelId, (usize, usize)> {
        let mut counts: BTreeMap<ChannelId, (usize, usize)> = BTreeMap::new();
        for chosen in &self.chosen {
            let told = self.told(chosen);
            for id in told {
                let others = told.iter().any(|other| other != id && self.working.contains(other));
                let count = counts.entry(*id).or_default();
                count.0 += 1;
                count.1 += usize::from(!others);
            }
        }
        counts
    }
}

/// The channels of all steps of a policy, each once.
fn channels_of(policy: &EscalationPolicy) -> Vec<ChannelId> {
    let ids = policy.steps.iter().flat_map(|step| step.channel_ids.iter().copied());
    ids.collect::<BTreeSet<_>>().into_iter().collect()
}

/// The rows of all channels.
///
/// # Errors
/// When the database fails.
pub async fn rows(
    conn: &mut Conn<'_>,
    channels: &[Channel],
    viewer: Viewer,
) -> Result<Vec<ChannelRow>> {
    let latest = deliveries::latest(conn).await?;
    let usage = Usage {
        chosen: monitors::chosen_channels(conn).await?,
        policies: escalation_policies::list(conn, POLICIES, 0)
            .await?
            .into_iter()
            .map(|policy| (policy.id, channels_of(&policy)))
            .collect(),
        defaults: channels
            .iter()
            .filter(|c| c.settings.is_default && c.settings.enabled)
            .map(|c| c.id)
            .collect(),
        working: channels
            .iter()
            .filter(|c| c.settings.enabled && c.failed_at.is_none())
            .map(|c| c.id)
            .collect(),
    };
    let counts = usage.counts();
    let row = |channel: &Channel| {
        let (used, alone) = counts.get(&channel.id).copied().unwrap_or_default();
        let latest = latest.iter().find(|latest| latest.channel_id == channel.id);
        let mut row = ChannelRow::of(channel, used, alone, latest, viewer);
        match usage.policies_with(channel.id) {
            0 => {}
            1 => row.policies = "1 policy".to_owned(),
            n => row.policies = format!("{n} policies"),
        }
        row
    };
    Ok(channels.iter().map(row).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_that_fails_concerns_those_who_have_no_other() {
        let own =
            |ids: &[ChannelId]| Chosen { channel_ids: Some(ids.to_vec()), ..Chosen::default() };
        let policy = Chosen { channel_ids: None, escalation_policy_id: Some(7) };
        let usage = Usage {
            chosen: vec![
                Chosen::default(),
                own(&[1]),
                own(&[1, 2]),
                own(&[1, 3]),
                own(&[]),
                policy,
            ],
            defaults: vec![1, 2],
            policies: BTreeMap::from([(7, vec![3, 4])]),
            working: BTreeSet::from([2]),
        };
        let counts = usage.counts();
        assert_eq!(counts[&1], (4, 2), "alone in [1], and in [1, 3] as 3 does not work");
        assert_eq!(counts[&2], (2, 2));
        assert_eq!(counts[&3], (2, 2), "in [1, 3], and in the policy");
        assert_eq!((counts[&4], usage.policies_with(4), usage.policies_with(1)), ((1, 1), 1, 0));
        assert!(blast(0).contains("another channel") && blast(1_284).starts_with("1,284 monitors"));
    }

    #[test]
    fn each_answer_has_its_fix() {
        for (error, words) in [
            ("Status 410: no_service.", "gone at the far end"),
            ("status 401: bad token", "a new one"),
            ("gave up after 9 attempts: status 503", "keeps trying"),
            ("Connection refused.", "No answer came"),
            ("Status 301.", "another address"),
        ] {
            assert!(fix(error).contains(words), "{error}: {}", fix(error));
        }
    }
}
