//! How long checks took, as counts in buckets: what two hours hold can be added up, which no percentile can. Pure.
//!
//! Below 16 ms each millisecond has its bucket; above, each doubling is cut into 16. So a percentile is at most 3.2 % off.

use std::collections::BTreeMap;

/// Buckets of each doubling, and the first value that shares one.
const STEPS: u32 = 16;

/// Counts of checks by how long they took.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Histogram {
    counts: BTreeMap<u32, u64>,
}

/// The bucket of a duration.
fn bucket(ms: u32) -> u32 {
    if ms < STEPS {
        return ms;
    }
    let doublings = ms.ilog2() - STEPS.ilog2();
    doublings * STEPS + (ms >> doublings)
}

/// The first and the last duration of a bucket.
fn edges(bucket: u32) -> (u64, u64) {
    let doublings = (bucket / STEPS).saturating_sub(1).min(40);
    let first = u64::from(bucket - doublings * STEPS) << doublings;
    (first, first + (1 << doublings) - 1)
}

impl Histogram {
    /// Counts one check that took `ms`.
    pub fn add(&mut self, ms: u32) {
        *self.counts.entry(bucket(ms)).or_default() += 1;
    }

    /// Counts all that `other` has counted.
    pub fn merge(&mut self, other: &Self) {
        for (bucket, count) in &other.counts {
            self.count_in(*bucket, *count);
        }
    }

    /// How many checks were counted.
    pub fn count(&self) -> u64 {
        self.counts.values().fold(0, |sum, count| sum.saturating_add(*count))
    }

    /// The duration in ms that `share` of the checks (0 to 1) did not pass: the middle of its bucket. `None` without checks.
    pub fn percentile(&self, share: f64) -> Option<u32> {
        let rank = ((self.count() as f64 * share).ceil() as u64).max(1);
        let mut seen = 0_u64;
        for (bucket, count) in &self.counts {
            seen = seen.saturating_add(*count);
            if seen >= rank {
                let (first, last) = edges(*bucket);
                return Some(u32::try_from(first.midpoint(last)).unwrap_or(u32::MAX));
            }
        }
        None
    }

    /// As it is stored: for each bucket its distance from the one before, and its count, seven bits a byte.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut before = 0;
        for (bucket, count) in &self.counts {
            put(&mut bytes, u64::from(bucket - before));
            put(&mut bytes, *count);
            before = *bucket;
        }
        bytes
    }

    /// Reads what [`Histogram::to_bytes`] wrote. What cannot be read is left out.
    pub fn from_bytes(bytes: &[u8]) -> Self {
        let mut histogram = Self::default();
        histogram.merge_bytes(bytes);
        histogram
    }

    /// Counts all that another had counted when [`Histogram::to_bytes`] wrote it. What cannot be read is left out.
    pub fn merge_bytes(&mut self, mut bytes: &[u8]) {
        let mut bucket = 0_u32;
        while let (Some(distance), Some(count)) = (take(&mut bytes), take(&mut bytes)) {
            let Some(next) = u32::try_from(distance).ok().and_then(|d| bucket.checked_add(d))
            else {
                break;
            };
            bucket = next;
            self.count_in(bucket, count);
        }
    }

    fn count_in(&mut self, bucket: u32, count: u64) {
        let sum = self.counts.entry(bucket).or_default();
        *sum = sum.saturating_add(count);
    }
}

fn put(bytes: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if first & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(times: &[u32]) -> Histogram {
        let mut histogram = Histogram::default();
        times.iter().for_each(|ms| histogram.add(*ms));
        histogram
    }

    #[test]
    fn buckets_follow_each_other_without_gap_or_overlap() {
        let mut next = 0;
        for bucket in 0..=bucket(u32::MAX) {
            let (first, last) = edges(bucket);
            assert_eq!(first, next, "bucket {bucket}");
            next = last + 1;
        }
        assert_eq!(next, 1 << 32);
    }

    #[test]
    fn an_hour_of_a_steady_monitor_is_small() {
        let times: Vec<u32> = (0..180).map(|i| 100 + i % 20).collect();
        assert!(of(&times).to_bytes().len() <= 12, "{:?}", of(&times).to_bytes());
        assert_eq!(Histogram::default().percentile(0.5), None);
        assert_eq!(Histogram::from_bytes(&[0xff; 30]), Histogram::default());
    }

    proptest! {
        /// The oracle sorts all durations.
        #[test]
        fn a_percentile_of_merged_hours_is_near_that_of_all_checks(
            hours in prop::collection::vec(prop::collection::vec(0..200_000_u32, 0..50), 1..5),
            share in 0.0..=1.0_f64,
        ) {
            let mut merged = Histogram::default();
            for hour in &hours {
                merged.merge(&Histogram::from_bytes(&of(hour).to_bytes()));
            }
            let mut all: Vec<u32> = hours.concat();
            all.sort_unstable();
            let rank = ((all.len() as f64 * share).ceil() as usize).max(1);
            let exact = all.get(rank - 1).copied();
            let found = merged.percentile(share);
            prop_assert_eq!(exact.is_some(), found.is_some());
            if let (Some(exact), Some(found)) = (exact, found) {
                let off = (f64::from(found) - f64::from(exact)).abs();
                prop_assert!(off <= 0.5 + f64::from(exact) * 0.032, "{found} for {exact}");
            }
        }
    }
}
