//! Keeping history small: old results and pings are removed in small batches, so that no other write waits long.

use std::sync::Arc;

use tokio_util::sync::CancellationToken;

use crate::clock::SharedClock;
use crate::server_settings::ServerSettings;
use crate::store::{self, Db, history, monitors};

/// How often old rows are looked for, in ms.
const EVERY_MS: i64 = 3_600_000;
/// How many rows go in one transaction.
const BATCH: i64 = 1_000;
const DAY_MS: i64 = 86_400_000;

/// What is kept.
#[derive(Clone)]
pub struct Retention {
    /// Says for how many days raw results are kept, and when that changes.
    pub settings: Arc<ServerSettings>,
    /// Pings kept for each heartbeat.
    pub pings: u32,
}

impl Retention {
    /// Removes what is too old, every hour, until `stop`.
    pub async fn run(self, db: Db, clock: SharedClock, stop: CancellationToken) {
        loop {
            // Before the look, so that a change while it runs is not slept over.
            let changed = self.settings.retention_changed();
            if let Err(error) = self.prune(&db, &clock, &stop).await {
                tracing::error!(%error, "old history could not be removed");
            }
            let next = clock.now().plus_ms(EVERY_MS);
            tokio::select! {
                () = stop.cancelled() => return,
                () = clock.sleep_until(next) => {}
                () = changed => {}
            }
        }
    }

    async fn prune(
        &self,
        db: &Db,
        clock: &SharedClock,
        stop: &CancellationToken,
    ) -> store::Result<()> {
        let before = clock.now().plus_ms(-i64::from(self.settings.retention_days()) * DAY_MS);
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
