//! stub
use super::{Conn, Result};
use crate::clock::Timestamp;
use crate::incident::message::{Alert, AlertEvent};
/// A
pub struct NewDelivery {
    /// a
    pub idempotency_key: String,
    /// a
    pub event: AlertEvent,
    /// a
    pub incident_id: Option<i64>,
    /// a
    pub monitor_id: Option<i64>,
    /// a
    pub channel_id: i64,
    /// a
    pub alert: Alert,
    /// a
    pub created_at: Timestamp,
}
/// a
pub async fn insert(_: &mut Conn<'_>, _: &[NewDelivery]) -> Result<u64> {
    Ok(0)
}
/// a
pub async fn told(_: &mut Conn<'_>, _: i64) -> Result<Vec<i64>> {
    Ok(vec![])
}
