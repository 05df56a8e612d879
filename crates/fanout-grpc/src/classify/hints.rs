//! What a server adds to a status: when to try again, or not to.

use std::time::Duration;

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use fanout::{Effect, Error, RetryAdvice};
use prost::Message;

/// What is known beside a status code: pushback, `RetryInfo`, and how earlier attempts ended.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hints {
    pushback: Option<Pushback>,
    retry_info: Option<Duration>,
    earlier_effect: Effect,
}

/// The value of `grpc-retry-pushback-ms`.
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pushback {
    /// Try again after exactly this long.
    After(Duration),
    /// Do not try again: the value is negative, or no number.
    Forbidden,
}

impl Hints {
    /// Makes hints that say nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets the pushback.
    #[must_use]
    pub fn with_pushback(mut self, pushback: Pushback) -> Self {
        self.pushback = Some(pushback);
        self
    }

    /// Sets the delay of a `google.rpc.RetryInfo`.
    #[must_use]
    pub fn with_retry_info(mut self, delay: Duration) -> Self {
        self.retry_info = Some(delay);
        self
    }

    /// Sets the worst effect of the attempts before this one.
    #[must_use]
    pub fn with_earlier_effect(mut self, effect: Effect) -> Self {
        self.earlier_effect = effect;
        self
    }

    /// Returns the worst effect of the attempts before this one. Default: `None`.
    pub fn earlier_effect(&self) -> Effect {
        self.earlier_effect
    }

    /// Returns the delay that the server asks for; pushback counts before `RetryInfo`.
    pub fn delay(&self) -> Option<Duration> {
        match self.pushback {
            Some(Pushback::After(delay)) => Some(delay),
            Some(Pushback::Forbidden) => None,
            None => self.retry_info,
        }
    }

    /// Lets the hints have their say about the advice. They never make a final error retryable.
    pub(super) fn apply(&self, error: Error) -> Error {
        match (self.pushback, self.delay()) {
            (Some(Pushback::Forbidden), _) => error
                .with_advice(RetryAdvice::Forbidden)
                .with_context("pushback", "the server forbids another attempt"),
            (pushback, Some(delay)) if error.advice() == RetryAdvice::Backoff => {
                error.with_advice(match pushback {
                    Some(_) => RetryAdvice::Exactly(delay),
                    // No floor at all is no advice.
                    None if delay.is_zero() => RetryAdvice::Backoff,
                    None => RetryAdvice::After(delay),
                })
            }
            _ => error,
        }
    }
}

impl Pushback {
    /// Reads the header value: whole milliseconds; negative or anything else forbids.
    pub fn parse(value: &str) -> Self {
        value.parse().map_or(Self::Forbidden, |ms| Self::After(Duration::from_millis(ms)))
    }
}

/// Reads the delay of the first `RetryInfo` in a `grpc-status-details-bin` value.
///
/// What is malformed, negative or absent is no delay: details are a courtesy.
pub(crate) fn retry_info(details: &[u8]) -> Option<Duration> {
    let bytes = BASE64.decode(details).ok()?;
    let status = RpcStatus::decode(bytes.as_slice()).ok()?;
    let info = status
        .details
        .iter()
        .find(|detail| detail.type_url.rsplit('/').next() == Some("google.rpc.RetryInfo"))?;
    let delay = RetryInfo::decode(info.value.as_slice()).ok()?.retry_delay?;
    delay.try_into().ok()
}

/// `google.rpc.Status`, as far as it is read here.
#[derive(Clone, PartialEq, Message)]
struct RpcStatus {
    #[prost(message, repeated, tag = "3")]
    details: Vec<prost_types::Any>,
}

/// `google.rpc.RetryInfo`.
#[derive(Clone, PartialEq, Message)]
struct RetryInfo {
    #[prost(message, optional, tag = "1")]
    retry_delay: Option<prost_types::Duration>,
}

/// Binary metadata comes with or without padding ("must accept" both).
pub(crate) const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::Indifferent)
        .with_decode_allow_trailing_bits(true),
);

#[cfg(test)]
mod tests {
    use super::*;

    fn details(type_url: &str, value: Vec<u8>) -> Vec<u8> {
        let any = prost_types::Any { type_url: type_url.into(), value };
        BASE64.encode(RpcStatus { details: vec![any] }.encode_to_vec()).into_bytes()
    }

    fn info(seconds: i64, nanos: i32) -> Vec<u8> {
        RetryInfo { retry_delay: Some(prost_types::Duration { seconds, nanos }) }.encode_to_vec()
    }

    #[test]
    fn pushback_is_whole_milliseconds_and_all_else_forbids() {
        assert_eq!(Pushback::parse("250"), Pushback::After(Duration::from_millis(250)));
        assert_eq!(Pushback::parse("0"), Pushback::After(Duration::ZERO));
        for value in ["-1", "abc", "", "1.5", "99999999999999999999999"] {
            assert_eq!(Pushback::parse(value), Pushback::Forbidden, "{value:?}");
        }
    }

    #[test]
    fn retry_info_is_found_among_the_details() {
        let url = "type.googleapis.com/google.rpc.RetryInfo";
        assert_eq!(retry_info(&details(url, info(3, 0))), Some(Duration::from_secs(3)));
        assert_eq!(retry_info(&details(url, info(0, 5_000_000))), Some(Duration::from_millis(5)));
    }

    #[test]
    fn unusable_details_are_no_delay() {
        let url = "type.googleapis.com/google.rpc.RetryInfo";
        assert_eq!(retry_info(&details(url, info(-1, 0))), None);
        assert_eq!(retry_info(&details(url, b"\xff\xff".to_vec())), None);
        assert_eq!(retry_info(&details("x/google.rpc.ErrorInfo", info(3, 0))), None);
        assert_eq!(retry_info(b"%%%"), None);
        assert_eq!(retry_info(b"////"), None);
        assert_eq!(retry_info(b""), None);
    }

    #[test]
    fn a_delay_never_makes_a_final_error_retryable() {
        let hints = Hints::new().with_retry_info(Duration::from_secs(1));
        let error = super::super::classify_status(3, &hints).expect("an error");
        assert_eq!(error.advice(), RetryAdvice::Never);
    }

    #[test]
    fn pushback_counts_before_retry_info() {
        let hints = Hints::new().with_retry_info(Duration::from_secs(1));
        let exact = hints.clone().with_pushback(Pushback::After(Duration::from_millis(7)));
        assert_eq!(exact.delay(), Some(Duration::from_millis(7)));
        let error = super::super::classify_status(8, &hints.with_pushback(Pushback::Forbidden))
            .expect("an error");
        assert_eq!(error.advice(), RetryAdvice::Forbidden);
    }

    #[test]
    fn pushback_is_exact_and_retry_info_is_a_floor() {
        let advice = |hints| super::super::classify_status(14, &hints).expect("an error").advice();
        let ms = Duration::from_millis;
        let pushed = |delay| Hints::new().with_pushback(Pushback::After(ms(delay)));
        assert_eq!(advice(pushed(7)), RetryAdvice::Exactly(ms(7)));
        assert_eq!(advice(pushed(0)), RetryAdvice::Exactly(Duration::ZERO));
        assert_eq!(advice(Hints::new().with_retry_info(ms(7))), RetryAdvice::After(ms(7)));
        assert_eq!(advice(Hints::new().with_retry_info(ms(0))), RetryAdvice::Backoff);
    }
}
