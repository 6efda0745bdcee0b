//! When a delivery is tried again (contract, section 2). Pure.

const SECOND_MS: i64 = 1000;
const DAY_MS: i64 = 24 * 3600 * SECOND_MS;

/// The seconds to wait after each failed attempt.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RetrySchedule {
    waits: Vec<u32>,
    /// After the list: this many seconds each, until a day of trying is over.
    then: Option<u32>,
}

impl Default for RetrySchedule {
    fn default() -> Self {
        Self { waits: vec![5, 15, 30, 60, 120, 300, 600, 900], then: Some(1800) }
    }
}

impl std::str::FromStr for RetrySchedule {
    type Err = String;

    /// Reads `WATCHBELL_RETRY_SCHEDULE`: seconds, with commas between; the list ends where it ends.
    fn from_str(text: &str) -> Result<Self, String> {
        let fix = "must be seconds from 1 to 86400 with commas between, such as 5,15,30";
        let read = |part: &str| {
            part.trim().parse::<u32>().ok().filter(|s| (1..=86_400).contains(s)).ok_or(fix)
        };
        let waits = text.split(',').map(read).collect::<Result<Vec<_>, _>>()?;
        if waits.len() > 1000 {
            return Err("must have at most 1000 entries".to_owned());
        }
        Ok(Self { waits, then: None })
    }
}

impl RetrySchedule {
    /// Milliseconds to wait after the `attempts`-th failure in a row, or `None` when it is over.
    ///
    /// `trying_ms` is the time since the first attempt. `chance` from 0 to 1 spreads the wait over ±20 %, so that
    /// what failed together does not come back together.
    pub fn wait_ms(&self, attempts: u32, trying_ms: i64, chance: f64) -> Option<i64> {
        let place = usize::try_from(attempts.saturating_sub(1)).ok()?;
        let seconds = match self.waits.get(place) {
            Some(seconds) => *seconds,
            None => {
                let seconds = self.then?;
                let ends_ms = trying_ms.saturating_add(i64::from(seconds) * SECOND_MS);
                (ends_ms <= DAY_MS).then_some(seconds)?
            }
        };
        let spread = 0.8 + 0.4 * chance.clamp(0.0, 1.0);
        Some((f64::from(seconds) * 1000.0 * spread).round() as i64)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Runs a schedule to its end with no jitter: the moments of the attempts in seconds.
    fn moments(schedule: &RetrySchedule) -> Vec<i64> {
        let (mut at, mut moments) = (0, vec![0]);
        for attempts in 1.. {
            let Some(wait) = schedule.wait_ms(attempts, at, 0.5) else { break };
            at += wait;
            moments.push(at / 1000);
        }
        moments
    }

    #[test]
    fn follows_the_list_then_every_half_hour_for_a_day() {
        let moments = moments(&RetrySchedule::default());
        assert_eq!(moments[..10], [0, 5, 20, 50, 110, 230, 530, 1130, 2030, 3830]);
        let last = *moments.last().unwrap();
        assert!((24 * 3600 - 1800..=24 * 3600).contains(&last), "{last}");
    }

    #[test]
    fn a_given_list_ends_where_it_ends() {
        assert_eq!(moments(&"1, 2,3".parse().unwrap()), [0, 1, 3, 6]);
    }

    #[test]
    fn refuses_what_is_not_a_list_of_seconds() {
        for text in ["", "0", "5,", "-1", "1.5", "5;6", "86401", "99999999999"] {
            assert!(text.parse::<RetrySchedule>().is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn the_jitter_is_at_most_a_fifth(attempts in 0_u32..9, chance in -1.0..2.0_f64) {
            let schedule = RetrySchedule::default();
            let plain = schedule.wait_ms(attempts, 0, 0.5).unwrap() as f64;
            let wait = schedule.wait_ms(attempts, 0, chance).unwrap() as f64;
            prop_assert!((0.8 * plain - 1.0..=1.2 * plain + 1.0).contains(&wait));
        }
    }
}
