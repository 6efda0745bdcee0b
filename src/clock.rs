//! Time as the rest of the crate sees it: epoch milliseconds, and a clock that tests can turn.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, LazyLock};
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

/// The clock and our own time may go apart by so much from one look to the next, in ms; more is a suspension, or somebody
/// who set the time. Time servers move a clock by far less.
const JUMP_MS: i64 = 5_000;

/// A look at the clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The time.
    pub now: Timestamp,
    /// Milliseconds that the machine was awake, from some start on: no suspension counts, and nobody can set it.
    pub awake_ms: i64,
}

impl Moment {
    /// Whether since `before` the time has moved by much more, or much less, than the machine was awake.
    pub fn jumped_since(self, before: Self) -> bool {
        let apart = self.now.since(before.now) - (self.awake_ms - before.awake_ms);
        apart.abs() > JUMP_MS
    }
}

/// A future that ends when its moment has come.
pub type Sleep = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where "now" comes from. Everything that decides takes a [`Timestamp`]; only the edges hold a clock.
pub trait Clock: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> Timestamp;
    /// The present moment, and how long the machine has been awake.
    fn moment(&self) -> Moment;
    /// Waits until `at`; returns at once if that is past.
    fn sleep_until(&self, at: Timestamp) -> Sleep;
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

    #[allow(clippy::disallowed_methods, reason = "the one place that asks the machine")]
    fn moment(&self) -> Moment {
        static START: LazyLock<Instant> = LazyLock::new(Instant::now);
        let awake_ms = i64::try_from(START.elapsed().as_millis()).unwrap_or(i64::MAX);
        Moment { now: self.now(), awake_ms }
    }

    fn sleep_until(&self, at: Timestamp) -> Sleep {
        let wait = at.since(self.now()).max(0).unsigned_abs();
        Box::pin(tokio::time::sleep(Duration::from_millis(wait)))
    }
}

/// A clock that stands still until a test moves it.
pub struct ManualClock {
    shown: watch::Sender<Moment>,
}

impl ManualClock {
    /// A clock that shows `start`.
    pub fn new(start: Timestamp) -> Arc<Self> {
        Arc::new(Self { shown: watch::Sender::new(Moment { now: start, awake_ms: 0 }) })
    }

    /// Moves the clock by `ms` (backwards when negative) and wakes whoever waits.
    pub fn advance_ms(&self, ms: i64) {
        self.shown.send_modify(|moment| {
            moment.now = moment.now.plus_ms(ms);
            moment.awake_ms += ms;
        });
    }

    /// Moves the clock as a suspension of the machine does, or somebody who sets the time.
    pub fn jump_ms(&self, ms: i64) {
        self.shown.send_modify(|moment| moment.now = moment.now.plus_ms(ms));
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        self.shown.borrow().now
    }

    fn moment(&self) -> Moment {
        *self.shown.borrow()
    }

    fn sleep_until(&self, at: Timestamp) -> Sleep {
        let mut changes = self.shown.subscribe();
        Box::pin(async move {
            // The sender lives as long as the clock; when it is gone nobody can wait for it any more.
            let _ = changes.wait_for(|moment| moment.now >= at).await;
        })
    }
}
