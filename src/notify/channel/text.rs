//! An alert's words in the markup of a channel: escaped, cut at the channel's limit without breaking an escape, and
//! without a mention that would ring for everybody. Pure.

use url::Url;

use crate::characters::spoils_a_line;
use crate::incident::message::{Alert, AlertEvent, Message};
use crate::notify::attempt::Outgoing;

/// Follows a character that would otherwise mean something, where the markup knows no escape.
const BREAK: char = '\u{200b}';

/// Writes one character of the alert after what is there already.
type Escape = fn(&mut String, char);
/// How long a text is, as the vendor counts.
type Measure = fn(&str) -> usize;

/// The markup of a channel's text.
#[derive(Clone, Copy)]
pub struct Markup {
    /// What stands before and after bold text.
    pub bold: (&'static str, &'static str),
    /// How a character is written.
    pub escape: Escape,
    /// What stands between two lines.
    pub line_break: &'static str,
    /// The longest text.
    pub limit: usize,
    /// In what it is counted.
    pub measure: Measure,
}

impl Markup {
    /// Plain text of at most `limit` characters.
    pub const fn plain(limit: usize) -> Self {
        Self { bold: ("", ""), escape: as_it_is, line_break: "\n", limit, measure: characters }
    }

    /// The whole text: `🔴 *subject* is DOWN`, then the lines.
    pub fn text(&self, message: &Message) -> String {
        let mut cut = Cut::new(self);
        cut.headline(message);
        for line in &message.lines {
            cut.mark(self.line_break);
            cut.write(line);
        }
        cut.text
    }

    /// The first line.
    pub fn headline(&self, message: &Message) -> String {
        let mut cut = Cut::new(self);
        cut.headline(message);
        cut.text
    }

    /// The lines under the first.
    pub fn lines(&self, message: &Message) -> String {
        let mut cut = Cut::new(self);
        for (n, line) in message.lines.iter().enumerate() {
            cut.mark(if n == 0 { "" } else { self.line_break });
            cut.write(line);
        }
        cut.text
    }

    /// Any text on one line.
    pub fn line(&self, text: &str) -> String {
        let mut cut = Cut::new(self);
        cut.write(text);
        cut.text
    }

    /// With room left for what is put around it, counted as the vendor counts.
    pub fn less(self, around: &str) -> Self {
        let taken = (self.measure)(around);
        Self { limit: self.limit.saturating_sub(taken), ..self }
    }
}

/// A text that ends with `…` where its limit is.
struct Cut<'a> {
    markup: &'a Markup,
    text: String,
    left: usize,
    full: bool,
}

impl<'a> Cut<'a> {
    fn new(markup: &'a Markup) -> Self {
        // Room for the sign of the cut and for the end of what is bold.
        let reserved = (markup.measure)("…") + (markup.measure)(markup.bold.1);
        Self {
            markup,
            text: String::new(),
            left: markup.limit.saturating_sub(reserved),
            full: false,
        }
    }

    fn headline(&mut self, message: &Message) {
        if !message.sign.is_empty() {
            self.write(&format!("{} ", message.sign));
        }
        let is_bold = self.mark(self.markup.bold.0);
        self.write(&message.subject);
        if is_bold {
            self.text.push_str(self.markup.bold.1);
        }
        self.write(&format!(" {}", message.predicate));
    }

    /// Adds a piece of markup, if there is room for it.
    fn mark(&mut self, mark: &str) -> bool {
        let long = (self.markup.measure)(mark);
        if self.full || long > self.left {
            return false;
        }
        self.left -= long;
        self.text.push_str(mark);
        true
    }

    /// Adds text on one line, character by character, so that each is there whole or not at all.
    fn write(&mut self, text: &str) {
        for c in text.chars() {
            if self.full {
                return;
            }
            let c = if spoils_a_line(c) { ' ' } else { c };
            let before = self.text.len();
            (self.markup.escape)(&mut self.text, c);
            let long = (self.markup.measure)(&self.text[before..]);
            if long > self.left {
                self.text.truncate(before);
                self.text.push('…');
                self.full = true;
            } else {
                self.left -= long;
            }
        }
    }
}

/// Counts characters.
pub fn characters(text: &str) -> usize {
    text.chars().count()
}

/// Counts as JavaScript and Telegram do.
pub fn utf16(text: &str) -> usize {
    text.encode_utf16().count()
}

/// Counts bytes.
pub fn bytes(text: &str) -> usize {
    text.len()
}

/// No markup at all.
pub fn as_it_is(out: &mut String, c: char) {
    out.push(c);
}

/// HTML, as Telegram and Matrix take it.
pub fn html(out: &mut String, c: char) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        '"' => out.push_str("&quot;"),
        _ => calm(out, c),
    }
}

/// Markdown, as Discord and Mattermost take it: what may begin something gets a backslash.
pub fn markdown(out: &mut String, c: char) {
    let begins_line = out.is_empty() || out.ends_with('\n');
    let means_something = match c {
        '\\' | '*' | '_' | '~' | '`' | '|' | '<' | '>' | '#' | '[' | ']' | '&' => true,
        '-' | '+' | '=' => begins_line,
        _ => false,
    };
    if means_something {
        out.push('\\');
    }
    calm(out, c);
}

/// An adaptive card: it fills in dates and times that stand between double braces.
pub fn card(out: &mut String, c: char) {
    if c == '{' && out.ends_with('{') {
        out.push(BREAK);
    }
    out.push(c);
}

/// A character that cannot make a mention of an `@`: what follows one at the beginning of a word is broken off.
pub fn calm(out: &mut String, c: char) {
    let breaks = c == '@' && ends_no_word(out);
    out.push(c);
    if breaks {
        out.push(BREAK);
    }
}

/// Whether what follows begins a word.
fn ends_no_word(text: &str) -> bool {
    text.chars().next_back().is_none_or(|before| !before.is_alphanumeric())
}

/// Google Chat: it knows no escape, and `<` begins links and mentions.
pub fn google(out: &mut String, c: char) {
    unstyled(out, c);
    if c == '<' {
        out.push(BREAK);
    }
}

/// Slack: its three escapes.
pub fn slack(out: &mut String, c: char) {
    match c {
        '&' => out.push_str("&amp;"),
        '<' => out.push_str("&lt;"),
        '>' => out.push_str("&gt;"),
        _ => unstyled(out, c),
    }
}

/// A character that begins neither italics, struck text nor code, nor ends the bold text that it stands in, where the markup has
/// no escape for it: styles begin before a word and end behind one, so `snake_case` stays as it is.
fn unstyled(out: &mut String, c: char) {
    match c {
        '*' => out.extend([BREAK, c, BREAK]),
        '_' | '~' | '`' if ends_no_word(out) => out.extend([c, BREAK]),
        _ => out.push(c),
    }
}

/// The page of the incident, as an address that stays whole within any markup.
pub fn link(outgoing: &Outgoing<'_>) -> Option<String> {
    whole(&outgoing.incident_url()?)
}

/// The page on which the incident is taken, in the same form; only of alerts that ask for somebody.
pub fn acknowledge_link(outgoing: &Outgoing<'_>) -> Option<String> {
    whole(outgoing.acknowledge_url.as_deref()?)
}

fn whole(url: &str) -> Option<String> {
    let url = Url::parse(url).ok()?;
    Some(url.as_str().replace('(', "%28").replace(')', "%29").replace('|', "%7C"))
}

/// The links of an alert side by side, each as `form` writes it from its address and its words; empty when there is none.
pub fn links(outgoing: &Outgoing<'_>, form: impl Fn(&str, &str) -> String) -> String {
    let open = link(outgoing).map(|url| form(&url, LINK));
    let acknowledge = acknowledge_link(outgoing).map(|url| form(&url, ACKNOWLEDGE));
    open.into_iter().chain(acknowledge).collect::<Vec<_>>().join(" · ")
}

/// What the link to take an incident is called.
pub const ACKNOWLEDGE: &str = "Acknowledge";

/// What a link to the incident is called.
pub const LINK: &str = "Open the incident";

/// How grave an alert is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    /// Somebody must look now.
    Critical,
    /// Somebody should look.
    Warning,
    /// It is well again.
    Good,
    /// For information.
    Info,
}

impl Tone {
    /// The tone of an alert: that of its event, and of a summary that of its gravest alert, by its sign.
    pub fn of(alert: &Alert) -> Self {
        match (alert.event, alert.message.sign.as_str()) {
            (AlertEvent::Summary, "🔴") => Self::Critical,
            (AlertEvent::Summary, "🟢") => Self::Good,
            (AlertEvent::Summary, _) => Self::Warning,
            (event, _) => Self::of_word(event.as_str()),
        }
    }

    /// The tone of an event by its word, so that one that is new here is told as information.
    pub(super) fn of_word(event: &str) -> Self {
        match event {
            "monitor.down" | "incident.reminder" => Self::Critical,
            "monitor.degraded"
            | "certificate.expiring"
            | "channel.failed"
            | "probe.lost"
            | "self.cut_off" => Self::Warning,
            "monitor.up" | "probe.back" | "self.back" => Self::Good,
            _ => Self::Info,
        }
    }

    /// Its colour, as red, green and blue in one number.
    pub fn colour(self) -> u32 {
        match self {
            Self::Critical => 0x00D6_363E,
            Self::Warning => 0x00C4_7A00,
            Self::Good => 0x002B_9A66,
            Self::Info => 0x007F_8694,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(subject: &str, line: &str) -> Message {
        Message {
            sign: "🔴".to_owned(),
            subject: subject.to_owned(),
            predicate: "is DOWN".to_owned(),
            lines: vec![line.to_owned()],
        }
    }

    const HTML: Markup = Markup {
        bold: ("<b>", "</b>"),
        escape: html,
        line_break: "\n",
        limit: 60,
        measure: characters,
    };

    #[test]
    fn a_cut_breaks_neither_an_escape_nor_what_is_bold() {
        for long in 0..40 {
            let text = HTML.text(&message(&"&".repeat(long), "x"));
            assert!(text.chars().count() <= 60, "{text}");
            assert_eq!(text.matches('&').count(), text.matches("&amp;").count(), "{text}");
            assert_eq!(text.matches("<b>").count(), text.matches("</b>").count(), "{text}");
            assert_eq!(text.contains('…'), long > 8, "{long}: {text}");
        }
    }

    #[test]
    fn what_fits_is_whole() {
        let text = HTML.text(&message("a<b", "c\nd"));
        assert_eq!(text, "🔴 <b>a&lt;b</b> is DOWN\nc d");
        assert_eq!(Markup::plain(5).line("hello"), "hell…");
        assert_eq!(Markup::plain(6).line("hello"), "hello");
    }

    #[test]
    fn stars_and_ticks_style_nothing_where_there_is_no_escape() {
        for escape in [slack, google] {
            let line = |text| Markup { escape, ..Markup::plain(100) }.line(text);
            let seen = line("*b* _i_ ~s~ `c` ```x");
            assert_eq!(seen.replace(BREAK, ""), "*b* _i_ ~s~ `c` ```x");
            for style in [" *", "b*", " _i", " ~s", " `c", "``"] {
                assert!(!seen.contains(style), "{style} in {seen:?}");
            }
            assert_eq!(line("snake_case ops@a.example"), "snake_case ops@a.example");
        }
    }

    #[test]
    fn an_at_sign_rings_for_nobody_but_an_address_stays() {
        let line = |text| Markup { escape: calm, ..Markup::plain(100) }.line(text);
        assert_eq!(line("@channel (@all)"), "@\u{200b}channel (@\u{200b}all)");
        assert_eq!(line("ops@example.com"), "ops@example.com");
    }
}
