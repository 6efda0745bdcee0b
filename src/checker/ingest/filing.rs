//! When new pings are filed among those of their monitors.

use std::time::Duration;

use super::signal::until;
use crate::clock::Timestamp;
use crate::store::new_pings::Packed;
use crate::store::ping_sheets::{self, Sheets};
use crate::store::{Conn, Result};

/// So many new pings are filed together: enough that each monitor has several, few enough to read through for a page of the log.
const PINGS_MAX: usize = 16_384;
/// So many bytes of new pings are filed together, as they are in memory until then.
const BYTES_MAX: usize = 4_000_000;
/// How often new pings are filed, however few, in ms.
const FILE_EVERY_MS: i64 = 60_000;

/// The new pings, until they are filed.
#[derive(Debug)]
pub(super) struct Filing {
    /// All that there are; `None`: nobody knows.
    sheets: Option<Sheets>,
    /// When they were filed last, or may be again.
    after: Timestamp,
}

impl Filing {
    /// It is not known what waits in the database; it is looked up at `after`.
    pub(super) fn unknown(after: Timestamp) -> Self {
        Self { sheets: None, after }
    }

    /// It is not tried again at once.
    pub(super) fn after_failure(now: Timestamp) -> Self {
        Self::unknown(now.plus_ms(FILE_EVERY_MS))
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
            Some(sheets) if sheets.pings() < PINGS_MAX && sheets.bytes() < BYTES_MAX => {
                self.after.plus_ms(FILE_EVERY_MS)
            }
            _ => self.after,
        };
        Some(until(at, now, 2 * FILE_EVERY_MS))
    }

    /// Files them, or some of those of which nothing is known; gives what is true once that is durable.
    ///
    /// # Errors
    /// Then nothing is known any more: [`Filing::after_failure`].
    pub(super) async fn file(&mut self, conn: &mut Conn<'_>, now: Timestamp) -> Result<Self> {
        let are_all = match self.sheets.take() {
            Some(sheets) => ping_sheets::file(conn, sheets).await.map(|()| true)?,
            None => ping_sheets::file_unknown(conn).await?,
        };
        Ok(Self { sheets: are_all.then(Sheets::default), after: now })
    }
}
