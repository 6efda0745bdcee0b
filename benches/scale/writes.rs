//! Small live writes beside some work: how long each of them waits.

use std::time::{Duration, Instant};

use tokio_util::sync::CancellationToken;
use watchbell::store::{Db, settings};

use super::report::at;

/// Between two live writes.
const PACE: Duration = Duration::from_millis(2);

/// How long some work took, and the live writes beside it, in ms.
pub struct Beside {
    /// Of the work.
    pub seconds: f64,
    /// Half of the writes took no longer.
    pub p50_ms: f64,
    /// No write took longer.
    pub longest_ms: f64,
}

/// Does `work` while small writes go on beside it.
pub async fn beside_writes(db: &Db, work: impl Future<Output = ()>) -> Beside {
    let done = CancellationToken::new();
    let writing = tokio::spawn(write_until(db.clone(), done.clone()));
    let begun = Instant::now();
    work.await;
    let seconds = begun.elapsed().as_secs_f64();
    done.cancel();
    let took = writing.await.unwrap();
    Beside { seconds, p50_ms: at(&took, 0.5), longest_ms: at(&took, 1.0) }
}

/// One write after another; gives how long each took in ms.
async fn write_until(db: Db, done: CancellationToken) -> Vec<f64> {
    let mut took = Vec::new();
    while !done.is_cancelled() {
        let begun = Instant::now();
        let mut tx = db.begin().await.unwrap();
        settings::set(&mut tx.conn(), "bench", &took.len().to_string()).await.unwrap();
        tx.commit().await.unwrap();
        took.push(begun.elapsed().as_secs_f64() * 1e3);
        tokio::time::sleep(PACE).await;
    }
    took
}
