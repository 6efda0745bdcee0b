//! Numbers, spans and times as people read them (guide, section 5). Pure.

use std::fmt;

use chrono::{Datelike, NaiveDate, NaiveTime, TimeDelta, TimeZone, Timelike};
use chrono_tz::Tz;

use crate::clock::Timestamp;
use crate::report::uptime::cut_share;

/// Markup that was made here, not taken from a user: a template writes it as it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Html(pub String);

impl Html {
    /// Text as markup: what would be markup in it shows as it is.
    pub fn escaped(text: &str) -> Self {
        let mut markup = String::with_capacity(text.len());
        for c in text.chars() {
            match c {
                '&' => markup.push_str("&#38;"),
                '<' => markup.push_str("&#60;"),
                '>' => markup.push_str("&#62;"),
                '"' => markup.push_str("&#34;"),
                '\'' => markup.push_str("&#39;"),
                other => markup.push(other),
            }
        }
        Self(markup)
    }
}

impl fmt::Display for Html {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl askama::FastWritable for Html {
    fn write_into(
        &self,
        dest: &mut dyn fmt::Write,
        _: &dyn askama::Values,
    ) -> Result<(), askama::Error> {
        Ok(dest.write_str(&self.0)?)
    }
}

impl askama::filters::HtmlSafe for Html {}

/// A response time: `182 ms`, `1.2 s`.
pub fn millis(ms: i64) -> String {
    match ms {
        ..1000 => format!("{} ms", ms.max(0)),
        1000..60_000 => format!("{}.{} s", ms / 1000, ms % 1000 / 100),
        _ => span(ms),
    }
}

/// A span of time, its two largest units: `17 s`, `12 min 28 s`, `1 h 24 min`, `6 days`.
pub fn span(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    let (days, hours, minutes) = (seconds / 86_400, seconds / 3600 % 24, seconds / 60 % 60);
    let day_word = if days == 1 { "day" } else { "days" };
    let (large, small) = if days > 0 {
        ((days, day_word), (hours, "h"))
    } else if hours > 0 {
        ((hours, "h"), (minutes, "min"))
    } else if minutes > 0 {
        ((minutes, "min"), (seconds % 60, "s"))
    } else {
        return format!("{seconds} s");
    };
    match small.0 {
        0 => format!("{} {}", large.0, large.1),
        _ => format!("{} {} {} {}", large.0, large.1, small.0, small.1),
    }
}

/// The largest unit of a span alone: `6 s`, `12 min`, `2 h`, `3 d`.
pub fn short_span(ms: i64) -> String {
    let seconds = ms.max(0) / 1000;
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..86_400 => format!("{} h", seconds / 3600),
        _ => format!("{} d", seconds / 86_400),
    }
}

/// A count with thousands separators: `1,284`.
pub fn count(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::new();
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// A count and its noun: `1 monitor`, `1,284 monitors`.
pub fn plural(n: usize, noun: &str) -> String {
    let s = if n == 1 { "" } else { "s" };
    format!("{} {noun}{s}", count(n))
}

/// Names in a sentence: `a`, `a and b`, `a, b and c`.
pub fn listed(names: &[&str]) -> String {
    match names {
        [before @ .., last] if !before.is_empty() => format!("{} and {last}", before.join(", ")),
        _ => names.concat(),
    }
}

/// Uptime, rounded down to two places, so that 100% means no downtime at all; `–` when nothing is known.
pub fn percent(up_ms: i64, known_ms: i64) -> String {
    match cut_share(up_ms.max(0), known_ms, 10_000) {
        None => "–".to_owned(),
        Some(10_000..) => "100%".to_owned(),
        Some(hundredths) => format!("{}.{:02}%", hundredths / 100, hundredths % 100),
    }
}

/// The size of a body: `412 B`, `3.1 kB`.
pub fn bytes(n: i64) -> String {
    match n {
        ..1000 => format!("{n} B"),
        1000..1_000_000 => format!("{}.{} kB", n / 1000, n % 1000 / 100),
        _ => format!("{}.{} MB", n / 1_000_000, n % 1_000_000 / 100_000),
    }
}

/// The viewer's present: what "ago" and wall times are reckoned from.
#[derive(Debug, Clone, Copy)]
pub struct Viewer {
    /// The present moment.
    pub now: Timestamp,
    /// The viewer's zone.
    pub zone: Tz,
}

impl Viewer {
    /// A viewer whose browser named its zone, or one in UTC.
    pub fn new(now: Timestamp, zone: Option<&str>) -> Self {
        Self { now, zone: zone.and_then(|name| name.parse().ok()).unwrap_or(Tz::UTC) }
    }

    /// Relative within a day, else the date: `just now`, `12 min ago`, `in 28 min`, `29 Oct`, `29 Oct 2025`.
    pub fn ago(self, at: Timestamp) -> String {
        const DAY: i64 = 86_400_000;
        match self.now.since(at) {
            -2_000..2_000 => "just now".to_owned(),
            past @ 2_000..DAY => format!("{} ago", short_span(past)),
            future if (-DAY..0).contains(&future) => format!("in {}", short_span(-future)),
            _ => self.date(at),
        }
    }

    /// A date: `29 Oct`, with the year when it is not this one.
    pub fn date(self, at: Timestamp) -> String {
        let day = self.local(at);
        let year = if day.year() == self.local(self.now).year() { "" } else { " %Y" };
        day.format(&format!("%-d %b{year}")).to_string()
    }

    /// A wall time: `14:19:42`.
    pub fn clock(self, at: Timestamp) -> String {
        self.local(at).format("%H:%M:%S").to_string()
    }

    /// A wall time to the minute: `14:19`.
    pub fn hour(self, at: Timestamp) -> String {
        self.local(at).format("%H:%M").to_string()
    }

    /// Day of the week and wall time: `Tue 14:19`.
    pub fn weekday_hour(self, at: Timestamp) -> String {
        self.local(at).format("%a %H:%M").to_string()
    }

    /// Date and wall time: `Tue 17 Nov, 14:19`, with the year when it is not this one.
    pub fn day_hour(self, at: Timestamp) -> String {
        format!("{} {}, {}", self.local(at).format("%a"), self.date(at), self.hour(at))
    }

    /// From one time to another: `14:00 to 15:00` on one day, else `22:00 to Wed 06:00`.
    pub fn hours(self, (from, to): (Timestamp, Timestamp)) -> String {
        let end =
            if self.day(from) == self.day(to) { self.hour(to) } else { self.weekday_hour(to) };
        format!("{} to {end}", self.hour(from))
    }

    /// The same with the day: `Thu 19 Nov, 03:00 to 05:00`, `Thu 26 Nov, 09:00 to Fri 17:00`; with both days where a weekday does
    /// not say which.
    pub fn day_hours(self, span: (Timestamp, Timestamp)) -> String {
        format!("{} to {}", self.day_hour(span.0), self.end(span))
    }

    /// The end of such a span.
    pub fn end(self, (from, to): (Timestamp, Timestamp)) -> String {
        match self.day(to).signed_duration_since(self.day(from)).num_days() {
            0 => self.hour(to),
            1..=6 => self.weekday_hour(to),
            _ => self.day_hour(to),
        }
    }

    /// The day of the viewer's calendar.
    pub fn day(self, at: Timestamp) -> NaiveDate {
        self.local(at).date_naive()
    }

    /// The wall time, in ms of the day.
    pub fn ms_of_day(self, at: Timestamp) -> i64 {
        i64::from(self.local(at).num_seconds_from_midnight()) * 1000
    }

    /// When a day of the viewer's calendar begins; where midnight is skipped, at the first half hour that there is.
    pub fn midnight(self, day: NaiveDate) -> Timestamp {
        let midnight = day.and_time(NaiveTime::MIN);
        let there = |halves: i64| {
            let time = midnight.checked_add_signed(TimeDelta::minutes(30 * halves))?;
            self.zone.from_local_datetime(&time).earliest()
        };
        // A zone that went over the date line has skipped a whole day.
        let begin = (0..=48).find_map(there).map(|begin| begin.timestamp_millis());
        Timestamp(begin.unwrap_or_else(|| midnight.and_utc().timestamp_millis()))
    }

    /// All of it: `Tue 17 Nov 2026, 14:19:42 Europe/Berlin`.
    pub fn full(self, at: Timestamp) -> String {
        format!("{} {}", self.local(at).format("%a %-d %b %Y, %H:%M:%S"), self.zone)
    }

    /// As a `datetime-local` field holds it: `2026-11-17T14:19`.
    pub fn field(self, at: Timestamp) -> String {
        self.local(at).format("%Y-%m-%dT%H:%M").to_string()
    }

    /// A `<time>` that shows [`Viewer::ago`] and that the script keeps current.
    pub fn ago_html(self, at: Timestamp) -> Html {
        self.time(at, " data-rel", &self.ago(at))
    }

    /// A `<time>` that shows how long ago in the least letters: `6 s`, `2 h`.
    pub fn short_html(self, at: Timestamp) -> Html {
        self.time(at, " class=\"quiet-time\" data-rel=\"short\"", &short_span(self.now.since(at)))
    }

    /// A `<time>` that shows how long it has lasted: `12 min 28 s`.
    pub fn lasting_html(self, since: Timestamp) -> Html {
        self.time(since, " data-rel=\"span\"", &span(self.now.since(since)))
    }

    /// A `<time>` with a text that stays.
    pub fn fixed_html(self, at: Timestamp, text: &str) -> Html {
        self.time(at, "", text)
    }

    fn time(self, at: Timestamp, attributes: &str, text: &str) -> Html {
        let utc = at.to_utc().format("%Y-%m-%dT%H:%M:%SZ");
        Html(format!(
            "<time datetime=\"{utc}\"{attributes} title=\"{}\">{text}</time>",
            self.full(at)
        ))
    }

    fn local(self, at: Timestamp) -> chrono::DateTime<Tz> {
        self.zone.from_utc_datetime(&at.to_utc().naive_utc())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spans_show_their_two_largest_units() {
        for (seconds, text) in [
            (0, "0 s"),
            (17, "17 s"),
            (60, "1 min"),
            (748, "12 min 28 s"),
            (5040, "1 h 24 min"),
            (3605, "1 h"),
            (86_400, "1 day"),
            (180_000, "2 days 2 h"),
            (-5, "0 s"),
        ] {
            assert_eq!(span(seconds * 1000), text);
        }
    }

    #[test]
    fn response_times_are_short() {
        for (ms, text) in
            [(0, "0 ms"), (182, "182 ms"), (999, "999 ms"), (1_249, "1.2 s"), (61_000, "1 min 1 s")]
        {
            assert_eq!(millis(ms), text);
        }
    }

    #[test]
    fn a_day_without_a_midnight_begins_an_hour_later() {
        for (zone, day, begins) in [
            ("America/Santiago", "2026-09-06", "2026-09-06T04:00:00Z"),
            ("Africa/Cairo", "2026-04-24", "2026-04-23T22:00:00Z"),
            ("Europe/Berlin", "2026-03-29", "2026-03-28T23:00:00Z"),
            ("Pacific/Apia", "2011-12-30", "2011-12-30T10:00:00Z"),
        ] {
            let begins = Timestamp::parse_rfc3339(begins).unwrap();
            let viewer = Viewer::new(begins, Some(zone));
            assert_eq!(viewer.midnight(day.parse().unwrap()), begins, "{zone}");
        }
    }

    #[test]
    fn a_span_names_the_day_and_the_year_of_its_ends_where_they_are_others() {
        let at = |text: &str| Timestamp::parse_rfc3339(text).unwrap();
        let viewer = Viewer::new(at("2026-11-29T12:00:00Z"), None);
        for (from, to, text) in [
            ("2026-11-26T09:49:10Z", "2026-11-26T10:49:10Z", "Thu 26 Nov, 09:49 to 10:49"),
            ("2026-11-26T09:49:10Z", "2026-11-27T09:49:10Z", "Thu 26 Nov, 09:49 to Fri 09:49"),
            (
                "2026-11-05T09:49:10Z",
                "2026-11-12T10:00:00Z",
                "Thu 5 Nov, 09:49 to Thu 12 Nov, 10:00",
            ),
            ("2025-10-23T09:49:10Z", "2025-10-23T10:00:00Z", "Thu 23 Oct 2025, 09:49 to 10:00"),
            (
                "2025-10-23T09:49:10Z",
                "2026-01-02T10:00:00Z",
                "Thu 23 Oct 2025, 09:49 to Fri 2 Jan, 10:00",
            ),
        ] {
            assert_eq!(viewer.day_hours((at(from), at(to))), text);
        }
    }

    #[test]
    fn uptime_is_never_rounded_up() {
        const DAYS_90: i64 = 90 * 86_400_000;
        for (down, text) in [(0, "100%"), (1, "99.99%"), (DAYS_90, "0.00%"), (2_620_000, "99.96%")]
        {
            assert_eq!(percent(DAYS_90 - down, DAYS_90), text);
        }
        assert_eq!(percent(0, 0), "–");
    }

    #[test]
    fn counts_and_sizes() {
        let names = ["a", "b", "c"];
        let told: Vec<String> = (0..=3).map(|n| listed(&names[..n])).collect();
        assert_eq!(told, ["", "a", "a and b", "a, b and c"]);
        assert_eq!(count(1_284), "1,284");
        assert_eq!(count(999), "999");
        assert_eq!(count(1_000_000), "1,000,000");
        assert_eq!(plural(1, "monitor"), "1 monitor");
        assert_eq!(plural(0, "monitor"), "0 monitors");
        assert_eq!(bytes(412), "412 B");
        assert_eq!(bytes(3_199), "3.1 kB");
    }

    #[test]
    fn times_are_relative_for_a_day_and_named_with_their_zone() {
        let at = |text: &str| Timestamp::parse_rfc3339(text).unwrap();
        let viewer = Viewer::new(at("2026-11-17T13:32:10Z"), Some("Europe/Berlin"));
        for (time, text) in [
            ("2026-11-17T13:32:09Z", "just now"),
            ("2026-11-17T13:32:04Z", "6 s ago"),
            ("2026-11-17T13:19:42Z", "12 min ago"),
            ("2026-11-16T13:40:00Z", "23 h ago"),
            ("2026-11-17T14:00:30Z", "in 28 min"),
            ("2026-10-29T10:00:00Z", "29 Oct"),
            ("2025-10-29T10:00:00Z", "29 Oct 2025"),
        ] {
            assert_eq!(viewer.ago(at(time)), text);
        }
        let full = viewer.full(at("2026-11-17T13:19:42Z"));
        assert_eq!(full, "Tue 17 Nov 2026, 14:19:42 Europe/Berlin");
        assert_eq!(Viewer::new(viewer.now, Some("Mars/Olympus")).zone, Tz::UTC);
    }
}
