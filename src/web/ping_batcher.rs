//! Pings that one thread of the web server reads in one go. They are offered to the writer together, and answered together: to hand
//! over each by itself, and to be woken for each, would cost as much as to read it.

use std::cell::{Cell, RefCell};
use std::rc::Rc;

use actix_web::rt;
use tokio::sync::oneshot;

use crate::checker::{Engine, EngineError, IncomingPing};

/// How many pings of a thread may wait to be recorded. While the database hangs, more could come than there is memory for.
const MOST: usize = 4_096;

type Answer = Result<i64, EngineError>;
type Waiting = (IncomingPing, oneshot::Sender<Answer>);

/// The pings of one thread that are not recorded yet.
#[derive(Clone)]
pub struct PingBatcher {
    engine: Engine,
    /// Those that were read and not offered yet.
    waiting: Rc<RefCell<Vec<Waiting>>>,
    /// How many were offered and are not answered.
    offered: Rc<Cell<usize>>,
}

impl PingBatcher {
    /// One for a thread.
    pub fn new(engine: Engine) -> Self {
        Self { engine, waiting: Rc::default(), offered: Rc::default() }
    }

    /// Records a ping, as [`Engine::ping`] does; also when nobody waits for the answer any more.
    ///
    /// # Errors
    /// As [`Engine::ping`]; and when too many wait already.
    pub async fn ping(&self, ping: IncomingPing) -> Answer {
        let unavailable = |reason: &str| Err(EngineError::Unavailable(reason.to_owned()));
        match self.put(ping) {
            Some(answer) => answer.await.unwrap_or_else(|_| unavailable("the server is stopping")),
            None => unavailable("too many pings wait to be recorded"),
        }
    }

    fn put(&self, ping: IncomingPing) -> Option<oneshot::Receiver<Answer>> {
        let mut waiting = self.waiting.borrow_mut();
        if self.offered.get() + waiting.len() >= MOST {
            return None;
        }
        let (sender, answer) = oneshot::channel();
        waiting.push((ping, sender));
        if waiting.len() == 1 {
            // It runs behind all that is ready to be read now.
            rt::spawn(offer(self.clone()));
        }
        Some(answer)
    }
}

/// Offers what waits, and hands out the answers.
async fn offer(batcher: PingBatcher) {
    let (pings, senders): (Vec<_>, Vec<_>) = batcher.waiting.take().into_iter().unzip();
    let (offered, many) = (&batcher.offered, senders.len());
    offered.set(offered.get() + many);
    let answers = batcher.engine.ping_all(pings).await;
    offered.set(offered.get() - many);
    for (sender, answer) in senders.into_iter().zip(answers) {
        // A client that has gone needs no answer.
        let _ = sender.send(answer);
    }
}
