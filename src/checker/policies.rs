//! Making, changing and removing escalation policies.

use super::engine::{Engine, EngineError, Result, refuse_missing};
use crate::incident::escalation::EscalationPolicy;
use crate::store::{Conn, Error, channels, escalation_policies};

/// How many of the monitors that use a policy are named when it cannot be removed.
const NAMED: usize = 5;

impl Engine {
    /// Makes an escalation policy; the `id` given is ignored.
    ///
    /// # Errors
    /// [`EngineError::Invalid`] when it names channels that do not exist.
    pub async fn create_policy(&self, mut policy: EscalationPolicy) -> Result<EscalationPolicy> {
        let mut tx = self.db.begin().await?;
        must_exist(&mut tx.conn(), &policy).await?;
        policy.id = escalation_policies::insert(&mut tx.conn(), &policy, self.now()).await?;
        tx.commit().await?;
        Ok(policy)
    }

    /// Changes an escalation policy by `edit`, which is given the present one. Incidents that are open keep the one that they opened
    /// with; channels that it named before and that were removed since are dropped from it.
    ///
    /// # Errors
    /// When there is none, `edit` refuses, or it newly names channels that do not exist.
    pub async fn update_policy(
        &self,
        id: i64,
        edit: impl FnOnce(&EscalationPolicy) -> Result<EscalationPolicy>,
    ) -> Result<EscalationPolicy> {
        // Read in the transaction that writes, so that of two changes at once none is lost.
        let mut tx = self.db.begin().await?;
        let before = escalation_policies::get(&mut tx.conn(), id).await?;
        let before = before.ok_or(EngineError::NotFound)?;
        let mut policy = edit(&before)?;
        let existing = channels::all_ids(&mut tx.conn()).await?;
        let known: Vec<i64> = before.steps.into_iter().flat_map(|step| step.channel_ids).collect();
        for step in &mut policy.steps {
            step.channel_ids.retain(|id| existing.contains(id) || !known.contains(id));
        }
        must_exist(&mut tx.conn(), &policy).await?;
        escalation_policies::update(&mut tx.conn(), &policy).await?;
        tx.commit().await?;
        Ok(policy)
    }

    /// Removes an escalation policy.
    ///
    /// # Errors
    /// When there is none; [`EngineError::Conflict`] names the monitors that use it.
    pub async fn delete_policy(&self, id: i64) -> Result<()> {
        let mut tx = self.db.begin().await?;
        let users = escalation_policies::users(&mut tx.conn(), id).await?;
        if !users.is_empty() {
            return Err(EngineError::Conflict(in_use(&users)));
        }
        let existed = match escalation_policies::delete(&mut tx.conn(), id).await {
            // One was given it at this very moment.
            Err(Error::Reference) => {
                return Err(EngineError::Conflict("a monitor uses it".to_owned()));
            }
            other => other?,
        };
        tx.commit().await?;
        if existed { Ok(()) } else { Err(EngineError::NotFound) }
    }
}

fn in_use(users: &[(i64, String)]) -> String {
    let mut named: Vec<String> =
        users.iter().take(NAMED).map(|(id, name)| format!("{name} (#{id})")).collect();
    if users.len() > NAMED {
        named.push(format!("{} more", users.len() - NAMED));
    }
    format!(
        "these monitors use it: {}; give them channels or another policy first",
        named.join(", ")
    )
}

async fn must_exist(conn: &mut Conn<'_>, policy: &EscalationPolicy) -> Result<()> {
    let existing = channels::all_ids(conn).await?;
    let named = policy.steps.iter().flat_map(|step| step.channel_ids.iter().copied());
    let missing: Vec<i64> = named.filter(|id| !existing.contains(id)).collect();
    refuse_missing("steps", "channels", &missing)
}
