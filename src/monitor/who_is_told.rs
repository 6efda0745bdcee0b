//! Who hears of a monitor: channels, or an escalation policy. Pure.

use super::Settings;
use crate::fields::Fields;

/// The channels, or the escalation policy: one of them. In a PATCH the one that is given takes the place of the other.
pub(super) fn read(
    fields: &mut Fields<'_>,
    current: Option<&Settings>,
) -> (Option<Vec<i64>>, Option<i64>) {
    let has_channels = fields.given("channel_ids");
    let has_policy = fields.given("escalation_policy_id");
    if has_channels && has_policy {
        let reason = "cannot stand beside channel_ids; give one of them";
        fields.wrong("escalation_policy_id", reason);
    }
    let old = current.filter(|_| !has_policy).map(|c| c.channel_ids.clone());
    let channel_ids = fields.optional_ids("channel_ids", old);
    let old = current.filter(|_| !has_channels).map(|c| c.escalation_policy_id);
    let policy_id = fields.read("escalation_policy_id", None, old, |value| {
        let id = value.as_i64().filter(|id| *id > 0);
        id.map(Some).ok_or_else(|| "must be the id of an escalation policy".to_owned())
    });
    (channel_ids, policy_id)
}
