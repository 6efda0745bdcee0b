//! What may have been meant by a value that a field refuses, so that the error offers the fix. Pure.

use crate::monitor::Kind;
use crate::monitor::rules::nearest;

const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

/// The value that was probably meant by `value` in the field `name` of a monitor of `kind`.
pub fn meant(kind: Kind, name: &str, value: &str) -> Option<String> {
    let value = value.trim();
    let found = match name {
        "url" if kind == Kind::Http => meant_url(value),
        "method" => nearest(value, METHODS).map(str::to_owned),
        "timezone" => {
            nearest(value, chrono_tz::TZ_VARIANTS.iter().map(|zone| zone.name())).map(str::to_owned)
        }
        "expected_status" => meant_codes(value),
        "tls_expiry_days" => meant_numbers(value),
        "degraded_after_ms" => milliseconds(value).map(|ms| ms.to_string()),
        "retries" | "recovery_checks" => digits(value),
        name if name.ends_with("_seconds") => seconds(value).map(|s| s.to_string()),
        _ => None,
    };
    found.filter(|found| found != value)
}

/// A scheme with a slip of the pen, or one colon or slash too few.
fn meant_url(value: &str) -> Option<String> {
    let (scheme, rest) = value.split_once(':')?;
    let rest = rest.trim_start_matches([':', '/']);
    let known = ["https", "http"];
    let same = known.into_iter().find(|known| known.eq_ignore_ascii_case(scheme));
    let scheme = same.or_else(|| nearest(scheme, known))?;
    (!rest.is_empty()).then(|| format!("{scheme}://{rest}"))
}

/// `2xx` and `200 - 299` as ranges.
fn meant_codes(value: &str) -> Option<String> {
    let words = value.split([',', ' ', ';']).filter(|word| !word.is_empty());
    let code = |word: &str| {
        let class = word.strip_suffix("xx").or_else(|| word.strip_suffix("XX"));
        match class.and_then(|class| class.parse::<u8>().ok()) {
            Some(class @ 1..=5) => format!("{class}00-{class}99"),
            _ => word.to_owned(),
        }
    };
    let found = words.map(code).collect::<Vec<_>>().join(",").replace(",-,", "-");
    found.parse::<crate::monitor::status_set::StatusSet>().is_ok().then_some(found)
}

/// `30d, 7 days` as numbers.
fn meant_numbers(value: &str) -> Option<String> {
    let numbers: Vec<String> = value.split([',', ';', ' ']).filter_map(digits).collect();
    (!numbers.is_empty()).then(|| numbers.join(", "))
}

fn digits(value: &str) -> Option<String> {
    let found: String = value.chars().take_while(char::is_ascii_digit).collect();
    (!found.is_empty()).then_some(found)
}

/// `5m`, `1 h`, `90 sec` in seconds.
fn seconds(value: &str) -> Option<u64> {
    let (amount, unit) = amount(value)?;
    let factor = match unit.as_str() {
        "" | "s" | "sec" | "secs" | "second" | "seconds" => 1,
        "m" | "min" | "mins" | "minute" | "minutes" => 60,
        "h" | "hour" | "hours" => 3600,
        "d" | "day" | "days" => 86_400,
        _ => return None,
    };
    amount.checked_mul(factor)
}

fn milliseconds(value: &str) -> Option<u64> {
    let (amount, unit) = amount(value)?;
    match unit.as_str() {
        "" | "ms" => Some(amount),
        _ => seconds(value)?.checked_mul(1000),
    }
}

/// A whole number and the word after it.
fn amount(value: &str) -> Option<(u64, String)> {
    let number = digits(value)?;
    let unit = value.get(number.len()..)?.trim().to_ascii_lowercase();
    Some((number.parse().ok()?, unit))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_otherwise_is_understood() {
        for (name, value, found) in [
            ("url", "htps://example.com/a", Some("https://example.com/a")),
            ("url", "https:/example.com", Some("https://example.com")),
            ("url", "http:example.com", Some("http://example.com")),
            ("url", "ftp://example.com", None),
            ("method", "GTE", Some("GET")),
            ("timezone", "Europe/Berln", Some("Europe/Berlin")),
            ("expected_status", "2xx", Some("200-299")),
            ("expected_status", "2xx, 301", Some("200-299,301")),
            ("expected_status", "ok", None),
            ("timeout_seconds", "10s", Some("10")),
            ("check_interval_seconds", "5 min", Some("300")),
            ("check_interval_seconds", "soon", None),
            ("check_interval_seconds", "60", None),
            ("check_interval_seconds", "99999999999999999999 d", None),
            ("degraded_after_ms", "800ms", Some("800")),
            ("degraded_after_ms", "2 s", Some("2000")),
            ("tls_expiry_days", "30d, 7d", Some("30, 7")),
            ("retries", "2 times", Some("2")),
            ("name", "x", None),
        ] {
            assert_eq!(meant(Kind::Http, name, value).as_deref(), found, "{name} {value}");
        }
    }
}
