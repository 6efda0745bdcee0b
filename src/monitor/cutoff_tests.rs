//! The lookout: its cells by name, and its counting against one that reads the whole log each time.

use std::collections::BTreeMap;

use proptest::prelude::*;

use super::cutoff::{CanaryReport, Change, Decision, Look, Lookout, Phase, Sign};
use super::{CheckError, CheckResult, ErrorKind, FailedChecks, Phases, Verdict};
use crate::clock::Timestamp;

/// Interval and timeout of the looks here.
const LIFE_MS: i64 = 3_000;

fn silent() -> CanaryReport {
    CanaryReport::Silent(vec!["gateway 10.0.0.1".to_owned()])
}

/// A lookout with its clock.
struct Region {
    lookout: Lookout,
    now: i64,
}

impl Region {
    /// Eight hosts, `a` to `h`, all well.
    fn well() -> Self {
        let mut region = Self { lookout: Lookout::new(false), now: 10_000 };
        for host in "abcdefgh".chars() {
            region.see(&host.to_string(), Sign::Well, &CanaryReport::Answering);
        }
        region
    }

    /// A look that began just before now.
    fn see(&mut self, host: &str, sign: Sign, report: &CanaryReport) -> (bool, Option<Change>) {
        self.see_since(host, sign, report, self.now)
    }

    fn see_since(
        &mut self,
        host: &str,
        sign: Sign,
        report: &CanaryReport,
        started_at: i64,
    ) -> (bool, Option<Change>) {
        let (now, started_at) = (Timestamp(self.now), Timestamp(started_at));
        let look = Look { host, started_at, sign, life_ms: LIFE_MS };
        let asked = self.lookout.note(&look, now).then_some(report);
        let Decision { is_held, change } = self.lookout.decide(sign, started_at, asked, now);
        (is_held, change)
    }

    fn again(&mut self, report: &CanaryReport) -> Option<Change> {
        self.lookout.look_again(report, Timestamp(self.now))
    }

    fn phase(&self) -> Phase {
        self.lookout.phase()
    }

    /// Three of eight silent, and the canaries too.
    fn cut_off() -> Self {
        let mut region = Self::well();
        for host in ["a", "b", "c"] {
            region.now += 10;
            region.see(host, Sign::Doubtful, &silent());
        }
        assert_eq!(region.phase(), Phase::CutOff);
        region
    }
}

#[test]
fn a_result_is_a_sign_by_its_error() {
    let of = |verdict, kind, doubtful, status_code| {
        let error = Some(CheckError { doubtful, ..CheckError::new(kind, "x") });
        Sign::of(&CheckResult {
            region: "local".to_owned(),
            started_at: Timestamp(0),
            phases: Phases::default(),
            status_code,
            error,
            failed_checks: FailedChecks::new(),
            verdict,
            certificate: None,
            answer: None,
        })
    };
    let down = |kind| of(Verdict::Down, kind, false, None);
    assert_eq!(of(Verdict::Up, ErrorKind::Status, false, Some(200)), Sign::Well);
    assert_eq!(of(Verdict::Unknown, ErrorKind::Internal, false, None), Sign::Ours);
    assert_eq!(of(Verdict::Down, ErrorKind::Refused, true, None), Sign::Doubtful);
    assert_eq!(of(Verdict::Down, ErrorKind::Dns, true, None), Sign::Doubtful);
    assert_eq!(of(Verdict::Down, ErrorKind::Timeout, false, Some(200)), Sign::Wrong);
    assert_eq!(down(ErrorKind::Timeout), Sign::Hanging);
    for kind in [ErrorKind::Dns, ErrorKind::Refused, ErrorKind::Reset] {
        assert_eq!(down(kind), Sign::Refused);
    }
    for kind in [ErrorKind::Status, ErrorKind::Tls, ErrorKind::Keyword, ErrorKind::Blocked] {
        assert_eq!(down(kind), Sign::Wrong);
    }
}

#[test]
fn while_the_canaries_answer_nothing_is_held() {
    let mut region = Region::well();
    for (n, host) in "abcdefgh".chars().enumerate() {
        let sign = [Sign::Refused, Sign::Hanging, Sign::Doubtful, Sign::Wrong][n % 4];
        let seen = region.see(&host.to_string(), sign, &CanaryReport::Answering);
        assert_eq!(seen, (false, None), "{sign:?}");
    }
    assert_eq!(region.phase(), Phase::Calm);
}

#[test]
fn a_doubtful_error_is_held_only_while_the_canaries_are_silent() {
    // Also with one monitor alone.
    let mut region = Region { lookout: Lookout::new(false), now: 0 };
    assert_eq!(region.see("a", Sign::Doubtful, &silent()), (true, None));
    assert_eq!(region.see("a", Sign::Doubtful, &CanaryReport::Answering), (false, None));
    assert_eq!(region.see("a", Sign::Hanging, &silent()), (false, None));
    assert_eq!(region.phase(), Phase::Calm, "one host is no region");
}

#[test]
fn the_canaries_are_asked_only_when_a_failure_may_be_ours() {
    let mut lookout = Lookout::new(false);
    let mut asks = |host, sign| {
        let look = Look { host, started_at: Timestamp(0), sign, life_ms: LIFE_MS };
        lookout.note(&look, Timestamp(0))
    };
    for host in ["a", "b", "c", "d", "e", "f"] {
        assert!(!asks(host, Sign::Well));
    }
    assert!(!asks("a", Sign::Wrong));
    assert!(!asks("a", Sign::Refused), "1 of 6");
    assert!(asks("b", Sign::Refused), "2 of 6 are 30 %");
    assert!(!asks("b", Sign::Well));
    for sign in [Sign::Hanging, Sign::Doubtful, Sign::Ours] {
        assert!(asks("a", sign));
    }
}

#[test]
fn thirty_percent_of_five_hosts_and_the_canaries_cut_off() {
    let mut region = Region::well();
    assert_eq!(region.see("a", Sign::Refused, &silent()), (false, None), "nobody was asked");
    region.now += 10;
    assert_eq!(region.see("b", Sign::Hanging, &silent()), (true, Some(Change::LookAround)));
    region.now += 10;
    // 3 of 8.
    let (held, change) = region.see("c", Sign::Hanging, &silent());
    assert!(held);
    let Some(Change::CutOff { since, tally, canaries }) = change else { panic!("{change:?}") };
    assert_eq!((since, tally.silent, tally.all), (Timestamp(10_000), 3, 8));
    assert_eq!(canaries, ["gateway 10.0.0.1"]);
    for sign in [Sign::Wrong, Sign::Refused, Sign::Hanging, Sign::Doubtful] {
        assert_eq!(region.see("d", sign, &silent()), (true, None), "{sign:?}");
    }
    for sign in [Sign::Well, Sign::Ours] {
        assert_eq!(region.see("e", sign, &silent()), (false, None), "{sign:?}");
    }
}

#[test]
fn four_hosts_are_never_a_region() {
    let mut region = Region { lookout: Lookout::new(false), now: 0 };
    for host in ["a", "b", "c", "d", "a", "b"] {
        assert_eq!(region.see(host, Sign::Refused, &silent()), (false, None));
    }
    assert_eq!(region.phase(), Phase::Calm);
}

#[test]
fn many_monitors_on_one_host_are_one_host() {
    let mut region = Region::well();
    for _ in 0..50 {
        assert_eq!(region.see("a", Sign::Refused, &silent()), (false, None));
    }
    assert_eq!(region.phase(), Phase::Calm);
}

#[test]
fn a_look_counts_for_an_interval_and_a_timeout() {
    let mut region = Region::well();
    region.see("a", Sign::Refused, &silent());
    region.see("b", Sign::Refused, &silent());
    region.now += LIFE_MS;
    for host in ["d", "e", "f", "g"] {
        region.see(host, Sign::Well, &silent());
    }
    assert_eq!(region.see("c", Sign::Refused, &silent()), (false, None), "1 of 5");
    assert_eq!(region.phase(), Phase::Calm);
}

#[test]
fn it_is_over_when_a_canary_answers() {
    for by_result in [true, false] {
        let mut region = Region::cut_off();
        region.now += 5_000;
        assert_eq!(region.again(&silent()), None);
        let began = region.now;
        region.now += 1_000;
        if by_result {
            // This very failure is still of the time when there was no network.
            let seen = region.see_since("a", Sign::Hanging, &CanaryReport::Answering, began);
            assert_eq!(seen, (true, Some(Change::Back)));
        } else {
            assert_eq!(region.again(&CanaryReport::Answering), Some(Change::Back));
        }
        let late = region.see_since("b", Sign::Hanging, &CanaryReport::Answering, began);
        assert_eq!(late, (true, None), "began before it was back");
        region.now += 10;
        let seen = region.see("b", Sign::Hanging, &CanaryReport::Answering);
        assert_eq!(seen, (false, None), "a real failure, found after it healed");
        assert_eq!(region.phase(), Phase::Calm);
    }
}

#[test]
fn it_is_over_when_most_hosts_answer_again_whatever_the_canaries_do() {
    let mut region = Region::cut_off();
    region.see("a", Sign::Well, &silent());
    assert_eq!(region.again(&silent()), None, "2 of 8 are still too many");
    region.see("b", Sign::Well, &silent());
    assert_eq!(region.again(&silent()), Some(Change::Back));
    assert_eq!(region.phase(), Phase::Dismissed);
    assert_eq!(region.again(&CanaryReport::Answering), None);
    assert_eq!(region.phase(), Phase::Calm);
}

#[test]
fn dead_canaries_hold_a_single_failure_only_until_all_were_looked_at() {
    let mut region = Region::well();
    region.now += 10;
    let first = region.see_since("a", Sign::Hanging, &silent(), region.now - 5);
    assert_eq!(first, (true, Some(Change::LookAround)));
    for host in "bcdefgh".chars() {
        assert_eq!(region.again(&silent()), None);
        region.now += 10;
        region.see(&host.to_string(), Sign::Well, &silent());
    }
    assert_eq!(region.again(&silent()), None, "the first was seen before");
    assert_eq!(region.see("a", Sign::Hanging, &silent()), (true, None));
    assert_eq!(region.again(&silent()), Some(Change::LookAround));
    assert_eq!(region.phase(), Phase::Dismissed);
    assert_eq!(region.see("a", Sign::Hanging, &silent()), (false, None));
    assert_eq!(region.see("a", Sign::Doubtful, &silent()), (true, None), "by the contract");
}

#[test]
fn a_suspicion_ends_even_if_a_host_is_never_seen() {
    let mut region = Region::well();
    region.see("a", Sign::Hanging, &silent());
    region.lookout.note(
        &Look { host: "z", started_at: Timestamp(0), sign: Sign::Well, life_ms: i64::MAX },
        Timestamp(region.now),
    );
    region.now += 149_999;
    assert_eq!(region.again(&silent()), None);
    region.now += 1;
    assert_eq!(region.again(&silent()), Some(Change::LookAround));
}

#[test]
fn a_restart_while_cut_off_goes_on_holding() {
    let mut region = Region { lookout: Lookout::new(true), now: 0 };
    assert_eq!(region.see("a", Sign::Hanging, &silent()), (true, None));
    assert_eq!(region.again(&silent()), None);
    assert_eq!(region.again(&CanaryReport::Answering), Some(Change::Back));
}

#[test]
fn a_clock_that_is_set_back_holds_nothing() {
    let mut region = Region::cut_off();
    region.again(&CanaryReport::Answering);
    region.now -= 3_600_000;
    let seen = region.see("a", Sign::Refused, &CanaryReport::Answering);
    assert_eq!(seen, (false, None));
}

#[derive(Debug, Clone)]
struct Seen {
    host: usize,
    sign: Sign,
    silent: bool,
    after_ms: i64,
    lasted_ms: i64,
}

fn seen() -> impl Strategy<Value = Seen> {
    let signs = [Sign::Well, Sign::Wrong, Sign::Refused, Sign::Hanging, Sign::Doubtful, Sign::Ours];
    (0..9usize, prop::sample::select(signs.to_vec()), any::<bool>(), 0..900i64, 0..1000i64)
        .prop_map(|(host, sign, silent, after_ms, lasted_ms)| Seen {
            host,
            sign,
            silent,
            after_ms,
            lasted_ms,
        })
}

/// Hosts whose last look in the log is not too old, and how many of these are silent.
fn count(log: &[(i64, usize, Sign)], from: usize, now: i64) -> (usize, usize) {
    let mut last = BTreeMap::new();
    for (at, host, sign) in &log[from..] {
        last.insert(host, (*at, *sign));
    }
    let fresh: Vec<_> = last.values().filter(|(at, _)| now - at < LIFE_MS).collect();
    let silent = fresh.iter().filter(|(_, sign)| !matches!(sign, Sign::Well | Sign::Wrong));
    (silent.count(), fresh.len())
}

proptest! {
    #[test]
    fn agrees_with_reading_the_whole_log(steps in prop::collection::vec(seen(), 1..120)) {
        let mut region = Region { lookout: Lookout::new(false), now: 1_000_000 };
        let (mut log, mut from, mut is_cut_off, mut back_at) = (Vec::new(), 0, false, 0);
        for step in steps {
            region.now += step.after_ms;
            let (now, began) = (region.now, region.now - step.lasted_ms);
            log.push((now, step.host, step.sign));
            let (silent_hosts, hosts) = count(&log, from, now);
            let is_mass = hosts >= 5 && silent_hosts * 10 >= hosts * 3;
            let is_silent = !matches!(step.sign, Sign::Well | Sign::Wrong);
            let report = if step.silent { silent() } else { CanaryReport::Answering };
            let (held, change) =
                region.see_since(&step.host.to_string(), step.sign, &report, began);
            // Whatever is asked about or not: many silent hosts and silent canaries are a cut, and nothing else is.
            let enters = !is_cut_off && step.silent && is_silent && is_mass;
            prop_assert_eq!(matches!(change, Some(Change::CutOff { .. })), enters);
            if let Some(Change::CutOff { since, tally, .. }) = &change {
                prop_assert_eq!((tally.silent, tally.all), (silent_hosts, hosts));
                prop_assert!(since.0 <= now);
            }
            let leaves = is_cut_off && !step.silent && step.sign != Sign::Well;
            prop_assert_eq!(matches!(change, Some(Change::Back)), leaves);
            is_cut_off = (is_cut_off || enters) && !leaves;
            if leaves {
                (from, back_at) = (log.len(), now);
            }
            prop_assert_eq!(region.phase() == Phase::CutOff, is_cut_off);
            match step.sign {
                Sign::Well | Sign::Ours => prop_assert!(!held),
                _ if is_cut_off || began < back_at => prop_assert!(held),
                Sign::Doubtful => prop_assert_eq!(held, step.silent),
                Sign::Hanging => prop_assert!(!held || step.silent),
                Sign::Wrong | Sign::Refused => prop_assert!(!held),
            }
        }
    }
}
