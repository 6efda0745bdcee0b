//! One check of one monitor, as the task that makes it.

use std::sync::Arc;

use super::judge::Judge;
use super::meter::Meter;
use super::record::Ended;
use crate::clock::{SharedClock, Timestamp};
use crate::monitor::{CheckError, CheckResult, ErrorKind, Monitor, Pace, Target, Verdict};
use crate::probe::Checks;

/// A time-out that comes this much too late, in ms, says more about this machine than about the target. Not less: a target that
/// keeps us busy must not talk itself out of its time-out.
const OWN_DELAY_MS: u32 = 5000;

/// What a check contacts, as far as its settings say: host and port as they are written. Names are not resolved, so that two
/// names of one machine count as two.
pub(super) fn address(target: &Target) -> String {
    target.url().map_or_else(String::new, |url| {
        let host = url.host_str().unwrap_or_default();
        format!("{host}:{}", url.port_or_known_default().unwrap_or_default())
    })
}

/// What a check is made with.
pub(super) struct Means {
    pub(super) prober: Arc<dyn Checks>,
    pub(super) judge: Judge,
    pub(super) clock: SharedClock,
    pub(super) meter: Arc<Meter>,
    pub(super) region: String,
}

/// Makes one check; `due` is when it should have begun. `None` of what is not checked.
pub(super) async fn check(
    means: Arc<Means>,
    monitor: Arc<Monitor>,
    generation: u64,
    due: Timestamp,
) -> Option<Ended> {
    let Means { prober, judge, clock, meter, region } = &*means;
    let began = clock.now();
    meter.began(due, began);
    let target = &monitor.settings.target;
    let mut result = prober.check(target, region, began).await?;
    if let Some(pace) = target.pace() {
        excuse_own_delay(&mut result, pace);
    }
    // Asking the canaries takes time that is not the target's.
    let at = clock.now();
    let result = judge.judge(&monitor, result).await;
    Some(Ended { id: monitor.id, generation, at, result })
}

/// A time-out that this machine was too busy to notice in time proves nothing: the answer may have been there.
fn excuse_own_delay(result: &mut CheckResult, pace: &Pace) {
    // While the name was being looked up, a time-out is told as an answer that did not come.
    let timed_out = |error: &CheckError| error.kind == ErrorKind::Timeout || error.doubtful;
    let timed_out = result.error.as_ref().is_some_and(timed_out);
    let limit_ms = pace.timeout_seconds.saturating_mul(1000).saturating_add(OWN_DELAY_MS);
    if timed_out && result.phases.total.is_some_and(|ms| ms > limit_ms) {
        result.verdict = Verdict::Unknown;
        let text = "this machine was too busy to make the check".to_owned();
        result.error = Some(CheckError::new(ErrorKind::Internal, text));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::monitor::{FailedChecks, Phases};

    #[test]
    fn a_time_out_that_we_were_too_busy_to_notice_is_no_failure() {
        let pace = Pace { timeout_seconds: 2, ..Pace::every(60) };
        let verdict_of = |kind: ErrorKind, total_ms: u32| {
            let mut result = CheckResult {
                region: "local".to_owned(),
                started_at: Timestamp(0),
                phases: Phases { total: Some(total_ms), ..Phases::default() },
                status_code: None,
                error: Some(CheckError::new(kind, "planned")),
                failed_checks: FailedChecks::default(),
                verdict: Verdict::Down,
                certificate: None,
                answer: None,
            };
            excuse_own_delay(&mut result, &pace);
            result.verdict
        };
        assert_eq!(verdict_of(ErrorKind::Timeout, 6_900), Verdict::Down);
        assert_eq!(verdict_of(ErrorKind::Timeout, 7_001), Verdict::Unknown);
        assert_eq!(verdict_of(ErrorKind::Refused, 7_001), Verdict::Down);
    }
}
