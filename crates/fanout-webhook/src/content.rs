//! What is signed: the id, the time and the payload, with full stops between them.

/// The name of the header that carries the id: the same on every attempt to deliver a message.
pub const ID: &str = "webhook-id";

/// The name of the header that carries the time of the attempt, in seconds since 1970.
pub const TIMESTAMP: &str = "webhook-timestamp";

/// The name of the header that carries the signatures, with spaces between them.
pub const SIGNATURE: &str = "webhook-signature";

/// What one signature covers.
#[derive(Clone, Copy)]
pub(crate) struct Content<'c> {
    pub(crate) id: &'c str,
    pub(crate) timestamp: &'c str,
    pub(crate) payload: &'c [u8],
}

impl<'c> Content<'c> {
    /// The parts, in order. There is one way only to read them, because neither an id nor a time has a full
    /// stop.
    pub(crate) fn parts(self) -> [&'c [u8]; 5] {
        [self.id.as_bytes(), b".", self.timestamp.as_bytes(), b".", self.payload]
    }
}

/// Whether `id` may stand before a full stop: otherwise a part of it could be read as the time, and a
/// signature for one message would be one for another.
pub(crate) fn is_id(id: &str) -> bool {
    !id.is_empty() && !id.contains('.') && !id.chars().any(char::is_control)
}

/// Reads a time: seconds since 1970, in digits and nothing else, written in the one shortest way.
pub(crate) fn seconds(text: &str) -> Option<u64> {
    let is_plain = text.bytes().all(|byte| byte.is_ascii_digit());
    let is_short = text == "0" || !text.starts_with('0');
    // A parser of integers would take a plus sign too.
    if is_plain && is_short { text.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_leaves_one_way_to_read_the_content() {
        for (id, expected) in [
            ("msg_1", true),
            ("0197-af", true),
            ("größe ✓", true),
            ("", false),
            ("a.1", false),
            (".", false),
            ("a\nb", false),
            ("a\0", false),
        ] {
            assert_eq!(is_id(id), expected, "{id:?}");
        }
    }

    #[test]
    fn a_time_is_written_in_one_way() {
        for (text, expected) in [
            ("0", Some(0)),
            ("1614265330", Some(1_614_265_330)),
            ("18446744073709551615", Some(u64::MAX)),
            ("18446744073709551616", None),
            ("99999999999999999999999999", None),
            ("", None),
            ("01614265330", None),
            ("00", None),
            ("+1614265330", None),
            ("-1614265330", None),
            (" 1614265330", None),
            ("1614265330 ", None),
            ("1614265330.5", None),
            ("1e9", None),
            ("0x10", None),
            ("hello", None),
            ("١٢٣", None),
        ] {
            assert_eq!(seconds(text), expected, "{text:?}");
        }
    }
}
