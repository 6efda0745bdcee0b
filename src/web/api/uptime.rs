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

/// Cut, not rounded: a second of outage in a year must not read as 100. Counted in whole numbers, as 0.29 times 100,000 is less than
/// 29,000 otherwise.
fn percent(tally: &Tally) -> Option<f64> {
    let well = i128::from(tally.up_ms) + i128::from(tally.degraded_ms);
    let thousandths = (well * 100_000).checked_div(well + i128::from(tally.down_ms))?;
    Some(thousandths as f64 / 1000.0)
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
