//! A set of HTTP status codes, written as `200-299,301`. Pure.

use std::fmt;
use std::ops::RangeInclusive;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The status codes that count as right.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StatusSet(Vec<RangeInclusive<u16>>);

impl StatusSet {
    /// Whether `code` is in the set.
    pub fn contains(&self, code: u16) -> bool {
        self.0.iter().any(|range| range.contains(&code))
    }

    /// Just one code.
    pub fn exactly(code: u16) -> Self {
        Self(vec![code..=code])
    }
}

impl Default for StatusSet {
    fn default() -> Self {
        Self(vec![200..=299])
    }
}

impl FromStr for StatusSet {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        const FIX: &str = "must be status codes or ranges from 100 to 599, such as 200-299,301";
        let code = |part: &str| {
            part.trim().parse::<u16>().ok().filter(|c| (100..=599).contains(c)).ok_or(FIX)
        };
        let mut ranges = Vec::new();
        for part in text.split(',') {
            let (from, to) = match part.split_once('-') {
                Some((from, to)) => (code(from)?, code(to)?),
                None => (code(part)?, code(part)?),
            };
            if from > to {
                return Err(format!(
                    "has the range {from}-{to} the wrong way round; write {to}-{from}"
                ));
            }
            ranges.push(from..=to);
        }
        if ranges.len() > 100 {
            return Err("must have at most 100 codes or ranges".to_owned());
        }
        Ok(Self(ranges))
    }
}

impl fmt::Display for StatusSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (i, range) in self.0.iter().enumerate() {
            let comma = if i > 0 { "," } else { "" };
            if range.start() == range.end() {
                write!(f, "{comma}{}", range.start())?;
            } else {
                write!(f, "{comma}{}-{}", range.start(), range.end())?;
            }
        }
        Ok(())
    }
}

impl Serialize for StatusSet {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for StatusSet {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_and_writes_lists_and_ranges() {
        for (text, inside, outside) in
            [("200-299", 204, 300), ("200,301", 301, 201), (" 200 - 204 , 404", 404, 205)]
        {
            let set: StatusSet = text.parse().unwrap();
            assert!(set.contains(inside), "{text} has {inside}");
            assert!(!set.contains(outside), "{text} has not {outside}");
            assert_eq!(set, set.to_string().parse().unwrap());
        }
    }

    #[test]
    fn refuses_what_is_not_a_status_code() {
        for text in ["", "abc", "99", "600", "299-200", "200-", "200,,301", "-1"] {
            assert!(text.parse::<StatusSet>().is_err(), "{text}");
        }
    }
}
