//! The words about regions and probes. Pure.

use super::{Message, duration, one_line};
use crate::monitor::regions::Tally;

/// The regions that find a monitor failing, of how many: `Regions: eu-west, us-east (2 of 3)`. `None` when there is only one to ask,
/// or none of several says so.
pub fn failing_line(tally: Option<&Tally>) -> Option<String> {
    let tally = tally.filter(|tally| !tally.failing.is_empty())?;
    Some(line(&tally.failing, tally.of))
}

/// The regions that find it not well: failing, or slow.
pub fn not_well_line(tally: Option<&Tally>) -> Option<String> {
    let tally = tally?;
    let names: Vec<String> = tally
        .failing
        .iter()
        .map(|name| format!("{name} (failing)"))
        .chain(tally.slow.iter().cloned())
        .collect();
    (!names.is_empty()).then(|| line(&names, tally.of))
}

fn line(names: &[String], of: usize) -> String {
    one_line(&format!("Regions: {} ({} of {of})", names.join(", "), names.len()))
}

fn subject(name: &str, region: &str) -> String {
    one_line(&format!("Probe {name} (region {region})"))
}

impl Message {
    /// Adds a line, if there is one to say.
    pub fn with_line(mut self, line: Option<String>) -> Self {
        self.lines.extend(line);
        self
    }

    /// A probe that checks `monitors` monitors was not heard of for `silent_ms`.
    pub fn probe_lost(name: &str, region: &str, silent_ms: Option<i64>, monitors: usize) -> Self {
        let contact = match silent_ms {
            Some(ms) => format!("No contact for {}", duration(ms)),
            None => "It was never heard of".to_owned(),
        };
        let what = match monitors {
            0 => "No monitor is checked from there.".to_owned(),
            1 => "1 monitor is checked from there; silence does not make it down.".to_owned(),
            n => format!("{n} monitors are checked from there; silence makes none of them down."),
        };
        Self {
            sign: "🟠".to_owned(),
            subject: subject(name, region),
            predicate: "is lost".to_owned(),
            lines: vec![contact, what],
        }
    }

    /// A probe is heard of again, after `lasted_ms`.
    pub fn probe_back(name: &str, region: &str, lasted_ms: i64) -> Self {
        Self {
            sign: "🟢".to_owned(),
            subject: subject(name, region),
            predicate: "is back".to_owned(),
            lines: vec![format!("Lost for: {}", duration(lasted_ms))],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn regions_are_named_with_how_many_of_how_many() {
        let names = |list: &[&str]| list.iter().map(|n| (*n).to_owned()).collect::<Vec<_>>();
        let tally = |failing: &[&str], slow: &[&str]| Tally {
            failing: names(failing),
            slow: names(slow),
            of: 3,
        };
        let both = tally(&["eu-west", "us-east"], &[]);
        let line = "Regions: eu-west, us-east (2 of 3)";
        assert_eq!(failing_line(Some(&both)).as_deref(), Some(line));
        assert_eq!(failing_line(None), None);
        assert_eq!(failing_line(Some(&tally(&[], &["ap"]))), None);
        let mixed = tally(&["eu-west"], &["ap"]);
        let line = "Regions: eu-west (failing), ap (2 of 3)";
        assert_eq!(not_well_line(Some(&mixed)).as_deref(), Some(line));
    }

    #[test]
    fn lost_and_back() {
        assert_eq!(
            Message::probe_lost("fra-1", "eu-west", Some(94_000), 214).text(),
            "🟠 *Probe fra-1 (region eu-west)* is lost\n\
             No contact for 1m 34s\n\
             214 monitors are checked from there; silence makes none of them down."
        );
        assert_eq!(
            Message::probe_back("fra-1", "eu-west", 262_000).text(),
            "🟢 *Probe fra-1 (region eu-west)* is back\nLost for: 4m 22s"
        );
    }
}
