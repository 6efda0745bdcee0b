//! Regular expressions of users, with limits: the text that they are asked of comes from strangers. Pure.

use regex::{Regex, RegexBuilder};

/// The longest pattern, in characters.
const LONGEST: usize = 1000;
/// The most memory that a pattern may take once it is read, in bytes. It bounds the time too: matching takes at most so many
/// steps for each character of a text.
const SIZE_MAX: usize = 1 << 18;

/// Reads a pattern.
///
/// # Errors
/// Why it cannot be used, as what follows on "value": `is not a regular expression: …`.
pub fn parse(text: &str) -> Result<Regex, String> {
    if text.chars().count() > LONGEST {
        return Err(format!("must be at most {LONGEST} characters long"));
    }
    RegexBuilder::new(text)
        .size_limit(SIZE_MAX)
        .dfa_size_limit(SIZE_MAX)
        .nest_limit(50)
        .build()
        .map_err(|error| match error {
            regex::Error::CompiledTooBig(_) => {
                "is too large a regular expression: repeat fewer times, or use [a-z] instead of \\w"
                    .to_owned()
            }
            // The last line of the explanation is the fault; those above it draw an arrow.
            other => {
                let text = other.to_string();
                let fault = text.lines().last().unwrap_or_default();
                format!("is not a regular expression: {}", fault.trim_start_matches("error: "))
            }
        })
}
