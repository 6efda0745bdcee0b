//! Group commit: what waits shares a transaction, what is poisoned fails alone, and an answer means that it is durable.
#![allow(clippy::disallowed_methods, reason = "a test has no supervisor")]

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use watchbell::account::session::Origin;
use watchbell::store::writer::{Batch, WriteError, Writer, Written};
use watchbell::store::{Conn, Db, Held, Result, sessions, settings};

use super::{NOW, on_each, read};

/// Sets keys; `poison` breaks a rule of the database. Groups of `quick` ones need nothing from it.
struct Keys {
    groups: Arc<AtomicUsize>,
    committed: Arc<AtomicUsize>,
}

async fn set_all(conn: &mut Conn<'_>, items: &[String]) -> Result<()> {
    for item in items {
        settings::set(conn, item, "there").await?;
        if item.contains("poison") {
            sessions::insert(conn, b"x", 99, &Origin::default(), NOW).await?;
        }
    }
    Ok(())
}

impl Batch for Keys {
    type Item = String;
    type Reply = String;
    type Effects = usize;
    type Rows = Vec<String>;

    async fn apply(
        &mut self,
        conn: &mut Conn<'_>,
        items: &[String],
    ) -> Result<(Vec<String>, usize)> {
        self.groups.fetch_add(1, Ordering::SeqCst);
        set_all(conn, items).await?;
        Ok((items.to_vec(), items.len()))
    }

    fn decide(&mut self, items: &[String]) -> Option<(Written<Self>, Vec<String>)> {
        let are_quick = items.iter().all(|item| item.starts_with("quick"));
        are_quick.then(|| {
            self.groups.fetch_add(1, Ordering::SeqCst);
            ((items.to_vec(), items.len()), items.to_vec())
        })
    }

    async fn write_decided(held: &mut Held, rows: Vec<String>) -> Result<()> {
        let mut tx = held.begin().await?;
        set_all(&mut tx.conn(), &rows).await?;
        tx.commit().await
    }

    fn committed(&mut self, effects: usize) {
        self.committed.fetch_add(effects, Ordering::SeqCst);
    }
}

async fn is_there(db: &Db, key: &str) -> bool {
    read!(db, c => settings::get(c, key)).is_some()
}

#[tokio::test]
async fn a_poisoned_item_fails_alone_and_an_answer_comes_after_the_commit() {
    for quick in ["", "quick "] {
        fails_alone(quick).await;
    }
}

async fn fails_alone(quick: &str) {
    on_each(async |db| {
        let (groups, committed) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let keys = Keys { groups: groups.clone(), committed: committed.clone() };
        let (writer, work) = Writer::new(db.clone(), keys);
        let working = tokio::spawn(work);
        let name = |n: usize| match n {
            n if n % 40 == 7 => format!("{quick}poison{n}"),
            n => format!("{quick}k{n}"),
        };
        let names: Vec<String> = (0..100).map(name).collect();
        let write = async |name: &String| {
            let result = writer.write(name.clone()).await;
            match result {
                Ok(reply) => {
                    assert_eq!(reply, *name, "each gets its own answer");
                    assert!(!name.contains("poison") && is_there(db, name).await);
                }
                Err(WriteError::Store(_)) => assert!(name.contains("poison"), "{name}"),
                Err(WriteError::Stopped) => panic!("stopped"),
            }
        };
        // All are offered before the writer runs for the first time, so that they share a group.
        futures_util::future::join_all(names.iter().map(write)).await;
        for name in &names {
            assert_eq!(is_there(db, name).await, !name.contains("poison"), "{name}");
        }
        let good = names.iter().filter(|name| !name.contains("poison")).count();
        assert_eq!(
            committed.load(Ordering::SeqCst),
            good,
            "effects of what is durable only, once each"
        );
        drop(writer);
        working.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn what_comes_together_is_answered_in_order_and_fails_alone() {
    on_each(async |db| {
        for quick in ["", "quick "] {
            let (groups, committed) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
            let (writer, work) = Writer::new(db.clone(), Keys { groups, committed });
            let working = tokio::spawn(work);
            let is_poisoned = |n: usize| [5, 300].contains(&n);
            let name = |n| format!("{quick}{}{n}", if is_poisoned(n) { "poison" } else { "all" });
            // More than share a group, of which two are poisoned.
            let names: Vec<String> = (0..600).map(name).collect();
            let halves = names.chunks(300).map(|half| writer.write_all(half.to_vec()));
            let answers = futures_util::future::join_all(halves).await;
            assert_eq!(answers.iter().map(Vec::len).collect::<Vec<_>>(), [300, 300]);
            for (n, (name, answer)) in names.iter().zip(answers.into_iter().flatten()).enumerate() {
                assert_eq!(is_there(db, name).await, !is_poisoned(n), "{name}");
                assert_eq!(answer.ok(), (!is_poisoned(n)).then(|| name.clone()));
            }
            assert!(writer.write_all(Vec::new()).await.is_empty());
            drop(writer);
            working.await.unwrap();
        }
    })
    .await;
}

#[tokio::test]
async fn many_that_wait_share_a_transaction() {
    on_each(async |db| {
        let (groups, committed) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let keys = Keys { groups: groups.clone(), committed };
        let (writer, work) = Writer::new(db.clone(), keys);
        let writes = (0..600).map(|n| {
            let writer = writer.clone();
            async move { writer.write(format!("k{n}")).await.unwrap() }
        });
        let writes = futures_util::future::join_all(writes);
        let offered = async {
            let written = writes.await;
            drop(writer);
            written
        };
        let (written, ()) = tokio::join!(offered, work);
        assert_eq!(written.len(), 600);
        assert!(groups.load(Ordering::SeqCst) < 20, "{groups:?}");
    })
    .await;
}

/// While one group is written, others wait and are decided on: none may be lost, doubled or told before it is there.
#[tokio::test]
async fn producers_that_ask_again_at_once_all_get_their_own_answer_when_it_is_there() {
    on_each(async |db| {
        let (groups, committed) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
        let keys = Keys { groups, committed: committed.clone() };
        let (writer, work) = Writer::new(db.clone(), keys);
        let working = tokio::spawn(work);
        let producer = |who: usize| {
            let (db, writer) = (&db, &writer);
            async move {
                for n in 0..20 {
                    // Now and then one that is no quick work, and one that fails.
                    let name = match (who, n) {
                        (3, _) => format!("slow {n}"),
                        (5, 10) => format!("quick poison {n}"),
                        _ => format!("quick {who} {n}"),
                    };
                    let reply = writer.write(name.clone()).await;
                    if name.contains("poison") {
                        assert!(matches!(reply, Err(WriteError::Store(_))));
                    } else {
                        assert_eq!(reply.unwrap(), name);
                        assert!(is_there(db, &name).await, "{name}");
                    }
                }
            }
        };
        futures_util::future::join_all((0..40).map(producer)).await;
        drop(writer);
        working.await.unwrap();
        assert_eq!(committed.load(Ordering::SeqCst), 40 * 20 - 1);
    })
    .await;
}

#[tokio::test]
async fn a_writer_that_has_ended_says_so() {
    let database = crate::support::database::TestDatabase::sqlite();
    let db = database.open().await;
    let (groups, committed) = <(Arc<AtomicUsize>, Arc<AtomicUsize>)>::default();
    let (writer, work) = Writer::new(db, Keys { groups, committed });
    drop(work);
    assert!(matches!(writer.write("x".to_owned()).await, Err(WriteError::Stopped)));
}
