//! When a job is expected: every so often, or by a cron expression in a zone (contract, section 3). Pure.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, MappedLocalTime, NaiveDateTime, TimeDelta, TimeZone, Timelike};
use chrono_tz::Tz;
use croner::Cron;
use croner::parser::{CronParser, Seconds, Year};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use crate::clock::Timestamp;
use crate::incident::message;

/// When a job is expected.
#[allow(
    clippy::large_enum_variant,
    reason = "there is one a heartbeat, and it is read at every ping"
)]
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Expected {
    /// One period after each success.
    Every {
        /// The period, in seconds.
        period_seconds: u32,
    },
    /// At the times of a cron expression.
    At(CronSchedule),
}

impl Expected {
    /// When the success after the one at `at` is due.
    ///
    /// A success shortly before its cron time, by at most the smaller of the grace and a quarter of the gap, counts for that time.
    pub fn due_after_success(&self, at: Timestamp, grace_seconds: u32) -> Timestamp {
        match self {
            Self::Every { period_seconds } => at.plus_seconds(*period_seconds),
            Self::At(schedule) => {
                let next = schedule.next(at);
                let gap_ms = next.since(schedule.previous(next));
                let tolerance_ms = (gap_ms / 4).min(i64::from(grace_seconds) * 1000);
                if next.since(at) <= tolerance_ms { schedule.next(next) } else { next }
            }
        }
    }

    /// When a success is due if it is waited for from `from` on: after a resume, an edit or our own absence.
    pub fn due_from(&self, from: Timestamp) -> Timestamp {
        match self {
            Self::Every { period_seconds } => from.plus_seconds(*period_seconds),
            Self::At(schedule) => schedule.next(from),
        }
    }

    /// The usual time from one success to the next, in seconds: what a default grace is drawn from.
    pub fn usual_gap_seconds(&self) -> u32 {
        match self {
            Self::Every { period_seconds } => *period_seconds,
            Self::At(schedule) => {
                let first = schedule.next(SOME_DAY);
                let gap_ms = schedule.next(first).since(first);
                u32::try_from(gap_ms / 1000).unwrap_or(u32::MAX)
            }
        }
    }
}

impl fmt::Display for Expected {
    /// As an alert says it: `every 1m`, `at 0 4 * * * Europe/Riga`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Every { period_seconds } => {
                write!(f, "every {}", message::duration(i64::from(*period_seconds) * 1000))
            }
            Self::At(schedule) => write!(f, "at {} {}", schedule.expression, schedule.timezone),
        }
    }
}

/// 2024-01-01T00:00Z: a fixed day from which an expression is tried, so that its reading does not hang on the time of day.
const SOME_DAY: Timestamp = Timestamp(1_704_067_200_000);

/// A cron expression that fires, in its zone.
///
/// At the changes of the clock: fixed hours in the hour that is skipped are due right after it, in the hour that repeats they are
/// due once; hours with a wildcard follow the wall clock. The expression is therefore only asked for times on a wall clock that
/// never changes; what they are in the zone is decided here.
#[derive(Debug, Clone)]
pub struct CronSchedule {
    expression: String,
    timezone: Tz,
    cron: Box<Cron>,
}

impl PartialEq for CronSchedule {
    fn eq(&self, other: &Self) -> bool {
        (&self.expression, self.timezone) == (&other.expression, other.timezone)
    }
}

impl Eq for CronSchedule {}

impl CronSchedule {
    /// Reads five fields, or `@hourly` and the like.
    ///
    /// # Errors
    /// What is wrong with the expression and how to mend it; one that never fires is wrong too.
    pub fn parse(expression: &str, timezone: Tz) -> Result<Self, String> {
        let expression = expression.trim();
        let fields = expression.split_whitespace().count();
        if !expression.starts_with('@') && fields != 5 {
            return Err(format!(
                "must have five fields (minute, hour, day, month, weekday) and has {fields}; such as 30 4 * * *"
            ));
        }
        let cron = CronParser::builder()
            .seconds(Seconds::Disallowed)
            .year(Year::Disallowed)
            .build()
            .parse(expression)
            .map_err(|error| format!("is not a cron expression: {error}"))?;
        let schedule = Self { expression: expression.to_owned(), timezone, cron: Box::new(cron) };
        match schedule.search(SOME_DAY, true) {
            Some(_) => Ok(schedule),
            None => Err("never fires: no such day exists".to_owned()),
        }
    }

    /// The expression as it was written.
    pub fn expression(&self) -> &str {
        &self.expression
    }

    /// The zone whose wall clock it follows.
    pub fn timezone(&self) -> Tz {
        self.timezone
    }

    /// In English: `At 04:30.`
    pub fn describe(&self) -> String {
        self.cron.describe()
    }

    /// The first time after `at`.
    pub fn next(&self, at: Timestamp) -> Timestamp {
        // An expression that fires does so again; should the calendar end, nothing is due any more.
        self.search(at, true).unwrap_or(Timestamp(i64::MAX))
    }

    /// The last time before `at`.
    pub fn previous(&self, at: Timestamp) -> Timestamp {
        self.search(at, false).unwrap_or(Timestamp(0))
    }

    fn search(&self, at: Timestamp, forward: bool) -> Option<Timestamp> {
        let utc = at.to_utc();
        let mut wall = utc.with_timezone(&self.timezone).naive_local();
        // In an hour that comes twice, earlier walls lie ahead in its second half, and later ones behind in its first.
        if let MappedLocalTime::Ambiguous(first, second) = self.timezone.from_local_datetime(&wall)
        {
            let repeated = second - first;
            let is_first = first.to_utc() == utc;
            match forward {
                true if is_first => wall -= repeated,
                false if !is_first => wall += repeated,
                _ => {}
            }
        }
        // The expression knows whole seconds only; a begun one lies ahead of those before it.
        if !forward && wall.nanosecond() > 0 {
            wall += TimeDelta::seconds(1);
        }
        let mut best: Option<Timestamp> = None;
        loop {
            let found = match forward {
                true => self.cron.find_next_occurrence(&wall.and_utc(), false),
                false => self.cron.find_previous_occurrence(&wall.and_utc(), false),
            };
            let Ok(found) = found else { return best };
            wall = found.naive_utc();
            let Some((first, last)) = self.moments(wall) else { continue };
            // Both ends go up with the wall: once the nearer one is past `at`, no further wall holds a nearer moment.
            let is_past = |moment: &Timestamp| if forward { *moment > at } else { *moment < at };
            let all = [first, last].into_iter().filter(is_past).chain(best);
            best = if forward { all.min() } else { all.max() };
            if is_past(if forward { &first } else { &last }) {
                return best;
            }
        }
    }

    /// The first and the last moment at which it is due for a time on the wall: none, one, or two.
    fn moments(&self, wall: NaiveDateTime) -> Option<(Timestamp, Timestamp)> {
        let of = |time: DateTime<Tz>| Timestamp(time.timestamp_millis());
        match self.timezone.from_local_datetime(&wall) {
            MappedLocalTime::Single(time) => Some((of(time), of(time))),
            MappedLocalTime::Ambiguous(first, _) if has_fixed_hours(&self.expression) => {
                Some((of(first), of(first)))
            }
            MappedLocalTime::Ambiguous(first, second) => Some((of(first), of(second))),
            MappedLocalTime::None if has_fixed_hours(&self.expression) => {
                let after = self.after_gap(wall)?;
                Some((of(after), of(after)))
            }
            MappedLocalTime::None => None,
        }
    }

    /// The first minute after the gap that `wall` is in. The longest gap there was is a day, at the date line.
    fn after_gap(&self, wall: NaiveDateTime) -> Option<DateTime<Tz>> {
        (1..=25 * 60).find_map(|minutes| {
            let later = wall.checked_add_signed(TimeDelta::minutes(minutes))?;
            self.timezone.from_local_datetime(&later).earliest()
        })
    }
}

/// Whether the hours are written out, not given by a wildcard.
fn has_fixed_hours(expression: &str) -> bool {
    match expression.split_whitespace().nth(1) {
        Some(hours) => !hours.contains(['*', '?']) && !hours.starts_with("0-23"),
        None => !expression.eq_ignore_ascii_case("@hourly"),
    }
}

#[derive(Serialize, Deserialize)]
struct Stored {
    cron: String,
    timezone: String,
}

impl Serialize for CronSchedule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let timezone = self.timezone.name().to_owned();
        Stored { cron: self.expression.clone(), timezone }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for CronSchedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let stored = Stored::deserialize(deserializer)?;
        let timezone = Tz::from_str(&stored.timezone).map_err(serde::de::Error::custom)?;
        Self::parse(&stored.cron, timezone).map_err(serde::de::Error::custom)
    }
}
