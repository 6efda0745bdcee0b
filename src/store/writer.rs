//! Group commit: many small writes share one transaction, and each is answered only after the commit.
//!
//! While one commit runs, the next group gathers. So a lone write waits for nothing, and under load the cost of a durable
//! commit is shared by all that came meanwhile. What needs nothing from the database is decided on while the group before it is
//! still on its way to the disk.

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::crowd::Crowd;
use super::{Conn, Db, Error, Held, Result};

/// The most that shares one transaction. Larger groups gain little and hold up the first in them.
pub(super) const GROUP_MAX: usize = 256;
/// How many groups share a turn with the connection. Others who want to write wait for the end of a turn.
const GROUPS_A_TURN: usize = 16;
/// How many may wait before producers are slowed down.
const QUEUE: usize = 4096;
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

    /// Takes back what is not durable of what was decided: writing it, or what [`Batch::rests`], has failed.
    fn forget(&mut self) {}

    /// How soon something is left to do, even if nothing more comes: no time when it is due. `None`: nothing is.
    fn rests(&self) -> Option<Duration> {
        None
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
    loop {
        if is_due(&batch) {
            settle(&db, &mut batch).await;
        }
        if group.is_empty() {
            let came = receiver.recv_many(&mut group, GROUP_MAX);
            let came = match batch.rests() {
                Some(within) => tokio::time::timeout(within, came).await,
                None => Ok(came.await),
            };
            if group.is_empty() && batch.rests().is_some() {
                settle(&db, &mut batch).await;
            }
            if came == Ok(0) {
                break;
            }
        }
        let mut turn = Turn { db: &db, held: None };
        let mut left = GROUPS_A_TURN;
        while left > 0 && !group.is_empty() && !is_due(&batch) {
            let answered = match Decided::of(&mut batch, &mut group) {
                Some(first) => {
                    let queue = (&mut receiver, &*crowd);
                    turn.pipeline(&mut batch, first, queue, &mut left, &mut group).await
                }
                None => {
                    left -= 1;
                    write(&mut turn, &mut batch, &mut group).await
                }
            };
            gather(answered, &mut receiver, &crowd, &mut group).await;
        }
    }
}

fn is_due<B: Batch>(batch: &B) -> bool {
    batch.rests().is_some_and(|within| within.is_zero())
}

/// Does what a batch has left to be done, in a transaction of its own: should it fail, no work fails with it.
async fn settle<B: Batch>(db: &Db, batch: &mut B) {
    if let Err(error) = (Turn { db, held: None }).commit(batch, &[]).await {
        tracing::error!(%error, "what rested could not be written; it is tried again");
        batch.forget();
    }
}

/// Takes what waits into a group after one of `answered`.
async fn gather<T>(
    answered: usize,
    receiver: &mut mpsc::Receiver<T>,
    crowd: &Crowd,
    group: &mut Vec<T>,
) {
    crowd.were(answered + receiver.len() + group.len());
    if let (Some(enough), true) = (crowd.enough_after(answered), group.is_empty()) {
        // After a moment those that came must do.
        let _ = tokio::time::timeout(COMPANY, crowd.wait_for(Some(enough), receiver)).await;
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
    came_to: Written<B>,
    rows: B::Rows,
}

impl<B: Batch> Decided<B> {
    /// Decides on `group` and takes it, if nothing needs to be read for it.
    fn of(batch: &mut B, group: &mut Vec<Waiting<B>>) -> Option<Self> {
        let (items, answers): (Vec<_>, Vec<_>) =
            group.drain(..).map(|waiting| (waiting.item, waiting.reply)).unzip();
        match batch.decide(&items) {
            Some((came_to, rows)) => Some(Self { items, answers, came_to, rows }),
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

/// Carries out what follows from a group that is durable, and tells its producers.
fn tell<B: Batch>(
    batch: &mut B,
    (answers, replies, effects): (Vec<Answer<B>>, Vec<B::Reply>, B::Effects),
) {
    batch.committed(effects);
    answer::<B>(answers, replies);
}

fn answer<B: Batch>(answers: Vec<Answer<B>>, replies: Vec<B::Reply>) {
    for (answer, reply) in answers.into_iter().zip(replies) {
        // A producer that does not wait any more needs no answer.
        let _ = answer.send(Ok(reply));
    }
}

/// Writes a group and answers its producers; says how many they were.
async fn write<B: Batch>(turn: &mut Turn<'_>, batch: &mut B, group: &mut Vec<Waiting<B>>) -> usize {
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

/// One poisoned row must not take the others with it: each is tried alone. Trouble of the database itself is everybody's.
async fn each_alone<B: Batch>(
    turn: &mut Turn<'_>,
    batch: &mut B,
    items: Vec<B::Item>,
    answers: Vec<Answer<B>>,
) {
    let mut pairs = items.into_iter().zip(answers);
    while let Some((item, reply)) = pairs.next() {
        let result = turn.commit(batch, std::slice::from_ref(&item)).await;
        match result.map(|mut replies| replies.pop()) {
            Ok(Some(result)) => drop(reply.send(Ok(result))),
            Ok(None) => drop(reply),
            Err(error) => {
                let mut answers = vec![reply];
                if error.is_of_the_database() {
                    answers.extend(pairs.by_ref().map(|(_, reply)| reply));
                }
                fail(answers, error);
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

    /// Writes a group that was decided on, and those behind it, as many as are `left` in this turn: while one is on its way to the disk,
    /// the next is decided on. Says how many were answered last; what is no such group is left in `group`.
    async fn pipeline<B: Batch>(
        &mut self,
        batch: &mut B,
        first: Decided<B>,
        (receiver, crowd): (&mut mpsc::Receiver<Waiting<B>>, &Crowd),
        left: &mut usize,
        group: &mut Vec<Waiting<B>>,
    ) -> usize {
        let (mut current, mut written) = (first, None);
        let answered = loop {
            *left = left.saturating_sub(1);
            let Decided { items, answers, came_to: (replies, effects), rows } = current;
            let many = items.len();
            let mut next = None;
            let done: Result<()> = {
                let mut writing = pin!(async {
                    let mut held = self.take().await?;
                    B::write_decided(&mut held, rows).await?;
                    self.held = Some(held);
                    Ok(())
                });
                // Its rows go their way first; those before it are told meanwhile.
                let begun = futures_util::poll!(writing.as_mut());
                if let Some(done) = written.take() {
                    tell(batch, done);
                }
                let enough = crowd.enough_after(many).filter(|_| *left > 0 && !is_due(batch));
                match begun {
                    Poll::Ready(done) => done,
                    Poll::Pending => tokio::select! {
                        biased;
                        done = &mut writing => done,
                        () = crowd.wait_for(enough, receiver) => {
                            take(receiver, group);
                            next = Decided::of(batch, group);
                            writing.await
                        }
                    },
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
            written = Some((answers, replies, effects));
            match next {
                Some(next) => current = next,
                None => break many,
            }
        };
        if let Some(done) = written {
            tell(batch, done);
        }
        answered
    }
}
