use std::collections::BTreeMap;

use watchbell::monitor::{CheckError, CheckResult, ErrorKind, Phases, Verdict};
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
            pruned.push(write!(db, c => results::prune(c, id, NOW.plus_ms(2100), 1000)).unwrap());
        }
        assert_eq!(pruned, [1000, 1000, 100, 0]);
        assert_eq!(read!(db, c => results::count(c, id)), 400);
        assert_eq!(read!(db, c => results::count(c, other)), 1, "of others nothing");
    })
    .await;
}
