//! What to send: the data, its media type, headers and durations, as they are written by people.

use std::io::{IsTerminal as _, Read};
use std::path::Path;
use std::time::Duration;

use fanout::Message;
use http::{HeaderName, HeaderValue, Method};
use jiff::SignedDuration;

use crate::args::SendArgs;
use crate::exit::Failure;

/// One `Name: value`. `Debug` leaves the value out: it may be a credential.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) name: String,
    pub(crate) value: String,
}

impl Header {
    /// Not a value parser of `clap`, which quotes what it refuses: it may be a credential.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (name, value) = text.split_once(':').ok_or("write it as 'Name: value'")?;
        let (name, value) = (name.trim(), value.trim());
        HeaderName::from_bytes(name.as_bytes())
            .map_err(|_| "the name before the colon is no header name".to_owned())?;
        HeaderValue::from_str(value)
            .map_err(|_| "the value has characters that no header can carry".to_owned())?;
        Ok(Self { name: name.to_owned(), value: value.to_owned() })
    }
}

impl std::fmt::Debug for Header {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Header").field("name", &self.name).finish_non_exhaustive()
    }
}

/// Reads `500ms`, `2s`, `1m 30s`.
pub(crate) fn parse_duration(text: &str) -> Result<Duration, String> {
    text.parse::<SignedDuration>()
        .ok()
        .and_then(|duration| Duration::try_from(duration).ok())
        .ok_or_else(|| "write a time with its unit, as in `500ms`, `2s` or `1m30s`".to_owned())
}

/// As [`parse_duration`], for a limit, which cannot be zero.
pub(crate) fn parse_limit(text: &str) -> Result<Duration, String> {
    match parse_duration(text)? {
        Duration::ZERO => Err("no time at all is left for anything".to_owned()),
        limit => Ok(limit),
    }
}

/// Reads the headers, and the content type, which belongs to the message.
pub(crate) fn headers(args: &SendArgs) -> Result<(Vec<Header>, Option<String>), Failure> {
    let mut headers = Vec::with_capacity(args.header.len());
    let mut content_type = args.content_type.clone();
    for (index, header) in args.header.iter().enumerate() {
        let header = Header::parse(header)
            .map_err(|why| Failure::new(format!("--header number {}: {why}", index + 1)))?;
        // Two of them would be one too many on the wire.
        if header.name.eq_ignore_ascii_case("content-type") {
            content_type = content_type.or(Some(header.value));
        } else {
            headers.push(header);
        }
    }
    if let Some(content_type) = &content_type {
        HeaderValue::from_str(content_type).map_err(|_| {
            Failure::new("the content type has characters that no header can carry")
        })?;
    }
    Ok((headers, content_type))
}

/// Makes the one message that the arguments describe.
pub(crate) fn message(args: &SendArgs, content_type: Option<&str>) -> Result<Message, Failure> {
    let message = Message::bytes(payload(args.data.as_deref(), &args.method)?);
    let content_type = content_type.or_else(|| guess_content_type(message.payload()));
    Ok(match content_type {
        Some(content_type) => message.with_content_type(content_type),
        None => message,
    })
}

/// Says what is wrong with `payload` as JSON: where, not what, because data may be secret.
pub(crate) fn json_fault(payload: &[u8]) -> Option<String> {
    let error = serde_json::from_slice::<serde_json::Value>(payload).err()?;
    let (line, column) = (error.line(), error.column());
    Some(match error.classify() {
        serde_json::error::Category::Eof => format!("it ends too early, at line {line}"),
        _ => format!("at line {line}, column {column}"),
    })
}

fn payload(data: Option<&str>, method: &Method) -> Result<Vec<u8>, Failure> {
    match data {
        Some("@-") => read_stdin(),
        Some(text) => match text.strip_prefix('@') {
            Some("") => Err(Failure::new("-d @ names no file")
                .hint("write -d @order.json, or -d @- for standard input")),
            Some(path) => read_file(Path::new(path)),
            None => Ok(text.as_bytes().to_vec()),
        },
        // These carry no body as a rule, so nobody should have to say so.
        None if matches!(
            *method,
            Method::GET | Method::HEAD | Method::DELETE | Method::OPTIONS
        ) =>
        {
            Ok(Vec::new())
        }
        None if std::io::stdin().is_terminal() => Err(Failure::new("nothing to send")
            .hint("give the data with -d '{\"a\":1}' or -d @FILE, or pipe it into standard input")),
        None => read_stdin(),
    }
}

fn read_stdin() -> Result<Vec<u8>, Failure> {
    let payload = read(std::io::stdin().lock(), "standard input")?;
    if payload.is_empty() {
        return Err(Failure::new("standard input is empty, so there is nothing to send")
            .hint("to send an empty body on purpose, say -d ''"));
    }
    Ok(payload)
}

fn read_file(path: &Path) -> Result<Vec<u8>, Failure> {
    let name = path.display().to_string();
    let file = std::fs::File::open(path).map_err(|error| unreadable(&name, &error))?;
    read(file, &name)
}

/// Reads all of it, within a bound: an endless pipe must not fill the memory.
fn read(input: impl Read, name: &str) -> Result<Vec<u8>, Failure> {
    let mut payload = Vec::new();
    input
        .take(LARGEST as u64 + 1)
        .read_to_end(&mut payload)
        .map_err(|error| unreadable(name, &error))?;
    if payload.len() > LARGEST {
        return Err(Failure::new(format!("{name} holds more than {} MiB", LARGEST >> 20)));
    }
    Ok(payload)
}

/// The failure of a file that cannot be read, in the words that every tool uses.
pub(crate) fn unreadable(name: &str, error: &std::io::Error) -> Failure {
    let why = match error.kind() {
        std::io::ErrorKind::NotFound => "there is no such file".to_owned(),
        std::io::ErrorKind::PermissionDenied => "permission denied".to_owned(),
        std::io::ErrorKind::IsADirectory => "it is a directory".to_owned(),
        _ => error.to_string(),
    };
    Failure::new(format!("cannot read {name}: {why}"))
}

fn guess_content_type(payload: &[u8]) -> Option<&'static str> {
    if payload.is_empty() {
        None
    } else if json_fault(payload).is_none() {
        Some("application/json")
    } else if std::str::from_utf8(payload).is_ok() {
        Some("text/plain; charset=utf-8")
    } else {
        Some("application/octet-stream")
    }
}

/// The largest message, in bytes. It protects the memory; who names a file means to send all of it.
pub(crate) const LARGEST: usize = 64 << 20;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_units() {
        for (text, millis) in [("500ms", 500), ("2s", 2000), ("1m30s", 90_000), ("1m 30s", 90_000)]
        {
            assert_eq!(parse_duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for text in ["", "5", "-5s", "soon", "5 parsecs"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn headers_are_checked_and_their_values_kept_quiet() {
        let header = Header::parse("Authorization:  Bearer secret ").unwrap();
        assert_eq!(
            (header.name.as_str(), header.value.as_str()),
            ("Authorization", "Bearer secret")
        );
        assert!(!format!("{header:?}").contains("secret"));
        for text in ["no colon", ": value", "bad name: x", "a: b\nc"] {
            assert!(Header::parse(text).is_err(), "{text}");
        }
    }

    #[test]
    fn the_media_type_is_guessed_from_the_data() {
        for (payload, expected) in [
            (&b"{\"a\":1}"[..], Some("application/json")),
            (b"17", Some("application/json")),
            (b"hello", Some("text/plain; charset=utf-8")),
            (b"\xff\x00", Some("application/octet-stream")),
            (b"", None),
        ] {
            assert_eq!(guess_content_type(payload), expected);
        }
    }

    #[test]
    fn broken_json_is_located_and_not_quoted() {
        assert_eq!(json_fault(b"{\"a\": secret}").unwrap(), "at line 1, column 7");
        assert_eq!(json_fault(b"{\"a\": 1").unwrap(), "it ends too early, at line 1");
        assert_eq!(json_fault(b"{\"a\": 1}"), None);
    }

    #[test]
    fn too_much_is_refused() {
        let failure = read(std::io::repeat(b'x'), "the pipe").unwrap_err().to_string();
        assert_eq!(failure, "the pipe holds more than 64 MiB");
    }
}
