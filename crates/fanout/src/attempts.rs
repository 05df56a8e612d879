//! The attempts that a decorator makes on behalf of one send.

use tokio::time::Instant;

use crate::{Attempt, Effect, StopReason};

/// The attempts that a decorator makes on behalf of one send, one after the other; made by
/// [`Attempt::take_over`].
///
/// Everything that is told here is on record at once, so the report is right even when the future of
/// the decorator is dropped half-way. Every attempt carries the same sink name, idempotency key and
/// deadline, and knows the worst effect of those before it. Counting goes on where an outer decorator
/// left it.
#[derive(Debug)]
pub struct Attempts {
    template: Attempt,
}

/// A pause between two attempts, on record from its start until it is dropped.
#[derive(Debug)]
#[must_use = "the pause ends when this is dropped"]
pub struct Pause {
    attempt: Attempt,
    began: Instant,
}

impl Attempts {
    pub(crate) fn of(template: Attempt) -> Self {
        Self { template }
    }

    /// Begins the next attempt, and counts it. From here on, silence means [`Effect::Maybe`].
    ///
    /// The deadline is that of the send; [`Attempt::with_deadline`] gives it an earlier one.
    pub fn begin(&self) -> Attempt {
        self.make(true)
    }

    /// Begins an attempt that repeats the one before, which surely never reached the sink: it has the
    /// same number and is not counted.
    pub fn begin_again(&self) -> Attempt {
        self.make(false)
    }

    /// Ends the current attempt with the effect that its result tells.
    ///
    /// Whoever still holds a clone of it is then told [`Reach::Abandoned`](crate::Reach::Abandoned).
    pub fn ended(&self, effect: Effect) {
        self.template.track().close(effect);
    }

    /// Ends the current attempt, whose future gave no result, and returns what it had reached.
    ///
    /// Drop the future *first*: what it writes while it is dropped is then part of the answer.
    pub fn abandoned(&self) -> Effect {
        self.template.track().close_abandoned()
    }

    /// Begins a pause, which is on record as the time until the [`Pause`] is dropped.
    pub fn pause(&self) -> Pause {
        Pause { attempt: self.template.clone(), began: Instant::now() }
    }

    /// Says why no further attempt is made. Beginning one takes it back.
    pub fn stopped(&self, reason: StopReason) {
        self.template.track().stopped(reason);
    }

    /// Returns how many attempts are counted.
    pub fn count(&self) -> u32 {
        self.template.track().attempts()
    }

    /// Returns the worst effect of the attempts that ended, those of an earlier send of the same message
    /// included.
    pub fn effect(&self) -> Effect {
        self.template.earlier_effect()
    }

    fn make(&self, counted: bool) -> Attempt {
        let (number, serial) = self.template.track().begin(counted);
        self.template.another(number, serial)
    }
}

impl Drop for Pause {
    fn drop(&mut self) {
        self.attempt.track().add_delay(self.began.elapsed());
    }
}
