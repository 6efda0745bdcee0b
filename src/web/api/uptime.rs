//! The uptime of one monitor over the spans that its detail shows.

use serde_json::{Map, Value, json};

use super::State;
use crate::monitor::Monitor;
use crate::report::rollup::DAY_MS;
use crate::store::rollups;
use crate::web::error::ApiError;

/// The spans that are shown, each up to now, the longest last.
const SPANS: [(&str, i64); 4] =
    [("24h", DAY_MS), ("7d", 7 * DAY_MS), ("30d", 30 * DAY_MS), ("90d", 90 * DAY_MS)];

/// Per cent of known time, for each span; null where nothing is known.
///
/// # Errors
/// When the database fails.
pub async fn uptime(state: &State, monitor: &Monitor) -> Result<Value, ApiError> {
    let now = state.clock.now();
    let longest = now.plus_ms(-90 * DAY_MS);
    let mut reader = state.db.read().await?;
    let mut records = rollups::records(&mut reader.conn(), &[monitor], longest).await?;
    let record = records.remove(&monitor.id).unwrap_or_default();
    let mut shown = Map::new();
    for (name, ms) in SPANS {
        let share = record.tally(now.plus_ms(-ms), now).uptime();
        shown.insert(name.to_owned(), json!(share.map(percent)));
    }
    Ok(Value::Object(shown))
}

/// Cut, not rounded: a second of outage in a year must not read as 100.
fn percent(share: f64) -> f64 {
    (share * 100_000.0).floor() / 1000.0
}
