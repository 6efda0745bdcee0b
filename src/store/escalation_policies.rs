//! Escalation policies.

use sqlx::types::Json;

use super::{Conn, Error, Result, on, run};
use crate::clock::Timestamp;
use crate::incident::escalation::{EscalationPolicy, EscalationStep};
use crate::monitor::MonitorId;

#[derive(sqlx::FromRow)]
struct Row {
    id: i64,
    name: String,
    steps: Json<Vec<EscalationStep>>,
    repeat_every_minutes: Option<i64>,
    repeat_times: Option<i64>,
    ack_timeout_minutes: Option<i64>,
}

const COLUMNS: &str = "id, name, steps, repeat_every_minutes, repeat_times, ack_timeout_minutes FROM escalation_policies";

impl TryFrom<Row> for EscalationPolicy {
    type Error = Error;

    fn try_from(row: Row) -> Result<Self> {
        let minutes = |value: Option<i64>| {
            let read = value.map(u32::try_from).transpose();
            read.map_err(|error| Error::Sqlx(sqlx::Error::Decode(error.into())))
        };
        Ok(Self {
            id: row.id,
            name: row.name,
            steps: row.steps.0,
            repeat_every_minutes: minutes(row.repeat_every_minutes)?,
            repeat_times: minutes(row.repeat_times)?,
            ack_timeout_minutes: minutes(row.ack_timeout_minutes)?,
        })
    }
}

/// Adds a policy; its `id` is ignored, the new one is given back.
pub async fn insert(conn: &mut Conn<'_>, policy: &EscalationPolicy, now: Timestamp) -> Result<i64> {
    on!(conn, c => sqlx::query_scalar(
        "INSERT INTO escalation_policies
            (name, steps, repeat_every_minutes, repeat_times, ack_timeout_minutes, created_at)
         VALUES ($1, $2, $3, $4, $5, $6) RETURNING id")
        .bind(&policy.name).bind(Json(&policy.steps))
        .bind(policy.repeat_every_minutes.map(i64::from)).bind(policy.repeat_times.map(i64::from))
        .bind(policy.ack_timeout_minutes.map(i64::from)).bind(now).fetch_one(c).await)
}

/// Writes a policy anew.
pub async fn update(conn: &mut Conn<'_>, policy: &EscalationPolicy) -> Result<()> {
    run!(
        conn,
        sqlx::query(
            "UPDATE escalation_policies SET name = $2, steps = $3, repeat_every_minutes = $4,
                repeat_times = $5, ack_timeout_minutes = $6 WHERE id = $1"
        )
        .bind(policy.id)
        .bind(&policy.name)
        .bind(Json(&policy.steps))
        .bind(policy.repeat_every_minutes.map(i64::from))
        .bind(policy.repeat_times.map(i64::from))
        .bind(policy.ack_timeout_minutes.map(i64::from))
    )?;
    Ok(())
}

/// Removes a policy. Whether there was one.
///
/// # Errors
/// [`Error::Reference`] when a monitor uses it.
pub async fn delete(conn: &mut Conn<'_>, id: i64) -> Result<bool> {
    Ok(run!(conn, sqlx::query("DELETE FROM escalation_policies WHERE id = $1").bind(id))? > 0)
}

/// One policy.
pub async fn get(conn: &mut Conn<'_>, id: i64) -> Result<Option<EscalationPolicy>> {
    // The text is all ours.
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} WHERE id = $1"));
    let row: Option<Row> = on!(conn, c => sqlx::query_as(sql).bind(id).fetch_optional(c).await)?;
    row.map(EscalationPolicy::try_from).transpose()
}

/// One page of policies, by id.
pub async fn list(conn: &mut Conn<'_>, limit: i64, offset: i64) -> Result<Vec<EscalationPolicy>> {
    let sql = sqlx::AssertSqlSafe(format!("SELECT {COLUMNS} ORDER BY id LIMIT $1 OFFSET $2"));
    let rows: Vec<Row> =
        on!(conn, c => sqlx::query_as(sql).bind(limit).bind(offset).fetch_all(c).await)?;
    rows.into_iter().map(EscalationPolicy::try_from).collect()
}

/// How many policies there are.
pub async fn count(conn: &mut Conn<'_>) -> Result<i64> {
    on!(conn, c => sqlx::query_scalar("SELECT COUNT(*) FROM escalation_policies").fetch_one(c).await)
}

/// The monitors that use a policy, by id: number and name.
pub async fn users(conn: &mut Conn<'_>, id: i64) -> Result<Vec<(MonitorId, String)>> {
    on!(conn, c => sqlx::query_as(
        "SELECT id, name FROM monitors WHERE escalation_policy_id = $1 ORDER BY id")
        .bind(id).fetch_all(c).await)
}

/// How many monitors use each policy that is used.
pub async fn user_counts(conn: &mut Conn<'_>) -> Result<Vec<(i64, i64)>> {
    on!(conn, c => sqlx::query_as(
        "SELECT escalation_policy_id, COUNT(*) FROM monitors WHERE escalation_policy_id IS NOT NULL
         GROUP BY escalation_policy_id").fetch_all(c).await)
}
