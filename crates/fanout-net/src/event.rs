//! What the network did: hyper's, h2's, rustls' and the system's errors as one list of events.

use std::error::Error as StdError;
use std::io;
use std::time::Duration;

use crate::stream::{Refused, TLS_CAME, TlsCame};
use crate::tls::failure::{Distrust, Refusal};

use crate::guard;

/// Where it happened, to say so in the error.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    /// `host:port` of the destination.
    pub(crate) endpoint: String,
    /// `host:port` of the proxy, if one is used.
    pub(crate) proxy: Option<String>,
}

/// One thing that went wrong below HTTP. Texts are of libraries or of ours, never of the request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Event {
    // While connecting: nothing of the request was written.
    Guarded(guard::Refusal),
    ProxyGuarded,
    NoSuchHost,
    LookupFailed(String),
    Refused,
    Unreachable(String),
    ConnectFailed(String),
    ConnectTimeout { limit: Duration, phase: Phase },
    HandshakeBroken(String),
    Certificate(Distrust),
    TlsRefused(Refusal),
    NoRoots(String),
    NoTls,
    NoHttp2,
    ProxyAuth,
    ProxyRefused,
    ProxyUnsupported,

    // With a connection.
    Unsent,
    Closed { written: bool, detail: Option<String> },
    Silent { written: bool },
    StreamRefused,
    GoneAway { detail: String },
    StreamReset { reason: String, written: bool },
    Http11Required,
    Calm { processed: bool },
    NotHttp { detail: String, written: bool },
    OutOfBounds { detail: String, written: bool },
    TlsCame,
    OwnBody(String),
    BadRequest(String),
    OutOfTime { after: Duration, written: bool },
}

/// How far connecting had come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Phase {
    Lookup,
    Tcp,
    Proxy,
    Tls,
}

/// A failed connect on its way through hyper.
#[derive(Debug)]
pub(crate) struct ConnectFailure(pub(crate) Event);

impl std::fmt::Display for ConnectFailure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("no connection")
    }
}

impl StdError for ConnectFailure {}

/// There is no address to connect to.
#[derive(Debug)]
pub(crate) enum LookupError {
    /// The resolver failed.
    Failed(io::Error),
    /// The guard refused all that it found.
    Guarded(guard::Refusal),
}

impl std::fmt::Display for LookupError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("name resolution failed")
    }
}

impl StdError for LookupError {}

/// What became of a request that got no answer. `written`: whether its first byte may have left.
pub(crate) fn of_request(error: &hyper_util::client::legacy::Error, written: bool) -> Event {
    if let Some(ConnectFailure(event)) = find(error) {
        return event.clone();
    }
    of_chain(error, written)
}

/// What broke an answer whose head had come.
///
/// A server that has begun to answer has the request, whatever it says of it afterwards: what would
/// mean "unprocessed" before the head is a broken connection here.
pub(crate) fn of_answer(error: &hyper::Error) -> Event {
    let broken = |detail| Event::Closed { written: true, detail };
    let reset =
        |reason: h2::Reason| Event::StreamReset { reason: reason.to_string(), written: true };
    match of_chain(error, true) {
        Event::StreamRefused => reset(h2::Reason::REFUSED_STREAM),
        Event::Http11Required => reset(h2::Reason::HTTP_1_1_REQUIRED),
        Event::Calm { .. } => Event::Calm { processed: true },
        Event::GoneAway { detail } => broken(Some(detail)),
        Event::TlsRefused(refusal) => broken(Some(refusal.text())),
        Event::Unsent => broken(None),
        event => event,
    }
}

/// What became of a request that somebody else's client sent, if its error has a cause that is known here.
/// How far it had come is not known, except where there was no connection.
pub(crate) fn of_foreign(error: &(dyn StdError + 'static)) -> Option<Event> {
    if let Some(ConnectFailure(event)) = find(error) {
        return Some(event.clone());
    }
    if find::<hyper_util::client::legacy::Error>(error).is_some_and(|error| error.is_connect()) {
        return Some(of_dial(error));
    }
    let io = find::<io::Error>(error);
    if io.is_some_and(|error| error.kind() == io::ErrorKind::ConnectionRefused) {
        return Some(Event::Refused);
    }
    let known =
        io.is_some() || find::<hyper::Error>(error).is_some() || find::<h2::Error>(error).is_some();
    known.then(|| of_chain(error, true))
}

/// Why there is no TCP connection.
pub(crate) fn of_dial(error: &(dyn StdError + 'static)) -> Event {
    match find(error) {
        Some(LookupError::Failed(error)) => return of_lookup(error),
        Some(LookupError::Guarded(refusal)) => return Event::Guarded(refusal.clone()),
        None => {}
    }
    match find::<io::Error>(error) {
        Some(error) => of_dial_io(error),
        None => Event::ConnectFailed(innermost(error)),
    }
}

fn of_chain(error: &(dyn StdError + 'static), written: bool) -> Event {
    if let Some(error) = find::<h2::Error>(error) {
        return of_h2(error, written);
    }
    let hyper = find::<hyper::Error>(error);
    if hyper.is_some_and(hyper::Error::is_canceled) {
        return Event::Unsent;
    }
    if hyper.is_some_and(hyper::Error::is_user) {
        let detail = innermost(error);
        return match hyper.and_then(StdError::source) {
            Some(_) => Event::OwnBody(detail),
            None => Event::BadRequest(detail),
        };
    }
    if hyper.is_some_and(hyper::Error::is_parse) {
        let detail = innermost(error);
        // hyper has a question for this only in servers.
        return match detail.as_str() {
            "message head is too large" => Event::OutOfBounds { detail, written },
            _ => Event::NotHttp { detail, written },
        };
    }
    if hyper.is_some_and(hyper::Error::is_timeout) {
        return Event::Silent { written };
    }
    match find::<io::Error>(error) {
        Some(error) => of_io(error, written),
        None => Event::Closed { written, detail: None },
    }
}

fn of_h2(error: &h2::Error, written: bool) -> Event {
    if let Some(error) = error.get_io() {
        return of_io(error, written);
    }
    let reason = error.reason().unwrap_or(h2::Reason::INTERNAL_ERROR);
    if error.is_library() {
        // We closed the connection or reset the stream because the peer broke the protocol.
        return Event::NotHttp { detail: format!("http/2 {reason}"), written };
    }
    if error.is_go_away() {
        // h2 fails the streams above the last processed id with this error, and no others: those
        // below it go on, and meet the end of the connection if it comes first.
        return match reason {
            h2::Reason::ENHANCE_YOUR_CALM => Event::Calm { processed: false },
            h2::Reason::HTTP_1_1_REQUIRED => Event::Http11Required,
            reason => Event::GoneAway { detail: reason.to_string() },
        };
    }
    match reason {
        h2::Reason::REFUSED_STREAM => Event::StreamRefused,
        h2::Reason::HTTP_1_1_REQUIRED => Event::Http11Required,
        h2::Reason::ENHANCE_YOUR_CALM => Event::Calm { processed: true },
        h2::Reason::INADEQUATE_SECURITY => {
            let why = "the server finds the TLS connection too weak";
            Event::TlsRefused(Refusal::Other(why.to_owned()))
        }
        reason => Event::StreamReset { reason: reason.to_string(), written },
    }
}

pub(crate) fn of_io(error: &io::Error, written: bool) -> Event {
    if let Some(Refused(refusal)) = find(error) {
        return Event::TlsRefused(refusal.clone());
    }
    if find::<TlsCame>(error).is_some() {
        return Event::TlsCame;
    }
    match (error.kind(), error.to_string()) {
        // h2 has kept the text of the error and thrown the error away.
        (io::ErrorKind::PermissionDenied, text) => {
            if let Some(refusal) = Refusal::from_text(&text) {
                return Event::TlsRefused(refusal);
            }
        }
        (io::ErrorKind::InvalidData, text) if text == TLS_CAME => return Event::TlsCame,
        _ => {}
    }
    match find::<rustls::Error>(error) {
        Some(error) => Event::Closed { written, detail: Some(lower(error)) },
        // h2 makes up a broken pipe for the end of the connection; it says nothing more.
        None if error.kind() == io::ErrorKind::BrokenPipe => {
            Event::Closed { written, detail: None }
        }
        None => Event::Closed { written, detail: Some(io_text(error)) },
    }
}

fn of_lookup(error: &io::Error) -> Event {
    // The system's text is all there is: std gives getaddrinfo's code no kind of its own.
    let text = error.to_string();
    let unknown = ["not known", "No address associated", "No such host", "nodename nor servname"];
    if error.kind() == io::ErrorKind::NotFound || unknown.iter().any(|known| text.contains(known)) {
        return Event::NoSuchHost;
    }
    let text = text.rsplit(": ").next().unwrap_or_default();
    Event::LookupFailed(lower(text))
}

fn of_dial_io(error: &io::Error) -> Event {
    match error.kind() {
        io::ErrorKind::ConnectionRefused => Event::Refused,
        io::ErrorKind::HostUnreachable
        | io::ErrorKind::NetworkUnreachable
        | io::ErrorKind::NetworkDown
        | io::ErrorKind::AddrNotAvailable => Event::Unreachable(io_text(error)),
        _ => Event::ConnectFailed(io_text(error)),
    }
}

/// The text of an I/O error without `(os error 104)`, which helps nobody.
pub(crate) fn io_text(error: &io::Error) -> String {
    let text = innermost(error);
    let text = text.split(" (os error").next().unwrap_or_default();
    lower(text)
}

/// The first error of type `T` in a chain of causes. An `io::Error` may hold another inside.
pub(crate) fn find<'e, T: StdError + 'static>(
    error: &'e (dyn StdError + 'static),
) -> Option<&'e T> {
    let mut current = Some(error);
    while let Some(error) = current {
        if let Some(found) = error.downcast_ref::<T>() {
            return Some(found);
        }
        // `io::Error::source` skips the error that it wraps and gives that one's source.
        let inner = error.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
        current = match inner {
            Some(inner) => Some(inner as &(dyn StdError + 'static)),
            None => error.source(),
        };
    }
    None
}

/// The text of the cause at the bottom.
fn innermost(error: &(dyn StdError + 'static)) -> String {
    let mut current = error;
    while let Some(cause) = current.source() {
        current = cause;
    }
    lower(current)
}

/// A text that starts in lower case, unless with an abbreviation.
pub(crate) fn lower(text: &(impl ToString + ?Sized)) -> String {
    let text = text.to_string();
    let mut chars = text.chars();
    match (chars.next(), chars.next()) {
        (Some(first), second) if !second.is_some_and(char::is_uppercase) => {
            let rest = &text[first.len_utf8()..];
            format!("{}{rest}", first.to_lowercase())
        }
        _ => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resolver_texts_become_events() {
        let check = |text: &str, expected: Event| {
            let error = LookupError::Failed(io::Error::other(text));
            assert_eq!(of_dial(&error), expected, "{text}");
        };
        let prefix = "failed to lookup address information: ";
        check(&format!("{prefix}Name or service not known"), Event::NoSuchHost);
        check(&format!("{prefix}nodename nor servname provided, or not known"), Event::NoSuchHost);
        check(&format!("{prefix}No address associated with hostname"), Event::NoSuchHost);
        check(
            &format!("{prefix}Temporary failure in name resolution"),
            Event::LookupFailed("temporary failure in name resolution".to_owned()),
        );
    }

    #[test]
    fn texts_read_well() {
        assert_eq!(lower("Connection reset"), "connection reset");
        assert_eq!(lower("TLS is off"), "TLS is off");
        assert_eq!(lower(""), "");
        assert_eq!(io_text(&io::Error::from_raw_os_error(104)), "connection reset by peer");
    }

    #[test]
    fn an_error_inside_an_io_error_is_found() {
        let inner = Refused(Refusal::IdentityRequired);
        let outer = io::Error::other(io::Error::other(inner));
        assert_eq!(of_io(&outer, true), Event::TlsRefused(Refusal::IdentityRequired));
        assert_eq!(of_io(&io::Error::other(TlsCame), true), Event::TlsCame);
    }

    #[test]
    fn what_h2_keeps_of_an_error_is_enough() {
        let refusal = Refusal::IdentityRefused("unknown ca".to_owned());
        let kept = io::Error::new(io::ErrorKind::PermissionDenied, refusal.text());
        assert_eq!(of_io(&kept, true), Event::TlsRefused(refusal));
        let kept = io::Error::new(io::ErrorKind::InvalidData, TLS_CAME);
        assert_eq!(of_io(&kept, true), Event::TlsCame);
        let other = io::Error::from(io::ErrorKind::PermissionDenied);
        assert!(matches!(of_io(&other, true), Event::Closed { written: true, .. }));
    }
}
