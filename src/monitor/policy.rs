//! What decides beside the state of a monitor: the part of its settings that `step` looks at. Pure.

use super::quorum::{Rule, fresh_ms};
use super::{HeartbeatSpec, Target};

/// What decides beside the state.
#[derive(Debug, Clone, Copy)]
pub struct Policy<'a> {
    /// Re-checks before `down`.
    pub retries: u32,
    /// Successes in a row before `up` again.
    pub recovery_checks: u32,
    /// The window of a heartbeat.
    pub heartbeat: Option<&'a HeartbeatSpec>,
    /// The days before the end of a certificate at which it is warned of.
    pub tls_expiry_days: &'a [u32],
    /// Who decides, of a monitor that is not checked from the server's own region alone.
    pub rule: Option<Rule<'a>>,
}

impl<'a> Policy<'a> {
    /// What a monitor's settings say.
    pub fn of(target: &'a Target) -> Self {
        let (retries, recovery_checks) =
            target.pace().map_or((0, 1), |pace| (pace.retries, pace.recovery_checks));
        let heartbeat = match target {
            Target::Heartbeat(spec) => Some(spec),
            _ => None,
        };
        let rule = target.pace().filter(|pace| !pace.regions.is_empty()).map(|pace| Rule {
            regions: &pace.regions,
            quorum: pace.region_quorum,
            fresh_ms: fresh_ms(pace),
        });
        let tls_expiry_days = target.tls_expiry_days();
        Self { retries, recovery_checks, heartbeat, tls_expiry_days, rule }
    }

    /// That of a monitor of which nothing is known: one failure is down, one success is up.
    pub(super) fn plain() -> Self {
        Self { retries: 0, recovery_checks: 1, heartbeat: None, tls_expiry_days: &[], rule: None }
    }
}
