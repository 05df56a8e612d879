//! From what was seen of a call to the error that it means.

use std::time::{Duration, SystemTime};

use bytes::Bytes;
use fanout::{Effect, Error, ErrorKind, RetryAdvice};
use fanout_net::auth::{Proofs, Renewal};
use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, HeaderValue, StatusCode};
use tonic::Code;

use crate::classify::{
    Hints, LocalFailure, Pushback, classify_http, classify_local, classify_status, retry_info,
};

/// The answer as it came, undigested.
#[derive(Default)]
pub(crate) struct Answer {
    /// The failure of the transport, classified.
    pub(crate) failure: Option<Error>,
    /// The HTTP status and the beginning of an answer that is not gRPC.
    pub(crate) foreign: Option<(StatusCode, Bytes)>,
    pub(crate) headers: HeaderMap,
    pub(crate) trailers: HeaderMap,
}

impl Answer {
    /// Returns the server's `grpc-status`, from the trailers or from an answer of headers alone.
    ///
    /// What is no number counts as `UNKNOWN`: the server has spoken, if unclearly.
    pub(crate) fn status(&self) -> Option<u16> {
        let value = self.value("grpc-status")?;
        Some(value.to_str().ok().and_then(|text| text.parse().ok()).unwrap_or(UNKNOWN))
    }

    /// Returns the error of a call for which the library returned `made_up`, which is the server's
    /// own status only if the server sent one. A refusal of the `proofs` is told to their credentials.
    pub(crate) fn into_error(
        self,
        made_up: &tonic::Status,
        earlier: Effect,
        proofs: &Proofs,
    ) -> Error {
        let error = self.into_classified(made_up, earlier);
        // Without a status it was a proxy that wants credentials, and not these.
        let refused = error.kind() == ErrorKind::Unauthenticated && error.status().is_some();
        let renewal = if refused { proofs.refused() } else { Renewal::Impossible };
        let error = match (error.kind(), renewal) {
            (ErrorKind::Unauthenticated, Renewal::Possible) => error,
            // The table says: once, with a fresh credential. There is none to be had.
            (ErrorKind::Unauthenticated, Renewal::Impossible) => {
                error.with_advice(RetryAdvice::Never)
            }
            _ => error,
        };
        // The server may repeat what it was sent.
        proofs.scrub(error)
    }

    fn into_classified(mut self, made_up: &tonic::Status, earlier: Effect) -> Error {
        match self.status() {
            // The status was OK, so what is wrong is the reply; or it came alone, without one.
            Some(0) => classify_local(LocalFailure::BadReply),
            Some(code) => {
                let error = classify_status(code, &self.hints(earlier));
                let error = error.expect("every code but 0 is an error");
                error.with_excerpt(made_up.message().as_bytes())
            }
            None => match (self.failure.take(), self.foreign.take()) {
                (Some(failure), _) => failure,
                (None, Some((StatusCode::OK, page))) => {
                    classify_local(LocalFailure::NotGrpc).with_excerpt(&page)
                }
                (None, Some((status, page))) => {
                    classify_http(status.as_u16(), retry_after(&self.headers)).with_excerpt(&page)
                }
                (None, None) => classify_local(local(made_up.code())),
            },
        }
    }

    fn hints(&self, earlier: Effect) -> Hints {
        let mut hints = Hints::new().with_earlier_effect(earlier);
        if let Some(value) = self.value("grpc-retry-pushback-ms") {
            hints = hints.with_pushback(Pushback::parse(value.to_str().unwrap_or_default()));
        }
        let details = self.value("grpc-status-details-bin");
        if let Some(delay) = details.and_then(|details| retry_info(details.as_bytes())) {
            hints = hints.with_retry_info(delay);
        }
        hints
    }

    fn value(&self, name: &str) -> Option<&HeaderValue> {
        self.trailers.get(name).or_else(|| self.headers.get(name))
    }
}

/// What the library means by a code that no server sent.
fn local(code: Code) -> LocalFailure {
    match code {
        // Longer than the limit as it is, or after decompression.
        Code::OutOfRange | Code::ResourceExhausted => LocalFailure::ReplyTooLarge,
        Code::Unknown => LocalFailure::NoStatus,
        _ => LocalFailure::BadFrame,
    }
}

/// Reads `Retry-After`: seconds, or a date, which counts from the answer's own `Date` if it has one.
fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let value = headers.get(RETRY_AFTER)?.to_str().ok()?.trim();
    if !value.is_empty() && value.bytes().all(|c| c.is_ascii_digit()) {
        return value.parse().ok().map(Duration::from_secs);
    }
    let date = |text| httpdate::parse_http_date(text).ok();
    let then = date(value)?;
    let now = headers.get(DATE).and_then(|now| date(now.to_str().ok()?));
    then.duration_since(now.unwrap_or_else(SystemTime::now)).ok()
}

const UNKNOWN: u16 = 2;

#[cfg(test)]
mod tests {
    use fanout::{ErrorKind, RetryAdvice};

    use super::*;

    fn headers<const N: usize>(pairs: [(&'static str, &'static str); N]) -> HeaderMap {
        let pair =
            |(name, value)| (http::HeaderName::from_static(name), HeaderValue::from_static(value));
        pairs.into_iter().map(pair).collect()
    }

    fn error(answer: Answer) -> Error {
        answer.into_error(&tonic::Status::unknown("s"), Effect::None, &Proofs::default())
    }

    #[test]
    fn retry_after_is_seconds_or_a_date() {
        let check = |pairs: HeaderMap, seconds: Option<u64>| {
            assert_eq!(retry_after(&pairs), seconds.map(Duration::from_secs), "{pairs:?}");
        };
        check(headers([]), None);
        check(headers([("retry-after", "7")]), Some(7));
        check(headers([("retry-after", " 0 ")]), Some(0));
        let date = ("date", "Sun, 06 Nov 1994 08:49:37 GMT");
        check(headers([("retry-after", "Sun, 06 Nov 1994 08:49:40 GMT"), date]), Some(3));
        check(headers([("retry-after", "Sun, 06 Nov 1994 08:49:30 GMT"), date]), None);
        check(headers([("retry-after", "Sun, 06 Nov 1994 08:49:40 GMT")]), None);
        check(headers([("retry-after", "soon")]), None);
        check(headers([("retry-after", "-1")]), None);
        check(headers([("retry-after", "99999999999999999999999")]), None);
    }

    #[test]
    fn trailers_count_before_headers() {
        let answer = Answer {
            headers: headers([("grpc-status", "5")]),
            trailers: headers([("grpc-status", "7")]),
            ..Answer::default()
        };
        assert_eq!(answer.status(), Some(7));
        assert_eq!(error(answer).kind(), ErrorKind::Forbidden);
    }

    #[test]
    fn a_status_that_is_no_number_is_unknown() {
        for value in ["x", "", "-1", "70000"] {
            let answer =
                Answer { trailers: headers([("grpc-status", value)]), ..Answer::default() };
            assert_eq!(error(answer).kind(), ErrorKind::Upstream, "{value}");
        }
    }

    #[test]
    fn a_status_counts_more_than_what_happened_after_it() {
        let answer = Answer {
            failure: Some(Error::new(ErrorKind::Interrupted, "reset")),
            trailers: headers([("grpc-status", "8"), ("grpc-retry-pushback-ms", "250")]),
            ..Answer::default()
        };
        let error = error(answer);
        assert_eq!(error.advice(), RetryAdvice::Exactly(Duration::from_millis(250)));
    }

    #[test]
    fn an_error_page_is_judged_by_its_http_status() {
        let answer = Answer {
            foreign: Some((StatusCode::SERVICE_UNAVAILABLE, "<html>busy".into())),
            headers: headers([("retry-after", "7")]),
            ..Answer::default()
        };
        let error = error(answer);
        assert_eq!((error.kind(), error.effect()), (ErrorKind::Unavailable, Effect::None));
        assert_eq!(error.advice(), RetryAdvice::After(Duration::from_secs(7)));
        assert_eq!(error.excerpt(), Some("<html>busy"));
    }
}
