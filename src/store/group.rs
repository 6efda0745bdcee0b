//! What shares a transaction of the writer: items of several producers, and where their answers go; and its way to the disk.

use std::sync::Arc;

use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinSet;

use super::crowd::Crowd;
use super::writer::{Answer, Batch, Written};
use super::{Error, Held};

/// The most that shares one transaction. Larger groups gain little and hold up the first in them.
pub(super) const GROUP_MAX: usize = 256;
/// The most that comes, and is answered, together.
pub(super) const BUNDLE_MAX: usize = GROUP_MAX / 4;

/// Work that came together and is answered together.
pub(super) struct Bundle<B: Batch> {
    pub(super) items: Vec<B::Item>,
    pub(super) asked: Asked<B>,
}

/// Where the answers go to.
pub(super) type Asked<B> = oneshot::Sender<Vec<Answer<B>>>;

/// Who asked for the items of a group, and for how many each, in order.
pub(super) type AllAsked<B> = Vec<(Asked<B>, usize)>;

/// Bundles that share a transaction.
pub(super) struct Group<B: Batch> {
    pub(super) items: Vec<B::Item>,
    pub(super) asked: AllAsked<B>,
}

impl<B: Batch> Default for Group<B> {
    fn default() -> Self {
        Self { items: Vec::new(), asked: Vec::new() }
    }
}

impl<B: Batch> Group<B> {
    /// Puts in what was taken from the queue.
    pub(super) fn put(&mut self, Bundle { items, asked }: Bundle<B>, crowd: &Crowd) {
        crowd.was_taken(items.len());
        self.asked.push((asked, items.len()));
        self.items.extend(items);
    }

    pub(super) fn put_all(&mut self, other: Self) {
        self.items.extend(other.items);
        self.asked.extend(other.asked);
    }

    /// Takes what waits, as long as no bundle could be too much. Of a crowd about half: the other half is decided on, and answered, while
    /// this one is written.
    pub(super) fn take(&mut self, receiver: &mut mpsc::Receiver<Bundle<B>>, crowd: &Crowd) {
        let half = crowd.half().map(|half| half.max(crowd.waiting() / 2));
        let most = half.unwrap_or(GROUP_MAX).min(GROUP_MAX - BUNDLE_MAX + 1);
        while self.items.len() < most
            && let Ok(bundle) = receiver.try_recv()
        {
            self.put(bundle, crowd);
        }
    }
}

/// Tells each who asked what came of its items.
pub(super) fn answer<B: Batch>(asked: AllAsked<B>, answers: impl IntoIterator<Item = Answer<B>>) {
    let mut answers = answers.into_iter();
    for (asked, many) in asked {
        // A producer that does not wait any more needs no answer.
        let _ = asked.send(answers.by_ref().take(many).collect());
    }
}

/// A group that was decided on, and not written yet.
pub(super) struct Decided<B: Batch> {
    pub(super) group: Group<B>,
    pub(super) came_to: (Written<B>, B::Rows),
}

/// The connection, and how many items waited when those who asked were told; or why the group could not be written, and who asked.
pub(super) type Done<B> = std::result::Result<(Held, usize), (Error, AllAsked<B>)>;

/// A group on its way to the disk, in a task of its own: those who asked are told as soon as it is there, while the next is decided on.
pub(super) struct Writing<B: Batch> {
    pub(super) items: Vec<B::Item>,
    pub(super) effects: B::Effects,
    task: JoinSet<Done<B>>,
}

impl<B: Batch> Writing<B> {
    pub(super) fn begin(mut held: Held, decided: Decided<B>, crowd: Arc<Crowd>) -> Self {
        let Decided { group: Group { items, asked }, came_to: ((replies, effects), rows) } =
            decided;
        let mut task = JoinSet::new();
        task.spawn(async move {
            match B::write_decided(&mut held, rows).await {
                Ok(()) => {
                    // Afterwards some of those who are told now would wait again.
                    let others = crowd.waiting();
                    answer::<B>(asked, replies.into_iter().map(Ok));
                    Ok((held, others))
                }
                Err(error) => Err((error, asked)),
            }
        });
        Self { items, effects, task }
    }

    /// Waits until it is there.
    pub(super) async fn end(&mut self) -> Done<B> {
        match self.task.join_next().await {
            Some(Ok(done)) => done,
            // Nobody aborts it: it panicked, and that is no failure of the database.
            Some(Err(error)) if error.is_panic() => std::panic::resume_unwind(error.into_panic()),
            Some(Err(_)) | None => Err((Error::Sqlx(sqlx::Error::WorkerCrashed), Vec::new())),
        }
    }
}
