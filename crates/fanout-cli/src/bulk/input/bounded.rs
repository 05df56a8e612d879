//! A reader that counts, and that refuses to read on in a record without end.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

/// Reads from `inner`, at most `limit` bytes for each record.
pub(super) struct Bounded<R> {
    inner: R,
    count: Rc<Count>,
    limit: u64,
}

/// What a [`Bounded`] has read, for those who cannot reach it: a parser has it.
#[derive(Debug, Default)]
pub(super) struct Count {
    /// How many bytes were read.
    pub(super) bytes: Cell<u64>,
    /// How many line breaks were among them.
    pub(super) lines: Cell<u64>,
    /// Where the current record began.
    began: Cell<u64>,
}

impl Count {
    /// The next record begins here.
    pub(super) fn next(&self) {
        self.began.set(self.bytes.get());
    }
}

impl<R: Read> Bounded<R> {
    /// `slack` is what a parser may read ahead.
    pub(super) fn new(inner: R, limit: usize, slack: usize) -> (Self, Rc<Count>) {
        let count = Rc::new(Count::default());
        let limit = (limit + slack) as u64;
        (Self { inner, count: Rc::clone(&count), limit }, count)
    }
}

impl<R: Read> Read for Bounded<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = &self.count;
        if count.bytes.get() - count.began.get() > self.limit {
            return Err(io::Error::other(TooLong));
        }
        let read = self.inner.read(buffer)?;
        count.bytes.set(count.bytes.get() + read as u64);
        let breaks = buffer[..read].iter().filter(|byte| **byte == b'\n').count();
        count.lines.set(count.lines.get() + breaks as u64);
        Ok(read)
    }
}

/// A record went on and on.
#[derive(Debug)]
pub(super) struct TooLong;

impl TooLong {
    /// Whether `error` is this.
    pub(super) fn is(error: &io::Error) -> bool {
        error.get_ref().is_some_and(|error| error.is::<Self>())
    }
}

impl std::error::Error for TooLong {}

impl std::fmt::Display for TooLong {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("too long")
    }
}
