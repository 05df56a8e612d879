//! How the sends to one sink ended.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use crate::{ApiNotice, Effect, Error, IdempotencyKey, Receipt};

/// How the delivery of one message to one sink went: all attempts together.
#[derive(Debug)]
pub struct Delivery {
    pub(crate) sink: Arc<str>,
    pub(crate) role: Role,
    pub(crate) outcome: Outcome,
    pub(crate) effect: Effect,
    pub(crate) attempts: u32,
    pub(crate) started: Option<Duration>,
    pub(crate) elapsed: Duration,
    pub(crate) delay: Duration,
    pub(crate) stop_reason: Option<StopReason>,
    pub(crate) namespace: u128,
    pub(crate) rank: Option<u32>,
    pub(crate) inner: Option<Box<crate::Report>>,
}

/// What a sink means to its fan-out.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Role {
    /// Counts for the verdict.
    Required,
    /// Is sent a copy; whatever happens to it, the verdict and its time do not change.
    Mirror,
}

/// How a delivery ended. Written once.
#[non_exhaustive]
#[derive(Debug)]
pub enum Outcome {
    /// The sink took the message.
    Delivered(Receipt),
    /// It did not, for this reason.
    Failed(Error),
    /// The send was called off while it ran.
    Cancelled,
    /// The sink was never started.
    Skipped(SkipReason),
    /// The send still goes on: only in a report taken at the verdict.
    Pending,
}

/// Why a sink was never started.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum SkipReason {
    /// The policy held without it.
    NotNeeded,
    /// One before it failed.
    PreviousFailed,
    /// Too few sinks were available to begin at all.
    Unavailable,
    /// One before it may have applied the message, and doing so twice was not allowed.
    Ambiguous,
    /// The deadline came first.
    Deadline,
    /// The policy waited for nothing, and was stopped.
    Stalled,
    /// The fan-out was shut down.
    Shutdown,
    /// The send was called off before its turn came.
    Cancelled,
}

/// Why no further attempt was made.
#[non_exhaustive]
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StopReason {
    /// The message was delivered.
    Succeeded,
    /// The failure would repeat itself.
    NotRetryable,
    /// All attempts were made.
    AttemptsExhausted,
    /// The retry budget was empty.
    BudgetExhausted,
    /// The deadline came, or would have come before the next attempt.
    DeadlineWouldPass,
    /// The sink asked for a longer pause than is allowed.
    ServerDelayTooLong,
    /// The sink may have applied the message, and doing so twice may not be harmless.
    AmbiguousNotIdempotent,
    /// The circuit breaker was open.
    CircuitOpen,
    /// The sink forbade further attempts.
    ServerForbids,
    /// The policy had decided.
    PolicyDecided,
    /// The caller dropped the send.
    CallerCancelled,
    /// The fan-out was shut down.
    Shutdown,
}

impl Delivery {
    /// One that has not started.
    pub(crate) fn waiting(sink: Arc<str>, role: Role, namespace: u128) -> Self {
        Self {
            sink,
            role,
            outcome: Outcome::Pending,
            effect: Effect::None,
            attempts: 0,
            started: None,
            elapsed: Duration::ZERO,
            delay: Duration::ZERO,
            stop_reason: None,
            namespace,
            rank: None,
            inner: None,
        }
    }

    /// One that has not started, of the same sink and the same message.
    pub(crate) fn stub(&self) -> Self {
        Self::waiting(Arc::clone(&self.sink), self.role, self.namespace)
    }

    pub(crate) fn is_waiting(&self) -> bool {
        self.started.is_none() && matches!(self.outcome, Outcome::Pending)
    }

    pub(crate) fn is_in_flight(&self) -> bool {
        self.started.is_some() && matches!(self.outcome, Outcome::Pending)
    }

    pub(crate) fn begin(&mut self, elapsed: Duration) {
        self.started = Some(elapsed);
    }

    /// Returns the name of the sink.
    pub fn sink(&self) -> &str {
        &self.sink
    }

    /// Returns what the sink means to its fan-out.
    pub fn role(&self) -> Role {
        self.role
    }

    /// Returns how it ended.
    pub fn outcome(&self) -> &Outcome {
        &self.outcome
    }

    /// Returns true when the sink took the message.
    pub fn is_delivered(&self) -> bool {
        matches!(self.outcome, Outcome::Delivered(_))
    }

    /// Returns what the sink answered, when it took the message.
    pub fn receipt(&self) -> Option<&Receipt> {
        match &self.outcome {
            Outcome::Delivered(receipt) => Some(receipt),
            _ => None,
        }
    }

    /// Returns the original error, when the delivery failed.
    pub fn error(&self) -> Option<&Error> {
        match &self.outcome {
            Outcome::Failed(error) => Some(error),
            _ => None,
        }
    }

    /// Returns whether the sink could have applied the message: the worst over all attempts.
    ///
    /// `Done` for a delivered one. A pending one is `Maybe`.
    pub fn effect(&self) -> Effect {
        self.effect
    }

    /// Returns how many attempts were made.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }

    /// Returns when the first attempt started, counted from the call of `send`; `None` if it never did.
    pub fn started(&self) -> Option<Duration> {
        self.started
    }

    /// Returns the time from the start of the first attempt to the end of the last.
    pub fn elapsed(&self) -> Duration {
        self.elapsed
    }

    /// Returns the time spent in pauses between attempts.
    pub fn delay(&self) -> Duration {
        self.delay
    }

    /// Returns why no further attempt was made; `None` while the send goes on.
    pub fn stop_reason(&self) -> Option<StopReason> {
        self.stop_reason
    }

    /// Returns the idempotency key that every attempt at this sink had, and every resend will have.
    pub fn idempotency_key(&self) -> IdempotencyKey {
        IdempotencyKey::derive(self.namespace, &self.sink)
    }

    /// Returns what the answer announced about the life of the API, whether it took the message or not.
    pub fn api(&self) -> Option<&ApiNotice> {
        match &self.outcome {
            Outcome::Delivered(receipt) => receipt.api(),
            Outcome::Failed(error) => error.api(),
            _ => None,
        }
    }

    /// Returns the report of the nested fan-out or chain behind this sink.
    pub fn report(&self) -> Option<&crate::Report> {
        match &self.outcome {
            Outcome::Delivered(receipt) => receipt.report(),
            Outcome::Failed(error) => error.report(),
            _ => None,
        }
        .or(self.inner.as_deref())
    }
}

impl Role {
    /// Returns the name that JSON uses: `required`, `mirror`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Required => "required",
            Self::Mirror => "mirror",
        }
    }
}

impl Outcome {
    /// Returns the name that JSON, logs and metrics use: `delivered`.
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Delivered(_) => "delivered",
            Self::Failed(_) => "failed",
            Self::Cancelled => "cancelled",
            Self::Skipped(_) => "skipped",
            Self::Pending => "pending",
        }
    }
}

impl SkipReason {
    /// Returns the name that JSON, logs and metrics use: `previous_failed`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NotNeeded => "not_needed",
            Self::PreviousFailed => "previous_failed",
            Self::Unavailable => "unavailable",
            Self::Ambiguous => "ambiguous",
            Self::Deadline => "deadline",
            Self::Stalled => "stalled",
            Self::Shutdown => "shutdown",
            Self::Cancelled => "cancelled",
        }
    }
}

impl fmt::Display for SkipReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}

impl StopReason {
    pub(crate) const ALL: [Self; 12] = [
        Self::Succeeded,
        Self::NotRetryable,
        Self::AttemptsExhausted,
        Self::BudgetExhausted,
        Self::DeadlineWouldPass,
        Self::ServerDelayTooLong,
        Self::AmbiguousNotIdempotent,
        Self::CircuitOpen,
        Self::ServerForbids,
        Self::PolicyDecided,
        Self::CallerCancelled,
        Self::Shutdown,
    ];

    /// Returns the name that JSON, logs and metrics use: `attempts_exhausted`.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "succeeded",
            Self::NotRetryable => "not_retryable",
            Self::AttemptsExhausted => "attempts_exhausted",
            Self::BudgetExhausted => "budget_exhausted",
            Self::DeadlineWouldPass => "deadline_would_pass",
            Self::ServerDelayTooLong => "server_delay_too_long",
            Self::AmbiguousNotIdempotent => "ambiguous_not_idempotent",
            Self::CircuitOpen => "circuit_open",
            Self::ServerForbids => "server_forbids",
            Self::PolicyDecided => "policy_decided",
            Self::CallerCancelled => "caller_cancelled",
            Self::Shutdown => "shutdown",
        }
    }
}

impl fmt::Display for StopReason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.as_str())
    }
}
