//! The answer of a check that was not well, as it came, to be opened where the check stands. Text, whatever it says.

use super::text::bytes;
use crate::monitor::RawAnswer;
use crate::monitor::raw_answer::BODY_KEPT;

/// An answer to show.
pub struct Raw {
    /// What was kept, as text.
    pub text: String,
    /// How much of it is body, and whether that is all.
    pub about: String,
}

impl Raw {
    /// `answer` with an empty line between its headers and its body, as HTTP has it.
    pub fn of(answer: RawAnswer) -> Self {
        let RawAnswer { head, body, is_cut, body_bytes, is_broken } = answer;
        let length = body_bytes.unwrap_or(u64::try_from(body.len()).unwrap_or(u64::MAX));
        let size = bytes(i64::try_from(length).unwrap_or(i64::MAX));
        let about = match (is_cut, length) {
            (true, _) => format!("the first {} KiB of its body", BODY_KEPT / 1024),
            (false, 0) if is_broken => "none of its body could be read".to_owned(),
            (false, _) if is_broken => format!("the body broke off after {size}"),
            (false, 0) => "without a body".to_owned(),
            (false, _) => format!("body {size}"),
        };
        let text = if body.is_empty() { head } else { format!("{head}\n\n{body}") };
        Self { text, about }
    }
}
