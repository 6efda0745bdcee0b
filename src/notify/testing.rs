//! Alerts that tests of several channels send.

use std::collections::BTreeMap;

use crate::clock::Timestamp;
use crate::incident::message::{
    Alert, AlertCheck, AlertEvent, AlertIncident, AlertMonitor, Message,
};
use crate::monitor::Kind;

/// `yourapp.com/health` is down, as in the contract's example.
pub fn down_alert() -> Alert {
    let started_at = Timestamp::parse_rfc3339("2025-11-22T10:00:00Z").unwrap();
    let summary = "Status: 503 | checks.database: error: <no> & none";
    Alert {
        event: AlertEvent::MonitorDown,
        message: Message {
            sign: "🔴".to_owned(),
            subject: "yourapp.com/health".to_owned(),
            predicate: "is DOWN".to_owned(),
            lines: vec![summary.to_owned(), "Duration: 1m 12s".to_owned()],
        },
        monitor: Some(AlertMonitor {
            id: 7,
            kind: Kind::Http,
            name: "Your app".to_owned(),
            url: Some("https://yourapp.com/health?full=1".to_owned()),
            tags: vec!["tier-1".to_owned()],
        }),
        incident: Some(AlertIncident {
            id: 42,
            started_at,
            resolved_at: None,
            acknowledged_at: None,
            duration_seconds: 72,
            cause: "status".to_owned(),
            summary: summary.to_owned(),
        }),
        check: Some(AlertCheck {
            region: "local".to_owned(),
            status_code: Some(503),
            error: Some("status 503".to_owned()),
            response_ms: Some(120),
            failed_checks: BTreeMap::from([(
                "checks.database".to_owned(),
                "error: <no> & none".to_owned(),
            )]),
            checked_at: started_at.plus_ms(72_120),
        }),
    }
}

/// A test of a channel: no monitor, no incident, no check.
pub fn test_alert() -> Alert {
    Alert::channel_test("Ops")
}
