//! Producers that ask again as soon as they are answered. They would come in ever smaller groups, each with a commit of its own: in a
//! crowd, a group waits a moment until half of it is there.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::Notify;

use super::group::GROUP_MAX;

/// From how many producers at once on it is a crowd. Fewer are never waited for.
const CROWD: usize = 16;

/// The crowd, and how many of it are waited for: only the one that makes them enough wakes the writer.
pub(super) struct Crowd {
    /// `usize::MAX` while it waits for nobody.
    enough: AtomicUsize,
    are_enough: Notify,
    /// How many items there are about: of how many producers at once.
    size: AtomicUsize,
    /// How many items wait in the queue, or are on their way into it.
    waiting: AtomicUsize,
}

impl Crowd {
    pub(super) fn new() -> Arc<Self> {
        Arc::new(Self {
            enough: AtomicUsize::new(usize::MAX),
            are_enough: Notify::new(),
            size: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
        })
    }

    /// Notes that so many items are about to come into the queue.
    pub(super) fn comes(&self, items: usize) {
        self.waiting.fetch_add(items, Ordering::SeqCst);
    }

    /// To be said once they are there.
    pub(super) fn has_come(&self) {
        if self.waiting() >= self.enough.load(Ordering::SeqCst) {
            self.are_enough.notify_one();
        }
    }

    /// Notes that so many items were taken from the queue.
    pub(super) fn was_taken(&self, items: usize) {
        self.waiting.fetch_sub(items, Ordering::SeqCst);
    }

    /// How many items wait.
    pub(super) fn waiting(&self) -> usize {
        self.waiting.load(Ordering::SeqCst)
    }

    /// Notes that so many asked at the same time: a group that is answered, and those that wait.
    pub(super) fn were(&self, producers: usize) {
        // Some may be slow to come back: it is not forgotten at once how many they were.
        let before = self.size.load(Ordering::Relaxed);
        self.size.store(producers.max(before - before.div_ceil(8)), Ordering::Relaxed);
    }

    /// How many are worth waiting for while a group of `many` is written or answered: half of the crowd, or all the others. While
    /// one half is written, the other is answered and asks again.
    pub(super) fn enough_after(&self, many: usize) -> Option<usize> {
        let size = self.size.load(Ordering::Relaxed);
        Some(self.half()?.min(size.saturating_sub(many)).clamp(1, GROUP_MAX))
    }

    /// Half of the crowd, if there is one.
    pub(super) fn half(&self) -> Option<usize> {
        let size = self.size.load(Ordering::Relaxed);
        (size >= CROWD).then_some(size / 2)
    }

    /// Waits until `enough` wait, in the queue or on their way into it; for ever if it is nobody. [`Crowd::is_over`] belongs behind it.
    pub(super) async fn wait_for(&self, enough: Option<usize>) {
        let Some(enough) = enough else { return std::future::pending().await };
        self.enough.store(enough, Ordering::SeqCst);
        // Looked at after the number is known, so that none comes unseen; again after a notice, which may be an old one.
        while self.waiting() < enough {
            self.are_enough.notified().await;
        }
    }

    /// Nobody is waited for any more.
    pub(super) fn is_over(&self) {
        self.enough.store(usize::MAX, Ordering::Release);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_crowd_is_waited_for() {
        for (producers, many, enough) in [
            (1, 1, None),
            (15, 10, None),
            (16, 16, Some(1)),
            (16, 2, Some(8)),
            (64, 32, Some(32)),
            (64, 40, Some(24)),
            (1_000, 256, Some(256)),
        ] {
            let crowd = Crowd::new();
            crowd.were(producers);
            assert_eq!(crowd.enough_after(many), enough, "{many} of {producers}");
        }
    }

    #[test]
    fn a_crowd_that_goes_is_forgotten_by_and_by() {
        let crowd = Crowd::new();
        crowd.were(64);
        crowd.were(20);
        assert_eq!(crowd.enough_after(20), Some(28), "some may be slow to come back");
        for _ in 0..20 {
            crowd.were(1);
        }
        assert_eq!(crowd.enough_after(1), None);
    }

    #[tokio::test]
    async fn the_one_that_makes_them_enough_ends_the_wait() {
        let crowd = Crowd::new();
        let come = |items| {
            crowd.comes(items);
            crowd.has_come();
        };
        come(2);
        // Two are there: nothing to wait for.
        crowd.wait_for(Some(2)).await;
        // A notice of before is no news.
        crowd.are_enough.notify_one();
        tokio::join!(crowd.wait_for(Some(4)), async { come(2) });
        crowd.was_taken(3);
        assert_eq!(crowd.waiting(), 1);
        crowd.is_over();
        assert_eq!(crowd.enough.load(Ordering::Acquire), usize::MAX);
    }
}
