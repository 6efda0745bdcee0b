//! What the regions say together: their verdicts, each after its own retries, and how fresh they are → one outcome. Pure.
//!
//! A region that is silent, or that does not know, has no vote. So silence never makes a monitor down; and as it must not end an
//! outage either, a monitor that is down stays so while the silent regions could still make the quorum.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use super::pace::Pace;
use crate::clock::Timestamp;

/// How many of a monitor's regions must agree.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Quorum {
    /// More than half of those that are configured.
    #[default]
    Majority,
    /// This many.
    AtLeast(u32),
}

impl Quorum {
    /// How many of `configured` regions that is; at least one.
    pub fn of(self, configured: usize) -> usize {
        match self {
            Self::Majority => configured / 2 + 1,
            Self::AtLeast(count) => usize::try_from(count).unwrap_or(usize::MAX).max(1),
        }
    }

    /// Reads `"majority"` or a number.
    ///
    /// # Errors
    /// What is wrong with the value.
    pub(super) fn parse(value: &Value) -> Result<Self, String> {
        let fix = "must be \"majority\" or a whole number from 1 to 100";
        if let Some(text) = value.as_str() {
            return if text == MAJORITY { Ok(Self::Majority) } else { Err(fix.to_owned()) };
        }
        let whole = value.as_f64().filter(|n| n.fract() == 0.0 && (1.0..=100.0).contains(n));
        whole.map(|n| Self::AtLeast(n as u32)).ok_or_else(|| fix.to_owned())
    }
}

const MAJORITY: &str = "majority";

impl fmt::Display for Quorum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Majority => f.write_str(MAJORITY),
            Self::AtLeast(count) => write!(f, "{count}"),
        }
    }
}

impl Serialize for Quorum {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self {
            Self::Majority => serializer.serialize_str(MAJORITY),
            Self::AtLeast(count) => serializer.serialize_u32(*count),
        }
    }
}

impl<'de> Deserialize<'de> for Quorum {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Self::parse(&Value::deserialize(deserializer)?).map_err(serde::de::Error::custom)
    }
}

/// What one region holds of the target, after its own retries. The later one is the worse.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Vote {
    /// As it should be.
    Up,
    /// Right, but slow.
    Degraded,
    /// Failing.
    Down,
    /// Its checks say nothing: a trouble of its own.
    Unknown,
}

/// What a region reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Report<'a> {
    /// Which region.
    pub region: &'a str,
    /// When the check behind it began.
    pub at: Timestamp,
    /// What it holds since that check.
    pub vote: Vote,
}

/// What follows from the reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// Too few fresh reports to decide: the state stands.
    Undecided,
    /// As it should be.
    Up,
    /// Not well, but not down. `by_quorum`: so many regions find it failing or slow as must agree; else it is below quorum, and nobody
    /// is alerted.
    Degraded {
        /// Whether the quorum finds it not well.
        by_quorum: bool,
    },
    /// The quorum finds it failing.
    Down,
}

/// How long after its start a check speaks for its region, in ms: two intervals, the timeout and 30 s (contract, section 7).
pub fn fresh_ms(pace: &Pace) -> i64 {
    let seconds = 2 * i64::from(pace.check_interval_seconds) + i64::from(pace.timeout_seconds) + 30;
    seconds * 1000
}

/// Who decides, and when.
#[derive(Debug, Clone, Copy)]
pub struct Rule<'a> {
    /// The regions that the monitor is checked from.
    pub regions: &'a [String],
    /// How many of them must agree.
    pub quorum: Quorum,
    /// How long a report speaks, in ms.
    pub fresh_ms: i64,
}

/// Decides at `now`. Of each region the newest report counts, whatever their order and number; reports of regions that are not
/// configured, and those that are too old, count nothing. `is_down` is where the monitor stands.
pub fn decide<'a>(
    reports: impl IntoIterator<Item = Report<'a>>,
    rule: Rule<'_>,
    is_down: bool,
    now: Timestamp,
) -> Outcome {
    let mut newest: BTreeMap<&str, (Timestamp, Vote)> = BTreeMap::new();
    for Report { region, at, vote } in reports {
        if now.since(at) < rule.fresh_ms && rule.regions.iter().any(|name| name == region) {
            let held = newest.entry(region).or_insert((at, vote));
            *held = (at, vote).max(*held);
        }
    }
    let count = |wanted: Vote| newest.values().filter(|(_, vote)| *vote == wanted).count();
    let (up, slow, failing) = (count(Vote::Up), count(Vote::Degraded), count(Vote::Down));
    let needed = rule.quorum.of(rule.regions.len());
    let fresh = up + slow + failing;
    let silent = rule.regions.len().saturating_sub(fresh);
    if failing >= needed {
        Outcome::Down
    } else if fresh < needed || (is_down && failing + silent >= needed) {
        Outcome::Undecided
    } else if slow + failing > 0 {
        Outcome::Degraded { by_quorum: slow + failing >= needed }
    } else {
        Outcome::Up
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp(1_000_000);
    const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];

    fn names(count: usize) -> Vec<String> {
        NAMES[..count].iter().map(|name| (*name).to_owned()).collect()
    }

    /// What `votes` of regions a, b, c … say; `None` is silent.
    fn outcome(votes: &[Option<Vote>], quorum: Quorum, is_down: bool) -> Outcome {
        let regions = names(votes.len());
        let reports = regions.iter().zip(votes).filter_map(|(region, vote)| {
            Some(Report { region, at: NOW.plus_ms(-10), vote: (*vote)? })
        });
        let rule = Rule { regions: &regions, quorum, fresh_ms: 1000 };
        decide(reports, rule, is_down, NOW)
    }

    #[test]
    fn what_regions_say_together() {
        use Vote::{Degraded, Down, Unknown, Up};
        const BELOW: Outcome = Outcome::Degraded { by_quorum: false };
        const SLOW: Outcome = Outcome::Degraded { by_quorum: true };
        let majority = Quorum::Majority;
        for (votes, quorum, expected) in [
            (&[Some(Up)][..], majority, Outcome::Up),
            (&[Some(Down)], majority, Outcome::Down),
            (&[Some(Degraded)], majority, SLOW),
            (&[None], majority, Outcome::Undecided),
            (&[Some(Up), Some(Up), Some(Up)], majority, Outcome::Up),
            (&[Some(Down), Some(Up), Some(Up)], majority, BELOW),
            (&[Some(Down), Some(Down), Some(Up)], majority, Outcome::Down),
            // One error and one slow of three: two are not well, and no two say down.
            (&[Some(Down), Some(Degraded), Some(Up)], majority, SLOW),
            (&[Some(Degraded), Some(Up), Some(Up)], majority, BELOW),
            (&[Some(Degraded), Some(Degraded), Some(Up)], majority, SLOW),
            // Two regions: a majority is both.
            (&[Some(Down), Some(Up)], majority, BELOW),
            (&[Some(Down), Some(Down)], majority, Outcome::Down),
            (&[Some(Down), None], majority, Outcome::Undecided),
            // Silence, and a trouble of the region's own, are no votes.
            (&[Some(Down), None, None], majority, Outcome::Undecided),
            (&[Some(Down), Some(Unknown), Some(Unknown)], majority, Outcome::Undecided),
            (&[Some(Down), Some(Up), None], majority, BELOW),
            (&[Some(Up), Some(Up), None], majority, Outcome::Up),
            (&[Some(Down), Some(Down), None], majority, Outcome::Down),
            // k of n.
            (&[Some(Down), Some(Up), Some(Up)], Quorum::AtLeast(1), Outcome::Down),
            (&[Some(Up), None, None], Quorum::AtLeast(1), Outcome::Up),
            (&[Some(Down), Some(Down), Some(Up)], Quorum::AtLeast(3), BELOW),
            (&[Some(Up), Some(Up), None], Quorum::AtLeast(3), Outcome::Undecided),
        ] {
            assert_eq!(outcome(votes, quorum, false), expected, "{votes:?} {quorum:?}");
        }
        // An outage does not end by silence.
        let is_down = true;
        let down_up_silent = [Some(Down), Some(Up), None];
        assert_eq!(outcome(&down_up_silent, majority, is_down), Outcome::Undecided);
        assert_eq!(outcome(&[Some(Down), Some(Up), Some(Up)], majority, is_down), BELOW);
        assert_eq!(outcome(&[Some(Up), Some(Up), None], majority, is_down), Outcome::Up);
    }

    #[test]
    fn a_quorum_is_a_word_or_a_number() {
        let read = |json: &str| serde_json::from_str::<Quorum>(json).ok();
        assert_eq!(read("\"majority\""), Some(Quorum::Majority));
        assert_eq!(read("2"), Some(Quorum::AtLeast(2)));
        assert_eq!(read("2.0"), Some(Quorum::AtLeast(2)));
        for wrong in ["0", "101", "1.5", "-1", "\"2\"", "\"all\"", "null", "true", "[1]"] {
            assert_eq!(read(wrong), None, "{wrong}");
        }
        for (configured, needed) in [(1, 1), (2, 2), (3, 2), (4, 3), (5, 3)] {
            assert_eq!(Quorum::Majority.of(configured), needed);
        }
    }

    fn vote() -> impl Strategy<Value = Vote> {
        prop_oneof![Just(Vote::Up), Just(Vote::Degraded), Just(Vote::Down), Just(Vote::Unknown)]
    }

    fn quorum() -> impl Strategy<Value = Quorum> {
        prop_oneof![Just(Quorum::Majority), (1..=5u32).prop_map(Quorum::AtLeast)]
    }

    /// Reports of up to five regions, one of which may not be configured; ages from fresh to stale.
    fn reports() -> impl Strategy<Value = Vec<(usize, i64, Vote)>> {
        prop::collection::vec((0..5usize, 0..2000i64, vote()), 0..12)
    }

    fn decided(
        reports: &[(usize, i64, Vote)],
        configured: usize,
        quorum: Quorum,
        is_down: bool,
    ) -> Outcome {
        let regions = names(configured);
        let rule = Rule { regions: &regions, quorum, fresh_ms: 1000 };
        let reports = reports.iter().map(|(region, age, vote)| Report {
            region: NAMES[*region],
            at: NOW.plus_ms(-age),
            vote: *vote,
        });
        decide(reports, rule, is_down, NOW)
    }

    proptest! {
        #[test]
        fn order_and_repetition_change_nothing(
            (reports, shuffled) in reports().prop_flat_map(|all| {
                let twice: Vec<_> = all.iter().chain(&all).copied().collect();
                (Just(all), Just(twice).prop_shuffle())
            }),
            configured in 1..=5usize,
            quorum in quorum(),
            is_down: bool,
        ) {
            prop_assert_eq!(
                decided(&reports, configured, quorum, is_down),
                decided(&shuffled, configured, quorum, is_down)
            );
        }

        #[test]
        fn stale_reports_and_strangers_say_nothing(
            reports in reports(),
            configured in 1..=5usize,
            quorum in quorum(),
            is_down: bool,
        ) {
            let kept: Vec<_> = reports
                .iter()
                .copied()
                .filter(|(region, age, _)| *age < 1000 && *region < configured)
                .collect();
            prop_assert_eq!(
                decided(&reports, configured, quorum, is_down),
                decided(&kept, configured, quorum, is_down)
            );
        }

        /// The oracle counts the newest fresh word of each region by hand.
        #[test]
        fn down_is_what_enough_regions_say(
            reports in reports(),
            configured in 1..=5usize,
            quorum in quorum(),
            is_down: bool,
        ) {
            let newest = |region: usize| {
                let own = reports.iter().filter(|(of, age, _)| *of == region && *age < 1000);
                own.map(|(_, age, vote)| (-age, *vote)).max().map(|(_, vote)| vote)
            };
            let say = |vote: Vote| (0..configured).filter(|r| newest(*r) == Some(vote)).count();
            let needed = match quorum {
                Quorum::Majority => configured / 2 + 1,
                Quorum::AtLeast(count) => count as usize,
            };
            let outcome = decided(&reports, configured, quorum, is_down);
            prop_assert_eq!(outcome == Outcome::Down, say(Vote::Down) >= needed);
            let known = say(Vote::Up) + say(Vote::Degraded) + say(Vote::Down);
            if known < needed {
                prop_assert_eq!(outcome, Outcome::Undecided);
            }
            if outcome == Outcome::Up {
                prop_assert_eq!(say(Vote::Down) + say(Vote::Degraded), 0);
            }
        }

        /// Whoever falls silent: nothing goes down by it, and nothing that is down comes back.
        #[test]
        fn silence_neither_makes_nor_ends_an_outage(
            votes in prop::collection::vec(prop::option::of(vote()), 1..=5),
            silenced in 0..5usize,
            quorum in quorum(),
        ) {
            let mut fewer = votes.clone();
            if let Some(vote) = fewer.get_mut(silenced) {
                *vote = None;
            }
            if outcome(&votes, quorum, false) != Outcome::Down {
                prop_assert_ne!(outcome(&fewer, quorum, false), Outcome::Down);
            }
            if outcome(&votes, quorum, true) == Outcome::Down {
                let after = outcome(&fewer, quorum, true);
                prop_assert!(matches!(after, Outcome::Down | Outcome::Undecided), "{after:?}");
            }
        }
    }
}
