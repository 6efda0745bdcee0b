//! Counting what somebody does within a span, to stop too much of it. Pure: the time is passed in.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;

use crate::clock::Timestamp;

/// How many keys one counter remembers; beyond it the oldest are forgotten, so that memory stays bounded.
const KEYS_MAX: usize = 20_000;

/// Allows `limit` hits a key within `span_ms` from the first of them.
#[derive(Debug)]
pub struct Counter<K> {
    limit: u32,
    span_ms: i64,
    spans: HashMap<K, Span>,
}

#[derive(Debug, Clone, Copy)]
struct Span {
    began: Timestamp,
    hits: u32,
}

impl<K: Hash + Eq + Clone> Counter<K> {
    /// A counter that has seen nothing.
    pub fn new(limit: u32, span_ms: i64) -> Self {
        Self { limit, span_ms, spans: HashMap::new() }
    }

    /// Counts a hit.
    ///
    /// # Errors
    /// The whole seconds to wait (at least 1) when `key` has used up its span. The hit is then not counted.
    pub fn hit(&mut self, key: &K, now: Timestamp) -> Result<(), u32> {
        self.check(key, now)?;
        if self.spans.len() >= KEYS_MAX && !self.spans.contains_key(key) {
            self.make_room(now);
        }
        let span = self.spans.entry(key.clone()).or_insert(Span { began: now, hits: 0 });
        if !is_current(*span, self.span_ms, now) {
            *span = Span { began: now, hits: 0 };
        }
        span.hits += 1;
        Ok(())
    }

    /// Says whether a hit would be allowed, without counting it.
    ///
    /// # Errors
    /// The whole seconds to wait (at least 1).
    pub fn check(&self, key: &K, now: Timestamp) -> Result<(), u32> {
        let Some(span) = self.spans.get(key) else { return Ok(()) };
        if span.hits < self.limit || !is_current(*span, self.span_ms, now) {
            return Ok(());
        }
        let left_ms = span.began.plus_ms(self.span_ms).since(now);
        Err(u32::try_from(left_ms.div_euclid(1000) + 1).unwrap_or(u32::MAX))
    }

    /// How many more hits `key` is allowed now.
    pub fn left(&self, key: &K, now: Timestamp) -> u32 {
        let span = self.spans.get(key).filter(|span| is_current(**span, self.span_ms, now));
        self.limit.saturating_sub(span.map_or(0, |span| span.hits))
    }

    /// Forgets what `key` did.
    pub fn forget(&mut self, key: &K) {
        self.spans.remove(key);
    }

    fn make_room(&mut self, now: Timestamp) {
        let span_ms = self.span_ms;
        self.spans.retain(|_, span| is_current(*span, span_ms, now));
        if self.spans.len() < KEYS_MAX {
            return;
        }
        // Many at once: those that hit least are the least worth remembering.
        let mut hits: Vec<u32> = self.spans.values().map(|span| span.hits).collect();
        hits.sort_unstable();
        let median = hits[hits.len() / 2];
        let mut surplus = KEYS_MAX / 2;
        self.spans.retain(|_, span| {
            let drop = span.hits <= median && surplus > 0;
            surplus -= usize::from(drop);
            !drop
        });
    }
}

/// A clock that was set back must not lock anybody out for longer than a span.
fn is_current(span: Span, span_ms: i64, now: Timestamp) -> bool {
    (0..span_ms).contains(&now.since(span.began))
}

/// The span in which attempts to sign in are counted: 15 minutes.
pub const LOGIN_SPAN_MS: i64 = 15 * 60 * 1000;
/// Codes of a second factor that one account may try in a span. Whoever gets so far has the password.
const CODES: u32 = 10;

/// Slows down guessing of second factors, by account.
#[derive(Debug)]
pub struct CodeThrottle(Counter<i64>);

impl Default for CodeThrottle {
    fn default() -> Self {
        Self(Counter::new(CODES, LOGIN_SPAN_MS))
    }
}

impl CodeThrottle {
    /// Counts an attempt of a user, before the code is looked at. Gives how many are left.
    ///
    /// # Errors
    /// The whole seconds to wait.
    pub fn attempt(&mut self, user_id: i64, now: Timestamp) -> Result<u32, u32> {
        self.0.hit(&user_id, now)?;
        Ok(self.0.left(&user_id, now))
    }

    /// The code was right.
    pub fn succeeded(&mut self, user_id: i64) {
        self.0.forget(&user_id);
    }
}

/// Slows down guessing of passwords: by address, by account, and by both together.
///
/// An account is limited far more loosely than a pair of address and account, so that a stranger cannot lock its owner out by
/// guessing; an address is limited by its network (an IPv6 /64), as one customer has a whole one.
#[derive(Debug)]
pub struct LoginThrottle {
    by_pair: Counter<(IpAddr, String)>,
    by_address: Counter<IpAddr>,
    by_account: Counter<String>,
}

impl Default for LoginThrottle {
    fn default() -> Self {
        Self {
            by_pair: Counter::new(5, LOGIN_SPAN_MS),
            by_address: Counter::new(30, LOGIN_SPAN_MS),
            by_account: Counter::new(100, LOGIN_SPAN_MS),
        }
    }
}

impl LoginThrottle {
    /// Counts an attempt, before the password is looked at, so that many at once do not slip through. Gives how many are left.
    ///
    /// # Errors
    /// The whole seconds to wait.
    pub fn attempt(&mut self, address: IpAddr, account: &str, now: Timestamp) -> Result<u32, u32> {
        let (address, account) = (network(address), account_key(account));
        let pair = (address, account.clone());
        self.by_pair.check(&pair, now)?;
        self.by_address.check(&address, now)?;
        self.by_account.hit(&account, now)?;
        self.by_address.hit(&address, now)?;
        self.by_pair.hit(&pair, now)?;
        let elsewhere =
            self.by_address.left(&address, now).min(self.by_account.left(&account, now));
        Ok(self.by_pair.left(&pair, now).min(elsewhere))
    }

    /// The attempt was right: earlier mistakes of this person at this address no longer count.
    pub fn succeeded(&mut self, address: IpAddr, account: &str) {
        let (address, account) = (network(address), account_key(account));
        self.by_address.forget(&address);
        self.by_account.forget(&account);
        self.by_pair.forget(&(address, account));
    }
}

/// A name typed into the form may be of any length; what is remembered of it is not.
fn account_key(account: &str) -> String {
    account.chars().take(320).collect()
}

fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6((u128::from(v6) & !u128::from(u64::MAX)).into()),
        v4 => v4,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const T0: Timestamp = Timestamp(1_000_000_000_000);

    fn addr(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_span_allows_its_limit_and_says_how_long_to_wait() {
        let mut counter = Counter::new(2, 60_000);
        assert_eq!(counter.hit(&"a", T0), Ok(()));
        assert_eq!(counter.hit(&"a", T0.plus_ms(10_000)), Ok(()));
        assert_eq!(counter.hit(&"a", T0.plus_ms(20_000)), Err(41));
        assert_eq!(counter.hit(&"b", T0.plus_ms(20_000)), Ok(()), "others are not held up");
        assert_eq!(counter.hit(&"a", T0.plus_ms(60_000)), Ok(()), "the span is over");
    }

    #[test]
    fn memory_stays_bounded() {
        let mut counter = Counter::new(2, 60_000);
        for key in 0..3 * KEYS_MAX {
            assert_eq!(counter.hit(&key, T0), Ok(()));
        }
        assert!(counter.spans.len() <= KEYS_MAX);
    }

    #[test]
    fn five_wrong_passwords_from_one_place_are_enough_but_the_owner_elsewhere_gets_in() {
        let mut throttle = LoginThrottle::default();
        for left in [4, 3, 2, 1, 0] {
            assert_eq!(throttle.attempt(addr("192.0.2.1"), "a@example.com", T0), Ok(left));
        }
        assert!(throttle.attempt(addr("192.0.2.1"), "a@example.com", T0).is_err());
        assert!(throttle.attempt(addr("::ffff:192.0.2.1"), "a@example.com", T0).is_err());
        assert!(throttle.attempt(addr("192.0.2.2"), "a@example.com", T0).is_ok());
    }

    #[test]
    fn one_network_cannot_try_account_after_account() {
        let mut throttle = LoginThrottle::default();
        for n in 0..30 {
            let address = addr(&format!("2001:db8::{n:x}"));
            assert!(throttle.attempt(address, &format!("{n}@example.com"), T0).is_ok());
        }
        assert!(throttle.attempt(addr("2001:db8::ffff"), "x@example.com", T0).is_err());
        assert!(throttle.attempt(addr("2001:db8:0:1::1"), "x@example.com", T0).is_ok());
    }

    #[test]
    fn getting_in_forgives_earlier_mistakes() {
        let mut throttle = LoginThrottle::default();
        for _ in 0..50 {
            assert!(throttle.attempt(addr("192.0.2.1"), "a@example.com", T0).is_ok());
            throttle.succeeded(addr("192.0.2.1"), "a@example.com");
        }
    }
}
