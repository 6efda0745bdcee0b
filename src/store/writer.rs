//! Group commit: many small writes share one transaction, and each is answered only after the commit.
//!
//! While one commit runs, the next group gathers. So a lone write waits for nothing, and under load the cost of a durable
//! commit is shared by all that came meanwhile. Producers that ask again as soon as they are answered would yet come in ever smaller
//! groups, each with a commit of its own: in a crowd, a group waits a moment until half of it is there.

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use tokio::sync::{Notify, mpsc, oneshot};

use super::{Conn, Db, Error, Held, Result};

/// The most that shares one transaction. Larger groups gain little and hold up the first in them.
const GROUP_MAX: usize = 256;
/// How many groups share a turn with the connection. Others who want to write wait for the end of a turn.
const GROUPS_A_TURN: usize = 16;
/// How many may wait before producers are slowed down.
const QUEUE: usize = 4096;
/// From how many producers at once on it is a crowd. Fewer are never waited for.
const CROWD: usize = 16;
/// How long a group waits for half of the crowd at most.
const COMPANY: Duration = Duration::from_millis(1);

/// What a [`Writer`] does with a group.
pub trait Batch: Sized + Send + 'static {
    /// One piece of work.
    type Item: Send + Sync + 'static;
    /// What its producer gets.
    type Reply: Send + 'static;
    /// What is to be done once the group is durable.
    type Effects: Send;

    /// Does all of `items` within the caller's transaction and gives one reply for each, in order.
    fn apply(
        &mut self,
        conn: &mut Conn<'_>,
        items: &[Self::Item],
    ) -> impl Future<Output = Result<Written<Self>>> + Send;

    /// Writes a group that is quickly written, in a transaction of its own; `None` when it is not such a group, and nothing was done.
    fn write_at_once(
        &mut self,
        _held: &mut Held,
        _items: &[Self::Item],
    ) -> impl Future<Output = Option<Result<Written<Self>>>> + Send {
        std::future::ready(None)
    }

    /// Carries out the effects of a group that is durable now.
    fn committed(&mut self, effects: Self::Effects);
}

/// What a group came to: a reply for each item, in order, and what is to be done once it is durable.
pub type Written<B> = (Vec<<B as Batch>::Reply>, <B as Batch>::Effects);

struct Waiting<B: Batch> {
    item: B::Item,
    reply: oneshot::Sender<std::result::Result<B::Reply, WriteError>>,
}

/// Why a write was not done.
#[derive(Debug, Clone, thiserror::Error)]
pub enum WriteError {
    /// The database refused it, or could not be reached.
    #[error("{0}")]
    Store(Arc<Error>),
    /// The server is stopping.
    #[error("the server is stopping")]
    Stopped,
}

/// How many are worth waiting for after a group of `answered`, while `waiting` wait: together they are all that ask at the same
/// time. While half of them are written, the other half is answered and asks again.
fn enough_of(answered: usize, waiting: usize) -> Option<usize> {
    let producers = answered + waiting;
    (producers >= CROWD).then_some((producers / 2).min(GROUP_MAX))
}

/// The producers' end of a group-commit queue. Cheap to clone.
pub struct Writer<B: Batch> {
    queue: mpsc::Sender<Waiting<B>>,
    crowd: Arc<Crowd>,
}

impl<B: Batch> Clone for Writer<B> {
    fn clone(&self) -> Self {
        Self { queue: self.queue.clone(), crowd: self.crowd.clone() }
    }
}

/// How many the writer waits for, so that only the one that makes them enough wakes it.
struct Crowd {
    /// `usize::MAX` while it waits for nobody.
    enough: AtomicUsize,
    are_enough: Notify,
}

impl Crowd {
    fn new() -> Arc<Self> {
        Arc::new(Self { enough: AtomicUsize::new(usize::MAX), are_enough: Notify::new() })
    }

    /// Notes that so many wait now.
    fn came(&self, waiting: usize) {
        if waiting >= self.enough.load(Ordering::Acquire) {
            self.are_enough.notify_one();
        }
    }

    /// Waits until `enough` wait in the queue, for a moment at most.
    async fn wait_for<T>(&self, enough: usize, queue: &mpsc::Receiver<T>) {
        self.enough.store(enough, Ordering::Release);
        // Looked at after the number is known, so that none comes unseen; again after a notice, which may be an old one.
        let are_there = async {
            while queue.len() < enough {
                self.are_enough.notified().await;
            }
        };
        // After a moment those that came must do.
        let _ = tokio::time::timeout(COMPANY, are_there).await;
        self.enough.store(usize::MAX, Ordering::Release);
    }
}

impl<B: Batch> Writer<B> {
    /// A queue and the task that works it. The task ends when all producers are gone and the queue is empty.
    pub fn new(db: Db, batch: B) -> (Self, impl Future<Output = ()> + Send) {
        let (queue, receiver) = mpsc::channel(QUEUE);
        let crowd = Crowd::new();
        (Self { queue, crowd: crowd.clone() }, work(db, batch, receiver, crowd))
    }

    /// Does `item` and waits until it is durable.
    ///
    /// # Errors
    /// When it was not done; then nothing of it was.
    pub async fn write(&self, item: B::Item) -> std::result::Result<B::Reply, WriteError> {
        let (reply, answer) = oneshot::channel();
        self.queue.send(Waiting { item, reply }).await.map_err(|_| WriteError::Stopped)?;
        self.crowd.came(QUEUE - self.queue.capacity());
        answer.await.map_err(|_| WriteError::Stopped)?
    }
}

async fn work<B: Batch>(
    db: Db,
    mut batch: B,
    mut receiver: mpsc::Receiver<Waiting<B>>,
    crowd: Arc<Crowd>,
) {
    let mut group = Vec::with_capacity(GROUP_MAX);
    while !group.is_empty() || receiver.recv_many(&mut group, GROUP_MAX).await > 0 {
        let mut turn = Turn { db: &db, held: None };
        for _ in 0..GROUPS_A_TURN {
            let answered = group.len();
            write(&mut turn, &mut batch, &mut group).await;
            if let Some(enough) = enough_of(answered, receiver.len()) {
                crowd.wait_for(enough, &receiver).await;
            }
            while group.len() < GROUP_MAX
                && let Ok(waiting) = receiver.try_recv()
            {
                group.push(waiting);
            }
            if group.is_empty() {
                break;
            }
        }
    }
}

/// Writes a group and answers its producers.
async fn write<B: Batch>(turn: &mut Turn<'_>, batch: &mut B, group: &mut Vec<Waiting<B>>) {
    let (items, replies): (Vec<_>, Vec<_>) =
        group.drain(..).map(|waiting| (waiting.item, waiting.reply)).unzip();
    match turn.commit(batch, &items).await {
        Ok(results) => {
            for (reply, result) in replies.into_iter().zip(results) {
                // A producer that does not wait any more needs no answer.
                let _ = reply.send(Ok(result));
            }
        }
        Err(error) if items.len() == 1 => fail(replies, error),
        // One poisoned row must not take the others with it: each is tried alone.
        Err(_) => {
            for (item, reply) in items.into_iter().zip(replies) {
                let result = turn.commit(batch, std::slice::from_ref(&item)).await;
                let result = result.map(|mut replies| replies.pop());
                match result {
                    Ok(Some(result)) => drop(reply.send(Ok(result))),
                    Ok(None) => drop(reply),
                    Err(error) => fail(vec![reply], error),
                }
            }
        }
    }
}

fn fail<R>(replies: Vec<oneshot::Sender<std::result::Result<R, WriteError>>>, error: Error) {
    tracing::error!(%error, "a write failed");
    let error = Arc::new(error);
    for reply in replies {
        let _ = reply.send(Err(WriteError::Store(error.clone())));
    }
}

/// A few groups in a row on one connection.
struct Turn<'a> {
    db: &'a Db,
    held: Option<Held>,
}

impl Turn<'_> {
    async fn commit<B: Batch>(
        &mut self,
        batch: &mut B,
        items: &[B::Item],
    ) -> Result<Vec<B::Reply>> {
        // Put back only after a success: a connection on which something failed is looked at before it is used again.
        let mut held = match self.held.take() {
            Some(held) => held,
            None => self.db.hold().await?,
        };
        let (replies, effects) = match batch.write_at_once(&mut held, items).await {
            Some(done) => done?,
            None => {
                let mut tx = held.begin().await?;
                let done = batch.apply(&mut tx.conn(), items).await?;
                tx.commit().await?;
                done
            }
        };
        batch.committed(effects);
        self.held = Some(held);
        Ok(replies)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_crowd_is_waited_for() {
        for (answered, waiting, enough) in [
            (1, 0, None),
            (10, 5, None),
            (16, 0, Some(8)),
            (2, 14, Some(8)),
            (32, 32, Some(32)),
            (256, 900, Some(256)),
        ] {
            assert_eq!(enough_of(answered, waiting), enough, "{answered} answered, {waiting} wait");
        }
    }

    #[tokio::test]
    async fn the_one_that_makes_them_enough_ends_the_wait() {
        let crowd = Crowd::new();
        let (sender, receiver) = mpsc::channel(8);
        crowd.came(9);
        sender.try_send(()).unwrap();
        sender.try_send(()).unwrap();
        // Two are there: nothing to wait for.
        crowd.wait_for(2, &receiver).await;
        let third = async {
            sender.try_send(()).unwrap();
            crowd.came(3);
        };
        tokio::join!(crowd.wait_for(3, &receiver), third);
        // Nobody comes: it ends all the same.
        crowd.wait_for(8, &receiver).await;
        assert_eq!(crowd.enough.load(Ordering::Acquire), usize::MAX);
    }
}
