//! Who is told, for pictures: channels, and the escalation policy of what matters most.

use serde_json::{Map, Value, json};
use watchbell::clock::Timestamp;
use watchbell::incident::escalation::EscalationPolicy;
use watchbell::notify::ChannelSettings;
use watchbell::seal::Sealer;
use watchbell::store::{Db, channels, escalation_policies};

use super::past::DAY;
use super::story::Told;

/// The monitors that the policy is for.
pub const TAG: &str = "tier-1";

/// Adds the channels and the policy, and has the monitors that matter most use it.
///
/// # Errors
/// When the database fails.
pub async fn add(
    db: &Db,
    sealer: &Sealer,
    told: &mut [Told],
    now: Timestamp,
) -> anyhow::Result<()> {
    let kinds = [
        json!({ "type": "slack", "name": "#ops-alerts", "url": "https://hooks.slack.com/services/T024BE7LD/B024BE7LH/kestrel-demo", "is_default": true }),
        json!({ "type": "email", "name": "On-call list", "to": ["oncall@kestrel.example"], "is_default": true }),
        json!({ "type": "pagerduty", "name": "Payments primary", "routing_key": "0123456789abcdef0123456789abcdef" }),
        json!({ "type": "webhook", "name": "Status bot", "url": "https://bot.kestrel.example/alerts" }),
        json!({ "type": "teams", "name": "Platform / Incidents", "url": "https://kestrel.webhook.office.com/workflows/b41f" }),
    ];
    let born = now.plus_ms(-91 * DAY);
    let mut tx = db.begin().await?;
    let mut ids = Vec::new();
    for fields in kinds {
        let fields: Map<String, Value> = serde_json::from_value(fields)?;
        let settings =
            ChannelSettings::read(&fields, None, true).map_err(|e| anyhow::anyhow!("{e:?}"))?;
        ids.push(channels::insert(&mut tx.conn(), sealer, settings, born).await?.id);
    }
    let id = escalation_policies::insert(&mut tx.conn(), &policy(&ids)?, born).await?;
    tx.commit().await?;
    let is_meant = |told: &&mut Told| told.fields["tags"].to_string().contains(TAG);
    for told in told.iter_mut().filter(is_meant) {
        told.fields.insert("escalation_policy_id".to_owned(), json!(id));
    }
    Ok(())
}

fn policy(channel_ids: &[i64]) -> anyhow::Result<EscalationPolicy> {
    let [ops, mail, pager, bot, teams] = channel_ids else {
        anyhow::bail!("there are five channels")
    };
    let fields: Map<String, Value> = serde_json::from_value(json!({
        "name": "Primary on-call",
        "steps": [
            { "channel_ids": [ops, mail, bot] },
            { "name": "Wake the person on call", "after_minutes": 5, "channel_ids": [pager] },
            { "name": "Tell everyone", "after_minutes": 15, "channel_ids": [pager, ops, teams] },
        ],
        "repeat_every_minutes": 30,
        "repeat_times": 3,
    }))?;
    EscalationPolicy::read(&fields, None).map_err(|e| anyhow::anyhow!("{e:?}"))
}
