//! The uptime of one monitor over the spans that its detail shows.

use serde_json::{Map, Value, json};

use super::State;
use crate::monitor::Monitor;
use crate::report::uptime::{Span, tally};
use crate::store::{history, windows};
use crate::web::error::ApiError;

const DAY_MS: i64 = 86_400_000;
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
    let ids = [monitor.id];
    let mut changes = history::status_changes(&mut reader.conn(), &ids, longest).await?;
    let changes = changes.remove(&monitor.id).unwrap_or_default();
    let windows = windows::ending_after(&mut reader.conn(), longest).await?;
    let quiet: Vec<Span> = windows
        .iter()
        .filter(|window| window.covers(monitor.id, &monitor.settings.tags))
        .map(|window| (window.starts_at, window.ends_at))
        .collect();
    let mut shown = Map::new();
    for (name, ms) in SPANS {
        let tallies = tally(&changes, &quiet, &[(now.plus_ms(-ms), now)]);
        let share = tallies.first().and_then(|tally| tally.uptime());
        shown.insert(name.to_owned(), json!(share.map(percent)));
    }
    Ok(Value::Object(shown))
}

/// Cut, not rounded: a second of outage in a year must not read as 100.
fn percent(share: f64) -> f64 {
    (share * 100_000.0).floor() / 1000.0
}
