//! One JSON value on each line.

use std::io::{self, BufRead};

use bytes::Bytes;

use super::{Content, Emit, Item, Place, Record};
use crate::send::data::json_fault;

/// Reads lines, none longer than `limit` bytes. What is wrong with a line ends with it.
pub(super) fn read(
    mut reader: impl BufRead,
    start: u64,
    limit: usize,
    emit: Emit<'_>,
) -> io::Result<()> {
    let mut place = Place { end: start, ..Place::default() };
    let mut line = Vec::new();
    loop {
        line.clear();
        let length = read_line(&mut reader, limit, &mut line)?;
        if length == 0 {
            return Ok(());
        }
        place.line += 1;
        place.end += length;
        let text = line.trim_ascii();
        let too_long = text.len() > limit;
        if text.is_empty() && !too_long {
            continue;
        }
        place.number += 1;
        let content = if too_long {
            let reason = format!("the line is longer than {limit} bytes (--max-record)");
            Content::Bad { reason, payload: None }
        } else {
            let payload = Bytes::copy_from_slice(text);
            match json_fault(text) {
                None => Content::Payload(payload),
                Some(fault) => {
                    // It is always line 1 of what is one line.
                    let fault = fault.replace(", at line 1", "").replace("at line 1, ", "at ");
                    let reason = format!("not valid JSON: {fault}");
                    Content::Bad { reason, payload: Some(payload) }
                }
            }
        };
        if !emit(Item::Record(Record { place, content })) {
            return Ok(());
        }
    }
}

/// Reads up to the next line break, and returns how many bytes that were; zero at the end. Of a line that
/// is too long it keeps little more than `limit` bytes.
fn read_line(reader: &mut impl BufRead, limit: usize, line: &mut Vec<u8>) -> io::Result<u64> {
    let mut length = 0;
    loop {
        let available = match reader.fill_buf() {
            Ok(available) => available,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        if available.is_empty() {
            return Ok(length);
        }
        let (used, ended) = match available.iter().position(|byte| *byte == b'\n') {
            Some(at) => (at + 1, true),
            None => (available.len(), false),
        };
        // Space at both ends does not count, so a little more than the limit has to be seen.
        let room = (limit + SLACK).saturating_sub(line.len());
        line.extend_from_slice(&available[..used.min(room)]);
        reader.consume(used);
        length += used as u64;
        if ended {
            return Ok(length);
        }
    }
}

/// A line break of two bytes, and a little indentation.
const SLACK: usize = 64;
