//! The numbers of the pipeline, and what is impossible among them.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::BuildError;

/// The numbers of [`Resilient`](super::Resilient): how long, how often, how many.
///
/// [`Default`] is a sensible choice for an API over the network; [`webhook`](Self::webhook),
/// [`llm`](Self::llm) and [`strict`](Self::strict) are others. In a file the durations are seconds, whole
/// or with a fraction, what is left out is the default, and an unknown key is an error.
///
/// # Examples
///
/// ```
/// use std::time::Duration;
///
/// use fanout::resilience::Resilience;
///
/// let resilience = Resilience::default().max_attempts(5).attempt_timeout(Duration::from_secs(2));
/// assert!(resilience.validate().is_ok());
/// let read: Resilience = serde_json::from_str(r#"{ "max_attempts": 5, "attempt_timeout": 2.0 }"#)?;
/// assert_eq!(read, resilience);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[must_use = "settings do nothing until they are given to a sink"]
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Resilience {
    #[serde(with = "seconds")]
    pub(super) attempt_timeout: Duration,
    #[serde(with = "seconds")]
    pub(super) total_timeout: Duration,
    pub(super) max_attempts: u32,
    pub(super) retry_maybe: RetryMaybe,
    #[serde(with = "seconds")]
    pub(super) backoff_base: Duration,
    #[serde(with = "seconds")]
    pub(super) throttle_base: Duration,
    #[serde(with = "seconds")]
    pub(super) backoff_max: Duration,
    #[serde(with = "seconds")]
    pub(super) max_server_delay: Duration,
    pub(super) budget_ratio: f64,
    pub(super) budget_floor: f64,
    #[serde(with = "seconds")]
    pub(super) budget_ttl: Duration,
    pub(super) breaker_consecutive: u32,
    pub(super) breaker_ratio: f64,
    pub(super) breaker_min_calls: u32,
    #[serde(with = "seconds")]
    pub(super) breaker_window: Duration,
    #[serde(with = "seconds")]
    pub(super) breaker_open: Duration,
    #[serde(with = "seconds")]
    pub(super) breaker_open_max: Duration,
    pub(super) max_in_flight: usize,
    pub(super) max_waiting: usize,
    pub(super) rate_limit: Option<f64>,
    pub(super) seed: Option<u64>,
}

/// Whether a message may be offered again that may have been applied.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RetryMaybe {
    /// When the sink [is repeatable](crate::Sink::is_repeatable): applying it twice is harmless there.
    #[default]
    IfRepeatable,
    /// Never, whatever the sink says.
    Never,
}

impl Default for Resilience {
    /// Every number is in the documentation of its setter.
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            attempt_timeout: seconds(10),
            total_timeout: seconds(30),
            max_attempts: 3,
            retry_maybe: RetryMaybe::IfRepeatable,
            backoff_base: Duration::from_millis(50),
            throttle_base: seconds(1),
            backoff_max: seconds(20),
            max_server_delay: seconds(60),
            budget_ratio: 0.2,
            budget_floor: 10.0,
            budget_ttl: seconds(10),
            breaker_consecutive: 5,
            breaker_ratio: 0.5,
            breaker_min_calls: 20,
            breaker_window: seconds(30),
            breaker_open: seconds(5),
            breaker_open_max: seconds(60),
            max_in_flight: 64,
            max_waiting: 256,
            rate_limit: None,
            seed: None,
        }
    }
}

impl Resilience {
    /// Numbers for a webhook: the defaults, as they are.
    ///
    /// They suit one whose sink adds an idempotency key (mode `key` of the transport): a receiver that
    /// honours the key makes every failure safe to retry. Without it only what surely was not applied is
    /// retried.
    pub fn webhook() -> Self {
        Self::default()
    }

    /// Numbers for a large language model: an attempt may take 120 s, a send 300 s in all, and the breaker
    /// looks at 240 s.
    ///
    /// A fan-out of such sinks needs a deadline to match; its default is 35 s. Asking a model twice costs
    /// money and harms nothing, so let `fallback` proceed where one is ambiguous.
    pub fn llm() -> Self {
        let seconds = Duration::from_secs;
        Self::default()
            .attempt_timeout(seconds(120))
            .total_timeout(seconds(300))
            .breaker_window(seconds(240))
    }

    /// The defaults, but what may have been applied is never offered again, whatever the sink says.
    pub fn strict() -> Self {
        Self::default().retry_maybe(RetryMaybe::Never)
    }

    /// Checks that the numbers can work together.
    ///
    /// # Errors
    ///
    /// [`BuildError::ZeroDuration`] and [`BuildError::ZeroCount`] for what must not be zero,
    /// [`BuildError::OutOfRange`] for what is not a number or too large or small,
    /// [`BuildError::TooShort`] when a duration leaves no room for the one that it must contain.
    pub fn validate(&self) -> Result<(), BuildError> {
        let durations = [
            ("attempt_timeout", self.attempt_timeout),
            ("total_timeout", self.total_timeout),
            ("backoff_base", self.backoff_base),
            ("throttle_base", self.throttle_base),
            ("backoff_max", self.backoff_max),
            ("max_server_delay", self.max_server_delay),
            ("budget_ttl", self.budget_ttl),
            ("breaker_window", self.breaker_window),
            ("breaker_open", self.breaker_open),
            ("breaker_open_max", self.breaker_open_max),
        ];
        if let Some((setting, _)) = durations.into_iter().find(|(_, duration)| duration.is_zero()) {
            return Err(BuildError::ZeroDuration { setting });
        }
        let counts = [
            ("max_attempts", self.max_attempts == 0),
            ("breaker_consecutive", self.breaker_consecutive == 0),
            ("breaker_min_calls", self.breaker_min_calls == 0),
            ("max_in_flight", self.max_in_flight == 0),
        ];
        if let Some((setting, _)) = counts.into_iter().find(|(_, zero)| *zero) {
            return Err(BuildError::ZeroCount { setting });
        }
        let within = |setting, value: f64, least: f64, most: f64, range| {
            // Written so that what is not a number fails.
            if value > least && value <= most {
                return Ok(());
            }
            Err(BuildError::OutOfRange { setting, value: value.to_string(), range })
        };
        within("budget_ratio", self.budget_ratio, 0.0, 1.0, "(0, 1]")?;
        within("breaker_ratio", self.breaker_ratio, 0.0, 1.0, "(0, 1]")?;
        // Just below zero, so that zero is inside.
        within("budget_floor", self.budget_floor, -f64::MIN_POSITIVE, 1e9, "[0, 1e9]")?;
        within("rate_limit", self.rate_limit.unwrap_or(1.0), 1e-6, 1e9, "(1e-6, 1e9]")?;
        let permits = tokio::sync::Semaphore::MAX_PERMITS;
        if self.max_in_flight > permits || self.max_waiting > permits {
            let large = self.max_in_flight.max(self.max_waiting);
            let setting =
                if self.max_in_flight > permits { "max_in_flight" } else { "max_waiting" };
            let (value, range) = (large.to_string(), "at most a few billion");
            return Err(BuildError::OutOfRange { setting, value, range });
        }
        let nested = [
            ("total_timeout", self.total_timeout, "attempt_timeout", self.attempt_timeout),
            (
                "breaker_window",
                self.breaker_window,
                "2 x attempt_timeout",
                self.attempt_timeout.saturating_mul(2),
            ),
            ("backoff_max", self.backoff_max, "backoff_base", self.backoff_base),
            ("backoff_max", self.backoff_max, "throttle_base", self.throttle_base),
            ("breaker_open_max", self.breaker_open_max, "breaker_open", self.breaker_open),
        ];
        match nested.into_iter().find(|(_, outer, _, inner)| outer < inner) {
            Some((setting, value, inner, least)) => {
                Err(BuildError::TooShort { setting, value, inner, least })
            }
            None => Ok(()),
        }
    }

    /// Sets the longest time one attempt may take, from the permit to the end of the answer's body.
    ///
    /// Queueing does not count: it is not the sink's fault. Default: 10 s. At most the total.
    pub fn attempt_timeout(mut self, attempt_timeout: Duration) -> Self {
        self.attempt_timeout = attempt_timeout;
        self
    }

    /// Sets the longest time a send may take in all, with queueing, retries and pauses. Default: 30 s.
    ///
    /// The deadline of the fan-out around counts when it is earlier.
    pub fn total_timeout(mut self, total_timeout: Duration) -> Self {
        self.total_timeout = total_timeout;
        self
    }

    /// Sets how many attempts are made at most, the first included. Default: 3.
    pub fn max_attempts(mut self, max_attempts: u32) -> Self {
        self.max_attempts = max_attempts;
        self
    }

    /// Sets whether a message may be offered again that may have been applied. Default: when the
    /// sink says that this is harmless.
    pub fn retry_maybe(mut self, retry_maybe: RetryMaybe) -> Self {
        self.retry_maybe = retry_maybe;
        self
    }

    /// Sets the longest pause before the first retry; it doubles with every further one. Default: 50 ms.
    pub fn backoff_base(mut self, backoff_base: Duration) -> Self {
        self.backoff_base = backoff_base;
        self
    }

    /// Sets the same for a sink that asked to be sent less without saying when. Default: 1 s.
    pub fn throttle_base(mut self, throttle_base: Duration) -> Self {
        self.throttle_base = throttle_base;
        self
    }

    /// Sets what the longest pause does not grow beyond. Default: 20 s.
    pub fn backoff_max(mut self, backoff_max: Duration) -> Self {
        self.backoff_max = backoff_max;
        self
    }

    /// Sets the longest pause that the sink may ask for, inclusive. Default: 60 s.
    ///
    /// For a longer one nobody waits: the send ends at once, and its error says how long.
    pub fn max_server_delay(mut self, max_server_delay: Duration) -> Self {
        self.max_server_delay = max_server_delay;
        self
    }

    /// Sets how many retries there may be in relation to first attempts, above 0 and at most 1, counted
    /// over all sends to this sink. Default: 0.2.
    pub fn budget_ratio(mut self, budget_ratio: f64) -> Self {
        self.budget_ratio = budget_ratio;
        self
    }

    /// Sets how many retries a second there may be beside that. Default: 10.
    pub fn budget_floor(mut self, budget_floor: f64) -> Self {
        self.budget_floor = budget_floor;
        self
    }

    /// Sets over which time the budget is counted. Default: 10 s.
    pub fn budget_ttl(mut self, budget_ttl: Duration) -> Self {
        self.budget_ttl = budget_ttl;
        self
    }

    /// Sets how many failures in a row open the breaker. Default: 5.
    pub fn breaker_consecutive(mut self, breaker_consecutive: u32) -> Self {
        self.breaker_consecutive = breaker_consecutive;
        self
    }

    /// Sets which share of failures opens the breaker, above 0 and at most 1. Default: 0.5.
    pub fn breaker_ratio(mut self, breaker_ratio: f64) -> Self {
        self.breaker_ratio = breaker_ratio;
        self
    }

    /// Sets how many calls there must have been for the share to count. Default: 20.
    pub fn breaker_min_calls(mut self, breaker_min_calls: u32) -> Self {
        self.breaker_min_calls = breaker_min_calls;
        self
    }

    /// Sets over which time the share is counted. Default: 30 s. At least two attempt timeouts.
    pub fn breaker_window(mut self, breaker_window: Duration) -> Self {
        self.breaker_window = breaker_window;
        self
    }

    /// Sets how long the breaker stays open the first time; then twice that, with equal jitter, as long
    /// as its probes fail. Default: 5 s.
    pub fn breaker_open(mut self, breaker_open: Duration) -> Self {
        self.breaker_open = breaker_open;
        self
    }

    /// Sets what that time does not grow beyond. Default: 60 s.
    pub fn breaker_open_max(mut self, breaker_open_max: Duration) -> Self {
        self.breaker_open_max = breaker_open_max;
        self
    }

    /// Sets how many attempts may be in flight at this sink at once. Default: 64.
    pub fn max_in_flight(mut self, max_in_flight: usize) -> Self {
        self.max_in_flight = max_in_flight;
        self
    }

    /// Sets how many sends may wait beside those, in the queue or between attempts; one more fails at
    /// once. Default: 256.
    pub fn max_waiting(mut self, max_waiting: usize) -> Self {
        self.max_waiting = max_waiting;
        self
    }

    /// Sets how many attempts a second this sink is sent, retries included, with bursts of one second's
    /// worth. Default: no limit.
    pub fn rate_limit(mut self, rate_limit: impl Into<Option<f64>>) -> Self {
        self.rate_limit = rate_limit.into();
        self
    }

    /// Sets the seed of the jitter, so that the same sends make the same pauses. Default: another one for
    /// every sink and process.
    pub fn seed(mut self, seed: impl Into<Option<u64>>) -> Self {
        self.seed = seed.into();
        self
    }
}

/// Durations as seconds.
mod seconds {
    use std::time::Duration;

    use serde::de::{Deserialize, Deserializer, Error};
    use serde::ser::Serializer;

    pub(super) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_f64(value.as_secs_f64())
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        let seconds = f64::deserialize(from)?;
        Duration::try_from_secs_f64(seconds)
            .map_err(|_| D::Error::custom(format!("{seconds} is not a number of seconds")))
    }
}
