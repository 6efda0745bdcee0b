//! Time as the rest of the crate sees it: epoch milliseconds, and a clock that tests can turn.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use tokio::sync::watch;

/// A moment, in milliseconds since the Unix epoch, UTC.
///
/// In JSON it is RFC 3339 with three decimals and `+00:00`; in the database it is the plain number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The moment `ms` milliseconds later (or earlier, when negative); saturates at the ends of time.
    pub fn plus_ms(self, ms: i64) -> Self {
        Self(self.0.saturating_add(ms))
    }

    /// The moment `seconds` later.
    pub fn plus_seconds(self, seconds: u32) -> Self {
        self.plus_ms(i64::from(seconds) * 1000)
    }

    /// Milliseconds from `earlier` to this moment; negative if this one comes first.
    pub fn since(self, earlier: Self) -> i64 {
        self.0.saturating_sub(earlier.0)
    }

    /// The same moment for chrono; out-of-range values become the epoch.
    pub fn to_utc(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0).unwrap_or_default()
    }

    /// RFC 3339 in UTC with three decimals and `+00:00`, as the API shows times.
    pub fn to_rfc3339(self) -> String {
        self.to_utc().to_rfc3339_opts(SecondsFormat::Millis, false)
    }

    /// Reads an RFC 3339 time with any offset.
    pub fn parse_rfc3339(text: &str) -> Option<Self> {
        DateTime::parse_from_rfc3339(text).ok().map(|t| Self(t.timestamp_millis()))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_rfc3339())
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.to_rfc3339())
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Self::parse_rfc3339(&text).ok_or_else(|| serde::de::Error::custom("not an RFC 3339 time"))
    }
}

/// For `#[serde(with)]`: a [`Timestamp`] as plain milliseconds, where JSON is ours alone and is written often.
pub mod as_ms {
    use super::{Deserialize, Deserializer, Serialize, Serializer, Timestamp};

    /// Milliseconds, or RFC 3339 as it was written before.
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum Either {
        Ms(i64),
        Text(Timestamp),
    }

    /// A moment that is always there.
    #[allow(missing_docs, reason = "serde's names")]
    pub fn serialize<S: Serializer>(at: &Timestamp, serializer: S) -> Result<S::Ok, S::Error> {
        at.0.serialize(serializer)
    }

    #[allow(missing_docs, reason = "serde's names")]
    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Timestamp, D::Error> {
        Ok(match Either::deserialize(deserializer)? {
            Either::Ms(ms) => Timestamp(ms),
            Either::Text(at) => at,
        })
    }

    /// The same for a moment that may be missing.
    pub mod option {
        use super::{Deserialize, Deserializer, Either, Serialize, Serializer, Timestamp};

        #[allow(missing_docs, reason = "serde's names")]
        pub fn serialize<S: Serializer>(
            at: &Option<Timestamp>,
            serializer: S,
        ) -> Result<S::Ok, S::Error> {
            at.map(|at| at.0).serialize(serializer)
        }

        #[allow(missing_docs, reason = "serde's names")]
        pub fn deserialize<'de, D: Deserializer<'de>>(
            deserializer: D,
        ) -> Result<Option<Timestamp>, D::Error> {
            Ok(Option::<Either>::deserialize(deserializer)?.map(|either| match either {
                Either::Ms(ms) => Timestamp(ms),
                Either::Text(at) => at,
            }))
        }
    }
}

/// A future that ends when its moment has come.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where "now" comes from. Everything that decides takes a [`Timestamp`]; only the edges hold a clock.
pub trait Clock: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Timestamp;
    /// Waits until `at`; returns at once if that is past.
    fn sleep_until(&self, at: Timestamp) -> Sleep;
    /// How much later than planned a sleeper may wake, in ms, before it means that the process was stopped, the machine was
    /// suspended or the clock was set.
    fn lateness_limit_ms(&self) -> i64;
}

/// A clock shared by the whole process.
pub type SharedClock = Arc<dyn Clock>;

/// The machine's clock.
pub struct SystemClock;

impl Clock for SystemClock {
    #[allow(clippy::disallowed_methods, reason = "the one place that asks the machine")]
    fn now(&self) -> Timestamp {
        Timestamp(Utc::now().timestamp_millis())
    }

    fn sleep_until(&self, at: Timestamp) -> Sleep {
        let wait = at.since(self.now()).max(0).unsigned_abs();
        Box::pin(tokio::time::sleep(Duration::from_millis(wait)))
    }

    fn lateness_limit_ms(&self) -> i64 {
        5_000
    }
}

/// A clock that goes by another machine's: it starts with the own one, is corrected by what the other says, and does not notice when the
/// own one is set.
pub struct CorrectedClock {
    began: Instant,
    at_begin: AtomicI64,
}

impl CorrectedClock {
    /// A clock that shows `now`.
    #[allow(clippy::disallowed_methods, reason = "the one place that asks the machine")]
    pub fn new(now: Timestamp) -> Self {
        Self { began: Instant::now(), at_begin: AtomicI64::new(now.0) }
    }

    /// Sets what it shows on by `ms`.
    pub fn correct(&self, ms: i64) {
        self.at_begin.fetch_add(ms, Ordering::AcqRel);
    }
}

impl Clock for CorrectedClock {
    fn now(&self) -> Timestamp {
        let passed_ms = i64::try_from(self.began.elapsed().as_millis()).unwrap_or(i64::MAX);
        Timestamp(self.at_begin.load(Ordering::Acquire)).plus_ms(passed_ms)
    }

    fn sleep_until(&self, at: Timestamp) -> Sleep {
        let wait = at.since(self.now()).max(0).unsigned_abs();
        Box::pin(tokio::time::sleep(Duration::from_millis(wait)))
    }

    fn lateness_limit_ms(&self) -> i64 {
        5_000
    }
}

/// A clock that stands still until a test moves it.
pub struct ManualClock {
    time: watch::Sender<ManualTime>,
    lateness_limit_ms: AtomicI64,
}

#[derive(Clone, Copy)]
struct ManualTime {
    /// What it shows.
    now: Timestamp,
    /// How much time has passed, whatever it shows: what sleepers go by, as on a real machine.
    passed_ms: i64,
}

impl ManualClock {
    /// A clock that shows `start`.
    pub fn new(start: Timestamp) -> Arc<Self> {
        // Time passes in leaps here; that alone must not look like an absence.
        let lateness_limit_ms = AtomicI64::new(i64::MAX);
        let time = watch::Sender::new(ManualTime { now: start, passed_ms: 0 });
        Arc::new(Self { time, lateness_limit_ms })
    }

    /// From now on a leap of more than `limit_ms` beyond what a sleeper planned is an absence.
    pub fn limit_lateness_ms(&self, limit_ms: i64) {
        self.lateness_limit_ms.store(limit_ms, Ordering::Release);
    }

    /// Lets `ms` pass and wakes whoever waits.
    pub fn advance_ms(&self, ms: i64) {
        self.time.send_modify(|time| {
            time.now = time.now.plus_ms(ms);
            time.passed_ms += ms;
        });
    }

    /// Sets what it shows on by `ms` (back when negative) while no time passes, as an administrator does; so it is after the
    /// machine was suspended, too. Who waits does not notice.
    pub fn set_by_ms(&self, ms: i64) {
        self.time.send_modify(|time| time.now = time.now.plus_ms(ms));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.time.borrow().now
    }

    fn sleep_until(&self, at: Timestamp) -> Sleep {
        let mut changes = self.time.subscribe();
        let until_ms = {
            let time = self.time.borrow();
            time.passed_ms.saturating_add(at.since(time.now))
        };
        Box::pin(async move {
            // The sender lives as long as the clock; when it is gone nobody can wait for it any more.
            let _ = changes.wait_for(|time| time.passed_ms >= until_ms).await;
        })
    }

    fn lateness_limit_ms(&self) -> i64 {
        self.lateness_limit_ms.load(Ordering::Acquire)
    }
}
