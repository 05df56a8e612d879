//! Many messages out of one input, one after the other, in constant memory.

mod bounded;
mod csv;
mod json_array;
mod ndjson;

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::thread;

use bytes::Bytes;
use tokio::sync::mpsc;

use crate::exit::Failure;
use crate::send::data::unreadable;

/// How an input is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    Ndjson,
    JsonArray,
    Csv,
}

/// Where to read, and within which bounds.
#[derive(Clone, Debug)]
pub(crate) struct Input {
    pub(crate) format: Format,
    /// `-` is standard input.
    pub(crate) path: PathBuf,
    /// The largest record, in bytes, inclusive.
    pub(crate) max_record: usize,
    /// How many records to leave out at the beginning.
    pub(crate) skip: u64,
}

/// One record, and where it stands. Bad ones are records too: they are counted, and have numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) place: Place,
    pub(crate) content: Content,
}

/// Where a record stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Place {
    /// The first record is 1.
    pub(crate) number: u64,
    /// The line on which it begins, or, in an array, ends; the first is 1.
    pub(crate) line: u64,
    /// How many bytes of the input come before its end.
    pub(crate) end: u64,
}

/// What a record holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Content {
    /// JSON.
    Payload(Bytes),
    /// No message, for this reason; what there is of it, if it is within the bounds.
    Bad { reason: String, payload: Option<Bytes> },
}

/// What comes out of an input.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Item {
    Record(Record),
    /// The input cannot be read any further, for this reason.
    Broken(String),
}

/// An input that is being read.
#[derive(Debug)]
pub(crate) struct Reading {
    pub(crate) items: mpsc::Receiver<Item>,
    /// How many bytes there are, where that is known.
    pub(crate) bytes: Option<u64>,
}

/// Where a format puts its items. `false`: nobody wants any more.
type Emit<'a> = &'a mut dyn FnMut(Item) -> bool;

impl Input {
    /// Opens the input, and begins to read it on a thread of its own: a pipe may make it wait.
    pub(crate) fn open(&self) -> Result<Reading, Failure> {
        let name = self.name();
        let wrong = |error: &io::Error| unreadable(&name, error);
        let (file, bytes): (Box<dyn Read + Send>, _) = if self.is_stdin() {
            (Box::new(io::stdin()), None)
        } else {
            let file = File::open(&self.path).map_err(|error| wrong(&error))?;
            let about = file.metadata().map_err(|error| wrong(&error))?;
            if about.is_dir() {
                return Err(wrong(&io::ErrorKind::IsADirectory.into()));
            }
            (Box::new(file), about.is_file().then_some(about.len()))
        };
        let (sender, items) = mpsc::channel(AHEAD);
        let input = self.clone();
        thread::Builder::new()
            .name("input".to_owned())
            .spawn(move || {
                let reader = BufReader::with_capacity(BUFFER, file);
                input.read(reader, &mut |item| sender.blocking_send(item).is_ok());
            })
            .map_err(|error| Failure::new(format!("cannot start a thread: {error}")))?;
        Ok(Reading { items, bytes })
    }

    /// Reads all of it.
    fn read(&self, mut reader: impl BufRead, emit: Emit<'_>) {
        let skip = self.skip;
        let mut beyond = |item| match &item {
            Item::Record(record) if record.place.number <= skip => true,
            _ => emit(item),
        };
        let read = skip_mark(&mut reader).and_then(|mark| match self.format {
            Format::Ndjson => ndjson::read(reader, mark, self.max_record, &mut beyond),
            Format::JsonArray => json_array::read(reader, mark, self.max_record, &mut beyond),
            Format::Csv => csv::read(reader, mark, self.max_record, &mut beyond),
        });
        if let Err(error) = read {
            emit(Item::Broken(format!("{}: {error}", self.name())));
        }
    }

    pub(crate) fn is_stdin(&self) -> bool {
        self.path == Path::new("-")
    }

    /// What people call it.
    pub(crate) fn name(&self) -> String {
        match self.is_stdin() {
            true => "standard input".to_owned(),
            false => self.path.display().to_string(),
        }
    }
}

impl Format {
    /// The name that a state has for it.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Ndjson => "ndjson",
            Self::JsonArray => "json_array",
            Self::Csv => "csv",
        }
    }
}

/// Passes over a byte order mark, and returns its length: some editors of some systems write it.
fn skip_mark(reader: &mut impl BufRead) -> io::Result<u64> {
    if reader.fill_buf()?.starts_with(MARK) {
        reader.consume(MARK.len());
        return Ok(MARK.len() as u64);
    }
    Ok(0)
}

const MARK: &[u8] = "\u{feff}".as_bytes();

/// How many records are read before they are wanted.
const AHEAD: usize = 16;
const BUFFER: usize = 64 << 10;

#[cfg(test)]
mod tests;
