//! Rows under a row of names: each is a JSON object of strings.

use std::io::{self, BufRead};

use bytes::Bytes;
use csv::{ByteRecord, ErrorKind, ReaderBuilder};

use super::bounded::{Bounded, TooLong};
use super::{Content, Emit, Item, Place, Record};

/// Reads rows, none longer than `limit` bytes. A row of another width than the names, or that is no UTF-8,
/// is a bad record; what cannot be told apart from the rows behind it (a quote that is never closed)
/// ends it.
pub(super) fn read(
    mut reader: impl BufRead,
    start: u64,
    limit: usize,
    emit: Emit<'_>,
) -> io::Result<()> {
    // With breaks of two bytes the parser is always one behind: it ends a row at the first of them.
    let first = reader.fill_buf()?;
    let behind = first.iter().position(|byte| *byte == b'\n').unwrap_or(0);
    let behind = u64::from(behind > 0 && first[behind - 1] == b'\r');
    let (reader, count) = Bounded::new(reader, limit, BUFFER);
    let mut rows = ReaderBuilder::new().buffer_capacity(BUFFER).from_reader(reader);
    let names = names(rows.byte_headers().map_err(|error| failure(error, 0, 1, limit))?)?;
    let mut place = Place::default();
    let mut row = ByteRecord::new();
    loop {
        count.next();
        let begins = rows.position().line() + behind;
        let read = rows.read_byte_record(&mut row);
        place.number += 1;
        place.end = start + rows.position().byte();
        let content = match read {
            Ok(false) => return Ok(()),
            Ok(true) => {
                place.line = row.position().map_or(begins, |at| at.line() + behind);
                match object(&names, &row) {
                    Some(object) if object.len() <= limit => Content::Payload(object.into()),
                    Some(_) => Content::Bad {
                        reason: format!("the row is longer than {limit} bytes (--max-record)"),
                        payload: None,
                    },
                    None => bad("the row is not UTF-8", &row),
                }
            }
            Err(error) => match error.kind() {
                ErrorKind::UnequalLengths { pos, expected_len, len } => {
                    place.line = pos.as_ref().map_or(begins, |at| at.line() + behind);
                    bad(
                        &format!("the row has {len} fields, and the first row {expected_len}"),
                        &row,
                    )
                }
                _ => return Err(failure(error, place.number, begins, limit)),
            },
        };
        if !emit(Item::Record(Record { place, content })) {
            return Ok(());
        }
    }
}

/// The names of the fields, as JSON has them.
fn names(row: &ByteRecord) -> io::Result<Vec<String>> {
    let wrong =
        |why: String| io::Error::other(format!("the first row, which has the names, {why}"));
    let mut names = Vec::with_capacity(row.len());
    for (index, field) in row.iter().enumerate() {
        let column = index + 1;
        let name = std::str::from_utf8(field).map_err(|_| wrong("is not UTF-8".to_owned()))?;
        if name.trim().is_empty() {
            return Err(wrong(format!("has no name in column {column}")));
        }
        let name = serde_json::Value::from(name).to_string();
        if let Some(first) = names.iter().position(|known| *known == name) {
            let first = first + 1;
            return Err(wrong(format!("has the same name in columns {first} and {column}")));
        }
        names.push(name);
    }
    Ok(names)
}

/// In the order of the columns.
fn object(names: &[String], row: &ByteRecord) -> Option<String> {
    let mut text = String::with_capacity(row.as_slice().len() + names.len() * 16);
    for (name, field) in names.iter().zip(row) {
        text.push(if text.is_empty() { '{' } else { ',' });
        let value = serde_json::Value::from(std::str::from_utf8(field).ok()?);
        text.push_str(&format!("{name}:{value}"));
    }
    text.push('}');
    Some(text)
}

fn bad(reason: &str, row: &ByteRecord) -> Content {
    // Written anew: the row as it was is gone with the buffer.
    let mut writer = csv::WriterBuilder::new().flexible(true).from_writer(Vec::new());
    let written = writer.write_byte_record(row).ok().and_then(|()| writer.into_inner().ok());
    let payload = written.map(|row| Bytes::copy_from_slice(row.trim_ascii_end()));
    Content::Bad { reason: reason.to_owned(), payload }
}

fn failure(error: csv::Error, record: u64, line: u64, limit: usize) -> io::Error {
    let error = io::Error::from(error);
    if TooLong::is(&error) || error.to_string() == TooLong.to_string() {
        let why = format!(
            "record {record}, line {line}: it is longer than {limit} bytes (--max-record); is a quote \
             not closed?"
        );
        return io::Error::other(why);
    }
    error
}

const BUFFER: usize = 16 << 10;
