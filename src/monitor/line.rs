//! Texts of others as part of a line of ours. Pure.

use crate::characters::spoils_a_line;

/// One line of at most `longest` characters: what would spoil the line becomes a space.
pub(super) fn one_line(text: &str, longest: usize) -> String {
    let plain = |c: char| if spoils_a_line(c) { ' ' } else { c };
    let mut line: String = text.trim().chars().take(longest).map(plain).collect();
    if text.trim().chars().nth(longest).is_some() {
        line.pop();
        line.push('…');
    }
    line
}
