//! Redirects: whether one is followed, where to, and what goes along. Pure.

use std::fmt;

use bytes::Bytes;
use fanout::{Error, Receipt};
use fanout_net::Endpoint;
use http::header::{
    ACCEPT, ACCEPT_CHARSET, ACCEPT_ENCODING, ACCEPT_LANGUAGE, CONTENT_ENCODING, CONTENT_LANGUAGE,
    CONTENT_LENGTH, CONTENT_TYPE, LOCATION, USER_AGENT,
};
use http::{HeaderMap, HeaderName, Method, Request};
use percent_encoding::percent_decode_str;

use crate::request::IDEMPOTENCY_KEY;

mod clients;
pub(crate) mod resolve;

pub(crate) use self::clients::Clients;

/// Which redirects a sink follows.
///
/// # Behavior
///
/// - 307 and 308 are followed with the same method, the same bytes and the same idempotency key; 301, 302
///   and 303 for `GET` and `HEAD` only, because they may turn a `POST` into a `GET` that says nothing.
/// - Never from `https` to `http`, and to another origin without TLS only where the sink
///   [allows it](crate::HttpSinkBuilder::allow_plaintext).
/// - All of them belong to one attempt, and to its timeout.
/// - Within the origin all headers go along, and a credential that is sent in the query is added again where
///   the new URL has none of its name.
/// - To another origin (another scheme, host or port) goes the payload, and of the headers only what
///   describes it or asks for a form of the answer: `Accept`, `Accept-Charset`, `Accept-Encoding`,
///   `Accept-Language`, `Content-Encoding`, `Content-Language`, `Content-Length`, `Content-Type`,
///   `Idempotency-Key` and `User-Agent`. Credentials, signatures, all other headers of the sink and all
///   other metadata of the message stay behind, even when a later redirect leads back. A redirect that
///   would take a pair of the request's own query, or a [credential](crate::HttpSinkBuilder::auth), there in its URL
///   is not followed.
/// - Other origins must have public addresses, and get to see no client certificate: whoever answers must
///   not have this machine and its neighbours sent to. A [guard](crate::HttpSinkBuilder::guard) that is set
///   takes the place of the standard one, to allow more. Where all of it stays on this machine by the
///   spelling of the hosts (`localhost`, `127.0.0.0/8`, `[::1]`), addresses are not judged. Through a proxy, hosts are
///   judged as they are written alone.
/// - A redirect that is not followed is an error of the kind [`Redirected`](fanout::ErrorKind::Redirected),
///   without effect, that says why; one to an address that is refused is
///   [`Forbidden`](fanout::ErrorKind::Forbidden).
///
/// The receipt, or the error, says which origin it came from in the end: a notice, or `redirected_to`.
///
/// **Default**: [`none`](Self::none).
///
/// # Standards
///
/// RFC 9110 section 15.4; RFC 3986 section 5 for relative references; RFC 6454 section 4 for origins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Redirects {
    scope: Scope,
    max: u32,
    /// Whether another origin may be one without TLS; set by what the sink allows.
    plaintext: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Scope {
    None,
    SameOrigin,
    AnyOrigin,
}

impl Redirects {
    /// Follows none.
    pub const fn none() -> Self {
        Self::of(Scope::None)
    }

    /// Follows those that stay at the same scheme, host and port.
    pub const fn same_origin() -> Self {
        Self::of(Scope::SameOrigin)
    }

    /// Follows those to anywhere: whoever answers can send the payload to whom they like, so this is for
    /// servers that are trusted with that.
    pub const fn any_origin() -> Self {
        Self::of(Scope::AnyOrigin)
    }

    /// Sets how many are followed in a row, inclusive. Default: 3. Zero is refused when the sink is built.
    #[must_use]
    pub const fn max(mut self, redirects: u32) -> Self {
        self.max = redirects;
        self
    }

    const fn of(scope: Scope) -> Self {
        Self { scope, max: MAX, plaintext: false }
    }

    /// With what the sink says about URLs without TLS.
    pub(crate) fn plaintext(self, allowed: bool) -> Self {
        Self { plaintext: allowed, ..self }
    }

    pub(crate) fn limit(self) -> u32 {
        self.max
    }

    pub(crate) fn leave_the_origin(self) -> bool {
        self.scope == Scope::AnyOrigin
    }

    /// Decides on an answer from `from`, after `followed` redirects.
    fn decide(
        self,
        code: u16,
        method: &Method,
        headers: &HeaderMap,
        from: &Endpoint,
        followed: u32,
    ) -> Result<Hop, Why> {
        if self.scope == Scope::None {
            return Err(Why::Off);
        }
        match code {
            307 | 308 => {}
            301..=303 if matches!(*method, Method::GET | Method::HEAD) => {}
            301..=303 => return Err(Why::Method),
            _ => return Err(Why::Status),
        }
        let mut locations = headers.get_all(LOCATION).iter();
        let location = match (locations.next(), locations.next()) {
            (None, _) => return Err(Why::NoLocation),
            (Some(_), Some(_)) => return Err(Why::BadLocation),
            (Some(location), None) => location,
        };
        let target = std::str::from_utf8(location.as_bytes())
            .ok()
            .and_then(|reference| resolve::resolve(from.uri(), reference))
            .and_then(|url| Endpoint::parse(&url).ok());
        let Some(to) = target else { return Err(Why::BadLocation) };
        if from.is_tls() && !to.is_tls() {
            return Err(Why::Downgrade);
        }
        let crosses = !same_origin(from, &to);
        if crosses && self.scope != Scope::AnyOrigin {
            return Err(Why::OtherOrigin);
        }
        if crosses && !self.plaintext && to.refuse_plaintext().is_err() {
            return Err(Why::Plaintext);
        }
        if followed >= self.max {
            return Err(Why::TooMany(self.max));
        }
        Ok(Hop { to, crosses })
    }
}

impl Default for Redirects {
    fn default() -> Self {
        Self::none()
    }
}

/// Where the next request goes.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Hop {
    to: Endpoint,
    /// Whether that is another origin than before.
    crosses: bool,
}

/// Why a redirect is not followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Why {
    Off,
    Status,
    Method,
    NoLocation,
    BadLocation,
    Downgrade,
    OtherOrigin,
    Plaintext,
    OwnQuery,
    TooMany(u32),
}

impl fmt::Display for Why {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "redirects are not followed, give the final URL",
            Self::Status => "this status is none that can be followed, give the final URL",
            Self::Method => "it is followed for GET and HEAD only, give the final URL",
            Self::NoLocation => "a redirect that does not say where to",
            Self::BadLocation => "a redirect to what is no URL that a message can be sent to",
            Self::Downgrade => "a redirect from https to http, which is never followed",
            Self::OtherOrigin => "a redirect to another origin, and only the same is followed",
            Self::Plaintext => {
                "a redirect to http:// at another machine, and plain text is not allowed (allow_plaintext)"
            }
            Self::OwnQuery => {
                "a redirect that would take this sink's own query or a credential to another origin"
            }
            Self::TooMany(max) => return write!(f, "more than {max} redirects in a row"),
        })
    }
}

/// The way that one attempt has gone so far.
#[derive(Debug)]
pub(crate) struct Trail<'s> {
    redirects: Redirects,
    first: &'s Endpoint,
    last: Option<Endpoint>,
    followed: u32,
    /// Whether it has led to another origin.
    left: bool,
    /// Whether it has stayed on this machine.
    local: bool,
    /// The request that was sent, to send it again.
    sent: Option<Box<Request<Bytes>>>,
    /// The queries of all requests so far.
    queries: Vec<String>,
}

impl<'s> Trail<'s> {
    pub(crate) fn new(redirects: Redirects, first: &'s Endpoint) -> Self {
        Self {
            redirects,
            first,
            last: None,
            followed: 0,
            left: false,
            local: first.is_loopback(),
            sent: None,
            queries: Vec::new(),
        }
    }

    /// Takes note of a request that is about to be sent.
    pub(crate) fn keep(&mut self, request: &Request<Bytes>) {
        if self.redirects.scope != Scope::None {
            self.sent = Some(Box::new(request.clone()));
            self.queries.extend(request.uri().query().map(str::to_owned));
        }
    }

    /// Where the current request goes.
    pub(crate) fn endpoint(&self) -> &Endpoint {
        self.last.as_ref().unwrap_or(self.first)
    }

    /// Judges an answer that redirects: returns the request that follows it, or why none does.
    ///
    /// `shows_a_secret` says whether one of our credentials is in a text, in whatever form.
    pub(crate) fn follow(
        &mut self,
        code: u16,
        headers: &HeaderMap,
        shows_a_secret: impl FnOnce(&str) -> bool,
    ) -> Result<Box<Request<Bytes>>, Why> {
        let mut request = self.sent.take().ok_or(Why::Off)?;
        let from = self.endpoint();
        let Hop { to, crosses } =
            self.redirects.decide(code, request.method(), headers, from, self.followed)?;
        if crosses {
            if self.queries.iter().any(|ours| shares_a_pair(Some(ours), to.query()))
                || shows_a_secret(&to.uri().to_string())
            {
                return Err(Why::OwnQuery);
            }
            let headers = request.headers_mut();
            let strange: Vec<_> =
                headers.keys().filter(|&name| !is_harmless(name)).cloned().collect();
            for name in strange {
                headers.remove(name);
            }
        }
        *request.uri_mut() = to.uri().clone();
        self.local &= to.is_loopback();
        self.last = Some(to);
        self.followed += 1;
        self.left |= crosses;
        Ok(request)
    }

    /// Whether it has led to another origin: credentials stayed behind then.
    pub(crate) fn has_left(&self) -> bool {
        self.left
    }

    /// Whether every place on it was this machine.
    pub(crate) fn is_local(&self) -> bool {
        self.local
    }

    /// Says in an error where it came from, if not from where the sink sends to.
    pub(crate) fn explain(&self, error: Error) -> Error {
        match &self.last {
            Some(last) => error.with_context("redirected_to", origin(last)),
            None => error,
        }
    }

    /// Says the same in a receipt.
    pub(crate) fn note(&self, receipt: Receipt) -> Receipt {
        match &self.last {
            Some(last) => receipt.with_notice(format!("redirected to {}", origin(last))),
            None => receipt,
        }
    }
}

fn same_origin(a: &Endpoint, b: &Endpoint) -> bool {
    a.is_tls() == b.is_tls() && a.port() == b.port() && a.host().eq_ignore_ascii_case(b.host())
}

/// The origin alone: a path may be a secret, as those of webhooks are.
pub(crate) fn origin(endpoint: &Endpoint) -> String {
    let scheme = if endpoint.is_tls() { "https" } else { "http" };
    format!("{scheme}://{}:{}", endpoint.host(), endpoint.port())
}

/// Whether a header may go to an origin that it was not meant for. What is not known to be harmless is
/// not: a credential can have any name.
fn is_harmless(name: &HeaderName) -> bool {
    const HARMLESS: [HeaderName; 9] = [
        ACCEPT,
        ACCEPT_CHARSET,
        ACCEPT_ENCODING,
        ACCEPT_LANGUAGE,
        CONTENT_ENCODING,
        CONTENT_LANGUAGE,
        CONTENT_LENGTH,
        CONTENT_TYPE,
        USER_AGENT,
    ];
    HARMLESS.contains(name) || name == IDEMPOTENCY_KEY
}

/// Whether one of our pairs is among theirs: servers that moved often repeat the whole query.
fn shares_a_pair(ours: Option<&str>, theirs: Option<&str>) -> bool {
    let pairs = |query: Option<&'_ str>| -> Vec<Vec<u8>> {
        let pairs = query.unwrap_or_default().split('&').filter(|pair| !pair.is_empty());
        pairs.map(|pair| percent_decode_str(&pair.replace('+', "%20")).collect()).collect()
    };
    let theirs = pairs(theirs);
    pairs(ours).iter().any(|pair| theirs.contains(pair))
}

const MAX: u32 = 3;

#[cfg(test)]
mod tests;
