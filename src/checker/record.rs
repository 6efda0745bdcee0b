//! From results to durable state: results of checks gather for a moment and are handed to the writer together.
//!
//! What costs most of a durable write is the commit. A result that says nothing new may therefore wait a quarter of a second for
//! company; one that changes a state, or that somebody waits for, is written at once and takes along all that waits.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::task::{JoinError, JoinSet};
use tokio::time::Sleep;

use super::ingest::{Ingest, Reply, Work};
use crate::clock::Timestamp;
use crate::monitor::state::State;
use crate::monitor::{CheckResult, MonitorId};
use crate::store::writer::Writer;

/// How long a result that changes nothing waits for company.
pub const COMPANY: Duration = Duration::from_millis(250);
/// How many go together at most, so that one commit does not hold up what comes after it.
const TOGETHER_MAX: usize = 128;

/// A check that ended.
#[derive(Debug)]
pub struct Ended {
    /// Of which monitor.
    pub id: MonitorId,
    /// Of which of its lives.
    pub generation: u64,
    /// When the check itself ended: from here the next one is counted, however long the writing takes.
    pub at: Timestamp,
    /// What it found.
    pub result: CheckResult,
}

/// A check whose result has been written.
#[derive(Debug)]
pub struct Recorded {
    /// The check.
    pub ended: Ended,
    /// What is known of its monitor now; `None` when the result could not be stored.
    pub state: Option<State>,
}

/// Where results become durable: the writer of the server, or the spool of a probe.
#[async_trait::async_trait]
pub trait Records: Send + Sync + 'static {
    /// Makes results durable, in order. Gives for each what is known of its monitor now; `None` when it could not be stored.
    async fn record(&self, ended: &[Ended]) -> Vec<Option<State>>;
}

#[async_trait::async_trait]
impl Records for Writer<Ingest> {
    async fn record(&self, ended: &[Ended]) -> Vec<Option<State>> {
        join_all(ended.iter().map(|ended| async {
            let result = Box::new(ended.result.clone());
            let work = Work::Checked { monitor_id: ended.id, result };
            // A result that could not be stored was logged by the writer; the next check comes as planned.
            match self.write(work).await {
                Ok(Reply::State(state)) => Some(*state),
                _ => None,
            }
        }))
        .await
    }
}

/// Gathers results and hands them on.
pub struct Recorder {
    records: Arc<dyn Records>,
    held: Vec<Ended>,
    until: Option<Pin<Box<Sleep>>>,
    writing: JoinSet<Vec<Recorded>>,
    unwritten: usize,
}

impl Recorder {
    /// A recorder that hands to `records`.
    pub fn new(records: Arc<dyn Records>) -> Self {
        Self { records, held: Vec::new(), until: None, writing: JoinSet::new(), unwritten: 0 }
    }

    /// Takes a result. If it may not wait, it is handed on at once.
    pub fn add(&mut self, ended: Ended, may_wait: bool) {
        self.unwritten += 1;
        self.held.push(ended);
        if !may_wait || self.held.len() >= TOGETHER_MAX {
            self.hand_on();
        } else if self.until.is_none() {
            self.until = Some(Box::pin(tokio::time::sleep(COMPANY)));
        }
    }

    /// Hands on what waits.
    pub fn hand_on(&mut self) {
        self.until = None;
        if !self.held.is_empty() {
            let held = std::mem::take(&mut self.held);
            self.writing.spawn(write(self.records.clone(), held));
        }
    }

    /// How many results are not yet durable.
    pub fn unwritten(&self) -> usize {
        self.unwritten
    }

    /// Waits until results have been written, and gives them; hands on meanwhile what has waited long enough. Never ends while
    /// there is nothing to write. May be dropped and called again: nothing is lost.
    pub async fn next(&mut self) -> Result<Vec<Recorded>, JoinError> {
        loop {
            let company = async {
                match &mut self.until {
                    Some(until) => until.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                () = company => self.hand_on(),
                Some(written) = self.writing.join_next() => {
                    self.unwritten -= written.as_ref().map_or(0, Vec::len);
                    return written;
                }
            }
        }
    }

    /// Hands on what waits, and waits until all is written.
    pub async fn finish(mut self) {
        self.hand_on();
        while self.writing.join_next().await.is_some() {}
    }
}

async fn write(records: Arc<dyn Records>, held: Vec<Ended>) -> Vec<Recorded> {
    let states = records.record(&held).await;
    held.into_iter().zip(states).map(|(ended, state)| Recorded { ended, state }).collect()
}
