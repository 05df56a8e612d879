//! Reading the file, for a resend.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _};
use std::path::Path;

use super::{Entry, Origin};
use crate::exit::Failure;
use crate::send::data::{LARGEST, unreadable};

/// The entries of a file, one after the other.
#[derive(Debug)]
pub(crate) struct Entries {
    name: String,
    reader: BufReader<File>,
    line: u64,
    read: u64,
    bytes: u64,
}

/// Opens the file, and reads its first line.
pub(crate) fn read(path: &Path) -> Result<(Origin, Entries), Failure> {
    let name = path.display().to_string();
    let file = File::open(path).map_err(|error| unreadable(&name, &error))?;
    let about = file.metadata().map_err(|error| unreadable(&name, &error))?;
    if about.is_dir() {
        return Err(unreadable(&name, &std::io::ErrorKind::IsADirectory.into()));
    }
    let bytes = about.len();
    let mut entries = Entries { name, reader: BufReader::new(file), line: 0, read: 0, bytes };
    let origin = match entries.next_line()? {
        Some(line) => serde_json::from_slice(&line).ok(),
        None => None,
    };
    let origin = origin.ok_or_else(|| {
        Failure::new(format!("{} is no file of undelivered messages", entries.name))
            .hint("it is what `fanout send --failed FILE` writes")
    })?;
    Ok((origin, entries))
}

impl Entries {
    /// The size of the file.
    pub(crate) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The next entry, and how many bytes of the file come before its end.
    pub(crate) fn next(&mut self) -> Result<Option<(Entry, u64)>, Failure> {
        let Some(line) = self.next_line()? else { return Ok(None) };
        match serde_json::from_slice(&line) {
            Ok(entry) => Ok(Some((entry, self.read))),
            Err(_) => Err(self.wrong("this is no undelivered message")),
        }
    }

    /// Says what is wrong with the line that was read last.
    pub(crate) fn wrong(&self, why: &str) -> Failure {
        Failure::new(format!("{}:{}: {why}", self.name, self.line))
    }

    fn next_line(&mut self) -> Result<Option<Vec<u8>>, Failure> {
        let mut line = Vec::new();
        let mut limited = self.reader.by_ref().take(LONGEST);
        let length =
            limited.read_until(b'\n', &mut line).map_err(|error| unreadable(&self.name, &error))?;
        self.line += 1;
        self.read += length as u64;
        if length == 0 {
            return Ok(None);
        }
        if length as u64 == LONGEST {
            return Err(self.wrong("the line is too long"));
        }
        Ok(Some(line))
    }
}

/// JSON in JSON takes more room, and base64 a third more.
const LONGEST: u64 = 4 * LARGEST as u64;
