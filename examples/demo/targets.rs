//! What stands in for the network: answers as the story has them, made up from the address alone.

use std::sync::Arc;

use watchbell::clock::Timestamp;
use watchbell::monitor::cutoff::CanaryReport;
use watchbell::monitor::{
    CheckError, CheckResult, ErrorKind, FailedChecks, Phases, RawAnswer, Target, Verdict,
};
use watchbell::probe::{Canaries, Checks};

use super::past::Chance;

/// Our own network always works.
pub struct AnsweringCanaries;

#[async_trait::async_trait]
impl Canaries for AnsweringCanaries {
    async fn ask(&self) -> CanaryReport {
        CanaryReport::Answering
    }
}

/// Checks that contact nobody.
pub struct MadeUp;

#[async_trait::async_trait]
impl Checks for MadeUp {
    async fn check(&self, target: &Target, region: &str, at: Timestamp) -> Option<CheckResult> {
        let host = target.url()?.host_str().unwrap_or_default().to_owned();
        Some(result(&host, region, at))
    }
}

/// How long `host` usually takes, in ms: 40 to 540, the same at all times.
fn usual_ms(host: &str) -> u32 {
    match host {
        "checkout.kestrel.example" => 412,
        "cdn.kestrel.example" => 148,
        "search.kestrel.example" => 931,
        "api.kestrel.example" => 186,
        "vault.kestrel.example" => 64,
        "3ds.kestrel.example" => 522,
        "refunds.kestrel.example" => 201,
        _ => 40 + (Chance::of(host).next() % 500) as u32,
    }
}

/// What a check of `host` at `at` finds.
pub fn result(host: &str, region: &str, at: Timestamp) -> CheckResult {
    let mut chance = Chance::of(&format!("{host} {}", at.0 / 1000));
    let usual = usual_ms(host);
    let total = usual * (80 + (chance.next() % 40) as u32) / 100;
    let mut result = CheckResult {
        region: region.to_owned(),
        started_at: at,
        phases: phases(total),
        status_code: Some(200),
        error: None,
        failed_checks: FailedChecks::new(),
        certificate: None,
        answer: None,
        verdict: Verdict::Up,
    };
    match host {
        "checkout.kestrel.example" => {
            result.verdict = Verdict::Down;
            result.status_code = Some(503);
            result.error = Some(CheckError::new(ErrorKind::Status, "status 503"));
            let part =
                ("checks.database".to_owned(), "error: connection pool exhausted".to_owned());
            result.failed_checks = FailedChecks::from([part]);
            result.answer = Some(Arc::new(answer("503 Service Unavailable", at, CHECKOUT)));
        }
        // Two minutes of peace, one of trouble, as at the moment of the pictures: it is re-checked, and never confirmed.
        "cdn.kestrel.example" if at.0 / 60_000 % 3 == 2 => {
            result.verdict = Verdict::Down;
            result.status_code = None;
            result.error = Some(CheckError::new(ErrorKind::Timeout, "timeout after 10s"));
            result.phases = Phases { total: Some(10_000), ..Phases::default() };
        }
        "search.kestrel.example" => {
            result.verdict = Verdict::Degraded;
            result.answer = Some(Arc::new(answer("200 OK", at, SEARCH)));
        }
        _ => {}
    }
    result
}

/// What Checkout API says while its database is out of connections.
const CHECKOUT: &str = r#"{"status":"fail","version":"2026.46.3","checks":{"database":"error: connection pool exhausted","redis":"ok","payment_provider":"ok"}}"#;
/// What Search says of itself, slowly.
const SEARCH: &str = r#"{"status":"ok","checks":{"index":"ok","replicas":"ok"}}"#;

/// An answer of JSON as it came.
fn answer(status: &str, at: Timestamp, body: &str) -> RawAnswer {
    let date = at.to_utc().format("%a, %d %b %Y %H:%M:%S GMT");
    let head = format!(
        "HTTP/1.1 {status}\ncontent-type: application/json\ncontent-length: {}\ncache-control: no-store\nserver: nginx\ndate: {date}\nx-request-id: {:016x}",
        body.len(),
        at.0.unsigned_abs().wrapping_mul(0x9e37_79b9_7f4a_7c15)
    );
    let body_bytes = u64::try_from(body.len()).ok();
    RawAnswer { head, body: body.to_owned(), is_cut: false, body_bytes, is_broken: false }
}

/// A total in its usual parts.
fn phases(total: u32) -> Phases {
    let part = |percent: u32| Some(total * percent / 100);
    Phases {
        dns: part(4),
        connect: part(10),
        tls: part(24),
        first_byte: part(55),
        total: Some(total),
    }
}
