//! Escalation: who is told later as long as nobody acknowledges. A policy is what people set, a [`Ladder`] is how far one
//! incident has climbed it. Pure.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};

use crate::clock::{Timestamp, as_ms};

const MINUTE_MS: i64 = 60_000;

/// One step of a policy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EscalationStep {
    /// What it is called; empty where nobody said.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub name: String,
    /// Minutes from the beginning of the ladder, or of its round, until this step.
    pub after_minutes: u32,
    /// Who is told then.
    pub channel_ids: Vec<i64>,
}

/// Who is told of an outage, and when (contract, section 6).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EscalationPolicy {
    /// Its number.
    pub id: i64,
    /// What it is called.
    pub name: String,
    /// At least one, none sooner than the one before.
    pub steps: Vec<EscalationStep>,
    /// Minutes from the beginning of one round to that of the next; `None`: there is one round.
    pub repeat_every_minutes: Option<u32>,
    /// How many rounds follow the first; `None` beside `repeat_every_minutes`: until it is over or acknowledged.
    pub repeat_times: Option<u32>,
    /// Minutes after which an acknowledgement runs out and the ladder goes on; `None`: never.
    pub ack_timeout_minutes: Option<u32>,
}

impl EscalationPolicy {
    /// The channels that are told first: those of the first step that has some among `reachable`.
    pub fn first_channels(&self, reachable: &[i64]) -> Vec<i64> {
        let steps = self.steps.iter().map(|step| step.reachable(reachable));
        steps.into_iter().find(|channel_ids| !channel_ids.is_empty()).unwrap_or_default()
    }
}

impl EscalationStep {
    fn reachable(&self, reachable: &[i64]) -> Vec<i64> {
        self.channel_ids.iter().copied().filter(|id| reachable.contains(id)).collect()
    }
}

/// Whether a ladder is climbed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Stage {
    /// Not yet: the alerts of the incident are held from its beginning.
    Waiting,
    /// A step is to come.
    Climbing,
    /// The last step of the last round was taken.
    Ended,
}

/// How far an incident has climbed the policy that it opened with.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ladder {
    /// The policy as it stood when the incident opened.
    pub policy: EscalationPolicy,
    stage: Stage,
    /// The round of the step that comes next, from 0.
    round: u32,
    /// The step that comes next, from 0.
    step: usize,
    /// When that round began; moved by the time that does not count.
    #[serde(with = "as_ms")]
    round_at: Timestamp,
    /// By how much that round is ahead of its times, in ms, as steps that can tell nobody take none.
    ahead_ms: i64,
    /// Until when the time of maintenance windows has been left out.
    #[serde(with = "as_ms")]
    counted_until: Timestamp,
    /// Whether the next step waits for the end of a window and a fresh failure.
    held: bool,
    #[serde(default, with = "as_ms::option")]
    acknowledged_at: Option<Timestamp>,
}

/// A step that is taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rung {
    /// Its round, from 0: later ones are repeats.
    pub round: u32,
    /// Its place in the policy, from 0.
    pub step: usize,
    /// Who is told. Who is told by another step of the same moment is named once.
    pub channel_ids: Vec<i64>,
    /// Whether all its channels are gone or disabled.
    pub skipped: bool,
}

/// The step that comes next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NextStep {
    /// Its round, from 0.
    pub round: u32,
    /// Its place in the policy, from 0.
    pub step: usize,
    /// When.
    pub at: Timestamp,
}

impl Ladder {
    /// A ladder that nobody has set foot on.
    pub fn new(policy: EscalationPolicy, now: Timestamp) -> Self {
        Self {
            policy,
            stage: Stage::Waiting,
            round: 0,
            step: 0,
            round_at: now,
            ahead_ms: 0,
            counted_until: now,
            held: false,
            acknowledged_at: None,
        }
    }

    /// When to look at it again: a step is due, or the acknowledgement runs out.
    pub fn next_at(&self) -> Option<Timestamp> {
        match self.acknowledged_at {
            Some(_) => self.acknowledgement_ends_at(),
            None => self.next_step().map(|next| next.at),
        }
    }

    /// The step that comes next if nobody acknowledges; `None` while it is held or acknowledged, and when it has ended.
    pub fn next_step(&self) -> Option<NextStep> {
        let stands = self.stage != Stage::Climbing || self.held || self.acknowledged_at.is_some();
        if stands {
            return None;
        }
        self.due_at().map(|at| NextStep { round: self.round, step: self.step, at })
    }

    fn due_at(&self) -> Option<Timestamp> {
        let step = self.policy.steps.get(self.step)?;
        let after_ms = i64::from(step.after_minutes) * MINUTE_MS;
        Some(self.round_at.plus_ms(after_ms - self.ahead_ms))
    }

    /// Whether it is held by a window.
    pub fn is_held(&self) -> bool {
        self.held
    }

    /// Whether somebody has the incident, as far as the ladder knows.
    pub fn is_acknowledged(&self) -> bool {
        self.acknowledged_at.is_some()
    }

    /// When the acknowledgement runs out, if it does.
    pub fn acknowledgement_ends_at(&self) -> Option<Timestamp> {
        let minutes = self.policy.ack_timeout_minutes?;
        Some(self.acknowledged_at?.plus_ms(i64::from(minutes) * MINUTE_MS))
    }

    /// Somebody has taken the incident: it stands still.
    pub fn acknowledge(&mut self, now: Timestamp) {
        self.acknowledged_at = Some(now);
    }

    /// The acknowledgement has run out: the next step is due at once, and the ones after it keep their distance. When the last step
    /// was taken already, the policy begins once more, as somebody must hear of it.
    pub fn go_on(&mut self, now: Timestamp) {
        self.acknowledged_at = None;
        self.counted_until = now;
        match self.stage {
            Stage::Waiting => {}
            Stage::Climbing => {
                if let Some(due) = self.due_at() {
                    self.round_at = self.round_at.plus_ms(now.since(due));
                }
            }
            Stage::Ended => {
                self.stage = Stage::Climbing;
                self.begin_round(self.round.saturating_add(1), now);
            }
        }
    }

    /// Since when windows have not been accounted for.
    pub fn counted_until(&self) -> Timestamp {
        self.counted_until
    }

    /// Leaves `covered_ms` out: so long were windows open from [`Ladder::counted_until`] until `now`.
    pub fn leave_out(&mut self, covered_ms: i64, now: Timestamp) {
        if self.stage == Stage::Climbing {
            self.round_at = self.round_at.plus_ms(covered_ms.max(0));
        }
        self.counted_until = now;
    }

    /// A window is open: the next step waits for its end and for a fresh failure.
    pub fn hold(&mut self) {
        self.held = true;
    }

    /// What held it is over; one that was held from the beginning begins now. Gives whether it does.
    pub fn let_go(&mut self, now: Timestamp) -> bool {
        self.held = false;
        let begins = self.stage == Stage::Waiting;
        if begins {
            self.stage = Stage::Climbing;
            self.round_at = now;
            self.counted_until = now;
        }
        begins
    }

    /// As [`Ladder::climb`], of one that begins: its first steps are taken although somebody has acknowledged while it was held.
    /// Else nobody would ever hear of the outage.
    pub fn begin(&mut self, now: Timestamp, reachable: &[i64]) -> Vec<Rung> {
        let acknowledged_at = self.acknowledged_at.take();
        let rungs = self.climb(now, reachable);
        self.acknowledged_at = acknowledged_at;
        rungs
    }

    /// Takes every step that is due at `now`; `reachable` are the channels that exist and are enabled.
    ///
    /// A step that can tell nobody is skipped at once: the next one of its round is due at the same moment. Of what was missed while
    /// nobody looked, the last round is made up for, and each channel is told once.
    pub fn climb(&mut self, now: Timestamp, reachable: &[i64]) -> Vec<Rung> {
        let mut rungs: Vec<Rung> = Vec::new();
        if self.acknowledged_at.is_some() || self.held || self.stage == Stage::Waiting {
            return rungs;
        }
        self.pass_missed_rounds(now);
        while self.stage == Stage::Climbing && self.due_at().is_some_and(|due| due <= now) {
            let rung = self.take(reachable);
            rungs.retain(|earlier| earlier.step != rung.step);
            rungs.push(rung);
        }
        let mut told = BTreeSet::new();
        for rung in &mut rungs {
            rung.channel_ids.retain(|id| told.insert(*id));
        }
        rungs
    }

    /// Goes to the last round that has passed as a whole; the rounds before it have nothing to add.
    fn pass_missed_rounds(&mut self, now: Timestamp) {
        let Some(every) = self.policy.repeat_every_minutes else { return };
        let every_ms = i64::from(every.max(1)) * MINUTE_MS;
        let left =
            self.policy.repeat_times.map_or(u32::MAX, |times| times.saturating_sub(self.round));
        let missed = (now.since(self.round_at) / every_ms - 1).clamp(0, i64::from(left));
        if missed > 0 && self.stage == Stage::Climbing {
            let round = self.round.saturating_add(u32::try_from(missed).unwrap_or(u32::MAX));
            self.begin_round(round, self.round_at.plus_ms(missed * every_ms));
        }
    }

    fn take(&mut self, reachable: &[i64]) -> Rung {
        let (round, step) = (self.round, self.step);
        let steps = &self.policy.steps;
        let channel_ids = steps.get(step).map_or_else(Vec::new, |step| step.reachable(reachable));
        let skipped = channel_ids.is_empty();
        match (steps.get(step), steps.get(step + 1)) {
            (Some(this), Some(next)) => {
                self.step += 1;
                if skipped {
                    let gap = next.after_minutes.saturating_sub(this.after_minutes);
                    self.ahead_ms += i64::from(gap) * MINUTE_MS;
                }
            }
            _ => self.end_round(),
        }
        Rung { round, step, channel_ids, skipped }
    }

    fn end_round(&mut self) {
        let has_more = self.policy.repeat_times.is_none_or(|times| self.round < times);
        match self.policy.repeat_every_minutes.filter(|_| has_more) {
            Some(every) => {
                let next = self.round_at.plus_ms(i64::from(every.max(1)) * MINUTE_MS);
                self.begin_round(self.round.saturating_add(1), next);
            }
            None => self.stage = Stage::Ended,
        }
    }

    fn begin_round(&mut self, round: u32, at: Timestamp) {
        self.round = round;
        self.step = 0;
        self.round_at = at;
        self.ahead_ms = 0;
    }
}

/// One line for the timeline about a step that was taken; `names` are those of the channels told.
pub fn step_words(rung: &Rung, names: &[&str]) -> String {
    let number = rung.step + 1;
    let which = match rung.round {
        0 => format!("Step {number}"),
        round => format!("Step {number} again, repeat {round}"),
    };
    if rung.skipped {
        return format!("{which} was skipped: its channels are gone or disabled");
    }
    match names {
        [] => format!("{which}: its channels were told by another step just now"),
        names => format!("{which}: {}", names.join(", ")),
    }
}

#[cfg(test)]
mod tests;
