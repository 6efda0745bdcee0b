//! Characters that do not stay in their place: what would break or turn round a line, and what nobody sees. Pure.

/// Whether `c` would break the line that it stands in, move a terminal's cursor, or turn round the text behind it: control characters,
/// separators of lines, and the embeddings, overrides and isolates of the bidirectional algorithm (UAX #9). In texts of others it
/// becomes a space. The marks that Arabic and Hebrew are written with stay.
pub fn spoils_a_line(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether `c` cannot be seen, or only as a space that is not the plain one: two names that differ by it look the same. Those are the
/// control, format and separating characters of Unicode 16 but signs of writing that are drawn, the default ignorable ones, and blanks.
pub fn is_unseen(c: char) -> bool {
    let is_ignorable = || {
        matches!(
            c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}'..='\u{1160}' | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{2060}'..='\u{206f}' | '\u{2800}'
                | '\u{3164}' | '\u{fe00}'..='\u{fe0f}' | '\u{feff}' | '\u{ffa0}' | '\u{fff0}'..='\u{fffb}'
                | '\u{1bca0}'..='\u{1bca3}' | '\u{1d173}'..='\u{1d17a}' | '\u{e0000}'..='\u{e0fff}'
        )
    };
    spoils_a_line(c) || (c.is_whitespace() && c != ' ') || is_ignorable()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_turns_a_line_round_or_breaks_it_spoils_it() {
        assert!(
            "\0\n\r\x1b\u{85}\u{2028}\u{2029}\u{202a}\u{202e}\u{2066}\u{2069}"
                .chars()
                .all(spoils_a_line)
        );
        // What Hebrew, Persian and families of emoji are written with.
        assert!(!"a é \u{200f}ש \u{200c}ن 👨\u{200d}👩 \u{a0}".contains(spoils_a_line));
    }

    #[test]
    fn what_nobody_sees_is_unseen() {
        let unseen = "\t\n\u{a0}\u{ad}\u{200b}\u{200d}\u{200e}\u{202e}\u{2060}\u{2066}\u{3000}\u{3164}\u{fe0f}\u{feff}\u{e0041}";
        assert!(unseen.chars().all(is_unseen));
        assert!(!"eu-west 1 São Paulo 東京 القاهرة Αθήνα 🇪🇺 ☁ e\u{301}".contains(is_unseen));
    }
}
