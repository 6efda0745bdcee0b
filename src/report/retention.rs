//! Keeping history small: old results and pings are removed in small batches, so that no other write waits long.

use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;
use crate::store::{self, Db, history, monitors};

/// How often old rows are looked for, in ms.
const EVERY_MS: i64 = 3_600_000;
/// How many rows go in one transaction.
const BATCH: i64 = 1_000;
const DAY_MS: i64 = 86_400_000;

/// What is kept.
#[derive(Debug, Clone, Copy)]
pub struct Retention {
    /// Days that raw results are kept.
    pub result_days: u32,
    /// Pings kept for each heartbeat.
    pub pings: u32,
}

impl Retention {
    /// Removes what is too old, every hour, until `stop`.
    pub async fn run(self, db: Db, clock: SharedClock, stop: CancellationToken) {
        loop {
            if let Err(error) = self.prune(&db, &clock, &stop).await {
                tracing::error!(%error, "old history could not be removed");
            }
            let next = clock.now().plus_ms(EVERY_MS);
            tokio::select! {
                () = stop.cancelled() => return,
                () = clock.sleep_until(next) => {}
            }
        }
    }

    async fn prune(
        &self,
        db: &Db,
        clock: &SharedClock,
        stop: &CancellationToken,
    ) -> store::Result<()> {
        let before = clock.now().plus_ms(-i64::from(self.result_days) * DAY_MS);
        let ids = {
            let mut reader = db.read().await?;
            monitors::all_ids(&mut reader.conn()).await?
        };
        for id in ids {
            loop {
                if stop.is_cancelled() {
                    return Ok(());
                }
                let mut tx = db.begin().await?;
                let conn = &mut tx.conn();
                let results = history::prune_results(conn, id, before, BATCH).await?;
                let pings = history::prune_pings(conn, id, i64::from(self.pings), BATCH).await?;
                tx.commit().await?;
                if results.max(pings) < BATCH.unsigned_abs() {
                    break;
                }
            }
        }
        Ok(())
    }
}
