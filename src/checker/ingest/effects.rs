//! What is to be done once a group is durable, and where it goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use tokio::sync::{Notify, broadcast, mpsc};

use super::filing::Filing;
use super::known::Known;
use crate::checker::run::Command;
use crate::clock::Timestamp;
use crate::live::LiveEvent;
use crate::notify::outbox::Wake;
use crate::region::hub::Hub;
use crate::store::new_pings::Packed;

/// What is to be done once a group is durable.
#[derive(Debug, Default)]
pub struct Effects {
    /// What is remembered for the next group, unless it is already.
    pub(super) known: Option<Known>,
    /// What the checker is told.
    pub(super) commands: Vec<Command>,
    /// What the open pages are told.
    pub(super) live: Vec<LiveEvent>,
    /// Whether alerts were queued.
    pub(super) has_deliveries: bool,
    /// The pings that came, as they are to be filed.
    pub(super) new_pings: Packed,
    /// What is to be filed now, if some were.
    pub(super) filing: Option<Filing>,
    /// The next moment at which something may be due.
    pub(super) earliest_deadline: Option<Timestamp>,
}

/// Where effects go.
#[derive(Clone)]
pub struct Outlets {
    /// The checker.
    pub commands: mpsc::UnboundedSender<Command>,
    /// What probes are told to check.
    pub hub: Hub,
    /// The pages that are open.
    pub live: broadcast::Sender<LiveEvent>,
    /// The sender of alerts.
    pub sender: Wake,
    /// The watcher of deadlines.
    pub watch: Arc<Notify>,
    /// When the watcher looks next, in epoch ms.
    pub watch_wakes_at: Arc<AtomicI64>,
    /// Whether states rest that readers must not miss.
    pub rests: Arc<AtomicBool>,
}

impl Outlets {
    /// Carries out what follows from a group that is durable now.
    pub(super) fn carry_out(&self, effects: Effects) {
        for command in effects.commands {
            self.hub.note(&command);
            // The checker is gone only when the server stops.
            let _ = self.commands.send(command);
        }
        for event in effects.live {
            // Nobody has a page open.
            let _ = self.live.send(event);
        }
        if effects.has_deliveries {
            self.sender.wake();
        }
        let wakes_at = self.watch_wakes_at.load(Ordering::Acquire);
        if effects.earliest_deadline.is_some_and(|at| at.0 < wakes_at) {
            self.watch.notify_one();
        }
    }
}
