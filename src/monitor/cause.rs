//! What failed checks are put down to, and when two of them are the same trouble. Pure.

use super::{Cause, CheckError, CheckResult, ErrorKind};

/// What a failed check is put down to.
pub(super) fn cause_of(result: &CheckResult) -> Cause {
    Cause::Check {
        status_code: result.status_code,
        // A failed check always says why; this stands in should one ever not.
        error: result
            .error
            .clone()
            .unwrap_or_else(|| CheckError::new(ErrorKind::InvalidResponse, "the check failed")),
        failed_checks: result.failed_checks.clone(),
    }
}

/// Whether two causes are the same trouble, whatever numbers their texts hold.
pub(super) fn is_same_trouble(a: &Cause, b: &Cause) -> bool {
    match (a, b) {
        (
            Cause::Check { status_code: code_a, error: error_a, failed_checks: failed_a },
            Cause::Check { status_code: code_b, error: error_b, failed_checks: failed_b },
        ) => {
            code_a == code_b && error_a.kind == error_b.kind && failed_a.keys().eq(failed_b.keys())
        }
        _ => a == b,
    }
}
