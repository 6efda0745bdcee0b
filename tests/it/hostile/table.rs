//! The table of targets, checked by the prober.

use rustls::RootCertStore;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use tokio::task::JoinSet;
use watchbell::clock::Timestamp;
use watchbell::monitor::{CheckResult, HttpSpec, Kind, Settings, Target};
use watchbell::probe::{EgressRules, Prober};

use super::*;

fn spec(url: &str, fields: &Value) -> HttpSpec {
    let mut fields = fields.as_object().unwrap().clone();
    fields.insert("url".to_owned(), json!(url));
    match Settings::read(&fields, Kind::Http, None).unwrap().target {
        Target::Http(spec) => spec,
        _ => panic!("not HTTP"),
    }
}

/// Checks `url` once, trusting nobody.
pub async fn check(url: &str, fields: &Value) -> CheckResult {
    let prober = Prober::with_roots(EgressRules::default(), RootCertStore::empty()).unwrap();
    prober.check_http(&spec(url, fields), "local", Timestamp(0)).await
}

/// What is not as expected of a result, in a line.
fn wrong(case: &Case, result: &CheckResult) -> Option<String> {
    let error = result.error.as_ref().map(|error| (error.kind.as_str(), error.text.as_str()));
    let told = error.is_none_or(|(_, text)| !text.contains('\n') && text.chars().count() <= 300);
    let phases = &result.phases;
    // What completed is there on failure too, and nothing completes before what it stands on.
    let in_order = phases.total.is_some()
        && (phases.first_byte.is_some() || result.status_code.is_none())
        && (phases.connect.is_some() || phases.first_byte.is_none() && phases.tls.is_none());
    // A check that has only a second may end anywhere.
    let named = case.url.contains("//localhost:") && case.fields["timeout_seconds"] != 1;
    let as_expected = case.expected.is(error)
        && told
        && in_order
        && (!named || phases.dns.is_some() && phases.connect.is_some());
    (!as_expected).then(|| format!("{}: {error:?} {phases:?}, not {:?}", case.name, case.expected))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_target_gives_its_own_kind() {
    let targets = start().await;
    assert!(targets.cases.len() >= 40, "{}", targets.cases.len());
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(targets.authority.as_bytes()).unwrap()).unwrap();
    let prober = Prober::with_roots(EgressRules::default(), roots).unwrap();
    let mut checks = JoinSet::new();
    for (at, case) in targets.cases.iter().enumerate() {
        let (prober, spec) = (prober.clone(), spec(&case.url, &case.fields));
        checks.spawn(async move { (at, prober.check_http(&spec, "local", Timestamp(0)).await) });
    }
    let mut faults = Vec::new();
    while let Some(done) = checks.join_next().await {
        let (at, result) = done.unwrap();
        faults.extend(wrong(&targets.cases[at], &result));
    }
    faults.sort();
    assert!(faults.is_empty(), "of {}:\n{}", targets.cases.len(), faults.join("\n"));
}
