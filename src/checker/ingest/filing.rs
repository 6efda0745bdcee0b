//! When new pings are filed among those of their monitors.

use std::time::Duration;

use super::signal::until;
use super::{Effects, Ingest};
use crate::clock::Timestamp;
use crate::store::new_pings::Packed;
use crate::store::ping_sheets::{self, Sheets};
use crate::store::writer::Written;
use crate::store::{Conn, Result};

/// So many new pings are filed together: enough that each monitor has several, few enough to read through for a page of the log.
const PINGS_MAX: usize = 16_384;
/// So many bytes of new pings are filed together, as they are in memory until then.
const BYTES_MAX: usize = 4_000_000;
/// So many new pings of one monitor have all filed: its page reads through them.
const OF_ONE_MAX: usize = 1_024;
/// How often new pings are filed, however few, in ms. Seldom, so that a job that pings each minute has several on a sheet.
const FILE_EVERY_MS: i64 = 600_000;
/// How long after a failure it is tried again, in ms.
const RETRY_MS: i64 = 10_000;
/// How long the others have their turn while new pings of which nothing is known are filed, in ms.
const PAUSE_MS: i64 = 50;

/// The new pings, until they are filed.
#[derive(Debug)]
pub(super) struct Filing {
    /// All that there are; `None`: nobody knows.
    sheets: Option<Sheets>,
    /// When they were filed last, or may be again.
    after: Timestamp,
    /// Whether a transaction is filing, and does nothing else.
    is_under_way: bool,
}

impl Filing {
    /// It is not known what waits in the database; it is looked up at `after`.
    pub(super) fn unknown(after: Timestamp) -> Self {
        Self { sheets: None, after, is_under_way: false }
    }

    /// It is not tried again at once.
    pub(super) fn after_failure(now: Timestamp) -> Self {
        Self::unknown(now.plus_ms(RETRY_MS))
    }

    /// Whether it was filing that has failed: nothing had been decided then.
    pub(super) fn has_failed(&mut self) -> bool {
        std::mem::take(&mut self.is_under_way)
    }

    /// Notes the new pings of a commit.
    pub(super) fn came(&mut self, packed: &Packed) {
        if let Some(sheets) = &mut self.sheets {
            sheets.add(packed);
        }
    }

    /// How soon they are to be filed; `None` if there are none.
    pub(super) fn within(&self, now: Timestamp) -> Option<Duration> {
        let at = match &self.sheets {
            Some(sheets) if sheets.pings() == 0 => return None,
            Some(sheets)
                if sheets.pings() < PINGS_MAX
                    && sheets.bytes() < BYTES_MAX
                    && sheets.most_of_one() <= OF_ONE_MAX =>
            {
                self.after.plus_ms(FILE_EVERY_MS)
            }
            _ => self.after,
        };
        Some(until(at, now, 2 * FILE_EVERY_MS))
    }
}

impl Ingest {
    /// Files new pings, or some of those of which nothing is known, in a transaction that does nothing else: no work fails with it.
    pub(super) async fn file(
        &mut self,
        conn: &mut Conn<'_>,
        now: Timestamp,
    ) -> Result<Written<Self>> {
        let after_failure = Filing { is_under_way: true, ..Filing::after_failure(now) };
        let are_all = match std::mem::replace(&mut self.filing, after_failure).sheets {
            Some(sheets) => ping_sheets::file(conn, sheets).await.map(|()| true)?,
            None => ping_sheets::file_unknown(conn).await?,
        };
        let filing = if are_all {
            Filing { sheets: Some(Sheets::default()), ..Filing::unknown(now) }
        } else {
            Filing::unknown(now.plus_ms(PAUSE_MS))
        };
        Ok((Vec::new(), Effects { filing: Some(filing), ..Effects::default() }))
    }
}
