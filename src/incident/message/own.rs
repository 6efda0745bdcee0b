//! The words of Watchbell's own incidents: its region is cut off from the network, and back. Pure.

use super::{Message, duration, one_line};

/// What Watchbell's own incident is about: itself, in its region.
pub fn own_name(region: &str) -> String {
    one_line(&format!("Watchbell (region {region})"))
}

/// Why the region is held to be cut off, in one sentence.
pub(super) fn cut_off_reason(silent: u32, hosts: u32, canaries: &[String]) -> String {
    format!("{silent} of {hosts} hosts do not answer, and no canary does ({})", canaries.join(", "))
}

impl Message {
    /// Watchbell is cut off in `region`, because of `reason`.
    pub fn cut_off(region: &str, reason: &str) -> Self {
        Self {
            sign: "🟠".to_owned(),
            subject: own_name(region),
            predicate: "is cut off from the network".to_owned(),
            lines: vec![
                one_line(reason),
                "Verdicts are held until it is back; no monitor goes down by this.".to_owned(),
            ],
        }
    }

    /// Watchbell is back in `region`, after `lasted_ms`.
    pub fn no_longer_cut_off(region: &str, lasted_ms: i64) -> Self {
        Self {
            sign: "🟢".to_owned(),
            subject: own_name(region),
            predicate: "is back on the network".to_owned(),
            lines: vec![
                format!("Cut off for: {}", duration(lasted_ms)),
                "Everything is checked afresh.".to_owned(),
            ],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::reason;
    use super::*;
    use crate::monitor::Cause;

    #[test]
    fn cut_off_and_back() {
        let canaries = ["gateway 10.0.0.1", "resolver 10.0.0.2"].map(str::to_owned).to_vec();
        let reason = reason(&Cause::CutOff { silent: 312, hosts: 500, canaries });
        assert_eq!(
            Message::cut_off("local", &reason).text(),
            "🟠 *Watchbell (region local)* is cut off from the network\n\
             312 of 500 hosts do not answer, and no canary does (gateway 10.0.0.1, resolver 10.0.0.2)\n\
             Verdicts are held until it is back; no monitor goes down by this."
        );
        assert_eq!(
            Message::no_longer_cut_off("local", 262_000).text(),
            "🟢 *Watchbell (region local)* is back on the network\n\
             Cut off for: 4m 22s\n\
             Everything is checked afresh."
        );
    }
}
