use std::collections::BTreeMap;
use std::sync::Arc;

use watchbell::monitor::{CheckError, CheckResult, ErrorKind, Phases, RawAnswer, Verdict};
use watchbell::store::answers;
use watchbell::store::old::Old;
use watchbell::store::results::{self, NewResult};

use super::{NOW, named, on_each, read, write};

pub(super) fn result(at: i64, verdict: Verdict) -> CheckResult {
    CheckResult {
        region: "local".to_owned(),
        started_at: NOW.plus_ms(at),
        phases: Phases::default(),
        status_code: None,
        error: None,
        failed_checks: BTreeMap::new(),
        certificate: None,
        answer: None,
        verdict,
    }
}

pub(super) fn new_result(monitor_id: i64, result: CheckResult) -> NewResult {
    NewResult { monitor_id, result, in_maintenance: false }
}

#[tokio::test]
async fn a_result_keeps_every_field() {
    on_each(async |db| {
        let id = named(db, "a").await;
        let full = CheckResult {
            region: "eu-west \"1\" é".to_owned(),
            phases: Phases {
                dns: Some(0),
                connect: Some(1),
                tls: Some(2),
                first_byte: Some(3),
                total: Some(u32::MAX),
            },
            status_code: Some(599),
            error: Some(CheckError::new(ErrorKind::TooManyRedirects, "it's\n\"odd\" 🔴")),
            failed_checks: BTreeMap::from([(
                "checks.a\"b".to_owned(),
                "error: \u{1} ünï".to_owned(),
            )]),
            ..result(0, Verdict::Down)
        };
        let empty = result(1, Verdict::Unknown);
        let rows = [
            NewResult { in_maintenance: true, ..new_result(id, full.clone()) },
            new_result(id, empty.clone()),
        ];
        write!(db, c => results::insert(c, &rows)).unwrap();
        let found = read!(db, c => results::latest(c, id, 9, 0));
        assert_eq!((&found[0].result, found[0].in_maintenance), (&empty, false));
        assert_eq!((&found[1].result, found[1].in_maintenance), (&full, true));
        assert_eq!(found[1].id, NOW.0);
        // A second one of the same moment and region changes nothing; another region looks for itself.
        let again = CheckResult { region: full.region.clone(), ..result(0, Verdict::Up) };
        write!(db, c => results::insert(c, &[new_result(id, again)])).unwrap();
        assert_eq!(read!(db, c => results::latest(c, id, 9, 0)), found);
        write!(db, c => results::insert(c, &[new_result(id, result(0, Verdict::Up))])).unwrap();
        assert_eq!(read!(db, c => results::latest(c, id, 9, 0)).len(), found.len() + 1);
    })
    .await;
}

#[tokio::test]
async fn every_kind_of_error_and_verdict_reads_back() {
    on_each(async |db| {
        let id = named(db, "a").await;
        let mut rows = Vec::new();
        for (n, kind) in ErrorKind::ALL.iter().enumerate() {
            let error = Some(CheckError::new(*kind, ""));
            rows.push(new_result(id, CheckResult { error, ..result(n as i64, Verdict::Down) }));
        }
        for (n, verdict) in Verdict::ALL.iter().enumerate() {
            rows.push(new_result(id, result(1000 + n as i64, *verdict)));
        }
        write!(db, c => results::insert(c, &rows)).unwrap();
        let found = read!(db, c => results::since(c, id, NOW, 1000));
        let expected: Vec<_> = rows.into_iter().map(|row| row.result).collect();
        assert_eq!(found.into_iter().map(|row| row.result).collect::<Vec<_>>(), expected);
    })
    .await;
}

#[tokio::test]
async fn many_results_go_in_at_once_and_out_in_batches() {
    on_each(async |db| {
        let (id, other) = (named(db, "a").await, named(db, "b").await);
        let mut rows: Vec<_> = (0..2500).map(|n| new_result(id, result(n, Verdict::Up))).collect();
        rows.push(new_result(other, result(0, Verdict::Up)));
        write!(db, c => results::insert(c, &rows)).unwrap();
        assert_eq!(read!(db, c => results::count(c, id)), 2500);
        let page = read!(db, c => results::latest(c, id, 2, 3));
        assert_eq!(page.iter().map(|row| row.id - NOW.0).collect::<Vec<_>>(), [2496, 2495]);
        let newest = read!(db, c => results::since(c, id, NOW.plus_ms(10), 3));
        assert_eq!(newest.iter().map(|row| row.id - NOW.0).collect::<Vec<_>>(), [2497, 2498, 2499]);
        let mut pruned = Vec::new();
        for _ in 0..4 {
            pruned.push(
                write!(db, c => Old::Results(NOW.plus_ms(2100)).remove(c, id, 1000)).unwrap(),
            );
        }
        assert_eq!(pruned, [1000, 1000, 100, 0]);
        assert_eq!(read!(db, c => results::count(c, id)), 400);
        assert_eq!(read!(db, c => results::count(c, other)), 1, "of others nothing");
    })
    .await;
}

/// A result with an answer.
fn answered(at: i64, verdict: Verdict, body: &str) -> CheckResult {
    let head = "HTTP/1.1 503 Service Unavailable".to_owned();
    let body = body.to_owned();
    let answer = RawAnswer { head, body, is_cut: false, body_bytes: None, is_broken: false };
    CheckResult { answer: Some(Arc::new(answer)), ..result(at, verdict) }
}

#[tokio::test]
async fn the_answer_of_a_result_that_is_not_well_is_kept_and_goes_with_it() {
    on_each(async |db| {
        let id = named(db, "a").await;
        let long = "x".repeat(9000);
        let rows = [
            answered(0, Verdict::Down, "it's <b>\"odd\"</b> 🔴"),
            answered(1, Verdict::Degraded, ""),
            answered(2, Verdict::Up, "well"),
            answered(3, Verdict::Down, &long),
            CheckResult { region: "eu".to_owned(), ..answered(0, Verdict::Down, "there") },
        ];
        let rows: Vec<_> = rows.into_iter().map(|result| new_result(id, result)).collect();
        write!(db, c => results::insert(c, &rows)).unwrap();
        write!(db, c => results::insert(c, &rows)).unwrap();
        let mut kept = Vec::new();
        for (at, region) in [(0, "local"), (1, "local"), (2, "local"), (3, "local"), (0, "eu")] {
            let found = read!(db, c => answers::get(c, id, NOW.0 + at, region));
            kept.push(found.map(|answer| answer.body));
        }
        let body = |text: &str| Some(text.to_owned());
        assert_eq!(kept, [body("it's <b>\"odd\"</b> 🔴"), body(""), None, None, body("there")]);
        assert_eq!(write!(db, c => Old::Results(NOW.plus_ms(1)).remove(c, id, 10)).unwrap(), 2);
        assert_eq!(read!(db, c => answers::get(c, id, NOW.0, "local")), None);
        assert!(read!(db, c => answers::get(c, id, NOW.0 + 1, "local")).is_some());
    })
    .await;
}

#[tokio::test]
async fn of_many_answers_the_newest_stay() {
    on_each(async |db| {
        let (id, other) = (named(db, "a").await, named(db, "b").await);
        let mut rows: Vec<_> =
            (0..30).map(|n| new_result(id, answered(n, Verdict::Down, "no"))).collect();
        rows.push(new_result(other, answered(0, Verdict::Down, "no")));
        write!(db, c => results::insert(c, &rows)).unwrap();
        assert_eq!(read!(db, c => Old::Answers(10).owners(c)), [id]);
        let mut pruned = Vec::new();
        for _ in 0..3 {
            pruned.push(write!(db, c => Old::Answers(10).remove(c, id, 15)).unwrap());
        }
        assert_eq!(pruned, [15, 5, 0]);
        assert_eq!(read!(db, c => answers::get(c, id, NOW.0 + 19, "local")), None);
        assert!(read!(db, c => answers::get(c, id, NOW.0 + 20, "local")).is_some());
        assert!(read!(db, c => answers::get(c, other, NOW.0, "local")).is_some());
        assert_eq!(read!(db, c => results::count(c, id)), 30, "results stay");
    })
    .await;
}
