//! Sending in spite of failures: one decorator with one order, made of parts that can be used alone.
//!
#![doc = include_str!("../../docs/resilience.md")]

mod backoff;
mod breaker;
mod budget;
mod bulkhead;
mod course;
mod heard;
mod retry;
pub mod safe_retries;
mod settings;
mod throttle;
mod time;
mod window;

use std::fmt;

use async_trait::async_trait;
use tokio::time::{Instant, sleep, sleep_until};

use crate::{Attempt, BuildError, Error, Message, Receipt, Sink, StopReason};

pub use self::backoff::{Backoff, Jitter};
pub use self::breaker::{Breaker, Health, Lease, Open, counts_for_breaker};
pub use self::budget::Budget;
pub use self::bulkhead::{Bulkhead, Permit, Place};
pub use self::retry::{Decision, RetryRule, SoFar};
pub use self::settings::{Resilience, RetryMaybe};
pub use self::throttle::{Gate, Late, Pass, RateLimit, Turn};

use self::course::{Course, Refusal};
use self::time::within;

/// A sink that retries, within bounds; see the [module](self) for the order of its steps.
///
/// All sends through it share one breaker, one budget, one gate, one rate limit and one bulkhead, so wrap
/// a sink once, and share the wrapped one. The report of a fan-out shows the attempts that were made,
/// the time spent in pauses, why no further attempt was made, and the worst effect of all attempts. An
/// open breaker, a full queue or a limit that leaves no room in time shows *no* attempt.
///
/// The error is that of the last attempt, with the worst effect of all; when nothing was attempted, it is
/// of kind [`CircuitOpen`](crate::ErrorKind::CircuitOpen), [`QueueFull`](crate::ErrorKind::QueueFull),
/// [`LocalRateLimit`](crate::ErrorKind::LocalRateLimit) or a `Timeout` of scope
/// [`Queue`](crate::TimeoutScope::Queue). Where it was careful, its context has a `hint`.
///
/// # Cancel safety
///
/// Dropping the future of a send drops the attempt in flight, and gives back its place, its permit and
/// its lease; a cancelled call says nothing about the sink.
///
/// # Panics
///
/// When it has to wait and there is no tokio runtime with time enabled. A panic of the inner sink passes
/// through, and what was held is given back.
///
/// # Examples
///
/// ```
/// use fanout::resilience::Resilience;
/// use fanout::{FanOut, MemorySink, Message, SinkExt, policy};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
/// let orders = FanOut::builder(policy::all())
///     .sink("billing", MemorySink::new().resilient(Resilience::default().max_attempts(5))?)
///     .sink("audit", MemorySink::new().resilient(Resilience::strict())?)
///     .build()?;
/// let report = orders.send(Message::text("hello")).await;
/// assert_eq!(report.get("billing").map(|delivery| delivery.attempts()), Some(1));
/// # Ok(())
/// # }
/// ```
pub struct Resilient<S> {
    sink: S,
    settings: Resilience,
    seed: u64,
    rule: RetryRule,
    budget: Budget,
    breaker: Breaker,
    gate: Gate,
    rate_limit: Option<RateLimit>,
    bulkhead: Bulkhead,
}

#[async_trait]
#[deny(clippy::missing_trait_methods)]
impl<S: Sink> Sink for Resilient<S> {
    async fn send(&self, message: &Message, attempt: &Attempt) -> Result<Receipt, Error> {
        // Identity and total timeout: what all attempts share, and when the last of them must end.
        let mut course = Course::begin(message, attempt, &self.settings, self.seed);
        // Admission: rejected early, before any wait is spent.
        let Some(_place) = self.bulkhead.admit() else {
            return Err(course.refuse(Refusal::queue_full()));
        };
        let mut pause = None;
        loop {
            // Breaker, throttle, permit, lease: what must be had to start an attempt.
            let entry = match self.enter(&course).await {
                Ok(entry) => entry,
                Err(refusal) => return Err(course.refuse(refusal)),
            };
            drop(pause.take());
            // The attempt, under its timeout.
            let error = match self.attempt(message, &mut course, entry).await {
                Ok(receipt) => return Ok(course.heard.on_receipt(receipt)),
                Err(error) => error,
            };
            // Retry: decided at once, and nothing is held while it pauses.
            let delay = match self.decide(&course, &error) {
                Decision::Stop(reason) => return Err(course.stop(error, reason)),
                Decision::Retry { delay, transparent } => {
                    course.goes_on(error, transparent);
                    delay
                }
            };
            pause = Some(course.attempts.pause());
            if !delay.is_zero() {
                sleep(delay).await;
            }
        }
    }

    fn is_available(&self) -> bool {
        self.breaker.peek(Instant::now()).is_ok() && self.sink.is_available()
    }

    fn is_repeatable(&self) -> bool {
        self.sink.is_repeatable()
    }
}

/// What an attempt holds. Dropped unsettled, it says nothing about the sink.
struct Entry<'a> {
    at: Instant,
    lease: Lease<'a>,
    pass: Pass<'a>,
    /// Given back last, when what was learned is on record.
    permit: Permit<'a>,
}

impl<S: Sink> Resilient<S> {
    /// Puts the pipeline around `sink`.
    ///
    /// # Errors
    ///
    /// [`BuildError`] when the numbers are impossible; see [`Resilience::validate`].
    pub fn new(sink: S, settings: Resilience) -> Result<Self, BuildError> {
        settings.validate()?;
        Ok(Self {
            sink,
            seed: settings.seed.unwrap_or_else(|| fastrand::u64(..)),
            rule: RetryRule::new(&settings),
            budget: Budget::new(settings.budget_ratio, settings.budget_floor, settings.budget_ttl),
            breaker: Breaker::new(&settings),
            gate: Gate::new(settings.max_in_flight),
            rate_limit: settings.rate_limit.map(RateLimit::new),
            bulkhead: Bulkhead::new(settings.max_in_flight, settings.max_waiting),
            settings,
        })
    }

    /// Waits for all that an attempt needs, in order, and takes it.
    async fn enter(&self, course: &Course) -> Result<Entry<'_>, Refusal> {
        loop {
            self.pass_breaker(course).await?;
            self.gate.wait(course.deadline).await.map_err(Refusal::paused)?;
            let turn = match &self.rate_limit {
                Some(limit) => {
                    let late = Refusal::rate_limited;
                    let turn = limit.turn(course.deadline).await.map_err(late)?;
                    // No token for whom the sink would not let in: tokens that gather during a pause would
                    // all be spent at its end.
                    let now = Instant::now();
                    if !self.gate.is_free(now) || self.breaker.peek(now).is_err() {
                        continue;
                    }
                    limit.token(&turn, course.deadline).await.map_err(late)?;
                    Some(turn)
                }
                None => None,
            };
            // With a turn in hand, so that turns do not pile up behind the permits.
            let permit = self.bulkhead.permit(course.deadline).await.map_err(Refusal::no_permit)?;
            drop(turn);
            let now = Instant::now();
            if course.deadline.is_some_and(|deadline| deadline <= now) {
                return Err(Refusal::no_time());
            }
            // While this one waited, the sink may have asked for a pause or failed for others.
            let Some(pass) = self.gate.enter(now) else { continue };
            let Ok(lease) = self.breaker.reserve(now) else { continue };
            return Ok(Entry { at: now, lease, pass, permit });
        }
    }

    /// An open breaker ends the send, unless a retry can wait for it.
    async fn pass_breaker(&self, course: &Course) -> Result<(), Refusal> {
        loop {
            let now = Instant::now();
            let Err(open) = self.breaker.peek(now) else { return Ok(()) };
            match open.until() {
                Some(until) if course.is_retrying() && course.has_time_after(until) => {
                    sleep_until(until).await;
                }
                _ => return Err(Refusal::circuit_open(open, now)),
            }
        }
    }

    /// Makes one attempt, and books what it says about the sink.
    async fn attempt(
        &self,
        message: &Message,
        course: &mut Course,
        entry: Entry<'_>,
    ) -> Result<Receipt, Error> {
        let began = entry.at;
        let limit = course.limit(began, self.settings.attempt_timeout);
        let attempt = course.next_attempt(limit);
        if !course.is_retrying() {
            self.budget.deposit(began);
        }
        // The future is dropped when this returns, so what it reached is final when it is asked for.
        let answer = within(limit.until, self.sink.send(message, &attempt)).await;
        let now = Instant::now();
        let result = answer
            .unwrap_or_else(|| Err(course.timed_out(limit)))
            .map_err(|error| limit.name(error, now));
        if let Err(error) = &result {
            course.attempts.ended(error.effect());
        }
        entry.settle(&result, self.pause_for_all(course, &result, now), now);
        result
    }

    /// Lets the sink be, for everybody, when it asked for that.
    fn pause_for_all(
        &self,
        course: &Course,
        result: &Result<Receipt, Error>,
        now: Instant,
    ) -> Asked {
        let asked = result
            .as_ref()
            .err()
            .and_then(|error| self.rule.pause_for_all(error, &course.so_far, &mut course.jitter()));
        match asked {
            Some(pause) => {
                self.gate.pause(now, pause);
                Asked::Pause
            }
            None => Asked::Nothing,
        }
    }

    fn decide(&self, course: &Course, error: &Error) -> Decision {
        let now = Instant::now();
        let remaining = course.deadline.map(|at| at.saturating_duration_since(now));
        // What keeps a further attempt from starting in time, whatever its own pause would be.
        let late =
            |until: Option<Instant>| until.is_some_and(|until| !course.has_time_after(until));
        let barred = if late(self.breaker.peek(now).err().and_then(|open| open.until())) {
            Some(StopReason::CircuitOpen)
        } else if late(self.gate.paused_until(now)) {
            Some(StopReason::DeadlineWouldPass)
        } else {
            None
        };
        let budget = || barred.is_none() && self.budget.withdraw(now);
        let repeatable = self.sink.is_repeatable();
        let jitter = &mut course.jitter();
        match self.rule.decide(error, &course.so_far, repeatable, remaining, jitter, budget) {
            Decision::Stop(StopReason::BudgetExhausted) => {
                Decision::Stop(barred.unwrap_or(StopReason::BudgetExhausted))
            }
            decision => decision,
        }
    }
}

impl<S> Resilient<S> {
    /// Returns the inner sink.
    pub fn sink(&self) -> &S {
        &self.sink
    }

    /// Returns the numbers.
    pub fn settings(&self) -> &Resilience {
        &self.settings
    }

    /// Returns the breaker.
    pub fn breaker(&self) -> &Breaker {
        &self.breaker
    }

    /// Returns the retry budget.
    pub fn budget(&self) -> &Budget {
        &self.budget
    }

    /// Returns the gate that the sink's own wishes close.
    pub fn gate(&self) -> &Gate {
        &self.gate
    }

    /// Returns the bulkhead, which counts what is under way.
    pub fn bulkhead(&self) -> &Bulkhead {
        &self.bulkhead
    }
}

impl<S: fmt::Debug> fmt::Debug for Resilient<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Resilient")
            .field("sink", &self.sink)
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

/// Whether the sink asked for a pause.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Asked {
    Nothing,
    Pause,
}

impl Entry<'_> {
    fn settle(self, result: &Result<Receipt, Error>, asked: Asked, now: Instant) {
        self.lease.record(Health::of(result), now);
        match asked {
            Asked::Nothing => self.pass.answered(),
            Asked::Pause => drop(self.pass),
        }
        drop(self.permit);
    }
}
