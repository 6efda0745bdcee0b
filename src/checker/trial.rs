//! A live test: one check of settings that are not saved yet, by the same prober and under the same egress rules as any other.
//! It leaves no trace: no result, no state, no alert.

use std::sync::{Mutex, PoisonError};

use tokio::sync::Semaphore;

use crate::account::throttle::Counter;
use crate::clock::{SharedClock, Timestamp};
use crate::monitor::Target;
use crate::probe::{Look, Prober};

/// Tests that one person may make in a minute.
const TESTS_A_MINUTE: u32 = 30;
/// Tests under way at once: apart from the permits of checks, so that neither waits for the other.
const AT_ONCE: usize = 8;
/// The longest that a test waits, in seconds: somebody looks on.
pub const LONGEST_SECONDS: u32 = 30;

/// Why there was no test.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NoTrial {
    /// Too many of them.
    TooMany {
        /// How long to wait.
        retry_after_seconds: u32,
    },
    /// A heartbeat is not checked.
    NotChecked,
}

/// Makes live tests.
pub struct Trials {
    prober: Prober,
    clock: SharedClock,
    region: String,
    permits: Semaphore,
    // A std Mutex, because nothing is awaited while it is held.
    counter: Mutex<Counter<String>>,
}

impl Trials {
    /// Tests by `prober` from `region`.
    pub fn new(prober: Prober, clock: SharedClock, region: String) -> Self {
        let counter = Mutex::new(Counter::new(TESTS_A_MINUTE, 60_000));
        Self { prober, clock, region, permits: Semaphore::new(AT_ONCE), counter }
    }

    /// Tests `target` for `who` (a name that is counted by). Waits at most [`LONGEST_SECONDS`].
    ///
    /// # Errors
    /// See [`NoTrial`].
    pub async fn run(&self, who: &str, target: &Target) -> Result<Look, NoTrial> {
        let now = self.clock.now();
        self.count(who, now)?;
        let _permit = self
            .permits
            .try_acquire()
            .map_err(|_| NoTrial::TooMany { retry_after_seconds: LONGEST_SECONDS })?;
        let mut target = target.clone();
        if let Some(pace) = target.pace_mut() {
            pace.timeout_seconds = pace.timeout_seconds.min(LONGEST_SECONDS);
        }
        self.prober.look(&target, &self.region, now).await.ok_or(NoTrial::NotChecked)
    }

    /// Why hosts cannot be pinged, if the system does not allow it.
    pub fn icmp_refusal(&self) -> Option<&'static str> {
        self.prober.icmp_refusal()
    }

    fn count(&self, who: &str, now: Timestamp) -> Result<(), NoTrial> {
        let mut counter = self.counter.lock().unwrap_or_else(PoisonError::into_inner);
        let counted = counter.hit(&who.to_owned(), now);
        counted.map_err(|retry_after_seconds| NoTrial::TooMany { retry_after_seconds })
    }
}
