//! How often a target is checked, how long that may take, and how many looks confirm a change: the same for every kind. Pure.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::quorum::Quorum;
use super::spec::DAY;
use super::{ErrorKind, Target, Verdict};
use crate::fields::{Fields, parse_text};

/// The most that `timeout_seconds` may be.
pub const TIMEOUT_SECONDS_MAX: u32 = 120;

/// The rhythm of a monitor that is checked (contract, section 4).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Pace {
    /// Seconds from the start of one check to the start of the next.
    pub check_interval_seconds: u32,
    /// Seconds that a check may take, from name resolution to the last byte.
    pub timeout_seconds: u32,
    /// Slower than this, in ms, but right: `degraded`.
    pub degraded_after_ms: Option<u32>,
    /// Re-checks before `down`.
    pub retries: u32,
    /// Seconds from a failed check to its re-check.
    pub retry_interval_seconds: u32,
    /// Successes in a row before `up` again.
    pub recovery_checks: u32,
    /// Where it is checked from; empty: from the server's own region alone.
    #[serde(default)]
    pub regions: Vec<String>,
    /// How many of the regions must agree.
    #[serde(default)]
    pub region_quorum: Quorum,
}

/// Re-checks before `down`, unless a monitor says otherwise.
pub const RETRIES: u32 = 1;
/// Seconds from a failed check to its re-check, unless a monitor says otherwise.
pub const RETRY_INTERVAL_SECONDS: u32 = 5;
/// The most regions of one monitor.
const REGIONS_MAX: usize = 100;

impl Pace {
    /// Reads it from a request; `current` is what a PATCH edits.
    pub(super) fn read(fields: &mut Fields<'_>, current: Option<&Self>) -> Self {
        let regions =
            fields.read("regions", Vec::new(), current.map(|c| c.regions.clone()), parse_regions);
        let region_quorum = fields.read(
            "region_quorum",
            Quorum::Majority,
            current.map(|c| c.region_quorum),
            Quorum::parse,
        );
        let configured = regions.len().max(1);
        if let Quorum::AtLeast(count) = region_quorum
            && region_quorum.of(configured) > configured
        {
            let reason = format!(
                "is {count}, but the monitor has {configured} region(s); give at most that"
            );
            fields.wrong("region_quorum", reason);
        }
        Self {
            regions,
            region_quorum,
            check_interval_seconds: fields.integer(
                "check_interval_seconds",
                1..=DAY,
                60,
                current.map(|c| c.check_interval_seconds),
            ),
            timeout_seconds: fields.integer(
                "timeout_seconds",
                1..=TIMEOUT_SECONDS_MAX,
                10,
                current.map(|c| c.timeout_seconds),
            ),
            degraded_after_ms: fields.optional_integer(
                "degraded_after_ms",
                1..=TIMEOUT_SECONDS_MAX * 1000,
                current.map(|c| c.degraded_after_ms),
            ),
            retries: fields.integer("retries", 0..=100, RETRIES, current.map(|c| c.retries)),
            retry_interval_seconds: fields.integer(
                "retry_interval_seconds",
                1..=DAY,
                RETRY_INTERVAL_SECONDS,
                current.map(|c| c.retry_interval_seconds),
            ),
            recovery_checks: fields.integer(
                "recovery_checks",
                1..=100,
                1,
                current.map(|c| c.recovery_checks),
            ),
        }
    }

    /// What a check means that either works or does not: `error` is why it did not, `total_ms` how long it took.
    pub fn verdict(&self, error: Option<ErrorKind>, total_ms: u32) -> Verdict {
        match error {
            Some(ErrorKind::Internal) => Verdict::Unknown,
            Some(_) => Verdict::Down,
            None if self.degraded_after_ms.is_some_and(|limit| total_ms > limit) => {
                Verdict::Degraded
            }
            None => Verdict::Up,
        }
    }
}

/// A list of names of regions without repetition. Whether they exist is not known here.
fn parse_regions(value: &Value) -> Result<Vec<String>, String> {
    let fix = "must be a list of names of regions, such as [\"local\", \"eu-west\"]";
    let mut names: Vec<String> = Vec::new();
    for item in value.as_array().ok_or(fix)? {
        let name = parse_text(item, 100).map_err(|_| fix)?.trim().to_owned();
        if name.is_empty() {
            return Err(fix.to_owned());
        }
        if !names.contains(&name) {
            names.push(name);
        }
    }
    if names.len() > REGIONS_MAX {
        return Err(format!("must have at most {REGIONS_MAX} regions"));
    }
    Ok(names)
}

impl Target {
    /// The rhythm of its checks, to be changed; `None` of what is not checked.
    pub fn pace_mut(&mut self) -> Option<&mut Pace> {
        match self {
            Self::Http(spec) => Some(&mut spec.pace),
            Self::Tcp(spec) => Some(&mut spec.pace),
            Self::Dns(spec) => Some(&mut spec.pace),
            Self::Tls(spec) => Some(&mut spec.pace),
            Self::Icmp(spec) => Some(&mut spec.pace),
            Self::Heartbeat(_) => None,
        }
    }
}

#[cfg(test)]
impl Pace {
    /// A pace for tests: a check every so many seconds, one retry after five.
    pub fn every(seconds: u32) -> Self {
        Self {
            check_interval_seconds: seconds,
            timeout_seconds: 10,
            degraded_after_ms: None,
            retries: 1,
            retry_interval_seconds: 5,
            recovery_checks: 1,
            regions: Vec::new(),
            region_quorum: Default::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_right_slow_wrong_or_says_nothing() {
        let mut pace = Pace::every(60);
        assert_eq!(pace.verdict(None, 9_999), Verdict::Up);
        pace.degraded_after_ms = Some(100);
        assert_eq!(pace.verdict(None, 100), Verdict::Up);
        assert_eq!(pace.verdict(None, 101), Verdict::Degraded);
        assert_eq!(pace.verdict(Some(ErrorKind::Refused), 1), Verdict::Down);
        assert_eq!(pace.verdict(Some(ErrorKind::Internal), 500), Verdict::Unknown);
    }
}
