//! One send on its way through the pipeline: what its attempts share, and how it ends.

use std::time::Duration;

use tokio::time::Instant;

use crate::policy::{Reason, Verdict};
use crate::{
    Attempt, Attempts, Effect, Error, ErrorKind, Message, Report, RetryAdvice, StopReason,
    TimeoutScope,
};

use super::backoff::Jitter;
use super::breaker::Open;
use super::heard::Heard;
use super::retry::SoFar;
use super::settings::{Resilience, RetryMaybe};
use super::throttle::Late;

/// What is known of one send.
pub(super) struct Course {
    pub(super) attempts: Attempts,
    pub(super) so_far: SoFar,
    /// When the last attempt must have ended.
    pub(super) deadline: Option<Instant>,
    /// Whose deadline that is.
    scope: TimeoutScope,
    seed: u64,
    maybe: RetryMaybe,
    /// How many attempts began, whether they are counted or not.
    begun: u64,
    transparent: bool,
    /// The error of the last attempt, while the send goes on.
    last: Option<Error>,
    pub(super) heard: Heard,
}

/// When an attempt must have ended, and whose bound that is.
#[derive(Clone, Copy)]
pub(super) struct Limit {
    pub(super) until: Option<Instant>,
    scope: TimeoutScope,
}

/// Why an attempt is not even begun.
pub(super) struct Refusal {
    error: Error,
    reason: StopReason,
}

impl Course {
    pub(super) fn begin(
        message: &Message,
        attempt: &Attempt,
        settings: &Resilience,
        seed: u64,
    ) -> Self {
        let own = Instant::now().checked_add(settings.total_timeout);
        let (deadline, scope) = match (own, attempt.deadline()) {
            (own, Some(outer)) if own.is_none_or(|own| outer < own) => {
                // The time of a mirror is that of its one attempt.
                let single = attempt.is_single();
                (Some(outer), if single { TimeoutScope::Attempt } else { TimeoutScope::FanOut })
            }
            (own, _) => (own, TimeoutScope::Total),
        };
        let id = message.id().as_u128();
        Self {
            attempts: attempt.take_over(),
            so_far: if attempt.is_single() { SoFar::single() } else { SoFar::default() },
            deadline,
            scope,
            seed: seed ^ (id >> 64) as u64 ^ id as u64,
            maybe: settings.retry_maybe,
            begun: 0,
            transparent: false,
            last: None,
            heard: Heard::default(),
        }
    }

    /// Whether an attempt was made already.
    pub(super) fn is_retrying(&self) -> bool {
        self.last.is_some()
    }

    pub(super) fn has_time_after(&self, instant: Instant) -> bool {
        self.deadline.is_none_or(|deadline| instant < deadline)
    }

    /// The randomness of what follows the current attempt: the same however often it is asked for.
    pub(super) fn jitter(&self) -> Jitter {
        Jitter::seeded(self.seed, self.begun)
    }

    /// When an attempt that begins at `now` must have ended.
    pub(super) fn limit(&self, now: Instant, timeout: Duration) -> Limit {
        match (now.checked_add(timeout), self.deadline) {
            (Some(own), Some(deadline)) if deadline < own => {
                Limit { until: Some(deadline), scope: self.scope }
            }
            (None, Some(deadline)) => Limit { until: Some(deadline), scope: self.scope },
            (until, _) => Limit { until, scope: TimeoutScope::Attempt },
        }
    }

    pub(super) fn next_attempt(&mut self, limit: Limit) -> Attempt {
        self.begun += 1;
        let attempt = if self.transparent {
            self.attempts.begin_again()
        } else {
            self.so_far.began();
            self.attempts.begin()
        };
        match limit.until {
            Some(until) => attempt.with_deadline(until),
            None => attempt,
        }
    }

    /// The current attempt did not end in time, and its future is dropped.
    pub(super) fn timed_out(&self, limit: Limit) -> Error {
        limit.timeout().with_effect(self.attempts.abandoned())
    }

    /// `error` is followed by another attempt.
    pub(super) fn goes_on(&mut self, mut error: Error, transparent: bool) {
        self.heard.keep(&mut error);
        self.so_far.retried(&error, transparent);
        self.transparent = transparent;
        self.last = Some(error);
    }

    /// Ends the send without a further attempt. The error of the last one, if there was one, is what
    /// really happened, so it stays.
    pub(super) fn refuse(&mut self, refusal: Refusal) -> Error {
        let error = self.last.take().unwrap_or(refusal.error);
        self.stop(error, refusal.reason)
    }

    /// Ends the send with `error`.
    pub(super) fn stop(&mut self, error: Error, reason: StopReason) -> Error {
        self.attempts.stopped(reason);
        let error = self.heard.on_error(error);
        let error = match reason {
            StopReason::AmbiguousNotIdempotent => error.with_context("hint", self.hint()),
            _ => error,
        };
        if self.begun == 0 {
            return error;
        }
        // What is said of the send is the worst of all its attempts.
        let effect = error.effect().max(self.attempts.effect());
        error.with_effect(effect)
    }

    fn hint(&self) -> &'static str {
        match self.maybe {
            RetryMaybe::IfRepeatable => {
                "not retried: it may have been applied; set idempotency = key or always"
            }
            RetryMaybe::Never => "not retried: it may have been applied, and retry_maybe is never",
        }
    }
}

impl Limit {
    fn timeout(self) -> Error {
        let message = match self.scope {
            TimeoutScope::Attempt => "the sink did not answer in time",
            TimeoutScope::Total => "the time for all attempts ran out",
            _ => "the deadline of the fan-out came first",
        };
        Error::timeout(self.scope, message)
    }

    /// Says whose time it really was, when the sink kept the deadline of its attempt itself: it cannot
    /// know whether that was the attempt's own, or that of the send.
    pub(super) fn name(self, error: Error, now: Instant) -> Error {
        if self.until.is_none_or(|until| now < until) {
            return error;
        }
        let ours = self.scope == TimeoutScope::Attempt;
        match error.scope() {
            Some(TimeoutScope::Attempt | TimeoutScope::Connect | TimeoutScope::Queue) if ours => {
                error
            }
            Some(scope) if scope == self.scope => error,
            Some(_) => self.timeout().with_effect(error.effect()).with_source(error),
            None => {
                let late = Verdict::Unsatisfied(Reason::Deadline);
                match error.report().map(Report::verdict) {
                    // A fan-out that gave up for want of time may have more the next time.
                    Some(verdict) if verdict == late && ours => {
                        error.with_advice(RetryAdvice::Backoff)
                    }
                    _ => error,
                }
            }
        }
    }
}

impl Refusal {
    pub(super) fn queue_full() -> Self {
        let error = Error::new(ErrorKind::QueueFull, "too many sends wait for this sink already");
        Self { error, reason: StopReason::NotRetryable }
    }

    pub(super) fn circuit_open(open: Open, now: Instant) -> Self {
        let message = match open.until() {
            Some(_) => "the circuit breaker is open",
            None => "the circuit breaker waits for its probe",
        };
        let error = until(Error::new(ErrorKind::CircuitOpen, message), open.until(), now);
        Self { error, reason: StopReason::CircuitOpen }
    }

    pub(super) fn paused(late: Late) -> Self {
        Self::late(late, "the sink asked for a pause that does not end in time")
    }

    pub(super) fn rate_limited(late: Late) -> Self {
        Self::late(late, "the rate limit leaves no room in time")
    }

    pub(super) fn no_permit(late: Late) -> Self {
        Self::late(late, "all permits of this sink were in use")
    }

    pub(super) fn no_time() -> Self {
        Self::late(Late { ready: None }, "the time ran out before an attempt could start")
    }

    fn late(late: Late, message: &'static str) -> Self {
        let error = match late.ready {
            Some(_) => {
                let error = Error::new(ErrorKind::LocalRateLimit, message);
                until(error, late.ready, Instant::now())
            }
            None => Error::timeout(TimeoutScope::Queue, message).with_effect(Effect::None),
        };
        Self { error, reason: StopReason::DeadlineWouldPass }
    }
}

/// Says in the advice how long it takes, where that is known.
fn until(error: Error, until: Option<Instant>, now: Instant) -> Error {
    match until {
        Some(until) => error.with_advice(RetryAdvice::After(until.saturating_duration_since(now))),
        None => error,
    }
}
