//! "If it went down at 03:10": who would be told when, played through with the ladder itself. Pure.

use super::status::Shown;
use super::text::{Viewer, listed, plural, span};
use crate::clock::Timestamp;
use crate::incident::escalation::{EscalationPolicy, Ladder, Rung};
use crate::incident::message::one_line;
use crate::monitor::pace::{RETRIES, RETRY_INTERVAL_SECONDS};
use crate::notify::channel::Ears;

const MINUTE_MS: i64 = 60_000;
const DAY_MS: i64 = 24 * 60 * MINUTE_MS;
/// From the first failure to the confirmed outage, of a monitor that says nothing else.
const CONFIRMING_MS: i64 = RETRIES as i64 * RETRY_INTERVAL_SECONDS as i64 * 1000;

crate::words! {
    /// When the outage of the preview begins.
    pub enum When {
        /// At this moment.
        Now = "now",
        /// At ten past three.
        Night = "night",
        /// On Saturday at two.
        Weekend = "weekend",
    }
}

impl When {
    /// What people call it.
    pub fn label(self) -> &'static str {
        match self {
            Self::Now => "Now",
            Self::Night => "Night",
            Self::Weekend => "Weekend",
        }
    }

    /// What the preview is headed.
    pub fn heading(self) -> &'static str {
        match self {
            Self::Now => "If it went down now",
            Self::Night => "If it went down at 03:10",
            Self::Weekend => "If it went down on Saturday at 14:00",
        }
    }

    /// The wall time, in ms of the day.
    fn begins(self, viewer: Viewer) -> i64 {
        match self {
            Self::Now => viewer.ms_of_day(viewer.now),
            Self::Night => (3 * 60 + 10) * MINUTE_MS,
            Self::Weekend => 14 * 60 * MINUTE_MS,
        }
    }
}

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
    /// Who hears what is sent there.
    pub ears: Ears,
    /// Whether it is switched off.
    pub is_off: bool,
    /// Whether alerts do not reach it.
    pub is_failing: bool,
}

impl Known {
    /// Whether an alert that is sent there arrives.
    pub fn is_heard(&self) -> bool {
        !self.is_off && !self.is_failing
    }
}

/// One line of the preview.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PreviewLine {
    /// The wall time.
    pub at: String,
    /// The state that the monitor shows from then on, where it changes.
    pub state: Option<Shown>,
    /// Whether nobody new hears of it.
    pub is_after: bool,
    /// Who is told: names, each with whether it is failing.
    pub told: Vec<(String, bool)>,
    /// What it is otherwise.
    pub words: String,
    /// Which step it is.
    pub note: String,
}

/// What would follow an outage, as if nobody ever acknowledged.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Preview {
    /// What follows, in order.
    pub lines: Vec<PreviewLine>,
    /// Which human is first: `First human paged after`; then how long that takes.
    pub first: (&'static str, String),
}

/// Plays a policy through.
pub fn preview(policy: &EscalationPolicy, known: &[Known], when: When, viewer: Viewer) -> Preview {
    let failed_at = Timestamp(when.begins(viewer));
    let confirmed_at = failed_at.plus_ms(CONFIRMING_MS);
    let rechecked =
        format!("checked again after {}, as monitors are by default", span(CONFIRMING_MS));
    let mut lines = vec![
        plain(failed_at, "First check fails", &rechecked).showing(Shown::Confirming),
        plain(confirmed_at, "Confirmed, incident opens", "").showing(Shown::Down),
    ];
    let taken = climb(policy, known, confirmed_at);
    let first_round = taken.iter().filter(|(_, rung)| rung.round == 0);
    lines.extend(first_round.clone().map(|(at, rung)| line(policy, rung, *at, known)));
    if let Some((at, rung)) = taken.iter().find(|(_, rung)| rung.round > 0) {
        lines.push(plain(*at, &format!("Step {} again", rung.step + 1), &rounds(policy)).after());
    }
    let is_endless = policy.repeat_every_minutes.is_some() && policy.repeat_times.is_none();
    if let Some((at, _)) = taken.last().filter(|_| !is_endless) {
        lines.push(plain(*at, "Policy ends", "the incident stays open").after());
    }
    let hearing = |ears: Ears| {
        let hears = |id: &i64| known.iter().any(|c| c.id == *id && c.is_heard() && c.ears >= ears);
        let at = first_round.clone().find(|(_, rung)| rung.channel_ids.iter().any(hears));
        at.map(|(at, _)| span(at.since(failed_at)))
    };
    let first = match (hearing(Ears::Woken), hearing(Ears::People)) {
        (Some(after), _) => ("First human paged after", after),
        (None, Some(after)) => ("No step rings a phone. First human told after", after),
        (None, None) => ("No human is told", String::new()),
    };
    Preview { lines, first }
}

/// Every step that is taken, with its moment; of what has no end, the first repeat.
fn climb(policy: &EscalationPolicy, known: &[Known], start: Timestamp) -> Vec<(Timestamp, Rung)> {
    let reachable: Vec<i64> = known.iter().filter(|c| !c.is_off).map(|c| c.id).collect();
    let mut ladder = Ladder::new(policy.clone(), start);
    ladder.let_go(start);
    let mut taken: Vec<(Timestamp, Rung)> = Vec::new();
    while let Some(at) = ladder.next_at() {
        let repeats = taken.last().is_some_and(|(_, rung)| rung.round > 0);
        if repeats && policy.repeat_times.is_none() {
            break;
        }
        taken.extend(ladder.climb(at, &reachable).into_iter().map(|rung| (at, rung)));
    }
    taken
}

/// What is said of the rounds after the first.
fn rounds(policy: &EscalationPolicy) -> String {
    let every = policy.repeat_every_minutes.unwrap_or_default();
    match policy.repeat_times {
        Some(1) => "the only repeat".to_owned(),
        Some(times) => format!("first of {times} repeats, every {every} min"),
        None => format!("and so on every {every} min until somebody acknowledges or it is over"),
    }
}

impl PreviewLine {
    fn showing(self, state: Shown) -> Self {
        Self { state: Some(state), ..self }
    }

    fn after(self) -> Self {
        Self { is_after: true, ..self }
    }
}

fn plain(at: Timestamp, words: &str, note: &str) -> PreviewLine {
    PreviewLine {
        at: wall(at),
        state: None,
        is_after: false,
        told: Vec::new(),
        words: words.to_owned(),
        note: note.to_owned(),
    }
}

fn line(policy: &EscalationPolicy, rung: &Rung, at: Timestamp, known: &[Known]) -> PreviewLine {
    let known = |id: &i64| known.iter().find(|channel| channel.id == *id);
    let channels: Vec<&Known> = rung.channel_ids.iter().filter_map(known).collect();
    let words = match (rung.skipped, channels.as_slice()) {
        (true, _) => "Nobody: the step is skipped",
        (false, []) => "Nobody else",
        (false, [only]) if only.ears == Ears::Woken && only.is_heard() => " is paged",
        _ => "",
    };
    let name = policy.steps.get(rung.step).map_or("", |step| step.name.as_str());
    let comma = if name.is_empty() { "" } else { ", " };
    PreviewLine {
        told: channels.iter().map(|channel| (channel.name.clone(), channel.is_failing)).collect(),
        ..plain(at, words, &format!("step {}{comma}{}", rung.step + 1, one_line(name)))
    }
}

/// `03:10:05`, and with the day after the first: `03:10:05 +1 d`.
fn wall(at: Timestamp) -> String {
    let (days, rest) = (at.0.div_euclid(DAY_MS), at.0.rem_euclid(DAY_MS) / 1000);
    let clock = format!("{:02}:{:02}:{:02}", rest / 3600, rest / 60 % 60, rest % 60);
    if days == 0 { clock } else { format!("{clock} +{days} d") }
}

/// A policy in a sentence: `ops at once, pager after 5 min, again every 30 min, 3 times`.
pub fn in_words(policy: &EscalationPolicy, channels: &[Known]) -> String {
    let names = |ids: &[i64]| -> String {
        let known = channels.iter().filter(|channel| ids.contains(&channel.id));
        let names: Vec<&str> = known.map(|channel| channel.name.as_str()).collect();
        if names.is_empty() { "nobody".to_owned() } else { listed(&names) }
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
            ears: if name == "pager" { Ears::Woken } else { Ears::People },
            is_off: false,
            is_failing: id == 3,
        }
    }

    fn viewer() -> Viewer {
        Viewer::new(Timestamp(1_795_000_000_000), Some("Europe/Berlin"))
    }

    fn shown(preview: &Preview) -> Vec<String> {
        let told = |line: &PreviewLine| -> String {
            let mark = |failing: bool| if failing { "!" } else { "" };
            let names = line.told.iter().map(|(name, failing)| format!("{name}{}", mark(*failing)));
            names.collect::<Vec<_>>().join(", ")
        };
        let line = |line: &PreviewLine| {
            format!("{} {}{} ({})", line.at, told(line), line.words, line.note)
        };
        preview.lines.iter().map(line).collect()
    }

    fn policy(value: serde_json::Value) -> EscalationPolicy {
        EscalationPolicy::read(value.as_object().unwrap(), None).unwrap()
    }

    #[test]
    fn shows_the_night_of_the_picture() {
        let channels = [channel(1, "#ops"), channel(2, "pager"), channel(3, "teams")];
        let steps = json!([{"channel_ids": [1]}, {"after_minutes": 5, "channel_ids": [2], "name": "Wake"},
            {"after_minutes": 15, "channel_ids": [2, 3]}, {"after_minutes": 20, "channel_ids": [9]}]);
        let policy = policy(
            json!({"name": "p", "steps": steps, "repeat_every_minutes": 30, "repeat_times": 3}),
        );
        let night = preview(&policy, &channels, When::Night, viewer());
        assert_eq!(
            shown(&night),
            [
                "03:10:00 First check fails (checked again after 5 s, as monitors are by default)",
                "03:10:05 Confirmed, incident opens ()",
                "03:10:05 #ops (step 1)",
                "03:15:05 pager is paged (step 2, Wake)",
                "03:25:05 pager, teams! (step 3)",
                "03:30:05 Nobody: the step is skipped (step 4)",
                "03:40:05 Step 1 again (first of 3 repeats, every 30 min)",
                "05:00:05 Policy ends (the incident stays open)",
            ]
        );
        assert_eq!(night.first, ("First human paged after", "5 min 5 s".to_owned()));
        let weekend = preview(&policy, &channels, When::Weekend, viewer());
        assert_eq!(weekend.lines[0].at, "14:00:00");
        assert_eq!(
            in_words(&policy, &channels),
            "#ops at once, pager after 5 min, pager and teams after 15 min, nobody after 20 min, again every 30 min, 3 times"
        );
    }

    #[test]
    fn one_without_an_end_says_so_and_now_is_the_viewers_time() {
        let policy = policy(
            json!({"name": "p", "steps": [{"channel_ids": [1]}], "repeat_every_minutes": 1440}),
        );
        let now = preview(&policy, &[channel(1, "#ops")], When::Now, viewer());
        let clock = viewer().clock(viewer().now);
        assert_eq!(now.lines[0].at, clock);
        let last = shown(&now).pop().unwrap();
        assert!(last.ends_with("+1 d Step 1 again (and so on every 1440 min until somebody acknowledges or it is over)"), "{last}");
        assert_eq!(now.first, ("No step rings a phone. First human told after", "5 s".to_owned()));
    }

    #[test]
    fn who_does_not_hear_counts_for_nobody() {
        let policy = policy(json!({"name": "p", "steps": [{"channel_ids": [3]}]}));
        let deaf = preview(&policy, &[channel(3, "teams")], When::Night, viewer());
        assert_eq!(deaf.first, ("No human is told", String::new()));
    }
}
