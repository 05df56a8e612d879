//! The table from what the network did to a classified error; for people it is in `docs/events.md`.

use fanout::{Effect, Error, ErrorKind, RetryAdvice, TimeoutScope};

use crate::Endpoint;
use crate::endpoint::host_port;
use crate::event::{self, Event, Phase, Place};
use crate::guard;

/// Turns an event into an error: its kind, its effect, its advice and words for a person.
///
/// Pure. "Written" is what the gate says: whether the first byte of the request may have left.
pub(crate) fn error(event: Event, place: &Place) -> Error {
    let error = classify(event);
    let error = error.with_context("endpoint", place.endpoint.as_str());
    match &place.proxy {
        Some(proxy) => error.with_context("proxy", proxy.as_str()),
        None => error,
    }
}

/// Classifies the error of somebody else's client, by the errors of hyper, h2, rustls and the system among
/// its causes; `None` when there is none of these.
///
/// For transports that send through a client of the user's. How much of the request had been written is
/// not known, so the effect is [`Maybe`](Effect::Maybe) unless the error proves that nothing was.
pub fn classify_foreign(
    error: &(dyn std::error::Error + 'static),
    endpoint: &Endpoint,
) -> Option<Error> {
    let uri = endpoint.uri();
    let place = Place { endpoint: host_port(uri), proxy: None };
    event::of_foreign(error).map(|event| self::error(event, &place))
}

fn classify(event: Event) -> Error {
    use ErrorKind::{
        Build, Connect, Interrupted, Protocol, Throttled, Tls, Unauthenticated, Unavailable,
        Unsupported,
    };

    match event {
        // Whose host is refused has asked for what it may not have.
        Event::Guarded(refusal) => refusal.into_error(),
        Event::ProxyGuarded => guard::no_proxy(),
        // Name resolution, TCP and the handshake: the request does not exist yet for anyone.
        Event::NoSuchHost => Error::new(Connect, "no such host"),
        Event::LookupFailed(why) => Error::new(Connect, format!("name resolution failed: {why}")),
        Event::Refused => Error::new(Connect, "connection refused"),
        Event::Unreachable(why) | Event::ConnectFailed(why) => {
            Error::new(Connect, format!("no connection: {why}"))
        }
        Event::ConnectTimeout { limit, phase } => {
            let doing = match phase {
                Phase::Lookup => "while the name was looked up",
                Phase::Tcp => "the address does not answer",
                Phase::Proxy => "the proxy does not answer",
                Phase::Tls => "the TLS handshake did not end",
            };
            let text = format!("no connection after {}: {doing}", seconds(limit));
            Error::timeout(TimeoutScope::Connect, text)
        }
        Event::HandshakeBroken(why) => {
            Error::new(Connect, format!("connection lost in the TLS handshake: {why}"))
        }
        Event::Certificate(why) => Error::new(Tls, why.text()),
        Event::TlsRefused(why) => Error::new(Tls, why.text()),
        Event::NoRoots(why) => Error::new(
            Tls,
            format!("no root certificates on this machine (install them, or give your own): {why}"),
        ),
        Event::NoTls => Error::new(Build, "this build has no TLS: turn a `tls-...` feature on"),
        Event::NoHttp2 => Error::new(Unsupported, "the server does not speak HTTP/2"),
        Event::ProxyAuth => Error::new(Unauthenticated, "the proxy wants other credentials")
            .with_advice(RetryAdvice::Once),
        Event::ProxyRefused => Error::new(Connect, "the proxy did not open a tunnel"),
        Event::ProxyUnsupported => {
            Error::new(Build, "this kind of proxy is not supported: use an http:// proxy")
        }

        // RFC 9112 section 9.3.1: a connection may end at any time, and nothing had been written.
        Event::Unsent => Error::new(Interrupted, "connection closed before the request was sent")
            .with_effect(Effect::None),
        // RFC 9110 section 9.2.2: written, unanswered, so nobody here can know.
        Event::Closed { written, detail } => {
            let text = if written {
                "connection closed before the answer was complete"
            } else {
                "connection closed before the request was sent"
            };
            let text = match detail {
                Some(why) => format!("{text}: {why}"),
                None => text.to_owned(),
            };
            Error::new(Interrupted, text).with_effect(by_writing(written))
        }
        Event::Silent { written } => {
            Error::new(Interrupted, "connection lost: the other side does not answer pings")
                .with_effect(by_writing(written))
        }
        // RFC 9113 section 8.7: both say that the request was not processed.
        Event::StreamRefused => {
            Error::new(Unavailable, "the server refused the stream unprocessed")
                .with_effect(Effect::None)
                .with_advice(RetryAdvice::Once)
        }
        Event::GoneAway { detail } => {
            let text =
                format!("the server is closing the connection, request unprocessed: {detail}");
            Error::new(Unavailable, text).with_effect(Effect::None).with_advice(RetryAdvice::Once)
        }
        Event::StreamReset { reason, written } => {
            Error::new(Interrupted, format!("the server reset the stream: {reason}"))
                .with_effect(by_writing(written))
        }
        // RFC 9113 section 7.
        Event::Http11Required => {
            Error::new(Unavailable, "the server wants HTTP/1.1 for this request")
                .with_effect(Effect::None)
                .with_advice(RetryAdvice::Once)
        }
        Event::Calm { processed } => {
            Error::new(Throttled, "the server asks for calm (HTTP/2 ENHANCE_YOUR_CALM)")
                .with_effect(if processed { Effect::Maybe } else { Effect::None })
                .with_advice(RetryAdvice::Backoff)
        }
        Event::NotHttp { detail, written } => {
            Error::new(Protocol, format!("the answer is not valid HTTP: {detail}"))
                .with_effect(by_writing(written))
        }
        // It would come again.
        Event::OutOfBounds { detail, written } => {
            Error::new(Protocol, format!("the answer is out of bounds: {detail}"))
                .with_effect(by_writing(written))
                .with_advice(RetryAdvice::Never)
        }
        // Whoever answers plain text with TLS took it for a handshake, and no HTTP came to anyone.
        Event::TlsCame => Error::new(
            Tls,
            "the other side speaks TLS, and plain text was sent: the URL needs https:// or grpcs://",
        ),
        // The request stayed incomplete, but its head was out.
        Event::OwnBody(why) => {
            Error::new(Interrupted, format!("the body of the request failed: {why}"))
                .with_advice(RetryAdvice::Never)
        }
        Event::BadRequest(why) => Error::new(Build, format!("the request cannot be sent: {why}")),
        Event::OutOfTime { after, written: true } => {
            Error::timeout(TimeoutScope::Attempt, format!("no answer after {}", seconds(after)))
        }
        Event::OutOfTime { after, written: false } => {
            Error::timeout(TimeoutScope::Attempt, format!("no connection after {}", seconds(after)))
                .with_effect(Effect::None)
        }
    }
}

fn by_writing(written: bool) -> Effect {
    if written { Effect::Maybe } else { Effect::None }
}

/// `3 s`, `250 ms`, `1.5 s`.
fn seconds(time: std::time::Duration) -> String {
    let millis = time.as_millis();
    if millis < 1_000 {
        format!("{millis} ms")
    } else {
        format!("{} s", (millis / 100) as f64 / 10.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::time::Duration;

    use super::*;
    use crate::tls::failure::{Distrust, Refusal};
    use crate::{Guard, TlsVersion};

    const LIMIT: Duration = Duration::from_secs(3);

    /// Every event, with the name of its row in the documentation. A new event does not compile
    /// without one.
    fn row(event: &Event) -> &'static str {
        match event {
            Event::Guarded(_) => "host refused",
            Event::ProxyGuarded => "proxy past the guard",
            Event::NoSuchHost => "no such host",
            Event::LookupFailed(_) => "lookup failed",
            Event::Refused => "refused",
            Event::Unreachable(_) => "unreachable",
            Event::ConnectFailed(_) => "connect failed",
            Event::ConnectTimeout { .. } => "connect timeout",
            Event::HandshakeBroken(_) => "handshake broken",
            Event::Certificate(why) => match why {
                Distrust::Expired { .. } => "certificate expired",
                Distrust::NotYetValid { .. } => "certificate not yet valid",
                Distrust::OtherName { .. } => "certificate for another name",
                Distrust::UnknownIssuer => "certificate of an unknown issuer",
                Distrust::SelfSigned => "certificate self-signed",
                Distrust::Revoked => "certificate revoked",
                Distrust::BadSignature => "certificate with a bad signature",
                Distrust::Unfit(_) => "certificate unfit",
            },
            Event::TlsRefused(why) => match why {
                Refusal::IdentityRequired => "client certificate required",
                Refusal::IdentityRefused(_) => "client certificate refused",
                Refusal::NothingInCommon { .. } => "no TLS in common",
                Refusal::NoHttpInCommon => "no HTTP version in common",
                Refusal::NotTls { http: true } => "HTTP in place of TLS",
                Refusal::NotTls { http: false } => "not TLS",
                Refusal::Other(_) => "TLS refused",
            },
            Event::TlsCame => "TLS in place of HTTP",
            Event::NoRoots(_) => "no roots",
            Event::NoTls => "no TLS",
            Event::NoHttp2 => "no HTTP/2",
            Event::ProxyAuth => "proxy wants credentials",
            Event::ProxyRefused => "proxy refused",
            Event::ProxyUnsupported => "proxy unsupported",
            Event::Unsent => "unsent",
            Event::Closed { written: false, .. } => "closed, unwritten",
            Event::Closed { written: true, .. } => "closed, written",
            Event::Silent { written: false } => "silent, unwritten",
            Event::Silent { written: true } => "silent, written",
            Event::StreamRefused => "stream refused",
            Event::GoneAway { .. } => "gone away",
            Event::StreamReset { written: false, .. } => "stream reset, unwritten",
            Event::StreamReset { written: true, .. } => "stream reset, written",
            Event::Http11Required => "HTTP/1.1 required",
            Event::Calm { processed: false } => "calm, unprocessed",
            Event::Calm { processed: true } => "calm, processed",
            Event::NotHttp { written: false, .. } => "not HTTP, unwritten",
            Event::NotHttp { written: true, .. } => "not HTTP, written",
            Event::OutOfBounds { written: false, .. } => "out of bounds, unwritten",
            Event::OutOfBounds { written: true, .. } => "out of bounds, written",
            Event::OwnBody(_) => "own body failed",
            Event::BadRequest(_) => "bad request",
            Event::OutOfTime { written: false, .. } => "out of time, unwritten",
            Event::OutOfTime { written: true, .. } => "out of time, written",
        }
    }

    /// One of each; the test below fails when one is missing, for its row is then left over.
    fn events() -> Vec<Event> {
        let text = || "x".to_owned();
        let refused = Guard::new().judge_host("127.0.0.1").unwrap_err();
        let mut events = vec![
            Event::Guarded(refused),
            Event::ProxyGuarded,
            Event::NoSuchHost,
            Event::LookupFailed(text()),
            Event::Refused,
            Event::Unreachable(text()),
            Event::ConnectFailed(text()),
            Event::HandshakeBroken(text()),
            Event::Certificate(Distrust::Expired { on: None }),
            Event::Certificate(Distrust::Expired { on: Some(text()) }),
            Event::Certificate(Distrust::NotYetValid { before: None }),
            Event::Certificate(Distrust::NotYetValid { before: Some(text()) }),
            Event::Certificate(Distrust::OtherName { names: Vec::new() }),
            Event::Certificate(Distrust::OtherName { names: vec![text()] }),
            Event::Certificate(Distrust::UnknownIssuer),
            Event::Certificate(Distrust::SelfSigned),
            Event::Certificate(Distrust::Revoked),
            Event::Certificate(Distrust::BadSignature),
            Event::Certificate(Distrust::Unfit(text())),
            Event::TlsRefused(Refusal::IdentityRequired),
            Event::TlsRefused(Refusal::IdentityRefused(text())),
            Event::TlsRefused(Refusal::NoHttpInCommon),
            Event::TlsRefused(Refusal::NotTls { http: true }),
            Event::TlsRefused(Refusal::NotTls { http: false }),
            Event::TlsRefused(Refusal::Other(text())),
            Event::TlsCame,
            Event::NoRoots(text()),
            Event::NoTls,
            Event::NoHttp2,
            Event::ProxyAuth,
            Event::ProxyRefused,
            Event::ProxyUnsupported,
            Event::Unsent,
            Event::StreamRefused,
            Event::GoneAway { detail: text() },
            Event::Http11Required,
            Event::OwnBody(text()),
            Event::BadRequest(text()),
        ];
        for min_version in [TlsVersion::Tls12, TlsVersion::Tls13] {
            let why = text();
            events.push(Event::TlsRefused(Refusal::NothingInCommon { why, min_version }));
        }
        for phase in [Phase::Lookup, Phase::Tcp, Phase::Proxy, Phase::Tls] {
            events.push(Event::ConnectTimeout { limit: LIMIT, phase });
        }
        for written in [false, true] {
            events.extend([
                Event::Closed { written, detail: None },
                Event::Closed { written, detail: Some(text()) },
                Event::Silent { written },
                Event::StreamReset { reason: text(), written },
                Event::Calm { processed: written },
                Event::NotHttp { detail: text(), written },
                Event::OutOfBounds { detail: text(), written },
                Event::OutOfTime { after: LIMIT, written },
            ]);
        }
        events
    }

    /// The rows of `docs/events.md`: what each event is documented to mean.
    fn documented() -> BTreeMap<&'static str, [String; 3]> {
        let mut rows = BTreeMap::new();
        let text = include_str!("../docs/events.md");
        for line in text.lines().filter(|line| line.starts_with("| ")).skip(2) {
            let cells: Vec<_> = line.trim_matches('|').split('|').map(str::trim).collect();
            let [event, kind, effect, advice, standard, _] = cells[..] else { panic!("{line}") };
            assert!(standard.starts_with("RFC "), "no standard is cited: {line}");
            let before = rows.insert(event, [kind, effect, advice].map(str::to_owned));
            assert!(before.is_none(), "twice: {event}");
        }
        rows
    }

    #[test]
    fn every_event_means_what_the_documentation_says() {
        let mut left = documented();
        let rows = left.clone();
        for event in events() {
            let error = classify(event.clone());
            let found =
                [error.kind().to_string(), error.effect().to_string(), error.advice().to_string()];
            assert_eq!(Some(&found), rows.get(row(&event)), "{event:?}");
            left.remove(row(&event));
            let scope = match event {
                Event::ConnectTimeout { .. } => Some(TimeoutScope::Connect),
                Event::OutOfTime { .. } => Some(TimeoutScope::Attempt),
                _ => None,
            };
            assert_eq!(error.scope(), scope, "{event:?}");
            let text = error.message();
            let abbreviation = text.chars().take(2).all(char::is_uppercase);
            assert!(abbreviation || text.starts_with(char::is_lowercase), "{text}");
            assert!(!text.ends_with('.'), "{text}");
        }
        assert!(left.is_empty(), "documented, and no such event was tried: {left:?}");
    }

    #[test]
    fn errors_of_other_clients_are_known_by_their_causes() {
        use std::io;
        let endpoint = Endpoint::parse("https://u.example/a?s3cret").unwrap();
        let check = |error: io::Error, kind, effect| {
            #[derive(Debug)]
            struct Wrapped(io::Error);
            impl std::fmt::Display for Wrapped {
                fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                    f.write_str("wrapped")
                }
            }
            impl std::error::Error for Wrapped {
                fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
                    Some(&self.0)
                }
            }
            let error = classify_foreign(&Wrapped(error), &endpoint).unwrap();
            assert_eq!((error.kind(), error.effect()), (kind, effect), "{error}");
            assert!(error.to_string().ends_with("(endpoint: u.example:443)"), "{error}");
        };
        check(io::ErrorKind::ConnectionRefused.into(), ErrorKind::Connect, Effect::None);
        check(io::ErrorKind::ConnectionReset.into(), ErrorKind::Interrupted, Effect::Maybe);
        assert!(classify_foreign(&std::fmt::Error, &endpoint).is_none());
    }

    #[test]
    fn the_place_is_told() {
        let place = Place { endpoint: "h:80".to_owned(), proxy: Some("p:3128".to_owned()) };
        let error = error(Event::Refused, &place);
        assert_eq!(error.to_chain(), "connection refused (endpoint: h:80, proxy: p:3128)");
    }

    #[test]
    fn times_read_well() {
        assert_eq!(seconds(Duration::from_millis(250)), "250 ms");
        assert_eq!(seconds(Duration::from_secs(3)), "3 s");
        assert_eq!(seconds(Duration::from_millis(1_510)), "1.5 s");
    }
}
