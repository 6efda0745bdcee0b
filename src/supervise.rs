//! Tasks that somebody waits for: the only place that spawns. A task that the process needs takes the process with it when it dies.

use std::future::Future;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use futures_util::FutureExt;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// How long what is under way may take at a stop. The whole of it may take 10 s (contract, section 1), after which `docker stop` kills.
pub const STOP_LIMIT: Duration = Duration::from_secs(9);

/// Starts tasks and waits for them at the stop. Cheap to clone.
#[derive(Clone)]
pub struct Supervisor {
    tracker: TaskTracker,
    stop: CancellationToken,
    died: Arc<OnceLock<&'static str>>,
}

impl Supervisor {
    /// A supervisor whose tasks are asked to end by `stop`.
    pub fn new(stop: CancellationToken) -> Self {
        Self { tracker: TaskTracker::new(), stop, died: Arc::default() }
    }

    /// The token that asks all tasks to end.
    pub fn stop(&self) -> &CancellationToken {
        &self.stop
    }

    /// Starts a task that the process cannot do without: when it panics, or ends before the stop, everything is stopped,
    /// because a monitor that watches by halves is worse than one that is restarted.
    pub fn spawn(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        let (stop, died) = (self.stop.clone(), Arc::clone(&self.died));
        self.start(async move {
            let panicked = AssertUnwindSafe(task).catch_unwind().await.is_err();
            if panicked || !stop.is_cancelled() {
                tracing::error!(task = name, panicked, "a task that is needed has ended; stopping");
                // Of several the first is the cause, the others follow.
                let _ = died.set(name);
                stop.cancel();
            }
        });
    }

    /// Starts a short task that is waited for at the stop; a panic in it is logged and ends it alone.
    pub fn child(&self, name: &'static str, task: impl Future<Output = ()> + Send + 'static) {
        self.start(async move {
            if AssertUnwindSafe(task).catch_unwind().await.is_err() {
                tracing::error!(task = name, "a task panicked");
            }
        });
    }

    #[allow(clippy::disallowed_methods, reason = "the one place that spawns, and it tracks")]
    fn start(&self, task: impl Future<Output = ()> + Send + 'static) {
        tokio::spawn(self.tracker.track_future(task));
    }

    /// The needed task that died first, if one did: the process then ends with an error.
    pub fn died(&self) -> Option<&'static str> {
        self.died.get().copied()
    }

    /// Asks all tasks to end and waits for them, at most `limit`. Whether all have ended.
    pub async fn shut_down(&self, limit: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        tokio::time::timeout(limit, self.tracker.wait()).await.is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMIT: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn a_needed_task_that_dies_stops_everything() {
        for panics in [true, false] {
            let supervisor = Supervisor::new(CancellationToken::new());
            supervisor.spawn("checker", async move { assert!(!panics, "planned") });
            supervisor.stop().cancelled().await;
            assert_eq!(supervisor.died(), Some("checker"));
            assert!(supervisor.shut_down(LIMIT).await);
        }
    }

    #[tokio::test]
    async fn the_stop_is_waited_for_and_is_no_death() {
        let supervisor = Supervisor::new(CancellationToken::new());
        let stop = supervisor.stop().clone();
        supervisor.spawn("sender", async move { stop.cancelled().await });
        supervisor.child("send", async { panic!("planned") });
        assert!(supervisor.shut_down(LIMIT).await);
        assert_eq!(supervisor.died(), None);
    }

    #[tokio::test]
    async fn the_wait_has_an_end() {
        let supervisor = Supervisor::new(CancellationToken::new());
        supervisor.spawn("stuck", std::future::pending());
        assert!(!supervisor.shut_down(Duration::from_millis(1)).await);
    }
}
