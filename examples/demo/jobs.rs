//! The jobs of the story: they ping in time, but for those that the story lets fail.

use std::time::Duration;

use watchbell::checker::{Engine, IncomingPing};
use watchbell::monitor::heartbeat::SignalKind;
use watchbell::monitor::{Kind, Status};
use watchbell::store::Db;
use watchbell::store::monitors::{self, Filter, Watched};

/// Jobs that do not come.
const MISSING: [&str; 2] = ["Ledger export", "Nightly backup eu-1"];
const EVERY: Duration = Duration::from_secs(10);

/// Lets each job ping when it is due; for ever. Where the clock stands still, none is.
pub async fn keep_pinging(engine: Engine, db: Db, clock_stands: bool) {
    if clock_stands {
        return std::future::pending().await;
    }
    loop {
        tokio::time::sleep(EVERY).await;
        for watched in due(&engine, &db).await {
            if let Some(uuid) = watched.monitor.uuid {
                // One that cannot be recorded now is sent again at the next look.
                let _ = engine.ping(ping(uuid)).await;
            }
        }
    }
}

async fn due(engine: &Engine, db: &Db) -> Vec<Watched> {
    let filter =
        Filter { kind: Some(Kind::Heartbeat), status: Some(Status::Up), ..Filter::default() };
    let Ok(mut reader) = db.read().await else { return Vec::new() };
    let mut jobs = monitors::list(&mut reader.conn(), &filter, 10_000, 0).await.unwrap_or_default();
    jobs.retain(|job| {
        let is_due = job.state.beat.due_at.is_some_and(|due| due <= engine.now());
        is_due && !MISSING.contains(&job.monitor.settings.name.as_str())
    });
    jobs
}

fn ping(uuid: uuid::Uuid) -> IncomingPing {
    IncomingPing {
        uuid,
        kind: SignalKind::Success,
        exit_status: Some(0),
        rid: None,
        duration_ms: Some(42_000),
        note: None,
        method: "POST".to_owned(),
        remote_addr: "10.20.0.14".to_owned(),
        user_agent: "curl/8.5.0".to_owned(),
        body: None,
        body_bytes: 0,
    }
}
