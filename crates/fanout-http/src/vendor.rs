//! Status codes that vendors made up: not registered, so not in the table of every sink.

use fanout::{Effect, ErrorKind, RetryAdvice};

use crate::{Class, Hints};

/// Says what a vendor's status code means, `None` for a code that is not one of them.
///
/// No standard has these codes, so a sink asks for them by
/// [`vendor_codes`](crate::HttpSinkBuilder::vendor_codes). The table is on the page of this crate, below
/// the standard one.
///
/// # Examples
///
/// ```
/// use fanout_http::{Hints, vendor_class};
///
/// assert!(vendor_class(529, Hints::default()).is_some());
/// assert!(vendor_class(500, Hints::default()).is_none());
/// ```
pub fn vendor_class(code: u16, hints: Hints) -> Option<Class> {
    let failed =
        |kind, effect, advice| Some(Class::failed(kind).with_effect(effect).with_advice(advice));
    match code {
        // The edge could not connect to the server behind it.
        521 | 523 | 525 | 526 => failed(ErrorKind::Connect, Effect::None, RetryAdvice::Backoff),
        // 522 is also said of a server that took the request and did not acknowledge it.
        520 | 522 | 524 | 527 => failed(ErrorKind::Upstream, Effect::Maybe, RetryAdvice::Backoff),
        // "Overloaded": as 429.
        529 => failed(ErrorKind::Throttled, Effect::None, hints.delay_or(RetryAdvice::Backoff)),
        _ => None,
    }
}
