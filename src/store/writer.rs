//! Group commit: many small writes share one transaction, and each is answered only after the commit.
//!
//! While one commit runs, the next group gathers. So a lone write waits for nothing, and under load the cost of a durable
//! commit is shared by all that came meanwhile. What needs nothing from the database is decided on while the group before it is
//! still on its way to the disk.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};

use super::crowd::Crowd;
use super::group::{BUNDLE_MAX, Bundle, Decided, Group, Writing, answer};
use super::{Conn, Db, Error, Held, Result};

/// How many groups share a turn with the connection. Others who want to write wait for the end of a turn.
const GROUPS_A_TURN: usize = 16;
/// How many bundles may wait before producers are slowed down.
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
    type Rows: Send + 'static;

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

/// What the producer of one piece of work gets.
pub type Answer<B> = std::result::Result<<B as Batch>::Reply, WriteError>;

/// What a group came to: a reply for each item, in order, and what is to be done once it is durable.
pub type Written<B> = (Vec<<B as Batch>::Reply>, <B as Batch>::Effects);

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
    queue: mpsc::Sender<Bundle<B>>,
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
    pub async fn write(&self, item: B::Item) -> Answer<B> {
        self.write_all(vec![item]).await.pop().unwrap_or(Err(WriteError::Stopped))
    }

    /// Does items that came together and waits until they are durable: an answer for each, in order. Each may fail by itself; for those
    /// that the server's stop leaves undone there is no answer.
    pub async fn write_all(&self, mut items: Vec<B::Item>) -> Vec<Answer<B>> {
        let mut bundles = Vec::with_capacity(1);
        while !items.is_empty() {
            let rest = items.split_off(items.len().min(BUNDLE_MAX));
            let (asked, answers) = oneshot::channel();
            let Ok(room) = self.queue.reserve().await else { break };
            self.crowd.comes(items.len());
            room.send(Bundle { items, asked });
            self.crowd.has_come();
            bundles.push(answers);
            items = rest;
        }
        let mut all = Vec::new();
        for answers in bundles {
            let Ok(answers) = answers.await else { break };
            all.extend(answers);
        }
        all
    }
}

async fn work<B: Batch>(
    db: Db,
    mut batch: B,
    mut receiver: mpsc::Receiver<Bundle<B>>,
    crowd: Arc<Crowd>,
) {
    let mut group = Group::default();
    loop {
        if is_due(&batch) {
            settle(&db, &mut batch).await;
        }
        if group.items.is_empty() {
            let came = match batch.rests() {
                Some(within) => tokio::time::timeout(within, receiver.recv()).await,
                None => Ok(receiver.recv().await),
            };
            match came {
                Ok(Some(bundle)) => {
                    group.put(bundle, &crowd);
                    group.take(&mut receiver, &crowd);
                }
                nothing => {
                    if batch.rests().is_some() {
                        settle(&db, &mut batch).await;
                    }
                    if nothing.is_ok() {
                        break;
                    }
                }
            }
        }
        let mut turn = Turn { db: &db, held: None };
        let mut left = GROUPS_A_TURN;
        while left > 0 && !group.items.is_empty() && !is_due(&batch) {
            let answered = match batch.decide(&group.items) {
                Some(came_to) => {
                    let first = Decided { group: std::mem::take(&mut group), came_to };
                    let queue = (&mut receiver, &crowd);
                    turn.pipeline(&mut batch, first, queue, &mut left, &mut group).await
                }
                None => {
                    left -= 1;
                    let many = turn.write(&mut batch, std::mem::take(&mut group)).await;
                    crowd.were(many + crowd.waiting());
                    many
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
async fn gather<B: Batch>(
    answered: usize,
    receiver: &mut mpsc::Receiver<Bundle<B>>,
    crowd: &Crowd,
    group: &mut Group<B>,
) {
    if let (Some(enough), true) = (crowd.enough_after(answered), group.items.is_empty()) {
        // After a moment those that came must do.
        let _ = tokio::time::timeout(COMPANY, crowd.wait_for(Some(enough))).await;
        crowd.is_over();
    }
    group.take(receiver, crowd);
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

    /// Writes a group and answers its producers; says how many items it had.
    async fn write<B: Batch>(&mut self, batch: &mut B, group: Group<B>) -> usize {
        let many = group.items.len();
        match self.commit(batch, &group.items).await {
            Ok(replies) => answer::<B>(group.asked, replies.into_iter().map(Ok)),
            Err(error) if many == 1 => answer::<B>(group.asked, [Err(failed(error))]),
            Err(_) => self.each_alone(batch, group).await,
        }
        many
    }

    /// One poisoned row must not take the others with it: each is tried alone, and a bundle is answered when all of it was. Trouble of the
    /// database itself is everybody's.
    async fn each_alone<B: Batch>(&mut self, batch: &mut B, group: Group<B>) {
        let mut trouble = None;
        let mut items = group.items.iter();
        for (asked, many) in group.asked {
            let mut answers = Vec::with_capacity(many);
            for item in items.by_ref().take(many) {
                answers.push(match &trouble {
                    Some(error) => Err(WriteError::clone(error)),
                    None => self.alone(batch, item, &mut trouble).await,
                });
            }
            answer::<B>(vec![(asked, many)], answers);
        }
    }

    /// Does one item alone, and notes trouble of the database.
    async fn alone<B: Batch>(
        &mut self,
        batch: &mut B,
        item: &B::Item,
        trouble: &mut Option<WriteError>,
    ) -> Answer<B> {
        match self.commit(batch, std::slice::from_ref(item)).await {
            Ok(mut replies) => replies.pop().ok_or(WriteError::Stopped),
            Err(error) => {
                let is_of_the_database = error.is_of_the_database();
                let error = failed(error);
                if is_of_the_database {
                    *trouble = Some(error.clone());
                }
                Err(error)
            }
        }
    }

    /// Writes a group that was decided on, and those behind it, as many as are `left` in this turn: while one is on its way to the disk,
    /// the next is decided on. Says how many were answered last; what is no such group is left in `group`.
    async fn pipeline<B: Batch>(
        &mut self,
        batch: &mut B,
        first: Decided<B>,
        (receiver, crowd): (&mut mpsc::Receiver<Bundle<B>>, &Arc<Crowd>),
        left: &mut usize,
        group: &mut Group<B>,
    ) -> usize {
        let mut current = first;
        loop {
            *left = left.saturating_sub(1);
            let many = current.group.items.len();
            let held = match self.take().await {
                Ok(held) => held,
                Err(error) => {
                    self.try_again(batch, error, current.group).await;
                    return many;
                }
            };
            let mut writing = Writing::begin(held, current, crowd.clone());
            let enough = crowd.enough_after(many).filter(|_| *left > 0 && !is_due(batch));
            let mut next = None;
            let done = tokio::select! {
                biased;
                done = writing.end() => done,
                () = crowd.wait_for(enough) => {
                    group.take(receiver, crowd);
                    // Those that were waited for may still be on their way into the queue.
                    if !group.items.is_empty() {
                        next = batch
                            .decide(&group.items)
                            .map(|came_to| Decided { group: std::mem::take(group), came_to });
                    }
                    writing.end().await
                }
            };
            crowd.is_over();
            let others = match done {
                Ok((held, others)) => {
                    self.held = Some(held);
                    batch.committed(writing.effects);
                    others
                }
                Err((error, asked)) => {
                    if let Some(next) = next {
                        group.put_all(next.group);
                    }
                    self.try_again(batch, error, Group { items: writing.items, asked }).await;
                    return many;
                }
            };
            match next {
                Some(next) => current = next,
                None => {
                    crowd.were(many + others + group.items.len());
                    return many;
                }
            }
        }
    }

    /// Takes back what was decided of a group that could not be written, and does its items one by one.
    async fn try_again<B: Batch>(&mut self, batch: &mut B, error: Error, group: Group<B>) {
        batch.forget();
        tracing::warn!(%error, "a group could not be written and is tried again, one by one");
        self.each_alone(batch, group).await;
    }
}

/// Logs an error, as those who asked are told it.
fn failed(error: Error) -> WriteError {
    tracing::error!(%error, "a write failed");
    WriteError::Store(Arc::new(error))
}
