//! The words of a summary: one message that names all of several alerts, or so many messages as its channel's limit asks for. Pure.

use crate::clock::Timestamp;
use crate::incident::message::{Alert, AlertEvent, Message, STOPPED, duration};

/// An alert that is to be told with others.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// The number of its delivery.
    pub id: i64,
    /// When it was queued.
    pub created_at: Timestamp,
    /// What would have been sent.
    pub alert: Alert,
}

/// One message of a summary.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// What is sent.
    pub alert: Alert,
    /// The deliveries that it stands for.
    pub ids: Vec<i64>,
}

/// What a line break may take in a channel's markup.
const BREAK: usize = 6;
/// The longest line that names an alert with its reason, weighed.
const LONG: usize = 200;
/// The longest line that only names it, weighed.
const SHORT: usize = 70;
/// Names are shortened so that there are no more messages than this, but not so far that fewer than [`NAMED`] fit into one.
const MESSAGES: usize = 45;
const NAMED: usize = 25;

/// Tells `members` (in order, not empty) in messages whose lines weigh at most `room` each.
pub fn parts(members: &[Member], room: usize) -> Vec<Part> {
    let entries = entries(members);
    if let [one] = entries.as_slice() {
        let ids = members.iter().map(|member| member.id).collect();
        return vec![Part { alert: alert(flapping(one, members)), ids }];
    }
    let long: Vec<String> = entries.iter().map(|entry| entry.line(true, LONG)).collect();
    let lines = if long.iter().map(|line| weight(line)).sum::<usize>() <= room {
        long
    } else {
        let longest = SHORT.min((room * MESSAGES / entries.len()).max(room / NAMED));
        entries.iter().map(|entry| entry.line(false, longest)).collect()
    };
    let shares = shares(&lines, room);
    let (count, total) = (members.len(), shares.len());
    let what = tally(&entries);
    let mut parts = Vec::new();
    let mut from = 0;
    for (place, length) in shares.into_iter().enumerate() {
        let to = from + length;
        let of = if total > 1 { format!(" ({} of {total})", place + 1) } else { String::new() };
        let message = Message {
            sign: sign(&entries).to_owned(),
            subject: format!("{count} alerts"),
            predicate: format!("at once: {what}{of}"),
            lines: lines[from..to].to_vec(),
        };
        let ids = entries[from..to].iter().flat_map(|entry| entry.ids.iter().copied()).collect();
        parts.push(Part { alert: alert(message), ids });
        from = to;
    }
    parts
}

fn alert(message: Message) -> Alert {
    Alert { event: AlertEvent::Summary, message, monitor: None, incident: None, check: None }
}

/// All that is told of one monitor, as it is after the last of it.
struct Entry<'a> {
    last: &'a Alert,
    ids: Vec<i64>,
}

/// By monitor, in the order of their first alerts. What is about a monitor but not of it, a channel that fails, stands by itself.
fn entries(members: &[Member]) -> Vec<Entry<'_>> {
    let mut entries: Vec<Entry<'_>> = Vec::new();
    let mut places = std::collections::HashMap::new();
    for Member { id, alert, .. } in members {
        let about = (alert.monitor.as_ref().map(|monitor| monitor.id), &alert.message.subject);
        let place = *places.entry(about).or_insert(entries.len());
        match entries.get_mut(place) {
            Some(entry) => {
                entry.last = alert;
                entry.ids.push(*id);
            }
            None => entries.push(Entry { last: alert, ids: vec![*id] }),
        }
    }
    entries
}

impl Entry<'_> {
    /// Its line, with what is said and why or only the name, of at most `longest`.
    fn line(&self, with_reason: bool, longest: usize) -> String {
        let Message { sign, subject, predicate, lines } = &self.last.message;
        let changes = match self.ids.len() {
            1 => String::new(),
            count => format!(" ({count} alerts)"),
        };
        let around = inner(sign) + 1 + inner(&changes) + BREAK;
        let left = longest.saturating_sub(around);
        let text = match (with_reason, lines.first()) {
            (true, Some(reason)) => format!("{subject} {predicate}: {reason}"),
            (true, None) => format!("{subject} {predicate}"),
            (false, _) => subject.clone(),
        };
        let text = if with_reason { cut_end(&text, left) } else { cut_middle(&text, left) };
        format!("{sign} {text}{changes}").trim_start().to_owned()
    }
}

/// How many lines each message takes.
fn shares(lines: &[String], room: usize) -> Vec<usize> {
    let mut shares = Vec::new();
    let mut left = 0;
    for line in lines {
        let long = weight(line);
        match shares.last_mut() {
            Some(count) if long <= left => *count += 1,
            _ => {
                shares.push(1);
                left = room;
            }
        }
        left = left.saturating_sub(long);
    }
    shares
}

/// What a monitor is after all of it, in the order in which it is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Now {
    Down,
    Degraded,
    BackOnline,
    /// Paused or deleted while it was down: that is no recovery.
    Stopped,
    Other,
}

impl Now {
    const ALL: [(Self, &str); 5] = [
        (Self::Down, "down"),
        (Self::Degraded, "degraded"),
        (Self::BackOnline, "back online"),
        (Self::Stopped, "not watched any more"),
        (Self::Other, "other"),
    ];

    fn of(entry: &Entry<'_>) -> Self {
        match entry.last.event {
            AlertEvent::MonitorDown => Self::Down,
            AlertEvent::MonitorDegraded => Self::Degraded,
            AlertEvent::MonitorUp if entry.last.message.sign == STOPPED => Self::Stopped,
            AlertEvent::MonitorUp => Self::BackOnline,
            _ => Self::Other,
        }
    }
}

/// `37 down, 5 back online`: what the monitors are after all of it.
fn tally(entries: &[Entry<'_>]) -> String {
    let count = |now: Now| entries.iter().filter(|entry| Now::of(entry) == now).count();
    let counts = Now::ALL.map(|(now, words)| (count(now), words));
    let told = counts.iter().filter(|(n, _)| *n > 0).map(|(n, words)| format!("{n} {words}"));
    told.collect::<Vec<_>>().join(", ")
}

/// The gravest of their signs.
fn sign(entries: &[Entry<'_>]) -> &'static str {
    let all = |now| entries.iter().all(|entry| Now::of(entry) == now);
    if entries.iter().any(|entry| Now::of(entry) == Now::Down) {
        "🔴"
    } else if all(Now::Stopped) {
        STOPPED
    } else if entries.iter().all(|entry| matches!(Now::of(entry), Now::BackOnline | Now::Stopped)) {
        "🟢"
    } else {
        "🟠"
    }
}

/// What is told of a monitor that flaps: what it is now, and how often it changed.
fn flapping(entry: &Entry<'_>, members: &[Member]) -> Message {
    let Message { sign, subject, predicate, lines } = entry.last.message.clone();
    let times = members.first().zip(members.last());
    let lasted_ms = times.map_or(0, |(first, last)| last.created_at.since(first.created_at));
    let mut said = vec![format!("{} changes in {}", members.len(), duration(lasted_ms))];
    said.extend(lines);
    let now = predicate.strip_prefix("is ").unwrap_or(&predicate);
    Message { sign, subject, predicate: format!("is flapping, now {now}"), lines: said }
}

/// How long a line is at the most, in whatever a channel counts and however it escapes, with the break before it.
fn weight(line: &str) -> usize {
    inner(line) + BREAK
}

/// The same without the break.
fn inner(text: &str) -> usize {
    text.chars().map(char_weight).sum()
}

fn char_weight(c: char) -> usize {
    match c {
        '"' => 6,
        '&' => 5,
        // `@` and braces may be broken up by a character of three bytes.
        '<' | '>' | '@' | '{' => 4,
        _ if c.is_ascii_punctuation() => 2,
        _ => c.len_utf8(),
    }
}

fn cut_end(text: &str, longest: usize) -> String {
    if inner(text) <= longest {
        return text.to_owned();
    }
    let mut cut = taken(text.chars(), longest.saturating_sub('…'.len_utf8()));
    cut.push('…');
    cut
}

/// The beginning and the end: names that are alike often differ in the last characters.
fn cut_middle(text: &str, longest: usize) -> String {
    if inner(text) <= longest {
        return text.to_owned();
    }
    let half = longest.saturating_sub('…'.len_utf8()) / 2;
    let end: String = taken(text.chars().rev(), half).chars().rev().collect();
    format!("{}…{end}", taken(text.chars(), half))
}

fn taken(chars: impl Iterator<Item = char>, longest: usize) -> String {
    let mut left = longest;
    let fits = |c: &char| {
        let long = char_weight(*c);
        let fits = long <= left;
        left = left.saturating_sub(long);
        fits
    };
    chars.take_while(fits).collect()
}

#[cfg(test)]
mod tests;
