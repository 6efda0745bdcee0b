//! Figures in the text format of Prometheus, and the histogram behind one of them.
//!
//! Written by hand: the figures belong to one server and not to the process, as the recorders of the usual crates do, and those of
//! monitors are read when they are asked for.

use std::fmt::{Display, Write};
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

/// Upper ends of the buckets in ms: two an octave, from a millisecond to a minute.
const BOUNDS_MS: [i64; 32] = [
    1, 2, 3, 4, 6, 8, 12, 16, 24, 32, 48, 64, 96, 128, 192, 256, 384, 512, 768, 1024, 1536, 2048,
    3072, 4096, 6144, 8192, 12_288, 16_384, 24_576, 32_768, 49_152, 65_536,
];

/// How often something took how long, in buckets that widen with the time.
#[derive(Debug)]
pub struct Histogram {
    /// One a bound, and one for what is beyond the last.
    counts: [AtomicU64; BOUNDS_MS.len() + 1],
    sum_ms: AtomicI64,
    max_ms: AtomicI64,
}

impl Default for Histogram {
    fn default() -> Self {
        Self {
            counts: std::array::from_fn(|_| AtomicU64::new(0)),
            sum_ms: AtomicI64::new(0),
            max_ms: AtomicI64::new(0),
        }
    }
}

impl Histogram {
    /// Counts one time, in ms; a negative one counts as nought.
    pub fn record(&self, ms: i64) {
        let ms = ms.max(0);
        let bucket = BOUNDS_MS.partition_point(|bound| *bound < ms);
        self.counts[bucket].fetch_add(1, Ordering::Relaxed);
        self.sum_ms.fetch_add(ms, Ordering::Relaxed);
        self.max_ms.fetch_max(ms, Ordering::Relaxed);
    }

    /// The longest, in ms.
    pub fn max_ms(&self) -> i64 {
        self.max_ms.load(Ordering::Relaxed)
    }

    /// The time in ms that `share` (of 1) of all did not exceed, by the upper end of its bucket and at most the longest. 0 of none.
    pub fn quantile_ms(&self, share: f64) -> i64 {
        let counts = self.counts();
        let wanted = share * counts.iter().sum::<u64>() as f64;
        let mut below = 0;
        for (bound, count) in BOUNDS_MS.iter().zip(&counts) {
            below += count;
            if below as f64 >= wanted {
                return self.max_ms().min(*bound);
            }
        }
        self.max_ms()
    }

    fn counts(&self) -> Vec<u64> {
        self.counts.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }
}

/// A page of figures.
#[derive(Debug, Default)]
pub struct Page(String);

impl Page {
    /// Begins a figure: its name (without `watchbell_`), `counter`, `gauge` or `histogram`, and what it is.
    pub fn figure(&mut self, name: &'static str, kind: &str, help: &str) -> Figure<'_> {
        let text = &mut self.0;
        // Writing to a string cannot fail.
        let _ = writeln!(text, "# HELP watchbell_{name} {help}");
        let _ = writeln!(text, "# TYPE watchbell_{name} {kind}");
        Figure { name, text }
    }

    /// The page as text.
    pub fn into_text(self) -> String {
        self.0
    }
}

/// A figure of a page, whose lines follow.
pub struct Figure<'a> {
    name: &'static str,
    text: &'a mut String,
}

impl Figure<'_> {
    /// A value without labels.
    pub fn value(&mut self, value: impl Display) {
        self.labelled(&[], value);
    }

    /// A value with labels: name and text, which may hold anything.
    pub fn labelled(&mut self, labels: &[(&str, &str)], value: impl Display) {
        self.line("", labels, value);
    }

    /// The lines of a histogram, in seconds.
    pub fn histogram(&mut self, histogram: &Histogram) {
        let counts = histogram.counts();
        let mut below = 0;
        for (bound, count) in BOUNDS_MS.iter().zip(&counts) {
            below += count;
            self.line("_bucket", &[("le", &seconds(*bound).to_string())], below);
        }
        let all: u64 = counts.iter().sum();
        self.line("_bucket", &[("le", "+Inf")], all);
        self.line("_sum", &[], seconds(histogram.sum_ms.load(Ordering::Relaxed)));
        self.line("_count", &[], all);
    }

    fn line(&mut self, suffix: &str, labels: &[(&str, &str)], value: impl Display) {
        // Writing to a string cannot fail.
        let _ = write!(self.text, "watchbell_{}{suffix}", self.name);
        for (nth, (name, text)) in labels.iter().enumerate() {
            let before = if nth == 0 { '{' } else { ',' };
            let _ = write!(self.text, "{before}{name}=\"{}\"", escaped(text));
        }
        let after = if labels.is_empty() { "" } else { "}" };
        let _ = writeln!(self.text, "{after} {value}");
    }
}

/// Milliseconds as seconds.
pub fn seconds(ms: i64) -> f64 {
    ms as f64 / 1000.0
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_reads_as_prometheus_does() {
        let histogram = Histogram::default();
        for ms in [-3, 1, 2, 40, 70_000] {
            histogram.record(ms);
        }
        let mut page = Page::default();
        page.figure("up", "gauge", "Whether.").labelled(&[("id", "7"), ("name", "a \"b\"\\\n")], 1);
        page.figure("late_seconds", "histogram", "How late.").histogram(&histogram);
        let text = page.into_text();
        let begin = "# HELP watchbell_up Whether.\n# TYPE watchbell_up gauge\n\
            watchbell_up{id=\"7\",name=\"a \\\"b\\\"\\\\\\n\"} 1\n";
        assert!(text.starts_with(begin), "{text}");
        for line in [
            "late_seconds_bucket{le=\"0.001\"} 2\n",
            "late_seconds_bucket{le=\"0.002\"} 3\n",
            "late_seconds_bucket{le=\"0.032\"} 3\n",
            "late_seconds_bucket{le=\"0.048\"} 4\n",
            "late_seconds_bucket{le=\"65.536\"} 4\n",
            "late_seconds_bucket{le=\"+Inf\"} 5\n",
            "late_seconds_sum 70.043\n",
            "late_seconds_count 5\n",
        ] {
            assert!(text.contains(&format!("\nwatchbell_{line}")), "{line}{text}");
        }
    }

    #[test]
    fn quantiles_are_upper_ends_of_buckets() {
        let histogram = Histogram::default();
        assert_eq!((histogram.quantile_ms(0.99), histogram.max_ms()), (0, 0));
        for ms in 1..=100 {
            histogram.record(ms);
        }
        assert_eq!(histogram.quantile_ms(0.5), 64);
        assert_eq!(histogram.quantile_ms(0.99), 100, "no more than the longest");
        assert_eq!(histogram.quantile_ms(0.01), 1);
    }
}
