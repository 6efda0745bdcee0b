//! Secrets that were just made, between the form that made them and the page that shows them. Kept in memory and shown once, so
//! that loading the page anew neither shows the secret again nor makes another.

use std::collections::VecDeque;
use std::sync::{Mutex, PoisonError};

use crate::clock::Timestamp;
use crate::seal::random_token;

/// How long a secret waits to be shown, in ms: a browser follows at once.
const KEPT_MS: i64 = 60_000;
/// How many wait, of all people together.
const KEPT: usize = 200;

/// A secret that was just made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Fresh {
    /// Whose it is.
    pub name: String,
    /// The secret.
    pub secret: String,
}

struct Waiting {
    ticket: String,
    fresh: Fresh,
    by: String,
    at: Timestamp,
}

/// The secrets that wait to be shown.
#[derive(Default)]
pub struct ShownOnce(Mutex<VecDeque<Waiting>>);

impl ShownOnce {
    /// Keeps a secret that `by` made; gives the ticket that stands for it in an address.
    pub fn keep(&self, by: &str, now: Timestamp, name: String, secret: String) -> String {
        let ticket = random_token("");
        let waiting = Waiting {
            ticket: ticket.clone(),
            fresh: Fresh { name, secret },
            by: by.to_owned(),
            at: now,
        };
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|waiting| waiting.is_fresh(now));
        all.push_back(waiting);
        if all.len() > KEPT {
            all.pop_front();
        }
        ticket
    }

    /// The secret that `ticket` stands for, if `by` made it just now and it was not shown yet.
    pub fn take(&self, ticket: &str, by: &str, now: Timestamp) -> Option<Fresh> {
        let mut all = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|waiting| waiting.is_fresh(now));
        let is_meant = |w: &Waiting| w.ticket == ticket && w.by == by;
        let place = all.iter().position(is_meant)?;
        all.remove(place).map(|waiting| waiting.fresh)
    }
}

impl Waiting {
    fn is_fresh(&self, now: Timestamp) -> bool {
        (0..KEPT_MS).contains(&now.since(self.at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_who_made_a_secret_sees_it_once_and_soon() {
        let (kept, at) = (ShownOnce::default(), Timestamp(1_000));
        let ticket = kept.keep("a", at, "fra-1".to_owned(), "wbp_1".to_owned());
        assert_eq!(kept.take(&ticket, "b", at), None, "somebody else");
        assert_eq!(kept.take("", "a", at), None);
        assert_eq!(kept.take(&ticket, "a", at).unwrap().secret, "wbp_1");
        assert_eq!(kept.take(&ticket, "a", at), None, "a second time");
        let ticket = kept.keep("a", at, "fra-2".to_owned(), "wbp_2".to_owned());
        assert_eq!(kept.take(&ticket, "a", at.plus_ms(KEPT_MS)), None, "too late");
        assert_eq!(kept.take(&ticket, "a", at), None, "it is gone");
    }

    #[test]
    fn no_more_wait_than_so_many() {
        let (kept, at) = (ShownOnce::default(), Timestamp(0));
        let keep = || kept.keep("a", at, String::new(), String::new());
        let first = keep();
        (0..KEPT).for_each(|_| drop(keep()));
        assert_eq!(kept.take(&first, "a", at), None);
    }
}
