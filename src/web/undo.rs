//! What was done with several monitors at once, and how it is undone. Kept in memory, for some minutes: the offer to undo stands for
//! ten seconds, longer for people without script.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use serde_json::{Map, Value};

use crate::clock::Timestamp;
use crate::monitor::MonitorId;
use crate::seal::random_token;

/// How long something can be undone, in ms.
const KEPT_MS: i64 = 600_000;
/// How much is remembered, of all people together.
const KEPT: usize = 200;

/// What takes back what was done.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Inverse {
    /// Nothing does, or nothing was done.
    #[default]
    None,
    /// Pause these.
    Pause(Vec<MonitorId>),
    /// Resume these.
    Resume(Vec<MonitorId>),
    /// Write these fields, as they were.
    Write(Vec<(MonitorId, Map<String, Value>)>),
}

/// What was done, for the bar that says so.
#[derive(Debug, Clone)]
pub struct Done {
    /// What stands for it in an address.
    pub token: String,
    /// What was done, in words.
    pub words: String,
    /// What takes it back.
    pub inverse: Inverse,
    by: String,
    at: Timestamp,
}

/// What was done of late.
#[derive(Default)]
pub struct UndoLog(Mutex<VecDeque<Done>>);

impl UndoLog {
    /// Notes what `by` did, and gives the token that stands for it.
    pub fn note(&self, by: &str, at: Timestamp, words: String, inverse: Inverse) -> String {
        let token = random_token("");
        let done = Done { token: token.clone(), words, inverse, by: by.to_owned(), at };
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.push_back(done);
        if log.len() > KEPT {
            log.pop_front();
        }
        token
    }

    /// What `token` stands for, if `by` did it and not too long ago.
    pub fn look(&self, token: &str, by: &str, now: Timestamp) -> Option<Done> {
        let log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        log.iter().find(|done| done.is(token, by, now)).cloned()
    }

    /// The same, and it cannot be undone again.
    pub fn take(&self, token: &str, by: &str, now: Timestamp) -> Option<Done> {
        let mut log = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let place = log.iter().position(|done| done.is(token, by, now))?;
        log.remove(place)
    }
}

impl Done {
    fn is(&self, token: &str, by: &str, now: Timestamp) -> bool {
        self.token == token && self.by == by && now.since(self.at) < KEPT_MS
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_did_it_can_undo_it_once_and_soon() {
        let log = UndoLog::default();
        let at = Timestamp(1_000);
        let token = log.note("a", at, "Paused 2 monitors".to_owned(), Inverse::Resume(vec![1, 2]));
        assert!(log.look(&token, "b", at).is_none(), "somebody else");
        assert!(log.look(&token, "a", at.plus_ms(KEPT_MS)).is_none(), "too late");
        assert!(log.look("", "a", at).is_none());
        assert_eq!(log.take(&token, "a", at).unwrap().inverse, Inverse::Resume(vec![1, 2]));
        assert!(log.take(&token, "a", at).is_none(), "a second time");
    }

    #[test]
    fn what_is_old_goes() {
        let log = UndoLog::default();
        let first = log.note("a", Timestamp(0), String::new(), Inverse::None);
        for _ in 0..KEPT {
            log.note("a", Timestamp(0), String::new(), Inverse::None);
        }
        assert!(log.look(&first, "a", Timestamp(0)).is_none());
    }
}
