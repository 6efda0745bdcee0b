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

/// A probe that was not heard of for long.
#[derive(Debug, Clone)]
pub struct SilentProbe {
    /// Its name.
    pub name: String,
    /// Its region.
    pub region: String,
    /// For how long, in ms.
    pub silent_ms: i64,
    /// How many monitors it checks.
    pub monitors: usize,
}

fn checks(monitors: usize) -> String {
    match monitors {
        1 => "1 monitor".to_owned(),
        n => format!("{n} monitors"),
    }
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

    /// Probes are not heard of any more; together they check `monitors` monitors.
    pub fn probes_lost(silent: &[SilentProbe], monitors: usize) -> Self {
        let contact = |ms: i64| format!("No contact for {}", duration(ms));
        let (subject, predicate, mut lines, place) = match silent {
            [one] => {
                let lines = vec![contact(one.silent_ms)];
                (subject(&one.name, &one.region), "is lost", lines, "there")
            }
            several => {
                let lines = several.iter().map(|probe| {
                    let subject = subject(&probe.name, &probe.region);
                    format!("{subject}: {}, {}", contact(probe.silent_ms), checks(probe.monitors))
                });
                let subject = format!("{} probes", several.len());
                (subject, "are lost", lines.collect(), "these places")
            }
        };
        lines.push(match monitors {
            0 => format!("No monitor is checked from {place}."),
            1 => format!("1 monitor is checked from {place}; silence does not make it down."),
            n => format!("{n} monitors are checked from {place}; silence makes none of them down."),
        });
        Self { sign: "🟠".to_owned(), subject, predicate: predicate.to_owned(), lines }
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
        let silent = |name: &str, region: &str, silent_ms: i64, monitors: usize| SilentProbe {
            name: name.to_owned(),
            region: region.to_owned(),
            silent_ms,
            monitors,
        };
        let fra = silent("fra-1", "eu-west", 94_000, 214);
        let both = [fra.clone(), silent("iad-1", "us-east", 97_000, 1)];
        assert_eq!(
            Message::probes_lost(&both, 215).text(),
            "🟠 *2 probes* are lost\n\
             Probe fra-1 (region eu-west): No contact for 1m 34s, 214 monitors\n\
             Probe iad-1 (region us-east): No contact for 1m 37s, 1 monitor\n\
             215 monitors are checked from these places; silence makes none of them down."
        );
        assert_eq!(
            Message::probes_lost(&[fra], 214).text(),
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
