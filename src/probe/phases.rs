//! Where the time of a check goes: marks set by the resolver, the connector and the TLS session store.
//!
//! They run inside reqwest, which has no place for a value of ours, but all in the task that makes the
//! check; so the marks travel as a task-local value.
#![allow(clippy::disallowed_methods, reason = "probe measures spans")]

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use tower_layer::Layer;
use tower_service::Service;

use crate::monitor::Phases;

/// How often, at most, it is looked whether the time of a check that waits is up.
const SHORTEST_LOOK: Duration = Duration::from_millis(10);

tokio::task_local! {
    static MARKS: Arc<Marks>;
}

/// The times of one check, over all its redirect hops: each phase is the sum of its hops.
pub(super) struct Marks {
    start: Instant,
    // A std Mutex, because nothing is awaited while it is held.
    times: Mutex<Times>,
}

struct Times {
    /// When the phase that runs now began.
    since: Instant,
    tls_runs: bool,
    /// The name that is being looked up.
    resolving: Option<String>,
    dns: Option<Duration>,
    connect: Option<Duration>,
    tls: Option<Duration>,
    first_byte: Option<Duration>,
    /// How long the check has waited for what is not the target's, and since when it does so now.
    waited: Duration,
    waits_since: Option<Instant>,
    /// The status code of the final answer.
    status: Option<u16>,
    /// The certificate of each handshake, in DER.
    certificates: Vec<Vec<u8>>,
}

impl Marks {
    /// Starts the clock.
    pub(super) fn start() -> Arc<Self> {
        let start = Instant::now();
        let times = Times {
            since: start,
            tls_runs: false,
            resolving: None,
            dns: None,
            connect: None,
            tls: None,
            first_byte: None,
            waited: Duration::ZERO,
            waits_since: None,
            status: None,
            certificates: Vec::new(),
        };
        Arc::new(Self { start, times: Mutex::new(times) })
    }

    /// Runs `check` with these marks in reach of the hooks below.
    pub(super) async fn watch<F: Future>(self: Arc<Self>, check: F) -> F::Output {
        MARKS.scope(self, check).await
    }

    /// A request begins: the first, or that of a redirect hop.
    pub(super) fn hop_begins(&self) {
        let mut times = self.times();
        times.since = Instant::now();
        times.tls_runs = false;
    }

    /// The head of an answer has come.
    pub(super) fn head_came(&self) {
        self.times().end(|t| &mut t.first_byte);
    }

    /// The answer is no redirect to follow: this is its status code.
    pub(super) fn answered(&self, status: u16) {
        self.times().status = Some(status);
    }

    /// The status code of the final answer, if its head has come.
    pub(super) fn status(&self) -> Option<u16> {
        self.times().status
    }

    /// The name that is being looked up now, if one is.
    pub(super) fn resolving(&self) -> Option<String> {
        self.times().resolving.clone()
    }

    /// The certificates that servers showed of themselves, in DER and in order. To be asked once.
    pub(super) fn take_certificates(&self) -> Vec<Vec<u8>> {
        std::mem::take(&mut self.times().certificates)
    }

    /// The completed phases, and the total until now.
    pub(super) fn phases(&self) -> Phases {
        let times = self.times();
        Phases {
            dns: times.dns.map(whole_ms),
            connect: times.connect.map(whole_ms),
            tls: times.tls.map(whole_ms),
            first_byte: times.first_byte.map(whole_ms),
            total: Some(whole_ms(self.start.elapsed().saturating_sub(times.waited()))),
        }
    }

    /// Waits for something of our own: neither the total nor the time-out counts it.
    pub(super) async fn not_counting<F: Future>(&self, wait: F) -> F::Output {
        self.times().waits_since = Some(Instant::now());
        let output = wait.await;
        let mut times = self.times();
        times.waited = times.waited();
        times.waits_since = None;
        output
    }

    /// Runs `check` for up to `limit` of counted time; `None` when it takes longer.
    pub(super) async fn within<F: Future>(&self, limit: Duration, check: F) -> Option<F::Output> {
        let mut check = std::pin::pin!(check);
        loop {
            let counted = self.start.elapsed().saturating_sub(self.times().waited());
            // Not less than that: while it waits, its time stands still.
            let left = limit.saturating_sub(counted).max(SHORTEST_LOOK);
            if let Ok(output) = tokio::time::timeout(left, &mut check).await {
                return Some(output);
            }
            // Had it not waited, its time would be up now.
            if self.start.elapsed().saturating_sub(self.times().waited()) >= limit {
                return None;
            }
        }
    }

    fn times(&self) -> MutexGuard<'_, Times> {
        // A panic between two assignments of instants leaves nothing half done.
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Times {
    fn waited(&self) -> Duration {
        self.waited + self.waits_since.map(|since| since.elapsed()).unwrap_or_default()
    }

    /// Ends the phase that runs and adds it to its sum.
    fn end(&mut self, phase: impl FnOnce(&mut Self) -> &mut Option<Duration>) {
        let now = Instant::now();
        let took = now.saturating_duration_since(self.since);
        self.since = now;
        let sum = phase(self);
        *sum = Some(sum.unwrap_or_default() + took);
    }
}

fn whole_ms(span: Duration) -> u32 {
    u32::try_from(span.as_millis()).unwrap_or(u32::MAX)
}

fn mark(set: impl FnOnce(&mut Times)) {
    // Outside a check (a connection that nobody measures) there is nothing to mark.
    let _ = MARKS.try_with(|marks| set(&mut marks.times()));
}

/// A look-up of `name` begins.
pub(super) fn resolving(name: &str) {
    mark(|times| times.resolving = Some(name.to_owned()));
}

/// The name has been resolved.
pub(super) fn resolved() {
    mark(|times| {
        times.resolving = None;
        times.end(|t| &mut t.dns);
    });
}

/// The TCP connection stands and the TLS handshake begins.
pub(super) fn tls_begins() {
    mark(|times| {
        times.end(|t| &mut t.connect);
        times.tls_runs = true;
    });
}

/// What was asked has been answered.
pub(super) fn answered() {
    mark(|times| times.end(|t| &mut t.first_byte));
}

/// A server has shown its certificate.
pub(super) fn certificate_came(der: &[u8]) {
    mark(|times| times.certificates.push(der.to_vec()));
}

/// The connection is ready: after TCP, or after TLS if there is any.
pub(super) fn connected() {
    mark(|times| {
        if std::mem::take(&mut times.tls_runs) {
            times.end(|t| &mut t.tls);
        } else {
            times.end(|t| &mut t.connect);
        }
    });
}

/// Marks the moment at which a connection is ready for the request: after TCP, or after TLS if there is any.
#[derive(Clone)]
pub(super) struct ConnectedLayer;

impl<S> Layer<S> for ConnectedLayer {
    type Service = MarkConnected<S>;

    fn layer(&self, inner: S) -> Self::Service {
        MarkConnected(inner)
    }
}

/// The service of [`ConnectedLayer`].
#[derive(Clone)]
pub(super) struct MarkConnected<S>(S);

impl<S, R> Service<R> for MarkConnected<S>
where
    S: Service<R>,
    S::Future: Send + 'static,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<S::Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: R) -> Self::Future {
        let connecting = self.0.call(request);
        Box::pin(async move {
            let connection = connecting.await?;
            connected();
            Ok(connection)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn phases_add_up_over_the_hops() {
        let marks = Marks::start();
        Arc::clone(&marks)
            .watch(async {
                for _ in 0..2 {
                    marks.hop_begins();
                    resolved();
                    tls_begins();
                    tokio::time::sleep(Duration::from_millis(10)).await;
                    connected();
                }
            })
            .await;
        let phases = marks.phases();
        assert!(phases.tls >= Some(20) && phases.total >= phases.tls, "{phases:?}");
        assert!(phases.dns.is_some() && phases.connect.is_some());
        assert_eq!(phases.first_byte, None);
    }

    #[tokio::test]
    async fn what_is_waited_for_on_our_side_does_not_count() {
        let silent = Marks::start();
        let never = silent.within(Duration::from_millis(20), std::future::pending::<()>());
        assert_eq!(never.await, None);
        let held_up = Marks::start();
        let (limit, longer) = (Duration::from_secs(2), Duration::from_millis(2100));
        let waiting = held_up.not_counting(tokio::time::sleep(longer));
        assert_eq!(held_up.within(limit, waiting).await, Some(()));
        assert!(held_up.phases().total < Some(2000), "{:?}", held_up.phases());
    }

    #[tokio::test]
    async fn a_plain_connection_has_no_tls_phase() {
        let marks = Marks::start();
        Arc::clone(&marks).watch(async { connected() }).await;
        marks.head_came();
        marks.answered(204);
        let phases = marks.phases();
        assert!(phases.connect.is_some() && phases.first_byte.is_some());
        assert_eq!((phases.dns, phases.tls, marks.status()), (None, None, Some(204)));
    }
}
