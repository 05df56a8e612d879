//! The table from an HTTP status to what it means: pure.

use std::time::{Duration, SystemTime};

use fanout::{Effect, ErrorKind, RetryAdvice};
use http::HeaderMap;
use http::header::{DATE, RETRY_AFTER};

/// What a status means.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// The server took the message.
    Delivered,
    /// The server took the message in, and has not yet acted on it (202).
    Accepted,
    /// The server did not take the message.
    #[non_exhaustive]
    Failed {
        /// What kind of failure it is.
        kind: ErrorKind,
        /// Whether the message could have been applied.
        effect: Effect,
        /// What may be tried next.
        advice: RetryAdvice,
        /// Whether an earlier attempt of the same message may have caused the conflict.
        possibly_done: bool,
    },
}

/// What beside the status decides.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    /// How long the server asks to wait; zero when the time that it names has passed.
    pub retry_after: Option<Duration>,
    /// How long it takes until there is quota again, when none is left.
    pub quota_reset: Option<Duration>,
    /// The worst effect of the attempts before this one.
    pub earlier_effect: Effect,
    /// Whether the request carried an idempotency key of ours.
    pub keyed: bool,
}

impl Hints {
    /// Reads the hints of an answer's headers: `Retry-After`, and `Date` to make sense of a date in it.
    ///
    /// `now` is the local clock, which counts when the answer has no `Date`. What cannot be read counts
    /// as not there; more than a year counts as a year.
    ///
    /// # Standards
    ///
    /// RFC 9110 sections 10.2.3, 5.6.7 and 6.6.1.
    pub fn of(headers: &HeaderMap, now: SystemTime) -> Self {
        let text = |name| headers.get(name).and_then(|value| value.to_str().ok()).map(str::trim);
        let date = |name| text(name).and_then(|value| httpdate::parse_http_date(value).ok());
        let retry_after = text(RETRY_AFTER).and_then(|value| {
            if !value.is_empty() && value.bytes().all(|byte| byte.is_ascii_digit()) {
                // What is too large for a number is more than a year all the more.
                let seconds = value.parse().unwrap_or(u64::MAX);
                return Some(Duration::from_secs(seconds));
            }
            let then = httpdate::parse_http_date(value).ok()?;
            Some(then.duration_since(date(DATE).unwrap_or(now)).unwrap_or_default())
        });
        Self { retry_after: retry_after.map(|delay| delay.min(YEAR)), ..Self::default() }
    }

    /// Sets the worst effect of the attempts before this one.
    #[must_use]
    pub fn with_earlier_effect(mut self, effect: Effect) -> Self {
        self.earlier_effect = effect;
        self
    }

    /// Sets how long it takes until there is quota again, when none is left; more than a year counts as
    /// a year. It counts where the server asks for patience without saying for how long.
    #[must_use]
    pub fn with_quota_reset(mut self, delay: Duration) -> Self {
        self.quota_reset = Some(delay.min(YEAR));
        self
    }

    /// Says that the request carried an idempotency key of ours.
    #[must_use]
    pub fn with_key(mut self) -> Self {
        self.keyed = true;
        self
    }

    /// The advice to wait as long as the server asks, by `Retry-After` or else by its quota.
    pub(crate) fn delay_or(&self, otherwise: RetryAdvice) -> RetryAdvice {
        match self.retry_after.or(self.quota_reset) {
            Some(delay) if !delay.is_zero() => RetryAdvice::After(delay),
            _ => otherwise,
        }
    }
}

/// Says what an HTTP status means. Pure, and total: any number has an answer.
///
/// The table, with the standard behind every row, is on the page of this crate; a test holds the two
/// together.
///
/// # Examples
///
/// ```
/// use fanout_http::{Class, Hints, classify};
///
/// assert_eq!(classify(201, Hints::default()), Class::Delivered);
/// ```
pub fn classify(code: u16, hints: Hints) -> Class {
    use ErrorKind::{
        Build, Conflict, Connect, Forbidden, NotFound, Protocol, Redirected, Rejected, Throttled,
        TooLarge, Unauthenticated, Unavailable, Unsupported, Upstream,
    };
    use RetryAdvice::{Backoff, HigherLevel, Never, Once, OtherSink};

    let failed =
        |kind, effect, advice| Class::Failed { kind, effect, advice, possibly_done: false };
    // An earlier attempt that may have been applied can itself be what this one conflicts with.
    let conflict = |advice| Class::Failed {
        kind: Conflict,
        effect: Effect::None,
        advice,
        possibly_done: hints.earlier_effect >= Effect::Maybe,
    };
    let after_or = |otherwise| match hints.retry_after {
        Some(delay) if !delay.is_zero() => RetryAdvice::After(delay),
        _ => otherwise,
    };
    let delay_or = |otherwise| hints.delay_or(otherwise);
    let none = Effect::None;

    match code {
        // RFC 9110 section 15.2: hyper waits through the informational ones.
        100..=199 => failed(Protocol, Effect::Maybe, Backoff),
        202 => Class::Accepted,
        200..=299 => Class::Delivered,
        300..=399 => failed(Redirected, none, Never),
        401 | 407 => failed(Unauthenticated, none, Once),
        402 => failed(Forbidden, none, OtherSink),
        403 | 451 => failed(Forbidden, none, Never),
        404 | 410 => failed(NotFound, none, Never),
        405 | 406 | 415 | 416 | 417 | 426 => failed(Unsupported, none, Never),
        408 | 425 => failed(Unavailable, none, Backoff),
        // Whoever knows the key is still at work on the attempt before.
        409 if hints.keyed => conflict(after_or(RetryAdvice::After(KEY_IN_USE))),
        409 => conflict(Never),
        411 => failed(Build, none, Never),
        412 => conflict(HigherLevel),
        413 => failed(TooLarge, none, after_or(Never)),
        414 | 431 => failed(TooLarge, none, Never),
        421 => failed(Unavailable, none, Once),
        423 | 428 => failed(Conflict, none, HigherLevel),
        424 => failed(Conflict, none, Never),
        429 => failed(Throttled, none, delay_or(Backoff)),
        400..=499 => failed(Rejected, none, Never),
        501 | 505 | 506 | 508 | 510 => failed(Unsupported, none, Never),
        // A server that knows when to come back has refused on purpose. One that does not say may be
        // a proxy that lost the connection after it passed the request on.
        503 if hints.retry_after.is_some() => failed(Unavailable, none, after_or(Backoff)),
        503 => failed(Unavailable, Effect::Maybe, delay_or(Backoff)),
        507 => failed(Unavailable, none, OtherSink),
        511 => failed(Connect, none, OtherSink),
        // RFC 9110 section 15: an unknown code counts as the x00 of its class; one without a class
        // comes from a server that failed.
        _ => failed(Upstream, Effect::Maybe, Backoff),
    }
}

/// Returns a few words on what to do about a status, for people.
pub(crate) fn hint(code: u16, keyed: bool) -> Option<&'static str> {
    Some(match code {
        // draft-ietf-httpapi-idempotency-key-header-07 section 2.7.
        400 if keyed => "if it is about the idempotency key, the server wants it in another form",
        409 if keyed => "an earlier attempt with the same idempotency key is still being worked on",
        422 if keyed => {
            "if the content is right, another payload was sent with the same idempotency key before: \
             two different messages have the same id"
        }
        401 => "credentials are missing or not accepted",
        402 => "a quota is used up or a bill is open",
        403 => "these credentials may not do this",
        404 => "check the path of the URL",
        405 => "the method is not allowed here",
        407 => "the proxy wants credentials",
        408 => "the server did not receive the request in time",
        410 => "gone for good, take this sink out",
        413 => "the payload is too large for the server",
        415 => "the server does not take this content type",
        421 => "the server does not serve this host on this connection",
        429 => "too many requests",
        511 => "the network wants a login first",
        _ => return None,
    })
}

/// How long an attempt waits for an earlier one with the same key, when the server does not say.
const KEY_IN_USE: Duration = Duration::from_secs(1);

/// Nobody plans further ahead, and no clock overflows.
pub(crate) const YEAR: Duration = Duration::from_secs(365 * 24 * 60 * 60);

#[cfg(test)]
mod tests;
