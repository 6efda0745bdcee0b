//! Group commit: many small writes share one transaction, and each is answered only after the commit.
//!
//! While one commit runs, the next group gathers. So a lone write waits for nothing, and under load the cost of a durable
//! commit is shared by all that came meanwhile. Producers that ask again as soon as they are answered would yet come in ever smaller
//! groups, each with a commit of its own: in a crowd, a group waits a moment until half of it is there.

use std::future::Future;
use std::pin::pin;
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
/// How long what a batch leaves to be done rests while nothing comes.
const REST: Duration = Duration::from_millis(100);

/// What a [`Writer`] does with a group.
pub trait Batch: Sized + Send + 'static {
    /// One piece of work.
    type Item: Send + Sync + 'static;
    /// What its producer gets.
    type Reply: Send + 'static;
    /// What is to be done once the group is durable.
    type Effects: Send;
    /// What is to be written of a group that was decided on without the database.
    type Rows: Send;

    /// Does all of `items` within the caller's transaction and gives one reply for each, in order. There may be none: then what
    /// [`Batch::rests`] is done.
    fn apply(
        &mut self,
        conn: &mut Conn<'_>,
        items: &[Self::Item],
    ) -> impl Future<Output = Result<Written<Self>>> + Send;

    /// Decides on a group that nothing needs to be read for; `None` when it is not such a group, and nothing was done. The group before
    /// may still be on its way to the disk.
    fn decide(&mut self, _items: &[Self::Item]) -> Option<(Written<Self>, Self::Rows)> {
        None
    }

    /// Writes a group that was decided on, in a transaction of its own.
    fn write_decided(held: &mut Held, rows: Self::Rows) -> impl Future<Output = Result<()>> + Send;

    /// Takes back what was decided since the last group that is durable: it was not written.
    fn forget(&mut self) {}

    /// Whether something is left to do, soon, even if nothing more comes.
    fn rests(&self) -> bool {
        false
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

    /// Waits until `enough` wait in the queue. [`Crowd::is_over`] belongs behind it.
    async fn wait_for<T>(&self, enough: usize, queue: &mpsc::Receiver<T>) {
        self.enough.store(enough, Ordering::Release);
        // Looked at after the number is known, so that none comes unseen; again after a notice, which may be an old one.
        while queue.len() < enough {
            self.are_enough.notified().await;
        }
    }

    /// Nobody is waited for any more.
    fn is_over(&self) {
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

type Answer<B> = oneshot::Sender<std::result::Result<<B as Batch>::Reply, WriteError>>;

async fn work<B: Batch>(
    db: Db,
    mut batch: B,
    mut receiver: mpsc::Receiver<Waiting<B>>,
    crowd: Arc<Crowd>,
) {
    let mut group = Vec::with_capacity(GROUP_MAX);
    // What the last run of the server left.
    let mut is_settled = settle(&db, &mut batch).await;
    loop {
        let mut turn = Turn { db: &db, held: None };
        if group.is_empty() {
            let came = receiver.recv_many(&mut group, GROUP_MAX);
            let came = match batch.rests() && is_settled {
                true => tokio::time::timeout(REST, came).await,
                false => Ok(came.await),
            };
            is_settled = !group.is_empty() || settle(&db, &mut batch).await;
            if came == Ok(0) {
                break;
            }
        }
        for _ in 0..GROUPS_A_TURN {
            if group.is_empty() {
                break;
            }
            let answered = match Decided::of(&mut batch, &mut group) {
                Some(first) => {
                    turn.pipeline(&mut batch, first, &mut receiver, &crowd, &mut group).await
                }
                None => write(&mut turn, &mut batch, &mut group).await,
            };
            gather(answered, &mut receiver, &crowd, &mut group).await;
        }
    }
}

/// Does what a batch has left to be done; says whether that went well.
async fn settle<B: Batch>(db: &Db, batch: &mut B) -> bool {
    if !batch.rests() {
        return true;
    }
    let done = Turn { db, held: None }.commit(batch, &[]).await;
    if let Err(error) = &done {
        tracing::error!(%error, "what rested could not be written; it is tried again with the next work");
    }
    done.is_ok()
}

/// Takes what waits into a group after one of `answered`.
async fn gather<T>(
    answered: usize,
    receiver: &mut mpsc::Receiver<T>,
    crowd: &Crowd,
    group: &mut Vec<T>,
) {
    if let Some(enough) = enough_of(answered, receiver.len() + group.len()) {
        // After a moment those that came must do.
        let there = crowd.wait_for(enough.saturating_sub(group.len()), receiver);
        let _ = tokio::time::timeout(COMPANY, there).await;
        crowd.is_over();
    }
    take(receiver, group);
}

fn take<T>(receiver: &mut mpsc::Receiver<T>, group: &mut Vec<T>) {
    while group.len() < GROUP_MAX
        && let Ok(waiting) = receiver.try_recv()
    {
        group.push(waiting);
    }
}

/// A group that was decided on, and not written yet.
struct Decided<B: Batch> {
    items: Vec<B::Item>,
    answers: Vec<Answer<B>>,
    written: Written<B>,
    rows: B::Rows,
}

impl<B: Batch> Decided<B> {
    /// Decides on `group` and takes it, if nothing needs to be read for it.
    fn of(batch: &mut B, group: &mut Vec<Waiting<B>>) -> Option<Self> {
        let (items, answers): (Vec<_>, Vec<_>) =
            group.drain(..).map(|waiting| (waiting.item, waiting.reply)).unzip();
        match batch.decide(&items) {
            Some((written, rows)) => Some(Self { items, answers, written, rows }),
            None => {
                group.extend(together(items, answers));
                None
            }
        }
    }
}

fn together<B: Batch>(
    items: Vec<B::Item>,
    answers: Vec<Answer<B>>,
) -> impl Iterator<Item = Waiting<B>> {
    items.into_iter().zip(answers).map(|(item, reply)| Waiting { item, reply })
}

fn answer<B: Batch>(answers: Vec<Answer<B>>, replies: Vec<B::Reply>) {
    for (answer, reply) in answers.into_iter().zip(replies) {
        // A producer that does not wait any more needs no answer.
        let _ = answer.send(Ok(reply));
    }
}

/// Writes a group and answers its producers; says how many they were.
async fn write<B: Batch>(
    turn: &mut Turn<'_>,
    batch: &mut B,
    group: &mut Vec<Waiting<B>>,
) -> usize {
    let (items, answers): (Vec<_>, Vec<_>) =
        group.drain(..).map(|waiting| (waiting.item, waiting.reply)).unzip();
    let many = items.len();
    match turn.commit(batch, &items).await {
        Ok(replies) => answer::<B>(answers, replies),
        Err(error) if many == 1 => fail(answers, error),
        Err(_) => each_alone(turn, batch, items, answers).await,
    }
    many
}

/// One poisoned row must not take the others with it: each is tried alone.
async fn each_alone<B: Batch>(
    turn: &mut Turn<'_>,
    batch: &mut B,
    items: Vec<B::Item>,
    answers: Vec<Answer<B>>,
) {
    for (item, reply) in items.into_iter().zip(answers) {
        let result = turn.commit(batch, std::slice::from_ref(&item)).await;
        match result.map(|mut replies| replies.pop()) {
            Ok(Some(result)) => drop(reply.send(Ok(result))),
            Ok(None) => drop(reply),
            Err(error) => fail(vec![reply], error),
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
    /// Put back only after a success: a connection on which something failed is looked at before it is used again.
    async fn take(&mut self) -> Result<Held> {
        match self.held.take() {
            Some(held) => Ok(held),
            None => self.db.hold().await,
        }
    }

    async fn commit<B: Batch>(
        &mut self,
        batch: &mut B,
        items: &[B::Item],
    ) -> Result<Vec<B::Reply>> {
        let mut held = self.take().await?;
        let mut tx = held.begin().await?;
        let (replies, effects) = batch.apply(&mut tx.conn(), items).await?;
        tx.commit().await?;
        batch.committed(effects);
        self.held = Some(held);
        Ok(replies)
    }

    /// Writes a group that was decided on, and those behind it: while one is on its way to the disk, the next is decided on. Says how
    /// many were answered last; what is no such group, or comes too late for this turn, is left in `group`.
    async fn pipeline<B: Batch>(
        &mut self,
        batch: &mut B,
        first: Decided<B>,
        receiver: &mut mpsc::Receiver<Waiting<B>>,
        crowd: &Crowd,
        group: &mut Vec<Waiting<B>>,
    ) -> usize {
        let (mut current, mut answered) = (first, 0);
        for left in (0..GROUPS_A_TURN).rev() {
            let Decided { items, answers, written: (replies, effects), rows } = current;
            let many = items.len();
            let mut next = None;
            let done: Result<()> = {
                let mut writing = pin!(async {
                    let mut held = self.take().await?;
                    B::write_decided(&mut held, rows).await?;
                    self.held = Some(held);
                    Ok(())
                });
                tokio::select! {
                    biased;
                    done = &mut writing => done,
                    () = crowd.wait_for(many, receiver), if left > 0 && many >= CROWD / 2 => {
                        take(receiver, group);
                        next = Decided::of(batch, group);
                        writing.await
                    }
                }
            };
            crowd.is_over();
            if let Err(error) = done {
                batch.forget();
                tracing::warn!(%error, "a group could not be written and is tried again, one by one");
                if let Some(next) = next {
                    group.extend(together(next.items, next.answers));
                }
                each_alone(self, batch, items, answers).await;
                return many;
            }
            batch.committed(effects);
            answer::<B>(answers, replies);
            answered = many;
            match next {
                Some(next) => current = next,
                None => break,
            }
        }
        answered
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
