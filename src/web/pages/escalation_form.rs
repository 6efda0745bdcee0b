//! The editor of an escalation policy: what is shown and posted, and what its buttons (add, move, remove) do to it. Pure.

use serde_json::{Map, Value, json};

use super::form::Input;
use crate::incident::escalation::EscalationPolicy;

/// The words that people know the fields by.
pub const LABELS: [(&str, &str); 5] = [
    ("name", "The name"),
    ("steps", "The list of steps"),
    ("repeat_every_minutes", "The minutes between repeats"),
    ("repeat_times", "The number of repeats"),
    ("ack_timeout_minutes", "The minutes after which an acknowledgement runs out"),
];

/// More steps than these are not read.
const STEPS_READ: usize = 100;

/// A step as it is edited: the wait before it instead of the minutes from the beginning.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct DraftStep {
    /// Minutes after the step before, as they were typed.
    pub wait: String,
    /// Who is told.
    pub channel_ids: Vec<i64>,
}

/// A policy as it is edited.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft {
    /// Its name.
    pub name: String,
    /// Its steps.
    pub steps: Vec<DraftStep>,
    /// Minutes from round to round; empty: one round.
    pub repeat_every_minutes: String,
    /// How many rounds follow; empty: until acknowledged or over.
    pub repeat_times: String,
    /// Minutes after which an acknowledgement runs out; empty: never.
    pub ack_timeout_minutes: String,
}

fn words(number: Option<u32>) -> String {
    number.map(|number| number.to_string()).unwrap_or_default()
}

impl Draft {
    /// A policy that is yet to be made: the default channels at once.
    pub fn new(defaults: Vec<i64>) -> Self {
        Self {
            name: String::new(),
            steps: vec![DraftStep { wait: "0".to_owned(), channel_ids: defaults }],
            repeat_every_minutes: String::new(),
            repeat_times: String::new(),
            ack_timeout_minutes: String::new(),
        }
    }

    /// A policy that there is. Channels that are not among `existing` are left out.
    pub fn of(policy: &EscalationPolicy, existing: &[i64]) -> Self {
        let mut before = 0;
        let mut steps = Vec::new();
        for step in &policy.steps {
            let wait = step.after_minutes.saturating_sub(before).to_string();
            before = step.after_minutes;
            let mut channel_ids = step.channel_ids.clone();
            channel_ids.retain(|id| existing.contains(id));
            steps.push(DraftStep { wait, channel_ids });
        }
        Self {
            name: policy.name.clone(),
            steps,
            repeat_every_minutes: words(policy.repeat_every_minutes),
            repeat_times: words(policy.repeat_times),
            ack_timeout_minutes: words(policy.ack_timeout_minutes),
        }
    }

    /// What was posted. A channel that was chosen but not yet added counts, as who saves means it.
    pub fn posted(input: &Input) -> Self {
        let step = |n: usize| {
            let mut channel_ids: Vec<i64> = Vec::new();
            let (listed, chosen) = (format!("channel_{n}"), format!("add_{n}"));
            for id in input.all(&listed).chain(input.all(&chosen)).filter_map(|id| id.parse().ok())
            {
                if !channel_ids.contains(&id) {
                    channel_ids.push(id);
                }
            }
            DraftStep { wait: input.get(&format!("wait_{n}")).to_owned(), channel_ids }
        };
        let count = input.get("steps").parse().unwrap_or(0).min(STEPS_READ);
        Self {
            name: input.get("name").to_owned(),
            steps: (0..count).map(step).collect(),
            repeat_every_minutes: input.get("repeat_every_minutes").to_owned(),
            repeat_times: input.get("repeat_times").to_owned(),
            ack_timeout_minutes: input.get("ack_timeout_minutes").to_owned(),
        }
    }

    /// Does what a button says: `step`, `up:1`, `down:1`, `drop:1`, `add:1`, `remove:1:7`. What it cannot do is nothing.
    pub fn press(&mut self, button: &str) {
        let mut parts = button.split(':');
        let verb = parts.next().unwrap_or_default();
        let mut number = || parts.next().and_then(|part| part.parse::<i64>().ok());
        let place = number().and_then(|n| usize::try_from(n).ok()).unwrap_or(usize::MAX);
        let channel = number();
        match verb {
            "step" => {
                let wait = if self.steps.is_empty() { "0" } else { "5" };
                self.steps.push(DraftStep { wait: wait.to_owned(), channel_ids: Vec::new() });
            }
            "up" if place > 0 && place < self.steps.len() => self.swap(place - 1),
            "down" if place.saturating_add(1) < self.steps.len() => self.swap(place),
            "drop" if place < self.steps.len() && self.steps.len() > 1 => {
                self.steps.remove(place);
            }
            "remove" => {
                if let Some(step) = self.steps.get_mut(place) {
                    step.channel_ids.retain(|id| Some(*id) != channel);
                }
            }
            _ => {}
        }
    }

    /// Two neighbours change places; the waits stay where they are.
    fn swap(&mut self, first: usize) {
        let (before, after) = self.steps.split_at_mut(first + 1);
        if let (Some(one), Some(other)) = (before.last_mut(), after.first_mut()) {
            std::mem::swap(&mut one.channel_ids, &mut other.channel_ids);
        }
    }

    /// As the API would be sent it.
    pub fn to_json(&self) -> Map<String, Value> {
        let mut minutes = 0_i64;
        let step = |step: &DraftStep| {
            let wait: Result<i64, _> = if step.wait.is_empty() { Ok(0) } else { step.wait.parse() };
            let after = match wait {
                Ok(wait) => {
                    minutes = minutes.saturating_add(wait);
                    json!(minutes)
                }
                // The reader of fields says what is wrong with it.
                Err(_) => json!(step.wait),
            };
            json!({"after_minutes": after, "channel_ids": step.channel_ids})
        };
        let steps: Vec<Value> = self.steps.iter().map(step).collect();
        let number = |text: &str| match text.parse::<i64>() {
            _ if text.is_empty() => Value::Null,
            Ok(number) => json!(number),
            Err(_) => json!(text),
        };
        let fields = [
            ("name", json!(self.name)),
            ("steps", json!(steps)),
            ("repeat_every_minutes", number(&self.repeat_every_minutes)),
            ("repeat_times", number(&self.repeat_times)),
            ("ack_timeout_minutes", number(&self.ack_timeout_minutes)),
        ];
        fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn input(pairs: &[(&str, &str)]) -> Input {
        Input(pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect())
    }

    fn draft() -> Draft {
        Draft::posted(&input(&[
            ("name", "Primary"),
            ("steps", "3"),
            ("wait_0", ""),
            ("channel_0", "1"),
            ("channel_0", "2"),
            ("add_0", "2"),
            ("wait_1", "5"),
            ("add_1", "3"),
            ("wait_2", "10"),
            ("channel_2", "4"),
            ("repeat_every_minutes", "30"),
        ]))
    }

    #[test]
    fn waits_become_minutes_from_the_beginning_and_back() {
        let map = draft().to_json();
        assert_eq!(
            map["steps"],
            json!([
                {"after_minutes": 0, "channel_ids": [1, 2]},
                {"after_minutes": 5, "channel_ids": [3]},
                {"after_minutes": 15, "channel_ids": [4]},
            ])
        );
        assert_eq!(
            (&map["repeat_every_minutes"], &map["repeat_times"]),
            (&json!(30), &Value::Null)
        );
        let policy = EscalationPolicy::read(&map, None).unwrap();
        let again = Draft::of(&policy, &[1, 2, 4]);
        assert_eq!(again.steps[1], DraftStep { wait: "5".to_owned(), channel_ids: vec![] });
        assert_eq!(again.steps[2].wait, "10");
    }

    #[test]
    fn what_is_no_number_is_refused_by_name() {
        let mut wrong = draft();
        wrong.steps[1].wait = "soon".to_owned();
        wrong.repeat_times = "often".to_owned();
        let errors = EscalationPolicy::read(&wrong.to_json(), None).unwrap_err();
        assert_eq!(errors.0.keys().collect::<Vec<_>>(), ["repeat_times", "steps"]);
        assert!(errors.0["steps"].starts_with("step 2: after_minutes"), "{errors:?}");
    }

    #[test]
    fn the_buttons_do_what_they_say_and_nothing_else() {
        let channels =
            |draft: &Draft| draft.steps.iter().map(|s| s.channel_ids.clone()).collect::<Vec<_>>();
        for (button, expected) in [
            ("up:1", vec![vec![3], vec![1, 2], vec![4]]),
            ("down:1", vec![vec![1, 2], vec![4], vec![3]]),
            ("up:0", vec![vec![1, 2], vec![3], vec![4]]),
            ("down:2", vec![vec![1, 2], vec![3], vec![4]]),
            ("drop:0", vec![vec![3], vec![4]]),
            ("remove:0:2", vec![vec![1], vec![3], vec![4]]),
            ("step", vec![vec![1, 2], vec![3], vec![4], vec![]]),
            ("add:1", vec![vec![1, 2], vec![3], vec![4]]),
            ("up:-1", vec![vec![1, 2], vec![3], vec![4]]),
            ("drop:99", vec![vec![1, 2], vec![3], vec![4]]),
            ("down:18446744073709551615", vec![vec![1, 2], vec![3], vec![4]]),
        ] {
            let mut draft = draft();
            draft.press(button);
            assert_eq!(channels(&draft), expected, "{button}");
        }
        let mut last = Draft::new(vec![1]);
        last.press("drop:0");
        assert_eq!(last.steps.len(), 1, "one step stays");
    }
}
