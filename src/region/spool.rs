//! Results that the server does not have yet, in a bounded folder of files: they outlive the process and an absence of the server.
//!
//! Each file holds some hundred results, one JSON a line. One that is read to its end and acknowledged is removed, so that after a kill
//! at most one file is sent twice. When all of them are too large, the oldest goes. While nothing can be written, as the disk is full,
//! the newest results are held in memory: the server gets them still, only a kill loses them.

use std::collections::VecDeque;
use std::fs::{self, File, OpenOptions};
use std::io::{self, BufRead, BufReader, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::wire::Found;

/// A file is closed once it has this many bytes.
const FILE_BYTES: u64 = 256 * 1024;
/// The most results that are held while nothing can be written.
const HELD_MAX: usize = 5_000;
/// The number of a batch that is no file's.
const HELD: u64 = 0;

/// The spool.
#[derive(Debug)]
pub struct Spool {
    folder: PathBuf,
    max_bytes: u64,
    files: VecDeque<Part>,
    /// Open for appending: the last of `files`.
    open: Option<File>,
    /// The number of the next file.
    next: u64,
    /// What could not be written, and how many were held before the first of it.
    held: VecDeque<Found>,
    held_before: u64,
    dropped: u64,
    /// Locked as long as this process lives.
    _lock: File,
}

#[derive(Debug)]
struct Part {
    number: u64,
    bytes: u64,
    results: u64,
    /// Bytes and results that the server has.
    done: (u64, u64),
    /// Whether it could not be read, which is said once.
    is_unreadable: bool,
}

impl Part {
    fn new(number: u64, bytes: u64, results: u64) -> Self {
        Self { number, bytes, results, done: (0, 0), is_unreadable: false }
    }
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
    /// The folder cannot be made or read, or another process uses it ([`io::ErrorKind::WouldBlock`]): each would send, and remove,
    /// what is the other's.
    pub fn open(folder: &Path, max_bytes: u64) -> io::Result<Self> {
        fs::create_dir_all(folder)?;
        let lock = OpenOptions::new().create(true).append(true).open(folder.join("lock"))?;
        lock.try_lock()?;
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
            next: files.last().map_or(HELD + 1, |last: &u64| last.saturating_add(1)),
            held: VecDeque::new(),
            held_before: 0,
            dropped: 0,
            _lock: lock,
        };
        for number in files {
            match this.found_part(number) {
                Ok(part) => this.files.push_back(part),
                Err(error) => tracing::warn!(%error, number, "a file of the spool is left alone"),
            }
        }
        Ok(this)
    }

    /// A file that an earlier process left.
    fn found_part(&self, number: u64) -> io::Result<Part> {
        let file = File::open(self.path(number))?;
        let about = file.metadata()?;
        if !about.is_file() {
            return Err(io::Error::other("it is no file"));
        }
        let mut lines = BufReader::new(file);
        let (mut line, mut results) = (Vec::new(), 0);
        while lines.read_until(b'\n', &mut line)? > 0 {
            results += 1;
            line.clear();
        }
        Ok(Part::new(number, about.len(), results))
    }

    fn path(&self, number: u64) -> PathBuf {
        self.folder.join(format!("{number:012}.jsonl"))
    }

    /// Keeps a result. Once this returns, a kill of the process does not lose it.
    ///
    /// # Errors
    /// The file cannot be written: it is held in memory, and written with a later one.
    pub fn add(&mut self, found: &Found) -> io::Result<()> {
        if self.held.len() >= HELD_MAX {
            self.dropped += 1;
            self.let_go();
        }
        self.held.push_back(found.clone());
        while let Some(first) = self.held.front() {
            let mut line = serde_json::to_vec(first)?;
            line.push(b'\n');
            self.write(&line)?;
            self.let_go();
        }
        while self.bytes() > self.max_bytes && self.files.len() > 1 {
            self.drop_oldest();
        }
        Ok(())
    }

    /// The first of what is held is held no more.
    fn let_go(&mut self) {
        self.held.pop_front();
        self.held_before += 1;
    }

    fn write(&mut self, line: &[u8]) -> io::Result<()> {
        if self.open.is_none() || self.files.back().is_none_or(|part| part.bytes >= FILE_BYTES) {
            self.begin_file()?;
        }
        let (Some(file), Some(part)) = (&mut self.open, self.files.back_mut()) else {
            return Ok(());
        };
        if let Err(error) = file.write_all(line) {
            // Half a line would spoil the next one.
            if file.set_len(part.bytes).is_err() {
                self.open = None;
            }
            return Err(error);
        }
        part.bytes += line.len() as u64;
        part.results += 1;
        Ok(())
    }

    fn begin_file(&mut self) -> io::Result<()> {
        // Somebody may have removed the folder.
        fs::create_dir_all(&self.folder)?;
        let number = self.next;
        let file = OpenOptions::new().create(true).append(true).open(self.path(number))?;
        self.next += 1;
        self.open = Some(file);
        self.files.push_back(Part::new(number, 0, 0));
        Ok(())
    }

    fn drop_oldest(&mut self) {
        if let Some(part) = self.files.pop_front() {
            self.lose(&part);
        }
    }

    /// What is left of a file that is not in `files` any more is lost.
    fn lose(&mut self, part: &Part) {
        self.dropped += part.results - part.done.1;
        if self.files.back().is_none_or(|last| last.number < part.number) {
            self.open = None;
        }
        self.remove(part.number);
    }

    fn remove(&self, number: u64) {
        if let Err(error) = fs::remove_file(self.path(number))
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(%error, number, "a file of the spool could not be removed");
        }
    }

    fn bytes(&self) -> u64 {
        self.files.iter().map(|part| part.bytes).sum()
    }

    /// How many results the server does not have.
    pub fn waiting(&self) -> u64 {
        let written: u64 = self.files.iter().map(|part| part.results - part.done.1).sum();
        written + self.held.len() as u64
    }

    /// How many results were dropped, as there were too many, or as their file was lost.
    pub fn dropped(&self) -> u64 {
        self.dropped
    }

    /// Reads the oldest results, at most `most`; nothing when all is acknowledged. Until [`Spool::acknowledge`] the same come again.
    /// A line that cannot be read, as the machine lost power while it was written, is passed over; so is a file, as long as it
    /// cannot be.
    pub fn read(&mut self, most: usize) -> Option<Batch> {
        for number in self.files.iter().map(|part| part.number).collect::<Vec<_>>() {
            match self.read_part(number, most) {
                Ok(Some(batch)) if batch.lines > 0 => return Some(batch),
                Ok(None) => {}
                // Somebody has removed it, or cut it off.
                Ok(Some(_)) => self.forget_part(number),
                Err(error) if error.kind() == io::ErrorKind::NotFound => self.forget_part(number),
                Err(error) => self.note_unreadable(number, &error),
            }
        }
        self.read_held(most)
    }

    fn forget_part(&mut self, number: u64) {
        let place = self.files.iter().position(|part| part.number == number);
        if let Some(part) = place.and_then(|place| self.files.remove(place)) {
            tracing::warn!(number, "a file of the spool is gone with what was in it");
            self.lose(&part);
        }
    }

    fn note_unreadable(&mut self, number: u64, error: &io::Error) {
        let part = self.files.iter_mut().find(|part| part.number == number);
        if part.is_some_and(|part| !std::mem::replace(&mut part.is_unreadable, true)) {
            tracing::error!(%error, number, "a file of the spool cannot be read");
        }
    }

    fn read_part(&self, number: u64, most: usize) -> io::Result<Option<Batch>> {
        let part = self.files.iter().find(|part| part.number == number);
        let Some(part) = part.filter(|part| part.done.0 < part.bytes) else { return Ok(None) };
        let mut file = File::open(self.path(number))?;
        file.seek(SeekFrom::Start(part.done.0))?;
        let mut lines = BufReader::new(file);
        let mut batch = Batch { number, ..Batch::default() };
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

    fn read_held(&self, most: usize) -> Option<Batch> {
        let results: Vec<_> = self.held.iter().take(most).cloned().collect();
        // Up to which of all that were ever held.
        let lines = self.held_before + results.len() as u64;
        (!results.is_empty()).then_some(Batch { results, number: HELD, bytes: 0, lines })
    }

    /// The server has what `batch` holds.
    pub fn acknowledge(&mut self, batch: &Batch) {
        if batch.number == HELD {
            while self.held_before < batch.lines && !self.held.is_empty() {
                self.let_go();
            }
            return;
        }
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
mod tests;
