//! Checks in equal spans of time, for the table of a chart and the script that draws it anew. Pure.

use super::charts::Point;
use super::curves::Curve;
use super::text::{Viewer, millis};
use crate::clock::Timestamp;
use crate::report::latency::Histogram;
use crate::report::rollup::{Grain, Rollup};

/// Spans in a chart at most: one is then about as wide as the finger that points at it.
pub const BUCKETS_MAX: i64 = 120;

/// The checks of one span.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bucket {
    /// When it begins.
    pub at: Timestamp,
    /// The middle one of the times of its successful checks, in ms.
    pub median: Option<u32>,
    /// The longest of them.
    pub slowest: Option<u32>,
    /// How many checks failed.
    pub failed: usize,
    /// How many checks there were.
    pub checks: usize,
    /// The middle time of each curve, where there are several.
    pub each: Vec<Option<u32>>,
}

/// The middle one of the times of the successful checks, and the longest.
fn middle_and_longest<'a>(points: impl Iterator<Item = &'a Point>) -> (Option<u32>, Option<u32>) {
    let mut times: Vec<u32> = points.filter(|p| !p.failed).filter_map(|p| p.ms).collect();
    times.sort_unstable();
    (times.get(times.len() / 2).copied(), times.last().copied())
}

impl Bucket {
    /// The checks of a span of `step` ms.
    fn of(at: Timestamp, step: i64, points: &[Point], curves: &[Curve]) -> Self {
        let (median, slowest) = middle_and_longest(points.iter());
        let own = |Curve { points, .. }: &Curve| {
            let from = points.partition_point(|point| point.at < at);
            let to = points.partition_point(|point| point.at < at.plus_ms(step));
            middle_and_longest(points.get(from..to).unwrap_or_default().iter()).0
        };
        Self {
            at,
            median,
            slowest,
            each: curves.iter().map(own).collect(),
            failed: points.iter().filter(|p| p.failed).count(),
            checks: points.len(),
        }
    }

    /// When it begins, as the table says it.
    pub fn when(&self, viewer: Viewer) -> String {
        viewer.weekday_hour(self.at)
    }

    /// The middle time in words.
    pub fn median_words(&self) -> String {
        self.median.map_or_else(|| "–".to_owned(), |ms| millis(ms.into()))
    }

    /// The longest time in words.
    pub fn slowest_words(&self) -> String {
        self.slowest.map_or_else(|| "–".to_owned(), |ms| millis(ms.into()))
    }

    /// The middle time of each curve in words.
    pub fn each_words(&self) -> Vec<String> {
        let words = |ms: &Option<u32>| ms.map_or_else(|| "–".to_owned(), |ms| millis(ms.into()));
        self.each.iter().map(words).collect()
    }

    /// The middle time of each curve for the script, with commas between.
    pub fn each_ms(&self) -> String {
        let number = |ms: &Option<u32>| ms.map_or_else(String::new, |ms| ms.to_string());
        self.each.iter().map(number).collect::<Vec<_>>().join(",")
    }

    /// The middle time for the script; empty for none.
    pub fn median_ms(&self) -> String {
        self.median.map_or_else(String::new, |ms| ms.to_string())
    }

    /// The longest time for the script; empty for none.
    pub fn slowest_ms(&self) -> String {
        self.slowest.map_or_else(String::new, |ms| ms.to_string())
    }
}

/// Puts `points` (oldest first) into spans, as many as a finger can point at.
pub fn buckets(points: &[Point], curves: &[Curve]) -> Vec<Bucket> {
    spans(points, curves, BUCKETS_MAX)
}

/// Puts `points` (oldest first) into at most `most` spans of equal length that are a round number of seconds. Spans without checks are
/// left out. Of several `curves` each has its own middle.
pub fn spans(points: &[Point], curves: &[Curve], most: i64) -> Vec<Bucket> {
    let (Some(first), Some(last)) = (points.first(), points.last()) else { return Vec::new() };
    let length = last.at.since(first.at).max(1);
    let step = round_step(length / most + 1);
    let begin = |point: &Point| Timestamp(point.at.0.div_euclid(step) * step);
    points
        .chunk_by(|a, b| begin(a) == begin(b))
        .filter_map(|chunk| Some(Bucket::of(begin(chunk.first()?), step, chunk, curves)))
        .collect()
}

/// Puts roll-ups (oldest first), `per` of them together, into spans.
pub fn of_rollups(rollups: &[Rollup], grain: Grain, per: i64) -> Vec<Bucket> {
    let place = |rollup: &Rollup| rollup.slot.div_euclid(per);
    let bucket = |chunk: &[Rollup]| {
        let first = chunk.first()?;
        let latency = merged(chunk);
        let sum = |pick: fn(&Rollup) -> i64| usize::try_from(chunk.iter().map(pick).sum::<i64>());
        Some(Bucket {
            at: grain.start(place(first) * per),
            median: latency.percentile(0.5),
            slowest: latency.percentile(1.0),
            failed: sum(|rollup| rollup.failed).unwrap_or_default(),
            checks: sum(|rollup| rollup.checks).unwrap_or_default(),
            each: Vec::new(),
        })
    };
    rollups.chunk_by(|a, b| place(a) == place(b)).filter_map(bucket).collect()
}

/// How long the checks of all these roll-ups took.
pub fn merged(rollups: &[Rollup]) -> Histogram {
    rollups.iter().fold(Histogram::default(), |mut sum, rollup| {
        sum.merge(&rollup.latency);
        sum
    })
}

/// The least round span of at least `ms`: people count in tens of seconds, minutes and quarters of an hour.
fn round_step(ms: i64) -> i64 {
    const SECONDS: [i64; 12] = [1, 5, 10, 30, 60, 120, 300, 600, 900, 1_800, 3_600, 7_200];
    let fits = SECONDS.iter().map(|seconds| seconds * 1000).find(|step| *step >= ms);
    fits.unwrap_or_else(|| ms.div_euclid(21_600_000).saturating_add(1) * 21_600_000)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(seconds: i64, ms: u32, failed: bool) -> Point {
        Point { at: Timestamp(seconds * 1000), ms: Some(ms), failed, region: 0 }
    }

    #[test]
    fn three_hours_are_in_steps_of_two_minutes() {
        let points: Vec<Point> = (0..360).map(|i| point(i * 30, 100 + i as u32, false)).collect();
        let buckets = buckets(&points, &[]);
        assert_eq!(buckets.len(), 90);
        assert_eq!(buckets[1].at, Timestamp(120_000));
        assert_eq!((buckets[0].median, buckets[0].slowest), (Some(102), Some(103)));
        assert_eq!(buckets.iter().map(|b| b.checks).sum::<usize>(), 360);
    }

    #[test]
    fn failures_are_counted_and_have_no_time() {
        let points = [point(0, 10, true), point(1, 20, true), point(600, 5, false)];
        let buckets = buckets(&points, &[]);
        let told: Vec<_> = buckets.iter().map(|b| (b.failed, b.median)).collect();
        assert_eq!(told, [(2, None), (0, Some(5))]);
        assert_eq!(super::buckets(&[], &[]), []);
        assert!(round_step(90 * 86_400_000 / 120) >= 64_800_000);
    }

    #[test]
    fn roll_ups_are_put_together_with_all_their_checks() {
        let hour = |slot, ms: u32, failed| {
            let mut rollup = Rollup { slot, checks: 2, failed, ..Rollup::default() };
            rollup.latency.add(ms);
            rollup
        };
        let rollups = [hour(6, 10, 0), hour(7, 10, 0), hour(11, 30, 2), hour(12, 5, 0)];
        let told: Vec<(i64, Option<u32>, usize, usize)> = of_rollups(&rollups, Grain::Hour, 6)
            .iter()
            .map(|b| (b.at.0 / 3_600_000, b.median, b.failed, b.checks))
            .collect();
        assert_eq!(told, [(6, Some(10), 2, 6), (12, Some(5), 0, 2)]);
        assert_eq!(merged(&rollups).count(), 4);
    }
}
