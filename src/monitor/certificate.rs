//! Certificates as checks see them, and when their end is near enough to warn of it. Pure.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::state::{Fact, Policy, State};
use super::{CheckResult, ErrorKind};
use crate::clock::Timestamp;
use crate::fields::Fields;

/// The days before its end at which a certificate is warned of, unless a monitor says otherwise (contract, section 4).
pub const EXPIRY_DAYS: [u32; 4] = [30, 14, 7, 1];

/// The most thresholds that a monitor may have.
const THRESHOLDS_MAX: usize = 10;

/// The most days that a threshold may have.
const THRESHOLD_MAX: u32 = 1000;

/// How many certificates are remembered as warned of: a name that several machines serve shows theirs in turn.
const WARNED_MAX: usize = 16;

const DAY_MS: i64 = 86_400_000;

/// The certificate that a server showed of itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Certificate {
    /// Whom it was made out to: its common name, with the organisation in brackets. May be empty.
    pub subject: String,
    /// Who made it, in the same form.
    pub issuer: String,
    /// The names and addresses that it is valid for, as it lists them; the first fifty.
    pub names: Vec<String>,
    /// It is not valid before this moment.
    pub not_before: Timestamp,
    /// It is not valid after this moment.
    pub not_after: Timestamp,
    /// SHA-256 of the whole, in lower-case hexadecimal digits.
    pub fingerprint: String,
}

impl Certificate {
    /// All its texts.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        let own = [&self.subject, &self.issuer, &self.fingerprint];
        own.into_iter().chain(&self.names).map(String::as_str)
    }

    /// The days until it ends, rounded up: 1 on its last day, 0 or less once it has ended.
    pub fn days_left(&self, now: Timestamp) -> i64 {
        -now.since(self.not_after).div_euclid(DAY_MS)
    }

    /// Whether its end has passed.
    pub fn has_ended(&self, now: Timestamp) -> bool {
        self.not_after < now
    }

    /// What it is called in a line for people: its subject, or the first name that it is valid for.
    pub fn title(&self) -> &str {
        match (self.subject.as_str(), self.names.first()) {
            ("", Some(name)) => name,
            ("", None) => "no name",
            (subject, _) => subject,
        }
    }

    /// The certificate as the API and the command line show it at `now`.
    pub fn shown(&self, now: Timestamp) -> Value {
        let mut shown = match json!(self) {
            Value::Object(map) => map,
            // A struct is always an object.
            _ => Map::new(),
        };
        shown.insert("days_left".to_owned(), json!(self.days_left(now)));
        Value::Object(shown)
    }
}

/// A certificate that was warned of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Warned {
    /// Which.
    pub fingerprint: String,
    /// The nearest threshold that it has passed, in days: this one and all above it are told.
    pub threshold: u32,
}

/// Keeps the certificate that a check saw, and says if its end is near.
pub(super) fn seen(
    state: &mut State,
    result: &CheckResult,
    policy: &Policy<'_>,
    now: Timestamp,
    facts: &mut Vec<Fact>,
) {
    let Some(seen) = &result.certificate else { return };
    state.certificate = Some(Arc::clone(seen));
    // A certificate that is refused is an outage, which is told as such.
    if result.error.as_ref().is_some_and(|error| error.kind == ErrorKind::Tls) {
        return;
    }
    if let Some(threshold) = due_warning(seen, policy.tls_expiry_days, &state.warned, now) {
        note_warning(&mut state.warned, seen, threshold);
        let days_left = seen.days_left(now);
        let certificate = Arc::clone(seen);
        facts.push(Fact::CertificateExpiring { certificate, days_left, threshold });
    }
}

/// The threshold of which `certificate` is to be warned at `now`: the nearest one that it has passed, unless that one or a
/// nearer one was told.
fn due_warning(
    certificate: &Certificate,
    thresholds: &[u32],
    warned: &[Warned],
    now: Timestamp,
) -> Option<u32> {
    let days_left = certificate.days_left(now);
    let nearest = thresholds.iter().copied().filter(|days| days_left <= i64::from(*days)).min()?;
    let told = warned.iter().find(|told| told.fingerprint == certificate.fingerprint);
    told.is_none_or(|told| nearest < told.threshold).then_some(nearest)
}

/// Notes that a certificate was warned of at `threshold`; of too many the one that was warned of the longest ago is forgotten.
fn note_warning(warned: &mut Vec<Warned>, certificate: &Certificate, threshold: u32) {
    warned.retain(|told| told.fingerprint != certificate.fingerprint);
    if warned.len() >= WARNED_MAX {
        warned.remove(0);
    }
    warned.push(Warned { fingerprint: certificate.fingerprint.clone(), threshold });
}

/// The usual thresholds, for settings that were stored before there were any.
pub(super) fn usual_expiry_days() -> Vec<u32> {
    EXPIRY_DAYS.to_vec()
}

/// Reads `tls_expiry_days`: kept from the most days to the fewest, each once. Empty: no warning.
pub(super) fn read_expiry_days(fields: &mut Fields<'_>, current: Option<Vec<u32>>) -> Vec<u32> {
    fields.read("tls_expiry_days", usual_expiry_days(), current, |value| {
        let fix = || {
            format!(
                "must have whole numbers of days from 0 to {THRESHOLD_MAX}, such as [30, 14, 7, 1]"
            )
        };
        let mut days = Vec::new();
        for item in value.as_array().ok_or_else(fix)? {
            let number = item.as_u64().and_then(|n| u32::try_from(n).ok());
            days.push(number.filter(|n| *n <= THRESHOLD_MAX).ok_or_else(fix)?);
        }
        days.sort_unstable_by(|a, b| b.cmp(a));
        days.dedup();
        if days.len() > THRESHOLDS_MAX {
            return Err(format!("must have at most {THRESHOLDS_MAX} numbers of days"));
        }
        Ok(days)
    })
}
