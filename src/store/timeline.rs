//! stub
use super::{Conn, Result};
use crate::clock::Timestamp;
use crate::incident::TimelineKind;
/// a
pub async fn add(_: &mut Conn<'_>, _: i64, _: Timestamp, _: TimelineKind, _: &str) -> Result<()> {
    Ok(())
}
/// a
pub async fn list(_: &mut Conn<'_>, _: i64) -> Result<Vec<crate::incident::TimelineEntry>> {
    Ok(vec![])
}
