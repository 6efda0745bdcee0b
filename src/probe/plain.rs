//! Checks that either work or do not: nothing comes of them that would have to be judged.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use super::certs;
use super::failure::timed_out;
use super::phases::Marks;
use crate::clock::Timestamp;
use crate::monitor::{CheckError, CheckResult, FailedChecks, Pace};

/// Gives `check` the time that `pace` allows and says what came of it.
pub(super) async fn run(
    pace: &Pace,
    region: &str,
    started_at: Timestamp,
    check: impl Future<Output = Result<(), CheckError>>,
) -> CheckResult {
    let marks = Marks::start();
    let limit = Duration::from_secs(pace.timeout_seconds.into());
    let watched = Arc::clone(&marks).watch(check);
    let error = match tokio::time::timeout(limit, watched).await {
        Ok(ended) => ended.err(),
        Err(_) => Some(timed_out(marks.resolving(), pace.timeout_seconds)),
    };
    let phases = marks.phases();
    CheckResult {
        region: region.to_owned(),
        started_at,
        verdict: pace
            .verdict(error.as_ref().map(|error| error.kind), phases.total.unwrap_or_default()),
        phases,
        status_code: None,
        error,
        failed_checks: FailedChecks::new(),
        certificate: certs::first_to_end(&marks.take_certificates()),
        answer: None,
    }
}
