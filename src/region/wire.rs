//! What the server and its probes say to each other, as JSON over HTTP. Pure.
//!
//! A probe asks `POST /api/probe/v1/poll` what it has to check, and waits there until that changes; it hands in what it found with
//! `POST /api/probe/v1/results`. Every message bears [`VERSION`]; a message of another one is refused with words that say which end
//! is too old. Times are milliseconds since the epoch.

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;
use crate::monitor::{CheckResult, Header, Monitor, MonitorId, Settings, Target};

/// The version of the messages.
pub const VERSION: u32 = 1;
/// The most tasks in one answer; the rest comes with the next.
pub const TASKS_MAX: usize = 500;
/// The most results in one message.
pub const RESULTS_MAX: usize = 500;
/// The most bytes of the texts of one result.
const TEXTS_MAX_BYTES: usize = 256 * 1024;
/// The longest that a poll may be held, in seconds.
pub const WAIT_MAX_SECONDS: u32 = 25;

/// What a probe has to do now.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Load {
    /// How many monitors it checks.
    pub monitors: usize,
    /// Checks in flight.
    pub in_flight: usize,
    /// Checks that are due and wait for a permit.
    pub waiting: usize,
    /// Results that it keeps until the server has them.
    pub spooled: u64,
    /// Results that it had to drop, as too many waited, since its start.
    pub dropped: u64,
    /// How late its checks begin: 99 of 100 not later than this, in ms.
    pub lateness_p99_ms: i64,
}

/// A probe asks what it has to check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Poll {
    /// [`VERSION`] of the probe.
    pub version: u32,
    /// Drawn at the start of its process: two processes cannot share a token.
    pub instance: Uuid,
    /// The version of its program.
    pub program: String,
    /// Of which life of the server its knowledge is; `None`: it knows nothing.
    pub epoch: Option<Uuid>,
    /// Up to where it knows.
    pub revision: u64,
    /// What its machine's clock shows, uncorrected.
    pub clock: i64,
    /// How long its last request took beside the work, in ms.
    pub latency_ms: Option<i64>,
    /// What it has to do.
    pub load: Load,
    /// How long the answer may be held while there is nothing new, in seconds.
    pub wait_seconds: u32,
}

/// What a probe has to check.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Assignments {
    /// [`VERSION`] of the server.
    pub version: u32,
    /// When the poll came in, by the server's clock.
    pub received_at: i64,
    /// When this was sent.
    pub sent_at: i64,
    /// The probe's region.
    pub region: String,
    /// Of which life of the server this is.
    pub epoch: Uuid,
    /// Up to where the probe knows now.
    pub revision: u64,
    /// Whether this is told from the beginning: what does not come again, up to the first answer without `more`, is no more.
    pub reset: bool,
    /// Whether there is more, to be asked for at once.
    pub more: bool,
    /// What is new or was changed.
    pub watch: Vec<Task>,
    /// What is not to be checked any more.
    pub forget: Vec<MonitorId>,
}

/// One monitor, as far as a check needs it: no name, no channels, and of other regions only how many there are, as each has its own
/// share of the interval.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Task {
    /// Its number.
    pub id: MonitorId,
    /// What is checked, and how.
    pub target: Target,
    /// The request's headers, secret ones too: the check needs them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<Header>,
    /// When it was last edited.
    pub updated_at: i64,
}

impl Task {
    /// What the probe of `region` must know of `monitor`.
    pub fn of(monitor: &Monitor, region: &str) -> Self {
        let mut target = monitor.settings.target.clone();
        if let Some(pace) = target.pace_mut() {
            pace.regions.iter_mut().filter(|name| *name != region).for_each(String::clear);
            pace.region_quorum = Default::default();
        }
        let headers = match &mut target {
            Target::Http(spec) => std::mem::take(&mut spec.headers),
            _ => Vec::new(),
        };
        Self { id: monitor.id, target, headers, updated_at: monitor.updated_at.0 }
    }

    /// The monitor as a probe has it.
    pub fn into_monitor(mut self) -> Monitor {
        if let Target::Http(spec) = &mut self.target {
            spec.headers = self.headers;
        }
        let updated_at = Timestamp(self.updated_at);
        let settings = Settings::of_target(self.target);
        Monitor {
            id: self.id,
            uuid: None,
            settings,
            paused: false,
            created_at: updated_at,
            updated_at,
        }
    }
}

/// A probe hands in what it found. Sent twice it changes nothing: a result is known by monitor, region and start.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Results {
    /// [`VERSION`] of the probe.
    pub version: u32,
    /// Of which process.
    pub instance: Uuid,
    /// In the order in which the checks ended.
    pub results: Vec<Found>,
}

/// What one check found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Of which monitor.
    pub monitor_id: MonitorId,
    /// What.
    pub result: CheckResult,
    /// When the monitor was last edited, as far as the probe knew then; `None` of one that does not say so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub settings_at: Option<i64>,
}

impl Found {
    /// Whether its texts are such as a probe sends: without NUL, and not without end.
    pub fn is_well_formed(&self) -> bool {
        let CheckResult { error, failed_checks, certificate, answer, .. } = &self.result;
        let mut texts: Vec<&str> = error.iter().map(|error| error.text.as_str()).collect();
        texts.extend(failed_checks.iter().flat_map(|(path, text)| [path.as_str(), text.as_str()]));
        if let Some(certificate) = certificate {
            texts.extend(certificate.texts());
        }
        if let Some(answer) = answer {
            texts.extend([answer.head.as_str(), answer.body.as_str()]);
        }
        texts.iter().map(|text| text.len()).sum::<usize>() <= TEXTS_MAX_BYTES
            && !texts.iter().any(|text| text.contains('\0'))
    }
}

/// What became of results.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// [`VERSION`] of the server.
    pub version: u32,
    /// How many are durable now, repeated ones too.
    pub accepted: u64,
    /// How many were refused and need not be sent again.
    pub refused: u64,
}

/// Why a message of `version` cannot be read here, where [`VERSION`] is spoken; `None`: it can. `them` and `us` name the ends.
pub fn mismatch(version: u32, them: &str, us: &str) -> Option<String> {
    let older = match version.cmp(&VERSION) {
        std::cmp::Ordering::Equal => return None,
        std::cmp::Ordering::Less => them,
        std::cmp::Ordering::Greater => us,
    };
    Some(format!(
        "the {them} speaks version {version} and the {us} version {VERSION}; update the {older}"
    ))
}

crate::words! {
    /// Why something of a probe was refused.
    pub enum Refusal {
        /// The token is unknown, rotated, or its probe was deleted.
        Token = "token",
        /// The probe is disabled.
        Disabled = "disabled",
        /// Another process has taken over with the same token since.
        Replaced = "replaced",
        /// The message is of another version or too long, or cannot be read.
        Message = "message",
        /// A result of another region.
        Region = "region",
        /// A result of a monitor that the probe was not given.
        Monitor = "monitor",
        /// A result by settings that had been changed when the check began, which the probe did not know yet.
        Settings = "settings",
        /// A result of a check that is yet to begin, or that is older than its monitor: a clock that is wrong and was not corrected.
        Clock = "clock",
    }
}
