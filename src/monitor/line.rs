//! Texts of others as part of a line of ours. Pure.

/// One line of at most `longest` characters: whatever controls a terminal or breaks a line becomes a space.
pub(super) fn one_line(text: &str, longest: usize) -> String {
    let plain = |c: char| !(c.is_control() || matches!(c, '\u{2028}' | '\u{2029}'));
    let mut line: String =
        text.trim().chars().take(longest).map(|c| if plain(c) { c } else { ' ' }).collect();
    if text.trim().chars().nth(longest).is_some() {
        line.pop();
        line.push('…');
    }
    line
}
