//! What is watched: monitors, their settings, what a check found, and what follows for their state. Pure.

pub mod assertion;
pub mod assess;
pub mod body;
mod cause;
pub mod certificate;
#[cfg(test)]
mod certificate_tests;
pub mod confidence;
pub mod cutoff;
#[cfg(test)]
mod cutoff_tests;
pub mod dns_spec;
pub mod endpoint;
pub mod expect;
#[cfg(test)]
mod expect_tests;
mod fact;
pub mod header;
pub mod health_body;
pub mod heartbeat;
pub(crate) mod heartbeat_fields;
#[cfg(test)]
mod heartbeat_tests;
mod icmp_spec;
pub mod json;
pub mod json_path;
mod line;
pub mod mend;
#[cfg(test)]
mod mend_tests;
pub mod pace;
mod path_pattern;
pub mod pattern;
mod policy;
pub mod quorum;
pub mod raw_answer;
pub mod regions;
#[cfg(test)]
mod regions_tests;
pub mod rules;
pub mod schedule;
pub mod signal_path;
pub mod spec;
pub mod state;
#[cfg(test)]
mod state_tests;
pub mod status_set;
mod tcp_spec;
mod tls_spec;
mod unknown;
mod who_is_told;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::clock::Timestamp;
pub use certificate::Certificate;
pub use dns_spec::{DnsSpec, RecordKind};
pub use header::Header;
pub use icmp_spec::IcmpSpec;
pub use pace::Pace;
pub use quorum::Quorum;
pub use raw_answer::RawAnswer;
pub use regions::RegionState;
pub use spec::{HeartbeatSpec, HttpSpec, Settings, Target};
pub use tcp_spec::TcpSpec;
pub use tls_spec::TlsSpec;

crate::words! {
    /// What kind of thing a monitor watches.
    pub enum Kind {
        /// A URL that is fetched.
        Http = "http",
        /// A job that pings us.
        Heartbeat = "heartbeat",
        /// A port that is connected to.
        Tcp = "tcp",
        /// A name that is looked up.
        Dns = "dns",
        /// A TLS handshake and its certificate.
        Tls = "tls",
        /// A host that is pinged.
        Icmp = "icmp",
    }
}

impl Kind {
    /// The kind that an address is of by its scheme, `http` when the scheme says nothing.
    pub fn of_url(url: &str) -> Self {
        match url.trim().split_once("://").map(|(scheme, _)| scheme.to_ascii_lowercase()).as_deref()
        {
            Some("tcp") => Self::Tcp,
            Some("dns") => Self::Dns,
            Some("tls") => Self::Tls,
            Some("icmp") => Self::Icmp,
            _ => Self::Http,
        }
    }

    /// Whether its checks may see a certificate, which then is kept and warned of.
    pub fn has_certificate(self) -> bool {
        matches!(self, Self::Http | Self::Tls)
    }
}

crate::words! {
    /// The state of a monitor (contract, section 4).
    pub enum Status {
        /// Not yet known: nothing was checked or pinged since it was made or resumed.
        Pending = "pending",
        /// As it should be.
        Up = "up",
        /// Right, but slow.
        Degraded = "degraded",
        /// Confirmed to be failing.
        Down = "down",
        /// Not watched for now.
        Paused = "paused",
    }
}

crate::words! {
    /// What one check says.
    pub enum Verdict {
        /// As expected.
        Up = "up",
        /// As expected, but slower than `degraded_after_ms`.
        Degraded = "degraded",
        /// Not as expected.
        Down = "down",
        /// A trouble of our own: it says nothing about the target.
        Unknown = "unknown",
    }
}

crate::words! {
    /// Why a check failed (contract, section 4).
    pub enum ErrorKind {
        /// The name could not be resolved.
        Dns = "dns",
        /// Nobody listens at the address.
        Refused = "refused",
        /// The connection was broken off.
        Reset = "reset",
        /// It took longer than `timeout_seconds`.
        Timeout = "timeout",
        /// The TLS handshake or the certificate failed.
        Tls = "tls",
        /// The status code is not an expected one.
        Status = "status",
        /// A keyword is missing, or one that must not be there is.
        Keyword = "keyword",
        /// Something that is asserted of the answer is not so, or it is not the expected value.
        Assertion = "assertion",
        /// More than ten redirects.
        TooManyRedirects = "too_many_redirects",
        /// The egress rules do not allow the address.
        Blocked = "blocked",
        /// What came back is not HTTP.
        InvalidResponse = "invalid_response",
        /// A trouble of Watchbell's own; the verdict is `unknown`.
        Internal = "internal",
    }
}

crate::words! {
    /// Which changes of a monitor its channels hear of.
    pub enum NotifyOn {
        /// It went down.
        Down = "down",
        /// It is back.
        Up = "up",
        /// It became slow, or is quick again.
        Degraded = "degraded",
        /// Its certificate ends soon.
        Certificate = "certificate",
    }
}

/// The number of a monitor.
pub type MonitorId = i64;

/// One watched thing: its settings and whether it is watched now.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Monitor {
    /// Its number.
    pub id: MonitorId,
    /// The secret of a heartbeat's ping URL; `None` for the other kinds.
    pub uuid: Option<Uuid>,
    /// What people set.
    pub settings: Settings,
    /// Whether it is paused.
    pub paused: bool,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last edited.
    pub updated_at: Timestamp,
}

impl Monitor {
    /// What kind of thing it watches.
    pub fn kind(&self) -> Kind {
        self.settings.target.kind()
    }
}

/// From `at` on a monitor was in `status`; `None` is a gap in which nobody was looking.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StatusChange {
    /// Since when.
    pub at: Timestamp,
    /// In what.
    pub status: Option<Status>,
}

/// How long each completed phase of a check took, in whole milliseconds.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Phases {
    /// Name resolution; `None` for a literal address or when it did not end.
    pub dns: Option<u32>,
    /// The TCP handshake.
    pub connect: Option<u32>,
    /// The TLS handshake.
    pub tls: Option<u32>,
    /// From the request sent to the first byte of the answer.
    pub first_byte: Option<u32>,
    /// From the start to the end, whatever the end was.
    pub total: Option<u32>,
}

/// Why a check failed, in a word and in a sentence part (`connection refused`).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CheckError {
    /// The kind, for machines.
    pub kind: ErrorKind,
    /// One line for people, at most 300 characters.
    pub text: String,
    /// Whether it may as well be our side's: no route to the host, no answer of the resolver. Decided on by
    /// [`cutoff`], and of no interest after that.
    #[serde(skip)]
    pub doubtful: bool,
}

impl CheckError {
    /// An error that is the target's, or plainly ours.
    pub fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into(), doubtful: false }
    }
}

/// The parts of a health body that are not well: dotted path to text, as `checks.database` to `error: …`.
pub type FailedChecks = BTreeMap<String, String>;

/// What one check found, with its verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct CheckResult {
    /// The region it was made from.
    pub region: String,
    /// When it began.
    pub started_at: Timestamp,
    /// Where the time went.
    pub phases: Phases,
    /// The status code of the final answer, if one came.
    pub status_code: Option<u16>,
    /// Why the verdict is not `up` or `degraded`.
    pub error: Option<CheckError>,
    /// The parts of a health body that are not well.
    pub failed_checks: FailedChecks,
    /// The certificate that the server showed, also of a handshake that failed by it. Of several (redirects) the one that ends
    /// first. `None` without TLS, and of stored results.
    pub certificate: Option<Arc<Certificate>>,
    /// The answer as it came, if one did and it was not well. `None` of stored results, which keep it beside them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub answer: Option<Arc<RawAnswer>>,
    /// What it means.
    pub verdict: Verdict,
}

impl CheckResult {
    /// When it ended.
    pub fn ended_at(&self) -> Timestamp {
        self.started_at.plus_ms(self.phases.total.map_or(0, i64::from))
    }

    /// The answer, if it is to be kept: those of checks that are well would take too much room.
    pub fn answer_to_keep(&self) -> Option<&RawAnswer> {
        let answer = self.answer.as_deref()?;
        (self.verdict != Verdict::Up && answer.is_well_formed()).then_some(answer)
    }
}

/// What an open or past outage is put down to. `message` turns it into the reason line of an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Cause {
    /// A check failed: by status code (then `error.kind` is `status`) or by error.
    Check {
        /// The status code that came, if one did.
        status_code: Option<u16>,
        /// What was wrong.
        error: CheckError,
        /// The parts of the health body that are not well.
        failed_checks: FailedChecks,
    },
    /// A heartbeat's deadline passed.
    NoPing {
        /// The time since the last success (or since watching began), in ms.
        silent_ms: i64,
        /// When it was expected, in words: `every 1m`.
        expected: String,
        /// The grace given on top, in seconds.
        grace_seconds: u32,
    },
    /// A heartbeat never pinged within its first-ping limit.
    NoFirstPing {
        /// The limit, in seconds.
        within_seconds: u32,
    },
    /// A run of a job has begun and did not end within its max runtime.
    StillRunning {
        /// The max runtime, in seconds.
        max_runtime_seconds: u32,
    },
    /// The region is cut off from the network: Watchbell's own incident.
    CutOff {
        /// How many hosts do not answer.
        silent: u32,
        /// How many hosts were looked at.
        hosts: u32,
        /// The canaries, none of which answers.
        canaries: Vec<String>,
    },
    /// The job itself said that it failed.
    ReportedFailure {
        /// Its exit status, if it gave one.
        exit_status: Option<i64>,
    },
}
