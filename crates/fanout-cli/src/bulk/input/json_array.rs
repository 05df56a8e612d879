//! The elements of one JSON array, as the exact bytes that they are in the file.

use std::cell::Cell;
use std::fmt;
use std::io::{self, Read};

use bytes::Bytes;
use serde::de::{Deserializer as _, Error as _, SeqAccess, Visitor};
use serde_json::value::RawValue;

use super::bounded::{Bounded, Count, TooLong};
use super::{Content, Emit, Item, Place, Record};

/// Reads the elements, none longer than `limit` bytes. The first fault ends it: nobody can tell where the
/// next element would begin.
pub(super) fn read(reader: impl Read, start: u64, limit: usize, emit: Emit<'_>) -> io::Result<()> {
    let (reader, count) = Bounded::new(reader, limit, SLACK);
    let mut parser = serde_json::Deserializer::from_reader(reader);
    let (number, unwanted) = (Cell::new(0), Cell::new(false));
    let driver = Driver { count: &count, start, emit, number: &number, unwanted: &unwanted };
    let read = parser.deserialize_seq(driver).and_then(|()| parser.end());
    let Err(error) = read else { return Ok(()) };
    if unwanted.get() {
        return Ok(());
    }
    let place = format!("record {}, line {}", number.get() + 1, count.lines.get() + 1);
    let why = if !error.is_io() {
        format!("{place}: from here on this is no JSON array")
    } else {
        let error = io::Error::from(error);
        if !TooLong::is(&error) {
            return Err(error);
        }
        format!("{place}: it is longer than {limit} bytes (--max-record)")
    };
    Err(io::Error::other(why))
}

/// `serde` drives: it hands over a sequence, and wants it consumed.
struct Driver<'a> {
    count: &'a Count,
    start: u64,
    emit: Emit<'a>,
    number: &'a Cell<u64>,
    /// Set when nobody wants any more.
    unwanted: &'a Cell<bool>,
}

impl<'de> Visitor<'de> for Driver<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON array")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut sequence: A) -> Result<(), A::Error> {
        loop {
            self.count.next();
            let Some(element) = sequence.next_element::<Box<RawValue>>()? else {
                return Ok(());
            };
            self.number.set(self.number.get() + 1);
            let place = Place {
                number: self.number.get(),
                line: self.count.lines.get() + 1,
                end: self.start + self.count.bytes.get(),
            };
            let payload = Bytes::from(Box::<str>::from(element).into_string());
            let record = Record { place, content: Content::Payload(payload) };
            if !(self.emit)(Item::Record(record)) {
                self.unwanted.set(true);
                return Err(A::Error::custom("nobody wants the rest"));
            }
        }
    }
}

/// The comma and the space between two elements.
const SLACK: usize = 64;
