//! The words of a warning that a certificate ends. Pure.

use super::{Message, duration, one_line};
use crate::clock::Timestamp;
use crate::monitor::{Certificate, Monitor};

const DAY_MS: i64 = 86_400_000;

impl Message {
    /// The certificate of a monitor ends soon, or has ended.
    pub fn certificate_expiring(
        monitor: &Monitor,
        certificate: &Certificate,
        now: Timestamp,
    ) -> Self {
        let left = certificate.not_after.since(now);
        let predicate = match certificate.days_left(now) {
            _ if certificate.has_ended(now) => "certificate has expired".to_owned(),
            days if left > DAY_MS => format!("certificate expires in {days} days"),
            _ => format!("certificate expires in {}", duration(left)),
        };
        let issuer = match certificate.issuer.as_str() {
            "" => String::new(),
            issuer => format!(", issued by {issuer}"),
        };
        let lines = vec![
            format!("Expires: {}", certificate.not_after.to_utc().format("%Y-%m-%d %H:%M UTC")),
            one_line(&format!("Certificate: {}{issuer}", certificate.title())),
        ];
        Self::new("🟠", monitor, &predicate, lines)
    }
}
