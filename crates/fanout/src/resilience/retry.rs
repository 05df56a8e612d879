//! Whether to try again, and after which pause: the decision alone.

use std::time::Duration;

use crate::{Effect, Error, ErrorKind, RetryAdvice, StopReason, TimeoutScope};

use super::backoff::{Backoff, Jitter};
use super::settings::{Resilience, RetryMaybe};

/// Decides whether a failed attempt is followed by another.
///
/// Pure: no clock, no randomness of its own, no state. What it needs to know is in its arguments.
#[derive(Clone, Debug, PartialEq)]
pub struct RetryRule {
    max_attempts: u32,
    maybe: RetryMaybe,
    transient: Backoff,
    throttled: Backoff,
    max_server_delay: Duration,
}

/// What a [`RetryRule`] must know beside the error.
#[derive(Clone, Copy, Debug, Default)]
pub struct SoFar {
    single: bool,
    attempts: u32,
    step: u32,
    transparent: u32,
    refreshed: bool,
    repeated_at_once: bool,
}

/// What follows a failed attempt.
#[expect(clippy::exhaustive_enums, reason = "complete by definition")]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Try again after this pause.
    Retry {
        /// The pause; zero is at once.
        delay: Duration,
        /// Whether the next attempt repeats this one, which surely never reached the sink, so that it is
        /// neither counted nor taken from the budget.
        transparent: bool,
    },
    /// Give up, for this reason.
    Stop(StopReason),
}

impl RetryRule {
    /// Makes the rule of these settings.
    pub fn new(settings: &Resilience) -> Self {
        Self {
            max_attempts: settings.max_attempts,
            maybe: settings.retry_maybe,
            transient: Backoff::new(settings.backoff_base, settings.backoff_max),
            throttled: Backoff::new(settings.throttle_base, settings.backoff_max),
            max_server_delay: settings.max_server_delay,
        }
    }

    /// Decides what follows `error`.
    ///
    /// `repeatable` tells whether offering the message again is harmless when it may have been applied,
    /// `remaining` how much time is left, and `budget` takes one retry out of the budget: it is
    /// asked last, once, and only when nothing else stops the retry.
    ///
    /// The first of these that holds is the answer:
    ///
    /// 1. The whole time is over: `deadline_would_pass`. The advice says no: `not_retryable`, or `server_forbids` when the sink forbade it.
    /// 2. The message was applied: `not_retryable`. It may have been, and offering it again is not
    ///    harmless: `ambiguous_not_idempotent`.
    /// 3. The advice is [`RetryAdvice::Once`], with effect `None`: at once and transparent, at most twice
    ///    for a message, and once for a refused credential; then `attempts_exhausted`.
    /// 4. As many attempts were made as may be, at a mirror one: `attempts_exhausted`.
    /// 5. The sink asked for a longer pause than is allowed: `server_delay_too_long`.
    /// 6. The pause would not end before the time does: `deadline_would_pass`.
    /// 7. The budget is empty: `budget_exhausted`.
    pub fn decide(
        &self,
        error: &Error,
        so_far: &SoFar,
        repeatable: bool,
        remaining: Option<Duration>,
        jitter: &mut Jitter,
        budget: impl FnOnce() -> bool,
    ) -> Decision {
        if let Some(TimeoutScope::Total | TimeoutScope::FanOut) = error.scope() {
            return Decision::Stop(StopReason::DeadlineWouldPass);
        }
        match error.advice() {
            RetryAdvice::Never | RetryAdvice::HigherLevel | RetryAdvice::OtherSink => {
                return Decision::Stop(StopReason::NotRetryable);
            }
            RetryAdvice::Forbidden => return Decision::Stop(StopReason::ServerForbids),
            RetryAdvice::Once
            | RetryAdvice::Backoff
            | RetryAdvice::After(_)
            | RetryAdvice::Exactly(_) => {}
        }
        let repeatable = repeatable && self.maybe == RetryMaybe::IfRepeatable;
        match error.effect() {
            Effect::Done => return Decision::Stop(StopReason::NotRetryable),
            Effect::Maybe if !repeatable => {
                return Decision::Stop(StopReason::AmbiguousNotIdempotent);
            }
            Effect::Maybe | Effect::None => {}
        }
        let once = error.advice() == RetryAdvice::Once;
        let transparent = once && error.effect() == Effect::None;
        let spent = match error.kind() {
            _ if transparent && so_far.transparent >= MAX_TRANSPARENT => true,
            ErrorKind::Unauthenticated if transparent => so_far.refreshed,
            _ if transparent => false,
            _ => {
                so_far.single
                    || so_far.attempts >= self.max_attempts
                    || once && so_far.repeated_at_once
            }
        };
        if spent {
            return Decision::Stop(StopReason::AttemptsExhausted);
        }
        let delay = match error.advice() {
            RetryAdvice::Exactly(delay) => delay,
            // Nothing is no floor.
            RetryAdvice::After(delay) if !delay.is_zero() => jitter.above(delay),
            _ if once => Duration::ZERO,
            _ => self.backoff(error, so_far, jitter),
        };
        if let RetryAdvice::After(asked) | RetryAdvice::Exactly(asked) = error.advice()
            && asked > self.max_server_delay
        {
            return Decision::Stop(StopReason::ServerDelayTooLong);
        }
        if remaining.is_some_and(|remaining| delay >= remaining) {
            return Decision::Stop(StopReason::DeadlineWouldPass);
        }
        if !transparent && !budget() {
            return Decision::Stop(StopReason::BudgetExhausted);
        }
        Decision::Retry { delay, transparent }
    }

    /// Returns for how long `error` asks everybody to send this sink nothing, if it does: a sink that
    /// asked to be sent less, or one that is not available and says until when.
    ///
    /// Capped at the longest pause that a sink may ask for. Where the sink did not say how long, it is
    /// the pause that [`decide`](Self::decide) draws with the same randomness.
    pub fn pause_for_all(
        &self,
        error: &Error,
        so_far: &SoFar,
        jitter: &mut Jitter,
    ) -> Option<Duration> {
        match (error.kind(), error.advice()) {
            (ErrorKind::Throttled, RetryAdvice::After(asked) | RetryAdvice::Exactly(asked))
            | (ErrorKind::Unavailable, RetryAdvice::After(asked))
                if !asked.is_zero() =>
            {
                Some(asked.min(self.max_server_delay))
            }
            (ErrorKind::Throttled, _) => Some(self.backoff(error, so_far, jitter)),
            _ => None,
        }
    }

    fn backoff(&self, error: &Error, so_far: &SoFar, jitter: &mut Jitter) -> Duration {
        let throttled = error.kind() == ErrorKind::Throttled;
        let backoff = if throttled { &self.throttled } else { &self.transient };
        backoff.delay(so_far.step, jitter)
    }
}

impl SoFar {
    /// Begins a send that makes one attempt and no more, whatever the settings say; see
    /// [`Attempt::is_single`](crate::Attempt::is_single).
    pub fn single() -> Self {
        Self { single: true, ..Self::default() }
    }

    /// Books an attempt that is counted, before it is made.
    pub fn began(&mut self) {
        self.attempts += 1;
    }

    /// Books that `error` is followed by another attempt.
    pub fn retried(&mut self, error: &Error, transparent: bool) {
        match error.advice() {
            _ if transparent => {
                self.transparent += 1;
                self.refreshed |= error.kind() == ErrorKind::Unauthenticated;
            }
            RetryAdvice::Once => self.repeated_at_once = true,
            // The sink took the pacing over; where it leaves off, the pauses begin anew.
            RetryAdvice::Exactly(_) => self.step = 0,
            _ => self.step = self.step.saturating_add(1),
        }
    }

    /// Returns how many attempts are counted.
    pub fn attempts(&self) -> u32 {
        self.attempts
    }
}

/// A sink that refuses every fresh connection must not be tried for ever.
const MAX_TRANSPARENT: u32 = 2;
