use super::*;
use crate::clock::Timestamp;
use crate::monitor::{CheckResult, FailedChecks, Phases, Verdict};

fn found(at: i64) -> Found {
    let result = CheckResult {
        region: "eu".to_owned(),
        started_at: Timestamp(at),
        phases: Phases::default(),
        status_code: Some(200),
        error: None,
        failed_checks: FailedChecks::new(),
        certificate: None,
        answer: None,
        verdict: Verdict::Up,
    };
    Found { monitor_id: 7, result, settings_at: Some(3) }
}

/// Reads and acknowledges all, `most` at a time; gives the starts in order.
fn drain(spool: &mut Spool, most: usize) -> Vec<i64> {
    let mut starts = Vec::new();
    while let Some(batch) = spool.read(most) {
        assert!(batch.results.len() <= most);
        starts.extend(batch.results.iter().map(|found| found.result.started_at.0));
        spool.acknowledge(&batch);
    }
    starts
}

#[test]
fn what_goes_in_comes_out_in_order_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(folder.path(), 1 << 30).unwrap();
    let mut seen = Vec::new();
    for at in 0..3000 {
        spool.add(&found(at)).unwrap();
        if at % 700 == 0 {
            let batch = spool.read(100).unwrap();
            seen.extend(batch.results.iter().map(|found| found.result.started_at.0));
            spool.acknowledge(&batch);
        }
    }
    seen.extend(drain(&mut spool, 500));
    assert_eq!(seen, (0..3000).collect::<Vec<_>>());
    assert_eq!((spool.waiting(), spool.dropped()), (0, 0));
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "nothing but the lock is left");
}

#[test]
fn what_was_not_acknowledged_outlives_the_process() {
    let folder = tempfile::tempdir().unwrap();
    let mut spool = Spool::open(folder.path(), 1 << 30).unwrap();
    (0..10).for_each(|at| spool.add(&found(at)).unwrap());
    assert_eq!(spool.read(4).unwrap().results.len(), 4);
    drop(spool);
    // Killed while it wrote the eleventh.
    let path = folder.path().join("000000000001.jsonl");
    OpenOptions::new().append(true).open(path).unwrap().write_all(b"{\"monitor_id\":").unwrap();
    let mut spool = Spool::open(folder.path(), 1 << 30).unwrap();
    spool.add(&found(10)).unwrap();
    assert_eq!(drain(&mut spool, 500), (0..=10).collect::<Vec<_>>());
}

#[test]
fn it_is_bounded_and_the_oldest_go_first() {
    let folder = tempfile::tempdir().unwrap();
    let max_bytes = 2 * FILE_BYTES;
    let mut spool = Spool::open(folder.path(), max_bytes).unwrap();
    let total = 6000;
    (0..total).for_each(|at| spool.add(&found(at)).unwrap());
    assert!(spool.bytes() <= max_bytes);
    let dropped = i64::try_from(spool.dropped()).unwrap();
    assert!(dropped > 0);
    assert_eq!(drain(&mut spool, 500), (dropped..total).collect::<Vec<_>>());
}
#[test]
fn a_folder_is_of_one_process() {
    let folder = tempfile::tempdir().unwrap();
    let spool = Spool::open(folder.path(), 1 << 30).unwrap();
    let error = Spool::open(folder.path(), 1 << 30).unwrap_err();
    assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
    drop(spool);
    Spool::open(folder.path(), 1 << 30).unwrap();
}

#[test]
fn what_is_gone_or_no_file_holds_up_nothing() {
    let folder = tempfile::tempdir().unwrap();
    fs::create_dir(folder.path().join("000000000001.jsonl")).unwrap();
    fs::write(folder.path().join("000000000002.jsonl"), b"\xff\xfe{{{\nnonsense").unwrap();
    let mut spool = Spool::open(folder.path(), 1 << 30).unwrap();
    (0..5).for_each(|at| spool.add(&found(at)).unwrap());
    assert_eq!(drain(&mut spool, 500), (0..5).collect::<Vec<_>>());

    // Somebody cleans up while it is in use.
    (5..8).for_each(|at| spool.add(&found(at)).unwrap());
    fs::remove_dir_all(folder.path()).unwrap();
    assert!(spool.read(500).is_none());
    assert_eq!((spool.waiting(), spool.dropped()), (0, 3));
    (8..10).for_each(|at| spool.add(&found(at)).unwrap());
    assert_eq!(drain(&mut spool, 500), vec![8, 9]);
    spool.add(&found(10)).unwrap();
    let path = spool.path(spool.files[0].number);
    OpenOptions::new().write(true).open(path).unwrap().set_len(0).unwrap();
    assert!(spool.read(500).is_none(), "cut off: nothing is read for ever");
    assert_eq!(spool.waiting(), 0);
}

#[test]
fn what_cannot_be_written_is_held() {
    let folder = tempfile::tempdir().unwrap();
    let spool_folder = folder.path().join("spool");
    let mut spool = Spool::open(&spool_folder, 1 << 30).unwrap();
    // A file where the folder was: nothing can be written, whoever asks.
    fs::remove_dir_all(&spool_folder).unwrap();
    fs::write(&spool_folder, b"").unwrap();
    let held = i64::try_from(HELD_MAX).unwrap();
    (0..held + 10).for_each(|at| assert!(spool.add(&found(at)).is_err()));
    assert_eq!((spool.waiting(), spool.dropped()), (HELD_MAX as u64, 10));
    let first = spool.read(100).unwrap();
    assert_eq!(first.results[0].result.started_at.0, 10);
    spool.acknowledge(&first);
    let second = spool.read(100).unwrap();
    fs::remove_file(&spool_folder).unwrap();
    // Written meanwhile, so it comes once more: the server knows it.
    spool.add(&found(held + 10)).unwrap();
    spool.acknowledge(&second);
    assert_eq!(drain(&mut spool, 500), (110..=held + 10).collect::<Vec<_>>());
    assert_eq!(spool.waiting(), 0);
}
