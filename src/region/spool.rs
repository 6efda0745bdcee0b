//! Results that the server does not have yet, in a bounded folder of files: they outlive the process and an absence of the server.
//!
//! Each file holds some hundred results, one JSON a line. One that is read to its end and acknowledged is removed, so that after a kill
//! at most one file is sent twice. When all of them are too large, the oldest goes.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::wire::Found;

/// A file is closed once it has this many bytes.
const FILE_BYTES: u64 = 256 * 1024;

/// The spool.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    max_bytes: u64,
    files: VecDeque<Part>,
    /// Open for appending: the last of `files`.
    open: Option<File>,
    dropped: u64,
}

#[derive(Debug)]
struct Part {
    number: u64,
    bytes: u64,
    results: u64,
    /// Bytes and results that the server has.
    done: (u64, u64),
}

/// Results that were read and not yet acknowledged.
#[derive(Debug, Default)]
pub struct Batch {
    /// What is to be sent.
    pub results: Vec<Found>,
    number: u64,
    bytes: u64,
    lines: u64,
}

impl Spool {
    /// The spool in `folder`, which is made if it is missing, of at most `max_bytes`. What an earlier process left is in it.
    ///
    /// # Errors
    /// The folder cannot be made or read.
    pub fn open(folder: &Path, max_bytes: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let mut files = Vec::new();
        for entry in fs::read_dir(folder)? {
            let path = entry?.path();
            let number = path.file_stem().and_then(|stem| stem.to_str()?.parse().ok());
            if let (Some(number), Some("jsonl")) =
                (number, path.extension().and_then(|extension| extension.to_str()))
            {
                files.push(number);
            }
        }
        files.sort_unstable();
        let mut this = Self {
            folder: folder.to_owned(),
            max_bytes,
            files: VecDeque::new(),
            open: None,
            dropped: 0,
        };
        for number in files {
            let file = File::open(this.path(number))?;
            let bytes = file.metadata()?.len();
            let results = BufReader::new(file).lines().count() as u64;
            this.files.push_back(Part { number, bytes, results, done: (0, 0) });
        }
        Ok(this)
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:012}.jsonl"))
    }

    /// Keeps a result. Once this returns, a kill of the process does not lose it.
    ///
    /// # Errors
    /// The file cannot be written.
    pub fn add(&mut self, found: &Found) -> io::Result<()> {
        let mut line = serde_json::to_vec(found)?;
        line.push(b'\n');
        if self.open.is_none() || self.files.back().is_none_or(|part| part.bytes >= FILE_BYTES) {
            self.begin_file()?;
        }
        if let (Some(file), Some(part)) = (&mut self.open, self.files.back_mut()) {
            file.write_all(&line)?;
            part.bytes += line.len() as u64;
            part.results += 1;
        }
        while self.bytes() > self.max_bytes && self.files.len() > 1 {
            self.drop_oldest();
        }
        Ok(())
    }

    fn begin_file(&mut self) -> io::Result<()> {
        let number = self.files.back().map_or(1, |part| part.number + 1);
        let file = OpenOptions::new().create(true).append(true).open(self.path(number))?;
        self.open = Some(file);
        self.files.push_back(Part { number, bytes: 0, results: 0, done: (0, 0) });
        Ok(())
    }

    fn drop_oldest(&mut self) {
        if let Some(part) = self.files.pop_front() {
            self.dropped += part.results - part.done.1;
            self.remove(part.number);
        }
    }

    fn remove(&self, number: u64) {
        if let Err(error) = fs::remove_file(self.path(number)) {
            tracing::warn!(%error, number, "a file of the spool could not be removed");
        }
    }

    fn bytes(&self) -> u64 {
        self.files.iter().map(|part| part.bytes).sum()
    }

    /// How many results the server does not have.
    pub fn waiting(&self) -> u64 {
        self.files.iter().map(|part| part.results - part.done.1).sum()
    }

    /// How many results were dropped, as there were too many.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Reads the oldest results, at most `most`; nothing when all is acknowledged. Until [`Spool::acknowledge`] the same come again.
    /// A line that cannot be read, as the machine lost power while it was written, is passed over.
    ///
    /// # Errors
    /// The file cannot be read.
    pub fn read(&mut self, most: usize) -> io::Result<Option<Batch>> {
        let Some(part) = self.files.iter().find(|part| part.done.0 < part.bytes) else {
            return Ok(None);
        };
        let mut file = File::open(self.path(part.number))?;
        file.seek(SeekFrom::Start(part.done.0))?;
        let mut lines = BufReader::new(file);
        let mut batch = Batch { number: part.number, ..Batch::default() };
        let mut line = Vec::new();
        while batch.results.len() < most {
            line.clear();
            let read = lines.read_until(b'\n', &mut line)?;
            if read == 0 {
                break;
            }
            batch.bytes += read as u64;
            batch.lines += 1;
            match serde_json::from_slice(&line) {
                Ok(found) => batch.results.push(found),
                Err(error) => tracing::warn!(%error, "a line of the spool cannot be read"),
            }
        }
        Ok(Some(batch))
    }

    /// The server has what `batch` holds.
    pub fn acknowledge(&mut self, batch: &Batch) {
        let Some(part) = self.files.iter_mut().find(|part| part.number == batch.number) else {
            // It was dropped meanwhile.
            return;
        };
        part.done.0 += batch.bytes;
        part.done.1 = (part.done.1 + batch.lines).min(part.results);
        if part.done.0 >= part.bytes {
            let number = part.number;
            // What comes next begins another file, so that this one can go.
            if self.files.back().is_some_and(|last| last.number == number) {
                self.open = None;
            }
            self.files.retain(|part| part.number != number);
            self.remove(number);
        }
    }
}

#[cfg(test)]
mod tests {
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
            verdict: Verdict::Up,
        };
        Found { monitor_id: 7, result }
    }

    /// Reads and acknowledges all, `most` at a time; gives the starts in order.
    fn drain(spool: &mut Spool, most: usize) -> Vec<i64> {
        let mut starts = Vec::new();
        while let Some(batch) = spool.read(most).unwrap() {
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
                let batch = spool.read(100).unwrap().unwrap();
                seen.extend(batch.results.iter().map(|found| found.result.started_at.0));
                spool.acknowledge(&batch);
            }
        }
        seen.extend(drain(&mut spool, 500));
        assert_eq!(seen, (0..3000).collect::<Vec<_>>());
        assert_eq!((spool.waiting(), spool.dropped()), (0, 0));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "nothing is left behind");
    }

    #[test]
    fn what_was_not_acknowledged_outlives_the_process() {
        let folder = tempfile::tempdir().unwrap();
        let mut spool = Spool::open(folder.path(), 1 << 30).unwrap();
        (0..10).for_each(|at| spool.add(&found(at)).unwrap());
        assert_eq!(spool.read(4).unwrap().unwrap().results.len(), 4);
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
}
