//! What the tests stand on.

pub mod api;
pub mod app;
pub mod binary;
pub mod canaries;
pub mod chance;
pub mod database;
pub mod dns;
pub mod hand_probe;
pub mod namespace;
pub mod person;
pub mod probes;
pub mod smtp;
pub mod stub;
pub mod tls;

use std::future::Future;
use std::time::Duration;

/// How long a condition may take to come true: far longer than it ever does, so that a busy machine fails no test.
pub const CAP: Duration = Duration::from_secs(30);

/// Waits until `look` finds something, and gives it.
///
/// # Panics
/// When it has not after `cap`; the caller's line is named.
#[track_caller]
pub fn eventually<T, F>(cap: Duration, mut look: impl FnMut() -> F) -> impl Future<Output = T>
where
    F: Future<Output = Option<T>>,
{
    let caller = std::panic::Location::caller();
    async move {
        let mut waited = Duration::ZERO;
        let mut pause = Duration::from_millis(2);
        loop {
            if let Some(found) = look().await {
                return found;
            }
            assert!(waited < cap, "did not come true within {cap:?}: {caller}");
            tokio::time::sleep(pause).await;
            waited += pause;
            pause = (pause * 2).min(Duration::from_millis(50));
        }
    }
}
