//! How much room there is for the fields of a request.

use fanout::{Error, ErrorKind};
use http::HeaderMap;

/// The most bytes that the fields of a request may have together, inclusive: 64 KiB, each field counted as
/// its name, its value and 32.
///
/// Servers take less than this, 8 KiB most of them; it is what keeps a mistake small.
///
/// # Standards
///
/// RFC 9113 section 6.5.2 counts so.
pub const MAX_REQUEST_HEADERS: usize = 64 << 10;

/// The most fields that a request may have, inclusive. A header map ends in a panic at 32,768.
pub(crate) const MAX_REQUEST_FIELDS: usize = 1_000;

/// Checks that `more` fits beside the fields that are there, for transports that turn metadata into
/// fields. To be asked before the fields are made.
///
/// # Errors
///
/// [`ErrorKind::TooLarge`] when there are more than 1,000 fields, or more than [`MAX_REQUEST_HEADERS`].
pub fn header_room<'a>(
    there: &HeaderMap,
    more: impl Iterator<Item = (&'a str, &'a str)>,
) -> Result<(), Error> {
    let there = there.iter().map(|(name, value)| name.as_str().len() + value.len());
    let more = more.map(|(name, value)| name.len().saturating_add(value.len()));
    let (mut fields, mut bytes) = (0_usize, 0_usize);
    for size in there.chain(more) {
        fields += 1;
        bytes = bytes.saturating_add(size.saturating_add(FIELD));
    }
    let too_many = |what: &'static str, found: usize, limit: usize, unit: &str| {
        Err(Error::new(ErrorKind::TooLarge, what)
            .with_context("headers", format!("{found} {unit}"))
            .with_context("limit", format!("{limit} {unit}")))
    };
    if fields > MAX_REQUEST_FIELDS {
        return too_many(
            "the message's metadata and the sink's own make too many header fields",
            fields,
            MAX_REQUEST_FIELDS,
            "fields",
        );
    }
    if bytes > MAX_REQUEST_HEADERS {
        return too_many(
            "the message's metadata and the sink's own make a head that is too large",
            bytes,
            MAX_REQUEST_HEADERS,
            "bytes",
        );
    }
    Ok(())
}

/// What a field costs beside its text.
const FIELD: usize = 32;

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use http::header::ACCEPT;

    use super::*;

    #[test]
    fn both_limits_are_inclusive_and_count_what_is_there() {
        let there = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static("a/b"))]);
        let check = |length: usize, count: usize, fits: bool| {
            let value = "v".repeat(length);
            let more = std::iter::repeat_n(("n", &*value), count);
            let found = header_room(&there, more);
            assert_eq!(found.is_ok(), fits, "{count} of {length}");
            if let Err(error) = found {
                assert_eq!(error.kind(), ErrorKind::TooLarge);
                assert!(!error.to_chain().contains("vv"), "{error}");
            }
        };
        // `accept: a/b` is 41, and the name of the other is 1.
        let room = MAX_REQUEST_HEADERS - 41 - 33;
        check(room, 1, true);
        check(room + 1, 1, false);
        check(0, 999, true);
        check(0, 1_000, false);
        check(0, 100_000, false);
    }
}
