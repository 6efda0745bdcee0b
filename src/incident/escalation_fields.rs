//! How a request becomes an escalation policy: validated, with every wrong field named at once. Pure.

use serde_json::{Map, Value};

use super::escalation::{EscalationPolicy, EscalationStep};
use crate::fields::{FieldErrors, Fields};

/// The longest wait: a week, as for whatever is on later nobody waits.
pub const MINUTES_MAX: u32 = 7 * 24 * 60;
/// The most steps.
pub const STEPS_MAX: usize = 20;
/// The longest name of a step.
pub const STEP_NAME_MAX: usize = 200;
/// The most repeats.
pub const REPEATS_MAX: u32 = 1_000;

impl EscalationPolicy {
    /// Reads a policy from a request; `current` is what a PATCH edits.
    ///
    /// Whether its channels exist is for the caller to check.
    ///
    /// # Errors
    /// Every field that is wrong.
    pub fn read(map: &Map<String, Value>, current: Option<&Self>) -> Result<Self, FieldErrors> {
        let mut fields = Fields::new(map);
        let name = fields.name("name", None, current.map(|policy| policy.name.clone()));
        let has_steps = current.is_some() || fields.given("steps");
        if !has_steps {
            fields.wrong("steps", "is missing: give at least one step");
        }
        let kept = current.map(|policy| policy.steps.clone());
        let steps = fields.read("steps", Vec::new(), kept, parse_steps);
        if steps.is_empty() {
            fields.wrong("steps", "must have at least one step");
        }
        let repeat_every_minutes = fields.optional_integer(
            "repeat_every_minutes",
            1..=MINUTES_MAX,
            current.map(|policy| policy.repeat_every_minutes),
        );
        let last = steps.last().map_or(0, |step| step.after_minutes);
        if repeat_every_minutes.is_some_and(|every| every < last) {
            fields.wrong(
                "repeat_every_minutes",
                format!("must be at least {last}, the minutes after which the last step comes: each round begins so long after the one before"),
            );
        }
        let repeat_times = fields.optional_integer(
            "repeat_times",
            0..=REPEATS_MAX,
            current.map(|policy| policy.repeat_times),
        );
        if repeat_every_minutes.is_none() && repeat_times.is_some_and(|times| times > 0) {
            fields.wrong("repeat_times", "needs repeat_every_minutes beside it");
        }
        let ack_timeout_minutes = fields.optional_integer(
            "ack_timeout_minutes",
            1..=MINUTES_MAX,
            current.map(|policy| policy.ack_timeout_minutes),
        );
        fields.finish()?;
        let id = current.map_or(0, |policy| policy.id);
        Ok(Self { id, name, steps, repeat_every_minutes, repeat_times, ack_timeout_minutes })
    }
}

fn parse_steps(value: &Value) -> Result<Vec<EscalationStep>, String> {
    let fix = "must be a list of steps, such as [{\"after_minutes\": 0, \"channel_ids\": [1]}]";
    let items = value.as_array().ok_or(fix)?;
    if items.len() > STEPS_MAX {
        return Err(format!("must have at most {STEPS_MAX} steps"));
    }
    let mut steps: Vec<EscalationStep> = Vec::new();
    for (n, item) in items.iter().enumerate() {
        let number = n + 1;
        let map = item.as_object().ok_or(fix)?;
        let step = parse_step(map).map_err(|reason| format!("step {number}: {reason}"))?;
        let before = steps.last().map_or(0, |before| before.after_minutes);
        if step.after_minutes < before {
            return Err(format!(
                "step {number}: after_minutes counts from the beginning and must be at least {before}, that of the step before"
            ));
        }
        steps.push(step);
    }
    Ok(steps)
}

fn parse_step(map: &Map<String, Value>) -> Result<EscalationStep, String> {
    let mut fields = Fields::new(map);
    let name = fields.optional_text("name", STEP_NAME_MAX, None).unwrap_or_default();
    let after_minutes = fields.integer("after_minutes", 0..=MINUTES_MAX, 0, None);
    let channel_ids = fields.optional_ids("channel_ids", None).unwrap_or_default();
    if channel_ids.is_empty() {
        fields.wrong("channel_ids", "must name at least one channel");
    }
    let words = |errors: FieldErrors| {
        let reasons = errors.0.iter().map(|(field, reason)| format!("{field} {reason}"));
        reasons.collect::<Vec<_>>().join("; ")
    };
    fields.finish().map_err(words)?;
    Ok(EscalationStep { name: name.trim().to_owned(), after_minutes, channel_ids })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(value: Value) -> Result<EscalationPolicy, FieldErrors> {
        EscalationPolicy::read(value.as_object().unwrap(), None)
    }

    #[test]
    fn every_mistake_is_named() {
        for (given, wrong) in [
            (json!({}), vec!["name", "steps"]),
            (json!({"name": "a", "steps": []}), vec!["steps"]),
            (json!({"name": "a", "steps": "soon"}), vec!["steps"]),
            (json!({"name": "a", "steps": [{"after_minutes": 0}]}), vec!["steps"]),
            (
                json!({"name": "a", "steps": [{"after_minutes": -1, "channel_ids": [1]}]}),
                vec!["steps"],
            ),
            (json!({"name": "a", "steps": [{"channel_ids": [1], "to": 1}]}), vec!["steps"]),
            (
                json!({"name": "a", "steps": [{"after_minutes": 5, "channel_ids": [1]}, {"after_minutes": 4, "channel_ids": [1]}]}),
                vec!["steps"],
            ),
            (
                json!({"name": "a", "steps": [{"after_minutes": 5, "channel_ids": [1]}], "repeat_every_minutes": 4}),
                vec!["repeat_every_minutes"],
            ),
            (
                json!({"name": "a", "steps": [{"channel_ids": [1]}], "repeat_times": 2, "ack_timeout_minutes": 0, "color": 1}),
                vec!["ack_timeout_minutes", "color", "repeat_times"],
            ),
        ] {
            let errors = read(given.clone()).unwrap_err();
            assert_eq!(errors.0.keys().collect::<Vec<_>>(), wrong, "{given}: {errors:?}");
        }
    }

    #[test]
    fn says_which_step_is_wrong() {
        let steps = json!([{"channel_ids": [1]}, {"after_minutes": "x", "channel_ids": []}]);
        let errors = read(json!({"name": "a", "steps": steps})).unwrap_err();
        let reason = &errors.0["steps"];
        assert!(reason.starts_with("step 2: after_minutes must be a whole number"), "{reason}");
        assert!(reason.contains("channel_ids must name at least one channel"), "{reason}");
    }

    #[test]
    fn a_change_keeps_what_is_not_named() {
        let steps = json!([{"after_minutes": 0, "channel_ids": [1]}]);
        let made = read(
            json!({"name": "a", "steps": steps, "repeat_every_minutes": 30, "repeat_times": 3}),
        );
        let made = made.unwrap();
        let map = json!({"name": "b", "repeat_times": null});
        let changed = EscalationPolicy::read(map.as_object().unwrap(), Some(&made)).unwrap();
        assert_eq!(
            changed,
            EscalationPolicy { name: "b".to_owned(), repeat_times: None, ..made.clone() }
        );
        let map = json!({"steps": null});
        assert!(EscalationPolicy::read(map.as_object().unwrap(), Some(&made)).is_err());
    }
}
