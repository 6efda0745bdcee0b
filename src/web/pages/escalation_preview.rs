//! "If it went down at 03:10": who would be told when, played through with the ladder itself. Pure.

use super::text::plural;
use crate::clock::Timestamp;
use crate::incident::escalation::{EscalationPolicy, Ladder, Rung};

/// Steps that are shown; what follows is said in a line.
const SHOWN: usize = 12;
/// Ten past three, in ms of a day.
const AT_MS: i64 = (3 * 60 + 10) * 60_000;

/// A channel as the editor knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// Its number.
    pub id: i64,
    /// Its name.
    pub name: String,
    /// Its kind, for people.
    pub kind: &'static str,
    /// The icon of its kind.
    pub icon: &'static str,
    /// Whether it is switched off.
    pub is_off: bool,
    /// Whether alerts do not reach it.
    pub is_failing: bool,
}

/// One line of the preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewLine {
    /// The wall time.
    pub at: String,
    /// Who is told: names, each with whether it is failing.
    pub told: Vec<(String, bool)>,
    /// What it is otherwise.
    pub words: String,
    /// Which step it is.
    pub note: String,
}

/// Plays a policy through, as if nobody ever acknowledged.
pub fn preview(policy: &EscalationPolicy, channels: &[Known]) -> Vec<PreviewLine> {
    let start = Timestamp(AT_MS);
    let reachable: Vec<i64> = channels.iter().filter(|c| !c.is_off).map(|c| c.id).collect();
    let mut ladder = Ladder::new(policy.clone(), start);
    ladder.let_go(start);
    let plain = |at: Timestamp, words: &str, note: &str| PreviewLine {
        at: wall(at),
        told: Vec::new(),
        words: words.to_owned(),
        note: note.to_owned(),
    };
    let mut lines = vec![plain(start, "Confirmed, incident opens", "")];
    let mut now = start;
    while let Some(at) = ladder.next_at().filter(|_| lines.len() <= SHOWN) {
        now = at;
        let rungs = ladder.climb(now, &reachable);
        lines.extend(rungs.iter().map(|rung| line(rung, now, channels)));
    }
    lines.push(match ladder.next_at() {
        Some(next) => plain(next, "And so on", "until somebody acknowledges or it is over"),
        None => plain(now, "Policy ends", "the incident stays open"),
    });
    lines
}

fn line(rung: &Rung, at: Timestamp, channels: &[Known]) -> PreviewLine {
    let known = |id: &i64| channels.iter().find(|channel| channel.id == *id);
    let told: Vec<(String, bool)> = rung
        .channel_ids
        .iter()
        .filter_map(known)
        .map(|channel| (channel.name.clone(), channel.is_failing))
        .collect();
    let words = match (rung.skipped, told.is_empty()) {
        (true, _) => "Nobody: the step is skipped",
        (false, true) => "Nobody else",
        _ => "",
    };
    let note = match rung.round {
        0 => format!("step {}", rung.step + 1),
        round => format!("step {} again, repeat {round}", rung.step + 1),
    };
    PreviewLine { at: wall(at), told, words: words.to_owned(), note }
}

/// `03:10`, and with the day after the first: `03:10 +1 d`.
fn wall(at: Timestamp) -> String {
    let minutes = at.0.div_euclid(60_000);
    let (days, rest) = (minutes / 1440, minutes % 1440);
    let clock = format!("{:02}:{:02}", rest / 60, rest % 60);
    if days == 0 { clock } else { format!("{clock} +{days} d") }
}

/// A policy in a sentence: `ops at once, pager after 5 min, again every 30 min, 3 times`.
pub fn in_words(policy: &EscalationPolicy, channels: &[Known]) -> String {
    let names = |ids: &[i64]| -> String {
        let known = channels.iter().filter(|channel| ids.contains(&channel.id));
        let names: Vec<&str> = known.map(|channel| channel.name.as_str()).collect();
        if names.is_empty() { "nobody".to_owned() } else { names.join(" and ") }
    };
    let mut parts: Vec<String> = policy
        .steps
        .iter()
        .map(|step| match step.after_minutes {
            0 => format!("{} at once", names(&step.channel_ids)),
            after => format!("{} after {after} min", names(&step.channel_ids)),
        })
        .collect();
    match (policy.repeat_every_minutes, policy.repeat_times) {
        (Some(every), None) => parts.push(format!("again every {every} min")),
        (Some(every), Some(times)) if times > 0 => {
            let times = plural(usize::try_from(times).unwrap_or_default(), "time");
            parts.push(format!("again every {every} min, {times}"));
        }
        _ => {}
    }
    parts.join(", ")
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn channel(id: i64, name: &str) -> Known {
        Known {
            id,
            name: name.to_owned(),
            kind: "Slack",
            icon: "chat",
            is_off: false,
            is_failing: id == 3,
        }
    }

    fn policy(value: serde_json::Value) -> EscalationPolicy {
        EscalationPolicy::read(value.as_object().unwrap(), None).unwrap()
    }

    #[test]
    fn shows_the_night_of_the_picture() {
        let channels = [channel(1, "#ops"), channel(2, "pager"), channel(3, "teams")];
        let steps = json!([{"channel_ids": [1]}, {"after_minutes": 5, "channel_ids": [2]},
            {"after_minutes": 15, "channel_ids": [2, 3]}, {"after_minutes": 20, "channel_ids": [9]}]);
        let policy = policy(
            json!({"name": "p", "steps": steps, "repeat_every_minutes": 30, "repeat_times": 1}),
        );
        let lines: Vec<String> = preview(&policy, &channels)
            .iter()
            .map(|line| {
                let told: Vec<String> = line
                    .told
                    .iter()
                    .map(|(name, failing)| format!("{name}{}", if *failing { "!" } else { "" }))
                    .collect();
                format!("{} {}{} ({})", line.at, told.join(", "), line.words, line.note)
            })
            .collect();
        assert_eq!(
            lines,
            [
                "03:10 Confirmed, incident opens ()",
                "03:10 #ops (step 1)",
                "03:15 pager (step 2)",
                "03:25 pager, teams! (step 3)",
                "03:30 Nobody: the step is skipped (step 4)",
                "03:40 #ops (step 1 again, repeat 1)",
                "03:45 pager (step 2 again, repeat 1)",
                "03:55 pager, teams! (step 3 again, repeat 1)",
                "04:00 Nobody: the step is skipped (step 4 again, repeat 1)",
                "04:00 Policy ends (the incident stays open)",
            ]
        );
        assert_eq!(
            in_words(&policy, &channels),
            "#ops at once, pager after 5 min, pager and teams after 15 min, nobody after 20 min, again every 30 min, 1 time"
        );
    }

    #[test]
    fn one_without_an_end_is_cut_off_and_says_so() {
        let policy = policy(
            json!({"name": "p", "steps": [{"channel_ids": [1]}], "repeat_every_minutes": 1440}),
        );
        let lines = preview(&policy, &[channel(1, "#ops")]);
        assert_eq!(lines.len(), SHOWN + 2);
        let last = lines.last().unwrap();
        assert_eq!((last.words.as_str(), last.at.as_str()), ("And so on", "03:10 +12 d"));
    }
}
