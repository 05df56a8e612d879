//! What is sent, as far as it needs no I/O: the method's name, the metadata, the deadline.

use std::fmt;
use std::time::Duration;

use base64::Engine as _;
use fanout::{Error, ErrorKind, IdempotencyKey, Metadata};
use fanout_net::header_room;
use http::uri::PathAndQuery;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::classify::BASE64;

/// The full name of a method: `shop.v1.Orders/Place`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct MethodName {
    service: String,
    method: String,
    path: PathAndQuery,
}

impl MethodName {
    /// Reads `package.Service/Method`; a slash in front is allowed.
    pub(crate) fn parse(name: &str) -> Result<Self, Error> {
        let bad = || {
            Error::new(
                ErrorKind::Build,
                "a gRPC method must be named as package.Service/Method: shop.v1.Orders/Place",
            )
        };
        let (service, method) =
            name.strip_prefix('/').unwrap_or(name).split_once('/').ok_or_else(bad)?;
        if !service.split('.').all(is_identifier) || !is_identifier(method) {
            return Err(bad());
        }
        let path = format!("/{service}/{method}").parse().map_err(|_| bad())?;
        Ok(Self { service: service.to_owned(), method: method.to_owned(), path })
    }

    pub(crate) fn service(&self) -> &str {
        &self.service
    }

    pub(crate) fn method(&self) -> &str {
        &self.method
    }

    pub(crate) fn path(&self) -> &PathAndQuery {
        &self.path
    }
}

impl fmt::Display for MethodName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.service, self.method)
    }
}

/// Makes the metadata of one call: what the sink always sends, what the message adds, and what gRPC
/// wants to know about the attempt.
///
/// A name that the message gives replaces the sink's values under it. A key is written here alone.
pub(crate) fn headers(
    fixed: &HeaderMap,
    message: &Metadata,
    attempt: u32,
    key: Option<IdempotencyKey>,
    time_left: Duration,
) -> Result<HeaderMap, Error> {
    header_room(fixed, message.iter())?;
    let mut own = HeaderMap::new();
    for (name, value) in message.iter() {
        add(&mut own, name, value)?;
    }
    let mut headers = fixed.clone();
    // `extend` replaces what was there, and keeps all values of a name that comes repeatedly.
    headers.extend(own);
    if let Some(key) = key {
        no_other_key(&headers)?;
        let key = HeaderValue::try_from(key.to_field()).expect("digits and quotes are text");
        headers.insert(IDEMPOTENCY_KEY, key);
    }
    headers.insert("grpc-timeout", timeout_value(time_left));
    if attempt > 1 {
        headers.insert("grpc-previous-rpc-attempts", HeaderValue::from(attempt - 1));
    }
    Ok(headers)
}

/// Refuses a key of the user's where the sink writes its own.
pub(crate) fn no_other_key(headers: &HeaderMap) -> Result<(), Error> {
    if headers.contains_key(IDEMPOTENCY_KEY) {
        return Err(Error::new(
            ErrorKind::Build,
            "this sink writes the idempotency key itself: take yours out, or set another mode",
        )
        .with_context("metadata", IDEMPOTENCY_KEY));
    }
    Ok(())
}

/// Adds one pair, checked: the name is in lower case afterwards, a binary value in base64.
pub(crate) fn add(headers: &mut HeaderMap, name: &str, value: &str) -> Result<(), Error> {
    let shown: String = name.chars().take(64).flat_map(char::escape_debug).collect();
    let bad = |message: String| Error::new(ErrorKind::Build, message);
    let lower = name.to_ascii_lowercase();
    if reserved(&lower) {
        return Err(bad(format!("the metadata name `{shown}` is reserved")));
    }
    let allowed = |c: u8| c.is_ascii_lowercase() || c.is_ascii_digit() || b"_-.".contains(&c);
    let key = HeaderName::from_bytes(lower.as_bytes()).ok().filter(|_| lower.bytes().all(allowed));
    let key = key.ok_or_else(|| {
        bad(format!("`{shown}` is no metadata name: use letters, digits, `_`, `-` and `.`"))
    })?;
    let value = if lower.ends_with("-bin") {
        let bytes = BASE64.decode(value).map_err(|_| {
            bad(format!("the metadata `{shown}` is binary: its value must be base64"))
        })?;
        HeaderValue::from_maybe_shared(bytes::Bytes::from(BASE64.encode(bytes)))
    } else if value.bytes().all(|c| (0x20..=0x7e).contains(&c)) {
        HeaderValue::from_str(value)
    } else {
        return Err(bad(format!(
            "the metadata `{shown}` has characters that are not printable ASCII; \
             a name that ends in -bin takes base64"
        )));
    };
    let mut value = value.map_err(|_| bad(format!("the metadata `{shown}` is no header value")))?;
    // Metadata may be a credential: keep it out of every `Debug`, and of compression tables.
    value.set_sensitive(true);
    headers.append(key, value);
    Ok(())
}

/// Reads the metadata of an answer: binary values as base64, what gRPC itself uses left out.
pub(crate) fn metadata<'a>(parts: impl Iterator<Item = &'a HeaderMap>) -> Metadata {
    let mut metadata = Metadata::default();
    for (name, value) in parts.flatten() {
        if !OWN.contains(&name.as_str()) {
            metadata.push(name.as_str(), String::from_utf8_lossy(value.as_bytes()));
        }
    }
    metadata
}

/// A duration as `grpc-timeout` writes it: at most eight digits and a unit, rounded down, but not to
/// zero, which is no value that the protocol has.
pub(crate) fn timeout_value(duration: Duration) -> HeaderValue {
    const MOST: u128 = 99_999_999;
    let units = [
        (duration.as_micros().max(1), 'u'),
        (duration.as_millis(), 'm'),
        (u128::from(duration.as_secs()), 'S'),
        (u128::from(duration.as_secs() / 60), 'M'),
    ];
    let fitting = units.into_iter().find(|(number, _)| *number <= MOST);
    let (number, unit) = fitting.unwrap_or((u128::from(duration.as_secs() / 3600).min(MOST), 'H'));
    HeaderValue::try_from(format!("{number}{unit}"))
        .expect("digits and a letter are a header value")
}

/// The name that HTTP has for it, so that a server of both needs to know but one.
const IDEMPOTENCY_KEY: &str = "idempotency-key";

/// Names that gRPC or HTTP/2 use for themselves.
fn reserved(lower: &str) -> bool {
    lower.starts_with("grpc-") || lower.starts_with(':') || HTTP.contains(&lower)
}

fn is_identifier(name: &str) -> bool {
    let letter = |c: char| c.is_ascii_alphabetic() || c == '_';
    name.starts_with(letter) && name.chars().all(|c| letter(c) || c.is_ascii_digit())
}

const HTTP: [&str; 16] = [
    "accept-encoding",
    "content-encoding",
    "expect",
    "http2-settings",
    "proxy-authorization",
    "te",
    "content-type",
    "content-length",
    "user-agent",
    "host",
    "connection",
    "keep-alive",
    "proxy-connection",
    "transfer-encoding",
    "upgrade",
    "trailer",
];

/// What of an answer is gRPC's, and in the receipt as its status.
const OWN: [&str; 5] = [
    "grpc-status",
    "grpc-message",
    "grpc-status-details-bin",
    "grpc-encoding",
    "grpc-accept-encoding",
];

#[cfg(test)]
mod tests;
