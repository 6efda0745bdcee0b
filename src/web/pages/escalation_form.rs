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
    /// What it is called; empty where nobody said.
    pub name: String,
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
            steps: vec![DraftStep {
                name: String::new(),
                wait: "0".to_owned(),
                channel_ids: defaults,
            }],
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
            steps.push(DraftStep { name: step.name.clone(), wait, channel_ids });
        }
        Self {
            name: policy.name.clone(),
            steps,
            repeat_every_minutes: words(policy.repeat_every_minutes),
            repeat_times: words(policy.repeat_times),
            ack_timeout_minutes: words(policy.ack_timeout_minutes),
        }
    }

    /// What was posted.
    pub fn posted(input: &Input) -> Self {
        let step = |n: usize| {
            let mut channel_ids: Vec<i64> = Vec::new();
            for id in input.all(&format!("channel_{n}")).filter_map(|id| id.parse().ok()) {
                if !channel_ids.contains(&id) {
                    channel_ids.push(id);
                }
            }
            let text = |name: &str| input.get(&format!("{name}_{n}")).to_owned();
            DraftStep { name: text("title"), wait: text("wait"), channel_ids }
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

    /// Another policy that begins as this one.
    pub fn copy(self) -> Self {
        Self { name: format!("Copy of {}", self.name), ..self }
    }

    /// Does what a button says: `step`; of a step `up:1`, `down:1`, `drop:1`; of a channel in a step `add:1:7`, `remove:1:7`,
    /// `raise:1:7`, `lower:1:7`, and `put:1:7:0:2`, which takes it to the third place of the first step. What it cannot do is
    /// nothing.
    pub fn press(&mut self, button: &str) {
        let mut parts = button.split(':');
        let verb = parts.next().unwrap_or_default();
        let numbers: Vec<i64> = parts.map_while(|part| part.parse().ok()).collect();
        let index = |n: usize| numbers.get(n).and_then(|number| usize::try_from(*number).ok());
        match (verb, index(0), numbers.get(1)) {
            ("step", ..) => self.add_step(),
            ("up", Some(place), _) if place > 0 && place < self.steps.len() => self.swap(place - 1),
            ("down", Some(place), _) if place.saturating_add(1) < self.steps.len() => {
                self.swap(place);
            }
            ("drop", Some(place), _) if place < self.steps.len() && self.steps.len() > 1 => {
                self.steps.remove(place);
            }
            ("add", Some(place), Some(id)) => self.put(place, *id, usize::MAX),
            ("remove", Some(place), Some(id)) => self.take(place, *id),
            ("raise", Some(place), Some(id)) => self.raise(place, *id),
            ("lower", Some(place), Some(id)) => self.lower(place, *id),
            ("put", Some(from), Some(id)) => {
                if let (Some(to), Some(at)) = (index(2), index(3)) {
                    self.bring(from, *id, to, at);
                }
            }
            _ => {}
        }
    }

    fn add_step(&mut self) {
        let wait = if self.steps.is_empty() { "0" } else { "5" };
        self.steps.push(DraftStep { wait: wait.to_owned(), ..DraftStep::default() });
    }

    /// Two neighbours change places; the waits stay where they are.
    fn swap(&mut self, first: usize) {
        let (before, after) = self.steps.split_at_mut(first + 1);
        if let (Some(one), Some(other)) = (before.last_mut(), after.first_mut()) {
            std::mem::swap(one, other);
            std::mem::swap(&mut one.wait, &mut other.wait);
        }
    }

    /// Takes a channel out of a step.
    fn take(&mut self, place: usize, id: i64) {
        if let Some(step) = self.steps.get_mut(place) {
            step.channel_ids.retain(|other| *other != id);
        }
    }

    /// Puts a channel into a step, which has each once.
    fn put(&mut self, place: usize, id: i64, at: usize) {
        if let Some(step) = self.steps.get_mut(place)
            && !step.channel_ids.contains(&id)
        {
            step.channel_ids.insert(at.min(step.channel_ids.len()), id);
        }
    }

    /// Brings a channel to another place, unless the step there has it already.
    fn bring(&mut self, from: usize, id: i64, to: usize, at: usize) {
        let has = |place: usize| self.steps.get(place).is_some_and(|s| s.channel_ids.contains(&id));
        if has(from) && to < self.steps.len() && (from == to || !has(to)) {
            self.take(from, id);
            self.put(to, id, at);
        }
    }

    /// Where a channel is in a step, and the place after the last.
    fn position(&self, place: usize, id: i64) -> Option<(usize, usize)> {
        let ids = &self.steps.get(place)?.channel_ids;
        Some((ids.iter().position(|other| *other == id)?, ids.len()))
    }

    /// One place up; from the first place to the end of the step before.
    fn raise(&mut self, place: usize, id: i64) {
        match self.position(place, id) {
            Some((0, _)) if place > 0 => self.bring(place, id, place - 1, usize::MAX),
            Some((at, _)) if at > 0 => self.bring(place, id, place, at - 1),
            _ => {}
        }
    }

    /// One place down; from the last place to the beginning of the next step.
    fn lower(&mut self, place: usize, id: i64) {
        match self.position(place, id) {
            Some((at, count)) if at + 1 < count => self.bring(place, id, place, at + 1),
            Some(_) => self.bring(place, id, place + 1, 0),
            None => {}
        }
    }

    /// How it differs from what is stored, in words; empty for not at all.
    pub fn unsaved(&self, stored: Option<&Self>) -> String {
        let Some(stored) = stored else { return "Not saved yet".to_owned() };
        if self == stored {
            return String::new();
        }
        let rest_is_equal = Self { steps: Vec::new(), ..self.clone() }
            == Self { steps: Vec::new(), ..stored.clone() };
        let is_changed = |n: &usize| self.steps.get(n - 1) != stored.steps.get(n - 1);
        let changed: Vec<usize> = (1..=self.steps.len()).filter(is_changed).collect();
        match changed.as_slice() {
            [n] if rest_is_equal && self.steps.len() == stored.steps.len() => {
                format!("Unsaved: step {n} changed")
            }
            _ => "Unsaved changes".to_owned(),
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
            json!({"name": step.name, "after_minutes": after, "channel_ids": step.channel_ids})
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
            ("channel_0", "2"),
            ("wait_1", "5"),
            ("title_1", " Wake somebody "),
            ("channel_1", "3"),
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
                {"name": "", "after_minutes": 0, "channel_ids": [1, 2]},
                {"name": "Wake somebody", "after_minutes": 5, "channel_ids": [3]},
                {"name": "", "after_minutes": 15, "channel_ids": [4]},
            ])
        );
        assert_eq!(
            (&map["repeat_every_minutes"], &map["repeat_times"]),
            (&json!(30), &Value::Null)
        );
        let policy = EscalationPolicy::read(&map, None).unwrap();
        let again = Draft::of(&policy, &[1, 2, 4]);
        let (name, wait) = ("Wake somebody".to_owned(), "5".to_owned());
        assert_eq!(again.steps[1], DraftStep { name, wait, channel_ids: vec![] });
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
    fn a_step_that_moves_takes_its_name_along_and_leaves_its_wait() {
        let mut moved = draft();
        moved.press("up:1");
        let step = |n: usize| (moved.steps[n].name.as_str(), moved.steps[n].wait.as_str());
        assert_eq!((step(0), step(1)), (("Wake somebody", ""), ("", "5")));
    }

    #[test]
    fn says_what_is_not_saved() {
        let mut other = draft();
        assert_eq!(other.unsaved(None), "Not saved yet");
        assert_eq!(other.unsaved(Some(&draft())), "");
        other.press("add:2:7");
        assert_eq!(other.unsaved(Some(&draft())), "Unsaved: step 3 changed");
        other.press("add:1:7");
        assert_eq!(other.unsaved(Some(&draft())), "Unsaved changes");
        assert_eq!(draft().copy().name, "Copy of Primary");
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
            ("add:1:7", vec![vec![1, 2], vec![3, 7], vec![4]]),
            ("add:1:3", vec![vec![1, 2], vec![3], vec![4]]),
            ("add:9:3", vec![vec![1, 2], vec![3], vec![4]]),
            ("raise:0:2", vec![vec![2, 1], vec![3], vec![4]]),
            ("raise:0:1", vec![vec![1, 2], vec![3], vec![4]]),
            ("raise:1:3", vec![vec![1, 2, 3], vec![], vec![4]]),
            ("lower:0:1", vec![vec![2, 1], vec![3], vec![4]]),
            ("lower:0:2", vec![vec![1], vec![2, 3], vec![4]]),
            ("lower:2:4", vec![vec![1, 2], vec![3], vec![4]]),
            ("put:0:1:1:1", vec![vec![2], vec![3, 1], vec![4]]),
            ("put:0:1:0:1", vec![vec![2, 1], vec![3], vec![4]]),
            ("put:0:9:1:0", vec![vec![1, 2], vec![3], vec![4]]),
            ("put:0:1:7:0", vec![vec![1, 2], vec![3], vec![4]]),
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
