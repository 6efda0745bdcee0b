//! Canaries that say what the test tells them, so that no test depends on the network that it runs in.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use watchbell::monitor::cutoff::CanaryReport;
use watchbell::probe::Canaries;

/// Canaries of a test.
pub struct TestCanaries {
    are_silent: AtomicBool,
    asked: AtomicUsize,
}

impl TestCanaries {
    /// Some that answer.
    pub fn answering() -> Arc<Self> {
        Arc::new(Self { are_silent: AtomicBool::new(false), asked: AtomicUsize::new(0) })
    }

    /// From now on they are silent.
    pub fn fall_silent(&self) {
        self.are_silent.store(true, Ordering::SeqCst);
    }

    /// From now on they answer again.
    pub fn answer_again(&self) {
        self.are_silent.store(false, Ordering::SeqCst);
    }

    /// How often they were asked.
    pub fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }
}

#[async_trait::async_trait]
impl Canaries for TestCanaries {
    async fn ask(&self) -> CanaryReport {
        self.asked.fetch_add(1, Ordering::SeqCst);
        match self.are_silent.load(Ordering::SeqCst) {
            true => CanaryReport::Silent(vec!["the test's canary".to_owned()]),
            false => CanaryReport::Answering,
        }
    }
}
