//! Writing the file: a whole line at a time, handed to the system before anything relies on it.

use std::collections::HashSet;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, BufRead as _, BufReader, Read as _, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use super::{Entry, Origin};
use crate::exit::Failure;

/// The open file.
///
/// Every line is one `write`, so that it survives the end of the process; [`sync`](Self::sync) makes it
/// survive the end of power too.
#[derive(Debug)]
pub(crate) struct FailedFile {
    path: PathBuf,
    file: File,
    /// Where the last whole line ends.
    end: u64,
    entries: u64,
    /// Lines that could not be written.
    unwritten: Vec<Entry>,
    /// Not a device or a pipe.
    is_regular: bool,
}

impl FailedFile {
    /// Makes the file, for its owner alone. One that holds something is written over with `force` alone.
    pub(crate) fn create(path: &Path, origin: &Origin, force: bool) -> Result<Self, Failure> {
        let mut failed = Self::open(path)?;
        if failed.is_regular && failed.end > 0 && !force {
            let path = path.display();
            return Err(Failure::new(format!("{path} holds something already")).hint(format!(
                "send what it holds first (fanout resend {path}), name another file, or say --force"
            )));
        }
        failed.truncate(0).map_err(|error| failed.trouble(&error))?;
        let header = serde_json::to_string(origin).expect("an origin has strings and numbers");
        failed.append(&header).map_err(|error| failed.trouble(&error))?;
        Ok(failed)
    }

    /// Goes on with the file of an earlier run, and returns the numbers of the records in it too. A line
    /// that was cut is taken out: its record was never noted as done.
    pub(crate) fn resume(path: &Path, origin: &Origin) -> Result<(Self, HashSet<u64>), Failure> {
        let mut failed = Self::open(path)?;
        if failed.end == 0 {
            drop(failed);
            return Ok((Self::create(path, origin, false)?, HashSet::new()));
        }
        let name = path.display().to_string();
        let wrong = |error: io::Error| Failure::new(format!("cannot read {name}: {error}"));
        failed.file.seek(SeekFrom::Start(0)).map_err(wrong)?;
        let mut reader = BufReader::new(&failed.file);
        let (mut line, mut end, mut numbers) = (Vec::new(), 0, HashSet::new());
        loop {
            line.clear();
            let length = reader.by_ref().read_until(b'\n', &mut line).map_err(wrong)?;
            if length == 0 || line.last() != Some(&b'\n') {
                break;
            }
            if end == 0 {
                let known: Origin = serde_json::from_slice(&line).map_err(|_| {
                    Failure::new(format!("{name} is no file of undelivered messages"))
                })?;
                if known != *origin {
                    return Err(Failure::new(format!("{name} is of other targets than these"))
                        .hint("name another file, and another --state with it"));
                }
            } else {
                let entry: Numbered = serde_json::from_slice(&line).map_err(|_| {
                    let line = numbers.len() + 2;
                    Failure::new(format!("{name}:{line}: this is no undelivered message"))
                })?;
                numbers.insert(entry.record);
            }
            end += length as u64;
        }
        failed.truncate(end).map_err(|error| failed.trouble(&error))?;
        failed.entries = numbers.len() as u64;
        Ok((failed, numbers))
    }

    fn open(path: &Path) -> Result<Self, Failure> {
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        #[cfg(unix)]
        {
            use std::os::unix::fs::OpenOptionsExt as _;
            options.mode(0o600);
        }
        let cannot = |why: String| Failure::new(format!("cannot write {}: {why}", path.display()));
        let file = options
            .open(path)
            .or_else(|_| OpenOptions::new().write(true).open(path))
            .map_err(|error| cannot(error.to_string()))?;
        match file.try_lock() {
            Err(TryLockError::WouldBlock) => {
                return Err(cannot("another run has it open".to_owned()));
            }
            // Not every file system has locks.
            Err(TryLockError::Error(_)) | Ok(()) => {}
        }
        let about = file.metadata().map_err(|error| cannot(error.to_string()))?;
        let is_regular = about.is_file();
        let end = if is_regular { about.len() } else { 0 };
        let path = path.to_owned();
        Ok(Self { path, file, end, entries: 0, unwritten: Vec::new(), is_regular })
    }

    /// Writes an entry. What could not be written is kept for [`finish`](Self::finish).
    pub(crate) fn write(&mut self, entry: Entry) -> Result<(), Failure> {
        let line = serde_json::to_string(&entry).expect("an entry has strings and numbers");
        match self.append(&line) {
            Ok(()) => {
                self.entries += 1;
                Ok(())
            }
            Err(error) => {
                self.unwritten.push(entry);
                Err(self.trouble(&error))
            }
        }
    }

    /// Another handle, to have the file on the disk from another thread.
    pub(crate) fn handle(&self) -> Option<File> {
        self.is_regular.then(|| self.file.try_clone().ok()).flatten()
    }

    /// Tries what could not be written once more, has everything on the disk, and takes away a file
    /// without entries. Returns what is still not written.
    pub(crate) fn finish(mut self) -> (u64, Vec<Entry>) {
        let mut left = Vec::new();
        for entry in std::mem::take(&mut self.unwritten) {
            let line = serde_json::to_string(&entry).expect("an entry has strings and numbers");
            match self.append(&line) {
                Ok(()) => self.entries += 1,
                Err(_) => left.push(entry),
            }
        }
        if self.is_regular {
            if self.entries == 0 && left.is_empty() {
                drop(std::fs::remove_file(&self.path));
            } else {
                drop(self.file.sync_all());
            }
        }
        (self.entries, left)
    }

    fn append(&mut self, line: &str) -> io::Result<()> {
        let line = format!("{line}\n");
        if let Err(error) = self.file.write_all(line.as_bytes()) {
            // Half a line would be taken for a whole one by whoever writes behind it.
            drop(self.truncate(self.end));
            return Err(error);
        }
        self.end += line.len() as u64;
        Ok(())
    }

    fn truncate(&mut self, end: u64) -> io::Result<()> {
        if self.is_regular {
            self.file.set_len(end)?;
            self.file.seek(SeekFrom::Start(end))?;
        }
        self.end = end;
        Ok(())
    }

    fn trouble(&self, error: &io::Error) -> Failure {
        Failure::new(format!("cannot write {}: {error}", self.path.display()))
    }
}

/// As much of an entry as tells which it is.
#[derive(serde::Deserialize)]
struct Numbered {
    record: u64,
}
