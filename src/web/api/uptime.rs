//! The uptime of one monitor over the spans that its detail shows.

use serde_json::{Map, Value, json};

use super::State;
use crate::monitor::Monitor;
use crate::report::rollup::DAY_MS;
use crate::report::uptime::Tally;
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
        let tally = record.tally(now.plus_ms(-ms), now);
        shown.insert(name.to_owned(), json!(percent(&tally)));
    }
    Ok(Value::Object(shown))
}

fn percent(tally: &Tally) -> Option<f64> {
    tally.uptime(100_000).map(|thousandths| thousandths as f64 / 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_cut_and_a_whole_number_stays_one() {
        let of = |up_ms, down_ms| percent(&Tally { up_ms, down_ms, ..Tally::default() });
        assert_eq!(of(0, 0), None);
        assert_eq!(of(DAY_MS, 0), Some(100.0));
        assert_eq!(of(90 * DAY_MS - 1, 1), Some(99.999));
        assert_eq!(of(0, 1), Some(0.0));
        for whole in 0..=100 {
            assert_eq!(of(whole, 100 - whole), Some(whole as f64), "{whole}");
        }
    }
}
