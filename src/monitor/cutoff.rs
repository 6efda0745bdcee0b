//! Is it them, or is it us? Who answers and whether the canaries do decides whether this region is cut off. Pure.
//!
//! [`Lookout`] holds the last look at each host. When many hosts are silent and the canaries are too, the network of this region is gone:
//! verdicts are held until it is back. While the canaries are silent and it is not yet clear how many hosts are, all hosts are
//! looked at at once, so that slow intervals do not delay the answer.

use std::collections::HashMap;

use super::{CheckResult, ErrorKind, Verdict};
use crate::clock::Timestamp;

/// So many hosts at least must have been looked at.
const HOSTS_MIN: usize = 5;
/// At this share of silent hosts, in percent, the region is cut off.
const SILENT_PERCENT: usize = 30;
/// Below this share it is not any more, whatever the canaries do: lower than the other, so that one host does not move it to and fro.
const BACK_PERCENT: usize = 15;
/// How long a suspicion may last, in ms: time for a look at every host, with the longest timeout.
const SUSPECT_MAX_MS: i64 = 150_000;

/// What the canaries say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CanaryReport {
    /// One of them answers, or there are none to ask: what is wrong is not our network.
    Answering,
    /// None of them answers; what they are called.
    Silent(Vec<String>),
}

/// What a result says of the way to the target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sign {
    /// As it should be.
    Well,
    /// An answer came, but a wrong one.
    Wrong,
    /// No answer, and something has said why: refused, reset, no such name.
    Refused,
    /// No answer within the time.
    Hanging,
    /// No answer, and the error may be either side's.
    Doubtful,
    /// A trouble of our own.
    Ours,
}

impl Sign {
    /// What `result` says.
    pub fn of(result: &CheckResult) -> Self {
        match (result.verdict, &result.error) {
            (Verdict::Up | Verdict::Degraded, _) => Self::Well,
            (Verdict::Unknown, _) => Self::Ours,
            (Verdict::Down, Some(error)) if error.doubtful => Self::Doubtful,
            (Verdict::Down, Some(error)) if result.status_code.is_none() => match error.kind {
                ErrorKind::Timeout => Self::Hanging,
                ErrorKind::Dns | ErrorKind::Refused | ErrorKind::Reset => Self::Refused,
                _ => Self::Wrong,
            },
            (Verdict::Down, _) => Self::Wrong,
        }
    }

    fn is_silent(self) -> bool {
        !matches!(self, Self::Well | Self::Wrong)
    }
}

/// One look at a host.
#[derive(Debug, Clone, Copy)]
pub struct Look<'a> {
    /// The host, without the port: all that is on it shares its fate.
    pub host: &'a str,
    /// When the check began.
    pub started_at: Timestamp,
    /// What it says.
    pub sign: Sign,
    /// How long it says so, in ms: the monitor's interval and timeout.
    pub life_ms: i64,
}

/// How many hosts are silent.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tally {
    /// Silent ones.
    pub silent: usize,
    /// All that were looked at lately.
    pub all: usize,
}

impl Tally {
    fn is_at_least(self, percent: usize) -> bool {
        self.all >= HOSTS_MIN && self.silent * 100 >= self.all * percent
    }
}

/// What is to be done now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// Look at everything soon: nobody knows yet, or what was held must be seen afresh.
    LookAround,
    /// The region is cut off.
    CutOff {
        /// When the first of the silent hosts fell silent.
        since: Timestamp,
        /// How many are silent.
        tally: Tally,
        /// The canaries, all silent.
        canaries: Vec<String>,
    },
    /// It is back: look at everything soon.
    Back,
}

/// What follows for one result.
#[derive(Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether its verdict is held: it is `unknown`.
    pub is_held: bool,
    /// What is to be done.
    pub change: Option<Change>,
}

/// Where the region stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Nothing is odd.
    Calm,
    /// The canaries are silent; whether the hosts are is being looked at, from this moment on.
    Suspecting(Timestamp),
    /// The canaries are silent, but most hosts are not: the canaries are at fault.
    Dismissed,
    /// The region is cut off.
    CutOff,
}

#[derive(Debug)]
struct Host {
    silent_since: Option<Timestamp>,
    started_at: Timestamp,
    seen_at: Timestamp,
    life_ms: i64,
}

/// What is known of the hosts and of the region.
#[derive(Debug)]
pub struct Lookout {
    phase: Phase,
    hosts: HashMap<String, Host>,
    silent: usize,
    /// No host's look is too old before this moment.
    sweep_at: Timestamp,
    /// When the region came back. Failures of checks that had begun before say nothing.
    back_at: Timestamp,
}

impl Lookout {
    /// Knows nothing yet; `is_cut_off` says where things stood when the server was last stopped.
    pub fn new(is_cut_off: bool) -> Self {
        Self {
            phase: if is_cut_off { Phase::CutOff } else { Phase::Calm },
            hosts: HashMap::new(),
            silent: 0,
            sweep_at: Timestamp(i64::MAX),
            back_at: Timestamp(i64::MIN),
        }
    }

    /// Where the region stands.
    pub fn phase(&self) -> Phase {
        self.phase
    }

    /// Notes a look that ended at `now`. Whether the canaries are to be asked before [`Lookout::decide`].
    pub fn note(&mut self, look: &Look<'_>, now: Timestamp) -> bool {
        self.sweep(now);
        let is_silent = look.sign.is_silent();
        let before = self.hosts.get(look.host).and_then(|host| host.silent_since);
        self.silent -= usize::from(before.is_some());
        self.silent += usize::from(is_silent);
        let host = Host {
            silent_since: is_silent.then(|| before.unwrap_or(look.started_at)),
            started_at: look.started_at,
            seen_at: now,
            life_ms: look.life_ms,
        };
        self.sweep_at = self.sweep_at.min(now.plus_ms(look.life_ms));
        match self.hosts.get_mut(look.host) {
            Some(known) => *known = host,
            None => drop(self.hosts.insert(look.host.to_owned(), host)),
        }
        match look.sign {
            Sign::Well => false,
            Sign::Wrong => self.phase == Phase::CutOff,
            Sign::Refused => self.phase != Phase::Calm || self.tally().is_at_least(SILENT_PERCENT),
            Sign::Hanging | Sign::Doubtful | Sign::Ours => true,
        }
    }

    /// Decides on a noted result at `now`. `report` is what the canaries said after it, if they were asked.
    pub fn decide(
        &mut self,
        sign: Sign,
        started_at: Timestamp,
        report: Option<&CanaryReport>,
        now: Timestamp,
    ) -> Decision {
        let mut change = None;
        let mut are_silent = false;
        match report {
            Some(CanaryReport::Answering) => change = self.canaries_answer(now),
            Some(CanaryReport::Silent(canaries)) => {
                are_silent = true;
                if sign.is_silent() {
                    change = self.suspect(canaries, now);
                }
            }
            None => {}
        }
        // A clock that was set back would else hold everything until it is there again.
        let is_stale = started_at < self.back_at && self.back_at <= now;
        let is_held = match sign {
            Sign::Well | Sign::Ours => false,
            _ if is_stale || self.phase == Phase::CutOff => true,
            Sign::Doubtful => are_silent,
            Sign::Hanging => matches!(self.phase, Phase::Suspecting(_)),
            Sign::Wrong | Sign::Refused => false,
        };
        Decision { is_held, change }
    }

    /// Looks again while the region is suspected or cut off: `report` is what the canaries say now.
    pub fn look_again(&mut self, report: &CanaryReport, now: Timestamp) -> Option<Change> {
        self.sweep(now);
        let CanaryReport::Silent(canaries) = report else { return self.canaries_answer(now) };
        match self.phase {
            Phase::Suspecting(since) => {
                if self.tally().is_at_least(SILENT_PERCENT) {
                    return Some(self.cut_off(canaries, now));
                }
                let all_seen = self.hosts.values().all(|host| host.started_at >= since);
                let lasts_ms = now.since(since);
                if !all_seen && (0..SUSPECT_MAX_MS).contains(&lasts_ms) {
                    return None;
                }
                self.phase = Phase::Dismissed;
                Some(Change::LookAround)
            }
            Phase::CutOff if self.hosts.len() >= HOSTS_MIN => {
                let is_over = !self.tally().is_at_least(BACK_PERCENT);
                is_over.then(|| self.back(Phase::Dismissed, now))
            }
            _ => None,
        }
    }

    fn canaries_answer(&mut self, now: Timestamp) -> Option<Change> {
        match self.phase {
            Phase::CutOff => Some(self.back(Phase::Calm, now)),
            Phase::Suspecting(_) => {
                self.phase = Phase::Calm;
                // What was held meanwhile is seen afresh.
                Some(Change::LookAround)
            }
            Phase::Calm | Phase::Dismissed => {
                self.phase = Phase::Calm;
                None
            }
        }
    }

    fn suspect(&mut self, canaries: &[String], now: Timestamp) -> Option<Change> {
        if self.phase == Phase::CutOff {
            return None;
        }
        if self.tally().is_at_least(SILENT_PERCENT) {
            return Some(self.cut_off(canaries, now));
        }
        // With fewer hosts nothing that a look around could find would decide.
        if self.phase == Phase::Calm && self.hosts.len() >= HOSTS_MIN {
            self.phase = Phase::Suspecting(now);
            return Some(Change::LookAround);
        }
        None
    }

    fn cut_off(&mut self, canaries: &[String], now: Timestamp) -> Change {
        let spell_began = match self.phase {
            Phase::Suspecting(since) => since.min(now),
            _ => now,
        };
        // Hosts that have been silent for longer than a round were so before.
        let of_this_spell = |host: &Host| {
            host.silent_since.filter(|since| spell_began.since(*since) <= host.life_ms)
        };
        let since = self.hosts.values().filter_map(of_this_spell).min().unwrap_or(now).min(now);
        self.phase = Phase::CutOff;
        Change::CutOff { since, tally: self.tally(), canaries: canaries.to_vec() }
    }

    fn back(&mut self, phase: Phase, now: Timestamp) -> Change {
        self.phase = phase;
        self.back_at = now;
        // What was seen while cut off proves nothing about a next time.
        self.hosts.clear();
        self.silent = 0;
        Change::Back
    }

    fn tally(&self) -> Tally {
        Tally { silent: self.silent, all: self.hosts.len() }
    }

    /// Forgets looks that are too old, or that lie in the future of a clock that was set back.
    fn sweep(&mut self, now: Timestamp) {
        if now < self.sweep_at {
            return;
        }
        self.hosts.retain(|_, host| (0..host.life_ms).contains(&now.since(host.seen_at)));
        self.silent = self.hosts.values().filter(|host| host.silent_since.is_some()).count();
        let ends = self.hosts.values().map(|host| host.seen_at.plus_ms(host.life_ms));
        self.sweep_at = ends.min().unwrap_or(Timestamp(i64::MAX));
    }
}
