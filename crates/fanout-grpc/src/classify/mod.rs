//! What an answer means: tables from a gRPC status, an HTTP status or a local failure to an error.
//!
//! Everything here is pure, and public so that others can build on it. The same tables for people,
//! with their sources, follow; a test holds the two together.
#![doc = ""]
#![doc = include_str!("../../docs/grpc-status.md")]

mod hints;

use std::time::Duration;

use fanout::{Effect, Error, ErrorKind, RetryAdvice, Status, TimeoutScope};

pub(crate) use self::hints::{BASE64, retry_info};
pub use self::hints::{Hints, Pushback};

/// What went wrong on our side of a call, when no server status tells.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum LocalFailure {
    /// The stream ended without a `grpc-status`.
    NoStatus,
    /// A 200 answer that is not gRPC: another content type, no `grpc-status`.
    NotGrpc,
    /// Bytes that are not a gRPC message, or in an encoding that was not offered; no status was read.
    BadFrame,
    /// The status was `OK`, but the reply is missing or does not fit its type.
    BadReply,
    /// The reply is larger than [`max_response`](crate::GrpcSinkBuilder::max_response).
    ReplyTooLarge,
    /// The request is larger than [`max_request`](crate::GrpcSinkBuilder::max_request).
    RequestTooLarge,
}

/// Returns the error that a `grpc-status` from the server means, and `None` for `0` (`OK`).
///
/// Codes above 16 are unknown and mean what `2` (`UNKNOWN`) means; the error keeps the number.
///
/// # Standards
///
/// The gRPC status code definitions; gRFC A6 for `grpc-retry-pushback-ms`; `google.rpc.RetryInfo`.
pub fn classify_status(code: u16, hints: &Hints) -> Option<Error> {
    use Effect::{Maybe, None as Nothing};
    use ErrorKind as Kind;
    use RetryAdvice::{Backoff, HigherLevel, Never, Once};

    let (kind, effect, advice) = match code {
        0 => return None,
        // The server, or a proxy, gave up on the call: nobody says how far it was.
        1 => (Kind::Cancelled, Maybe, Never),
        3 => (Kind::Rejected, Nothing, Never),
        4 => (Kind::Timeout, Maybe, Backoff),
        5 => (Kind::NotFound, Nothing, Never),
        6 => (Kind::Conflict, Nothing, Never),
        7 => (Kind::Forbidden, Nothing, Never),
        8 => (Kind::Throttled, Nothing, Backoff),
        9 => (Kind::Conflict, Nothing, Never),
        10 => (Kind::Conflict, Nothing, HigherLevel),
        11 => (Kind::Rejected, Nothing, Never),
        12 => (Kind::Unsupported, Nothing, Never),
        13 => (Kind::Upstream, Maybe, Never),
        // The definition warns that it is not always safe to repeat such a call. A server that names
        // a delay has made up its mind to take the call later, so it has not taken it now.
        14 if hints.delay().is_some() => (Kind::Unavailable, Nothing, Backoff),
        14 => (Kind::Unavailable, Maybe, Backoff),
        15 => (Kind::DataLoss, Maybe, Never),
        16 => (Kind::Unauthenticated, Nothing, Once),
        // 2, and what is not defined.
        _ => (Kind::Upstream, Maybe, Never),
    };
    let name = status_name(code);
    let message = format!("the server answered {name}");
    let mut error = match kind {
        Kind::Timeout => Error::timeout(TimeoutScope::Attempt, message),
        kind => Error::new(kind, message),
    };
    error = error.with_effect(effect).with_advice(advice).with_status(Status::new(code, name));
    if code == 6 && hints.earlier_effect() != Effect::None {
        error = error.with_possibly_done();
    }
    Some(hints.apply(error))
}

/// Returns the error that an HTTP status means when the answer carries no `grpc-status`.
///
/// It is what load balancers and proxies say on their own. A `Retry-After` is kept as the advice where
/// the status is one to try again after.
///
/// # Standards
///
/// "HTTP to gRPC status code mapping" of gRPC; RFC 9110 section 10.2.3 for `Retry-After`.
pub fn classify_http(status: u16, retry_after: Option<Duration>) -> Error {
    use Effect::{Maybe, None as Nothing};
    use ErrorKind as Kind;
    use RetryAdvice::{Backoff, Never, Once};

    let (code, kind, effect, advice) = match status {
        // INTERNAL: what answers is not a gRPC server, or does not think that we speak gRPC.
        400 | 431 => (13, Kind::Protocol, Maybe, Never),
        401 => (16, Kind::Unauthenticated, Nothing, Once),
        403 => (7, Kind::Forbidden, Nothing, Never),
        // UNIMPLEMENTED; seen from here the path, a prefix or the port is wrong.
        404 => (12, Kind::NotFound, Nothing, Never),
        // Refused before it went anywhere (RFC 6585 section 4).
        429 => (14, Kind::Unavailable, Nothing, Backoff),
        // A proxy may say 503 after it has lost a server half-way; one that names a delay has not.
        503 if retry_after.is_some() => (14, Kind::Unavailable, Nothing, Backoff),
        502..=504 => (14, Kind::Unavailable, Maybe, Backoff),
        _ => (2, Kind::Protocol, Maybe, Backoff),
    };
    let advice = match (advice, retry_after) {
        (Backoff, Some(delay)) if kind == Kind::Unavailable => RetryAdvice::After(delay),
        (advice, _) => advice,
    };
    let message = match status {
        404 => "HTTP 404 instead of a gRPC answer: check the path and the port".into(),
        _ => format!("HTTP {status} instead of a gRPC answer"),
    };
    Error::new(kind, message)
        .with_effect(effect)
        .with_advice(advice)
        .with_status(Status::new(code, status_name(code)))
}

/// Returns the error that a failure on our side of the call means.
pub fn classify_local(failure: LocalFailure) -> Error {
    use Effect::{Done, Maybe, None as Nothing};
    use RetryAdvice::{Backoff, Never};

    let (kind, effect, advice, message) = match failure {
        LocalFailure::NoStatus => {
            (ErrorKind::Protocol, Maybe, Backoff, "the stream ended without a gRPC status")
        }
        LocalFailure::NotGrpc => {
            (ErrorKind::Protocol, Maybe, Backoff, "the answer is not gRPC, and has no gRPC status")
        }
        LocalFailure::BadFrame => {
            (ErrorKind::Protocol, Maybe, Backoff, "the answer is not a gRPC message")
        }
        LocalFailure::BadReply => {
            (ErrorKind::Protocol, Done, Never, "the status is OK, but the reply cannot be decoded")
        }
        // A message came, so the method has most likely run; its status was not read.
        LocalFailure::ReplyTooLarge => (
            ErrorKind::TooLarge,
            Maybe,
            Never,
            "the reply is larger than this sink takes (max_response)",
        ),
        LocalFailure::RequestTooLarge => (
            ErrorKind::TooLarge,
            Nothing,
            Never,
            "the request is larger than this sink takes (max_request)",
        ),
    };
    Error::new(kind, message).with_effect(effect).with_advice(advice)
}

/// Returns the name of a gRPC status code: `NOT_FOUND` for 5, `UNKNOWN` above 16.
pub fn status_name(code: u16) -> &'static str {
    match code {
        0 => "OK",
        1 => "CANCELLED",
        3 => "INVALID_ARGUMENT",
        4 => "DEADLINE_EXCEEDED",
        5 => "NOT_FOUND",
        6 => "ALREADY_EXISTS",
        7 => "PERMISSION_DENIED",
        8 => "RESOURCE_EXHAUSTED",
        9 => "FAILED_PRECONDITION",
        10 => "ABORTED",
        11 => "OUT_OF_RANGE",
        12 => "UNIMPLEMENTED",
        13 => "INTERNAL",
        14 => "UNAVAILABLE",
        15 => "DATA_LOSS",
        16 => "UNAUTHENTICATED",
        _ => "UNKNOWN",
    }
}
